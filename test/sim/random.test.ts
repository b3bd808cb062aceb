// Does the kernel do what Mach does, whatever tasks ask of it in whatever order? Method: seeded random operations of
// several tasks, with pending sends and receives among them, each compared with an oracle in code, results, received
// bytes and completions; name tables and port statuses now and then; at the end nothing may be left over.
//
// SEED replays one episode, OPS scales the number of operations.

import { Kernel } from "mach-ipc";
import { expect, test } from "vitest";
import { bootDebug } from "../lib/boot.js";
import type { Mutation } from "../lib/oracle-state.js";
import { Driven } from "./driven.js";
import { episode, type Failure, type Figures, report, run, runAlone, shorten } from "./simulation.js";

const EPISODE = 2_000;
const FIRST_SEED = 20_260_101;

const { SEED, OPS } = process.env;
const operations = Number(OPS ?? 1_000_000);
const seeds = SEED
  ? [Number(SEED)]
  : Array.from({ length: Math.ceil(operations / EPISODE) }, (_, index) => FIRST_SEED + index);

test("every answer of the kernel to random operations is the oracle's", { timeout: 600_000 }, async () => {
  const total: Figures = { operations: 0, refused: 0, waits: 0 };
  await using kernel = await Kernel.boot();
  const driven = new Driven();
  driven.watch(kernel);
  const started = performance.now();
  for (const seed of seeds) {
    const result = run(kernel, episode(seed, EPISODE), { driven });
    if ("error" in result) expect.fail(await report(seed, result));
    total.operations += result.operations;
    total.refused += result.refused;
    total.waits += result.waits;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const refused = ((100 * total.refused) / total.operations).toFixed(1);
  console.log(
    `seeds ${seeds[0]} to ${seeds.at(-1)}: ${total.operations} operations, ${refused} % refused, ` +
      `${total.waits} with somebody waiting, ${seconds} s\n${driven}`,
  );
  expect(total.refused / total.operations).toBeGreaterThanOrEqual(0.3);
  expect(total.waits / total.operations).toBeGreaterThanOrEqual(0.3);
  if (!SEED) expect(driven.missing).toEqual([]);
  if (!SEED) expect(total.operations).toBeGreaterThanOrEqual(operations);
});

test("every invariant of the kernel holds after every random operation", { timeout: 300_000 }, async () => {
  const { kernel, check } = await bootDebug();
  await using _closing = kernel;
  const afterEach = () => expect(check()).toBe(0);
  for (const seed of [11, 12, 13, 14, 15, 16, 17, 18]) {
    const result = run(kernel, episode(seed, 1_000), { afterEach });
    if ("error" in result) throw result.error;
  }
});

const MUTATIONS: readonly Mutation[] = [
  "make-send-uncounted",
  "copy-send-moves",
  "dead-name-without-reference",
  "move-keeps-counts",
  "queue-one-longer",
  "array-stays",
  "room-untold",
];

test.each(MUTATIONS)("an oracle with the fault %s is found out", async (mutation) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    if (await runAlone(episode(seed, EPISODE), mutation)) return;
  }
  expect.fail("the simulator did not notice a wrong oracle");
});

test("a failure is shortened to a few operations", { timeout: 120_000 }, async () => {
  const mutation = "copy-send-moves";
  const failing = await firstFailure(mutation);
  const shortest = await shorten(failing.operations, mutation);
  console.log(`${failing.operations.length} operations were shortened to ${shortest.length}`);
  expect(failing.operations.length).toBeGreaterThan(20);
  expect(shortest.length).toBeLessThanOrEqual(12);
  expect(await runAlone(shortest, mutation)).not.toBeNull();
});

/** A failure some way into an episode. */
async function firstFailure(mutation: Mutation): Promise<Failure> {
  for (let seed = 1; seed <= 20; seed++) {
    const failure = await runAlone(episode(seed, EPISODE), mutation);
    if (failure && failure.operations.length > 20) return failure;
  }
  return expect.fail("no failure to shorten");
}
