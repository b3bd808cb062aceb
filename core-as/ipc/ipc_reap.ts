// Long work, in committed steps: destroying messages, ports and sets, and posting notifications. Work is a stack of elements, linked
// by z_next, in the record of the processor that caused it; that processor does it before its trap ends, and if it dies, its
// recoverer takes the stack over. Each step is one transaction, so that a chain of any length needs no recursion and no step is
// done twice. What a step causes goes on top, and is done before the step's element goes on: effects come in Mach's order (A162).

import { journal_commit, journal_set } from "../kern/journal";
import { lock_acquire, lock_release, LOCK_TRANSIT } from "../kern/lock";
import { kdebug } from "../kern/panic";
import { h_ip_transit_at } from "../kern/memory_map";
import { me, my_pid } from "../kern/processor";
import { reap_pop, reap_push } from "../kern/work";
import { reap_memory, vme_chain_drop } from "../vm/vm_copy";
import { waiter_at, waiter_complete, waiter_wake, waiters_remove } from "../kern/waiter";
import {
  OWNER_LIVE,
  zone_free,
  zone_of,
  ZONE_OBJECT,
  ZONE_PORT,
  ZONE_PSET,
  ZONE_REQUEST,
  ZONE_VME,
} from "../kern/zone";
import {
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MACH_RCV_PORT_CHANGED,
  MACH_RCV_PORT_DIED,
} from "../abi/message";
import { MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_SEND_ONCE } from "../abi/port";
import {
  IKM_COUNTED,
  IKM_KEEP,
  ikm_local_type,
  ikm_port_at,
  IKM_POST,
  ikm_remote_type,
  ikm_uncounted,
  ipc_kmsg_free,
  IpcKmsg,
  kmsg_at,
  SLOT_MEMORY,
} from "./ipc_kmsg";
import { imq_close } from "./ipc_inbox";
import { imq_push, imq_recheck, PUSH_DONE, PUSH_KICK } from "./ipc_mqueue";
import {
  ipc_notify_make,
  ipc_notify_make_port_destroyed,
  ipc_notify_post,
  ipc_request_unlink,
  request_at,
} from "./ipc_notify";
import { IO_ACTIVE, io_receiver_hint } from "./ipc_object";
import {
  ip_active,
  IP_DEAD,
  ip_lock,
  ip_receivers_at,
  ip_senders_at,
  ip_unlock,
  ipc_port_forget_holder_locked,
  ipc_port_release_locked,
  IpcPort,
  port_at,
} from "./ipc_port";
import { ipc_pset_remove_all, pset_at } from "./ipc_pset";
import { reap_pset } from "./ipc_pset_destroy";
import { ipc_right_bury } from "./ipc_right";
import { ipc_right_drop_slot } from "./ipc_right_copy";
import { ipc_entry_lookup, IpcSpace, is_lock, is_serial, is_unlock } from "./ipc_space";

/**
 * Does all work on this processor's list.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal. May take from zones; when they are exhausted the rest is left
 *             for the end of the next trap.
 */
export function reap_run(): void {
  kdebug(me().p_journal_count == 0, 0x1902);
  while (me().p_work != 0) {
    if (!reap_step(me().p_work)) return;
  }
}

function reap_step(element: usize): bool {
  const zone = zone_of(element);
  if (zone == ZONE_PORT) return reap_port(port_at(element));
  if (zone == ZONE_REQUEST) return reap_request(element);
  if (zone == ZONE_PSET) {
    reap_pset(pset_at(element));
    return true; // always possible
  }
  if (zone == ZONE_VME || zone == ZONE_OBJECT) return reap_memory(zone, element);
  const kmsg = kmsg_at(element);
  return kmsg.ikm_types & IKM_POST ? reap_post(kmsg) : reap_kmsg(kmsg);
}

/**
 * Posts a notification; one that cannot be delivered is destroyed without a word (A157). Once it is off the list it is in this hand;
 * recovery puts what it finds there with IKM_POST on its own list.
 */
function reap_post(kmsg: IpcKmsg): bool {
  reap_pop(changetype<usize>(kmsg), my_pid());
  journal_commit();
  const port = port_at(kmsg.ikm_remote);
  const outcome = imq_push(port, kmsg, true);
  if (outcome == PUSH_KICK) imq_recheck(port);
  if (outcome == PUSH_DONE || outcome == PUSH_KICK) return true;
  kmsg.ikm_types &= ~IKM_POST;
  ip_lock(port);
  reap_push(changetype<usize>(kmsg));
  ipc_right_drop_slot(port, changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_remote"), ikm_remote_type(kmsg));
  return true;
}

/** Releases the next right of a kmsg, or the kmsg itself. */
function reap_kmsg(kmsg: IpcKmsg): bool {
  const remote_at = changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_remote");
  if (kmsg.ikm_remote != 0 && ikm_uncounted(kmsg)) kmsg._ikm_remote = 0;
  if (kmsg.ikm_remote != 0) return reap_slot(remote_at, ikm_remote_type(kmsg));
  const local_at = changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
  if (kmsg.ikm_local != 0) return reap_slot(local_at, ikm_local_type(kmsg));
  while (kmsg.ikm_cursor < kmsg.ikm_ports_count) {
    const slot_at = ikm_port_at(kmsg, kmsg.ikm_cursor);
    if (load<u32>(slot_at) != 0) {
      if ((load<u32>(slot_at, 4) & SLOT_MEMORY) == 0) return reap_slot(slot_at, load<u8>(slot_at, 4));
      vme_chain_drop(slot_at);
      return true;
    }
    kmsg.ikm_cursor++;
  }
  reap_pop(changetype<usize>(kmsg), my_pid());
  journal_commit();
  if (kmsg.ikm_types & IKM_KEEP) {
    kmsg.ikm_types &= ~IKM_KEEP;
  } else {
    ipc_kmsg_free(kmsg);
  }
  return true;
}

/** Releases the right in a slot as its holder would. Returns: false when memory for a notification is exhausted. */
function reap_slot(slot_at: usize, type: u32): bool {
  const object = load<u32>(slot_at);
  if (object == IP_DEAD) {
    store<u32>(slot_at, 0);
    return true;
  }
  const port = port_at(object);
  if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
    reap_slot_receive(slot_at, port);
    return true;
  }
  if (type == MACH_MSG_TYPE_PORT_SEND) {
    ip_lock(port);
    ipc_right_drop_slot(port, slot_at, type);
    return true;
  }
  const kmsg = ipc_notify_make(MACH_NOTIFY_SEND_ONCE, 0);
  if (!kmsg) return false;
  ip_lock(port);
  if (!ip_active(port)) {
    ipc_right_drop_slot(port, slot_at, type);
    ipc_kmsg_free(kmsg);
    return true;
  }
  journal_set(slot_at, 0);
  ipc_notify_post(kmsg, object); // the right is used for the notification
  journal_commit();
  ip_unlock(port);
  return true;
}

/** Destroys the receive right in a slot. Conditions: port and ip_transit not locked, nothing in the journal. Commits. */
export function reap_slot_receive(slot_at: usize, port: IpcPort): void {
  lock_acquire(h_ip_transit_at(), LOCK_TRANSIT);
  ip_lock(port);
  journal_set(slot_at, 0);
  port.ip_destination = 0;
  ipc_port_destroy_locked(port);
  journal_commit();
  ip_unlock(port);
  lock_release(h_ip_transit_at(), LOCK_TRANSIT);
}

/**
 * Ends what the holder of a receive right had with the port: it leaves all sets, waiting receivers wake.
 *
 * Conditions: port locked, nothing in the journal. Commits, once for each membership and waiter.
 */
export function ipc_port_clear_receiver_locked(port: IpcPort, dies: bool): void {
  ipc_pset_remove_all(port);
  const receivers_at = ip_receivers_at(port);
  while (load<u32>(receivers_at) != 0) {
    const waiter = waiter_at(load<u32>(receivers_at));
    waiters_remove(receivers_at, waiter);
    waiter_complete(waiter, dies ? MACH_RCV_PORT_DIED : MACH_RCV_PORT_CHANGED, 0);
    journal_commit();
    waiter_wake(waiter);
  }
}

/**
 * Destroys a port whose receive right nobody holds any more: at once it is dead to all; the rest is work. If a port-destroyed
 * request is armed, the receive right travels in its notification instead.
 *
 * Conditions: port locked, in a transaction; ipc_port_clear_receiver_locked was done.
 * Consumes:   the receive right.
 * Returns:    whether the port lives on.
 */
export function ipc_port_destroy_locked(port: IpcPort): bool {
  port.io_receiver = 0;
  port.io_name = 0;
  if (port.ip_pdrequest != 0) {
    const kmsg = ipc_notify_make_port_destroyed();
    if (kmsg) {
      const notify = port.ip_pdrequest;
      port.ip_pdrequest = 0;
      if (!ipc_port_circular(port, notify)) {
        ipc_port_forget_holder_locked(port);
        port.ip_destination = notify;
        journal_set(ikm_port_at(kmsg, 0), <u32>changetype<usize>(port));
        ipc_notify_post(kmsg, notify);
        return true;
      }
      // Would lie behind itself (A156): the request is dropped with its right.
      kmsg.ikm_types &= ~IKM_POST;
      ipc_notify_post(kmsg, notify);
    }
  }
  port.io_bits = port.io_bits & ~IO_ACTIVE;
  port.ip_dying = 1;
  reap_push(changetype<usize>(port));
  return false;
}

/**
 * Whether `port` in a message to `destination` would lie in its own queue, directly or by way of ports in transit.
 *
 * Conditions: ip_transit held, but for a port that is not in transit. Races: a port comes out of transit under ip_transit only; one
 *             that leaves its space now is not on its way yet (ip_destination 0), and its sender looks here next.
 */
export function ipc_port_circular(port: IpcPort, destination: u32): bool {
  for (let at = destination; at != 0; at = port_at(at).ip_destination) {
    if (at == changetype<usize>(port)) return true;
    if (io_receiver_hint(port_at(at)) != 0) return false;
  }
  return false;
}

/** One step of a port's destruction (A162). */
function reap_port(port: IpcPort): bool {
  ip_lock(port);
  imq_close(port);
  let done = true;
  if (load<u32>(ip_senders_at(port)) != 0) reap_sender(port);
  else if (port.imq_first != 0) reap_message(port);
  else if (port.ip_nsrequest != 0)
    done = reap_request_right(changetype<usize>(port) + offsetof<IpcPort>("_ip_nsrequest"));
  else if (port.ip_pdrequest != 0)
    done = reap_request_right(changetype<usize>(port) + offsetof<IpcPort>("_ip_pdrequest"));
  else if (port.ip_requests == 0) {
    reap_pop(changetype<usize>(port), OWNER_LIVE);
    port.ip_dying = 2;
    ipc_port_release_locked(port);
    return true;
  } else {
    ip_unlock(port);
    reap_dead_name(port);
    return true;
  }
  journal_commit();
  ip_unlock(port);
  return done;
}

/** A blocked sender: SUCCESS, its message destroyed (A85). */
function reap_sender(port: IpcPort): void {
  const senders_at = ip_senders_at(port);
  const waiter = waiter_at(load<u32>(senders_at));
  const kmsg = kmsg_at(waiter.w_kmsg);
  waiters_remove(senders_at, waiter);
  waiter_complete(waiter, MACH_MSG_SUCCESS, 0);
  reap_orphan(port, kmsg);
  journal_commit();
  waiter_wake(waiter);
}

function reap_message(port: IpcPort): void {
  const kmsg = kmsg_at(port.imq_first);
  port.imq_first = kmsg.ikm_forward;
  if (kmsg.ikm_forward == 0) port.imq_last = 0;
  reap_orphan(port, kmsg);
}

/** Ends a message's right for the dying port it was sent to, and queues the message for its own destruction. */
function reap_orphan(port: IpcPort, kmsg: IpcKmsg): void {
  if (ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND_ONCE) port.ip_sorights = port.ip_sorights - 1;
  else if (kmsg.ikm_types & IKM_COUNTED) port.ip_srights = port.ip_srights - 1;
  kmsg.ikm_remote = 0;
  kmsg.ikm_types &= ~IKM_POST;
  reap_push(changetype<usize>(kmsg));
}

/** An armed request's send-once right is used to say that it was dropped: SEND_ONCE (A146). */
function reap_request_right(word_at: usize): bool {
  const kmsg = ipc_notify_make(MACH_NOTIFY_SEND_ONCE, 0);
  if (!kmsg) return false;
  ipc_notify_post(kmsg, load<u32>(word_at));
  journal_set(word_at, 0);
  return true;
}

/**
 * Tells the first name that asked of the port's death; the name gains the reference that the notification carries (A148).
 *
 * Conditions: nothing locked. Space before port: the request is read first and confirmed under both locks.
 */
function reap_dead_name(port: IpcPort): void {
  ip_lock(port);
  const first = port.ip_requests;
  const space = first == 0 ? 0 : request_at(first).rq_space;
  ip_unlock(port);
  if (first == 0) return;

  is_lock(changetype<IpcSpace>(space));
  ip_lock(port);
  if (port.ip_requests == first && request_at(first).rq_space == space) {
    const request = request_at(first);
    const entry = ipc_entry_lookup(changetype<IpcSpace>(space), request.rq_name);
    // Otherwise the name is dead already, and has the notification's reference, or had it.
    if (entry && entry.ie_request == first) ipc_right_bury(changetype<IpcSpace>(space), entry, port);
    ipc_request_unlink(port, request);
    request.rq_id = MACH_NOTIFY_DEAD_NAME;
    reap_push(first);
  }
  journal_commit();
  ip_unlock(port);
  is_unlock(changetype<IpcSpace>(space));
}

/** A request whose time has come: its notification, then the request itself. */
function reap_request(element: usize): bool {
  const request = request_at(element);
  if (request.rq_id == 0) {
    reap_pop(element, my_pid()); // cancelled: its right went elsewhere
    journal_commit();
    zone_free(ZONE_REQUEST, element);
    return true;
  }
  const kmsg = ipc_notify_make(request.rq_id, 0);
  if (!kmsg) return false;
  // Told of room, it may still be its entry's. An ended task has no entries, and the next one there has another number.
  const space = changetype<IpcSpace>(<usize>request.rq_space);
  is_lock(space);
  if (is_serial(request.rq_space) == request.rq_serial && space.is_entries != 0) {
    const entry = ipc_entry_lookup(space, request.rq_name);
    if (entry && entry.ie_request == element) entry.ie_request = 0;
  }
  store<u32>(<usize>kmsg.ikm_bytes, request.rq_name, 32);
  reap_pop(element, my_pid());
  ipc_notify_post(kmsg, request.rq_notify);
  journal_commit();
  is_unlock(space);
  zone_free(ZONE_REQUEST, element);
  return true;
}
