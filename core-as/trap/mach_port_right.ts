// mach_port_insert_right and mach_port_request_notification: rights that come as an argument.

import { journal_abort, journal_commit, journal_set } from "../kern/journal";
import { my_pid, out_set } from "../kern/processor";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_NOT_SUPPORTED,
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
  MACH_PORT_UREFS_MAX,
  MACH_PORT_VALID,
} from "../abi/port";
import { ie_bits_with, ie_type, ie_urefs, IpcEntry } from "../ipc/ipc_entry";
import { ipc_hash_reserve } from "../ipc/ipc_hash";
import { ipc_kmsg_alloc, ipc_kmsg_free, IpcKmsg } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import {
  ipc_notify_make,
  ipc_notify_no_senders_locked,
  ipc_notify_post,
  ipc_request_alloc,
  ipc_request_link,
  ipc_request_unlink,
  IpcRequest,
  request_at,
} from "../ipc/ipc_notify";
import { ip_active, IP_DEAD, ip_lock, ip_unlock, IpcPort, port_at } from "../ipc/ipc_port";
import { reap_push } from "../ipc/ipc_reap";
import { ipc_right_lookup } from "../ipc/ipc_right";
import {
  ipc_copyin_type,
  ipc_right_copyin,
  ipc_right_copyin_check,
  ipc_right_copyout,
  ipc_right_name,
} from "../ipc/ipc_right_copy";
import { ipc_entry_reserve, IpcSpace } from "../ipc/ipc_space";
import { zone_free, ZONE_REQUEST } from "../kern/zone";
import { space_enter, space_leave, space_of } from "./mach_port";

/** Address of the slot that carries a right from one place to another inside a trap. */
export function carrier_slot(kmsg: IpcKmsg): usize {
  return changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
}

/** A kmsg whose reply slot carries a right of `type`. Returns: null when memory is exhausted. */
export function carrier_alloc(type: u32): IpcKmsg | null {
  const kmsg = ipc_kmsg_alloc(24, 0);
  if (kmsg) kmsg.ikm_types = type << 8;
  return kmsg;
}

/** A66 to A68: gives the space a right under a name that the caller chooses. A right that was copied in is gone, also on a refusal. */
export function mach_port_insert_right(handle: u32, target: u32, name: u32, poly: u32, disposition: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(handle, insert_right(space_of(handle), name, poly, disposition));
}

function insert_right(space: IpcSpace, name: u32, poly: u32, disposition: u32): u32 {
  const type = ipc_copyin_type(disposition);
  if (type == 0) return KERN_INVALID_VALUE;
  if (!MACH_PORT_VALID(poly)) return MACH_PORT_VALID(name) ? KERN_INVALID_CAPABILITY : KERN_INVALID_VALUE;
  const entry = ipc_right_lookup(space, poly);
  if (!entry) return KERN_INVALID_NAME;
  const check = ipc_right_copyin_check(entry, disposition);
  if (check != KERN_SUCCESS) {
    const dead = ie_type(entry.ie_bits) == MACH_PORT_TYPE_DEAD_NAME;
    const made = name == poly && disposition == MACH_MSG_TYPE_MAKE_SEND;
    return dead && made ? KERN_INVALID_CAPABILITY : check;
  }
  const kmsg = carrier_alloc(type);
  if (!kmsg) return KERN_RESOURCE_SHORTAGE;
  // Before anything moves: a name that gains SEND needs a slot of the reverse hash.
  if (type == MACH_MSG_TYPE_PORT_SEND && !ipc_hash_reserve(space)) {
    ipc_kmsg_free(kmsg);
    return KERN_RESOURCE_SHORTAGE;
  }
  ipc_right_copyin(space, poly, entry, disposition, carrier_slot(kmsg));
  const code = insert_carried(space, name, kmsg, type);
  ipc_kmsg_destroy(kmsg); // and the right in it, if it was refused
  return code;
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
 * A137 to A156: arms, replaces or (notify 0) cancels a notification request.
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
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const space = space_of(handle);
  if (notify != MACH_PORT_NULL) {
    const refusal = request_check_notify(space, notify, disposition);
    if (refusal != KERN_SUCCESS) return space_leave(handle, refusal);
  }
  return space_leave(handle, request_arm(space, name, id, sync, notify, disposition));
}

function request_check(space: IpcSpace, name: u32, id: u32, sync: u32, notify: u32): u32 {
  const known = id == MACH_NOTIFY_PORT_DESTROYED || id == MACH_NOTIFY_NO_SENDERS || id == MACH_NOTIFY_DEAD_NAME;
  if (id == MACH_NOTIFY_SEND_POSSIBLE) return KERN_NOT_SUPPORTED;
  if (!known) return KERN_INVALID_VALUE;
  if (id == MACH_NOTIFY_DEAD_NAME) return request_check_name(space, name, sync, notify);
  if (id == MACH_NOTIFY_PORT_DESTROYED && sync != 0) return KERN_INVALID_VALUE;
  if (!MACH_PORT_VALID(name)) return KERN_INVALID_RIGHT;
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  return ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE ? KERN_SUCCESS : KERN_INVALID_RIGHT;
}

function request_check_notify(space: IpcSpace, notify: u32, disposition: u32): u32 {
  if (notify == MACH_PORT_DEAD) return KERN_INVALID_CAPABILITY;
  const once = disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE || disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE;
  if (!once) return KERN_INVALID_VALUE;
  const entry = ipc_right_lookup(space, notify);
  if (!entry) return KERN_INVALID_NAME;
  return ipc_right_copyin_check(entry, disposition) != KERN_SUCCESS ? KERN_INVALID_RIGHT : KERN_SUCCESS;
}

function request_check_name(space: IpcSpace, name: u32, sync: u32, notify: u32): u32 {
  if (!MACH_PORT_VALID(name)) return KERN_INVALID_ARGUMENT;
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const type = ie_type(entry.ie_bits);
  if (type == MACH_PORT_TYPE_PORT_SET) return KERN_INVALID_RIGHT;
  if (type == MACH_PORT_TYPE_DEAD_NAME && (sync == 0 || notify == MACH_PORT_NULL)) return KERN_INVALID_ARGUMENT;
  return KERN_SUCCESS;
}

/** Conditions: request_check_notify succeeded, space locked since. */
function request_arm(space: IpcSpace, name: u32, id: u32, sync: u32, notify: u32, disposition: u32): u32 {
  const kmsg = carrier_alloc(MACH_MSG_TYPE_PORT_SEND_ONCE);
  const request = ipc_request_alloc(changetype<usize>(space), name);
  const message = ipc_notify_make(id, 0);
  let code = KERN_RESOURCE_SHORTAGE;
  if (kmsg && request && message) {
    if (notify != MACH_PORT_NULL) {
      const from = ipc_right_lookup(space, notify);
      if (from) ipc_right_copyin(space, notify, from, disposition, carrier_slot(kmsg));
    }
    code = kmsg.ikm_local == IP_DEAD ? KERN_INVALID_CAPABILITY : request_check(space, name, id, sync, notify);
    // The slot holds the new right, and after the exchange the previous one.
    const entry = ipc_right_lookup(space, name);
    if (code == KERN_SUCCESS && entry) {
      if (id == MACH_NOTIFY_DEAD_NAME) arm_dead_name(space, entry, name, kmsg, changetype<usize>(request), message);
      else arm_port(port_at(entry.ie_object), id, sync, kmsg);
      out_set(0, ipc_right_copyout(space, carrier_slot(kmsg), MACH_MSG_TYPE_PORT_SEND_ONCE, 0));
    }
  }
  // What was not used is still in this processor's hand; the carrier goes with the right in it, if that was refused.
  if (request && request.z_owner == my_pid()) zone_free(ZONE_REQUEST, changetype<usize>(request));
  if (message && message.z_owner == my_pid()) ipc_kmsg_free(message);
  if (kmsg) ipc_kmsg_destroy(kmsg);
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

function arm_dead_name(
  space: IpcSpace,
  entry: IpcEntry,
  name: u32,
  kmsg: IpcKmsg,
  address: usize,
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
  if (entry.ie_request != 0) {
    const armed = request_at(entry.ie_request);
    kmsg.ikm_local = armed.rq_notify;
    if (notify != 0) journal_set(changetype<usize>(armed) + offsetof<IpcRequest>("rq_notify"), notify);
    else cancel(port, entry);
  } else if (notify != 0) {
    kmsg.ikm_local = 0;
    request_at(address).rq_notify = notify;
    ipc_request_link(port, entry, request_at(address));
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
  store<u32>(<usize>message.ikm_bytes, name, 32);
  ipc_notify_post(message, notify);
  journal_commit();
}

/** Takes an armed request away without a word; its right is in the carrier. */
function cancel(port: IpcPort, entry: IpcEntry): void {
  const request = request_at(entry.ie_request);
  ipc_request_unlink(port, request);
  entry.ie_request = 0;
  reap_push(changetype<usize>(request));
}
