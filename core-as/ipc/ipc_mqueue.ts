// The message queue. Senders publish with one compare-and-swap on the inbox and take no lock; receivers serialise on the port's
// lock. ORDERING.md has the sites, ADR 2 the measurements.
//
//   imq_inbox, 64 bits:  newest kmsg (64-aligned) | CLOSED 1, KICK 2, BLOCKED 4 || msgcount 16 | qlimit 16
//
// The inbox is a stack of published kmsgs (ikm_next: older); a lock holder takes it whole and appends it, oldest first, to the
// list (imq_first .. imq_last, ikm_forward: newer). msgcount counts both. IMQ_KICK says that somebody must be told of the next
// message: a waiting receiver, or a set that does not know yet that the port has messages.
//
// Why no wake-up is lost. A receiver that goes to wait sets KICK by a compare-and-swap that fails when anything is in the inbox,
// under the lock. So a later sender sees KICK in the value that its own compare-and-swap replaced, and kicks: it takes the lock
// and hands over, or finds the lock taken, and then its owner looks at the inbox once more after it has opened the lock
// (ip_unlock). A sender that dies between push and kick: recovery kicks every port that has KICK and messages.

import { pair_cas, pair_load, word_load } from "../sync/atomics";
import { journal_commit, journal_set } from "../kern/journal";
import { lock_forget, lock_open, lock_try } from "../kern/lock";
import { kassert } from "../kern/panic";
import { DEBUG_SITE_HAND_OVER, debug_site, my_pid, processor_must_leave } from "../kern/processor";
import { SPIN_CHUNK } from "../kern/param";
import {
  spin_budget,
  spin_missed,
  spin_paid,
  waiter_at,
  waiter_complete,
  waiter_wake,
  waiters_append,
  waiters_remove,
  Waiter,
} from "../kern/waiter";
import { OWNER_QUEUED, OWNER_WAITING } from "../kern/zone";
import {
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MACH_RCV_LARGE,
  MACH_RCV_TOO_LARGE,
} from "../abi/message";
import { MACH_PORT_QLIMIT_KERNEL } from "../abi/port";
import { ikm_remote_type, IKM_COUNTED, IKM_NUMBERED, IKM_POST, IpcKmsg, kmsg_at } from "./ipc_kmsg";
import { ikm_trailer_bytes } from "./ipc_kmsg_copyout";
import { ipc_notify_no_senders_locked } from "./ipc_notify";
import { io_lock_at } from "./ipc_object";
import { ip_active, ip_receivers_at, ip_senders_at, IpcPort, port_at } from "./ipc_port";
import { ipc_pset_announce } from "./ipc_pset";

/** The port is dead, or the kernel's: a message is destroyed. */
export const IMQ_CLOSED: u32 = 1;
export const IMQ_KICK: u32 = 2;
/** Senders wait for room; later ones queue behind them. */
export const IMQ_BLOCKED: u32 = 4;
const IMQ_FLAGS: u32 = 63;

/** Outcome of imq_push. */
export const PUSH_DONE: u32 = 0;
/** Done, and the caller must kick (imq_recheck). */
export const PUSH_KICK: u32 = 1;
export const PUSH_FULL: u32 = 2;
export const PUSH_CLOSED: u32 = 3;
/** The hard limit, for a message that ignores qlimit. */
export const PUSH_LIMIT: u32 = 4;

function imq_inbox_at(port: IpcPort): usize {
  return changetype<usize>(port) + offsetof<IpcPort>("imq_inbox");
}

function box_head(box: u64): u32 {
  return <u32>box & ~IMQ_FLAGS;
}

function box_count(box: u64): u32 {
  return <u32>(box >>> 32) & 0xffff;
}

function box_qlimit(box: u64): u32 {
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

/** Newest message that is not on the list yet, or 0. */
export function imq_inbox_head(port: IpcPort): u32 {
  return box_head(pair_load(imq_inbox_at(port)));
}

/**
 * Publishes a message.
 *
 * Conditions: nothing of the port locked. The caller's space is locked, or the kmsg holds a counted right: the port stays.
 * Consumes:   the kmsg on PUSH_DONE and PUSH_KICK; otherwise the caller still owns it. Its owner word keeps the sender's number
 *             until a lock holder takes the inbox: recovery empties the inboxes before it looks at owners.
 * Returns:    PUSH_*. The order of the compare-and-swaps is the order of the queue.
 */
export function imq_push(port: IpcPort, kmsg: IpcKmsg, always: bool): u32 {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    const low = <u32>box;
    const count = box_count(box);
    if (low & IMQ_CLOSED) return PUSH_CLOSED;
    if (!always && (count >= box_qlimit(box) || (low & IMQ_BLOCKED) != 0)) return PUSH_FULL;
    if (count >= MACH_PORT_QLIMIT_KERNEL) return PUSH_LIMIT;
    kmsg.ikm_next = low & ~IMQ_FLAGS;
    const next = (box & 0xffffffff00000000) + 0x100000000;
    const pushed = next | (<u64>((<u32>changetype<usize>(kmsg)) | (low & IMQ_FLAGS)));
    // [S17] Publishes the kmsg and its bytes; pairs with the takes S18 and S19.
    if (pair_cas(inbox_at, box, pushed) == box) return low & IMQ_KICK ? PUSH_KICK : PUSH_DONE;
  }
}

/**
 * Tells whoever waits that the inbox has messages, unless somebody holds the lock, who will.
 *
 * Conditions: committed. Races: the port may have been freed and used again by now; a kick too many is harmless.
 */
export function imq_recheck(port: IpcPort): void {
  const lock_at = io_lock_at(changetype<usize>(port));
  while (true) {
    const box = pair_load(imq_inbox_at(port));
    if ((<u32>box & IMQ_KICK) == 0 || box_head(box) == 0) return;
    if (!lock_try(lock_at)) return;
    if (port.io_dirty != 0) imq_settle(port);
    imq_kick_locked(port);
    lock_open(lock_at);
    lock_forget(lock_at);
  }
}

/** Hands messages to waiting receivers, or tells the port's sets. Conditions: port locked, nothing in the journal. */
export function imq_kick_locked(port: IpcPort): void {
  if (!ip_active(port)) {
    imq_flag_clear(port, IMQ_KICK);
    return;
  }
  imq_drain(port);
  const receivers_at = ip_receivers_at(port);
  // Ends: each turn takes a waiter off.
  while (port.imq_first != 0 && load<u32>(receivers_at) != 0) imq_hand_over(port, waiter_at(load<u32>(receivers_at)));
  if (load<u32>(receivers_at) != 0) return;
  if (port.imq_first != 0) ipc_pset_announce(port);
  if (port.imq_first != 0 || port.ip_links == 0) imq_flag_clear(port, IMQ_KICK);
}

/** Gives the first message to the first waiter, or tells the waiter that it is too large. Conditions: port locked. */
function imq_hand_over(port: IpcPort, waiter: Waiter): void {
  const kmsg = kmsg_at(port.imq_first);
  waiters_remove(ip_receivers_at(port), waiter);
  if ((waiter.w_option & MACH_RCV_LARGE) != 0 && imq_too_large(kmsg, waiter.w_option, waiter.w_size)) {
    waiter.w_size = kmsg.ikm_size;
    waiter_complete(waiter, MACH_RCV_TOO_LARGE, 0);
    journal_commit();
    waiter_wake(waiter);
    return;
  }
  imq_unlink(port, kmsg, OWNER_WAITING);
  waiter_complete(waiter, MACH_MSG_SUCCESS, <u32>changetype<usize>(kmsg));
  debug_site(DEBUG_SITE_HAND_OVER);
  journal_commit();
  waiter_wake(waiter);
  imq_dequeued(port, kmsg, true);
}

/** Whether a message with its trailer is more than a receiver can take. */
export function imq_too_large(kmsg: IpcKmsg, option: u32, size: u32): bool {
  return <u64>size < <u64>kmsg.ikm_size + ikm_trailer_bytes(option);
}

/**
 * The message that is next, still queued.
 *
 * Conditions: port locked, nothing in the journal.
 * Returns:    the kmsg, or null: the queue is empty.
 */
export function imq_peek(port: IpcPort): IpcKmsg | null {
  if (port.imq_first == 0) {
    const box = pair_load(imq_inbox_at(port));
    const head = box_head(box);
    if (head == 0) return null;
    // One message, nothing before it and nobody blocked: it need not go through the list.
    if (kmsg_at(head).ikm_next == 0 && (<u32>box & IMQ_BLOCKED) == 0) return kmsg_at(head);
    imq_drain(port);
  }
  return kmsg_at(port.imq_first);
}

/**
 * Takes the message that imq_peek gave off the queue.
 *
 * Conditions: port locked since imq_peek, nothing in the journal. Commits.
 * Consumes:   the destination right that the message held, which may be the last (no-senders).
 * Returns:    with the kmsg in this processor's hand.
 */
export function imq_dequeue(port: IpcPort, kmsg: IpcKmsg): void {
  const direct = port.imq_first == 0 && imq_claim(port, kmsg);
  if (direct) {
    port.imq_chain = 0;
    imq_take_rights(port, kmsg, my_pid());
  } else {
    if (port.imq_first == 0) imq_drain(port);
    imq_unlink(port, kmsg, my_pid());
  }
  journal_commit();
  imq_dequeued(port, kmsg, !direct);
}

/**
 * Takes the only message straight from the inbox into imq_chain, counting it off.
 *
 * Races: a push meanwhile makes it fail. The chain word is written first: if this processor dies after the compare-and-swap,
 *        the message is in imq_chain and in no inbox, and imq_settle puts it on the list.
 */
function imq_claim(port: IpcPort, kmsg: IpcKmsg): bool {
  const address = <u32>changetype<usize>(kmsg);
  const box = pair_load(imq_inbox_at(port));
  if (box_head(box) != address || kmsg.ikm_next != 0) return false;
  port._imq_chain = address;
  const rest = (box & 0xffffffff00000000) - 0x100000000;
  if (pair_cas(imq_inbox_at(port), box, rest | (<u64>(<u32>box & IMQ_FLAGS))) == box) return true; // [S18]
  port._imq_chain = 0;
  return false;
}

/** Takes the first message off the list. Conditions: port locked; the caller commits. */
function imq_unlink(port: IpcPort, kmsg: IpcKmsg, owner: u32): void {
  kassert(port.imq_first == changetype<usize>(kmsg), 0x1701);
  const next = kmsg.ikm_forward;
  port.imq_first = next;
  if (next == 0) port.imq_last = 0;
  imq_take_rights(port, kmsg, owner);
}

/** Numbers the message, gives it its new owner and ends its destination right. Conditions: port locked, in a transaction. */
function imq_take_rights(port: IpcPort, kmsg: IpcKmsg, owner: u32): void {
  journal_set(changetype<usize>(kmsg), owner);
  if ((kmsg.ikm_types & IKM_NUMBERED) == 0) {
    kmsg.ikm_seqno = port.imq_seqno;
    port.imq_seqno = port.imq_seqno + 1;
  }
  kmsg.ikm_local_name = port.io_name;
  kmsg.ikm_context = port.ip_context;
  kmsg.ikm_types &= ~IKM_POST; // delivered
  if (ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND_ONCE) port.ip_sorights = port.ip_sorights - 1;
  else if (kmsg.ikm_types & IKM_COUNTED) port.ip_srights = port.ip_srights - 1;
  kmsg.ikm_remote = 0;
}

/** What follows a dequeue: room for a blocked sender, perhaps no more senders. Conditions: port locked, committed. */
function imq_dequeued(port: IpcPort, kmsg: IpcKmsg, counted: bool): void {
  if (counted) imq_release_slot(port);
  if (port.ip_nsrequest != 0 && port.ip_srights == 0 && ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND) {
    ipc_notify_no_senders_locked(port);
    journal_commit();
  }
}

/** Gives the slot of a dequeued message to the first blocked sender, else counts it off. */
function imq_release_slot(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if ((<u32>box & IMQ_BLOCKED) != 0 && box_count(box) <= box_qlimit(box) && box_qlimit(box) != 0) {
      if (imq_admit(port)) return;
      continue;
    }
    if (pair_cas(inbox_at, box, box - 0x100000000) == box) return; // [S20]
  }
}

/**
 * Queues the message of the first blocked sender in a slot that is counted already, and lets the sender go.
 *
 * Conditions: port locked, nothing in the journal. Returns: false when no sender is blocked.
 */
function imq_admit(port: IpcPort): bool {
  const senders_at = ip_senders_at(port);
  const first = load<u32>(senders_at);
  if (first == 0) {
    imq_flag_clear(port, IMQ_BLOCKED);
    return false;
  }
  imq_drain(port); // what was published before goes before
  const waiter = waiter_at(first);
  const kmsg = waiter.w_kmsg;
  waiters_remove(senders_at, waiter);
  journal_set(kmsg, OWNER_QUEUED);
  kmsg_at(kmsg).ikm_forward = 0;
  if (port.imq_last != 0) kmsg_at(port.imq_last).ikm_forward = kmsg;
  else port.imq_first = kmsg;
  port.imq_last = kmsg;
  waiter_complete(waiter, MACH_MSG_SUCCESS, 0);
  journal_commit();
  waiter_wake(waiter);
  if (load<u32>(senders_at) == 0) imq_flag_clear(port, IMQ_BLOCKED);
  return true;
}

/**
 * Moves the inbox to the list, oldest first. A transaction of its own.
 *
 * Conditions: port locked, nothing in the journal.
 */
export function imq_drain(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  let head: u32 = 0;
  while (true) {
    const box = pair_load(inbox_at);
    head = box_head(box);
    if (head == 0) return;
    port._imq_chain = head; // before the compare-and-swap, as in imq_claim
    const rest = (box & 0xffffffff00000000) | (<u64>(<u32>box & IMQ_FLAGS));
    if (pair_cas(inbox_at, box, rest) == box) break; // [S19]
  }
  imq_append_chain(port);
}

/** Puts imq_chain behind the list. Linking twice is harmless: the links are written before the list words are. */
function imq_append_chain(port: IpcPort): void {
  const newest = port.imq_chain;
  let oldest: u32 = 0;
  for (let at = newest; at != 0; at = kmsg_at(at).ikm_next) {
    kmsg_at(at)._ikm_forward = oldest;
    kmsg_at(at).z_owner = OWNER_QUEUED;
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
    if (at != 0) port._imq_chain = 0; // the compare-and-swap was not made
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
  port.io_dirty = 0;
}

/** Whether a message is queued that was addressed by a send right. Conditions: port locked. */
export function imq_has_sends(port: IpcPort): bool {
  for (let at = port.imq_first; at != 0; at = kmsg_at(at).ikm_forward) {
    if (ikm_remote_type(kmsg_at(at)) == MACH_MSG_TYPE_PORT_SEND) return true;
  }
  for (let at = imq_inbox_head(port); at != 0; at = kmsg_at(at).ikm_next) {
    if (ikm_remote_type(kmsg_at(at)) == MACH_MSG_TYPE_PORT_SEND) return true;
  }
  return false;
}

/** Sets KICK unless the inbox has messages. Conditions: port locked. Returns: false: look again. */
export function imq_arm(port: IpcPort): bool {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if (box_head(box) != 0) return false;
    if (<u32>box & IMQ_KICK) return true;
    if (pair_cas(inbox_at, box, box | IMQ_KICK) == box) return true; // [S21] fails when anything was pushed
  }
}

function imq_flag_clear(port: IpcPort, flag: u32): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if ((<u32>box & flag) == 0 || pair_cas(inbox_at, box, box & ~(<u64>flag)) == box) return; // [S21]
  }
}

/**
 * Links a receiver that found nothing.
 *
 * Conditions: port locked, nothing in the journal. Commits.
 * Returns:    false when a message came meanwhile; the waiter is still the caller's.
 */
export function imq_wait_receive(port: IpcPort, waiter: Waiter): bool {
  if (!imq_arm(port)) return false;
  waiters_append(ip_receivers_at(port), waiter);
  journal_commit();
  return true;
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
  journal_set(changetype<usize>(waiter), my_pid());
  journal_commit();
  if (load<u32>(ip_senders_at(port)) == 0) imq_flag_clear(port, IMQ_BLOCKED);
}

/** Takes back a receiver that waits no longer. Conditions: port locked, waiter linked. Commits. */
export function imq_unwait_receive(port: IpcPort, waiter: Waiter): void {
  waiters_remove(ip_receivers_at(port), waiter);
  journal_set(changetype<usize>(waiter), my_pid());
  journal_commit();
}

/**
 * Puts a message that was handed to a thread which died back at the head, with its number, if its task still has the port.
 *
 * Conditions: port locked, nothing in the journal. Commits.
 * Consumes:   the kmsg when true.
 */
export function imq_put_back(port: IpcPort, kmsg: IpcKmsg, task: u32): bool {
  if (!ip_active(port) || port.io_receiver != task) return false;
  const address = <u32>changetype<usize>(kmsg);
  imq_drain(port);
  kmsg.ikm_types = (kmsg.ikm_types & ~IKM_COUNTED) | IKM_NUMBERED;
  if (ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND_ONCE) port.ip_sorights = port.ip_sorights + 1;
  kmsg.ikm_remote = <u32>changetype<usize>(port);
  kmsg.ikm_forward = port.imq_first;
  if (port.imq_last == 0) port.imq_last = address;
  port.imq_first = address;
  journal_set(address, OWNER_QUEUED);
  journal_commit();
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if (pair_cas(inbox_at, box, box + 0x100000000) == box) break; // [S20]
  }
  imq_kick_locked(port);
  return true;
}

/** Changes the queue limit; a higher one lets blocked senders in. Conditions: port locked, nothing in the journal. */
export function imq_set_qlimit(port: IpcPort, qlimit: u32): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if (pair_cas(inbox_at, box, (box & 0x0000ffffffffffff) | ((<u64>qlimit) << 48)) == box) break; // [S20]
  }
  while (load<u32>(ip_senders_at(port)) != 0) {
    const box = pair_load(inbox_at);
    if (box_count(box) >= box_qlimit(box)) break;
    if (pair_cas(inbox_at, box, box + 0x100000000) != box) continue; // [S20] the slot, then its message
    imq_admit(port);
  }
  // What was let in may have receivers or sets to go to.
  if (port.imq_first != 0) imq_kick_locked(port);
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

/**
 * Spins, with nothing locked, until the port seems to have a message.
 *
 * Conditions: in a trap; the port may be another one by now.
 * Races: it looks at words that others guard; it is only a hint when to take the lock. It registers nothing, so that a sender pays
 *        nothing for it: to the sender it is a receiver that has not come yet.
 */
export function imq_spin(port: IpcPort): void {
  const budget = spin_budget();
  const inbox_at = imq_inbox_at(port);
  const first_at = changetype<usize>(port) + offsetof<IpcPort>("_imq_first");
  for (let turn: u32 = 0; turn < budget; turn++) {
    const box = pair_load(inbox_at);
    if (box_head(box) != 0 || (<u32>box & (IMQ_CLOSED | IMQ_KICK)) != 0) {
      // Only a message that came during the spin says that spinning pays.
      if (turn != 0 && box_head(box) != 0) spin_paid();
      return;
    }
    if (turn % SPIN_CHUNK == 0 && (word_load(first_at) != 0 || processor_must_leave())) return;
  }
  if (budget != 0) spin_missed();
}
