// mach_port_insert_right, mach_port_extract_right and mach_port_request_notification: rights that come as an argument, or go back.

import { journal_abort, journal_commit, journal_set } from "../kern/journal";
import { me, my_pid, out_set } from "../kern/processor";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_TASK,
  KERN_INVALID_VALUE,
  KERN_RESOURCE_SHORTAGE,
  KERN_RIGHT_EXISTS,
  KERN_SUCCESS,
} from "../abi/kern_return";
import {
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MSGH_ID,
} from "../abi/message";
import {
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_POSSIBLE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_PORT_UREFS_MAX,
  MACH_PORT_VALID,
} from "../abi/port";
import { ie_bits_with, ie_type, ie_urefs, IpcEntry } from "../ipc/ipc_entry";
import { ipc_hash_reserve } from "../ipc/ipc_hash";
import { imq_full } from "../ipc/ipc_inbox";
import { ipc_kmsg_free, IpcKmsg, kmsg_at } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import {
  ipc_notify_make,
  ipc_notify_no_senders_locked,
  ipc_notify_post,
  ipc_request_alloc,
  ipc_request_link,
  ipc_request_of,
  ipc_request_unlink,
  ipc_request_want,
  IpcRequest,
  RQ_ARMED,
  RQ_DEATH,
  RQ_POSSIBLE,
} from "../ipc/ipc_notify";
import { ip_active, IP_DEAD, ip_lock, ip_special, ip_unlock, IpcPort, port_at } from "../ipc/ipc_port";
import { reap_push } from "../kern/work";
import { ipc_right_lookup } from "../ipc/ipc_right";
import {
  ipc_copyin_type,
  ipc_right_copyin,
  ipc_right_copyin_check,
  ipc_right_copyout,
  ipc_right_name,
} from "../ipc/ipc_right_copy";
import { ipc_entry_reserve, IpcSpace, is_unlock } from "../ipc/ipc_space";
import { zone_free, ZONE_REQUEST } from "../kern/zone";
import {
  caller_enter,
  caller_leave,
  caller_of,
  carrier_alloc,
  carrier_slot,
  carry_home,
  carry_into,
  space_enter,
  space_leave,
  target_space,
  target_lock,
} from "./target";
import { trap_leave } from "./trap";

/**
 * A66 to A68: gives the target's space a right of the caller's under a name that the caller chooses.
 *
 * Consumes: the right as the disposition says, once it was copied in, also when it is refused then. Returns: KERN_SUCCESS; codes of
 *           caller_enter, take_right and insert_carried.
 */
export function mach_port_insert_right(handle: u32, target: u32, name: u32, poly: u32, disposition: u32): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const own = caller_of(handle) == target_space();
  const found = take_right(caller_of(handle), name, poly, disposition, own);
  if (found < 64) return caller_leave(handle, found);
  if (!target_lock(handle)) {
    ipc_kmsg_destroy(kmsg_at(found));
    return trap_leave(KERN_INVALID_TASK);
  }
  const code = insert_carried(target_space(), name, kmsg_at(found), ipc_copyin_type(disposition));
  ipc_kmsg_destroy(kmsg_at(found)); // and the right in it, if it was refused
  return space_leave(code);
}

/**
 * Takes the right out of the caller's space; `own`: it will be put there again.
 *
 * Conditions: space locked, nothing in the journal. Commits. Returns: its carrier, or a code below 64.
 */
function take_right(space: IpcSpace, name: u32, poly: u32, disposition: u32, own: bool): u32 {
  const type = ipc_copyin_type(disposition);
  if (type == 0) return KERN_INVALID_VALUE;
  if (!MACH_PORT_VALID(poly)) return MACH_PORT_VALID(name) ? KERN_INVALID_CAPABILITY : KERN_INVALID_VALUE;
  const entry = ipc_right_lookup(space, poly);
  if (!entry) return KERN_INVALID_NAME;
  const check = ipc_right_copyin_check(entry, disposition);
  if (check != KERN_SUCCESS) {
    const dead = ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME;
    const made = own && name == poly && disposition == MACH_MSG_TYPE_MAKE_SEND;
    return dead && made ? KERN_INVALID_CAPABILITY : check;
  }
  const kmsg = carrier_alloc(type);
  if (!kmsg) return KERN_RESOURCE_SHORTAGE;
  // Before anything moves: a name that gains SEND needs a slot of the reverse hash.
  if (own && type == MACH_MSG_TYPE_PORT_SEND && !ipc_hash_reserve(space)) {
    ipc_kmsg_free(kmsg);
    return KERN_RESOURCE_SHORTAGE;
  }
  ipc_right_copyin(space, poly, entry, disposition, carrier_slot(kmsg));
  return <u32>changetype<usize>(kmsg);
}

/**
 * A69: takes a right out of the target's space as if the target had sent it to the caller.
 *
 * Returns: out 0 the caller's name for it; codes of space_enter; KERN_INVALID_VALUE, not a disposition; KERN_INVALID_NAME;
 *          KERN_INVALID_RIGHT; KERN_INVALID_CAPABILITY, an immovable receive right; KERN_RESOURCE_SHORTAGE.
 */
export function mach_port_extract_right(handle: u32, target: u32, name: u32, disposition: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const space = target_space();
  const type = ipc_copyin_type(disposition);
  if (type == 0) return space_leave(KERN_INVALID_VALUE);
  const kmsg = carrier_alloc(type);
  if (!kmsg) return space_leave(KERN_RESOURCE_SHORTAGE);
  const entry = ipc_right_lookup(space, name);
  const code = entry ? ipc_right_copyin_check(entry, disposition) : KERN_INVALID_NAME;
  if (!entry || code != KERN_SUCCESS) {
    ipc_kmsg_free(kmsg);
    return space_leave(code);
  }
  ipc_right_copyin(space, name, entry, disposition, carrier_slot(kmsg));
  is_unlock(space);
  return carry_home(handle, kmsg);
}

/** Puts the carrier's right under the name. Conditions: space locked, nothing in the journal. Commits. */
function insert_carried(space: IpcSpace, name: u32, kmsg: IpcKmsg, type: u32): u32 {
  if (!MACH_PORT_VALID(name)) return KERN_INVALID_VALUE;
  if (kmsg.ikm_local == IP_DEAD) return KERN_INVALID_CAPABILITY;
  // Send and receive rights for one port share one name.
  let held: u32 = 0;
  if (type != MACH_MSG_TYPE_PORT_SEND_ONCE) {
    const port = port_at(kmsg.ikm_local);
    ip_lock(port);
    held = ipc_right_name(space, port);
    ip_unlock(port);
  }
  if (held == 0) {
    const kr = ipc_entry_reserve(space, name);
    if (kr != KERN_SUCCESS) {
      journal_abort();
      return kr;
    }
  } else if (held != name) {
    return KERN_RIGHT_EXISTS;
  }
  const placed = ipc_right_copyout(space, carrier_slot(kmsg), type, name);
  return placed == name ? KERN_SUCCESS : placed == MACH_PORT_DEAD ? KERN_INVALID_CAPABILITY : KERN_RESOURCE_SHORTAGE;
}

/**
 * A137 to A156: arms, replaces or (notify 0) cancels a notification request on a name of the target's; the right to be told with comes
 * from the caller, and the one before goes to it.
 *
 * Consumes: the notify right, also when the request is refused. Returns: out 0 the name of the send-once right that was armed before,
 *           or 0.
 */
export function mach_port_request_notification(
  handle: u32,
  target: u32,
  name: u32,
  id: u32,
  sync: u32,
  notify: u32,
  disposition: u32,
): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const caller = caller_of(handle);
  const refusal = notify == MACH_PORT_NULL ? KERN_SUCCESS : request_check_notify(caller, notify, disposition);
  const kmsg = refusal == KERN_SUCCESS ? carrier_alloc(MACH_MSG_TYPE_PORT_SEND_ONCE) : null;
  if (!kmsg) return caller_leave(handle, refusal == KERN_SUCCESS ? KERN_RESOURCE_SHORTAGE : refusal);
  const request = ipc_request_alloc(changetype<usize>(target_space()), name);
  const message = ipc_notify_make(id, 0);
  let code = KERN_RESOURCE_SHORTAGE;
  if (request && message) {
    if (notify != MACH_PORT_NULL) {
      const from = ipc_right_lookup(caller, notify);
      if (from) ipc_right_copyin(caller, notify, from, disposition, carrier_slot(kmsg));
    }
    code = KERN_INVALID_TASK;
    if (target_lock(handle)) code = request_arm(target_space(), name, id, sync, kmsg, request, message);
  }
  // What was not used is still in this processor's hand; the carrier goes with the right in it, if that was refused.
  if (request && request.z_owner == my_pid()) zone_free(ZONE_REQUEST, changetype<usize>(request));
  if (message && message.z_owner == my_pid()) ipc_kmsg_free(message);
  if (code != KERN_INVALID_TASK) is_unlock(request && message ? target_space() : caller); // until here nobody else has the request
  out_set(0, 0);
  if (code != KERN_SUCCESS || kmsg.ikm_local == 0) ipc_kmsg_destroy(kmsg);
  else carry_into(caller, me().p_caller_serial, kmsg); // without room for it the one before is dropped
  return trap_leave(code);
}

function request_check(space: IpcSpace, name: u32, id: u32, sync: u32, notify: u32): u32 {
  if (id == MACH_NOTIFY_DEAD_NAME || id == MACH_NOTIFY_SEND_POSSIBLE)
    return request_check_name(space, name, id, sync, notify);
  if (id != MACH_NOTIFY_PORT_DESTROYED && id != MACH_NOTIFY_NO_SENDERS) return KERN_INVALID_VALUE;
  if (id == MACH_NOTIFY_PORT_DESTROYED && sync != 0) return KERN_INVALID_VALUE;
  if (!MACH_PORT_VALID(name)) return KERN_INVALID_RIGHT;
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  if ((ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE) == 0) return KERN_INVALID_RIGHT;
  const stays = id == MACH_NOTIFY_PORT_DESTROYED && ip_special(port_at(entry.ie_object)); // A210
  return stays ? KERN_INVALID_RIGHT : KERN_SUCCESS;
}

function request_check_notify(space: IpcSpace, notify: u32, disposition: u32): u32 {
  if (notify == MACH_PORT_DEAD) return KERN_INVALID_CAPABILITY;
  const once = disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE || disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE;
  if (!once) return KERN_INVALID_VALUE;
  const entry = ipc_right_lookup(space, notify);
  if (!entry) return KERN_INVALID_NAME;
  return ipc_right_copyin_check(entry, disposition) != KERN_SUCCESS ? KERN_INVALID_RIGHT : KERN_SUCCESS;
}

function request_check_name(space: IpcSpace, name: u32, id: u32, sync: u32, notify: u32): u32 {
  if (!MACH_PORT_VALID(name)) return KERN_INVALID_ARGUMENT;
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const type = ie_type(entry.ie_bits);
  if (type == MACH_PORT_TYPE_PORT_SET) return KERN_INVALID_RIGHT;
  if (type != MACH_PORT_TYPE_DEAD_NAME) return KERN_SUCCESS;
  // A149, A153: who asks for room hears of the death whatever `sync` says.
  const told = notify != MACH_PORT_NULL && (sync != 0 || id == MACH_NOTIFY_SEND_POSSIBLE);
  return told ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

/** The carrier holds the new right, and after the exchange the one before. Conditions: space locked, nothing in the journal. Commits. */
function request_arm(
  space: IpcSpace,
  name: u32,
  id: u32,
  sync: u32,
  kmsg: IpcKmsg,
  request: IpcRequest,
  message: IpcKmsg,
): u32 {
  const notify = kmsg.ikm_local;
  const code = notify == IP_DEAD ? KERN_INVALID_CAPABILITY : request_check(space, name, id, sync, notify);
  const entry = ipc_right_lookup(space, name);
  if (code == KERN_SUCCESS && entry) {
    if (id == MACH_NOTIFY_PORT_DESTROYED || id == MACH_NOTIFY_NO_SENDERS)
      arm_port(port_at(entry.ie_object), id, sync, kmsg);
    else if (id == MACH_NOTIFY_DEAD_NAME) arm_name(space, entry, name, RQ_DEATH, kmsg, request, message);
    else arm_name(space, entry, name, sync != 0 ? RQ_ARMED : RQ_POSSIBLE, kmsg, request, message);
  }
  return code;
}

function arm_port(port: IpcPort, id: u32, sync: u32, kmsg: IpcKmsg): void {
  const notify = kmsg.ikm_local;
  ip_lock(port);
  if (id == MACH_NOTIFY_PORT_DESTROYED) {
    kmsg.ikm_local = port.ip_pdrequest;
    port.ip_pdrequest = notify;
  } else {
    kmsg.ikm_local = port.ip_nsrequest;
    port.ip_nsrequest = notify;
    if (notify != 0 && sync <= port.ip_mscount) ipc_notify_no_senders_locked(port); // A140: at once, if there is none
  }
  journal_commit();
  ip_unlock(port);
}

function arm_name(
  space: IpcSpace,
  entry: IpcEntry,
  name: u32,
  wants: u32,
  kmsg: IpcKmsg,
  request: IpcRequest,
  message: IpcKmsg,
): void {
  const notify = kmsg.ikm_local;
  if (ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME) {
    tell_dead_name(entry, name, kmsg, message);
    return;
  }
  const port = port_at(entry.ie_object);
  ip_lock(port);
  if (!ip_active(port)) {
    ip_unlock(port);
    ipc_right_lookup(space, name); // it died since it was looked at: a dead name now
    tell_dead_name(entry, name, kmsg, message);
    return;
  }
  const armed = ipc_request_of(entry);
  kmsg.ikm_local = armed ? armed.rq_notify : 0;
  const possible = wants == RQ_ARMED && (ie_type(entry.ie_bits) == MACH_PORT_TYPE_SEND_ONCE || !imq_full(port));
  if (notify == 0 || possible) {
    if (armed) cancel(port, entry, armed);
    if (notify != 0) tell(message, MACH_NOTIFY_SEND_POSSIBLE, name, notify); // A151: at once
  } else if (armed) {
    journal_set(changetype<usize>(armed) + offsetof<IpcRequest>("rq_notify"), notify);
    ipc_request_want(port, armed, wants);
  } else {
    request.rq_notify = notify;
    ipc_request_link(port, entry, request);
    ipc_request_want(port, request, wants);
  }
  journal_commit();
  ip_unlock(port);
}

/** A149: told at once; the name gains the notification's reference. With no right to tell it with, nothing. */
function tell_dead_name(entry: IpcEntry, name: u32, kmsg: IpcKmsg, message: IpcKmsg): void {
  const notify = kmsg.ikm_local;
  if (notify == 0) return;
  kmsg.ikm_local = 0;
  const urefs = min(ie_urefs(entry.ie_bits) + 1, MACH_PORT_UREFS_MAX);
  entry.ie_bits = ie_bits_with(entry.ie_bits, MACH_PORT_TYPE_DEAD_NAME, urefs);
  tell(message, MACH_NOTIFY_DEAD_NAME, name, notify);
  journal_commit();
}

function tell(message: IpcKmsg, id: u32, name: u32, notify: u32): void {
  const bytes: usize = message.ikm_bytes;
  store<u32>(bytes, id, MSGH_ID);
  store<u32>(bytes, name, 32);
  ipc_notify_post(message, notify);
}

/** Takes a request away without a word; its right is in the carrier. */
function cancel(port: IpcPort, entry: IpcEntry, request: IpcRequest): void {
  ipc_request_unlink(port, request);
  entry.ie_request = 0;
  reap_push(changetype<usize>(request));
}
