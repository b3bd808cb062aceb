// How a send waits for room, and how any wait of an event loop ends. What a waiter is, and why no wake-up is lost: kern/waiter.ts.

import { me, my_pid, out_set, p_completed_at, p_rescan_at, processor_can_wait } from "../kern/processor";
import {
  SLEEP_LEAVE,
  SLEEP_LOOK,
  SLEEP_WOKEN,
  waiter_alloc,
  waiter_at,
  WAITER_ASYNC,
  WAITER_DONE,
  WAITER_LINKED,
  WAITER_SEND,
  waiter_settle,
  waiter_sleep,
  waiter_spin,
  Waiter,
} from "../kern/waiter";
import { OWNER_LIVE, owner_set, zone_free, zone_next, zone_of, ZONE_PSET, ZONE_WAITER } from "../kern/zone";
import { word_cas, word_load, word_store, word_swap } from "../sync/atomics";
import { KERN_FAILURE, KERN_INVALID_ARGUMENT, KERN_SUCCESS, KERN_TERMINATED } from "../abi/kern_return";
import {
  MACH_IPC_WOULD_BLOCK,
  MACH_MSG_SUCCESS,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_NO_BUFFER,
  MACH_SEND_TIMED_OUT,
} from "../abi/message";
import { ipc_kmsg_destroy } from "./ipc_kmsg_copyout";
import { IpcKmsg } from "./ipc_kmsg";
import { PUSH_CLOSED, PUSH_FULL } from "./ipc_mqueue";
import { imq_unwait_receive, imq_unwait_send, imq_wait_send } from "./ipc_mqueue_wait";
import { ip_lock, ip_unlock, IpcPort, port_at } from "./ipc_port";
import { ipc_pset_pass_on, ipc_pset_unwait, ips_lock, ips_unlock, pset_at } from "./ipc_pset";
import { reap_run } from "./ipc_reap";
import { IpcSpace, is_serial } from "./ipc_space";

/** How a call waits: it sleeps; an event loop is told; not at all. */
export const SLEEP: u32 = 0;
export const WAIT_ASYNC: u32 = 1;
export const POLL: u32 = 2;

/** Gives a waiter back. Conditions: in this processor's hand or done, its wake-up given. */
export function waiter_free(waiter: Waiter): void {
  owner_set(changetype<usize>(waiter), my_pid());
  zone_free(ZONE_WAITER, changetype<usize>(waiter));
}

/**
 * Waits for room in a full queue.
 *
 * Conditions: kmsg in this processor's hand, its destination counted; nothing locked, nothing in the journal.
 * Consumes:   the kmsg on MACH_MSG_SUCCESS and MACH_SEND_IN_PROGRESS; otherwise it is in this processor's hand again.
 * Returns:    MACH_MSG_SUCCESS, also when the port died (A85); MACH_SEND_IN_PROGRESS; MACH_SEND_TIMED_OUT; MACH_SEND_NO_BUFFER;
 *             KERN_TERMINATED; MACH_IPC_WOULD_BLOCK.
 */
export function ipc_mqueue_send_wait(
  task: IpcSpace,
  port: IpcPort,
  kmsg: IpcKmsg,
  deadline: f64,
  mode: u32,
  cookie: u32,
): u32 {
  if (mode == SLEEP && !processor_can_wait()) return MACH_IPC_WOULD_BLOCK;
  const kind = mode == WAIT_ASYNC ? WAITER_SEND | WAITER_ASYNC : WAITER_SEND;
  const space = changetype<usize>(task);
  const waiter = waiter_alloc(changetype<usize>(port), space, is_serial(space), kind, cookie, kmsg.ikm_size, 0);
  if (!waiter) return MACH_SEND_NO_BUFFER;
  ip_lock(port);
  const outcome = imq_wait_send(port, waiter, kmsg);
  ip_unlock(port);
  if (outcome == PUSH_FULL) {
    if (mode != WAIT_ASYNC) return send_sleep(port, waiter, deadline);
    out_set(0, <u32>changetype<usize>(waiter));
    return MACH_SEND_IN_PROGRESS;
  }
  zone_free(ZONE_WAITER, changetype<usize>(waiter));
  if (outcome == PUSH_CLOSED) ipc_kmsg_destroy(kmsg); // otherwise queued, and ip_unlock has kicked
  return MACH_MSG_SUCCESS;
}

function send_sleep(port: IpcPort, waiter: Waiter, deadline: f64): u32 {
  reap_run();
  let end = waiter_spin(waiter) ? SLEEP_WOKEN : waiter_sleep(waiter, deadline);
  while (true) {
    if (end == SLEEP_WOKEN) break;
    ip_lock(port); // while it is linked its kmsg's right keeps the port; afterwards only its state is read
    const linked = waiter.w_state == WAITER_LINKED;
    if (linked && end != SLEEP_LOOK) imq_unwait_send(port, waiter);
    ip_unlock(port);
    if (linked && end != SLEEP_LOOK) {
      waiter_free(waiter);
      return end == SLEEP_LEAVE ? KERN_TERMINATED : MACH_SEND_TIMED_OUT;
    }
    if (!linked) {
      waiter_settle(waiter);
      break;
    }
    end = waiter_sleep(waiter, deadline);
  }
  const code = waiter.w_code;
  waiter_free(waiter);
  return code;
}

/**
 * Ends an event loop's wait.
 *
 * Conditions: nothing locked, nothing in the journal; `address` is an element of the zone of waiters.
 * Returns: KERN_SUCCESS: no completion will come; a send's kmsg is in out 0, in this processor's hand, still to be pseudo-received.
 *          KERN_FAILURE: it was completed before; KERN_INVALID_ARGUMENT: not a waiter of this processor.
 */
export function ipc_wait_cancel(address: u32): u32 {
  const waiter = waiter_at(address);
  if (waiter.z_owner != OWNER_LIVE) return KERN_INVALID_ARGUMENT;
  if (waiter.w_pid != my_pid() || (waiter.w_kind & WAITER_ASYNC) == 0) return KERN_INVALID_ARGUMENT;
  out_set(0, 0);
  if (zone_of(waiter.w_object) == ZONE_PSET) {
    const pset = pset_at(waiter.w_object);
    ips_lock(pset);
    const waits = waiter.w_state == WAITER_LINKED;
    if (waits) ipc_pset_unwait(pset, waiter);
    ips_unlock(pset);
    if (waits) waiter_free(waiter);
    else ipc_pset_pass_on(pset); // told of a message that it may not come to take
    return waits ? KERN_SUCCESS : KERN_FAILURE;
  }
  const port = port_at(waiter.w_object);
  ip_lock(port);
  const linked = waiter.w_state == WAITER_LINKED;
  if (linked && (waiter.w_kind & WAITER_SEND) != 0) {
    out_set(0, waiter.w_kmsg);
    imq_unwait_send(port, waiter);
  } else if (linked) {
    imq_unwait_receive(port, waiter);
  }
  ip_unlock(port);
  if (!linked) return KERN_FAILURE;
  waiter_free(waiter);
  return KERN_SUCCESS;
}

/**
 * The next completed waiter of this processor, in the order of completion, or null.
 *
 * Conditions: nothing locked. The list is taken whole; what was completed by a processor that died before it could put it on the
 * list, or lost by a fault of this one behind wait_take, is found by reading all waiters (w_hander is 0), once the list is empty:
 * nobody can put them there any more.
 */
export function ipc_wait_next(): Waiter | null {
  if (me().p_drain == 0) wait_take();
  const first = me().p_drain;
  if (first == 0) return wait_rescan();
  me().p_drain = waiter_at(first).w_completed;
  return waiter_at(first);
}

/**
 * Notes of the waiters on a processor's list that their wake-up was given: who completed them points to them no longer.
 *
 * Returns: the first of the list. Races: posters add before the first; only the list's processor, or who buries it, takes off.
 */
export function ipc_wait_posted(pid: u32): u32 {
  const first = word_load(p_completed_at(pid));
  for (let at = first; at != 0; at = waiter_at(at).w_completed) waiter_at(at).w_hander = 0;
  return first;
}

/** Takes exactly what was noted, so that what a fault loses from here on is found by wait_rescan. */
function wait_take(): void {
  const list_at = p_completed_at(my_pid());
  let at = ipc_wait_posted(my_pid());
  while (word_cas(list_at, at, 0) != at) at = ipc_wait_posted(my_pid()); // [S14]
  let reversed: u32 = 0;
  while (at != 0) {
    const next = waiter_at(at).w_completed;
    waiter_at(at).w_completed = reversed;
    reversed = at;
    at = next;
  }
  me().p_drain = reversed;
}

function wait_rescan(): Waiter | null {
  // Taken before the scan: a recoverer that clears another w_hander meanwhile sets it again.
  if (word_load(p_rescan_at(my_pid())) == 0 || word_swap(p_rescan_at(my_pid()), 0) == 0) return null;
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    const waiter = waiter_at(at);
    if (word_load(at) != OWNER_LIVE || waiter.w_pid != my_pid() || waiter.w_state != WAITER_DONE) continue;
    if ((waiter.w_kind & WAITER_ASYNC) == 0 || waiter.w_hander != 0) continue;
    word_store(p_rescan_at(my_pid()), 1); // there may be more
    // Nobody posts it any more; but it may have been posted since the list was taken.
    return word_load(p_completed_at(my_pid())) != 0 ? ipc_wait_next() : waiter;
  }
  return null;
}
