// What a program sees of the calls that a right comes with; bound in mach-port.ts. `docs/reference` is made of these comments.

/** Rights that come as an argument. They are gone then, also when the call is refused for another reason. */
export interface PortRightTraps {
  /**
   * Puts a right of the caller's into the task's space under a name that the caller chooses: more send references where the
   * name has the port's rights already, or a new name.
   *
   * @param name the name in the task's space that is to have the right; for a name that is not in use see `mach_port_allocate_name`
   * @param poly the caller's name that the right comes from
   * @param polyPoly how it comes: `MACH_MSG_TYPE_MAKE_SEND`, `_COPY_SEND`, `_MOVE_SEND`, `_MAKE_SEND_ONCE`, `_MOVE_SEND_ONCE`
   *   or `_MOVE_RECEIVE`
   * @kr KERN_SUCCESS `name` has the right, and one more reference if it is a send right
   * @kr KERN_INVALID_TASK as for every call; a right that came for a task that ended meanwhile is destroyed
   * @kr KERN_INVALID_VALUE no such disposition; `name` cannot be a name. What came with a good disposition is destroyed
   * @kr KERN_INVALID_NAME `poly` denotes nothing
   * @kr KERN_INVALID_RIGHT `poly` lacks the right that the disposition needs
   * @kr KERN_INVALID_CAPABILITY `poly` is 0, 0xffffffff or dead; a receive right that cannot be moved
   * @kr KERN_RIGHT_EXISTS the task has rights of that port under another name, where they stay; the right that came is destroyed
   * @kr KERN_NAME_EXISTS `name` denotes something else; the right that came is destroyed
   * @kr KERN_FAILURE `name` is in slot 0, or in a slot in use under another generation; the right that came is destroyed
   * @kr KERN_NO_SPACE `name` is past the end of the largest table; the right that came is destroyed
   * @kr KERN_RESOURCE_SHORTAGE no memory; nothing moved, but what had come for another task is destroyed
   * @source XNU osfmk/ipc/mach_port.c mach_port_insert_right, ipc_object.c ipc_object_copyout_name; A66 to A68, A57
   * @differs Nothing.
   */
  mach_port_insert_right(task: number, name: number, poly: number, polyPoly: number): number;
  /**
   * Takes a right out of the task's space as if the task had sent it to the caller.
   *
   * @param name the task's name that the right comes from
   * @param msgtName how it comes: a disposition as `polyPoly` of `mach_port_insert_right`
   * @param poly out, one word: the caller's own name for the right; send and receive rights of one port share one, a send-once
   *   right has a new one; `MACH_PORT_DEAD` for a right that died
   * @param polyPoly out, one word: its type as received, `MACH_MSG_TYPE_PORT_RECEIVE`, `_PORT_SEND` or `_PORT_SEND_ONCE`
   * @kr KERN_SUCCESS taken out
   * @kr KERN_INVALID_VALUE no such disposition; looked at before the name
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT the name lacks the right that the disposition needs
   * @kr KERN_INVALID_CAPABILITY a receive right that cannot be moved
   * @kr KERN_RESOURCE_SHORTAGE no memory, or no room for a name; a right that was taken is destroyed
   * @source XNU osfmk/ipc/mach_port.c mach_port_extract_right, ipc_object.c ipc_object_copyin; A69, A57
   * @differs Nothing.
   */
  mach_port_extract_right(
    task: number,
    name: number,
    msgtName: number,
    poly: Uint32Array,
    polyPoly: Uint32Array,
  ): number;
  /**
   * Asks to be told of something, once, by a message to a send-once right; replaces an earlier request of the same kind, or
   * cancels it.
   *
   * @param name the task's right to watch: the receive right for no-senders and port-destroyed, any right for dead-name
   *   and send-possible, which replace each other
   * @param msgid what to be told of: `MACH_NOTIFY_NO_SENDERS`, `MACH_NOTIFY_PORT_DESTROYED`, `MACH_NOTIFY_DEAD_NAME`, or
   *   `MACH_NOTIFY_SEND_POSSIBLE`: of room in the port's queue, or that the port died
   * @param sync for no-senders the make-send count from which on to tell; for dead-name not 0: tell at once if it is dead
   *   already; for send-possible 0: once a send with `MACH_SEND_NOTIFY` has found no room, not 0: as soon as there is room, be it
   *   now; for port-destroyed 0
   * @param notify the caller's name that the send-once right comes from; 0 cancels
   * @param notifyPoly how it comes: `MACH_MSG_TYPE_MAKE_SEND_ONCE` or `MACH_MSG_TYPE_MOVE_SEND_ONCE`
   * @param previous out, one word: the send-once right of the request before, now the caller's; 0 if there was none
   * @kr KERN_SUCCESS armed, told at once, or cancelled
   * @kr KERN_INVALID_VALUE no such notification; `sync` not 0 for port-destroyed; `notifyPoly` is neither of the two
   * @kr KERN_INVALID_NAME `name` or `notify` denotes nothing
   * @kr KERN_INVALID_RIGHT `name` is not what the notification is about; `notify` lacks the right that `notifyPoly` needs;
   *   port-destroyed of a special reply port
   * @kr KERN_INVALID_CAPABILITY `notify` is dead
   * @kr KERN_INVALID_ARGUMENT dead-name or send-possible of 0 or 0xffffffff; dead-name with `sync` 0 of a name that is dead;
   *   either of a name that is dead, with `notify` 0
   * @kr KERN_RESOURCE_SHORTAGE no memory; nothing moved
   * @source XNU osfmk/ipc/mach_port.c mach_port_request_notification; A137 to A156
   * @differs A second port-destroyed request replaces the first, and a dead-name request on a dead name is told at once
   *   where `sync` says so: the Mach of the books, whose headers promise both. XNU refuses them. Send-possible is told when
   *   the queue has room; XNU tells it at the next receive from the port, be there room or not.
   */
  mach_port_request_notification(
    task: number,
    name: number,
    msgid: number,
    sync: number,
    notify: number,
    notifyPoly: number,
    previous: Uint32Array,
  ): number;
}
