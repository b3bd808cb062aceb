// Port sets: ports that share a receiver. A link joins one port and one set: the port's links are guarded by the port's lock, the
// set's by the set's. A link is ready, and on the set's ring, when its port may have messages; a receiver takes the first of the
// ring, and the link goes behind the others if messages are left (no member starves). Lock order: port, then set.
//
// Invariant: a port with messages has no idle link, or its inbox has KICK and messages, and then a kick is on its way.

import { bytes_fill, hint_load } from "../sync/atomics";
import { journal_commit, journal_set, journal_set_hint } from "../kern/journal";
import { lock_acquire, LOCK_PSET, lock_release } from "../kern/lock";
import { kassert } from "../kern/panic";
import { my_pid } from "../kern/processor";
import { waiter_at, waiter_complete, waiter_wake, Waiter, waiters_append, waiters_remove } from "../kern/waiter";
import { Element, OWNER_LIVE, zone_alloc, zone_free, ZONE_LINK, ZONE_PSET } from "../kern/zone";
import { MACH_IPC_RETRY } from "../abi/message";
import { imq_arm } from "./ipc_inbox";
import { imq_peek } from "./ipc_mqueue";
import { IO_ACTIVE, IO_CLEAR, io_lock_at, IO_PSET, IpcObject } from "./ipc_object";
import { IpcPort, port_at } from "./ipc_port";

@unmanaged
export class IpcPset extends IpcObject {
  // Guarded by io_lock.
  _ips_links: u32;
  _ips_ready: u32;
  _ips_ready_last: u32;
  _ips_waiters: u32;
  _ips_waiters_last: u32;
  _pad0: u32;
  _pad1: u32;

  /** Members: first link. */
  get ips_links(): u32 {
    return this._ips_links;
  }
  set ips_links(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPset>("_ips_links"), value);
  }
  /** Ring of ready links: head and tail. */
  get ips_ready(): u32 {
    return this._ips_ready;
  }
  set ips_ready(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcPset>("_ips_ready"), value);
  }
  get ips_ready_last(): u32 {
    return this._ips_ready_last;
  }
  set ips_ready_last(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPset>("_ips_ready_last"), value);
  }
}
if (offsetof<IpcPset>() != 64) ERROR("a set must stay one cache line");

@unmanaged
export class IpcLink extends Element {
  l_port: u32;
  l_set: u32;
  /** Next link of the port. Guarded by the port's lock. */
  _l_port_next: u32;
  // Guarded by the set's lock.
  _l_set_next: u32;
  _l_ready_next: u32;
  _l_ready: u32;

  get l_port_next(): u32 {
    return this._l_port_next;
  }
  set l_port_next(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcLink>("_l_port_next"), value);
  }
  /** Next member of the set. */
  get l_set_next(): u32 {
    return this._l_set_next;
  }
  set l_set_next(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcLink>("_l_set_next"), value);
  }
  /** Next on the ring. */
  get l_ready_next(): u32 {
    return this._l_ready_next;
  }
  set l_ready_next(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcLink>("_l_ready_next"), value);
  }
  /** 1: on the ring. */
  get l_ready(): u32 {
    return this._l_ready;
  }
  set l_ready(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcLink>("_l_ready"), value);
  }
}
if (offsetof<IpcLink>() > 64) ERROR("a link must fit its element");

export function pset_at(address: usize): IpcPset {
  return changetype<IpcPset>(address);
}

export function link_at(address: usize): IpcLink {
  return changetype<IpcLink>(address);
}

export function ips_waiters_at(pset: IpcPset): usize {
  return changetype<usize>(pset) + offsetof<IpcPset>("_ips_waiters");
}

export function ips_lock(pset: IpcPset): void {
  lock_acquire(io_lock_at(changetype<usize>(pset)), LOCK_PSET);
}

/** Conditions: committed. */
export function ips_unlock(pset: IpcPset): void {
  lock_release(io_lock_at(changetype<usize>(pset)), LOCK_PSET);
}

/** Makes a set that nobody knows yet. Returns: the set, in this processor's hand, or null: memory is exhausted. */
export function ipc_pset_alloc(): IpcPset | null {
  const address = zone_alloc(ZONE_PSET);
  if (address == 0) return null;
  const pset = pset_at(address);
  lock_acquire(io_lock_at(address), LOCK_PSET); // as in ipc_port_alloc
  bytes_fill(address + IO_CLEAR, 0, 64 - IO_CLEAR);
  pset._io_bits = IO_ACTIVE | IO_PSET;
  lock_release(io_lock_at(address), LOCK_PSET);
  return pset;
}

/** The port's link to the set, or 0. Conditions: port locked. */
export function ipc_pset_link(port: IpcPort, pset: usize): u32 {
  let at = port.ip_links;
  while (at != 0 && link_at(at).l_set != pset) at = link_at(at).l_port_next;
  return at;
}

/**
 * Makes the port a member of the set.
 *
 * Conditions: space and port locked; both in that space; not a member yet; nothing in the journal. Commits.
 * Returns:    false when memory is exhausted.
 * Races:      a message that comes after the look is announced by its sender, or when the port is unlocked: KICK was set before.
 */
export function ipc_pset_add(port: IpcPort, pset: IpcPset): bool {
  const address = zone_alloc(ZONE_LINK);
  if (address == 0) return false;
  const link = link_at(address);
  link.l_port = <u32>changetype<usize>(port);
  link.l_set = <u32>changetype<usize>(pset);
  link._l_ready = 0;
  link._l_ready_next = 0;
  if (!imq_peek(port)) imq_arm(port);
  const ready = imq_peek(port) != null;

  ips_lock(pset);
  journal_set(address, OWNER_LIVE);
  link._l_port_next = port.ip_links; // without a note, as its other words: who dies now has it in the hand
  port.ip_links = <u32>address;
  link._l_set_next = pset.ips_links;
  pset.ips_links = <u32>address;
  const waiter = ready ? ipc_pset_ready(pset, link) : null;
  journal_commit();
  ips_unlock(pset);
  if (waiter) waiter_wake(waiter);
  return true;
}

/**
 * Ends a membership.
 *
 * Conditions: port locked, `link` one of its links, nothing in the journal. Commits.
 * Consumes:   the link.
 */
export function ipc_pset_remove(port: IpcPort, link: IpcLink): void {
  const address = <u32>changetype<usize>(link);
  const pset = pset_at(link.l_set);
  ips_lock(pset);
  let before: u32 = 0;
  for (let at = port.ip_links; at != address; at = link_at(at).l_port_next) before = at;
  if (before != 0) link_at(before).l_port_next = link.l_port_next;
  else port.ip_links = link.l_port_next;
  before = 0;
  for (let at = pset.ips_links; at != address; at = link_at(at).l_set_next) before = at;
  if (before != 0) link_at(before).l_set_next = link.l_set_next;
  else pset.ips_links = link.l_set_next;
  if (link.l_ready != 0) ipc_pset_idle(pset, link);
  journal_set(address, my_pid());
  journal_commit();
  ips_unlock(pset);
  zone_free(ZONE_LINK, address);
}

/** Takes the port out of all its sets. Conditions: port locked, nothing in the journal. Commits. */
export function ipc_pset_remove_all(port: IpcPort): void {
  while (port.ip_links != 0) ipc_pset_remove(port, link_at(port.ip_links));
}

/** Puts the port's idle links on their rings. Conditions: port locked, with messages, nothing in the journal. Commits. */
export function ipc_pset_announce(port: IpcPort): void {
  for (let at = port.ip_links; at != 0; at = link_at(at).l_port_next) {
    const link = link_at(at);
    const pset = pset_at(link.l_set);
    ips_lock(pset);
    const waiter = link.l_ready == 0 ? ipc_pset_ready(pset, link) : null;
    journal_commit();
    ips_unlock(pset);
    if (waiter) waiter_wake(waiter);
  }
}

/** Puts a link on the ring and takes the first waiter off, for the caller to wake. Conditions: set locked, in a transaction. */
function ipc_pset_ready(pset: IpcPset, link: IpcLink): Waiter | null {
  const address = <u32>changetype<usize>(link);
  link.l_ready_next = 0;
  if (pset.ips_ready_last != 0) link_at(pset.ips_ready_last).l_ready_next = address;
  else pset.ips_ready = address;
  pset.ips_ready_last = address;
  link.l_ready = 1;
  return ipc_pset_rouse(pset);
}

/** Takes the first waiter off and completes it with "look again". Conditions: set locked, in a transaction. */
export function ipc_pset_rouse(pset: IpcPset): Waiter | null {
  const first = load<u32>(ips_waiters_at(pset));
  if (first == 0) return null;
  const waiter = waiter_at(first);
  waiters_remove(ips_waiters_at(pset), waiter);
  waiter_complete(waiter, MACH_IPC_RETRY, 0);
  return waiter;
}

/**
 * Wakes the next receiver if a member is ready: somebody who was told may not come to take the message.
 *
 * Conditions: nothing of rank 5 locked, nothing in the journal. Races: a wake-up too many finds nothing.
 */
export function ipc_pset_pass_on(pset: IpcPset): void {
  ips_lock(pset);
  const waiter = pset.ips_ready != 0 ? ipc_pset_rouse(pset) : null;
  journal_commit();
  ips_unlock(pset);
  if (waiter) waiter_wake(waiter);
}

/** Takes a link off the ring. Conditions: set locked, in a transaction. */
function ipc_pset_idle(pset: IpcPset, link: IpcLink): void {
  const address = <u32>changetype<usize>(link);
  let before: u32 = 0;
  for (let at = pset.ips_ready; at != address; at = link_at(at).l_ready_next) before = at;
  if (before != 0) link_at(before).l_ready_next = link.l_ready_next;
  else pset.ips_ready = link.l_ready_next;
  if (pset.ips_ready_last == address) pset.ips_ready_last = before;
  link.l_ready = 0;
}

/** First ready link, as far as one can tell without the lock; 0: none. */
export function ips_ready_hint(pset: IpcPset): u32 {
  return hint_load(changetype<usize>(pset) + offsetof<IpcPset>("_ips_ready"));
}

/**
 * Whether `link` still joins `port` to the set and is ready. Conditions: port and set locked.
 */
export function ipc_pset_holds(pset: IpcPset, link: IpcLink, port: usize): bool {
  return (
    link.z_owner == OWNER_LIVE && link.l_set == changetype<usize>(pset) && link.l_port == port && link.l_ready != 0
  );
}

/**
 * After a message was taken from a member, or none was found: the link goes behind the others if messages are left, else it idles.
 *
 * Conditions: port and set locked, nothing in the journal. Commits.
 * Returns:    a waiter to wake once the locks are released, or null: another receiver of the set has something to do.
 */
export function ipc_pset_rotate(pset: IpcPset, link: IpcLink, port: IpcPort): Waiter | null {
  const kmsg = imq_peek(port);
  if (!kmsg) imq_arm(port); // a message that comes meanwhile is announced when the port is unlocked
  ipc_pset_idle(pset, link);
  let waiter: Waiter | null = null;
  if (kmsg) waiter = ipc_pset_ready(pset, link);
  else if (pset.ips_ready != 0) waiter = ipc_pset_rouse(pset);
  journal_commit();
  return waiter;
}

/** Links a receiver on the set. Conditions: set locked since no member was ready, nothing in the journal. Commits. */
export function ipc_pset_wait(pset: IpcPset, waiter: Waiter): void {
  waiters_append(ips_waiters_at(pset), waiter);
  journal_commit();
}

/** Takes back a receiver that waits no longer. Conditions: set locked, waiter linked. Commits. */
export function ipc_pset_unwait(pset: IpcPset, waiter: Waiter): void {
  waiters_remove(ips_waiters_at(pset), waiter);
  journal_set_hint(changetype<usize>(waiter), my_pid());
  journal_commit();
}

/**
 * Frees a set whose members and waiters are gone.
 *
 * Conditions: set locked, not active, taken off the work list into this hand in a transaction, which this commits. Unlocks it.
 */
export function ipc_pset_release_locked(pset: IpcPset): void {
  const address = changetype<usize>(pset);
  kassert(pset.ips_links == 0 && load<u32>(ips_waiters_at(pset)) == 0, 0x1401);
  journal_commit();
  ips_unlock(pset);
  zone_free(ZONE_PSET, address);
}

/** The port that a link belongs to. */
export function link_port(link: IpcLink): IpcPort {
  return port_at(link.l_port);
}
