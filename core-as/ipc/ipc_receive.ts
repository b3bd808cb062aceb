// The receive half of mach_msg: find port or set, take the next message or wait, then copy out (A106 to A133). Results:
//   message delivered   out 0 kmsg (this processor's JavaScript holds it), 1 address of the bytes, 2 bytes to copy, trailer
//                       included, 3 seqno, 4 sender's task, 5 sender's processor, 6 name of the port
//   TOO_LARGE, LARGE    out 0 0, 3 bytes needed without trailer, 6 name of the port
//   IN_PROGRESS         out 0 the waiter
//
// The name is looked up without the space's lock: the entry is a guess that the object's own words confirm under its lock.

import { journal_commit, journal_set, journal_set_hint } from "../kern/journal";
import { my_pid, now, out_set, processor_can_wait } from "../kern/processor";
import {
  SLEEP_LEAVE,
  SLEEP_LOOK,
  SLEEP_WOKEN,
  spin_budget,
  spin_missed,
  spin_paid,
  Waiter,
  waiter_alloc,
  WAITER_ASYNC,
  WAITER_LINKED,
  WAITER_RECEIVE,
  waiter_settle,
  waiter_sleep,
  waiter_wake,
} from "../kern/waiter";
import { owner_hold, zone_free, ZONE_WAITER } from "../kern/zone";
import { KERN_RESOURCE_SHORTAGE, KERN_TERMINATED } from "../abi/kern_return";
import {
  MACH_IPC_RETRY,
  MACH_IPC_WOULD_BLOCK,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_INVALID_NAME,
  MACH_RCV_LARGE,
  MACH_RCV_PORT_DIED,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TIMEOUT,
  MACH_RCV_TOO_LARGE,
} from "../abi/message";
import { MACH_PORT_TYPE_PORT_SET, MACH_PORT_TYPE_RECEIVE } from "../abi/port";
import { ie_bits_hint, ie_object_hint, ie_type } from "./ipc_entry";
import { ipc_kmsg_free, IpcKmsg, kmsg_at } from "./ipc_kmsg";
import {
  ikm_trailer_bytes,
  ikm_working,
  ipc_kmsg_add_trailer,
  ipc_kmsg_copyout,
  ipc_kmsg_copyout_dest,
  ipc_kmsg_destroy,
} from "./ipc_kmsg_copyout";
import { imq_dequeue, imq_peek, imq_spin, imq_too_large } from "./ipc_mqueue";
import { imq_unwait_receive, imq_wait_receive } from "./ipc_mqueue_wait";
import { io_name_hint, io_names, IO_PORT, IO_PSET } from "./ipc_object";
import { ip_lock, ip_receivers_at, ip_unlock, IpcPort, port_at } from "./ipc_port";
import {
  ipc_pset_holds,
  ipc_pset_rouse,
  ipc_pset_rotate,
  ipc_pset_unwait,
  ipc_pset_wait,
  IpcPset,
  ips_lock,
  ips_ready_hint,
  ips_unlock,
  link_at,
  pset_at,
} from "./ipc_pset";
import { reap_run } from "./ipc_reap";
import { ipc_entry_hint, IpcSpace, is_lock, is_serial, is_unlock } from "./ipc_space";
import { POLL, SLEEP, WAIT_ASYNC, waiter_free } from "./ipc_wait";

/** One receive: what every room below needs to know of it. The low bits of `mode` say how it waits, SPUN that it has spun. */
const SPUN: u32 = 8;

/**
 * Receives a message.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal.
 * Returns:    MACH_MSG_SUCCESS, or a receive code; MACH_RCV_IN_PROGRESS in mode WAIT_ASYNC; MACH_IPC_WOULD_BLOCK.
 */
export function ipc_mqueue_receive(
  space: IpcSpace,
  name: u32,
  option: u32,
  size: u32,
  timeout: u32,
  how: u32,
  cookie: u32,
): u32 {
  let mode = how;
  let deadline: f64 = -1;
  if (option & MACH_RCV_TIMEOUT) {
    if (timeout == 0 && mode == SLEEP) mode = POLL;
    else if (mode == SLEEP) deadline = now() + <f64>timeout;
  }
  reap_run();
  while (true) {
    const entry = ipc_entry_hint(space, name);
    if (!entry) return MACH_RCV_INVALID_NAME;
    const bits = ie_bits_hint(entry);
    const object = ie_object_hint(entry);
    const type = ie_type(bits) & (MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_PORT_SET);
    if (type == 0) return MACH_RCV_INVALID_NAME;
    let code = MACH_IPC_RETRY;
    // Between the two the name may have gone: nothing, and a set for a port, have no lock to be taken.
    if (object != 0 && ie_bits_hint(entry) == bits) {
      if (type == MACH_PORT_TYPE_RECEIVE)
        code = receive_port(space, port_at(object), name, option, size, deadline, mode, cookie);
      else code = receive_set(space, pset_at(object), name, option, size, deadline, mode, cookie);
    }
    if (code != MACH_IPC_RETRY) return code;
    if (mode & SPUN) {
      // Name and object disagree while somebody is between the two; he holds the space's lock.
      is_lock(space);
      is_unlock(space);
    }
    mode |= SPUN; // once is enough: later turns register
  }
}

function receive_port(
  space: IpcSpace,
  port: IpcPort,
  name: u32,
  option: u32,
  size: u32,
  deadline: f64,
  mode: u32,
  cookie: u32,
): u32 {
  ip_lock(port);
  if (!io_names(port, IO_PORT, changetype<usize>(space), name)) {
    ip_unlock(port);
    return MACH_IPC_RETRY;
  }
  const kmsg = imq_peek(port);
  if (kmsg) return take(space, port, kmsg, option, size);
  if (mode & POLL) return leave_port(port, MACH_RCV_TIMED_OUT);
  if ((mode & WAIT_ASYNC) == 0) {
    if (!processor_can_wait()) return leave_port(port, MACH_IPC_WOULD_BLOCK);
    const budget = (mode & SPUN) == 0 && load<u32>(ip_receivers_at(port)) == 0 ? spin_budget() : 0;
    if (budget != 0) {
      ip_unlock(port);
      imq_spin(port, budget);
      return MACH_IPC_RETRY;
    }
  }
  const waiter = receive_waiter(changetype<usize>(port), space, option, size, mode, cookie);
  if (!waiter) return leave_port(port, KERN_RESOURCE_SHORTAGE);
  imq_wait_receive(port, waiter);
  ip_unlock(port);
  if (mode & WAIT_ASYNC) {
    out_set(0, <u32>changetype<usize>(waiter));
    return MACH_RCV_IN_PROGRESS;
  }
  return sleep_port(space, port, waiter, option, size, deadline);
}

function leave_port(port: IpcPort, code: u32): u32 {
  ip_unlock(port);
  return code;
}

function receive_waiter(object: usize, space: IpcSpace, option: u32, size: u32, mode: u32, cookie: u32): Waiter | null {
  const kind = mode & WAIT_ASYNC ? WAITER_RECEIVE | WAITER_ASYNC : WAITER_RECEIVE;
  const task = changetype<usize>(space);
  return waiter_alloc(object, task, is_serial(task), kind, cookie, size, option);
}

/** Takes the message that is next. Conditions: port locked since imq_peek. Unlocks it. */
function take(space: IpcSpace, port: IpcPort, kmsg: IpcKmsg, option: u32, size: u32): u32 {
  if ((option & MACH_RCV_LARGE) != 0 && imq_too_large(kmsg, option, size)) {
    out_too_large(kmsg.ikm_size, port.io_name);
    return leave_port(port, MACH_RCV_TOO_LARGE);
  }
  imq_dequeue(port, kmsg);
  ip_unlock(port);
  return ipc_receive_finish(space, kmsg, option, size);
}

function out_too_large(bytes: u32, name: u32): void {
  out_set(0, 0);
  out_set(2, 0);
  out_set(3, bytes);
  out_set(6, name);
}

/** Sleeps on a linked waiter and takes what it was given. */
function sleep_port(space: IpcSpace, port: IpcPort, waiter: Waiter, option: u32, size: u32, deadline: f64): u32 {
  while (true) {
    const end = waiter_sleep(waiter, deadline);
    if (end == SLEEP_WOKEN) break;
    ip_lock(port); // perhaps another port by now; then the waiter is not linked any more
    const linked = waiter.w_state == WAITER_LINKED;
    if (linked && end != SLEEP_LOOK) imq_unwait_receive(port, waiter);
    ip_unlock(port);
    if (linked && end == SLEEP_LOOK) continue;
    if (linked) {
      zone_free(ZONE_WAITER, changetype<usize>(waiter));
      return end == SLEEP_LEAVE ? KERN_TERMINATED : MACH_RCV_TIMED_OUT;
    }
    waiter_settle(waiter); // handed over at the last moment: received, never lost
    break;
  }
  return ipc_receive_done(space, waiter, option, size);
}

/**
 * Takes what a completed waiter was given, and frees the waiter. `space`: null when its task has ended.
 *
 * Conditions: completed, its wake-up given; nothing locked, nothing in the journal. Returns: the receive's code.
 * Races:      kmsg and waiter come to this hand together: after a fault either both are there, or the waiter carries the kmsg.
 */
export function ipc_receive_done(space: IpcSpace | null, waiter: Waiter, option: u32, size: u32): u32 {
  let code = waiter.w_code;
  const kmsg = waiter.w_kmsg;
  const needed = waiter.w_size;
  const port = port_at(waiter.w_object);
  if (kmsg != 0) journal_set(kmsg, my_pid());
  journal_set_hint(changetype<usize>(waiter), my_pid());
  journal_commit();
  waiter_free(waiter);
  if (kmsg != 0 && space) return ipc_receive_finish(space, kmsg_at(kmsg), option, size);
  if (kmsg != 0) {
    ipc_kmsg_destroy(kmsg_at(kmsg));
    code = MACH_RCV_PORT_DIED;
  }
  out_set(0, 0);
  if (code == MACH_RCV_TOO_LARGE) out_too_large(needed, io_name_hint(port));
  return code;
}

/** Copies a dequeued message out to the receiver. Conditions: kmsg in this processor's hand, nothing locked. */
export function ipc_receive_finish(space: IpcSpace, kmsg: IpcKmsg, option: u32, size: u32): u32 {
  const code = imq_too_large(kmsg, option, size)
    ? ipc_kmsg_copyout_dest(kmsg, MACH_RCV_TOO_LARGE)
    : ipc_kmsg_copyout(space, kmsg, option);
  if (ikm_working(kmsg)) {
    out_set(0, 0);
    out_set(2, 0);
    return code;
  }
  const fits = kmsg.ikm_size + ikm_trailer_bytes(option) <= size;
  out_set(3, kmsg.ikm_seqno);
  out_set(4, kmsg.ikm_sender_task);
  out_set(5, kmsg.ikm_sender_processor);
  out_set(6, kmsg.ikm_local_name);
  if (!fits) {
    ipc_kmsg_free(kmsg);
    out_set(0, 0);
    out_set(2, 0);
    return code;
  }
  out_set(0, <u32>changetype<usize>(kmsg));
  out_set(1, kmsg.ikm_bytes);
  out_set(2, ipc_kmsg_add_trailer(kmsg, option));
  owner_hold(changetype<usize>(kmsg));
  return code;
}

function receive_set(
  space: IpcSpace,
  pset: IpcPset,
  name: u32,
  option: u32,
  size: u32,
  deadline: f64,
  mode: u32,
  cookie: u32,
): u32 {
  const ready = ips_ready_hint(pset);
  if (ready != 0) return receive_member(space, pset, name, ready, option, size);
  if ((mode & (WAIT_ASYNC | POLL | SPUN)) == 0 && processor_can_wait()) {
    const budget = spin_budget();
    for (let turn: u32 = 0; turn < budget; turn++) {
      if (ips_ready_hint(pset) == 0) continue;
      spin_paid();
      return MACH_IPC_RETRY;
    }
    if (budget != 0) spin_missed();
    return MACH_IPC_RETRY;
  }
  ips_lock(pset);
  if (!io_names(pset, IO_PSET, changetype<usize>(space), name) || pset.ips_ready != 0) {
    ips_unlock(pset);
    return MACH_IPC_RETRY;
  }
  if (mode & POLL) return leave_set(pset, MACH_RCV_TIMED_OUT);
  if ((mode & WAIT_ASYNC) == 0 && !processor_can_wait()) return leave_set(pset, MACH_IPC_WOULD_BLOCK);
  const waiter = receive_waiter(changetype<usize>(pset), space, option, size, mode, cookie);
  if (!waiter) return leave_set(pset, KERN_RESOURCE_SHORTAGE);
  ipc_pset_wait(pset, waiter);
  ips_unlock(pset);
  if (mode & WAIT_ASYNC) {
    out_set(0, <u32>changetype<usize>(waiter));
    return MACH_RCV_IN_PROGRESS;
  }
  return sleep_set(pset, waiter, deadline);
}

function leave_set(pset: IpcPset, code: u32): u32 {
  ips_unlock(pset);
  return code;
}

/** Takes a message from the member that seems to be next. */
function receive_member(space: IpcSpace, pset: IpcPset, name: u32, ready: u32, option: u32, size: u32): u32 {
  const link = link_at(ready);
  const address = link.l_port; // a guess: links keep their type and are not emptied, so this is a port
  const port = port_at(address);
  ip_lock(port);
  ips_lock(pset);
  if (!io_names(pset, IO_PSET, changetype<usize>(space), name) || !ipc_pset_holds(pset, link, address)) {
    ips_unlock(pset);
    ip_unlock(port);
    return MACH_IPC_RETRY;
  }
  const kmsg = imq_peek(port);
  if (kmsg && (option & MACH_RCV_LARGE) != 0 && imq_too_large(kmsg, option, size)) {
    out_too_large(kmsg.ikm_size, port.io_name);
    const next = ipc_pset_rouse(pset); // the message stays: another receiver may have room for it
    journal_commit();
    ips_unlock(pset);
    ip_unlock(port);
    if (next) waiter_wake(next);
    return MACH_RCV_TOO_LARGE;
  }
  if (kmsg) imq_dequeue(port, kmsg);
  const other = ipc_pset_rotate(pset, link, port);
  ips_unlock(pset);
  ip_unlock(port);
  if (other) waiter_wake(other);
  return kmsg ? ipc_receive_finish(space, kmsg, option, size) : MACH_IPC_RETRY;
}

/** Sleeps on a waiter of a set: MACH_IPC_RETRY when a member became ready. */
function sleep_set(pset: IpcPset, waiter: Waiter, deadline: f64): u32 {
  while (true) {
    const end = waiter_sleep(waiter, deadline);
    if (end == SLEEP_WOKEN) break;
    ips_lock(pset);
    const linked = waiter.w_state == WAITER_LINKED;
    if (linked && end != SLEEP_LOOK) ipc_pset_unwait(pset, waiter);
    ips_unlock(pset);
    if (linked && end == SLEEP_LOOK) continue;
    if (linked) {
      zone_free(ZONE_WAITER, changetype<usize>(waiter));
      return end == SLEEP_LEAVE ? KERN_TERMINATED : MACH_RCV_TIMED_OUT;
    }
    waiter_settle(waiter);
    break;
  }
  const code = waiter.w_code;
  waiter_free(waiter);
  return code;
}
