// The waiters that a dead processor leaves, and those of others that it completed without telling.

import { kmsg_at } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { imq_put_back } from "../ipc/ipc_mqueue";
import { imq_unwait_receive, imq_unwait_send } from "../ipc/ipc_mqueue_wait";
import { ip_lock, ip_unlock, port_at } from "../ipc/ipc_port";
import { ipc_pset_unwait, ips_lock, ips_unlock, pset_at } from "../ipc/ipc_pset";
import { ipc_wait_posted, waiter_free } from "../ipc/ipc_wait";
import { journal_commit, journal_set } from "../kern/journal";
import { LOCK_NAP_NS } from "../kern/param";
import {
  my_pid,
  p_completed_at,
  p_rescan_at,
  p_state_at,
  processor_at,
  processor_can_wait,
  processor_stopped,
} from "../kern/processor";
import {
  WAITER_ASYNC,
  WAITER_LINKED,
  WAITER_SEND,
  Waiter,
  waiter_at,
  waiter_look,
  waiter_orphan,
  waiter_settle,
} from "../kern/waiter";
import { OWNER_LIVE, ZONE_PSET, ZONE_WAITER, zone_next, zone_of } from "../kern/zone";
import { word_load, word_store, word_wait } from "../sync/atomics";

/**
 * Ends the waiters of the dead, or of who leaves; makes those look whom it may have completed without a wake-up. `lives`: the
 * processor recovers itself after a fault, and its event loop's waiters stay.
 *
 * Conditions: nothing locked, nothing in the journal; `pid` is claimed by the caller, or is the caller.
 * Races:      an event loop's completed waiter stays until all are posted: the list runs through it. A recoverer that takes over finds
 *             the list whole or empty, and of the waiters on it w_hander 0.
 */
export function settle_waiters(pid: u32, lives: bool): void {
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    if (word_load(at) != OWNER_LIVE) continue;
    const waiter = waiter_at(at);
    const blocked = (waiter.w_kind & WAITER_ASYNC) == 0;
    if (waiter.w_pid == pid && (blocked || !lives)) {
      settle_waiter(waiter, blocked);
      continue;
    }
    waiter_orphan(waiter, pid);
    if (blocked) waiter_look(waiter);
    else word_store(p_rescan_at(waiter.w_pid), 1);
  }
  if (lives) return;
  word_store(p_completed_at(pid), 0); // nobody posts any more
  processor_at(pid).p_drain = 0;
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    if (word_load(at) == OWNER_LIVE && waiter_at(at).w_pid == pid) waiter_free(waiter_at(at));
  }
}

function settle_waiter(waiter: Waiter, blocked: bool): void {
  const kmsg = end_wait(waiter);
  const linked = waiter.z_owner != OWNER_LIVE; // it was, and is in this hand
  if (!linked) await_wake(waiter, blocked);
  if (linked || blocked) waiter_free(waiter);
  if (kmsg != 0) ipc_kmsg_destroy(kmsg_at(kmsg)); // once all owners are read: see sweep_kmsgs
}

/**
 * Waits until a live processor that completed the waiter has given its wake-up, and so points to it no longer.
 *
 * Ends: between commit and wake-up there is at most the opening of a port's lock, with what its inbox asks for, and whoever waits for a
 * lock there finds its owner alive, in a short section, or undoes it; this recoverer holds only the burial lock, which nobody takes
 * inside. If that processor dies or faults instead, its state says so: at its next wait, or from its host's hand.
 */
function await_wake(waiter: Waiter, blocked: bool): void {
  if (blocked) {
    waiter_settle(waiter);
    return;
  }
  while (waiter.w_hander != 0 && waiter.w_hander != my_pid() && !processor_stopped(waiter.w_hander)) {
    ipc_wait_posted(waiter.w_pid);
    if (waiter.w_hander == 0) return;
    if (processor_can_wait()) word_wait(p_state_at(waiter.w_pid), word_load(p_state_at(waiter.w_pid)), LOCK_NAP_NS);
  }
}

/** Unlinks a waiter of the dead. Returns: a kmsg that it leaves, in this hand, or 0. */
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
  let kmsg = waiter.w_kmsg; // none if it sends and is not linked: its message was queued
  if (linked && sends) imq_unwait_send(port, waiter);
  else if (linked) imq_unwait_receive(port, waiter);
  else if (kmsg != 0 && imq_put_back(port, kmsg_at(kmsg), waiter)) kmsg = 0;
  else if (kmsg != 0) {
    journal_set(kmsg, my_pid());
    waiter.w_kmsg = 0; // with its owner: a second recoverer must not look at it again
    journal_commit();
  }
  ip_unlock(port);
  return kmsg;
}
