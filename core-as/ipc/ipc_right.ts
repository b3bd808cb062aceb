// What a name allows: look-up, release and change of user references. Each operation runs with the space locked and the journal
// empty; it makes one transaction of its own for each port that it touches, and leaves the space locked. Moving rights into
// and out of messages is in ipc_right_copy.ts.

import { journal_commit } from "../kern/journal";
import { lock_acquire, LOCK_PSET, lock_release, LOCK_TRANSIT } from "../kern/lock";
import { h_ip_transit_at } from "../kern/memory_map";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import {
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_LABELH,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_PORT_UREFS_MAX,
} from "../abi/port";
import { ie_bits_with, ie_type, ie_urefs, IpcEntry } from "./ipc_entry";
import { ipc_hash_delete, ipc_hash_rename } from "./ipc_hash";
import { ipc_kmsg_free } from "./ipc_kmsg";
import {
  ipc_notify_make,
  ipc_notify_no_senders_locked,
  ipc_notify_post,
  ipc_request_cancel,
  ipc_request_of,
  request_at,
} from "./ipc_notify";
import { io_active_hint, IO_GUARDED, io_lock_at, IpcObject } from "./ipc_object";
import { ip_active, ip_lock, ip_unlock, ipc_port_release_locked, IpcPort, port_at } from "./ipc_port";
import { ips_lock, ips_unlock, pset_at } from "./ipc_pset";
import { ipc_pset_destroy_locked } from "./ipc_pset_destroy";
import { ipc_port_clear_receiver_locked, ipc_port_destroy_locked } from "./ipc_reap";
import { ipc_entry_alloc_name, ipc_entry_dealloc, ipc_entry_lookup, IpcSpace } from "./ipc_space";

/**
 * The entry that a name denotes; a send or send-once right whose port died is turned into a dead name first.
 *
 * Conditions: space locked, nothing in the journal. May commit.
 * Returns:    null: the name denotes nothing.
 */
export function ipc_right_lookup(space: IpcSpace, name: u32): IpcEntry | null {
  const entry = ipc_entry_lookup(space, name);
  if (!entry) return null;
  const type = ie_type(entry.ie_bits);
  if (type != MACH_PORT_TYPE_SEND && type != MACH_PORT_TYPE_SEND_ONCE) return entry;
  // The entry's right keeps the port's element; once not active it stays so.
  const port = port_at(entry.ie_object);
  if (io_active_hint(port)) return entry;
  ip_lock(port);
  // A transaction of the port's destroyer may yet be undone: only the look under the lock counts.
  if (ip_active(port)) {
    ip_unlock(port);
    return entry;
  }
  ipc_right_bury(space, entry, port);
  ipc_port_release_locked(port);
  return entry;
}

/**
 * Turns a send or send-once right for a dead port into a dead name with the same references, and one more for the notification
 * that an armed request will send (A148): it is the name's from now on, whoever sees the death first.
 *
 * Conditions: space and port locked, in a transaction.
 */
export function ipc_right_bury(space: IpcSpace, entry: IpcEntry, port: IpcPort): void {
  const bits = entry.ie_bits;
  if (ie_type(bits) & MACH_PORT_TYPE_SEND) {
    ipc_hash_delete(space, entry.ie_object);
    port.ip_srights = port.ip_srights - 1;
  } else {
    port.ip_sorights = port.ip_sorights - 1;
  }
  const told: u32 = ipc_request_of(entry) ? 1 : 0;
  entry.ie_bits = ie_bits_with(bits, MACH_PORT_TYPE_DEAD_NAME, min(ie_urefs(bits) + told, MACH_PORT_UREFS_MAX));
  entry.ie_object = 0;
  entry.ie_request = 0;
}

/** Whether the count is at its maximum, where it stays (assertions A29, A30). */
export function urefs_pegged(urefs: u32): bool {
  return urefs == MACH_PORT_UREFS_MAX;
}

/** The count after `delta` more. Conditions: not below 0. */
export function urefs_add(urefs: u32, delta: i32): u32 {
  if (urefs_pegged(urefs)) return delta == -(<i32>MACH_PORT_UREFS_MAX) ? 0 : urefs;
  return min(urefs + delta, MACH_PORT_UREFS_MAX);
}

/**
 * Releases one reference of a send, send-once or dead-name right, or destroys a set.
 *
 * Conditions: space locked, nothing in the journal. Commits.
 * Returns:    KERN_SUCCESS; KERN_INVALID_NAME; KERN_INVALID_RIGHT, only a receive right; KERN_RESOURCE_SHORTAGE, no memory for the
 *             notification of a send-once right.
 */
export function ipc_right_dealloc(space: IpcSpace, name: u32): u32 {
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const type = ie_type(entry.ie_bits);
  if (type == MACH_PORT_TYPE_PORT_SET) return ipc_right_destroy_set(space, name, entry);
  if (type == MACH_PORT_TYPE_SEND_ONCE) return ipc_right_destroy_send_once(space, name, entry);
  if (type == MACH_PORT_TYPE_DEAD_NAME) return ipc_right_delta_dead(space, name, entry, -1);
  if (type & MACH_PORT_TYPE_SEND) return ipc_right_delta_send(space, name, entry, -1);
  return KERN_INVALID_RIGHT;
}

/**
 * Releases all that a name denotes.
 *
 * Conditions: space locked, nothing in the journal. Commits.
 * Returns:    KERN_SUCCESS; KERN_INVALID_NAME; KERN_INVALID_RIGHT, a guarded port of a task that lives (A35), which is left as it
 *             is; KERN_RESOURCE_SHORTAGE, no memory for a notification.
 */
export function ipc_right_destroy(space: IpcSpace, name: u32): u32 {
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const type = ie_type(entry.ie_bits);
  if (type == MACH_PORT_TYPE_PORT_SET) return ipc_right_destroy_set(space, name, entry);
  if (type == MACH_PORT_TYPE_SEND_ONCE) return ipc_right_destroy_send_once(space, name, entry);
  if (type == MACH_PORT_TYPE_DEAD_NAME) {
    ipc_entry_dealloc(space, name, entry);
    journal_commit();
    return KERN_SUCCESS;
  }
  if (space.is_active != 0 && ipc_right_guarded(entry)) return KERN_INVALID_RIGHT;
  // The send right first, so that a last one is seen as "no senders" (A36).
  if (type & MACH_PORT_TYPE_SEND) ipc_right_drop_send(space, name, entry);
  if (type & MACH_PORT_TYPE_RECEIVE) return ipc_right_destroy_receive(space, name, entry);
  return KERN_SUCCESS;
}

/**
 * Changes the references of one kind of right by `delta`.
 *
 * Conditions: space locked, nothing in the journal. Commits. `right` below MACH_PORT_RIGHT_NUMBER.
 * Returns:    KERN_SUCCESS; KERN_INVALID_NAME; KERN_INVALID_RIGHT, the name lacks the right, or the port is guarded (A191);
 *             KERN_INVALID_VALUE, not possible by that much; KERN_RESOURCE_SHORTAGE. Refusals change nothing.
 */
export function ipc_right_delta(space: IpcSpace, name: u32, right: u32, delta: i32): u32 {
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const type = ie_type(entry.ie_bits);
  if (right == MACH_PORT_RIGHT_LABELH || (type & (MACH_PORT_TYPE_SEND << right)) == 0) return KERN_INVALID_RIGHT;
  if (right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME) {
    if (delta > <i32>MACH_PORT_UREFS_MAX || delta < -(<i32>MACH_PORT_UREFS_MAX)) return KERN_INVALID_VALUE;
    if (delta < 0 && <u32>-delta > ie_urefs(entry.ie_bits)) return KERN_INVALID_VALUE;
    if (right == MACH_PORT_RIGHT_DEAD_NAME) return ipc_right_delta_dead(space, name, entry, delta);
    return ipc_right_delta_send(space, name, entry, delta);
  }
  if (delta == 0) return KERN_SUCCESS;
  if (delta != -1) return KERN_INVALID_VALUE;
  if (right == MACH_PORT_RIGHT_RECEIVE) {
    return ipc_right_guarded(entry) ? KERN_INVALID_RIGHT : ipc_right_destroy_receive(space, name, entry);
  }
  if (right == MACH_PORT_RIGHT_PORT_SET) return ipc_right_destroy_set(space, name, entry);
  return ipc_right_destroy_send_once(space, name, entry);
}

/**
 * A192: releases send references, then the receive right, which the guard must fit if there is one.
 *
 * Conditions: space locked, nothing in the journal. Commits, and again for the receive right.
 * Returns:    KERN_SUCCESS; KERN_INVALID_NAME; KERN_INVALID_RIGHT, no receive right, or none to send; KERN_INVALID_VALUE, `delta` above 0
 *             or below the references there are; KERN_INVALID_ARGUMENT, another guard. Refusals change nothing.
 */
export function ipc_right_destruct(space: IpcSpace, name: u32, delta: i32, guard: u32): u32 {
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const type = ie_type(entry.ie_bits);
  if ((type & MACH_PORT_TYPE_RECEIVE) == 0) return KERN_INVALID_RIGHT;
  if (delta != 0 && (type & MACH_PORT_TYPE_SEND) == 0) return KERN_INVALID_RIGHT;
  if (delta > 0) return KERN_INVALID_VALUE;
  if (ipc_right_guarded(entry) && port_at(entry.ie_object).ip_context != guard) return KERN_INVALID_ARGUMENT;
  if (<u32>-delta > ie_urefs(entry.ie_bits)) return KERN_INVALID_VALUE;
  if (delta != 0) ipc_right_delta_send(space, name, entry, delta);
  return ipc_right_destroy_receive(space, name, entry);
}

/** Conditions: space locked; the entry is no dead right's, or has no RECEIVE. */
function ipc_right_guarded(entry: IpcEntry): bool {
  const holds = (ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE) != 0;
  return holds && (port_at(entry.ie_object).io_bits & IO_GUARDED) != 0;
}

function ipc_right_delta_dead(space: IpcSpace, name: u32, entry: IpcEntry, delta: i32): u32 {
  const urefs = urefs_add(ie_urefs(entry.ie_bits), delta);
  if (urefs == 0) ipc_entry_dealloc(space, name, entry);
  else entry.ie_bits = ie_bits_with(entry.ie_bits, MACH_PORT_TYPE_DEAD_NAME, urefs);
  journal_commit();
  return KERN_SUCCESS;
}

function ipc_right_delta_send(space: IpcSpace, name: u32, entry: IpcEntry, delta: i32): u32 {
  const bits = entry.ie_bits;
  const urefs = urefs_add(ie_urefs(bits), delta);
  if (urefs == 0) {
    ipc_right_drop_send(space, name, entry);
    return KERN_SUCCESS;
  }
  entry.ie_bits = ie_bits_with(bits, ie_type(bits), urefs);
  journal_commit();
  return KERN_SUCCESS;
}

/** Gives up a name's send right with all its references. Conditions: as above; the entry has SEND. Commits. */
function ipc_right_drop_send(space: IpcSpace, name: u32, entry: IpcEntry): void {
  const port = port_at(entry.ie_object);
  ip_lock(port);
  ipc_right_remove_send(space, name, entry, port);
  port.ip_srights = port.ip_srights - 1;
  ipc_notify_no_senders_locked(port);
  ipc_port_release_locked(port);
}

/**
 * Takes SEND from an entry: what is left is a receive right, or nothing. The port's count is the caller's business.
 *
 * Conditions: space and port locked, in a transaction; the entry has SEND.
 */
export function ipc_right_remove_send(space: IpcSpace, name: u32, entry: IpcEntry, port: IpcPort): void {
  ipc_hash_delete(space, entry.ie_object);
  if (ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE) {
    entry.ie_bits = ie_bits_with(entry.ie_bits, MACH_PORT_TYPE_RECEIVE, 0);
    return;
  }
  ipc_request_cancel(port, entry);
  ipc_entry_dealloc(space, name, entry);
}

/** Destroys a send-once right: it is used for the notification that says so. Conditions: as above. Commits. */
function ipc_right_destroy_send_once(space: IpcSpace, name: u32, entry: IpcEntry): u32 {
  const port = port_at(entry.ie_object);
  const kmsg = ipc_notify_make(MACH_NOTIFY_SEND_ONCE, 0);
  if (!kmsg) return KERN_RESOURCE_SHORTAGE;
  ip_lock(port);
  ipc_request_cancel(port, entry);
  ipc_entry_dealloc(space, name, entry);
  if (ip_active(port)) {
    ipc_notify_post(kmsg, <u32>changetype<usize>(port));
    journal_commit();
    ip_unlock(port);
    return KERN_SUCCESS;
  }
  port.ip_sorights = port.ip_sorights - 1;
  ipc_port_release_locked(port);
  ipc_kmsg_free(kmsg);
  return KERN_SUCCESS;
}

/**
 * Destroys a receive right, and with it the port unless a port-destroyed request takes it. Send rights under the same name stay,
 * as dead names or (port-destroyed) alive.
 *
 * Conditions: as above; the entry has RECEIVE. Commits.
 */
function ipc_right_destroy_receive(space: IpcSpace, name: u32, entry: IpcEntry): u32 {
  const port = port_at(entry.ie_object);
  lock_acquire(h_ip_transit_at(), LOCK_TRANSIT); // the right may go into transit, to a port-destroyed request
  ip_lock(port);
  ipc_port_clear_receiver_locked(port, true);
  ipc_right_remove_receive(space, name, entry, port);
  const lives = ipc_port_destroy_locked(port);
  if (!lives && ie_type(entry.ie_bits) == MACH_PORT_TYPE_SEND) ipc_right_bury(space, entry, port);
  journal_commit();
  ip_unlock(port);
  lock_release(h_ip_transit_at(), LOCK_TRANSIT);
  return KERN_SUCCESS;
}

/**
 * Takes RECEIVE from an entry: what is left is a send right, or nothing.
 *
 * Conditions: space and port locked, in a transaction; the entry has RECEIVE.
 */
export function ipc_right_remove_receive(space: IpcSpace, name: u32, entry: IpcEntry, port: IpcPort): void {
  space.is_ports = space.is_ports - 1;
  const bits = entry.ie_bits;
  if (ie_type(bits) == MACH_PORT_TYPE_SEND_RECEIVE) {
    entry.ie_bits = ie_bits_with(bits, MACH_PORT_TYPE_SEND, ie_urefs(bits));
    return;
  }
  ipc_request_cancel(port, entry);
  ipc_entry_dealloc(space, name, entry);
}

function ipc_right_destroy_set(space: IpcSpace, name: u32, entry: IpcEntry): u32 {
  const pset = pset_at(entry.ie_object);
  lock_acquire(io_lock_at(changetype<usize>(pset)), LOCK_PSET);
  ipc_entry_dealloc(space, name, entry);
  ipc_pset_destroy_locked(pset);
  return KERN_SUCCESS;
}

/**
 * Gives what a name denotes another name: the object, the reverse hash and an armed request say so too (A15).
 *
 * Conditions: space locked, nothing in the journal; the entry comes from ipc_right_lookup, `to` is reserved (ipc_entry_reserve).
 *             Commits.
 * Races:      a receiver that found the object by the old name looks again under the object's lock; one that waits already goes on.
 */
export function ipc_right_rename(space: IpcSpace, name: u32, entry: IpcEntry, to: u32): void {
  const type = ie_type(entry.ie_bits);
  const object = entry.ie_object;
  const request = entry.ie_request;
  if (type == MACH_PORT_TYPE_PORT_SET) ips_lock(pset_at(object));
  else if (object != 0) ip_lock(port_at(object));
  if (type & MACH_PORT_TYPE_SEND) ipc_hash_rename(space, to, object);
  if (type & (MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_PORT_SET)) changetype<IpcObject>(<usize>object).io_name = to;
  const renamed = ipc_entry_alloc_name(space, to, type, ie_urefs(entry.ie_bits), object);
  if (request != 0) {
    request_at(request).rq_name = to;
    renamed._ie_request = request; // noted when it was claimed
    entry.ie_request = 0;
  }
  ipc_entry_dealloc(space, name, entry);
  journal_commit();
  if (type == MACH_PORT_TYPE_PORT_SET) ips_unlock(pset_at(object));
  else if (object != 0) ip_unlock(port_at(object));
}
