// Arrays of ports in messages (MACH_MSG_OOL_PORTS_DESCRIPTOR). Outside of messages an array is names, one word each, in a task's memory.
// Inside of a message the ports are in the kmsg's slots, behind one that says how many they are; so all that is done with the rights of
// a message is done with theirs.

import { out_get } from "../kern/processor";
import { KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from "../abi/kern_return";
import {
  MACH_MSG_IPC_SPACE,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_PORTS_MAX,
  MACH_MSG_SUCCESS,
  MACH_MSG_VIRTUAL_COPY,
  MACH_MSG_VM_KERNEL,
  MACH_MSG_VM_SPACE,
  MACH_SEND_INVALID_MEMORY,
  MACH_SEND_NO_BUFFER,
} from "../abi/message";
import { vm_copy_affordable, vm_copy_hold, vm_copy_make, vm_copyin_bytes, vm_copyout } from "../vm/vm_copy";
import { ikm_port_at, IpcKmsg, SLOT_MEMORY } from "./ipc_kmsg";
import { ikm_slot, ipc_kmsg_copyin_port } from "./ipc_kmsg_copyin";
import { ipc_copyin_type, ipc_right_copyout } from "./ipc_right_copy";
import { IpcSpace, is_serial } from "./ipc_space";

/** Flag of a slot's second word: it holds no port; above the received disposition is how many of the slots behind it are the array's. */
export const SLOT_ARRAY: u32 = 1 << 31;

/** How many slots behind one with SLOT_ARRAY are its array's. */
export function slot_array_count(type: u32): u32 {
  return (type & ~(SLOT_ARRAY | SLOT_MEMORY)) >>> 8;
}

/**
 * Copies the rights of the array that the descriptor at `at` names in.
 *
 * Conditions, Consumes: as ipc_kmsg_copyin_body; with `deallocate` the array's pages too, whatever becomes of the rights.
 * Returns: MACH_MSG_SUCCESS; MACH_SEND_INVALID_MEMORY, no such memory, or it may not be read; MACH_SEND_NO_BUFFER; MACH_SEND_INVALID_RIGHT, of
 *          one of the names.
 */
export function ipc_kmsg_copyin_array(space: IpcSpace, kmsg: IpcKmsg, at: usize): u32 {
  const address = load<u32>(at);
  const count = load<u32>(at, 4);
  const disposition = <u32>load<u8>(at, 10);
  if (count > MACH_MSG_PORTS_MAX || count >= kmsg.ikm_ports_max - kmsg.ikm_ports_count) return MACH_SEND_INVALID_MEMORY;
  ikm_slot(kmsg, SLOT_ARRAY | (count << 8) | ipc_copyin_type(disposition));
  if (count == 0) return MACH_MSG_SUCCESS;
  // The names wait in the second half of the slots that are to be theirs: the slot of each ends where its name is, or before.
  const names = ikm_port_at(kmsg, kmsg.ikm_ports_count) + count * 4;
  const task = changetype<usize>(space);
  const moves = load<u8>(at, 8) != 0;
  const read = vm_copyin_bytes(task, is_serial(task), address, count * 4, moves, names);
  if (read == KERN_RESOURCE_SHORTAGE) {
    kmsg.ikm_ports_count--; // the sender gets back what is in the others
    return MACH_SEND_NO_BUFFER;
  }
  if (read != KERN_SUCCESS) return MACH_SEND_INVALID_MEMORY;
  let code = MACH_MSG_SUCCESS;
  for (let index: u32 = 0; index < count && code == MACH_MSG_SUCCESS; index++) {
    code = ipc_kmsg_copyin_port(space, kmsg, load<u32>(names + index * 4), disposition);
  }
  return code;
}

/**
 * Copies the array of slot `index` out, into new memory that the descriptor at `at` then names (A113).
 *
 * Conditions: as copyout_body. Returns: 0, or trouble bits: what found no room is still in its slot.
 */
export function ipc_kmsg_copyout_array(space: IpcSpace, kmsg: IpcKmsg, index: u32, at: usize): u32 {
  const head_at = ikm_port_at(kmsg, index);
  const head = load<u32>(head_at, 4);
  const count = slot_array_count(head);
  let address: u32 = 0;
  let trouble: u32 = 0;
  const task = changetype<usize>(space);
  if (count != 0) {
    store<u32>(head_at, head | SLOT_MEMORY, 4); // before there is any
    // Mapped first: rights get names only if there will be somebody who knows them. Another thread may remove the memory meanwhile.
    const names = vm_copy_make(task, count * 4, head_at);
    if (names == 0 || !vm_copy_hold(head_at)) {
      trouble = names != 0 || vm_copy_affordable(task, count * 4) ? MACH_MSG_VM_KERNEL : MACH_MSG_VM_SPACE;
    } else if (vm_copyout(task, is_serial(task), head_at) != KERN_SUCCESS) {
      trouble = MACH_MSG_VM_SPACE;
    } else {
      address = out_get(0);
      trouble = names_make(space, kmsg, index + 1, count, names);
    }
  }
  store<u32>(at, address);
  store<u32>(at, count, 4);
  store<u32>(at, 1 | (MACH_MSG_VIRTUAL_COPY << 8) | ((head & 0xff) << 16) | (MACH_MSG_OOL_PORTS_DESCRIPTOR << 24), 8);
  return trouble;
}

/** Copies the rights of the slots out and writes their names. Returns: 0; MACH_MSG_IPC_SPACE, no room for some: they are 0. */
function names_make(space: IpcSpace, kmsg: IpcKmsg, index: u32, count: u32, names: usize): u32 {
  let trouble: u32 = 0;
  for (let port: u32 = 0; port < count; port++) {
    const slot_at = ikm_port_at(kmsg, index + port);
    store<u32>(names + port * 4, ipc_right_copyout(space, slot_at, load<u32>(slot_at, 4), 0));
    if (load<u32>(slot_at) != 0) trouble = MACH_MSG_IPC_SPACE;
  }
  return trouble;
}
