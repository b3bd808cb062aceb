// What a program sees of the calls on a port's own words; bound in mach-port.ts. `docs/reference` is made of these comments.

/** A port's numbers: limits, counts, context. */
export interface PortStatusTraps {
  /**
   * Tells how a port stands: its queue limit, its status, its guard, or how many names watch it.
   *
   * @param name the receive right
   * @param flavor `MACH_PORT_LIMITS_INFO`: one word, the queue limit in messages; `MACH_PORT_RECEIVE_STATUS`: ten words, in a
   *   set or not, next sequence number, make-send count, queue limit and queued messages, send-once rights in existence, then 1
   *   or 0 for: send rights exist, port-destroyed armed, no-senders armed, and flags, `MACH_PORT_STATUS_FLAG_GUARDED`,
   *   `_STRICT_GUARD` and `_GUARD_IMMOVABLE_RECEIVE` of a guarded port; `MACH_PORT_DNREQUESTS_SIZE`: one word, the dead-name requests
   *   armed on it; `MACH_PORT_INFO_EXT`: the status and seven zeros; `MACH_PORT_GUARD_INFO`: two words, the guard and 0, or 0 and 0
   *   where there is none or it is strict; `MACH_PORT_SERVICE_THROTTLED`: refused
   * @param info out: the words
   * @param count in, one word: the words that `info` has room for; out: the words stored
   * @kr KERN_SUCCESS told; of the names 0 and 0xffffffff the queue limit is no word, the requests are 0
   * @kr KERN_FAILURE no room for the flavour's words; looked at before the name
   * @kr KERN_INVALID_ARGUMENT no such flavour
   * @kr KERN_INVALID_NAME the name denotes nothing, or is dead
   * @kr KERN_INVALID_RIGHT not a receive right; the status or the guard of 0 or 0xffffffff
   * @kr KERN_INVALID_CAPABILITY `MACH_PORT_SERVICE_THROTTLED` of a port that is no service of launchd's: none is
   * @source XNU osfmk/ipc/mach_port.c mach_port_get_attributes, mach_port_get_status_helper; A173, A183, A193 to A195
   * @differs XNU's flavours 4 to 6, on importance, are not built: there is nothing behind them here. XNU refuses
   *   `MACH_PORT_GUARD_INFO` here and has it for `mach_port_assert_attributes` alone.
   */
  mach_port_get_attributes(task: number, name: number, flavor: number, info: Uint32Array, count: Uint32Array): number;
  /**
   * Tells how many send rights there are for a port: names with send rights, however many references each has, and rights in
   * messages, also those that are queued on the port itself.
   *
   * @param name the receive right
   * @param srights out, one word: the number
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_NAME the name denotes nothing, or is dead; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT not a receive right
   * @source XNU osfmk/ipc/mach_debug.c mach_port_get_srights; A32, A197
   * @differs Nothing.
   */
  mach_port_get_srights(task: number, name: number, srights: Uint32Array): number;
  /**
   * Sets a port's queue limit. Senders that wait are let in as far as there is room now; a lower limit is for later sends. Flavours
   * on importance (`MACH_PORT_TEMPOWNER`, `MACH_PORT_IMPORTANCE_RECEIVER`, `MACH_PORT_DENAP_RECEIVER`) and
   * `MACH_PORT_DNREQUESTS_SIZE`, a hint on the size of a table, set nothing.
   *
   * @param name the receive right
   * @param flavor `MACH_PORT_LIMITS_INFO`, or one that sets nothing
   * @param info one word: the queue limit, 0 to 1024 messages
   * @param count the words in `info`
   * @kr KERN_SUCCESS set
   * @kr KERN_INVALID_ARGUMENT another flavour
   * @kr KERN_FAILURE `count` is 0, and the flavour has a word
   * @kr KERN_INVALID_VALUE more than 1024
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @kr KERN_INVALID_CAPABILITY `MACH_PORT_SERVICE_THROTTLED` of a port that is no service of launchd's: none is
   * @source XNU osfmk/ipc/mach_port.c mach_port_set_attributes, ipc_mqueue.c ipc_mqueue_set_qlimit_locked; A87, A93
   * @differs There is no importance here, so that its flavours set nothing.
   */
  mach_port_set_attributes(task: number, name: number, flavor: number, info: Uint32Array, count: number): number;
  /**
   * Sets the sequence number that the next message taken from the port will carry.
   *
   * @param name the receive right
   * @param seqno the number
   * @kr KERN_SUCCESS set
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @source XNU osfmk/ipc/mach_port.c mach_port_set_seqno; A127
   * @differs Nothing.
   */
  mach_port_set_seqno(task: number, name: number, seqno: number): number;
  /**
   * Sets the count of send rights made from the receive right, which no-senders notifications tell and compare with.
   *
   * @param name the receive right
   * @param mscount the count
   * @kr KERN_SUCCESS set
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @source XNU osfmk/ipc/mach_port.c mach_port_set_mscount; A145
   * @differs Nothing.
   */
  mach_port_set_mscount(task: number, name: number, mscount: number): number;
  /**
   * Tells the word that the task keeps with the port.
   *
   * @param name the receive right
   * @param context out, one word: 0 unless it was set; 0 again after the right moved; 0 of a strictly guarded port
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @source XNU osfmk/ipc/mach_port.c mach_port_get_context; A6, A56, A191
   * @differs Nothing.
   */
  mach_port_get_context(task: number, name: number, context: Uint32Array): number;
  /**
   * Keeps a word with the port. Messages carry it in their trailer if the receiver asks for that.
   *
   * @param name the receive right
   * @param context the word; the kernel gives it no meaning
   * @kr KERN_SUCCESS kept; of a guarded port it is the guard from now on
   * @kr KERN_INVALID_ARGUMENT the port is strictly guarded
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @source XNU osfmk/ipc/mach_port.c mach_port_set_context; A56, A133, A191
   * @differs Nothing.
   */
  mach_port_set_context(task: number, name: number, context: number): number;
}
