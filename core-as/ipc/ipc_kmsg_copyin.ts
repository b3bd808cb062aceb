// The sender's names become ports: checks in Mach's order (A70 to A80), then the rights move into the kmsg. Another thread may write the
// user's bytes meanwhile: what is decided is kept in the kmsg's own fields, and a word that is read again is checked again.
//
// The destination of a COPY_SEND is not counted: the space stays locked until the message is in the queue, so that its entry
// holds the right until then, and from then on the queue itself counts (imq_sends).

import { journal_commit, journal_set } from "../kern/journal";
import { lock_acquire, lock_release, LOCK_TRANSIT } from "../kern/lock";
import { h_ip_transit_at } from "../kern/memory_map";
import { KERN_SUCCESS } from "../abi/kern_return";
import {
  MACH_MSG_GUARD_FLAGS_MASK,
  MACH_MSG_GUARDED_PORT_DESCRIPTOR,
  MACH_MSG_OOL_DESCRIPTOR,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_OOL_VOLATILE_DESCRIPTOR,
  MACH_MSG_PORT_DESCRIPTOR,
  MACH_MSG_PORTS_MAX,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSGH_BITS_COMPLEX,
  MACH_MSGH_BITS_USER,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_HEADER,
  MACH_SEND_INVALID_MEMORY,
  MACH_SEND_INVALID_REPLY,
  MACH_SEND_INVALID_RIGHT,
  MACH_SEND_INVALID_TYPE,
  MACH_SEND_INVALID_VOUCHER,
  MACH_SEND_MSG_TOO_SMALL,
  MACH_SEND_TOO_LARGE,
  MSGH_BASE_BYTES,
  MSGH_BITS,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_LOCAL_PORT,
  MSGH_REMOTE_PORT,
  MSGH_VOUCHER_PORT,
} from "../abi/message";
import { MACH_PORT_NULL, MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_TYPE_SEND_ONCE, MACH_PORT_VALID } from "../abi/port";
import { ie_type, ie_urefs, IpcEntry } from "./ipc_entry";
import { IKM_COMPLEX, IKM_COUNTED, ikm_port_at, IKM_RECEIVE, IpcKmsg } from "./ipc_kmsg";
import { ipc_kmsg_copyin_guarded } from "./ipc_kmsg_guarded";
import { ipc_kmsg_copyin_memory } from "./ipc_kmsg_memory";
import { ipc_kmsg_copyin_array } from "./ipc_kmsg_ports";
import { ip_lock, IP_VALID, ip_unlock, port_at } from "./ipc_port";
import { ipc_port_circular } from "./ipc_reap";
import { ipc_right_lookup } from "./ipc_right";
import { ipc_copyin_type, ipc_right_copyin, ipc_right_copyin_check } from "./ipc_right_copy";
import { ipc_entry_lookup, IpcSpace } from "./ipc_space";

/**
 * Checks the shape of a message before any right is looked at.
 *
 * Conditions: none. `size` is 24 at least and a multiple of 4.
 * Returns:    MACH_MSG_SUCCESS; MACH_SEND_MSG_TOO_SMALL, descriptors past the end; MACH_SEND_INVALID_TYPE, a descriptor that is
 *             malformed; MACH_SEND_TOO_LARGE, too many ports.
 */
export function ipc_kmsg_check_shape(kmsg: IpcKmsg, size: u32): u32 {
  const bytes: usize = kmsg.ikm_bytes;
  if ((load<u32>(bytes, MSGH_BITS) & MACH_MSGH_BITS_COMPLEX) == 0) return MACH_MSG_SUCCESS;
  if (size < MSGH_BASE_BYTES) return MACH_SEND_MSG_TOO_SMALL;
  const count = load<u32>(bytes, 24);
  if (count > (size - MSGH_BASE_BYTES) / MSGH_DESCRIPTOR_BYTES) return MACH_SEND_MSG_TOO_SMALL;
  let ports: u64 = 0;
  let listed: u64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const at = bytes + MSGH_BASE_BYTES + index * MSGH_DESCRIPTOR_BYTES;
    const type = <u32>load<u8>(at, 11);
    if (!descriptor_well_formed(at, type)) return MACH_SEND_INVALID_TYPE;
    if (type == MACH_MSG_OOL_PORTS_DESCRIPTOR) listed += load<u32>(at, 4);
    else if (type == MACH_MSG_PORT_DESCRIPTOR || type == MACH_MSG_GUARDED_PORT_DESCRIPTOR) ports++;
  }
  if (ports + listed > MACH_MSG_PORTS_MAX) return MACH_SEND_TOO_LARGE;
  return count + listed > kmsg.ikm_ports_max ? MACH_SEND_MSG_TOO_SMALL : MACH_MSG_SUCCESS; // prepared for fewer
}

function descriptor_is_memory(type: u32): bool {
  return type == MACH_MSG_OOL_DESCRIPTOR || type == MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
}

function descriptor_well_formed(at: usize, type: u32): bool {
  if (descriptor_is_memory(type)) return load<u8>(at, 9) <= 1;
  if (type == MACH_MSG_GUARDED_PORT_DESCRIPTOR) {
    return <u32>load<u8>(at, 10) == MACH_MSG_TYPE_MOVE_RECEIVE && <u32>load<u16>(at, 8) <= MACH_MSG_GUARD_FLAGS_MASK;
  }
  return type == MACH_MSG_PORT_DESCRIPTOR || type == MACH_MSG_OOL_PORTS_DESCRIPTOR;
}

/**
 * Copies the header's rights in.
 *
 * Conditions: space locked, nothing in the journal. Commits.
 * Consumes:   on success the rights that the dispositions say, into ikm_remote and ikm_local; the destination of a COPY_SEND is not
 *             counted, so the space must stay locked until the message is queued or the right is counted. On failure nothing.
 * Returns:    MACH_MSG_SUCCESS, or MACH_SEND_INVALID_HEADER, _VOUCHER, _DEST, _REPLY, in the order of A76 to A78.
 */
export function ipc_kmsg_copyin_header(space: IpcSpace, kmsg: IpcKmsg): u32 {
  const bytes: usize = kmsg.ikm_bytes;
  const bits = load<u32>(bytes, MSGH_BITS);
  const remote = load<u32>(bytes, MSGH_REMOTE_PORT);
  const local = load<u32>(bytes, MSGH_LOCAL_PORT);
  const voucher = load<u32>(bytes, MSGH_VOUCHER_PORT);
  const remote_disposition = bits & 0x1f;
  const local_disposition = (bits >>> 8) & 0x1f;
  const voucher_disposition = (bits >>> 16) & 0x1f;

  if (bits & ~MACH_MSGH_BITS_USER) return MACH_SEND_INVALID_HEADER;
  if (local_disposition == 0) {
    if (local != MACH_PORT_NULL) return MACH_SEND_INVALID_HEADER;
  } else if (!disposition_sends(local_disposition)) {
    return MACH_SEND_INVALID_HEADER;
  }
  const plain = voucher_disposition == 0;
  if (!plain && voucher_disposition != MACH_MSG_TYPE_MOVE_SEND && voucher_disposition != MACH_MSG_TYPE_COPY_SEND) {
    return MACH_SEND_INVALID_VOUCHER;
  }
  if (!disposition_sends(remote_disposition)) return MACH_SEND_INVALID_HEADER;
  if (!MACH_PORT_VALID(remote)) return MACH_SEND_INVALID_DEST;
  const replies = local_disposition != 0 && MACH_PORT_VALID(local);
  if (replies && remote == local && !same_name_allowed(space, remote, remote_disposition, local_disposition)) {
    return MACH_SEND_INVALID_DEST;
  }
  if (!plain && MACH_PORT_VALID(voucher))
    return replies && local == voucher ? MACH_SEND_INVALID_REPLY : MACH_SEND_INVALID_VOUCHER;

  // A86: a send-once right whose port died unnoticed is used up, and the message with it.
  let dead_once = false;
  const raw = ipc_entry_lookup(space, remote);
  if (raw && remote_disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE && ie_type(raw.ie_bits) == MACH_PORT_TYPE_SEND_ONCE) {
    dead_once = raw.ie_request == 0;
  }
  const destination = dead_once ? raw : ipc_right_lookup(space, remote);
  if (!destination || ipc_right_copyin_check(destination, remote_disposition) != KERN_SUCCESS)
    return MACH_SEND_INVALID_DEST;
  if (ie_type(destination.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) return MACH_SEND_INVALID_DEST;
  let reply: IpcEntry | null = null;
  if (replies) {
    reply = ipc_right_lookup(space, local);
    if (!reply || ipc_right_copyin_check(reply, local_disposition) != KERN_SUCCESS) return MACH_SEND_INVALID_REPLY;
  }
  // The port may have died between the two look-ups of one name.
  if (ie_type(destination.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) return MACH_SEND_INVALID_DEST;

  // --- nothing below can refuse ---
  if (!plain) store<u32>(bytes, 0, MSGH_VOUCHER_PORT);
  kmsg.ikm_ports_count = 0;
  kmsg.ikm_cursor = 0;
  kmsg.ikm_types = ipc_copyin_type(remote_disposition) | (ipc_copyin_type(local_disposition) << 8);
  if (bits & MACH_MSGH_BITS_COMPLEX) kmsg.ikm_types |= IKM_COMPLEX;
  // Of one name for both, the right that is copied goes before the one that is moved.
  const moves_first = remote_disposition == MACH_MSG_TYPE_MOVE_SEND;
  if (!moves_first) copyin_destination(space, kmsg, remote, destination, remote_disposition);
  if (reply) ipc_right_copyin(space, local, reply, local_disposition, ikm_local_at(kmsg));
  else kmsg._ikm_local = replies || local_disposition == 0 ? 0 : local;
  if (moves_first) copyin_destination(space, kmsg, remote, destination, remote_disposition);
  return MACH_MSG_SUCCESS;
}

function disposition_sends(disposition: u32): bool {
  return disposition >= MACH_MSG_TYPE_MOVE_SEND && disposition <= MACH_MSG_TYPE_MAKE_SEND_ONCE;
}

function ikm_local_at(kmsg: IpcKmsg): usize {
  return changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
}

function ikm_remote_at(kmsg: IpcKmsg): usize {
  return changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_remote");
}

function copyin_destination(space: IpcSpace, kmsg: IpcKmsg, name: u32, entry: IpcEntry, disposition: u32): void {
  if (disposition == MACH_MSG_TYPE_COPY_SEND) {
    kmsg._ikm_remote = entry.ie_object; // one store: a transaction by itself
    return;
  }
  kmsg.ikm_types |= IKM_COUNTED;
  ipc_right_copyin(space, name, entry, disposition, ikm_remote_at(kmsg));
}

/** A63: one name as destination and reply. */
function same_name_allowed(space: IpcSpace, name: u32, remote: u32, local: u32): bool {
  if (remote == MACH_MSG_TYPE_MOVE_SEND_ONCE || local == MACH_MSG_TYPE_MOVE_SEND_ONCE) return false;
  if (remote != MACH_MSG_TYPE_MOVE_SEND || local != MACH_MSG_TYPE_MOVE_SEND) return true;
  const entry = ipc_entry_lookup(space, name);
  return !entry || ie_urefs(entry.ie_bits) >= 2;
}

/**
 * Counts the destination right of a COPY_SEND, so that the space may be unlocked before the message is queued.
 *
 * Conditions: space locked since the header was copied in, nothing in the journal. Commits.
 */
export function ipc_kmsg_count_destination(kmsg: IpcKmsg): void {
  if (kmsg.ikm_remote == 0 || (kmsg.ikm_types & IKM_COUNTED) != 0) return;
  const port = port_at(kmsg.ikm_remote);
  ip_lock(port);
  port.ip_srights = port.ip_srights + 1;
  journal_set(changetype<usize>(kmsg) + offsetof<IpcKmsg>("ikm_types"), kmsg.ikm_types | IKM_COUNTED);
  journal_commit();
  ip_unlock(port);
}

/**
 * Copies the descriptors' rights in, one after the other.
 *
 * Conditions: space locked, header copied in, nothing in the journal. Commits.
 * Consumes:   each right as its disposition says; on failure those before the bad one are in the kmsg (A80).
 * Returns:    MACH_MSG_SUCCESS; MACH_SEND_INVALID_RIGHT; MACH_SEND_INVALID_MEMORY, no such memory; MACH_SEND_NO_BUFFER, of that descriptor
 *             nothing is in the kmsg; KERN_INVALID_TASK; MACH_SEND_MSG_TOO_SMALL, it became complex since its shape was checked.
 * Races:      memory is taken with the space open; its destination is counted then. Who writes the message meanwhile has other rights
 *             sent, but no more than fit into it: copyout writes a descriptor for each.
 */
export function ipc_kmsg_copyin_body(space: IpcSpace, kmsg: IpcKmsg): u32 {
  const bytes: usize = kmsg.ikm_bytes;
  if (kmsg.ikm_size < MSGH_BASE_BYTES) return MACH_SEND_MSG_TOO_SMALL;
  const room = (kmsg.ikm_size - MSGH_BASE_BYTES) / MSGH_DESCRIPTOR_BYTES;
  const count = min(load<u32>(bytes, 24), min(room, kmsg.ikm_ports_max));
  let code = MACH_MSG_SUCCESS;
  for (let index: u32 = 0; index < count && code == MACH_MSG_SUCCESS; index++) {
    const at = bytes + MSGH_BASE_BYTES + index * MSGH_DESCRIPTOR_BYTES;
    const type = <u32>load<u8>(at, 11);
    if (type == MACH_MSG_OOL_PORTS_DESCRIPTOR) code = ipc_kmsg_copyin_array(space, kmsg, at);
    else if (type == MACH_MSG_GUARDED_PORT_DESCRIPTOR) code = ipc_kmsg_copyin_guarded(space, kmsg, at);
    else if (descriptor_is_memory(type)) code = ipc_kmsg_copyin_memory(space, kmsg, at, type);
    else code = ipc_kmsg_copyin_port(space, kmsg, load<u32>(at), load<u8>(at, 10));
  }
  return code;
}

/**
 * Copies one right of the body into the next slot.
 *
 * Conditions, Consumes, Returns: as ipc_kmsg_copyin_body. MACH_SEND_INVALID_MEMORY: there are fewer slots than when the shape was
 * checked, since somebody writes the message meanwhile.
 */
export function ipc_kmsg_copyin_port(space: IpcSpace, kmsg: IpcKmsg, name: u32, disposition: u32): u32 {
  if (kmsg.ikm_ports_count == kmsg.ikm_ports_max) return MACH_SEND_INVALID_MEMORY;
  const slot_at = ikm_slot(kmsg, ipc_copyin_type(disposition));
  if (!MACH_PORT_VALID(name)) {
    store<u32>(slot_at, name); // 0 or dead: carried as it is (A59)
    return MACH_MSG_SUCCESS;
  }
  const entry = ipc_right_lookup(space, name);
  if (!entry || ipc_right_copyin_check(entry, disposition) != KERN_SUCCESS) return MACH_SEND_INVALID_RIGHT;
  ipc_right_copyin(space, name, entry, disposition, slot_at);
  if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) kmsg.ikm_types |= IKM_RECEIVE;
  return MACH_MSG_SUCCESS;
}

/** Takes the next slot. Conditions: there is one. Returns: its address; it holds no port. */
export function ikm_slot(kmsg: IpcKmsg, type: u32): usize {
  const slot_at = ikm_port_at(kmsg, kmsg.ikm_ports_count);
  store<u32>(slot_at, 0);
  store<u32>(slot_at, type, 4);
  kmsg.ikm_ports_count++;
  return slot_at;
}

/**
 * Puts the receive rights that a kmsg carries in transit to its destination.
 *
 * Conditions: copied in, nothing in the journal, only the space locked.
 * Returns:    false: one of them would lie in its own queue (A169, A170); the message must be destroyed.
 * Races:      two sends that would close a circle together: the second to hold ip_transit sees the first one's destinations.
 */
export function ipc_kmsg_enter_transit(kmsg: IpcKmsg): bool {
  if ((kmsg.ikm_types & IKM_RECEIVE) == 0) return true;
  lock_acquire(h_ip_transit_at(), LOCK_TRANSIT);
  let circular = false;
  for (let index: u32 = 0; index < kmsg.ikm_ports_count && !circular; index++) {
    const slot_at = ikm_port_at(kmsg, index);
    if (<u32>load<u8>(slot_at, 4) != MACH_MSG_TYPE_PORT_RECEIVE || !IP_VALID(load<u32>(slot_at))) continue;
    const port = port_at(load<u32>(slot_at));
    circular = ipc_port_circular(port, kmsg.ikm_remote);
    if (circular) break;
    ip_lock(port);
    port._ip_destination = kmsg.ikm_remote; // one store: a transaction by itself
    ip_unlock(port);
  }
  lock_release(h_ip_transit_at(), LOCK_TRANSIT);
  return !circular;
}
