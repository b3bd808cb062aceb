// Counts of what is free are true: those of magazines, and those of slabs, whatever was allocated and freed.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { trio } from "./midst.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;

const BYTES: Record<number, number> = {
  [layout.ZONE_PORT]: layout.ZONE_PORT_BYTES,
  [layout.ZONE_PSET]: layout.ZONE_PSET_BYTES,
  [layout.ZONE_TASK]: layout.ZONE_TASK_BYTES,
  [layout.ZONE_WAITER]: layout.ZONE_WAITER_BYTES,
};

/** The elements of a slab that are free; undefined: of a kind that is not looked at. */
function freeIn(words: Uint32Array, slab: number, zone: number): number | undefined {
  const bytes = BYTES[zone];
  if (bytes === undefined) return undefined;
  let free = 0;
  const end = slab + layout.SLAB_BYTES - bytes;
  for (let at = slab + layout.SLAB_HEADER; at <= end; at += bytes) if (words[at >> 2] === layout.OWNER_FREE) free++;
  return free;
}

test("counts of what is free: of magazines and of slabs", () => {
  const { machine, one, two, a, b, out, port } = trio();
  const { words } = machine;
  const check = () => {
    const zones = 9;
    for (const agent of [one, two, machine.agent(3)]) {
      for (let zone = 0; zone < zones; zone++) {
        const magazine = (agent.record + layout.Processor_p_magazines + zone * 8) >> 2;
        let length = 0;
        for (let at = words[magazine] as number; at !== 0; at = words[(at >> 2) + 1] as number) length++;
        expect([agent.pid, zone, words[magazine + 1]]).toEqual([agent.pid, zone, length]);
      }
    }
    // The first word of a slab is how many of its elements are free.
    const table = layout.FRAME_TABLE >> 2;
    for (let frame = 0; frame < 128 * 16; frame += layout.SLAB_FRAMES) {
      if (((words[table + frame] as number) & 0xf) !== layout.FRAME_ZONE) continue;
      const zone = ((words[table + frame] as number) >>> 4) & 0xf;
      const slab = frame * 4096;
      const free = freeIn(words, slab, zone);
      if (free !== undefined) expect([zone, words[slab >> 2]]).toEqual([zone, free]);
    }
  };
  check();
  for (let turn = 0; turn < 3; turn++) {
    const names = Array.from({ length: 300 }, () => a.allocate());
    check();
    for (const name of names) a.destroy(name);
    check();
    a.send({ remote: out, remoteDisposition: COPY, id: 1 });
    b.take(port);
    check();
  }
});
