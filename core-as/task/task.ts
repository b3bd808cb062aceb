// A task: a space, the processors that run it (its threads), quotas, special ports. A task handle is the task's address with the
// low bits of its serial number, so that a stale handle is refused.

import { FRAME_SPACE, frames_count, frames_free } from "../kern/frame";
import { journal_commit, journal_set, journal_set_hint } from "../kern/journal";
import { h_serial_at, header } from "../kern/memory_map";
import { me, my_pid } from "../kern/processor";
import { Waiter } from "../kern/waiter";
import { OWNER_LIVE, zone_alloc, zone_free, zone_has, zone_next, ZONE_TASK } from "../kern/zone";
import { bytes_fill, hint_load, hint_store, word_add, word_and, word_cas, word_load, word_or } from "../sync/atomics";
import { MACH_MSG_TYPE_PORT_SEND } from "../abi/message";
import { entry_at, ie_gen } from "../ipc/ipc_entry";
import { CHARGE_SERIAL, IpcKmsg, ipc_kmsg_alloc } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { ipc_host_port, ipc_kobject_alloc, ipc_kobject_kind } from "../ipc/ipc_kobject";
import { ip_lock, IP_VALID, ip_unlock, ipc_port_adopt, IpcPort, port_at } from "../ipc/ipc_port";
import { ipc_port_destroy_locked, reap_run } from "../ipc/ipc_reap";
import { ipc_right_destroy } from "../ipc/ipc_right";
import { ipc_right_copyout, ipc_right_drop_slot } from "../ipc/ipc_right_copy";
import {
  IS_BYTES,
  IS_CLEAR,
  IS_QUOTA,
  IpcSpace,
  is_each,
  is_entry,
  is_lock,
  is_serial,
  is_unlock,
} from "../ipc/ipc_space";
import { T_MAP, vm_map_end, vm_map_init, vm_map_of } from "../vm/vm_map";
import { IKOT_TASK, name_make, TASK_PORT_REGISTER_MAX } from "../abi/port";

/**
 * The space is being emptied by the processor whose number is in the next byte (or that processor is still making the task: if it dies,
 * the task ends), or is empty and waits for its last processor to leave.
 */
export const TASK_TERMINATING: u32 = 1;
export const TASK_EMPTY: u32 = 2;

@unmanaged
export class TaskTail {
  t_serial: u32;
  /** 0 alive, TASK_*. */
  t_state: u32;
  /** The task's own port, whose receiver is the kernel. */
  t_self: u32;
  /** Send right for the naming service, or 0. Guarded by the space's lock. */
  t_bootstrap: u32;
  /** Most receive rights, 0: any number. */
  t_quota_ports: u32;
  /** Most bytes of kmsgs that wait somewhere, 0: any number. */
  t_quota_kmsg_bytes: u32;
  /** Bytes charged. Atomic. */
  t_kmsg_bytes: u32;
  _pad0: u32;
  /** Processors that run the task: a bit each, in 8 words. Atomic. */
  t_threads: u32;
}
/** Ports of mach_ports_register, send rights or 0, behind the struct: TASK_PORT_REGISTER_MAX words. Guarded by the space's lock. */
const T_REGISTERED: usize = offsetof<TaskTail>() + 7 * 4;
export const TASK_TAIL: usize = IS_BYTES;
if (offsetof<TaskTail>("t_serial") != 0) ERROR("is_serial is wrong");
if (offsetof<TaskTail>("t_kmsg_bytes") - offsetof<TaskTail>("t_serial") != CHARGE_SERIAL)
  ERROR("CHARGE_SERIAL is wrong");
if (offsetof<TaskTail>("t_quota_kmsg_bytes") - offsetof<TaskTail>("t_serial") != IS_QUOTA) ERROR("IS_QUOTA is wrong");
if (offsetof<TaskTail>("t_kmsg_bytes") - offsetof<TaskTail>("t_quota_kmsg_bytes") != 4) ERROR("IS_QUOTA is wrong");
if (IS_BYTES + T_REGISTERED + TASK_PORT_REGISTER_MAX * 4 > T_MAP) ERROR("a task's words reach into its map");
if (IS_BYTES != 128) ERROR("the task's own words start at 128");

/** The words of a task behind its space. */
export function task_tail(task: IpcSpace): TaskTail {
  return changetype<TaskTail>(changetype<usize>(task) + TASK_TAIL);
}

function t_thread_at(task: IpcSpace, pid: u32): usize {
  return changetype<usize>(task) + TASK_TAIL + offsetof<TaskTail>("t_threads") + (pid >>> 5) * 4;
}

/** Address of a word that holds a send right of the task's own: its bootstrap port (0), its registered ports (from 1 on). */
export function t_port_at(task: IpcSpace, which: u32): usize {
  const at = which == 0 ? offsetof<TaskTail>("t_bootstrap") : T_REGISTERED + (which - 1) * 4;
  return changetype<usize>(task) + TASK_TAIL + at;
}

export function t_kmsg_bytes_at(task: IpcSpace): usize {
  return changetype<usize>(task) + TASK_TAIL + offsetof<TaskTail>("t_kmsg_bytes");
}

export function task_handle(task: IpcSpace): u32 {
  return <u32>changetype<usize>(task) | (task_tail(task).t_serial & 63);
}

function is_active_at(task: IpcSpace): usize {
  return changetype<usize>(task) + offsetof<IpcSpace>("_is_active");
}

/** Whether the task lives, as it seems without its lock: what is done in its space looks again. */
function is_active_hint(task: IpcSpace): bool {
  return hint_load(is_active_at(task)) != 0;
}

/** The task of a handle, or null: not a task, or terminated. */
export function task_from(handle: u32): IpcSpace | null {
  const address: usize = handle & ~63;
  if (!zone_has(ZONE_TASK, address)) return null;
  const task = changetype<IpcSpace>(address);
  const alive = task.z_owner == OWNER_LIVE && (task_tail(task).t_serial & 63) == (handle & 63) && is_active_hint(task);
  return alive ? task : null;
}

/** The task that a waiter of this processor was made for, or null: it has ended. */
export function task_waits(waiter: Waiter): IpcSpace | null {
  const address: usize = waiter.w_task;
  const task = changetype<IpcSpace>(address);
  const alive = task.z_owner == OWNER_LIVE && is_serial(address) == waiter.w_serial && is_active_hint(task);
  return alive ? task : null;
}

/** Whether this is the task of that number, alive. Conditions: space locked. */
export function task_is(task: IpcSpace, serial: u32): bool {
  return task.z_owner == OWNER_LIVE && task.is_active != 0 && task_tail(task).t_serial == serial;
}

/**
 * The task whose port this seems to be, or null: no task's, or of one that has ended.
 *
 * Conditions: the caller's knowledge keeps the port. Its serial number is in p_target_serial; who locks the task confirms it (task_is).
 * Races:      the port keeps no task. But as long as the task says that this is its port, it is the one that the port was made for, and
 *             was so when its number was read.
 */
export function task_of_port(port: IpcPort): IpcSpace | null {
  if (ipc_kobject_kind(port) != IKOT_TASK) return null;
  const tail = port.ip_kobject + TASK_TAIL;
  me().p_target_serial = hint_load(tail + offsetof<TaskTail>("t_serial"));
  const own = hint_load(tail + offsetof<TaskTail>("t_self")) == <u32>changetype<usize>(port);
  return own ? changetype<IpcSpace>(<usize>port.ip_kobject) : null;
}

/**
 * Makes a task with an empty space. It runs nowhere, and is not active before task_begin: if its maker dies, it ends.
 *
 * Conditions: in a trap, nothing locked.
 * Returns:    the task, or null when memory is exhausted.
 */
export function task_create(quota_ports: u32, quota_kmsg_bytes: u32, quota_frames: u32): IpcSpace | null {
  const address = zone_alloc(ZONE_TASK);
  if (address == 0) return null;
  const task = changetype<IpcSpace>(address);
  is_lock(task); // the lock word is left alone: somebody may still hold it for the task that this was
  bytes_fill(address + IS_CLEAR, 0, T_MAP - IS_CLEAR);
  task.is_dirty = 0;
  is_unlock(task);
  const self = ipc_kobject_alloc(IKOT_TASK, address);
  if (!self) {
    zone_free(ZONE_TASK, address);
    return null;
  }
  const tail = task_tail(task);
  task._is_cursor = 1;
  const serial = word_add(h_serial_at(), 1) + 1; // [S23] each number once
  hint_store(changetype<usize>(tail) + offsetof<TaskTail>("t_serial"), serial);
  hint_store(changetype<usize>(tail) + offsetof<TaskTail>("t_self"), <u32>changetype<usize>(self));
  tail.t_state = TASK_TERMINATING | (my_pid() << 8);
  tail.t_quota_ports = quota_ports;
  tail.t_quota_kmsg_bytes = quota_kmsg_bytes;
  vm_map_init(vm_map_of(address), serial, quota_frames);
  ipc_port_adopt(self);
  journal_set(address, OWNER_LIVE);
  journal_commit();
  return task;
}

/**
 * Gives a new task the parent's bootstrap port and its registered ports.
 *
 * Conditions: in a trap, nothing locked; the task has not begun. Returns: false: the parent, who was the task of that number, has ended.
 */
export function task_inherit(task: IpcSpace, parent: IpcSpace, serial: u32): bool {
  is_lock(parent);
  const lives = task_is(parent, serial);
  for (let which: u32 = 0; lives && which <= TASK_PORT_REGISTER_MAX; which++) {
    copy_send(t_port_at(task, which), load<u32>(t_port_at(parent, which)));
  }
  is_unlock(parent);
  return lives;
}

/** The task is active from now on. Conditions: in a trap, nothing locked; this processor made the task. */
export function task_begin(task: IpcSpace): void {
  is_lock(task);
  journal_set_hint(is_active_at(task), 1);
  journal_set(changetype<usize>(task_tail(task)) + offsetof<TaskTail>("t_state"), 0);
  journal_commit();
  is_unlock(task);
}

/** Puts a send right for `object` in a slot. Conditions: what has the object's address keeps it; nothing in the journal. Commits. */
export function copy_send(slot_at: usize, object: u32): void {
  if (!IP_VALID(object)) {
    store<u32>(slot_at, object);
    return;
  }
  const port = port_at(object);
  ip_lock(port);
  port.ip_srights = port.ip_srights + 1;
  journal_set(slot_at, object);
  journal_commit();
  ip_unlock(port);
}

/** This processor runs the task from now on. */
export function task_attach(task: IpcSpace): void {
  word_or(t_thread_at(task, my_pid()), 1 << (my_pid() & 31)); // [S24]
}

/** Whether the processor runs the task. */
export function task_runs_on(task: IpcSpace, pid: u32): bool {
  return (word_load(t_thread_at(task, pid)) & (1 << (pid & 31))) != 0;
}

/**
 * The processor runs the task no longer. If it was the last, the task is not active from now on, and is to be terminated.
 *
 * Conditions: in a trap, nothing locked; the processor runs the task.
 * Races:      under the task's lock, so that of two who leave one is the last; not active before nobody runs it, so that whoever
 *             settles a death in between finds one or the other.
 */
export function task_detach(task: IpcSpace, pid: u32): void {
  const bit: u32 = 1 << (pid & 31);
  is_lock(task);
  if (!task_runs(task, pid)) hint_store(is_active_at(task), 0);
  word_and(t_thread_at(task, pid), ~bit); // [S24]
  is_unlock(task);
}

/** Whether any processor but `but` runs the task; 0: any. */
function task_runs(task: IpcSpace, but: u32): bool {
  for (let pid: u32 = 0; pid < 256; pid += 32) {
    const own: u32 = but != 0 && (but & ~31) == pid ? 1 << (but & 31) : 0;
    if ((word_load(t_thread_at(task, pid)) & ~own) != 0) return true;
  }
  return false;
}

/**
 * Terminates a task: every right is released as by mach_port_destroy, then, when no processor runs the task, its memory is
 * freed.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal. `serial`: its number. `heir_of`: a processor whose half-done
 *             terminations are continued, or 0.
 * Returns:    false: it is not that task any more.
 * Races:      one processor empties a task, the one whose number is in t_state.
 * Memory:     what cannot be told for want of memory stays, and with it the task, until task_resume.
 */
export function task_terminate(task: IpcSpace, serial: u32, heir_of: u32): bool {
  const tail = task_tail(task);
  const mine = TASK_TERMINATING | (my_pid() << 8);
  is_lock(task);
  const state = tail.t_state;
  // Whoever settles a death has seen it inactive: if it is not, its maker was still making it then.
  const meant = task.z_owner == OWNER_LIVE && tail.t_serial == serial && (heir_of == 0 || task.is_active == 0);
  let empties = false;
  if (meant) {
    hint_store(is_active_at(task), 0);
    empties = state == 0 || state == mine || (heir_of != 0 && state == (TASK_TERMINATING | (heir_of << 8)));
    if (empties) tail.t_state = mine;
  }
  is_unlock(task);
  if (empties) {
    vm_map_end(vm_map_of(changetype<usize>(task))); // first: what is to be told below needs memory
    reap_run();
    if (!task_empty(task)) {
      me().p_ending = 1;
      return true;
    }
    task_drop_ports(task);
    reap_run();
  }
  task_free(task, empties);
  return meant;
}

/** Goes on with the terminations that this processor could not finish. Conditions: as task_terminate. */
export function task_resume(): void {
  me().p_ending = 0;
  for (let at = zone_next(ZONE_TASK, 0); at != 0; at = zone_next(ZONE_TASK, at)) {
    const task = changetype<IpcSpace>(at);
    const mine = task_tail(task).t_state == (TASK_TERMINATING | (my_pid() << 8));
    if (mine && word_load(at) == OWNER_LIVE) task_terminate(task, task_tail(task).t_serial, 0);
  }
}

/** Frees an empty task that nobody runs; one of those who try. `emptied`: this processor has just emptied it. */
function task_free(task: IpcSpace, emptied: bool): void {
  const address = changetype<usize>(task);
  is_lock(task);
  if (emptied) task_tail(task).t_state = TASK_EMPTY; // one store: a transaction by itself
  const free = !task_runs(task, 0) && task_tail(task).t_state == TASK_EMPTY && word_load(address) == OWNER_LIVE;
  if (free) {
    // Before the element: once that is free, another task has its address, and its frames look the same.
    frames_free(header().h_first_frame, frames_count() - header().h_first_frame, <u32>address | FRAME_SPACE);
    word_cas(address, OWNER_LIVE, my_pid()); // [S25] under the lock: one winner
  }
  is_unlock(task);
  if (free) zone_free(ZONE_TASK, address);
}

/**
 * Destroys what every name denotes. Each name is a transaction, with its consequences done before the next.
 *
 * Returns: false: send-once rights are left, for whose notifications there is no memory.
 */
function task_empty(task: IpcSpace): bool {
  for (let index = is_each(task, 0); index != 0; index = is_each(task, index)) {
    is_lock(task);
    ipc_right_destroy(task, name_make(index, ie_gen(entry_at(is_entry(task, index)).ie_bits)));
    is_unlock(task);
    reap_run();
  }
  return task.is_entries == 0;
}

/** Gives up the special ports. */
function task_drop_ports(task: IpcSpace): void {
  const tail = task_tail(task);
  is_lock(task);
  for (let which: u32 = 0; which <= TASK_PORT_REGISTER_MAX; which++) {
    const slot_at = t_port_at(task, which);
    if (!IP_VALID(load<u32>(slot_at))) continue;
    const port = port_at(load<u32>(slot_at));
    ip_lock(port);
    ipc_right_drop_slot(port, slot_at, MACH_MSG_TYPE_PORT_SEND);
  }
  is_unlock(task);
  const self = port_at(tail.t_self);
  if (tail.t_self == 0) return;
  ip_lock(self);
  journal_set_hint(changetype<usize>(tail) + offsetof<TaskTail>("t_self"), 0);
  ipc_port_destroy_locked(self);
  journal_commit();
  ip_unlock(self);
}

/**
 * Gives the space a send right for the task's own port (IKOT_TASK) or the host's.
 *
 * Conditions: in a trap, nothing locked. Returns: the name, or 0 when memory is exhausted.
 */
export function task_port_name(task: IpcSpace, kind: u32): u32 {
  const kmsg = ipc_kmsg_alloc(24, 0);
  if (!kmsg) return 0;
  kmsg.ikm_types = MACH_MSG_TYPE_PORT_SEND << 8;
  const slot_at = changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
  let name: u32 = 0;
  is_lock(task);
  if (task.is_active != 0) {
    copy_send(slot_at, kind == IKOT_TASK ? task_tail(task).t_self : ipc_host_port());
    name = ipc_right_copyout(task, slot_at, MACH_MSG_TYPE_PORT_SEND, 0);
  }
  is_unlock(task);
  ipc_kmsg_destroy(kmsg);
  return name;
}
