// Releasing what a received message named: for messages that no caller will ever see.

import {
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSGH_BITS_COMPLEX,
  MACH_MSGH_BITS_REMOTE_MASK,
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_RECEIVE,
  MSGH_BASE_BYTES,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
  MSGH_REMOTE_PORT,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";

const DISPOSITION_SHIFT = 16;

/**
 * Releases the reply right and every right in the body of the message at `address`, but not the
 * local port. Rights go by their received types.
 *
 * @mach mach_msg_destroy
 */
export function destroyReceived(task: Task, address: number): void {
  const { views } = task.processor;
  const bits = views.u32(address);
  release(task, views.u32(address + MSGH_REMOTE_PORT), bits & MACH_MSGH_BITS_REMOTE_MASK);
  if ((bits & MACH_MSGH_BITS_COMPLEX) === 0) return;
  const count = views.u32(address + MSGH_HEADER_BYTES);
  for (let i = 0; i < count; i++) {
    const descriptor = address + MSGH_BASE_BYTES + i * MSGH_DESCRIPTOR_BYTES;
    release(task, views.u32(descriptor), (views.u32(descriptor + 8) >>> DISPOSITION_SHIFT) & 0xff);
  }
}

function release(task: Task, name: number, disposition: number): void {
  if (name === 0 || name === MACH_PORT_DEAD || disposition === 0) return;
  const { core } = task.processor;
  if (disposition === MACH_MSG_TYPE_PORT_RECEIVE) {
    core.mach_port_mod_refs(task.handle, task.self, name, MACH_PORT_RIGHT_RECEIVE, -1);
  } else {
    core.mach_port_deallocate(task.handle, task.self, name);
  }
}
