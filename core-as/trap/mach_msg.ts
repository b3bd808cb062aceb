// mach_msg_trap and its kin: arguments checked, then the rooms of the message path in order (core-as/README.md).

import {
  batch_get,
  batch_set,
  DEBUG_SITE_AFTER_PUSH,
  DEBUG_SITE_BEFORE_PUSH,
  DEBUG_SITE_COPYIN_END,
  debug_site,
  now,
  out_get,
  out_set,
} from "../kern/processor";
import { my_pid } from "../kern/processor";
import { RECEIVE_MANY_MAX, SEND_MANY_MAX } from "../kern/param";
import { OWNER_HELD, owner_hold, owner_take } from "../kern/zone";
import { KERN_INVALID_ARGUMENT, KERN_INVALID_TASK, KERN_SUCCESS } from "../abi/kern_return";
import { IKOT_NONE } from "../abi/port";
import {
  MACH_MSG_PORTS_MAX,
  MACH_MSG_SIZE_MAX,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MACH_RCV_MSG,
  MACH_RCV_TIMED_OUT,
  MACH_SEND_INVALID_DATA,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_MSG,
  MACH_SEND_MSG_TOO_SMALL,
  MACH_SEND_NO_BUFFER,
  MACH_SEND_NOTIFY,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
  MACH_SEND_TOO_LARGE,
  MSGH_HEADER_BYTES,
} from "../abi/message";
import {
  ikm_complex,
  IKM_COUNTED,
  ikm_remote_type,
  ikm_valid,
  ipc_kmsg_alloc_charged,
  ipc_kmsg_free,
  IpcKmsg,
  kmsg_at,
} from "../ipc/ipc_kmsg";
import {
  ipc_kmsg_check_shape,
  ipc_kmsg_copyin_body,
  ipc_kmsg_copyin_header,
  ipc_kmsg_count_destination,
  ipc_kmsg_enter_transit,
} from "../ipc/ipc_kmsg_copyin";
import { ikm_working, ipc_kmsg_clean, ipc_kmsg_copyout_pseudo, ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { imq_push, imq_recheck, PUSH_CLOSED, PUSH_DONE, PUSH_FULL, PUSH_KICK } from "../ipc/ipc_mqueue";
import { ipc_kobject_kind, ipc_kobject_server } from "../ipc/ipc_kobject";
import { ipc_request_arm } from "../ipc/ipc_notify";
import { ip_lock, ip_unlock, IpcPort, port_at } from "../ipc/ipc_port";
import { ipc_right_name } from "../ipc/ipc_right_copy";
import { ipc_entry_lookup, IpcSpace, is_lock, is_unlock } from "../ipc/ipc_space";
import { ipc_mqueue_send_wait, POLL, SLEEP, WAIT_ASYNC } from "../ipc/ipc_wait";
import { ipc_mqueue_receive } from "../ipc/ipc_receive";
import { task_from, task_tail } from "../task/task";
import { trap_enter, trap_leave } from "./trap";

/**
 * Gives a kmsg in which a message of `size` bytes, header included, is to be written, with at most `ports` descriptors and ports in
 * arrays, together.
 *
 * Returns: the kmsg, out 0 the address of its bytes; or 0, out 1 the code: MACH_SEND_NO_BUFFER (memory or quota), KERN_INVALID_TASK,
 *          KERN_INVALID_ARGUMENT (size or ports out of range), KERN_TERMINATED.
 */
export function mach_msg_prepare(task: u32, size: u32, ports: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) {
    out_set(1, kr);
    return 0;
  }
  out_set(1, MACH_SEND_NO_BUFFER);
  const kmsg = prepare(task, size, ports);
  if (kmsg == 0) return trap_leave(0);
  out_set(0, kmsg_at(kmsg).ikm_bytes);
  owner_hold(kmsg);
  return trap_leave(kmsg);
}

function prepare(handle: u32, size: u32, ports: u32): u32 {
  const task = task_from(handle);
  if (!task) {
    out_set(1, KERN_INVALID_TASK);
    return 0;
  }
  if (size < MSGH_HEADER_BYTES || size > MACH_MSG_SIZE_MAX || ports > size / 12 + MACH_MSG_PORTS_MAX) {
    out_set(1, KERN_INVALID_ARGUMENT);
    return 0;
  }
  const kmsg = ipc_kmsg_alloc_charged(task, size, ports);
  return kmsg ? <u32>changetype<usize>(kmsg) : 0;
}

/** Whether the argument is a kmsg that this processor's JavaScript holds. */
function held(kmsg: u32): bool {
  return ikm_valid(kmsg) && kmsg_at(kmsg).z_owner == (OWNER_HELD | my_pid());
}

/** Gives a held kmsg back. Returns: KERN_SUCCESS; KERN_INVALID_ARGUMENT: not one that this processor holds. */
export function mach_msg_release(kmsg: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  if (!held(kmsg)) return trap_leave(KERN_INVALID_ARGUMENT);
  ipc_kmsg_free(kmsg_at(kmsg));
  return trap_leave(KERN_SUCCESS);
}

/**
 * Optional send, then, if it succeeded, optional receive. The results are described where they are set: ipc_receive.ts.
 *
 * Consumes: the kmsg if the send phase succeeds; otherwise the caller still holds it, with the pseudo-received message in it
 *           when out 2 is not 0.
 */
export function mach_msg_trap(
  handle: u32,
  kmsg: u32,
  option: u32,
  send_size: u32,
  rcv_size: u32,
  rcv_name: u32,
  timeout: u32,
  _notify: u32,
): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  out_set(2, 0);
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  if (option & MACH_SEND_MSG) {
    const code = send(task, kmsg, option, send_size, timeout, SLEEP, 0);
    if (code != MACH_MSG_SUCCESS) return trap_leave(code);
  }
  if ((option & MACH_RCV_MSG) == 0) return trap_leave(MACH_MSG_SUCCESS);
  return trap_leave(ipc_mqueue_receive(task, rcv_name, option, rcv_size, timeout, SLEEP, 0));
}

/** The send half: A70 to A105. Consumes: the kmsg on MACH_MSG_SUCCESS and MACH_SEND_IN_PROGRESS. */
function send(task: IpcSpace, address: u32, option: u32, size: u32, timeout: u32, mode: u32, cookie: u32): u32 {
  if (size < MSGH_HEADER_BYTES || (size & 3) != 0) return MACH_SEND_MSG_TOO_SMALL;
  if (size > MACH_MSG_SIZE_MAX) return MACH_SEND_TOO_LARGE;
  if (!held(address)) return MACH_SEND_INVALID_DATA;
  const kmsg = kmsg_at(address);
  if (size > kmsg.ikm_capacity) return MACH_SEND_INVALID_DATA;
  const shape = ipc_kmsg_check_shape(kmsg, size);
  if (shape != MACH_MSG_SUCCESS) return shape;

  kmsg.ikm_size = size;
  kmsg.ikm_types = 0;
  owner_take(changetype<usize>(kmsg));
  kmsg.ikm_sender_task = task_tail(task).t_serial;
  kmsg.ikm_sender_processor = my_pid();
  is_lock(task);
  const code = copyin(task, kmsg);
  if (code != MACH_MSG_SUCCESS) {
    if (!ikm_working(kmsg)) owner_hold(changetype<usize>(kmsg));
    return code;
  }
  // space locked; every right is in the kmsg
  if (!ipc_kmsg_enter_transit(kmsg)) return destroy(task, kmsg);
  debug_site(DEBUG_SITE_COPYIN_END);
  const port = port_at(kmsg.ikm_remote);
  const always = ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND_ONCE;
  debug_site(DEBUG_SITE_BEFORE_PUSH);
  let outcome = imq_push(port, kmsg, always);
  if (outcome == PUSH_FULL && (option & MACH_SEND_NOTIFY) != 0) outcome = push_or_arm(task, port, kmsg);
  if (outcome == PUSH_DONE) {
    is_unlock(task);
    return MACH_MSG_SUCCESS;
  }
  if (outcome == PUSH_KICK) {
    is_unlock(task);
    debug_site(DEBUG_SITE_AFTER_PUSH);
    imq_recheck(port);
    return MACH_MSG_SUCCESS;
  }
  if (outcome == PUSH_CLOSED) {
    if (ipc_kobject_kind(port) != IKOT_NONE) ipc_kobject_server(kmsg);
    return destroy(task, kmsg);
  }
  ipc_kmsg_count_destination(kmsg);
  is_unlock(task);
  let failure = MACH_SEND_NO_BUFFER;
  if (outcome == PUSH_FULL) {
    const poll = (option & MACH_SEND_TIMEOUT) != 0 && timeout == 0;
    const deadline: f64 = option & MACH_SEND_TIMEOUT ? now() + <f64>timeout : -1;
    failure = poll ? MACH_SEND_TIMED_OUT : ipc_mqueue_send_wait(task, port, kmsg, deadline, mode, cookie);
    if (failure == MACH_MSG_SUCCESS || failure == MACH_SEND_IN_PROGRESS) return failure;
  }
  return pseudo(task, kmsg, failure);
}

/**
 * A152: tries once more where nobody can make room meanwhile; if there is none, arms the sender's send-possible request, if it has one.
 *
 * Conditions: space locked, all of the message copied in. Returns: as imq_push.
 */
function push_or_arm(space: IpcSpace, port: IpcPort, kmsg: IpcKmsg): u32 {
  ip_lock(port);
  const outcome = imq_push(port, kmsg, false);
  if (outcome == PUSH_FULL) {
    const entry = ipc_entry_lookup(space, ipc_right_name(space, port)); // gone, if the last right was moved
    if (entry) ipc_request_arm(port, entry);
  }
  ip_unlock(port);
  return outcome;
}

/**
 * Copies the message in.
 *
 * Conditions: space locked; unlocked on failure, with what was copied in released (A80), or, if only memory is short, given back.
 */
function copyin(task: IpcSpace, kmsg: IpcKmsg): u32 {
  let code = task.is_active == 0 ? KERN_INVALID_TASK : ipc_kmsg_copyin_header(task, kmsg);
  if (code != MACH_MSG_SUCCESS) {
    is_unlock(task);
    return code;
  }
  if (ikm_complex(kmsg) == 0) return MACH_MSG_SUCCESS;
  code = ipc_kmsg_copyin_body(task, kmsg);
  if (code == MACH_MSG_SUCCESS) return code;
  if (code == MACH_SEND_NO_BUFFER) {
    ipc_kmsg_count_destination(kmsg);
    is_unlock(task);
    return pseudo(task, kmsg, code);
  }
  is_unlock(task);
  ipc_kmsg_clean(kmsg);
  return code;
}

/** The destination is dead, or the message would lie in its own queue: SUCCESS, and the message is destroyed (A85, A169). */
function destroy(task: IpcSpace, kmsg: IpcKmsg): u32 {
  if (ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND && (kmsg.ikm_types & IKM_COUNTED) == 0) kmsg._ikm_remote = 0;
  is_unlock(task);
  ipc_kmsg_destroy(kmsg);
  return MACH_MSG_SUCCESS;
}

/**
 * Gives the message back to its sender.
 *
 * Conditions: as ipc_kmsg_copyout_pseudo. Consumes: the rights. Returns: `code` with trouble bits; out 0 kmsg, 1 bytes, 2 size.
 */
export function pseudo(task: IpcSpace, kmsg: IpcKmsg, code: u32): u32 {
  const trouble = ipc_kmsg_copyout_pseudo(task, kmsg);
  if (ikm_working(kmsg)) {
    out_set(0, 0);
    out_set(2, 0);
    return code | trouble;
  }
  owner_hold(changetype<usize>(kmsg));
  out_set(0, <u32>changetype<usize>(kmsg));
  out_set(1, kmsg.ikm_bytes);
  out_set(2, kmsg.ikm_size);
  return code | trouble;
}

/**
 * Sends the kmsgs of the batch in order until one is refused.
 *
 * Returns: the code of the last one tried; out 0: how many were sent. On a refusal out 1, 2 are as for a single send.
 */
export function mach_msg_send_many(handle: u32, count: u32, option: u32, timeout: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  out_set(2, 0);
  const task = task_from(handle);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  if (count > SEND_MANY_MAX) return trap_leave(KERN_INVALID_ARGUMENT);
  let code = MACH_MSG_SUCCESS;
  let sent: u32 = 0;
  while (sent < count && code == MACH_MSG_SUCCESS) {
    code = send(task, batch_get(sent * 2), option, batch_get(sent * 2 + 1), timeout, SLEEP, 0);
    if (code == MACH_MSG_SUCCESS) sent++;
  }
  out_set(0, sent);
  return trap_leave(code);
}

/**
 * Receives up to `max` messages without waiting: 8 words each in the batch, out 0 to 6 of a single receive and its code.
 *
 * Returns: MACH_MSG_SUCCESS and out 0: how many; otherwise the code of the first receive.
 */
export function mach_msg_receive_many(handle: u32, name: u32, option: u32, max: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  out_set(0, 0);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  const count = min(max, RECEIVE_MANY_MAX);
  let got: u32 = 0;
  let code = MACH_RCV_TIMED_OUT;
  while (got < count) {
    out_set(0, 0);
    code = ipc_mqueue_receive(task, name, option, MACH_MSG_SIZE_MAX + 64, 0, POLL, 0);
    if (code != MACH_MSG_SUCCESS && out_get(0) == 0) break;
    batch_message(got, code);
    got++;
    if (code != MACH_MSG_SUCCESS) break;
  }
  out_set(0, got);
  return trap_leave(got != 0 ? MACH_MSG_SUCCESS : code);
}

function batch_message(index: u32, code: u32): void {
  for (let word: u32 = 0; word < 7; word++) batch_set(index * 8 + word, out_get(word));
  batch_set(index * 8 + 7, code);
}

/** A receive for an event loop: at once, or MACH_RCV_IN_PROGRESS with the waiter in out 0 and a completion for `cookie` later. */
export function mach_msg_receive_async(handle: u32, name: u32, option: u32, rcv_size: u32, cookie: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  out_set(0, 0);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  return trap_leave(ipc_mqueue_receive(task, name, option, rcv_size, 0, WAIT_ASYNC, cookie));
}

/** A send for an event loop: at once, or MACH_SEND_IN_PROGRESS with the waiter in out 0; the kmsg is then the kernel's. */
export function mach_msg_send_async(handle: u32, kmsg: u32, option: u32, send_size: u32, cookie: u32): u32 {
  const kr = trap_enter();
  if (kr != KERN_SUCCESS) return kr;
  const task = task_from(handle);
  out_set(0, 0);
  out_set(2, 0);
  if (!task) return trap_leave(KERN_INVALID_TASK);
  return trap_leave(send(task, kmsg, option, send_size, 0, WAIT_ASYNC, cookie));
}
