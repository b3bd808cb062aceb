// Send-once rights to one's own port.

import {
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MACH_RCV_MSG,
  MACH_RCV_TIMEOUT,
  MACH_SEND_MSG,
  MSGH_BASE_BYTES,
  MSGH_DESCRIPTOR_BYTES,
} from "./abi/codes.gen.js";
import { COMPLEX, Draft } from "./draft.js";
import { errorOf, KernError } from "./errors.js";
import { KERN_FAILURE } from "./abi/codes.gen.js";
import { ANY_SIZE, failed } from "./receive.js";
import type { Space } from "./space.js";

/**
 * Makes a send-once right to the port called `name`: a message to this thread's own reply port
 * carries it, since Mach gives a task such a right only under a fresh name, and by message.
 *
 * @returns its name, owned by the caller.
 */
export function makeSendOnce(space: Space, name: number): number {
  const draft = new Draft(space);
  const port = space.replyPort();
  draft.prepare(MSGH_BASE_BYTES + MSGH_DESCRIPTOR_BYTES, 1);
  draft.header(MACH_MSG_TYPE_MAKE_SEND_ONCE | COMPLEX, port, 0, 0);
  const words = space.views.i32;
  words[draft.at + 6] = 1;
  words[draft.at + 7] = name;
  words[draft.at + 8] = 0;
  words[draft.at + 9] = MACH_MSG_TYPE_MAKE_SEND_ONCE << 16;
  space.replyPortDirty = true;
  const kr = space.core.mach_msg_trap(
    space.handle,
    draft.kmsg,
    MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
    draft.size,
    ANY_SIZE,
    port,
    0,
    0,
  );
  if (kr !== 0) {
    if ((kr & 0x4000) !== 0) {
      // It went out: what came back is released, or is still in the queue.
      const error = failed(space, kr, "makeSendOnce");
      space.dropReplyPort();
      throw error;
    }
    space.replyPortDirty = false;
    draft.failed(kr);
    throw errorOf("mach_msg", kr, "makeSendOnce");
  }
  space.replyPortDirty = false;
  const kmsg = space.processor.out(0);
  const at = space.processor.out(1) >>> 2;
  const made = (space.views.i32[at + 7] as number) >>> 0;
  const type = ((space.views.i32[at + 9] as number) >>> 16) & 0xff;
  space.core.mach_msg_release(kmsg);
  if (type !== MACH_MSG_TYPE_PORT_SEND_ONCE) throw new KernError("makeSendOnce", KERN_FAILURE);
  return made;
}
