// What a program sees of the calls on port sets; bound in mach-port.ts. `docs/reference` is made of these comments.

import type { Out } from "./arguments.js";

/** Ports in sets. */
export interface PortSetTraps {
  /**
   * Puts a port into exactly one set, or takes it out of all.
   *
   * @param member the receive right
   * @param after the set; 0 for none
   * @kr KERN_SUCCESS it is in that set alone, or in none
   * @kr KERN_NOT_IN_SET `after` is 0, and the port is in no set
   * @kr KERN_INVALID_NAME a name denotes nothing
   * @kr KERN_INVALID_RIGHT `member` is not a receive right, or `after` is not a set; `member` is 0, or either is 0xffffffff
   * @kr KERN_RESOURCE_SHORTAGE no memory
   * @source XNU osfmk/ipc/mach_port.c mach_port_move_member; A176, A177
   * @differs Nothing.
   */
  mach_port_move_member(task: number, member: number, after: number): number;
  /**
   * Puts a port into a set, and leaves it in those where it is.
   *
   * @param name the receive right
   * @param pset the set
   * @kr KERN_SUCCESS put in
   * @kr KERN_ALREADY_IN_SET it is in that set
   * @kr KERN_INVALID_NAME a name denotes nothing
   * @kr KERN_INVALID_RIGHT `name` is not a receive right, or `pset` is not a set; 0 or 0xffffffff
   * @kr KERN_RESOURCE_SHORTAGE no memory
   * @source XNU osfmk/ipc/mach_port.c mach_port_insert_member; A174, A177
   * @differs GNU Mach has ports in one set at most; here, as in XNU, a port may be in many.
   */
  mach_port_insert_member(task: number, name: number, pset: number): number;
  /**
   * Takes a port out of one set.
   *
   * @param name the receive right
   * @param pset the set
   * @kr KERN_SUCCESS taken out
   * @kr KERN_NOT_IN_SET it is not in that set
   * @kr KERN_INVALID_NAME a name denotes nothing
   * @kr KERN_INVALID_RIGHT `name` is not a receive right, or `pset` is not a set; 0 or 0xffffffff
   * @source XNU osfmk/ipc/mach_port.c mach_port_extract_member; A175
   * @differs Nothing.
   */
  mach_port_extract_member(task: number, name: number, pset: number): number;
  /**
   * Lists the members of a set.
   *
   * @param name the set
   * @param members out: the names of their receive rights, one word each, in no order
   * @kr KERN_SUCCESS listed
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a set; 0 or 0xffffffff
   * @kr KERN_RESOURCE_SHORTAGE no memory for the list
   * @source XNU osfmk/ipc/mach_port.c mach_port_get_set_status; A182
   * @differs The list is a JavaScript array instead of memory of the caller's; XNU sorts it, this kernel does not.
   */
  mach_port_get_set_status(task: number, name: number, members: Out<Uint32Array>): number;
}
