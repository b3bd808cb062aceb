// Is the memory of tasks what Mach says it is, whatever they do with it and send each other? Method: seeded random operations of
// three tasks on maps, leases and messages with memory in them, on one to three processors; each answer is compared with a model
// that copies every byte at once, all bytes and attributes now and then, and at the end nothing may be left over. Everything is run
// again with page tables that forget at random: no answer may change.
//
// SEED replays one episode, OPS scales the number of operations.

import { expect, test } from "vitest";
import { episode } from "../shorten.js";
import { checkBytes, checkpoint } from "./checks.js";
import { Driven } from "./driven.js";
import { PAGE } from "./pages.js";
import { coreHas, failureOf, report, run, runTwice, shorten } from "./simulation.js";
import { memoryOf, MUTATIONS, type World } from "./world.js";

const EPISODE = 1_000;
const FIRST_SEED = 20_261_124;

const { SEED, OPS } = process.env;
const operations = Number(OPS ?? 100_000);
const seeds = SEED
  ? [Number(SEED)]
  : Array.from({ length: Math.ceil(operations / EPISODE) }, (_, index) => FIRST_SEED + index);

test("A103, A113, A114, A198 to A207: memory is the model's after random operations of several tasks", {
  timeout: 600_000,
}, async () => {
  const driven = new Driven();
  const started = performance.now();
  let [done, refused] = [0, 0];
  for (const seed of seeds) {
    const result = runTwice(seed, episode(seed, EPISODE), { driven });
    if ("error" in result) expect.fail(await report(seed, result));
    done += result.operations;
    refused += result.refused;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const share = ((100 * refused) / done).toFixed(1);
  console.log(`seeds ${seeds[0]} to ${seeds.at(-1)}: ${done} operations, ${share} % refused, ${seconds} s\n${driven}`);
  expect(refused / done).toBeGreaterThanOrEqual(0.1);
  if (!SEED) expect(driven.missing).toEqual([]);
  if (!SEED) expect(done).toBeGreaterThanOrEqual(operations);
});

test("every invariant of the kernel holds after every random operation on memory", { timeout: 300_000 }, async () => {
  for (const seed of [11, 12, 13, 14, 15, 16, 17, 18]) {
    const result = run(seed, episode(seed, EPISODE / 2), { checksAll: true });
    if ("error" in result) expect.fail(await report(seed, result, { checksAll: true }));
  }
});

/** Whether the frame behind that of the page has other bytes: what a lying page table shows then is wrong. */
function differsFromNext(world: World, handle: number, page: number): boolean {
  if (world.call("vm_lease", handle, page * PAGE, PAGE, 0) !== 0) return false;
  const [lease, at] = [world.out(0), world.out(1)];
  const { bytes } = world.machine;
  const differs = Buffer.compare(bytes.subarray(at, at + PAGE), bytes.subarray(at + PAGE, at + 2 * PAGE)) !== 0;
  return world.call("vm_lease_end", lease) === 0 && differs;
}

/** Makes a page table lie about a page; false: there is none that it knows. */
function poke(world: World): boolean {
  for (const { handle, map } of world.actors) {
    for (const page of map.mapped) {
      if (((map.at(page)?.prot ?? 0) & 1) === 0 || !differsFromNext(world, handle, page)) continue;
      if (memoryOf(world.agent).pmap_poke(handle, page * PAGE) !== 0) return true;
    }
  }
  return false;
}

test.each([1, 2, 3, 4, 5])("seed %i: a wrong frame in a page table is found by the bytes and by the kernel", (seed) => {
  let poked = 0;
  const afterEach = (world: World) => {
    if (poked++ !== 300) return;
    expect(() => checkpoint(world)).not.toThrow();
    expect(poke(world)).toBe(true);
    expect(() => world.checkKernel()).toThrow(/kernel_check/);
    expect(() => checkBytes(world)).toThrow(/bytes are wrong/);
  };
  const result = run(seed, episode(seed, 301), { afterEach });
  expect(String("error" in result && result.error)).toMatch(/kernel_check/);
});

test.each(MUTATIONS)("a model with the fault %s is found out, and the failure becomes short", async (mutation) => {
  if (mutation === "share-copies" && !coreHas("vm_map")) return; // nothing is shared yet
  for (const seed of [1, 2, 3, 4, 5]) {
    const failure = failureOf(seed, episode(seed, EPISODE), { mutation });
    if (failure === null) continue;
    const shortest = await shorten(seed, failure, { mutation });
    console.log(`${mutation}: ${failure.operations.length} operations were shortened to ${shortest.length}`);
    expect(failureOf(seed, shortest, { mutation })).not.toBeNull();
    expect(shortest.length).toBeLessThanOrEqual(30);
    return;
  }
  expect.fail("the comparison did not notice a wrong model");
});
