// Traps on tasks: create, attach, terminate, hand a right to a child, the task's own port and special ports.

import { journal_commit, journal_set } from "../kern/journal";
import { my_pid, out_get, out_set } from "../kern/processor";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_TASK,
  KERN_INVALID_VALUE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_PORT_SEND } from "../abi/message";
import {
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_VALID,
  TASK_BOOTSTRAP_PORT,
  TASK_KERNEL_PORT,
} from "../abi/port";
import { ie_type } from "../ipc/ipc_entry";
import { ipc_kmsg_free } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { ipc_right_lookup } from "../ipc/ipc_right";
import { ipc_copyin_type, ipc_right_copyin, ipc_right_copyin_check, ipc_right_copyout } from "../ipc/ipc_right_copy";
import { IpcSpace, is_lock, is_unlock } from "../ipc/ipc_space";
import {
  task_attach as attach,
  task_copy_right,
  task_create as create,
  task_detach,
  task_runs_on,
  task_from,
  task_handle,
  task_self_name,
  task_tail,
  TaskTail,
  task_terminate as terminate,
} from "../task/task";
import { allocate, space_enter, space_leave, space_of } from "./mach_port";
import { carrier_alloc, carrier_slot } from "./mach_port_right";
import { trap_enter, trap_leave } from "./trap";

/** Makes a task. Returns: out 0 its handle, 1 its serial number; KERN_INVALID_TASK, no such parent; KERN_RESOURCE_SHORTAGE. */
export function task_create(parent: u32, quota_ports: u32, quota_kmsg_bytes: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const from = task_from(parent); // 0 is none
  if (parent != 0 && !from) return trap_leave(KERN_INVALID_TASK);
  const task = create(from, quota_ports, quota_kmsg_bytes);
  if (!task) return trap_leave(KERN_RESOURCE_SHORTAGE);
  out_set(0, task_handle(task));
  out_set(1, task_tail(task).t_serial);
  return trap_leave(KERN_SUCCESS);
}

/** This processor runs the task from now on. Returns: KERN_SUCCESS; KERN_INVALID_TASK. */
export function task_attach(handle: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  attach(task);
  return trap_leave(KERN_SUCCESS);
}

/** A168. Returns: KERN_SUCCESS; KERN_INVALID_TASK. */
export function task_terminate(handle: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  if (task_runs_on(task, my_pid())) task_detach(task, my_pid());
  terminate(task, 0);
  return trap_leave(KERN_SUCCESS);
}

/**
 * Gives a right of the caller's to another task, as if by a message.
 *
 * Consumes: as the disposition says. Returns: out 0 the name there; KERN_INVALID_TASK; KERN_INVALID_VALUE, not a disposition;
 *           KERN_INVALID_NAME; KERN_INVALID_RIGHT; KERN_INVALID_CAPABILITY, an immovable receive right; KERN_RESOURCE_SHORTAGE.
 */
export function task_insert_right(handle: u32, name: u32, disposition: u32, child: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  const other = task_from(child);
  if (!task || !other) return trap_leave(KERN_INVALID_TASK);
  const type = ipc_copyin_type(disposition);
  if (type == 0) return trap_leave(KERN_INVALID_VALUE);
  const kmsg = carrier_alloc(type);
  if (!kmsg) return trap_leave(KERN_RESOURCE_SHORTAGE);
  is_lock(task);
  const entry = ipc_right_lookup(task, name);
  let code = entry ? ipc_right_copyin_check(entry, disposition) : KERN_INVALID_NAME;
  if (entry && code == KERN_SUCCESS) ipc_right_copyin(task, name, entry, disposition, carrier_slot(kmsg));
  is_unlock(task);
  if (code == KERN_SUCCESS) {
    is_lock(other);
    if (other.is_active == 0) code = KERN_INVALID_TASK;
    else out_set(0, ipc_right_copyout(other, carrier_slot(kmsg), type, 0));
    if (code == KERN_SUCCESS && kmsg.ikm_local != 0) code = KERN_RESOURCE_SHORTAGE;
    is_unlock(other);
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/** Returns: a name of the task's own port, with one more reference; 0 when memory is exhausted. */
export function mach_task_self(handle: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const task = task_from(handle);
  return trap_leave(task ? task_self_name(task) : 0);
}

/** A209. Returns: the name of a new receive right; 0 on failure. */
export function mach_reply_port(handle: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const task = task_from(handle);
  if (!task) return trap_leave(0);
  is_lock(task);
  const kr = task.is_active == 0 ? KERN_INVALID_TASK : allocate(task, MACH_PORT_RIGHT_RECEIVE, 0);
  is_unlock(task);
  return trap_leave(kr == KERN_SUCCESS ? out_get(0) : 0);
}

/** A208. Returns: out 0 a name with one more reference, 0 when the port is not set; KERN_INVALID_ARGUMENT: no such port. */
export function task_get_special_port(handle: u32, target: u32, which: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const task = space_of(handle);
  if (which != TASK_BOOTSTRAP_PORT && which != TASK_KERNEL_PORT) return space_leave(handle, KERN_INVALID_ARGUMENT);
  const kmsg = carrier_alloc(MACH_MSG_TYPE_PORT_SEND);
  if (!kmsg) return space_leave(handle, KERN_RESOURCE_SHORTAGE);
  const port = which == TASK_BOOTSTRAP_PORT ? task_tail(task).t_bootstrap : task_tail(task).t_self;
  const name = task_copy_right(task, kmsg, port);
  out_set(0, name);
  const full = kmsg.ikm_local != 0;
  ipc_kmsg_destroy(kmsg);
  return space_leave(handle, full ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS);
}

/** A208. Consumes: one send right on success. `name` 0 clears the port. Returns: also KERN_INVALID_ARGUMENT: not settable. */
export function task_set_special_port(handle: u32, target: u32, which: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(handle, set_bootstrap(space_of(handle), which, name));
}

function set_bootstrap(task: IpcSpace, which: u32, name: u32): u32 {
  if (which != TASK_BOOTSTRAP_PORT || name == MACH_PORT_DEAD) return KERN_INVALID_ARGUMENT;
  const kmsg = carrier_alloc(MACH_MSG_TYPE_PORT_SEND);
  if (!kmsg) return KERN_RESOURCE_SHORTAGE;
  if (MACH_PORT_VALID(name)) {
    const entry = ipc_right_lookup(task, name);
    let code = entry ? ipc_right_copyin_check(entry, MACH_MSG_TYPE_MOVE_SEND) : KERN_INVALID_NAME;
    if (entry && ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) code = KERN_INVALID_RIGHT;
    if (!entry || code != KERN_SUCCESS) {
      ipc_kmsg_free(kmsg);
      return code;
    }
    ipc_right_copyin(task, name, entry, MACH_MSG_TYPE_MOVE_SEND, carrier_slot(kmsg));
  }
  const old = task_tail(task).t_bootstrap;
  journal_set(changetype<usize>(task_tail(task)) + offsetof<TaskTail>("t_bootstrap"), kmsg.ikm_local);
  kmsg.ikm_local = old;
  journal_commit();
  ipc_kmsg_destroy(kmsg);
  return KERN_SUCCESS;
}
