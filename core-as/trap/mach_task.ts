// Traps on tasks: create, attach, terminate, hand a right to a child, the ports of the task and of the host, special ports.

import { journal_commit, journal_set } from "../kern/journal";
import { me, my_pid, out_get, out_set } from "../kern/processor";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_TASK,
  KERN_INVALID_VALUE,
  KERN_NO_ACCESS,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_PORT_SEND } from "../abi/message";
import {
  IKOT_HOST,
  IKOT_TASK,
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_PORT_VALID,
  TASK_BOOTSTRAP_PORT,
  TASK_HOST_PORT,
  TASK_KERNEL_PORT,
  TASK_PORT_REGISTER_MAX,
} from "../abi/port";
import { ie_type } from "../ipc/ipc_entry";
import { ikm_port_at, ipc_kmsg_alloc, ipc_kmsg_free, IpcKmsg } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { ipc_host_port, ipc_kobject_kind } from "../ipc/ipc_kobject";
import { port_at } from "../ipc/ipc_port";
import { ipc_right_dealloc, ipc_right_lookup } from "../ipc/ipc_right";
import { ipc_copyin_type, ipc_right_copyin, ipc_right_copyin_check, ipc_right_copyout } from "../ipc/ipc_right_copy";
import { IpcSpace, is_lock, is_serial, is_unlock } from "../ipc/ipc_space";
import {
  copy_send,
  t_port_at,
  task_attach as attach,
  task_begin,
  task_create as create,
  task_detach,
  task_runs_on,
  task_from,
  task_handle,
  task_inherit,
  task_of_port,
  task_port_name,
  task_tail,
  task_terminate as terminate,
} from "../task/task";
import { vm_map_of } from "../vm/vm_map";
import { vm_map_inherit } from "../vm/vm_share";
import { allocate } from "./mach_port";
import {
  caller_enter,
  caller_leave,
  caller_of,
  carrier_alloc,
  carrier_slot,
  carry_home,
  carry_into,
  space_enter,
  space_leave,
  space_lock,
  target_space,
  target_lock,
} from "./target";
import { trap_enter, trap_leave } from "./trap";
import { memory_carrier } from "./vm";

/** Makes a task; quotas of 0 are none. Returns: out 0 its handle, 1 its serial number; KERN_INVALID_TASK, no such parent; KERN_RESOURCE_SHORTAGE. */
export function task_create(parent: u32, quota_ports: u32, quota_kmsg_bytes: u32, quota_frames: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const from = task_from(parent); // 0 is none
  if (parent != 0 && !from) return trap_leave(KERN_INVALID_TASK);
  const serial = from ? task_tail(from).t_serial : 0;
  const task = create(quota_ports, quota_kmsg_bytes, quota_frames);
  if (!task) return trap_leave(KERN_RESOURCE_SHORTAGE);
  if (from && !task_inherit(task, from, serial)) return give_up(task);
  task_begin(task);
  out_set(0, task_handle(task));
  out_set(1, task_tail(task).t_serial);
  return trap_leave(KERN_SUCCESS);
}

/** Ends a task that has not begun, since its parent has ended, and leaves. */
function give_up(task: IpcSpace): u32 {
  terminate(task, task_tail(task).t_serial, 0);
  return trap_leave(KERN_INVALID_TASK);
}

/**
 * Makes a task that runs nowhere, child of the target, with its limits and ports, and what its memory's inheritance says.
 *
 * Returns: out 0 the caller's name for the child's port; codes of caller_enter; KERN_RESOURCE_SHORTAGE.
 * Races:   the child begins when its port has arrived; until then it dies with its maker.
 */
export function task_create_child(handle: u32, target: u32, inherit_memory: u32): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const parent = target_space();
  is_unlock(caller_of(handle));
  const kmsg = memory_carrier();
  if (!kmsg) return trap_leave(KERN_RESOURCE_SHORTAGE);
  kmsg.ikm_types = MACH_MSG_TYPE_PORT_SEND << 8;
  const tail = task_tail(parent);
  const task = create(tail.t_quota_ports, tail.t_quota_kmsg_bytes, vm_map_of(changetype<usize>(parent)).vm_quota);
  if (!task) {
    ipc_kmsg_free(kmsg);
    return trap_leave(KERN_RESOURCE_SHORTAGE);
  }
  const lives = task_inherit(task, parent, me().p_target_serial);
  let code = lives ? KERN_SUCCESS : KERN_INVALID_TASK;
  if (lives && inherit_memory != 0) {
    const memory = vm_map_of(changetype<usize>(parent));
    const own = vm_map_of(changetype<usize>(task));
    code = vm_map_inherit(memory, me().p_target_serial, own, ikm_port_at(kmsg, 0));
  }
  if (code == KERN_SUCCESS) {
    copy_send(carrier_slot(kmsg), task_tail(task).t_self);
    code = carry_into(caller_of(handle), me().p_caller_serial, kmsg);
  } else {
    ipc_kmsg_destroy(kmsg);
  }
  if (code == KERN_SUCCESS) task_begin(task);
  else terminate(task, task_tail(task).t_serial, 0);
  return trap_leave(code);
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

/** A168: ends the calling task. Returns: KERN_SUCCESS; KERN_INVALID_TASK. */
export function task_terminate(handle: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  return trap_leave(task ? end(task, task_tail(task).t_serial) : KERN_INVALID_TASK);
}

/** A168: ends the target. Returns: KERN_SUCCESS; codes of space_enter. */
export function task_terminate_target(handle: u32, target: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const task = target_space();
  const serial = task_tail(task).t_serial;
  is_unlock(task);
  return trap_leave(end(task, serial));
}

/** Conditions: in a trap, nothing locked. Returns: KERN_SUCCESS; KERN_INVALID_TASK, the task has ended. */
function end(task: IpcSpace, serial: u32): u32 {
  const mine = task_runs_on(task, my_pid()) && is_serial(changetype<usize>(task)) == serial; // whom this processor runs is not freed
  if (mine) task_detach(task, my_pid());
  return terminate(task, serial, 0) ? KERN_SUCCESS : KERN_INVALID_TASK;
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
  const serial = task_tail(other).t_serial;
  const type = ipc_copyin_type(disposition);
  if (type == 0) return trap_leave(KERN_INVALID_VALUE);
  const kmsg = carrier_alloc(type);
  if (!kmsg) return trap_leave(KERN_RESOURCE_SHORTAGE);
  is_lock(task);
  const entry = ipc_right_lookup(task, name);
  const code = entry ? ipc_right_copyin_check(entry, disposition) : KERN_INVALID_NAME;
  if (entry && code == KERN_SUCCESS) ipc_right_copyin(task, name, entry, disposition, carrier_slot(kmsg));
  is_unlock(task);
  if (code == KERN_SUCCESS) return trap_leave(carry_into(other, serial, kmsg));
  ipc_kmsg_free(kmsg);
  return trap_leave(code);
}

/** Returns: a name of the task's own port, with one more reference; 0 when memory is exhausted. */
export function mach_task_self(handle: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const task = task_from(handle);
  return trap_leave(task ? task_port_name(task, IKOT_TASK) : 0);
}

/** Returns: a name of the host's port, with one more reference; 0 when memory is exhausted. */
export function mach_host_self(handle: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const task = task_from(handle);
  return trap_leave(task ? task_port_name(task, IKOT_HOST) : 0);
}

/** A209. Returns: the name of a new receive right; 0 on failure. */
export function mach_reply_port(handle: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const task = task_from(handle);
  if (!task) return trap_leave(0);
  is_lock(task);
  const made = task.is_active != 0 && allocate(task, MACH_PORT_RIGHT_RECEIVE, 0) == KERN_SUCCESS;
  is_unlock(task);
  return trap_leave(made ? out_get(0) : 0);
}

/**
 * A197: what kind of kernel object is behind a name.
 *
 * Returns: out 0 IKOT_*, out 1 a task's serial number; codes of space_enter; KERN_INVALID_NAME; KERN_INVALID_RIGHT, neither a send nor a
 *          receive right.
 */
export function mach_port_kobject(handle: u32, target: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const entry = ipc_right_lookup(target_space(), name);
  if (!entry) return space_leave(KERN_INVALID_NAME);
  if ((ie_type(entry.ie_bits) & MACH_PORT_TYPE_SEND_RECEIVE) == 0) return space_leave(KERN_INVALID_RIGHT);
  const port = port_at(entry.ie_object);
  const task = task_of_port(port);
  out_set(0, ipc_kobject_kind(port));
  out_set(1, task ? me().p_target_serial : 0);
  return space_leave(KERN_SUCCESS);
}

/** A208. Returns: out 0 the caller's name, with one more reference, 0 when the port is not set; KERN_INVALID_ARGUMENT: no such port. */
export function task_get_special_port(handle: u32, target: u32, which: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const known = which == TASK_KERNEL_PORT || which == TASK_HOST_PORT || which == TASK_BOOTSTRAP_PORT;
  if (!known) return space_leave(KERN_INVALID_ARGUMENT);
  const kmsg = carrier_alloc(MACH_MSG_TYPE_PORT_SEND);
  if (!kmsg) return space_leave(KERN_RESOURCE_SHORTAGE);
  const task = target_space();
  let port = load<u32>(t_port_at(task, 0));
  if (which == TASK_KERNEL_PORT) port = task_tail(task).t_self;
  else if (which == TASK_HOST_PORT) port = ipc_host_port();
  copy_send(carrier_slot(kmsg), port);
  is_unlock(task);
  return carry_home(handle, kmsg);
}

/**
 * A208. Consumes: one send right of the caller's on success. `name` 0 clears the port. Returns: also KERN_NO_ACCESS: not settable;
 * KERN_INVALID_ARGUMENT: no such port, or a dead name.
 */
export function task_set_special_port(handle: u32, target: u32, which: u32, name: u32): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (which == TASK_KERNEL_PORT || which == TASK_HOST_PORT) return caller_leave(handle, KERN_NO_ACCESS);
  if (which != TASK_BOOTSTRAP_PORT || name == MACH_PORT_DEAD) return caller_leave(handle, KERN_INVALID_ARGUMENT);
  const kmsg = ipc_kmsg_alloc(PORTS_BYTES, 1);
  if (!kmsg) return caller_leave(handle, KERN_RESOURCE_SHORTAGE);
  const caller = caller_of(handle);
  let code = KERN_SUCCESS;
  if (MACH_PORT_VALID(name)) {
    const entry = ipc_right_lookup(caller, name);
    code = entry ? ipc_right_copyin_check(entry, MACH_MSG_TYPE_MOVE_SEND) : KERN_INVALID_NAME;
    if (entry && ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) code = KERN_INVALID_RIGHT;
  }
  if (code != KERN_SUCCESS) {
    ipc_kmsg_free(kmsg);
    return caller_leave(handle, code);
  }
  bring(caller, kmsg, 0, name, MACH_MSG_TYPE_MOVE_SEND);
  return exchange(handle, kmsg, 0);
}

/** Bytes of a message without a body that has room for the ports of a task. */
const PORTS_BYTES: u32 = 24 + 12 * TASK_PORT_REGISTER_MAX;

/** Puts a send right, or what is no name, in the next slot of the kmsg. Conditions: space locked; the name was checked. Commits. */
function bring(space: IpcSpace, kmsg: IpcKmsg, index: u32, name: u32, disposition: u32): void {
  const slot_at = ikm_port_at(kmsg, index);
  store<u32>(slot_at, name == MACH_PORT_DEAD ? name : 0);
  store<u32>(slot_at, MACH_MSG_TYPE_PORT_SEND, 4);
  kmsg.ikm_ports_count = index + 1;
  const entry = MACH_PORT_VALID(name) ? ipc_right_lookup(space, name) : null;
  if (entry) ipc_right_copyin(space, name, entry, disposition, slot_at);
}

/**
 * Exchanges the rights in the kmsg with those that the target has from `which` on, gives those up, and leaves.
 *
 * Conditions: the caller's space locked. Returns: KERN_SUCCESS; KERN_INVALID_TASK, the target has ended.
 */
function exchange(handle: u32, kmsg: IpcKmsg, which: u32): u32 {
  let code = KERN_INVALID_TASK;
  if (target_lock(handle)) {
    const task = target_space();
    for (let index: u32 = 0; index < kmsg.ikm_ports_count; index++) {
      const port_at = t_port_at(task, which + index);
      const slot_at = ikm_port_at(kmsg, index);
      const old = load<u32>(port_at);
      journal_set(port_at, load<u32>(slot_at));
      journal_set(slot_at, old);
    }
    journal_commit();
    is_unlock(task);
    code = KERN_SUCCESS;
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/**
 * Has the target keep up to three send rights, of which the caller keeps its own; names of no right are kept as they are.
 *
 * Returns: KERN_SUCCESS; codes of caller_enter; KERN_INVALID_ARGUMENT, more than three; KERN_INVALID_NAME; KERN_INVALID_RIGHT, not a
 *          send right; KERN_RESOURCE_SHORTAGE. Refusals change nothing.
 */
export function mach_ports_register(handle: u32, target: u32, count: u32, first: u32, second: u32, third: u32): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (count > TASK_PORT_REGISTER_MAX) return caller_leave(handle, KERN_INVALID_ARGUMENT);
  const caller = caller_of(handle);
  const kmsg = ipc_kmsg_alloc(PORTS_BYTES, TASK_PORT_REGISTER_MAX);
  if (!kmsg) return caller_leave(handle, KERN_RESOURCE_SHORTAGE);
  let code = KERN_SUCCESS;
  for (let index: u32 = 0; index < TASK_PORT_REGISTER_MAX; index++) {
    const name = index >= count ? 0 : index == 0 ? first : index == 1 ? second : third;
    if (MACH_PORT_VALID(name)) {
      const entry = ipc_right_lookup(caller, name);
      code = entry ? ipc_right_copyin_check(entry, MACH_MSG_TYPE_COPY_SEND) : KERN_INVALID_NAME;
      if (code != KERN_SUCCESS) break;
    }
    bring(caller, kmsg, index, name, MACH_MSG_TYPE_COPY_SEND);
  }
  if (code == KERN_SUCCESS) return exchange(handle, kmsg, 1);
  is_unlock(caller);
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/** Returns: out 0 to 2 the caller's names for what the target keeps, each with one more reference; KERN_RESOURCE_SHORTAGE: none. */
export function mach_ports_lookup(handle: u32, target: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const task = target_space();
  const kmsg = ipc_kmsg_alloc(PORTS_BYTES, TASK_PORT_REGISTER_MAX);
  if (!kmsg) return space_leave(KERN_RESOURCE_SHORTAGE);
  for (let index: u32 = 0; index < TASK_PORT_REGISTER_MAX; index++) {
    store<u32>(ikm_port_at(kmsg, index), 0);
    store<u32>(ikm_port_at(kmsg, index), MACH_MSG_TYPE_PORT_SEND, 4);
    kmsg.ikm_ports_count = index + 1;
    copy_send(ikm_port_at(kmsg, index), load<u32>(t_port_at(task, 1 + index)));
  }
  is_unlock(task);
  let code = KERN_INVALID_TASK;
  const caller = caller_of(handle);
  if (space_lock(caller, me().p_caller_serial)) {
    code = names_out(caller, kmsg);
    is_unlock(caller);
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/** Gives the space the rights in the kmsg, or none of them. Conditions: space locked and active. Commits. */
function names_out(space: IpcSpace, kmsg: IpcKmsg): u32 {
  for (let index: u32 = 0; index < kmsg.ikm_ports_count; index++) {
    const slot_at = ikm_port_at(kmsg, index);
    out_set(index, ipc_right_copyout(space, slot_at, MACH_MSG_TYPE_PORT_SEND, 0));
    if (load<u32>(slot_at) == 0) continue;
    while (index-- > 0) if (MACH_PORT_VALID(out_get(index))) ipc_right_dealloc(space, out_get(index));
    return KERN_RESOURCE_SHORTAGE;
  }
  return KERN_SUCCESS;
}
