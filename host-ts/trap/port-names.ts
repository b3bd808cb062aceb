// What a program sees of the calls on names and references; bound in mach-port.ts. `docs/reference` is made of these comments.

import type { Out } from "./arguments.js";

/** Making names, counting references, giving them up. */
export interface PortNameTraps {
  /**
   * Makes a receive right, a port set or a dead name, under a name that the kernel chooses.
   *
   * @param right what to make: `MACH_PORT_RIGHT_RECEIVE`, `MACH_PORT_RIGHT_PORT_SET` or `MACH_PORT_RIGHT_DEAD_NAME`
   * @param name out, one word: the new name
   * @kr KERN_SUCCESS made
   * @kr KERN_INVALID_VALUE another kind of right
   * @kr KERN_NO_SPACE the table of names is full
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the task has as many receive rights as its quota allows
   * @source XNU osfmk/ipc/mach_port.c mach_port_allocate_full; A3, A6 to A8
   * @differs A task may have a quota of ports, so that one task cannot use up the memory of all.
   */
  mach_port_allocate(task: number, right: number, name: Uint32Array): number;
  /**
   * As `mach_port_allocate`, under a name that the caller chooses.
   *
   * @param right what to make: `MACH_PORT_RIGHT_RECEIVE`, `MACH_PORT_RIGHT_PORT_SET` or `MACH_PORT_RIGHT_DEAD_NAME`
   * @param name the name: a slot number from 1 shifted left by 8, then a byte whose two low bits are set
   * @kr KERN_SUCCESS made
   * @kr KERN_INVALID_VALUE another kind of right; the name is 0, 0xffffffff, or its low bits are not 3
   * @kr KERN_NAME_EXISTS the name is in use
   * @kr KERN_FAILURE slot 0, or the slot is in use under another generation
   * @kr KERN_NO_SPACE the slot is past the end of the largest table
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the task has as many receive rights as its quota allows
   * @source XNU osfmk/ipc/mach_port.c mach_port_allocate_name, ipc_entry.c ipc_entry_alloc_name; A4, A9
   * @differs A dead name gets the name that was asked for, as in the Mach of the books; XNU picks another.
   */
  mach_port_allocate_name(task: number, right: number, name: number): number;
  /**
   * Gives up one reference: of a send right or a dead name, of the send right where send and receive share a name, or the
   * whole send-once right or port set.
   *
   * @param name what to give up; 0 and 0xffffffff are nothing to give up
   * @kr KERN_SUCCESS given up; also for the names 0 and 0xffffffff
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT the name denotes a receive right alone
   * @kr KERN_RESOURCE_SHORTAGE no memory for the notification that an unused send-once right sends; nothing changed
   * @source XNU osfmk/ipc/ipc_right.c ipc_right_dealloc; A33, A34
   * @differs GNU Mach refuses a port set and the names 0 and 0xffffffff; XNU and this kernel do not.
   */
  mach_port_deallocate(task: number, name: number): number;
  /**
   * Gives up everything that a name denotes, with all references. The send right goes first, so that a no-senders request
   * of the port's own holder is told before the port dies.
   *
   * @param name what to give up; 0 and 0xffffffff are nothing to give up
   * @kr KERN_SUCCESS the name denotes nothing any more; also for the names 0 and 0xffffffff
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_RESOURCE_SHORTAGE no memory for the notification that an unused send-once right sends; nothing changed
   * @kr KERN_INVALID_RIGHT the port is guarded; nothing changed
   * @source XNU osfmk/ipc/ipc_right.c ipc_right_destroy; A35, A36
   * @differs GNU Mach refuses the names 0 and 0xffffffff; XNU and this kernel do not.
   */
  mach_port_destroy(task: number, name: number): number;
  /**
   * Adds `delta` to the references of one kind of right. A count of 65535 stays there whatever is added or taken, unless
   * all 65535 are taken at once.
   *
   * @param name whose references
   * @param right which right of that name: `MACH_PORT_RIGHT_SEND` and so on
   * @param delta references to add, negative to give up: -65535 to 65535 for send rights and dead names, 0 or -1 for others
   * @kr KERN_SUCCESS changed; also for the names 0 and 0xffffffff as send or send-once right
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff with another right
   * @kr KERN_INVALID_RIGHT the name denotes something, but not this right; the port is guarded, and its receive right would go
   * @kr KERN_INVALID_VALUE no such kind of right; more taken than there are; a delta out of range
   * @kr KERN_RESOURCE_SHORTAGE no memory for the notification that an unused send-once right sends; nothing changed
   * @source XNU osfmk/ipc/ipc_right.c ipc_right_delta; A19 to A30, A37, A38, A191
   * @differs As in XNU a count that is full stays full; GNU Mach answers KERN_UREFS_OVERFLOW, which is never returned here.
   */
  mach_port_mod_refs(task: number, name: number, right: number, delta: number): number;
  /**
   * Tells how many references the task has of one kind of right under a name.
   *
   * @param name whose references
   * @param right which right of that name: `MACH_PORT_RIGHT_SEND` and so on
   * @param refs out, one word: the references; 1 for a receive right or a port set, 0 where the name lacks the right
   * @kr KERN_SUCCESS told; the names 0 and 0xffffffff have one send and one send-once reference
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff with another right
   * @kr KERN_INVALID_VALUE no such kind of right
   * @source XNU osfmk/ipc/mach_port.c mach_port_get_refs; A16 to A18
   * @differs Nothing.
   */
  mach_port_get_refs(task: number, name: number, right: number, refs: Uint32Array): number;
  /**
   * Tells what a name denotes.
   *
   * @param name any name; 0xffffffff is a dead name
   * @param ptype out, one word: `MACH_PORT_TYPE_*` bits, with `MACH_PORT_TYPE_DNREQUEST` while a dead-name request is armed
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_NAME the name denotes nothing; 0
   * @source XNU osfmk/ipc/mach_port.c mach_port_type, ipc_right.c ipc_right_info; A11, A12
   * @differs Nothing.
   */
  mach_port_type(task: number, name: number, ptype: Uint32Array): number;
  /**
   * Gives what a name denotes another name, with all its references; an armed dead-name request is told with the new name. A
   * thread that waits on a port goes on; one that waits on a set is told `MACH_RCV_INVALID_NAME` when a member has a message.
   * What `mach-ipc` holds, and `mach_task_self()`, must not be renamed: they keep the name that they had.
   *
   * @param oldName what to rename
   * @param newName the new name, as in `mach_port_allocate_name`
   * @kr KERN_SUCCESS renamed
   * @kr KERN_INVALID_VALUE `newName` is 0, 0xffffffff, or its low bits are not 3
   * @kr KERN_NAME_EXISTS `newName` is in use, also if it is `oldName`
   * @kr KERN_FAILURE `newName` is in slot 0, or in a slot in use under another generation
   * @kr KERN_NO_SPACE `newName` is past the end of the largest table, or there is no memory for its slot
   * @kr KERN_INVALID_NAME `oldName` denotes nothing; 0 or 0xffffffff. Of two things wrong the one with `newName` is told
   * @source GNU Mach ipc/mach_port.c mach_port_rename, ipc_object.c ipc_object_rename, ipc_right.c ipc_right_rename; A15
   * @differs Nothing from GNU Mach; obsolete in XNU.
   */
  mach_port_rename(task: number, oldName: number, newName: number): number;
  /**
   * Lists every name of the task with its type. Rights whose port died are listed as dead names.
   *
   * @param names out: the names, one word each, in no order
   * @param types out: as many words, what `mach_port_type` tells of the name at the same place
   * @kr KERN_SUCCESS listed
   * @kr KERN_RESOURCE_SHORTAGE no memory for the list
   * @source XNU osfmk/ipc/mach_port.c mach_port_names; A13
   * @differs The lists are JavaScript arrays instead of memory of the caller's, which would be its to give back.
   */
  mach_port_names(task: number, names: Out<Uint32Array>, types: Out<Uint32Array>): number;
}
