// Traps on arrays of names, which messages carry as arrays of ports: made, read and given up where there are no address maps yet.

import { out_set } from "../kern/processor";
import { owner_hold_array } from "../kern/zone";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_TASK,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { MACH_MSG_PORTS_MAX } from "../abi/message";
import { ipc_kmsg_free } from "../ipc/ipc_kmsg";
import { ipc_array, ipc_array_alloc } from "../ipc/ipc_kmsg_ports";
import { task_from } from "../task/task";
import { trap_enter, trap_leave } from "./trap";

/**
 * Makes an array for `count` names, which the caller writes.
 *
 * Returns: KERN_SUCCESS, out 0 the array, out 1 the address of its words, both 0 for no names; KERN_INVALID_TASK; KERN_INVALID_ARGUMENT,
 *          more than a message carries; KERN_RESOURCE_SHORTAGE, no memory or no quota.
 */
export function mach_port_array_allocate(handle: u32, count: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  out_set(0, 0);
  if (count == 0) return trap_leave(KERN_SUCCESS);
  if (count > MACH_MSG_PORTS_MAX) return trap_leave(KERN_INVALID_ARGUMENT);
  const array = ipc_array_alloc(task, count);
  if (!array) return trap_leave(KERN_RESOURCE_SHORTAGE);
  out_set(0, <u32>changetype<usize>(array));
  out_set(1, array.ikm_bytes);
  owner_hold_array(changetype<usize>(array));
  return trap_leave(KERN_SUCCESS);
}

/**
 * Tells where the names of an array are.
 *
 * Returns: KERN_SUCCESS, out 0 how many it has room for, out 1 the address of its words; no names for 0; KERN_INVALID_TASK;
 *          KERN_INVALID_ADDRESS, not an array that this agent's JavaScript holds.
 */
export function mach_port_array_look(handle: u32, address: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  if (!task_from(handle)) return trap_leave(KERN_INVALID_TASK);
  out_set(0, 0);
  out_set(1, 0);
  if (address == 0) return trap_leave(KERN_SUCCESS);
  const array = ipc_array(address);
  if (!array) return trap_leave(KERN_INVALID_ADDRESS);
  out_set(0, array.ikm_capacity >>> 2);
  out_set(1, array.ikm_bytes);
  return trap_leave(KERN_SUCCESS);
}

/** Gives an array up, also of a task that has ended; the rights that it names stay. Returns: KERN_SUCCESS; KERN_INVALID_ADDRESS, as above. */
export function mach_port_array_deallocate(address: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const array = ipc_array(address);
  if (!array) return trap_leave(KERN_INVALID_ADDRESS);
  ipc_kmsg_free(array);
  return trap_leave(KERN_SUCCESS);
}
