// The watcher marks the dead without entering the kernel, with the host's own form of the core's processor_mark_gone: the two
// must do the same to every state that a record can be in.

import { expect, test } from "vitest";
import { Processor_p_generation, Processor_p_state } from "../../host-ts/abi/layout.gen.ts";
import { markGone, recordOf } from "../../host-ts/kernel/life.ts";
import { bootDebug } from "../lib/boot.js";
import { inside } from "../lib/space.js";

const PID = 200;
const GENERATION = 7;
const [FREE, DEAD, RECOVERING, GONE] = [0, 4, 5, 6];

/** Every state: the plain ones, and RECOVERING by itself and by another, of what may be recovered. */
const STATES = [
  0,
  1,
  2,
  3,
  4,
  6,
  ...[PID, 9].flatMap((by) => [3, 4, 6].map((was) => RECOVERING | (by << 8) | (was << 16))),
];

test("host and core mark the dead alike", async () => {
  const { kernel } = await bootDebug();
  const { core, views } = inside(kernel.task).processor;
  const { processor_mark_gone } = core as unknown as { processor_mark_gone(pid: number, generation: number): void };
  const at = recordOf(PID);
  const after = (state: number, generation: number, mark: () => void) => {
    views.setU32(at + Processor_p_generation, GENERATION);
    views.setU32(at + Processor_p_state, state);
    mark();
    return [views.u32(at + Processor_p_state), views.u32(at + Processor_p_generation), generation];
  };
  const results = new Set<number>();
  for (const generation of [GENERATION, GENERATION - 1]) {
    for (const state of STATES) {
      const byHost = after(state, generation, () => markGone(views, { pid: PID, generation }));
      const byCore = after(state, generation, () => processor_mark_gone(PID, generation));
      expect(byHost).toEqual(byCore);
      if (generation !== GENERATION || state === FREE) expect(byHost[0]).toBe(state);
      else results.add(byHost[0] as number);
    }
  }
  expect(results).toEqual(new Set([GONE, RECOVERING | (9 << 8) | (GONE << 16)]));
  expect(results).not.toContain(DEAD);
  views.setU32(at + Processor_p_state, FREE);
  await kernel.close();
});
