// Traps that look at or change one port's attributes, its sets, or list names.

import { out_get, out_set } from "../kern/processor";
import { owner_hold } from "../kern/zone";
import {
  KERN_ALREADY_IN_SET,
  KERN_FAILURE,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_NOT_IN_SET,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { MSGH_ID } from "../abi/message";
import {
  MACH_PORT_DEAD,
  MACH_PORT_DNREQUESTS_SIZE,
  MACH_PORT_DNREQUESTS_SIZE_COUNT,
  MACH_PORT_GUARD_INFO,
  MACH_PORT_GUARD_INFO_COUNT,
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_LIMITS_INFO_COUNT,
  MACH_PORT_NULL,
  MACH_PORT_QLIMIT_MAX,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RECEIVE_STATUS_COUNT,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_VALID,
  name_make,
} from "../abi/port";
import { entry_at, ie_gen, ie_type } from "../ipc/ipc_entry";
import { IKM_NUMBERED, ipc_kmsg_alloc, IpcKmsg, kmsg_at } from "../ipc/ipc_kmsg";
import { imq_msgcount, imq_qlimit, imq_sends } from "../ipc/ipc_inbox";
import { imq_kick_locked, imq_set_qlimit } from "../ipc/ipc_mqueue";
import { IO_STRICT } from "../ipc/ipc_object";
import { ip_guard_shown, ip_lock, ip_status_flags, ip_unlock, IpcPort, port_at } from "../ipc/ipc_port";
import {
  ipc_pset_add,
  ipc_pset_link,
  ipc_pset_remove,
  ipc_pset_remove_all,
  IpcPset,
  ips_lock,
  ips_unlock,
  link_at,
  link_port,
  pset_at,
} from "../ipc/ipc_pset";
import { ipc_right_lookup } from "../ipc/ipc_right";
import { IpcSpace, is_each, is_entry } from "../ipc/ipc_space";
import { space_enter, space_leave, target_space } from "./target";

/** Word of out where the count of get_attributes is. */
const OUT_COUNT: u32 = 15;

/** Finds a receive right. Returns: its port's address, or a code below 64. Conditions: space locked. */
function receive_right(space: IpcSpace, name: u32): u32 {
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  return ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE ? entry.ie_object : KERN_INVALID_RIGHT;
}

/** Finds a set, as receive_right. */
function set_right(space: IpcSpace, name: u32): u32 {
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  return ie_type(entry.ie_bits) == MACH_PORT_TYPE_PORT_SET ? entry.ie_object : KERN_INVALID_RIGHT;
}

function is_code(found: u32): bool {
  return found < 64;
}

/**
 * A195. Returns: out the flavour's words, out 15 their count. RECEIVE_STATUS has a word of no flavour behind its own for a caller that has
 * room for one more: out 10 the send rights in existence (A32).
 */
export function mach_port_get_attributes(handle: u32, target: u32, name: u32, flavor: u32, count: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(get_attributes(target_space(), name, flavor, count));
}

function get_attributes(space: IpcSpace, name: u32, flavor: u32, count: u32): u32 {
  let words: u32 = 0;
  if (flavor == MACH_PORT_LIMITS_INFO) words = MACH_PORT_LIMITS_INFO_COUNT;
  else if (flavor == MACH_PORT_RECEIVE_STATUS) words = MACH_PORT_RECEIVE_STATUS_COUNT;
  else if (flavor == MACH_PORT_DNREQUESTS_SIZE) words = MACH_PORT_DNREQUESTS_SIZE_COUNT;
  else if (flavor == MACH_PORT_GUARD_INFO) words = MACH_PORT_GUARD_INFO_COUNT;
  else return KERN_INVALID_ARGUMENT;
  if (count < words) return KERN_FAILURE;
  if (!MACH_PORT_VALID(name)) {
    if (flavor == MACH_PORT_RECEIVE_STATUS || flavor == MACH_PORT_GUARD_INFO) return KERN_INVALID_RIGHT;
    out_set(0, 0);
    out_set(OUT_COUNT, flavor == MACH_PORT_LIMITS_INFO ? 0 : words);
    return KERN_SUCCESS;
  }
  const entry = ipc_right_lookup(space, name);
  if (!entry || ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) return KERN_INVALID_NAME;
  if ((ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE) == 0) return KERN_INVALID_RIGHT;
  const port = port_at(entry.ie_object);
  ip_lock(port);
  out_set(1, 0); // the upper half of a guard
  if (flavor == MACH_PORT_LIMITS_INFO) out_set(0, imq_qlimit(port));
  else if (flavor == MACH_PORT_DNREQUESTS_SIZE) out_set(0, port.ip_request_count);
  else if (flavor == MACH_PORT_GUARD_INFO) out_set(0, ip_guard_shown(port));
  else out_status(port, count > words ? 0xffffffff : 1);
  ip_unlock(port);
  out_set(OUT_COUNT, words);
  return KERN_SUCCESS;
}

/** mach_port_status_t, A194. Send rights of the queue are counted up to `most`. Conditions: port locked. */
function out_status(port: IpcPort, most: u32): void {
  const sends = port.ip_srights + imq_sends(port, most);
  out_set(0, port.ip_links != 0 ? 1 : 0);
  out_set(1, port.imq_seqno);
  out_set(2, port.ip_mscount);
  out_set(3, imq_qlimit(port));
  out_set(4, imq_msgcount(port));
  out_set(5, port.ip_sorights);
  out_set(6, sends != 0 ? 1 : 0);
  out_set(7, port.ip_pdrequest != 0 ? 1 : 0);
  out_set(8, port.ip_nsrequest != 0 ? 1 : 0);
  out_set(9, ip_status_flags(port));
  out_set(10, sends);
}

/**
 * A87, A93: LIMITS_INFO, the queue limit.
 *
 * Returns: KERN_SUCCESS; KERN_INVALID_ARGUMENT, another flavor; KERN_FAILURE, no word; KERN_INVALID_VALUE, more than 1024;
 *          KERN_INVALID_NAME; KERN_INVALID_RIGHT, not a receive right.
 */
export function mach_port_set_attributes(
  handle: u32,
  target: u32,
  name: u32,
  flavor: u32,
  value: u32,
  count: u32,
): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (flavor != MACH_PORT_LIMITS_INFO) return space_leave(KERN_INVALID_ARGUMENT);
  if (count < MACH_PORT_LIMITS_INFO_COUNT) return space_leave(KERN_FAILURE);
  if (value > MACH_PORT_QLIMIT_MAX) return space_leave(KERN_INVALID_VALUE);
  if (!MACH_PORT_VALID(name)) return space_leave(KERN_INVALID_RIGHT);
  const found = receive_right(target_space(), name);
  if (is_code(found)) return space_leave(found);
  ip_lock(port_at(found));
  imq_set_qlimit(port_at(found), value);
  ip_unlock(port_at(found));
  return space_leave(KERN_SUCCESS);
}

/** A127. */
export function mach_port_set_seqno(handle: u32, target: u32, name: u32, seqno: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return out_get(14);
  port_at(found)._imq_seqno = seqno; // one store: a transaction by itself
  return port_leave(found);
}

/** A145. */
export function mach_port_set_mscount(handle: u32, target: u32, name: u32, mscount: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return out_get(14);
  port_at(found)._ip_mscount = mscount; // as above
  return port_leave(found);
}

/** Returns: out 0 the context word; 0 of a strictly guarded port (A191). */
export function mach_port_get_context(handle: u32, target: u32, name: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return out_get(14);
  out_set(0, port_at(found).io_bits & IO_STRICT ? 0 : port_at(found).ip_context);
  return port_leave(found);
}

/** Returns: also KERN_INVALID_ARGUMENT, strictly guarded (A191). */
export function mach_port_set_context(handle: u32, target: u32, name: u32, context: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return out_get(14);
  const strict = (port_at(found).io_bits & IO_STRICT) != 0;
  if (!strict) port_at(found)._ip_context = context; // as above
  port_leave(found);
  return strict ? KERN_INVALID_ARGUMENT : KERN_SUCCESS;
}

/** Enters, locks space and the port of a receive right. Returns: the port, or 0: the kernel was left, out 14 has the code. */
export function port_enter(handle: u32, target: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) {
    out_set(14, kr);
    return 0;
  }
  const found = MACH_PORT_VALID(name) ? receive_right(target_space(), name) : KERN_INVALID_RIGHT;
  if (!is_code(found)) {
    ip_lock(port_at(found));
    return found;
  }
  space_leave(found);
  out_set(14, found);
  return 0;
}

/**
 * A196: looks at a queued message, the first or (`wanted` not 0) the one that will have this number. Nothing is dequeued or numbered.
 *
 * Returns: out 0 its number, 1 its bytes, 2 its identifier, 3 and 4 its sender's task and processor; KERN_FAILURE, no such message;
 *          KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
export function mach_port_peek(handle: u32, target: u32, name: u32, wanted: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return out_get(14);
  const port = port_at(found);
  imq_kick_locked(port); // a message that came for somebody who waits goes to him
  let seqno = port.imq_seqno;
  let at = port.imq_first;
  while (at != 0) {
    const kmsg = kmsg_at(at);
    const number = kmsg.ikm_types & IKM_NUMBERED ? kmsg.ikm_seqno : seqno++;
    if (wanted == 0 || number == wanted) {
      out_set(0, number);
      out_set(1, kmsg.ikm_size);
      out_set(2, load<u32>(<usize>kmsg.ikm_bytes, MSGH_ID));
      out_set(3, kmsg.ikm_sender_task);
      out_set(4, kmsg.ikm_sender_processor);
      break;
    }
    at = kmsg.ikm_forward;
  }
  const code = port_leave(found);
  return at != 0 ? code : KERN_FAILURE;
}

/** Ends what port_enter began. Conditions: committed. */
export function port_leave(port: u32): u32 {
  ip_unlock(port_at(port));
  return space_leave(KERN_SUCCESS);
}

/** A174. */
export function mach_port_insert_member(handle: u32, target: u32, name: u32, pset: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(change_member(target_space(), name, pset, true));
}

/** A175. */
export function mach_port_extract_member(handle: u32, target: u32, name: u32, pset: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(change_member(target_space(), name, pset, false));
}

function change_member(space: IpcSpace, name: u32, pset: u32, insert: bool): u32 {
  if (!MACH_PORT_VALID(name) || !MACH_PORT_VALID(pset)) return KERN_INVALID_RIGHT;
  const member = receive_right(space, name);
  if (is_code(member)) return member;
  const set = set_right(space, pset);
  if (is_code(set)) return set;
  const port = port_at(member);
  ip_lock(port);
  const link = ipc_pset_link(port, set);
  let code = KERN_SUCCESS;
  if (insert) {
    if (link != 0) code = KERN_ALREADY_IN_SET;
    else if (!ipc_pset_add(port, pset_at(set))) code = KERN_RESOURCE_SHORTAGE;
  } else if (link == 0) {
    code = KERN_NOT_IN_SET;
  } else {
    ipc_pset_remove(port, link_at(link));
  }
  ip_unlock(port);
  return code;
}

/** A176. */
export function mach_port_move_member(handle: u32, target: u32, name: u32, after: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(move_member(target_space(), name, after));
}

function move_member(space: IpcSpace, name: u32, after: u32): u32 {
  if (!MACH_PORT_VALID(name) || after == MACH_PORT_DEAD) return KERN_INVALID_RIGHT;
  const member = receive_right(space, name);
  if (is_code(member)) return member;
  const set = after == MACH_PORT_NULL ? 0 : set_right(space, after);
  if (after != MACH_PORT_NULL && is_code(set)) return set;
  const port = port_at(member);
  ip_lock(port);
  let code = KERN_SUCCESS;
  if (set == 0) {
    if (port.ip_links == 0) code = KERN_NOT_IN_SET;
    ipc_pset_remove_all(port);
  } else {
    // Joined first: memory may be short, and then nothing is changed.
    if (ipc_pset_link(port, set) == 0 && !ipc_pset_add(port, pset_at(set))) code = KERN_RESOURCE_SHORTAGE;
    else remove_others(port, set);
  }
  ip_unlock(port);
  return code;
}

function remove_others(port: IpcPort, set: u32): void {
  let at = port.ip_links;
  while (at != 0) {
    const link = link_at(at);
    at = link.l_port_next;
    if (link.l_set != set) ipc_pset_remove(port, link);
  }
}

/** A182. Returns: as mach_port_names, names only. */
export function mach_port_get_set_status(handle: u32, target: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const found = MACH_PORT_VALID(name) ? set_right(target_space(), name) : KERN_INVALID_RIGHT;
  if (is_code(found)) return space_leave(found);
  return space_leave(list_members(pset_at(found)));
}

/** Conditions: space locked, so that members keep their names. */
function list_members(pset: IpcPset): u32 {
  out_list(0, 0, 0);
  ips_lock(pset);
  let count: u32 = 0;
  for (let at = pset.ips_links; at != 0; at = link_at(at).l_set_next) count++;
  let kmsg: IpcKmsg | null = null;
  if (count != 0) kmsg = list_alloc(count);
  if (kmsg) {
    let to: usize = kmsg.ikm_bytes;
    for (let at = pset.ips_links; at != 0; at = link_at(at).l_set_next) {
      store<u32>(to, link_port(link_at(at)).io_name);
      to += 4;
    }
    out_list(<u32>changetype<usize>(kmsg), kmsg.ikm_bytes, count);
  }
  ips_unlock(pset);
  return count != 0 && !kmsg ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS;
}

/** A kmsg as a buffer for `words` words, which the caller's JavaScript will hold. */
function list_alloc(words: u32): IpcKmsg | null {
  const kmsg = ipc_kmsg_alloc(words * 4 + 24, 0);
  if (kmsg) owner_hold(changetype<usize>(kmsg));
  return kmsg;
}

function out_list(kmsg: u32, bytes: u32, count: u32): void {
  out_set(0, kmsg);
  out_set(1, bytes);
  out_set(2, count);
}

/** A13. Returns: out 0 a kmsg to release, 1 the address of `count` names and then `count` types, 2 the count. */
export function mach_port_names(handle: u32, target: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const space = target_space();
  out_list(0, 0, 0);
  const count = space.is_entries;
  if (count == 0) return space_leave(KERN_SUCCESS);
  const kmsg = list_alloc(count * 2);
  if (!kmsg) return space_leave(KERN_RESOURCE_SHORTAGE);
  const names: usize = kmsg.ikm_bytes;
  let written: u32 = 0;
  for (let index = is_each(space, 0); index != 0 && written < count; index = is_each(space, index)) {
    const entry = entry_at(is_entry(space, index));
    const name = name_make(index, ie_gen(entry.ie_bits));
    ipc_right_lookup(space, name); // a right whose port died shows as a dead name
    store<u32>(names + written * 4, name);
    const request = entry.ie_request != 0 ? MACH_PORT_TYPE_DNREQUEST : 0;
    store<u32>(names + (count + written) * 4, ie_type(entry.ie_bits) | request);
    written++;
  }
  out_list(<u32>changetype<usize>(kmsg), kmsg.ikm_bytes, written);
  return space_leave(KERN_SUCCESS);
}
