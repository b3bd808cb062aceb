// The message queue. Senders publish with one compare-and-swap on the inbox and take no lock; receivers serialise on the port's
// lock. ORDERING.md has the sites, ADR 2 the measurements.
//
//   imq_inbox, 64 bits:  newest kmsg (64-aligned) | CLOSED 1, KICK 2, BLOCKED 4 || msgcount 16 | qlimit 16
//
// The inbox is a stack of published kmsgs (ikm_next: older); a lock holder takes it whole and appends it, oldest first, to the
// list (imq_first .. imq_last, ikm_forward: newer). msgcount counts both. IMQ_KICK says that somebody must be told of the next
// message: a waiting receiver, or a set that does not know yet that the port has messages.
//
// Why no wake-up is lost. A receiver that goes to wait sets KICK, under the lock. So a later sender sees KICK in the value that its
// own compare-and-swap replaced, and kicks: it takes the lock and hands over, or finds the lock taken, and then its owner looks at
// the inbox once more after it has opened the lock (ip_unlock); that look also finds what came before KICK was set. A sender that
// dies between push and kick: recovery kicks every port that has KICK and messages.

import { pair_cas, pair_load, word_load } from "../sync/atomics";
import { journal_commit, journal_set, journal_set_four } from "../kern/journal";
import { lock_forget, lock_nap, lock_open, LOCK_PORT, lock_try, processor_undo } from "../kern/lock";
import { kassert, kdebug } from "../kern/panic";
import { DEBUG_SITE_HAND_OVER, debug_site, my_pid, processor_stopped } from "../kern/processor";
import { SPIN_CHUNK } from "../kern/param";
import {
  spin_missed,
  spin_paid,
  waiter_at,
  waiter_complete,
  waiter_wake,
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
import {
  box_count,
  box_head,
  box_qlimit,
  IMQ_BLOCKED,
  IMQ_CLOSED,
  imq_drain,
  imq_flag_clear,
  IMQ_FLAGS,
  imq_inbox_at,
  IMQ_KICK,
  imq_settle,
} from "./ipc_inbox";
import { ikm_trailer_bytes } from "./ipc_kmsg_copyout";
import { imq_room, ipc_notify_no_senders_locked } from "./ipc_notify";
import { io_lock_at } from "./ipc_object";
import { ip_active, ip_receivers_at, ip_senders_at, IpcPort } from "./ipc_port";
import { ipc_pset_announce } from "./ipc_pset";
import { is_serial } from "./ipc_space";

/** Outcome of imq_push. */
export const PUSH_DONE: u32 = 0;
/** Done, and the caller must kick (imq_recheck). */
export const PUSH_KICK: u32 = 1;
export const PUSH_FULL: u32 = 2;
export const PUSH_CLOSED: u32 = 3;
/** The hard limit, for a message that ignores qlimit. */
export const PUSH_LIMIT: u32 = 4;

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
    const pushed = next | <u64>(<u32>changetype<usize>(kmsg) | (low & IMQ_FLAGS));
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
    if (!lock_try(lock_at, LOCK_PORT)) {
      // An owner that left by an exception may not come back to look at the inbox.
      const owner = word_load(lock_at);
      if (owner == 0 || !processor_stopped(owner)) return;
      // Whoever is at it already may have come for another lock: wait for the end of it, and look.
      processor_undo(owner);
      lock_nap(lock_at, owner);
      continue;
    }
    if (port.io_dirty != 0) imq_recover(port);
    imq_kick_locked(port);
    lock_open(lock_at);
    lock_forget(LOCK_PORT);
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
    journal_set(changetype<usize>(waiter) + offsetof<Waiter>("w_size"), kmsg.ikm_size);
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
    imq_take_rights(port, kmsg, my_pid(), changetype<usize>(port) + offsetof<IpcPort>("_imq_chain"), 0);
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
  kdebug(port.imq_chain == 0, 0x1703);
  port._imq_chain = address;
  const rest = (box & 0xffffffff00000000) - 0x100000000;
  if (pair_cas(imq_inbox_at(port), box, rest | <u64>(<u32>box & IMQ_FLAGS)) == box) return true; // [S18]
  port._imq_chain = 0;
  return false;
}

/** Takes the first message off the list. Conditions: port locked; the caller commits. */
function imq_unlink(port: IpcPort, kmsg: IpcKmsg, owner: u32): void {
  kassert(port.imq_first == changetype<usize>(kmsg), 0x1701);
  const next = kmsg.ikm_forward;
  if (next == 0) port.imq_last = 0;
  imq_take_rights(port, kmsg, owner, changetype<usize>(port) + offsetof<IpcPort>("_imq_first"), next);
}

/**
 * Takes the message out of the word that held it, which becomes `rest`; numbers it, gives it its new owner and ends its destination
 * right. Conditions: port locked, in a transaction.
 */
function imq_take_rights(port: IpcPort, kmsg: IpcKmsg, owner: u32, word_at: usize, rest: u32): void {
  const seqno = port.imq_seqno;
  const fresh: u32 = kmsg.ikm_types & IKM_NUMBERED ? 0 : 1;
  if (fresh != 0) kmsg.ikm_seqno = seqno;
  journal_set_four(
    word_at,
    rest,
    changetype<usize>(kmsg) + offsetof<IpcKmsg>("z_owner"),
    owner,
    changetype<usize>(port) + offsetof<IpcPort>("_imq_seqno"),
    seqno + fresh,
    changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_remote"),
    0,
  );
  kmsg.ikm_local_name = port.io_name;
  kmsg.ikm_context = port.ip_context;
  kmsg.ikm_types &= ~IKM_POST; // delivered
  if (ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND_ONCE) port.ip_sorights = port.ip_sorights - 1;
  else if (kmsg.ikm_types & IKM_COUNTED) port.ip_srights = port.ip_srights - 1;
}

/** What follows a dequeue: room for a blocked sender, perhaps no more senders. Conditions: port locked, committed. */
function imq_dequeued(port: IpcPort, kmsg: IpcKmsg, counted: bool): void {
  if (counted) imq_release_slot(port);
  if (port.ip_nsrequest != 0 && port.ip_srights == 0 && ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND) {
    ipc_notify_no_senders_locked(port);
    journal_commit();
  }
  if (port.ip_sprequests != 0) imq_room(port);
}

/** Gives the slot of a dequeued message to the first blocked sender, else counts it off. */
function imq_release_slot(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if ((<u32>box & IMQ_BLOCKED) != 0 && box_count(box) <= box_qlimit(box) && box_qlimit(box) != 0) {
      imq_admit(port);
      return;
    }
    if (pair_cas(inbox_at, box, box - 0x100000000) == box) return; // [S20]
  }
}

/**
 * Queues the message of the first blocked sender in a slot that is counted already, and lets the sender go.
 *
 * Conditions: port locked, a sender blocked, nothing in the journal. Commits.
 */
function imq_admit(port: IpcPort): void {
  const senders_at = ip_senders_at(port);
  imq_drain(port); // what was published before goes before
  const waiter = waiter_at(load<u32>(senders_at));
  const kmsg = waiter.w_kmsg;
  kmsg_at(kmsg)._ikm_forward = 0;
  waiters_remove(senders_at, waiter);
  journal_set(kmsg, OWNER_QUEUED);
  if (port.imq_last != 0) kmsg_at(port.imq_last).ikm_forward = kmsg;
  else port.imq_first = kmsg;
  port.imq_last = kmsg;
  waiter_complete(waiter, MACH_MSG_SUCCESS, 0);
  journal_commit();
  waiter_wake(waiter);
  if (load<u32>(senders_at) == 0) imq_flag_clear(port, IMQ_BLOCKED);
}

/**
 * Puts a message that was handed to a thread which died back at the head, with its number and in the order of numbers, if its task
 * still has the port.
 *
 * Conditions: port locked, nothing in the journal. Commits.
 * Consumes:   the kmsg when true.
 */
export function imq_put_back(port: IpcPort, kmsg: IpcKmsg, waiter: Waiter): bool {
  const task = waiter.w_task;
  if (!ip_active(port) || port.io_receiver != task || port.io_name != kmsg.ikm_local_name) return false;
  if (is_serial(task) != waiter.w_serial) return false;
  const address = <u32>changetype<usize>(kmsg);
  kmsg.ikm_types = (kmsg.ikm_types & ~IKM_COUNTED) | IKM_NUMBERED;
  if (ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND_ONCE) port.ip_sorights = port.ip_sorights + 1;
  kmsg.ikm_remote = <u32>changetype<usize>(port);
  let before: u32 = 0;
  let after = port.imq_first;
  while (after != 0 && imq_precedes(kmsg_at(after), kmsg)) {
    before = after;
    after = kmsg_at(after).ikm_forward;
  }
  kmsg.ikm_forward = after;
  if (before != 0) kmsg_at(before).ikm_forward = address;
  else port.imq_first = address;
  if (after == 0) port.imq_last = address;
  journal_set(address, OWNER_QUEUED);
  waiter.w_kmsg = 0; // a second recoverer must not put it back again
  journal_commit();
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if (pair_cas(inbox_at, box, box + 0x100000000) == box) break; // [S20]
  }
  imq_kick_locked(port);
  return true;
}

/** Whether a message of the queue was put back too, and was taken before the other. */
function imq_precedes(kmsg: IpcKmsg, other: IpcKmsg): bool {
  return (kmsg.ikm_types & IKM_NUMBERED) != 0 && <i32>(kmsg.ikm_seqno - other.ikm_seqno) < 0;
}

/** Lets blocked senders in while there is room. Conditions: port locked, nothing in the journal. Commits. */
function imq_admit_all(port: IpcPort): void {
  const inbox_at = imq_inbox_at(port);
  while (load<u32>(ip_senders_at(port)) != 0) {
    const box = pair_load(inbox_at);
    if (box_count(box) >= box_qlimit(box)) break;
    if (pair_cas(inbox_at, box, box + 0x100000000) != box) continue; // [S20] the slot, then its message
    imq_admit(port);
  }
  if (load<u32>(ip_senders_at(port)) == 0) imq_flag_clear(port, IMQ_BLOCKED);
}

/**
 * Settles what an owner of the port's lock that died left in the queue.
 *
 * Conditions: port locked, its last owner's transaction undone, nothing in the journal. Commits.
 */
export function imq_recover(port: IpcPort): void {
  imq_settle(port);
  imq_admit_all(port);
  ipc_notify_no_senders_locked(port);
  journal_commit();
  imq_room(port);
  port.io_dirty = 0;
  if (port.imq_first != 0) imq_kick_locked(port);
}

/** Changes the queue limit; a higher one lets blocked senders in. Conditions: port locked, nothing in the journal. */
export function imq_set_qlimit(port: IpcPort, qlimit: u32): void {
  const inbox_at = imq_inbox_at(port);
  while (true) {
    const box = pair_load(inbox_at);
    if (pair_cas(inbox_at, box, (box & 0x0000ffffffffffff) | ((<u64>qlimit) << 48)) == box) break; // [S20]
  }
  imq_admit_all(port);
  imq_room(port);
  // What was let in may have receivers or sets to go to.
  if (port.imq_first != 0) imq_kick_locked(port);
}

/**
 * Spins, with nothing locked, until the port seems to have a message.
 *
 * Conditions: in a trap; the port may be another one by now.
 * Races: it looks at words that others guard; it is only a hint when to take the lock. It registers nothing, so that a sender pays
 *        nothing for it: to the sender it is a receiver that has not come yet.
 */
export function imq_spin(port: IpcPort, budget: u32): void {
  const inbox_at = imq_inbox_at(port);
  const first_at = changetype<usize>(port) + offsetof<IpcPort>("_imq_first");
  for (let turn: u32 = 0; turn < budget; turn++) {
    const box = pair_load(inbox_at);
    if (box_head(box) != 0 || (<u32>box & (IMQ_CLOSED | IMQ_KICK)) != 0) {
      // Only a message that came during the spin says that spinning pays.
      if (turn != 0 && box_head(box) != 0) spin_paid();
      return;
    }
    if (turn % SPIN_CHUNK == 0 && word_load(first_at) != 0) return;
  }
  spin_missed();
}
