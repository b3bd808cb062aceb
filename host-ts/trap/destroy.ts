// Releasing what a message names: one that no caller will ever see, or one that a caller does not want.

import {
  KERN_SUCCESS,
  MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
  MACH_MSG_GUARDED_PORT_DESCRIPTOR,
  MACH_MSG_OOL_DESCRIPTOR,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_OOL_VOLATILE_DESCRIPTOR,
  MACH_MSG_PORT_DESCRIPTOR,
  MACH_MSG_PORTS_MAX,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSGH_BITS_COMPLEX,
  MACH_MSGH_BITS_REMOTE_MASK,
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_RECEIVE,
  MSGH_BASE_BYTES,
  MSGH_BITS,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
  MSGH_REMOTE_PORT,
  MSGH_VOUCHER_PORT,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { namesIn } from "./vm-bytes.js";

const VOUCHER_SHIFT = 16;
const DISPOSITION_SHIFT = 16;
const TYPE_SHIFT = 24;

/**
 * Releases what the received message at `address` in the kernel's memory names, but not the local port. Nobody will see the message:
 * all memory in it goes.
 */
export function destroyReceived(task: Task, address: number): void {
  const { views } = task.processor;
  const complex = (views.u32(address) & MACH_MSGH_BITS_COMPLEX) !== 0;
  const count = complex ? views.u32(address + MSGH_HEADER_BYTES) : 0;
  destroyMessage(
    task,
    count,
    (offset) => views.u32(address + offset),
    () => true,
  );
}

/** Whether mach_msg_destroy frees the memory of a descriptor whose third word this is. */
function saysDeallocate(shape: number): boolean {
  return (shape & 0xff) !== 0 && shape >>> TYPE_SHIFT !== MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
}

/**
 * Releases the reply right, the voucher, the rights and the memory in the first `count` descriptors, but not the local port.
 *
 * @param word the word at an offset in the message
 * @param frees whether the memory of a descriptor goes, by its third word
 * @mach mach_msg_destroy
 */
export function destroyMessage(
  task: Task,
  count: number,
  word: (offset: number) => number,
  frees: (shape: number) => boolean = saysDeallocate,
): void {
  const bits = word(MSGH_BITS);
  release(task, word(MSGH_REMOTE_PORT), bits & MACH_MSGH_BITS_REMOTE_MASK);
  release(task, word(MSGH_VOUCHER_PORT), (bits >>> VOUCHER_SHIFT) & 0x1f);
  for (let i = 0; i < count; i++) {
    const at = MSGH_BASE_BYTES + i * MSGH_DESCRIPTOR_BYTES;
    const shape = word(at + 8);
    const disposition = (shape >>> DISPOSITION_SHIFT) & 0xff;
    if (shape >>> TYPE_SHIFT === MACH_MSG_PORT_DESCRIPTOR) release(task, word(at), disposition);
    const { handle, self, processor } = task;
    if (shape >>> TYPE_SHIFT === MACH_MSG_GUARDED_PORT_DESCRIPTOR) {
      const guarded = (shape & MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND) === 0;
      if (guarded) processor.core.mach_port_unguard(handle, self, word(at + 4), word(at));
      release(task, word(at + 4), disposition);
    }
    const isArray = shape >>> TYPE_SHIFT === MACH_MSG_OOL_PORTS_DESCRIPTOR;
    const size = word(at + 4) * (isArray ? 4 : 1);
    if (isArray && size > MACH_MSG_PORTS_MAX * 4) continue; // no send would take it
    if (isArray) for (const name of namesIn(task, word(at), word(at + 4))) release(task, name, disposition);
    if (isMemory(shape) && frees(shape)) processor.core.vm_deallocate(handle, self, word(at), size);
  }
}

function isMemory(shape: number): boolean {
  const type = shape >>> TYPE_SHIFT;
  const isArray = type === MACH_MSG_OOL_PORTS_DESCRIPTOR;
  return isArray || type === MACH_MSG_OOL_DESCRIPTOR || type === MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
}

/** Does what sending `name` in this way and destroying the message would do. Received types are the moves among them. */
function release(task: Task, name: number, disposition: number): void {
  if (name === 0 || name === MACH_PORT_DEAD) return;
  const { handle, self } = task;
  const { core } = task.processor;
  switch (disposition) {
    case MACH_MSG_TYPE_PORT_RECEIVE:
      core.mach_port_mod_refs(handle, self, name, MACH_PORT_RIGHT_RECEIVE, -1);
      break;
    case MACH_MSG_TYPE_MOVE_SEND:
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
      core.mach_port_deallocate(handle, self, name);
      break;
    case MACH_MSG_TYPE_MAKE_SEND:
      if (core.mach_port_insert_right(handle, self, name, name, disposition) !== KERN_SUCCESS) break;
      core.mach_port_deallocate(handle, self, name);
      break;
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
      // Its name is taken, by the receive right: the right is made, refused and destroyed.
      core.mach_port_insert_right(handle, self, name, name, disposition);
      break;
    default: // a copy would come and go
      break;
  }
}
