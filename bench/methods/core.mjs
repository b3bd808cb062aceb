// The core by itself: its exports, called as the package calls them in a long run of messages, with a kmsg
// that goes round and no bytes copied between a caller's buffer and it.
import {
  address,
  COPY_SEND,
  expectSuccess,
  HEADER,
  MACH_RCV_MSG,
  MACH_SEND_MSG,
  ownPort,
  TRAILER,
} from "../lib/mach-message.mjs";
import { machTraps } from "../lib/kernel.mjs";

/** A thread's messages to its own port, sent and received by two traps. */
export async function toItself({ task, bytes }) {
  const { traps } = await machTraps();
  const name = ownPort(traps(task));
  const { core, outWords: out, kernelMemory } = task.processor;
  const size = HEADER + bytes;
  const header = { bits: COPY_SEND, size, remote: name, local: 0 };
  let kmsg = core.mach_msg_prepare(task.handle, size, 0) >>> 0;
  const body = out[0] + HEADER;
  const words = new Uint32Array(kernelMemory.memory.buffer, out[0], HEADER / 4);
  const view = new Uint8Array(kernelMemory.memory.buffer, body, bytes);
  const run = (count, probe) => {
    for (let i = 0; i < count; i++) {
      address(words, 0, header);
      probe.fill(view, 0, bytes, i);
      expectSuccess(core.mach_msg_trap(task.handle, kmsg, MACH_SEND_MSG, size, 0, 0, 0, 0), "mach_msg_trap");
      expectSuccess(core.mach_msg_trap(task.handle, 0, MACH_RCV_MSG, 0, size + TRAILER, name, 0, 0), "mach_msg_trap");
      kmsg = out[0];
      probe.check(view, 0, bytes, i);
    }
  };
  return { run };
}
