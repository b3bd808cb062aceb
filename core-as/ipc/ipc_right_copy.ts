// Rights on the move: from a space into a message's slot (copyin) and back (copyout). A slot is a word of a kmsg that holds a
// port: 0 nothing, IP_DEAD a right that died, otherwise a port and one counted right for it (the one exception is in
// ipc_kmsg_copyin.ts). The space is locked and the journal empty; each call is a transaction of its own.

import { journal_commit, journal_set } from "../kern/journal";
import { lock_acquire, lock_release, LOCK_TRANSIT } from "../kern/lock";
import { h_ip_transit_at } from "../kern/memory_map";
import { kdebug } from "../kern/panic";
import { KERN_INVALID_CAPABILITY, KERN_INVALID_RIGHT, KERN_INVALID_VALUE, KERN_SUCCESS } from "../abi/kern_return";
import {
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
} from "../abi/message";
import {
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_PORT_UREFS_MAX,
  name_index,
} from "../abi/port";
import { entry_at, ie_bits_with, ie_type, ie_urefs, IpcEntry } from "./ipc_entry";
import { ipc_hash_insert, ipc_hash_lookup, ipc_hash_reserve } from "./ipc_hash";
import { ipc_notify_no_senders_locked, ipc_request_cancel } from "./ipc_notify";
import { io_active_hint, IO_IMMOVABLE } from "./ipc_object";
import {
  ip_active,
  IP_DEAD,
  ip_lock,
  ip_special,
  ip_unlock,
  ipc_port_forget_holder_locked,
  ipc_port_release_locked,
  IpcPort,
  port_at,
} from "./ipc_port";
import { ipc_port_clear_receiver_locked } from "./ipc_reap";
import { ipc_right_remove_receive, ipc_right_remove_send, urefs_add, urefs_pegged } from "./ipc_right";
import { ipc_entry_alloc, ipc_entry_alloc_name, ipc_entry_dealloc, IpcSpace, is_entry } from "./ipc_space";
import { journal_abort } from "../kern/journal";

/** The type in which a right that is sent with `disposition` arrives; 0: not a disposition. */
export function ipc_copyin_type(disposition: u32): u32 {
  if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) return MACH_MSG_TYPE_PORT_RECEIVE;
  if (disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE) return MACH_MSG_TYPE_PORT_SEND_ONCE;
  if (disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE) return MACH_MSG_TYPE_PORT_SEND_ONCE;
  const send =
    disposition == MACH_MSG_TYPE_MOVE_SEND ||
    disposition == MACH_MSG_TYPE_COPY_SEND ||
    disposition == MACH_MSG_TYPE_MAKE_SEND;
  return send ? MACH_MSG_TYPE_PORT_SEND : 0;
}

/**
 * Whether the entry allows the disposition.
 *
 * Conditions: space locked; the entry comes from ipc_right_lookup.
 * Returns:    KERN_SUCCESS; KERN_INVALID_RIGHT, it lacks the right; KERN_INVALID_VALUE, not a disposition;
 *             KERN_INVALID_CAPABILITY, the receive right is immovable (A57).
 */
export function ipc_right_copyin_check(entry: IpcEntry, disposition: u32): u32 {
  const type = ie_type(entry.ie_bits);
  let needed: u32 = 0;
  if (disposition == MACH_MSG_TYPE_MAKE_SEND) needed = MACH_PORT_TYPE_RECEIVE;
  else if (disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE) needed = MACH_PORT_TYPE_RECEIVE;
  else if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) needed = MACH_PORT_TYPE_RECEIVE;
  else if (disposition == MACH_MSG_TYPE_COPY_SEND) needed = MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DEAD_NAME;
  else if (disposition == MACH_MSG_TYPE_MOVE_SEND) needed = MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DEAD_NAME;
  else if (disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE) needed = MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_DEAD_NAME;
  else return KERN_INVALID_VALUE;
  if ((type & needed) == 0) return KERN_INVALID_RIGHT;
  if (disposition != MACH_MSG_TYPE_MOVE_RECEIVE) return KERN_SUCCESS;
  const port = port_at(entry.ie_object);
  return port.io_bits & IO_IMMOVABLE || ip_special(port) ? KERN_INVALID_CAPABILITY : KERN_SUCCESS;
}

/**
 * Moves, copies or makes a right into a slot.
 *
 * Conditions: space locked, ipc_right_copyin_check succeeded under the same lock. Commits, with what was noted before.
 * Consumes:   what the disposition says of the entry; the slot holds a counted right, or IP_DEAD.
 * Races:      the port may die meanwhile; the slot then holds a right for a dead port, which copyout knows.
 */
export function ipc_right_copyin(space: IpcSpace, name: u32, entry: IpcEntry, disposition: u32, slot_at: usize): void {
  if (ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) {
    ipc_right_copyin_dead(space, name, entry, disposition, slot_at);
    return;
  }
  const port = port_at(entry.ie_object);
  ip_lock(port);
  if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) ipc_port_clear_receiver_locked(port, false);
  journal_set(slot_at, <u32>changetype<usize>(port));
  if (disposition == MACH_MSG_TYPE_MAKE_SEND) {
    port.ip_mscount = port.ip_mscount + 1;
    port.ip_srights = port.ip_srights + 1;
  } else if (disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE) {
    port.ip_sorights = port.ip_sorights + 1;
  } else if (disposition == MACH_MSG_TYPE_COPY_SEND) {
    port.ip_srights = port.ip_srights + 1;
  } else if (disposition == MACH_MSG_TYPE_MOVE_SEND) {
    ipc_right_move_send(space, name, entry, port);
  } else if (disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE) {
    ipc_request_cancel(port, entry);
    ipc_entry_dealloc(space, name, entry);
  } else {
    ipc_right_remove_receive(space, name, entry, port);
    port.io_receiver = 0;
    port.io_name = 0;
    ipc_port_forget_holder_locked(port);
  }
  journal_commit();
  ip_unlock(port);
}

function ipc_right_move_send(space: IpcSpace, name: u32, entry: IpcEntry, port: IpcPort): void {
  const bits = entry.ie_bits;
  const urefs = ie_urefs(bits);
  if (urefs == 1) {
    ipc_right_remove_send(space, name, entry, port); // the right itself travels: srights stays
    return;
  }
  if (!urefs_pegged(urefs)) entry.ie_bits = ie_bits_with(bits, ie_type(bits), urefs - 1);
  port.ip_srights = port.ip_srights + 1;
}

function ipc_right_copyin_dead(space: IpcSpace, name: u32, entry: IpcEntry, disposition: u32, slot_at: usize): void {
  store<u32>(slot_at, IP_DEAD); // no right
  if (disposition != MACH_MSG_TYPE_COPY_SEND) {
    const urefs = urefs_add(ie_urefs(entry.ie_bits), -1);
    if (urefs == 0) ipc_entry_dealloc(space, name, entry);
    else entry.ie_bits = ie_bits_with(entry.ie_bits, MACH_PORT_TYPE_DEAD_NAME, urefs);
  }
  journal_commit();
}

/**
 * Moves a right from a slot into the space.
 *
 * Conditions: space locked and active. Commits, with what was noted before, or aborts. `at_name`: a
 *             reserved name for a right that is not held yet, or 0: the kernel chooses.
 * Consumes:   the slot's right, unless it fails.
 * Returns:    the name; MACH_PORT_DEAD for a right that died, MACH_PORT_NULL for an empty slot; 0 for a full slot means that table
 *             or memory is full: the slot keeps its right.
 */
export function ipc_right_copyout(space: IpcSpace, slot_at: usize, type: u32, at_name: u32): u32 {
  const object = load<u32>(slot_at);
  if (object == 0) return MACH_PORT_NULL;
  if (object == IP_DEAD) {
    store<u32>(slot_at, 0);
    return MACH_PORT_DEAD;
  }
  const port = port_at(object);
  if (type == MACH_MSG_TYPE_PORT_RECEIVE) return ipc_right_copyout_receive(space, slot_at, port, at_name);
  if (type == MACH_MSG_TYPE_PORT_SEND_ONCE && io_active_hint(port)) {
    // No port lock: the right keeps the element and its count. If the port dies now, it died after the right had arrived.
    const name = ipc_right_place(space, MACH_PORT_TYPE_SEND_ONCE, object, at_name);
    if (name != 0) journal_set(slot_at, 0);
    journal_commit();
    return name;
  }
  ip_lock(port);
  if (!ip_active(port)) {
    ipc_right_drop_slot(port, slot_at, type);
    return MACH_PORT_DEAD;
  }
  const name = ipc_right_copyout_send(space, slot_at, port, at_name);
  if (name == 0) journal_abort();
  journal_commit();
  ip_unlock(port);
  return name;
}

/** Takes a name for a new entry. Conditions: space locked, in a transaction. Returns: the name, or 0. */
function ipc_right_place(space: IpcSpace, type: u32, object: u32, at_name: u32): u32 {
  const urefs: u32 = type == MACH_PORT_TYPE_RECEIVE ? 0 : 1;
  if (at_name == 0) return ipc_entry_alloc(space, type, urefs, object);
  ipc_entry_alloc_name(space, at_name, type, urefs, object);
  return at_name;
}

function ipc_right_copyout_send(space: IpcSpace, slot_at: usize, port: IpcPort, at_name: u32): u32 {
  const object = <u32>changetype<usize>(port);
  journal_set(slot_at, 0);
  let name = ipc_right_name(space, port);
  if (name == 0) {
    if (!ipc_hash_reserve(space)) return 0;
    name = ipc_right_place(space, MACH_PORT_TYPE_SEND, object, at_name);
    if (name != 0) ipc_hash_insert(space, name, object);
    return name;
  }
  const entry = entry_at(is_entry(space, name_index(name)));
  const bits = entry.ie_bits;
  if (ie_type(bits) & MACH_PORT_TYPE_SEND) {
    // Two send rights become one with one more reference (A42); at the maximum the count stays (A29).
    entry.ie_bits = ie_bits_with(bits, ie_type(bits), min(ie_urefs(bits) + 1, MACH_PORT_UREFS_MAX));
    port.ip_srights = port.ip_srights - 1;
    return name;
  }
  if (!ipc_hash_reserve(space)) return 0;
  entry.ie_bits = ie_bits_with(bits, ie_type(bits) | MACH_PORT_TYPE_SEND, 1);
  ipc_hash_insert(space, name, object);
  return name;
}

/** The name under which the space holds send or receive rights for the port, or 0. Conditions: space and port locked. */
export function ipc_right_name(space: IpcSpace, port: IpcPort): u32 {
  if (port.io_receiver == <u32>changetype<usize>(space)) return port.io_name;
  return ipc_hash_lookup(space, <u32>changetype<usize>(port));
}

function ipc_right_copyout_receive(space: IpcSpace, slot_at: usize, port: IpcPort, at_name: u32): u32 {
  const object = <u32>changetype<usize>(port);
  lock_acquire(h_ip_transit_at(), LOCK_TRANSIT);
  ip_lock(port);
  let name = ipc_hash_lookup(space, object);
  if (name == 0) {
    name = ipc_right_place(space, MACH_PORT_TYPE_RECEIVE, object, at_name);
  } else {
    const entry = entry_at(is_entry(space, name_index(name)));
    entry.ie_bits = entry.ie_bits | MACH_PORT_TYPE_RECEIVE;
  }
  if (name != 0) {
    journal_set(slot_at, 0);
    port.ip_destination = 0;
    port.io_receiver = <u32>changetype<usize>(space);
    port.io_name = name;
    space.is_ports = space.is_ports + 1;
  } else {
    journal_abort();
  }
  journal_commit();
  ip_unlock(port);
  lock_release(h_ip_transit_at(), LOCK_TRANSIT);
  return name;
}

/**
 * Releases a send right, or a send-once right without telling anybody, that a slot holds.
 *
 * Conditions: port locked, in a transaction, which this commits. Unlocks the port.
 */
export function ipc_right_drop_slot(port: IpcPort, slot_at: usize, type: u32): void {
  kdebug((type == MACH_MSG_TYPE_PORT_SEND ? port.ip_srights : port.ip_sorights) != 0, 0x1201); // or it was released twice
  journal_set(slot_at, 0);
  if (type == MACH_MSG_TYPE_PORT_SEND) {
    port.ip_srights = port.ip_srights - 1;
    ipc_notify_no_senders_locked(port);
  } else {
    port.ip_sorights = port.ip_sorights - 1;
  }
  ipc_port_release_locked(port);
}
