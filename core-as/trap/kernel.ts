// Traps on the kernel itself: boot, attach and detach, death, event-loop completions, counts.

import { FRAME_RESERVED, frame_owner_at, frames_publish, frames_used as used } from "../kern/frame";
import { FRAME_TABLE, h_terminated_at, header, PROCESSOR_SIZE, PROCESSORS } from "../kern/memory_map";
import { DRAIN_MAX, HEADER_MAGIC, LAYOUT_VERSION, PROCESSOR_MAX } from "../kern/param";
import {
  batch_set,
  BELL_ARMED,
  BELL_RUNG,
  me,
  my_pid,
  out_get,
  out_set,
  p_bell_at,
  p_state_at,
  PROCESSOR_FREE,
} from "../kern/processor";
import { waiter_look, WAITER_ASYNC, Waiter, waiter_at, WAITER_SEND } from "../kern/waiter";
import { OWNER_LIVE, zone_count as count, ZONE_COUNT, zone_has, zone_next, ZONE_WAITER } from "../kern/zone";
import { word_load, word_store, word_swap, word_wake } from "../sync/atomics";
import { KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from "../abi/kern_return";
import { MACH_RCV_TOO_LARGE } from "../abi/message";
import { kmsg_at } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { ipc_receive_done } from "../ipc/ipc_receive";
import { ipc_wait_cancel, ipc_wait_next, waiter_free } from "../ipc/ipc_wait";
import {
  processor_condemn as condemn,
  processor_gone as gone,
  processor_leave,
  processor_mark_gone,
} from "../recover/recover";
import { task_waits } from "../task/task";
import { pseudo } from "./mach_msg";
import { trap_enter, trap_enter_any, trap_leave } from "./trap";

/** The last page of 4 GiB is not used, so that the address behind a slab or a run is never 0. */
const PAGES_MAX: u32 = 65535;

/**
 * Makes the kernel in zeroed memory.
 *
 * Conditions: once, before any processor attaches. `maximum_pages`: WebAssembly pages that memory may grow to.
 * Returns:    KERN_SUCCESS; KERN_INVALID_ARGUMENT, fewer pages than the tables need; KERN_RESOURCE_SHORTAGE.
 */
export function kernel_boot(maximum_pages: u32, hash: u32): u32 {
  if (maximum_pages > 65536) return KERN_INVALID_ARGUMENT;
  const frames_max = min(maximum_pages, PAGES_MAX) << 4;
  const table_end = FRAME_TABLE + frames_max * 4;
  const first_page = (table_end + 65535) >>> 16;
  if (first_page + 2 > maximum_pages) return KERN_INVALID_ARGUMENT;
  if (<u32>memory.size() < first_page + 2 && memory.grow(first_page + 2 - <u32>memory.size()) < 0) {
    return KERN_RESOURCE_SHORTAGE;
  }
  const head = header();
  head.h_layout = LAYOUT_VERSION;
  head.h_hash = hash;
  head.h_first_frame = first_page << 4;
  head.h_frames_max = frames_max;
  head.h_frame_hint = head.h_first_frame;
  for (let frame: u32 = 0; frame < head.h_first_frame; frame++) store<u32>(frame_owner_at(frame), FRAME_RESERVED);
  frames_publish();
  for (let pid: u32 = 0; pid < PROCESSOR_MAX; pid++) store<u32>(PROCESSORS + pid * PROCESSOR_SIZE + 12, pid);
  word_store(changetype<usize>(head), HEADER_MAGIC);
  return KERN_SUCCESS;
}

/** Closes the kernel: from now on every trap answers KERN_TERMINATED, and everybody who waits wakes with it. */
export function kernel_terminate(): u32 {
  trap_enter_any();
  word_store(h_terminated_at(), 1);
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    if (word_load(at) == OWNER_LIVE && (waiter_at(at).w_kind & WAITER_ASYNC) == 0) waiter_look(waiter_at(at));
  }
  for (let pid: u32 = 1; pid < PROCESSOR_MAX; pid++) {
    if (word_load(p_state_at(pid)) == PROCESSOR_FREE) continue;
    if (word_swap(p_bell_at(pid), BELL_RUNG) == BELL_ARMED) word_wake(p_bell_at(pid), 1);
  }
  return trap_leave(KERN_SUCCESS);
}

/** Elements of a zone that are in use. Exact only when nothing runs. */
export function zone_count(zone: u32): u32 {
  trap_enter_any();
  return trap_leave(zone < ZONE_COUNT ? count(zone) : 0);
}

/** Page frames in use. Exact only when nothing runs. */
export function frames_used(): u32 {
  trap_enter_any();
  return trap_leave(used());
}

/**
 * First trap of an agent whose record the host has claimed. `flags`: PROCESSOR_CAN_WAIT.
 *
 * Conditions: the record is in state USER, and nobody else uses it. What its last life left in p_wake and p_ending is a notify and a
 *             look too many. Returns: KERN_SUCCESS; KERN_TERMINATED.
 */
export function processor_attach(flags: u32): u32 {
  const record = me();
  record.p_flags = flags;
  record.p_journal_count = 0;
  record.p_work = 0;
  record.p_spin_misses = 0;
  record.p_spin_steps = 0;
  record.p_locks = 0;
  record.p_debug_stop = 0;
  record.p_debug_at = 0;
  record.p_completed = 0;
  record.p_bell = 0;
  record.p_rescan = 0;
  record.p_drain = 0;
  const kr = trap_enter();
  return kr == KERN_SUCCESS ? trap_leave(KERN_SUCCESS) : kr;
}

/** This agent leaves: tasks that nobody else runs end. Its record is freed by processor_gone, or by the host if it stays alive. */
export function processor_detach(): u32 {
  trap_enter_any();
  processor_leave();
  return trap_leave(KERN_SUCCESS);
}

export function processor_condemn(pid: u32, generation: u32): u32 {
  trap_enter_any();
  return trap_leave(condemn(pid, generation));
}

export function processor_gone(pid: u32, generation: u32): u32 {
  processor_mark_gone(pid, generation); // first of all: entering may have to wait for a lock of its
  trap_enter_any();
  return trap_leave(gone(pid, generation));
}

/** Turns of the spin loop, for the host to time. */
export function processor_spin(steps: u32): u32 {
  let seen: u32 = 0;
  const bell_at = p_bell_at(my_pid());
  for (let turn: u32 = 0; turn < steps; turn++) seen += word_load(bell_at);
  return seen;
}

/**
 * Takes completions: 4 words each in the batch, cookie, code, kmsg, size (TOO_LARGE without a kmsg: the size needed).
 *
 * Returns: how many; fewer than `max` means that there were no more.
 */
export function processor_drain(max: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const most = min(max, DRAIN_MAX);
  let done: u32 = 0;
  while (done < most) {
    const waiter = ipc_wait_next();
    if (!waiter) break;
    complete(waiter, done);
    done++;
  }
  return trap_leave(done);
}

function complete(waiter: Waiter, index: u32): void {
  const cookie = waiter.w_cookie;
  let code = waiter.w_code;
  out_set(0, 0);
  out_set(2, 0);
  if (waiter.w_kind & WAITER_SEND) waiter_free(waiter);
  else code = ipc_receive_done(task_waits(waiter), waiter, waiter.w_option, waiter.w_size);
  batch_set(index * 4, cookie);
  batch_set(index * 4 + 1, code);
  batch_set(index * 4 + 2, out_get(0));
  batch_set(index * 4 + 3, out_get(code == MACH_RCV_TOO_LARGE && out_get(0) == 0 ? 3 : 2));
}

/**
 * Ends an event loop's wait.
 *
 * Returns: as ipc_wait_cancel; a send's message was pseudo-received (out 0 kmsg, 1 bytes, 2 size), or destroyed if its task has ended.
 */
export function mach_msg_cancel(waiter: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  out_set(2, 0);
  if (!zone_has(ZONE_WAITER, waiter)) return trap_leave(KERN_INVALID_ARGUMENT);
  const task = task_waits(waiter_at(waiter)); // believed if it is this processor's
  const code = ipc_wait_cancel(waiter);
  const kmsg = out_get(0);
  if (code == KERN_SUCCESS && kmsg != 0) {
    out_set(0, 0);
    if (task) pseudo(task, kmsg_at(kmsg), 0);
    else ipc_kmsg_destroy(kmsg_at(kmsg));
  }
  return trap_leave(code);
}
