// The inbox of a message queue: the 64-bit word that senders publish on, and the list behind it. What is done with messages is in
// ipc_mqueue.ts; the argument for both is at its head.

import { hint_load, pair_cas, pair_load } from "../sync/atomics";
import { journal_commit } from "../kern/journal";
import { kdebug } from "../kern/panic";
import { OWNER_QUEUED, owner_set } from "../kern/zone";
import { ikm_uncounted, kmsg_at } from "./ipc_kmsg";
import { IpcPort } from "./ipc_port";

/** The port is dead, or the kernel's: a message is destroyed. */
export const IMQ_CLOSED: u32 = 1;
export const IMQ_KICK: u32 = 2;
/** Senders wait for room; later ones queue behind them. */
export const IMQ_BLOCKED: u32 = 4;
export const IMQ_FLAGS: u32 = 63;

export function imq_inbox_at(port: IpcPort): usize {
  return changetype<usize>(port) + offsetof<IpcPort>("imq_inbox");
}

export function box_head(box: u64): u32 {
  return <u32>box & ~IMQ_FLAGS;
}

export function box_count(box: u64): u32 {
  return <u32>(box >>> 32) & 0xffff;
}

export function box_qlimit(box: u64): u32 {
  return <u32>(box >>> 48);
}

export function imq_msgcount(port: IpcPort): u32 {
  return box_count(pair_load(imq_inbox_at(port)));
}

export function imq_qlimit(port: IpcPort): u32 {
  return box_qlimit(pair_load(imq_inbox_at(port)));
}

export function imq_flags(port: IpcPort): u32 {
  return <u32>pair_load(imq_inbox_at(port)) & IMQ_FLAGS;
}

/** Whether a message that obeys the limit is refused. */
export function box_full(box: u64): bool {
  return ((<u32>box & IMQ_BLOCKED) != 0 || box_count(box) >= box_qlimit(box)) && (<u32>box & IMQ_CLOSED) == 0;
}

export function imq_full(port: IpcPort): bool {
  return box_full(pair_load(imq_inbox_at(port)));
}

/** Oldest message of the list as it seems to be without the port's lock, or 0. */
export function imq_first_hint(port: IpcPort): u32 {
  return hint_load(changetype<usize>(port) + offsetof<IpcPort>("_imq_first"));
}

/** Newest message that is not on the list yet, or 0. */
export function imq_inbox_head(port: IpcPort): u32 {
  return box_head(pair_load(imq_inbox_at(port)));
}

/**
 * Moves the inbox to the list, oldest first. A transaction of its own.
 *
 * Conditions: port locked, nothing in the journal.
 */
export function imq_drain(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  kdebug(port.imq_chain == 0, 0x1702);
  let head: u32 = 0;
  while (true) {
    const box = pair_load(inbox_at);
    head = box_head(box);
    if (head == 0) return;
    port._imq_chain = head; // before the compare-and-swap, as in imq_claim
    const rest = (box & 0xffffffff00000000) | <u64>(<u32>box & IMQ_FLAGS);
    if (pair_cas(inbox_at, box, rest) == box) break; // [S19]
  }
  imq_append_chain(port);
}

/** Puts imq_chain behind the list. Linking twice is harmless: the links are written before the list words are. */
function imq_append_chain(port: IpcPort): void {
  const newest = port.imq_chain;
  let oldest: u32 = 0;
  for (let at = newest; at != 0; at = kmsg_at(at).ikm_next) {
    owner_set(at, OWNER_QUEUED);
    kmsg_at(at)._ikm_forward = oldest;
    oldest = at;
  }
  if (port.imq_last != 0) kmsg_at(port.imq_last).ikm_forward = oldest;
  else port.imq_first = oldest;
  port.imq_last = newest;
  port.imq_chain = 0;
  journal_commit();
}

/**
 * Settles what an owner that died had in the queue's hand, and counts the messages anew.
 *
 * Conditions: port locked, its last owner's transaction undone, nothing in the journal.
 */
export function imq_settle(port: IpcPort): void {
  if (port.imq_chain != 0) {
    let at = box_head(pair_load(imq_inbox_at(port)));
    while (at != 0 && at != port.imq_chain) at = kmsg_at(at).ikm_next;
    if (at != 0)
      port._imq_chain = 0; // the compare-and-swap was not made
    else imq_append_chain(port);
  }
  let listed: u64 = 0;
  for (let at = port.imq_first; at != 0; at = kmsg_at(at).ikm_forward) listed++;
  while (true) {
    const box = pair_load(imq_inbox_at(port));
    if (<u32>box & IMQ_CLOSED) break;
    let count = listed;
    for (let at = box_head(box); at != 0; at = kmsg_at(at).ikm_next) count++;
    if (pair_cas(imq_inbox_at(port), box, (box & 0xffff0000ffffffff) | (count << 32)) == box) break; // [S20]
  }
}

/** How many send rights the queue itself counts (head of ipc_port.ts), `most` at the most. Conditions: port locked. */
export function imq_sends(port: IpcPort, most: u32): u32 {
  let sends: u32 = 0;
  for (let at = port.imq_first; at != 0 && sends < most; at = kmsg_at(at).ikm_forward) {
    if (ikm_uncounted(kmsg_at(at))) sends++;
  }
  for (let at = imq_inbox_head(port); at != 0 && sends < most; at = kmsg_at(at).ikm_next) {
    if (ikm_uncounted(kmsg_at(at))) sends++;
  }
  return sends;
}

/** Sets KICK: later senders kick, and ip_unlock does for a message that is in the inbox by now. Conditions: port locked. */
export function imq_arm(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if ((<u32>box & IMQ_KICK) != 0 || pair_cas(inbox_at, box, box | IMQ_KICK) == box) return; // [S21]
  }
}

export function imq_flag_clear(port: IpcPort, flag: u32): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if ((<u32>box & flag) == 0 || pair_cas(inbox_at, box, box & ~(<u64>flag)) == box) return; // [S21]
  }
}

/** Refuses all later messages; those in the inbox go to the list. Conditions: port locked, nothing in the journal. */
export function imq_close(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    imq_drain(port);
    const box = pair_load(inbox_at);
    if (<u32>box & IMQ_CLOSED) return;
    if (box_head(box) == 0 && pair_cas(inbox_at, box, box | IMQ_CLOSED) == box) return; // [S22]
  }
}
