// Notifications: messages from the kernel on send-once rights, and the requests of names that ask for them. A notification is
// a kmsg that holds the send-once right as its destination; it is put on the work list in the transaction that causes it and
// posted from there (ipc_reap.ts), so that a death in between loses nothing.
//
// A name has one request, for dead-name or send-possible; either tells of the port's death. A send-possible request is armed by a
// send with MACH_SEND_NOTIFY that finds the queue full, or when it is made (sync), and told once, when there is room.
//
// Why no room is missed. A queue gets room only under its port's lock: by a dequeue, a higher limit, a count that is corrected after
// a death. (Where senders are blocked, there was none and is none.) A request is armed only under that lock, after a look that
// found no room. So whoever makes room comes after the arming and sees it (ip_sprequests): imq_room is called after each of these,
// committed, before the lock is opened; who dies between leaves the port dirty, and its next owner calls it (imq_recover; a burial
// locks every dirty port). A send that was refused before it held the lock tries again under it: either it is queued, or it
// arms. Once told, the request itself goes to the work list: exhausted memory delays the word and loses nothing. If the port dies
// instead, all of its requests are told of that, armed or not.

import { journal_commit, journal_set } from "../kern/journal";
import { Element, OWNER_LIVE, zone_alloc, ZONE_REQUEST } from "../kern/zone";
import {
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MACH_MSGH_BITS_COMPLEX,
  MSGH_BITS,
  MSGH_ID,
  MSGH_VOUCHER_PORT,
} from "../abi/message";
import { IO_ACTIVE, IO_KOTYPE_SHIFT } from "./ipc_object";
import {
  IKOT_NAMED_ENTRY,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DELETED,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_NOTIFY_SEND_POSSIBLE,
} from "../abi/port";
import { IKM_COMPLEX, IKM_POST, ikm_port_at, IKM_RECEIVE, ipc_kmsg_alloc, IpcKmsg } from "./ipc_kmsg";
import { IpcEntry } from "./ipc_entry";
import { ip_active, IpcPort } from "./ipc_port";
import { imq_full, imq_sends } from "./ipc_inbox";
import { reap_push } from "../kern/work";
import { is_serial } from "./ipc_space";

/** Header 24, NDR record 8, one word. */
const NOTIFICATION_BYTES: u32 = 36;
/** What a request wants to hear of: death alone; room too, once a send has found none; room, now. */
export const RQ_DEATH: u32 = 0;
export const RQ_POSSIBLE: u32 = 1;
export const RQ_ARMED: u32 = 2;

const NDR_LOW: u32 = 0;
const NDR_HIGH: u32 = 1;

/**
 * A name's request: whose name, and whom to tell. Linked on its port, whose lock guards it, until rq_id is set; from then on it is
 * work. Its entry may point to it longer, until the work gets to it: the space's lock guards that.
 */
@unmanaged
export class IpcRequest extends Element {
  rq_space: u32;
  _rq_name: u32;
  /** Port of the send-once right. */
  rq_notify: u32;
  /** Notification to send, once it is on a work list; 0: none. */
  _rq_id: u32;
  _rq_next: u32;
  _rq_prev: u32;
  /** RQ_DEATH, RQ_POSSIBLE or RQ_ARMED. */
  _rq_wants: u32;
  /** Serial number of the space's task. */
  rq_serial: u32;

  get rq_wants(): u32 {
    return this._rq_wants;
  }
  set rq_wants(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcRequest>("_rq_wants"), value);
  }
  get rq_name(): u32 {
    return this._rq_name;
  }
  set rq_name(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcRequest>("_rq_name"), value);
  }
  get rq_id(): u32 {
    return this._rq_id;
  }
  set rq_id(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcRequest>("_rq_id"), value);
  }
  get rq_next(): u32 {
    return this._rq_next;
  }
  set rq_next(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcRequest>("_rq_next"), value);
  }
  get rq_prev(): u32 {
    return this._rq_prev;
  }
  set rq_prev(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcRequest>("_rq_prev"), value);
  }
}
if (offsetof<IpcRequest>() > 64) ERROR("a request must fit its element");

export function request_at(address: usize): IpcRequest {
  return changetype<IpcRequest>(address);
}

/**
 * Builds a notification with one word, or none (SEND_ONCE).
 *
 * Returns: the kmsg, in this processor's hand, without its right; null when memory is exhausted.
 */
export function ipc_notify_make(id: u32, value: u32): IpcKmsg | null {
  const kmsg = ipc_kmsg_alloc(NOTIFICATION_BYTES + 4, 1);
  if (!kmsg) return null;
  const bytes: usize = kmsg.ikm_bytes;
  store<u32>(bytes, 0, MSGH_BITS);
  store<u32>(bytes, 0, MSGH_VOUCHER_PORT);
  store<u32>(bytes, id, MSGH_ID);
  store<u32>(bytes, NDR_LOW, 24);
  store<u32>(bytes, NDR_HIGH, 28);
  store<u32>(bytes, value, 32);
  kmsg.ikm_size = id == MACH_NOTIFY_SEND_ONCE ? 24 : NOTIFICATION_BYTES;
  kmsg.ikm_types = MACH_MSG_TYPE_PORT_SEND_ONCE | IKM_POST;
  kmsg.ikm_sender_task = 0;
  kmsg.ikm_sender_processor = 1;
  return kmsg;
}

/**
 * As ipc_notify_make for PORT_DESTROYED: one descriptor, whose port the caller gives in the transaction.
 *
 * Returns: the kmsg, in this processor's hand; null when memory is exhausted.
 */
export function ipc_notify_make_port_destroyed(): IpcKmsg | null {
  const kmsg = ipc_notify_make(MACH_NOTIFY_PORT_DESTROYED, 0);
  if (!kmsg) return null;
  const bytes: usize = kmsg.ikm_bytes;
  store<u32>(bytes, MACH_MSGH_BITS_COMPLEX, MSGH_BITS);
  store<u32>(bytes, 1, 24);
  store<u32>(bytes, 0, 28);
  store<u32>(bytes, 0, 32);
  store<u32>(bytes, MACH_MSG_TYPE_PORT_RECEIVE << 16, 36);
  store<u32>(ikm_port_at(kmsg, 0), 0);
  store<u32>(ikm_port_at(kmsg, 0), MACH_MSG_TYPE_PORT_RECEIVE, 4);
  kmsg.ikm_ports_count = 1;
  kmsg.ikm_size = 40;
  kmsg.ikm_types |= IKM_RECEIVE | IKM_COMPLEX;
  return kmsg;
}

/**
 * Gives the notification its send-once right and puts it on the work list.
 *
 * Conditions: in a transaction. Consumes: the right, and the kmsg.
 */
export function ipc_notify_post(kmsg: IpcKmsg, notify: u32): void {
  kmsg.ikm_remote = notify;
  reap_push(changetype<usize>(kmsg));
}

/** A memory entry that nobody has a right for: its port dies, its memory is given up. Conditions: port locked, in a transaction. */
function ipc_kobject_end(port: IpcPort): void {
  const first: usize = port.ip_kobject;
  port.io_bits = port.io_bits & ~IO_ACTIVE;
  port.ip_dying = 1;
  reap_push(changetype<usize>(port));
  reap_push(first); // its work comes first
}

/**
 * Sends the armed no-senders notification if no sender is left; a memory entry ends.
 *
 * Conditions: port locked, in a transaction. When memory is exhausted the request stays armed.
 */
export function ipc_notify_no_senders_locked(port: IpcPort): void {
  if (port.ip_srights != 0 || !ip_active(port)) return;
  if (port.io_bits >>> IO_KOTYPE_SHIFT == IKOT_NAMED_ENTRY) ipc_kobject_end(port);
  if (port.ip_nsrequest == 0 || imq_sends(port, 1) != 0) return;
  const kmsg = ipc_notify_make(MACH_NOTIFY_NO_SENDERS, port.ip_mscount);
  if (!kmsg) return;
  ipc_notify_post(kmsg, port.ip_nsrequest);
  port.ip_nsrequest = 0;
}

/** Makes a request, not yet linked. Returns: null when memory is exhausted. */
export function ipc_request_alloc(space: usize, name: u32): IpcRequest | null {
  const address = zone_alloc(ZONE_REQUEST);
  if (address == 0) return null;
  const request = request_at(address);
  request.rq_space = <u32>space;
  request.rq_serial = is_serial(space);
  request._rq_name = name;
  request.rq_notify = 0;
  request._rq_id = 0;
  request._rq_wants = RQ_DEATH;
  return request;
}

/** Changes what a linked request wants. Conditions: port locked, in a transaction. */
export function ipc_request_want(port: IpcPort, request: IpcRequest, wants: u32): void {
  const before: u32 = request.rq_wants == RQ_ARMED ? 1 : 0;
  const after: u32 = wants == RQ_ARMED ? 1 : 0;
  if (before != after) port.ip_sprequests = port.ip_sprequests + after - before;
  request.rq_wants = wants;
}

/** The request of a name that has not been told yet, or null. Conditions: space and port locked. */
export function ipc_request_of(entry: IpcEntry): IpcRequest | null {
  if (entry.ie_request == 0 || request_at(entry.ie_request).rq_id != 0) return null;
  return request_at(entry.ie_request);
}

/** A152: a send found the queue full. Conditions: space and port locked, nothing in the journal. Commits. */
export function ipc_request_arm(port: IpcPort, entry: IpcEntry): void {
  const request = ipc_request_of(entry);
  if (request && request.rq_wants == RQ_POSSIBLE) ipc_request_want(port, request, RQ_ARMED);
  journal_commit();
}

/** A151: tells all that wait for room, if there is some. Conditions: port locked, nothing in the journal. Commits, once for each. */
export function imq_room(port: IpcPort): void {
  if (imq_full(port) || !ip_active(port)) return;
  let at = port.ip_requests;
  while (port.ip_sprequests != 0) {
    const request = request_at(at);
    at = request.rq_next;
    if (request.rq_wants != RQ_ARMED) continue;
    ipc_request_unlink(port, request);
    request.rq_id = MACH_NOTIFY_SEND_POSSIBLE;
    reap_push(changetype<usize>(request));
    journal_commit();
  }
}

/** Arms a request. Conditions: space and port locked, in a transaction. */
export function ipc_request_link(port: IpcPort, entry: IpcEntry, request: IpcRequest): void {
  const address = <u32>changetype<usize>(request);
  request._rq_next = port.ip_requests; // without notes: it is in this hand
  request._rq_prev = 0;
  if (port.ip_requests != 0) request_at(port.ip_requests).rq_prev = address;
  port.ip_requests = address;
  port.ip_request_count = port.ip_request_count + 1;
  entry.ie_request = address;
  journal_set(address, OWNER_LIVE);
}

/** Takes a request off its port. Conditions: port locked, in a transaction. */
export function ipc_request_unlink(port: IpcPort, request: IpcRequest): void {
  ipc_request_want(port, request, RQ_DEATH);
  if (request.rq_prev != 0) request_at(request.rq_prev).rq_next = request.rq_next;
  else port.ip_requests = request.rq_next;
  if (request.rq_next != 0) request_at(request.rq_next).rq_prev = request.rq_prev;
  port.ip_request_count = port.ip_request_count - 1;
}

/** A name goes away before its port: its armed request becomes PORT_DELETED. Conditions: space, port locked, in a transaction. */
export function ipc_request_cancel(port: IpcPort, entry: IpcEntry): void {
  const request = ipc_request_of(entry);
  if (entry.ie_request != 0) entry.ie_request = 0;
  if (!request) return;
  ipc_request_unlink(port, request);
  request.rq_id = MACH_NOTIFY_PORT_DELETED;
  reap_push(changetype<usize>(request));
}
