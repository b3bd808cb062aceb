// Can any sequence of traps with any arguments break the kernel? Method: fast-check makes steps of every trap that the core exports,
// with arguments that fit, that nearly do, and any; after each step every invariant is looked at, and after the last one nothing may
// be left, nor have changed for who took no part. A failure is shortened to the steps that matter.
//
// SEED and RUNS: another beginning, more of it.

import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyTally, Ground, type Tally } from "./fuzz/ground.js";
import { trapsOf } from "./fuzz/traps.js";
import { type Step, stepOf, unknownParameters } from "./fuzz/values.js";

const STEPS = 400;
const { SEED, RUNS } = process.env;
const seed = Number(SEED ?? 20_261_123);
const numRuns = Number(RUNS ?? 200);

const wasm = await readFile(new URL("../../build/kernel.debug.wasm", import.meta.url));
const module = await WebAssembly.compile(wasm);
const known = trapsOf(module);

/** Makes the steps in a kernel of their own. `fault`: what is taken for a broken invariant besides. */
async function run(steps: readonly Step[], tally: Tally, fault?: (step: Step) => boolean): Promise<void> {
  const ground = await Ground.boot(module, known, tally);
  try {
    for (const step of steps) {
      ground.step(step);
      if (fault?.(step)) throw new Error("the planted fault");
    }
    ground.end();
  } finally {
    await ground.kernel.close();
  }
}

const sequence = fc.array(stepOf(known), { maxLength: STEPS, size: "max" });

test("every trap has values for each of its parameters", () => {
  expect(known.length).toBeGreaterThan(40);
  expect(unknownParameters(known)).toEqual([]);
});

test("no sequence of traps breaks an invariant, reaches a stranger or leaves anything", {
  timeout: 600_000,
}, async () => {
  const tally = emptyTally();
  const started = performance.now();
  await fc.assert(
    fc.asyncProperty(sequence, (steps) => run(steps, tally)),
    { seed, numRuns },
  );
  const shown = known.map(({ name }) => {
    const [calls, good] = [tally.calls.get(name) ?? 0, tally.successes.get(name) ?? 0];
    return `${name} ${calls} (${good})`;
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `seed ${seed}, ${numRuns} runs: ${tally.steps} steps, ${seconds} s; calls (successes): ${shown.join(", ")}`,
  );
  expect(known.filter(({ name }) => !tally.calls.has(name))).toEqual([]);
});

test("a fault is shortened to the steps that it needs", { timeout: 120_000 }, async () => {
  const tally = emptyTally();
  // Seen when a set was made, and after it a port in a task: two steps are enough.
  const property = fc.asyncProperty(sequence, async (steps) => {
    let sets = 0;
    await run(steps, tally, ({ trap, given }) => {
      if (trap === "mach_port_allocate" && given[2]?.at === 3) sets++;
      return sets > 0 && trap === "mach_port_rename";
    });
  });
  const { failed, counterexample } = await fc.check(property, { seed, numRuns: 20 });
  expect(failed).toBe(true);
  expect(counterexample?.[0].map(({ trap }) => trap)).toEqual(["mach_port_allocate", "mach_port_rename"]);
});
