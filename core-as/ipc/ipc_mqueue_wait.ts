// How a receiver or a sender goes to wait on a port, and how it stops. Lock: the port's.

import { pair_cas, pair_load } from "../sync/atomics";
import { journal_commit, journal_set, journal_set_hint } from "../kern/journal";
import { my_pid } from "../kern/processor";
import { Waiter, waiters_append, waiters_remove } from "../kern/waiter";
import { OWNER_WAITING } from "../kern/zone";
import { box_count, box_qlimit, imq_arm, IMQ_BLOCKED, IMQ_CLOSED, imq_flag_clear, imq_inbox_at } from "./ipc_inbox";
import { IpcKmsg } from "./ipc_kmsg";
import { imq_push, PUSH_CLOSED, PUSH_FULL } from "./ipc_mqueue";
import { ip_receivers_at, ip_senders_at, IpcPort } from "./ipc_port";

/**
 * Links a receiver that found nothing.
 *
 * Conditions: port locked, nothing in the journal. Commits.
 * Races:      a message that came meanwhile is handed over when the port is unlocked.
 */
export function imq_wait_receive(port: IpcPort, waiter: Waiter): void {
  imq_arm(port);
  waiters_append(ip_receivers_at(port), waiter);
  journal_commit();
}

/**
 * Links a sender behind a full queue; the waiter carries the kmsg.
 *
 * Conditions: port locked, nothing in the journal. Commits. The kmsg's destination right is counted.
 * Consumes:   the kmsg when PUSH_FULL is returned.
 * Returns:    PUSH_FULL: waiting; otherwise there was room after all, or the port died: as imq_push.
 */
export function imq_wait_send(port: IpcPort, waiter: Waiter, kmsg: IpcKmsg): u32 {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    const low = <u32>box;
    if (low & IMQ_CLOSED) return PUSH_CLOSED;
    if (box_count(box) < box_qlimit(box) && (low & IMQ_BLOCKED) == 0) {
      const outcome = imq_push(port, kmsg, false);
      if (outcome != PUSH_FULL) return outcome;
      continue;
    }
    // [S21] From here on nobody overtakes. Set before it is linked: BLOCKED without senders is cleared when found.
    if (low & IMQ_BLOCKED || pair_cas(inbox_at, box, box | IMQ_BLOCKED) == box) break;
  }
  waiter._w_kmsg = <u32>changetype<usize>(kmsg);
  journal_set(changetype<usize>(kmsg), OWNER_WAITING);
  waiters_append(ip_senders_at(port), waiter);
  journal_commit();
  return PUSH_FULL;
}

/** Takes back a sender that waits no longer. Conditions: port locked, waiter linked. Commits. Kmsg to this hand. */
export function imq_unwait_send(port: IpcPort, waiter: Waiter): void {
  waiters_remove(ip_senders_at(port), waiter);
  journal_set(waiter.w_kmsg, my_pid());
  journal_set_hint(changetype<usize>(waiter), my_pid());
  journal_commit();
  if (load<u32>(ip_senders_at(port)) == 0) imq_flag_clear(port, IMQ_BLOCKED);
}

/** Takes back a receiver that waits no longer. Conditions: port locked, waiter linked. Commits. */
export function imq_unwait_receive(port: IpcPort, waiter: Waiter): void {
  waiters_remove(ip_receivers_at(port), waiter);
  journal_set_hint(changetype<usize>(waiter), my_pid());
  journal_commit();
}
