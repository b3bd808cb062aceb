// Out-of-line memory in messages (MACH_MSG_OOL_DESCRIPTOR, and VOLATILE, which is the same). In a message it is a chain of entries in a
// slot: vm/vm_copy.ts is the only door to it. Both copy options give a snapshot; what they say is kept for the receiver.
//
//   0 address | 4 size | 8 deallocate u8 | 9 copy u8 | 10 pad | 11 type u8

import { KERN_INVALID_TASK, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from "../abi/kern_return";
import { MACH_MSG_SUCCESS, MACH_MSG_VM_SPACE, MACH_SEND_INVALID_MEMORY, MACH_SEND_NO_BUFFER } from "../abi/message";
import { out_get } from "../kern/processor";
import { vm_copy_size, vm_copyin, vm_copyout, vme_chain_drop } from "../vm/vm_copy";
import { ikm_port_at, IpcKmsg, SLOT_MEMORY } from "./ipc_kmsg";
import { ikm_slot, ipc_kmsg_count_destination } from "./ipc_kmsg_copyin";
import { IpcSpace, is_lock, is_serial, is_unlock } from "./ipc_space";

/**
 * Takes the memory that the descriptor at `at` names into the next slot.
 *
 * Conditions: space locked, header copied in, nothing in the journal. The space is opened meanwhile, for copying takes time: so the
 *             destination is counted first. Commits.
 * Consumes:   with `deallocate` the range, rounded to pages.
 * Returns:    MACH_MSG_SUCCESS; MACH_SEND_INVALID_MEMORY, no such memory, or it may not be read; MACH_SEND_NO_BUFFER, no frames or no
 *             quota for a copy; KERN_INVALID_TASK, the task has ended meanwhile.
 */
export function ipc_kmsg_copyin_memory(space: IpcSpace, kmsg: IpcKmsg, at: usize, type: u32): u32 {
  const address = load<u32>(at);
  const size = load<u32>(at, 4);
  const moves = load<u8>(at, 8) != 0;
  const copy = <u32>load<u8>(at, 9) & 1;
  if (kmsg.ikm_ports_count == kmsg.ikm_ports_max) return MACH_SEND_INVALID_MEMORY;
  const slot_at = ikm_slot(kmsg, SLOT_MEMORY | (type << 8) | (copy << 16));
  if (size == 0) return MACH_MSG_SUCCESS;
  ipc_kmsg_count_destination(kmsg);
  const task = changetype<usize>(space);
  const serial = is_serial(task);
  is_unlock(space);
  const code = vm_copyin(task, serial, address, size, moves, slot_at);
  is_lock(space);
  if (space.is_active == 0 || is_serial(task) != serial || code == KERN_INVALID_TASK) return KERN_INVALID_TASK;
  if (code == KERN_RESOURCE_SHORTAGE) {
    if (load<u32>(slot_at) != 0) vme_chain_drop(slot_at);
    kmsg.ikm_ports_count--; // the sender gets back what is in the others
    return MACH_SEND_NO_BUFFER;
  }
  return code == KERN_SUCCESS ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_MEMORY;
}

/**
 * Maps the memory of slot `index` and writes the descriptor at `at` (A114).
 *
 * Conditions: space locked, nothing in the journal. Returns: 0; MACH_MSG_VM_SPACE, no room or no quota: the memory is still in its slot.
 */
export function ipc_kmsg_copyout_memory(space: IpcSpace, kmsg: IpcKmsg, index: u32, at: usize): u32 {
  const slot_at = ikm_port_at(kmsg, index);
  const type = load<u32>(slot_at, 4);
  const copy = (type >>> 16) & 1;
  const size = vm_copy_size(slot_at);
  let address: u32 = 0;
  let trouble: u32 = 0;
  if (size != 0) {
    const task = changetype<usize>(space);
    if (vm_copyout(task, is_serial(task), slot_at) == KERN_SUCCESS) address = out_get(0);
    else trouble = MACH_MSG_VM_SPACE;
  }
  store<u32>(at, address);
  store<u32>(at, size, 4);
  store<u32>(at, copy | (copy << 8) | ((type & 0xff00) << 16), 8); // deallocate if virtual, copy, pad 0, type
  return trouble;
}
