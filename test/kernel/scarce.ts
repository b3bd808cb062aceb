// Memory that is used up, for kernels that are driven by their traps alone.

import type { Space } from "./machine.ts";

/** Takes all memory: messages of every size that are held until `free`, also what processors have spare, and names. */
export function exhaust(...spaces: Space[]): () => void {
  const held: [Space, number][] = [];
  for (const space of spaces) {
    for (const size of [1 << 20, 1 << 16, 5000, 4096, 1024, 64]) {
      for (;;) {
        const kmsg = space.agent.core.mach_msg_prepare(space.handle, size, 0) >>> 0;
        if (kmsg === 0) break;
        held.push([space, kmsg]);
      }
    }
  }
  return () => {
    for (const [space, kmsg] of held) space.agent.core.mach_msg_release(kmsg);
  };
}
