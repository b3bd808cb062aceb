// What the tests of this folder share: what there is of memory in a kernel, and bytes that can be told apart.

import type { Kernel } from "mach-ipc";
import * as layout from "../../../host-ts/abi/layout.gen.js";
import { inside, live } from "../lib.js";

/** Live elements by zone, those of memory too; equal before and after what must leave nothing behind. */
export function held(kernel: Kernel): Record<string, number> {
  const { core } = inside(kernel.task).processor;
  return {
    ...live(kernel),
    OBJECT: core.zone_count(layout.ZONE_OBJECT),
    VME: core.zone_count(layout.ZONE_VME),
    frames: core.frames_used(),
  };
}

/** The same, once it stands still. */
export async function heldAtLast(kernel: Kernel): Promise<Record<string, number>> {
  let before = "";
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const now = JSON.stringify(held(kernel));
    same = now === before ? same + 1 : 0;
    before = now;
  }
  return JSON.parse(before);
}

/** `length` bytes that say where they are. */
export function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 12) * 7 + seed) & 0xff);
}
