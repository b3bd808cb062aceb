// Traps on what JavaScript sees of its task's memory: leases, and making a range one run.

import { out_set } from "../kern/processor";
import { KERN_INVALID_ARGUMENT, KERN_INVALID_TASK, KERN_SUCCESS } from "../abi/kern_return";
import { is_serial } from "../ipc/ipc_space";
import { task_from } from "../task/task";
import { vm_map_compact } from "../vm/vm_compact";
import { vm_lease_begin, vm_lease_end as end, vm_lease_end_moving, vm_lease_held } from "../vm/vm_lease";
import { vm_map_of } from "../vm/vm_map";
import { trap_enter, trap_leave } from "./trap";
import { wraps } from "./vm";

/**
 * Leases memory of the calling task to read (`kind` 0) or to write (1): as far as it lies together, and `size` bytes at the most.
 *
 * Returns: out 0 the lease, 1 where its first byte is in linear memory, 2 how many bytes; KERN_TERMINATED; KERN_INVALID_TASK;
 *          KERN_INVALID_ARGUMENT, the range is empty or wraps, or no kind; KERN_INVALID_ADDRESS; KERN_PROTECTION_FAILURE;
 *          KERN_RESOURCE_SHORTAGE, memory or quota.
 */
export function vm_lease(handle: u32, address: u32, size: u32, kind: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  out_set(0, 0);
  if (kind > 1 || size == 0 || wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  const space = changetype<usize>(task);
  return trap_leave(vm_lease_begin(vm_map_of(space), is_serial(space), address, size, kind == 1));
}

/** Ends a lease, also of a task that has ended. Returns: KERN_TERMINATED; KERN_INVALID_ARGUMENT, not one that this agent holds. */
export function vm_lease_end(lease: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  if (!vm_lease_held(lease)) return trap_leave(KERN_INVALID_ARGUMENT);
  return trap_leave(isDefined(KERN_DEBUG) ? vm_lease_end_moving(lease) : end(lease));
}

/**
 * Makes a range of the calling task one run of frames.
 *
 * Returns: KERN_TERMINATED; KERN_INVALID_TASK; KERN_INVALID_ARGUMENT, empty, wraps, parts with other attributes or shared on purpose;
 *          KERN_INVALID_ADDRESS, a hole; KERN_RESOURCE_SHORTAGE, no such run, no quota, or leases are out.
 */
export function vm_compact(handle: u32, address: u32, size: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  if (size == 0 || wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  const space = changetype<usize>(task);
  return trap_leave(vm_map_compact(vm_map_of(space), is_serial(space), address, size));
}
