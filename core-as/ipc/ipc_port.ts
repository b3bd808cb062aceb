// The port: one receiver, a queue, counts of the rights in existence, and who wants to be told. The queue's words are here and
// its operations in ipc_mqueue.ts; destruction, which is long work, is in ipc_reap.ts. Lock: io_lock, rank 4.
//
// States: in a space (io_receiver, io_name); in transit or in limbo (io_receiver 0, active; ip_destination is the port in whose
// queue it travels); dead (not active), until the last entry, message or request that points here is gone.
//
// Invariants: ip_srights = entries with SEND + send rights in messages, but for the destination of a queued message that
// was sent by COPY_SEND: its sender's right was held until it was in the queue, and the queue itself counts it from then on
// (imq_sends). ip_sorights = entries, messages and armed requests that hold a send-once right.
// Waiting receivers, or a link that is not ready, imply IMQ_KICK in the inbox; waiting receivers imply an empty list.

import { journal_commit, journal_set, journal_set_hint } from "../kern/journal";
import { lock_acquire, LOCK_PORT, lock_release } from "../kern/lock";
import { kassert, kdebug } from "../kern/panic";
import { bytes_fill } from "../sync/atomics";
import { my_pid, processor_special } from "../kern/processor";
import { OWNER_LIVE, zone_alloc, zone_free, ZONE_PORT } from "../kern/zone";
import {
  MACH_PORT_QLIMIT_BASIC,
  MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE,
  MACH_PORT_STATUS_FLAG_GUARDED,
  MACH_PORT_STATUS_FLAG_STRICT_GUARD,
} from "../abi/port";
import { imq_recheck, imq_recover } from "./ipc_mqueue";
import { IO_ACTIVE, IO_CLEAR, IO_GUARDED, IO_IMMOVABLE, io_lock_at, IO_PORT, IO_STRICT, IpcObject } from "./ipc_object";

/** No port, and a right that died. */
export const IP_NULL: u32 = 0;
export const IP_DEAD: u32 = 0xffffffff;

@unmanaged
export class IpcPort extends IpcObject {
  // Guarded by io_lock, as all below. This line is the senders'.
  _ip_srights: u32;
  _ip_sorights: u32;
  _ip_mscount: u32;
  /** In transit: the port in whose queue the receive right is. Guarded by ip_transit. */
  _ip_destination: u32;
  _ip_context: u32;
  _ip_dying: u32;
  /** Number of the processor whose thread it was made for as a special reply port, or 0. */
  _ip_thread: u32;

  // This line is the receiver's.
  _imq_first: u32;
  _imq_last: u32;
  /** A chain that was taken from the inbox but is not on the list yet: the queue's hand. Not journalled. */
  _imq_chain: u32;
  _imq_seqno: u32;
  /** Waiting receivers: head and tail. */
  _ip_receivers: u32;
  _ip_receivers_last: u32;
  /** Blocked senders: head and tail. */
  _ip_senders: u32;
  _ip_senders_last: u32;
  /** Memberships in sets. */
  _ip_links: u32;
  /** Requests of names that denote the port: dead-name and send-possible. */
  _ip_requests: u32;
  /** Send-once rights to tell of no more senders, and to give the receive right to. */
  _ip_nsrequest: u32;
  _ip_pdrequest: u32;
  /** Of those requests: their number, and how many want to be told of room in the queue. */
  _ip_request_count: u32;
  _ip_sprequests: u32;
  _pad2: u32;
  /** Ports of the kernel's: the object. Set before anybody knows the port. */
  ip_kobject: u32;

  get ip_srights(): u32 {
    return this._ip_srights;
  }
  set ip_srights(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_srights"), value);
  }
  get ip_sorights(): u32 {
    return this._ip_sorights;
  }
  set ip_sorights(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_sorights"), value);
  }
  get ip_mscount(): u32 {
    return this._ip_mscount;
  }
  set ip_mscount(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_mscount"), value);
  }
  get ip_destination(): u32 {
    return this._ip_destination;
  }
  set ip_destination(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_destination"), value);
  }
  get ip_context(): u32 {
    return this._ip_context;
  }
  set ip_context(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_context"), value);
  }
  set ip_thread(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_thread"), value);
  }
  /** 0 alive, 1 being destroyed, 2 only references are left. */
  get ip_dying(): u32 {
    return this._ip_dying;
  }
  set ip_dying(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_dying"), value);
  }
  /** Oldest and newest message on the list. */
  get imq_first(): u32 {
    return this._imq_first;
  }
  set imq_first(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcPort>("_imq_first"), value);
  }
  get imq_last(): u32 {
    return this._imq_last;
  }
  set imq_last(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_imq_last"), value);
  }
  get imq_chain(): u32 {
    return this._imq_chain;
  }
  set imq_chain(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_imq_chain"), value);
  }
  /** Number of the next message to be received. */
  get imq_seqno(): u32 {
    return this._imq_seqno;
  }
  set imq_seqno(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_imq_seqno"), value);
  }
  get ip_links(): u32 {
    return this._ip_links;
  }
  set ip_links(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_links"), value);
  }
  get ip_requests(): u32 {
    return this._ip_requests;
  }
  set ip_requests(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_requests"), value);
  }
  get ip_nsrequest(): u32 {
    return this._ip_nsrequest;
  }
  set ip_nsrequest(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_nsrequest"), value);
  }
  get ip_pdrequest(): u32 {
    return this._ip_pdrequest;
  }
  set ip_pdrequest(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_pdrequest"), value);
  }
  get ip_request_count(): u32 {
    return this._ip_request_count;
  }
  set ip_request_count(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_request_count"), value);
  }
  get ip_sprequests(): u32 {
    return this._ip_sprequests;
  }
  set ip_sprequests(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcPort>("_ip_sprequests"), value);
  }
}
if (offsetof<IpcPort>() != 128) ERROR("a port must stay two cache lines");
if (offsetof<IpcPort>("_imq_first") != 64) ERROR("the receiver's words must start a line");

export function port_at(address: usize): IpcPort {
  return changetype<IpcPort>(address);
}

export function IP_VALID(port: u32): bool {
  return port != IP_NULL && port != IP_DEAD;
}

export function ip_active(port: IpcPort): bool {
  return (port.io_bits & IO_ACTIVE) != 0;
}

/**
 * Whether it is a thread's special reply port: its receive right stays where it is (A210).
 *
 * Conditions: the space that has the receive right is locked. Races: its thread may get another meanwhile; the answer is then old.
 */
export function ip_special(port: IpcPort): bool {
  return port._ip_thread != 0 && processor_special(port._ip_thread, changetype<usize>(port));
}

export function ip_receivers_at(port: IpcPort): usize {
  return changetype<usize>(port) + offsetof<IpcPort>("_ip_receivers");
}

export function ip_senders_at(port: IpcPort): usize {
  return changetype<usize>(port) + offsetof<IpcPort>("_ip_senders");
}

/**
 * Makes a port that nobody knows yet, with flags of io_bits, a queue limit, a context, and `sends` send rights that were made of it.
 *
 * Conditions: in a trap; the space may be locked, nothing in the journal.
 * Returns:    the port, in this processor's hand, or null when memory is exhausted.
 */
export function ipc_port_alloc(
  bits: u32 = 0,
  qlimit: u32 = MACH_PORT_QLIMIT_BASIC,
  context: u32 = 0,
  sends: u32 = 0,
): IpcPort | null {
  const address = zone_alloc(ZONE_PORT);
  if (address == 0) return null;
  const port = port_at(address);
  // Under its lock, whose word is left alone: somebody may still hold it who took this element for the port that it was.
  lock_acquire(io_lock_at(address), LOCK_PORT);
  bytes_fill(address + IO_CLEAR, 0, 128 - IO_CLEAR);
  port.io_dirty = 0;
  port.imq_inbox = (<u64>qlimit) << 48;
  port._io_bits = IO_ACTIVE | IO_PORT | bits;
  port._ip_context = context;
  port._ip_srights = sends;
  port._ip_mscount = sends;
  lock_release(io_lock_at(address), LOCK_PORT);
  return port;
}

/** What the holder of the receive right had set ends when the right leaves him (A56, A154). Conditions: port locked, in a transaction. */
export function ipc_port_forget_holder_locked(port: IpcPort): void {
  port.ip_mscount = 0;
  port.imq_seqno = 0;
  port.ip_context = 0;
  port.io_bits = port.io_bits & ~(IO_GUARDED | IO_STRICT | IO_IMMOVABLE);
}

/** The guard that others may see; 0: there is none. Conditions: port locked. */
export function ip_guard_shown(port: IpcPort): u32 {
  return (port.io_bits & (IO_GUARDED | IO_STRICT)) == IO_GUARDED ? port.ip_context : 0;
}

/** MACH_PORT_STATUS_FLAG_* (A193). Conditions: port locked. */
export function ip_status_flags(port: IpcPort): u32 {
  const bits = port.io_bits;
  return bits & IO_GUARDED ? ((bits & (IO_GUARDED | IO_STRICT)) >>> 3) | (bits & IO_IMMOVABLE) : 0;
}
if (IO_GUARDED >>> 3 != MACH_PORT_STATUS_FLAG_GUARDED) ERROR("IO_GUARDED does not become its flag");
if (IO_STRICT >>> 3 != MACH_PORT_STATUS_FLAG_STRICT_GUARD) ERROR("IO_STRICT does not become its flag");
if (IO_IMMOVABLE != MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE) ERROR("IO_IMMOVABLE is not its flag");

/** Makes a port of this processor's hand part of the structure. Conditions: in a transaction. */
export function ipc_port_adopt(port: IpcPort): void {
  journal_set_hint(changetype<usize>(port), OWNER_LIVE);
}

/** Locks the port and settles what a dead owner left. Conditions: rank 4. */
export function ip_lock(port: IpcPort): void {
  lock_acquire(io_lock_at(changetype<usize>(port)), LOCK_PORT);
  if (port.io_dirty != 0) imq_recover(port);
}

/**
 * Unlocks the port and looks at the inbox once more.
 *
 * Conditions: committed.
 * Races:      a sender that pushes while the lock is held finds it taken and goes away; the look after the lock was opened sees
 *             its message, for all three accesses are sequentially consistent (push, failed try; open, look). An owner that
 *             dies between opening and looking: recovery looks at all ports.
 */
export function ip_unlock(port: IpcPort): void {
  kdebug(!ip_active(port) || port.imq_first == 0 || load<u32>(ip_receivers_at(port)) == 0, 0x1302); // or he sleeps beside it
  lock_release(io_lock_at(changetype<usize>(port)), LOCK_PORT);
  imq_recheck(port);
}

/**
 * Frees a dead port that nothing points to any more.
 *
 * Conditions: port locked, in a transaction, which this commits. Unlocks the port.
 * Consumes:   the caller's knowledge of the port.
 */
export function ipc_port_release_locked(port: IpcPort): void {
  if (port.ip_dying != 2 || port.ip_srights != 0 || port.ip_sorights != 0) {
    journal_commit();
    ip_unlock(port);
    return;
  }
  const address = changetype<usize>(port);
  kassert(port.ip_requests == 0 && port.ip_links == 0 && port.imq_first == 0, 0x1301);
  journal_set(address, my_pid());
  journal_commit();
  ip_unlock(port);
  zone_free(ZONE_PORT, address);
}
