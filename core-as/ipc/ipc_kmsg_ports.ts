// Arrays of ports in messages (MACH_MSG_OOL_PORTS_DESCRIPTOR). Outside of messages an array is names, until there are address maps in
// the kernel's keeping: a kmsg without rights whose bytes are the names, one word each, and whose owner word says that an agent's
// JavaScript holds it as an array and as nothing else. Its address is what a descriptor has for an address; it is believed when
// the owner word says so. Inside of a message the ports are in the kmsg's slots, behind one that says how many they are; so all
// that is done with the rights of a message is done with theirs.

import { my_pid } from "../kern/processor";
import { OWNER_ARRAY, owner_hold_array } from "../kern/zone";
import {
  MACH_MSG_IPC_SPACE,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_SUCCESS,
  MACH_MSG_VIRTUAL_COPY,
  MACH_MSG_VM_KERNEL,
  MACH_SEND_INVALID_MEMORY,
} from "../abi/message";
import {
  ikm_port_at,
  ikm_valid,
  ipc_kmsg_alloc_charged,
  ipc_kmsg_free,
  IpcKmsg,
  IKM_ARRAYS,
  kmsg_at,
} from "./ipc_kmsg";
import { ikm_slot, ipc_kmsg_copyin_port } from "./ipc_kmsg_copyin";
import { ikm_working } from "./ipc_kmsg_copyout";
import { ipc_copyin_type, ipc_right_copyout } from "./ipc_right_copy";
import { IpcSpace } from "./ipc_space";

/** Flag of a slot's second word: it holds no port; above the received disposition is how many of the slots behind it are the array's. */
export const SLOT_ARRAY: u32 = 1 << 31;

/** How many slots behind one with SLOT_ARRAY are its array's. */
export function slot_array_count(type: u32): u32 {
  return (type & ~SLOT_ARRAY) >>> 8;
}

/** The array of that address, or null: there is none that this agent's JavaScript holds. */
export function ipc_array(address: u32): IpcKmsg | null {
  return ikm_valid(address) && kmsg_at(address).z_owner == (OWNER_ARRAY | my_pid()) ? kmsg_at(address) : null;
}

/** Makes an array for `count` names, charged to the space's task. Returns: in this processor's hand; null, no memory or no quota. */
export function ipc_array_alloc(space: IpcSpace, count: u32): IpcKmsg | null {
  return ipc_kmsg_alloc_charged(space, count * 4, 0);
}

/**
 * Copies the rights of the array that the descriptor at `at` names in.
 *
 * Conditions, Consumes: as ipc_kmsg_copyin_body; with `deallocate` the array itself too, whatever becomes of the rights.
 * Returns: MACH_MSG_SUCCESS; MACH_SEND_INVALID_MEMORY, no array with as many names; MACH_SEND_INVALID_RIGHT, of one of them.
 */
export function ipc_kmsg_copyin_array(space: IpcSpace, kmsg: IpcKmsg, at: usize): u32 {
  const array = ipc_array(load<u32>(at));
  const count = load<u32>(at, 4);
  const disposition = <u32>load<u8>(at, 10);
  const type = ipc_copyin_type(disposition);
  if (count >= kmsg.ikm_ports_max - kmsg.ikm_ports_count) return MACH_SEND_INVALID_MEMORY;
  ikm_slot(kmsg, SLOT_ARRAY | (count << 8) | type);
  if (count == 0) return MACH_MSG_SUCCESS;
  if (!array || count * 4 > array.ikm_capacity) return MACH_SEND_INVALID_MEMORY;
  const names: usize = array.ikm_bytes;
  let code = MACH_MSG_SUCCESS;
  for (let index: u32 = 0; index < count && code == MACH_MSG_SUCCESS; index++) {
    code = ipc_kmsg_copyin_port(space, kmsg, load<u32>(names + index * 4), disposition);
  }
  if (load<u8>(at, 8) != 0) ipc_kmsg_free(array);
  return code;
}

/**
 * Copies the array of slot `index` out, into a new array that the descriptor at `at` then names (A113).
 *
 * Conditions: as copyout_body. The new array waits in this processor's hand for ipc_arrays_give.
 * Returns:    0, or trouble bits: what found no room is still in its slot.
 */
export function ipc_kmsg_copyout_array(space: IpcSpace, kmsg: IpcKmsg, index: u32, at: usize): u32 {
  const head = load<u32>(ikm_port_at(kmsg, index), 4);
  const count = slot_array_count(head);
  let array: IpcKmsg | null = null;
  let trouble: u32 = 0;
  if (count != 0) array = ipc_array_alloc(space, count);
  if (count != 0 && !array) trouble = MACH_MSG_VM_KERNEL;
  if (array) {
    const names: usize = array.ikm_bytes;
    for (let port: u32 = 0; port < count; port++) {
      const slot_at = ikm_port_at(kmsg, index + 1 + port);
      store<u32>(names + port * 4, ipc_right_copyout(space, slot_at, load<u32>(slot_at, 4), 0));
      if (load<u32>(slot_at) != 0) trouble = MACH_MSG_IPC_SPACE;
    }
    // In the hand, so that nothing is lost with it; the message knows it from now on.
    array.ikm_next = kmsg.ikm_types & IKM_ARRAYS ? kmsg.ikm_next : 0;
    kmsg.ikm_next = <u32>changetype<usize>(array);
    kmsg.ikm_types |= IKM_ARRAYS;
  }
  store<u32>(at, array ? <u32>changetype<usize>(array) : 0);
  store<u32>(at, count, 4);
  store<u32>(at, 1 | (MACH_MSG_VIRTUAL_COPY << 8) | ((head & 0xff) << 16) | (MACH_MSG_OOL_PORTS_DESCRIPTOR << 24), 8);
  return trouble;
}

/** Gives the arrays that were made for a message to this agent's JavaScript, with the message; if it does not get that, frees them. */
export function ipc_arrays_give(kmsg: IpcKmsg): void {
  if ((kmsg.ikm_types & IKM_ARRAYS) == 0) return;
  kmsg.ikm_types &= ~IKM_ARRAYS;
  const given = !ikm_working(kmsg);
  for (let at = kmsg.ikm_next; at != 0; ) {
    const array = kmsg_at(at);
    at = array.ikm_next;
    if (given) owner_hold_array(changetype<usize>(array));
    else ipc_kmsg_free(array);
  }
}
