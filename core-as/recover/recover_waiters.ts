// The waiters that a dead processor leaves, and those of others that it completed without telling.

import { kmsg_at } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { imq_put_back } from "../ipc/ipc_mqueue";
import { imq_unwait_receive, imq_unwait_send } from "../ipc/ipc_mqueue_wait";
import { ip_lock, ip_unlock, port_at } from "../ipc/ipc_port";
import { ipc_pset_unwait, ips_lock, ips_unlock, pset_at } from "../ipc/ipc_pset";
import { reap_run } from "../ipc/ipc_reap";
import { LOCK_NAP_NS } from "../kern/param";
import {
  my_pid,
  p_completed_at,
  p_rescan_at,
  p_state_at,
  processor_acknowledge,
  processor_at,
  processor_can_wait,
  processor_stopped,
} from "../kern/processor";
import {
  WAITER_ASYNC,
  WAITER_DONE,
  WAITER_LINKED,
  WAITER_SEND,
  Waiter,
  waiter_at,
  waiter_look,
  waiter_orphan,
  waiter_settle,
} from "../kern/waiter";
import { OWNER_LIVE, ZONE_PSET, ZONE_WAITER, zone_free, zone_next, zone_of } from "../kern/zone";
import { word_load, word_store, word_wait } from "../sync/atomics";

/**
 * Ends the waiters of the dead; makes those look whom it may have completed without a wake-up. `lives`: the processor recovers
 * itself after a fault, and its event loop's waiters stay.
 *
 * Conditions: nothing locked, nothing in the journal; `pid` is claimed by the caller.
 */
export function settle_waiters(pid: u32, lives: bool): void {
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    if (word_load(at) != OWNER_LIVE) continue;
    const waiter = waiter_at(at);
    const blocked = (waiter.w_kind & WAITER_ASYNC) == 0;
    if (waiter.w_pid == pid && (blocked || !lives)) {
      settle_waiter(waiter);
      continue;
    }
    waiter_orphan(waiter, pid);
    if (blocked) waiter_look(waiter);
    else word_store(p_rescan_at(waiter.w_pid), 1);
  }
}

function settle_waiter(waiter: Waiter): void {
  const kmsg = end_wait(waiter);
  if (waiter.w_state == WAITER_DONE) await_wake(waiter);
  if (kmsg != 0) kmsg_at(kmsg).z_owner = my_pid();
  waiter.z_owner = my_pid();
  zone_free(ZONE_WAITER, changetype<usize>(waiter));
  if (kmsg == 0) return;
  ipc_kmsg_destroy(kmsg_at(kmsg));
  reap_run();
}

/** Waits until a live processor that completed the waiter has given its wake-up, and so points to it no longer. */
function await_wake(waiter: Waiter): void {
  if ((waiter.w_kind & WAITER_ASYNC) == 0) {
    waiter_settle(waiter);
    return;
  }
  while (!posted(waiter) && waiter.w_hander != 0 && !processor_stopped(waiter.w_hander)) {
    processor_acknowledge();
    if (processor_can_wait()) word_wait(p_state_at(waiter.w_pid), word_load(p_state_at(waiter.w_pid)), LOCK_NAP_NS);
  }
}

/** Whether the waiter is on its processor's list of completions, taken or not. */
function posted(waiter: Waiter): bool {
  const address = <u32>changetype<usize>(waiter);
  for (let at = word_load(p_completed_at(waiter.w_pid)); at != 0; at = waiter_at(at).w_completed) {
    if (at == address) return true;
  }
  for (let at = processor_at(waiter.w_pid).p_drain; at != 0; at = waiter_at(at).w_completed) {
    if (at == address) return true;
  }
  return false;
}

/** Unlinks a waiter of the dead. Returns: a kmsg that it leaves, or 0. */
function end_wait(waiter: Waiter): u32 {
  if (zone_of(waiter.w_object) == ZONE_PSET) {
    const pset = pset_at(waiter.w_object);
    ips_lock(pset);
    if (waiter.w_state == WAITER_LINKED) ipc_pset_unwait(pset, waiter);
    ips_unlock(pset);
    return 0;
  }
  const port = port_at(waiter.w_object);
  const sends = (waiter.w_kind & WAITER_SEND) != 0;
  ip_lock(port);
  const linked = waiter.w_state == WAITER_LINKED;
  let kmsg = waiter.w_kmsg;
  if (linked && sends) imq_unwait_send(port, waiter);
  else if (linked) imq_unwait_receive(port, waiter);
  else if (sends)
    kmsg = 0; // its message was queued
  else if (kmsg != 0 && imq_put_back(port, kmsg_at(kmsg), waiter)) kmsg = 0;
  ip_unlock(port);
  return kmsg;
}
