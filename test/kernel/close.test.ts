// How the kernel is closed, as its traps see it.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, Machine } from "./machine.ts";

test("every later trap is refused", () => {
  const machine = new Machine();
  const [one, two] = [machine.agent(1), machine.agent(2)];
  one.task();
  expectKr(two.core.kernel_terminate(), codes.KERN_SUCCESS);
  for (const { core } of [one, two]) expectKr(core.task_create(0, 0, 0), codes.KERN_TERMINATED);
});

test("an event loop that sleeps is woken, and its bell has rung", async () => {
  const machine = new Machine();
  const [one, two] = [machine.agent(1), machine.agent(2)];
  const words = new Int32Array(machine.memory.buffer);
  const bell = (two.record + layout.Processor_p_bell) >> 2;
  Atomics.store(words, bell, layout.BELL_ARMED);
  const sleep = Atomics.waitAsync(words, bell, layout.BELL_ARMED, 5000);
  expect(sleep.async).toBe(true);
  one.core.kernel_terminate();
  expect(Atomics.load(words, bell)).toBe(layout.BELL_RUNG);
  expect(await sleep.value).toBe("ok");
});

test("who is condemned closes nothing", () => {
  const machine = new Machine();
  const [one, two] = [machine.agent(1), machine.agent(2)];
  expectKr(one.core.processor_condemn(2, 1), codes.KERN_SUCCESS);
  expect(() => two.core.kernel_terminate()).toThrow();
  expectKr(one.core.task_create(0, 0, 0), codes.KERN_SUCCESS);
});
