// Whose space a trap acts on. `handle` is the calling task, `target` the name of a task port in its space: acting on another task goes
// through that task's port. Names of rights that come with a call or go back to the caller belong to the caller's space, all others
// to the target's. Two spaces are never locked together: the right is in a message of this processor's between one and the other.

import { me, out_set } from "../kern/processor";
import { KERN_INVALID_TASK, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from "../abi/kern_return";
import { MACH_SEND_INVALID_DEST } from "../abi/message";
import { MACH_PORT_TYPE_SEND } from "../abi/port";
import { ie_type } from "../ipc/ipc_entry";
import { ikm_local_type, ipc_kmsg_alloc, IpcKmsg } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { port_at } from "../ipc/ipc_port";
import { ipc_right_copyout } from "../ipc/ipc_right_copy";
import { ipc_entry_lookup, IpcSpace, is_lock, is_unlock } from "../ipc/ipc_space";
import { task_from, task_is, task_of_port, task_tail } from "../task/task";
import { trap_enter, trap_leave } from "./trap";

/**
 * Enters the kernel, finds the target and locks the caller's space.
 *
 * Returns: KERN_SUCCESS with the caller's space locked, and the target in this processor's record; otherwise the trap's code, and the
 *          kernel was left: KERN_TERMINATED; KERN_INVALID_TASK, one of the two tasks has ended; MACH_SEND_INVALID_DEST, the target is
 *          not a task's port.
 */
export function caller_enter(handle: u32, target: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  is_lock(task);
  me().p_caller_serial = task_tail(task).t_serial;
  const code = task.is_active == 0 ? KERN_INVALID_TASK : target_find(task, target);
  if (code == KERN_SUCCESS) return code;
  is_unlock(task);
  return trap_leave(code);
}

/** Finds the task of a port's name in the caller's space, which is locked. Returns: as caller_enter; the target in this processor's record. */
export function target_find(task: IpcSpace, name: u32): u32 {
  const entry = ipc_entry_lookup(task, name);
  if (!entry || (ie_type(entry.ie_bits) & MACH_PORT_TYPE_SEND) == 0) return MACH_SEND_INVALID_DEST;
  const target = task_of_port(port_at(entry.ie_object)); // the entry keeps the port
  if (!target) return MACH_SEND_INVALID_DEST;
  me().p_target = <u32>changetype<usize>(target);
  return KERN_SUCCESS;
}

/** The space of the caller. Conditions: caller_enter succeeded. */
export function caller_of(handle: u32): IpcSpace {
  return changetype<IpcSpace>(<usize>handle & ~63);
}

/** The space of the target. Conditions: caller_enter or space_enter succeeded. */
export function target_space(): IpcSpace {
  return changetype<IpcSpace>(<usize>me().p_target);
}

/**
 * Locks a space if it is still that of the task with this number.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal. Returns: false: the task has ended; nothing is locked.
 */
export function space_lock(space: IpcSpace, serial: u32): bool {
  is_lock(space);
  if (task_is(space, serial)) return true;
  is_unlock(space);
  return false;
}

/** From the caller's space, which is locked, to the target's. Returns: false: the target has ended; nothing is locked. */
export function target_lock(handle: u32): bool {
  const caller = caller_of(handle);
  const target = target_space();
  if (caller == target) return true;
  is_unlock(caller);
  return space_lock(target, me().p_target_serial);
}

/** Enters the kernel and locks the target's space. Returns: as caller_enter, but with the target's space locked. */
export function space_enter(handle: u32, target: u32): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return target_lock(handle) ? KERN_SUCCESS : trap_leave(KERN_INVALID_TASK);
}

/** Unlocks the target's space and leaves. Conditions: committed. */
export function space_leave(code: u32): u32 {
  is_unlock(target_space());
  return trap_leave(code);
}

/** Unlocks the caller's space and leaves. Conditions: committed. */
export function caller_leave(handle: u32, code: u32): u32 {
  is_unlock(caller_of(handle));
  return trap_leave(code);
}

/** Address of the slot that carries a right from one place to another inside a trap. */
export function carrier_slot(kmsg: IpcKmsg): usize {
  return changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
}

/** A kmsg whose reply slot carries a right of `type`. Returns: null when memory is exhausted. */
export function carrier_alloc(type: u32): IpcKmsg | null {
  const kmsg = ipc_kmsg_alloc(24, 0);
  if (kmsg) kmsg.ikm_types = type << 8;
  return kmsg;
}

/**
 * Brings the carrier's right into a space.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal. `serial`: the number of the task.
 * Consumes:   the carrier, with what is in it.
 * Returns:    out 0 the name there, 0 for none; KERN_INVALID_TASK, the task has ended; KERN_RESOURCE_SHORTAGE, no room for a name.
 */
export function carry_into(space: IpcSpace, serial: u32, kmsg: IpcKmsg): u32 {
  out_set(0, 0);
  let code = KERN_INVALID_TASK;
  if (space_lock(space, serial)) {
    out_set(0, ipc_right_copyout(space, carrier_slot(kmsg), ikm_local_type(kmsg), 0));
    code = kmsg.ikm_local == 0 ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
    is_unlock(space);
  }
  ipc_kmsg_destroy(kmsg);
  return code;
}

/** Brings the carrier's right to the caller, and leaves. Conditions: as carry_into, and caller_of. */
export function carry_home(handle: u32, kmsg: IpcKmsg): u32 {
  return trap_leave(carry_into(caller_of(handle), me().p_caller_serial, kmsg));
}
