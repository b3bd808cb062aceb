// Episodes of random operations: run, and shortened when they fail.

import { Kernel } from "mach-ipc";
import type { Mutation } from "../lib/oracle-state.js";
import { inside } from "../lib/space.js";
import { ZONES } from "../lib/boot.js";
import type { Driven } from "./driven.js";
import { step } from "./operations.js";
import { episode, type Failure, shortenWith } from "./shorten.js";
import { World } from "./world.js";

export { episode, type Failure };

export interface Figures {
  operations: number;
  refused: number;
  /** Operations that left somebody waiting, at its time. */
  waits: number;
}

const TASKS = 3;
const CHECK_EVERY = 97;

/** Runs the operations in a kernel, tears everything down, and checks that nothing is left. */
export function run(
  kernel: Kernel,
  operations: readonly number[],
  options: { mutation?: Mutation | null; trace?: string[]; afterEach?: () => void; driven?: Driven } = {},
): Figures | Failure {
  const before = census(kernel);
  const world = new World(kernel, options);
  let waits = 0;
  let done = 0;
  try {
    for (let count = 0; count < TASKS; count++) world.addActor();
    for (const operation of operations) {
      done++;
      step(world, operation);
      options.afterEach?.();
      if (world.waits.size > 0) waits++;
      if (done % CHECK_EVERY === 0) world.checkpoint();
    }
    world.begin(null);
    world.checkpoint();
    for (const actor of [...world.actors]) world.removeActor(actor);
    world.compareArrays();
    const after = census(kernel);
    if (after !== before) throw new Error(`something is left: before ${before}, after ${after}`);
  } catch (error) {
    return { error, operations: operations.slice(0, done) };
  }
  return { operations: world.operations, refused: world.refused, waits };
}

/** Live elements of all zones, as a text. */
function census(kernel: Kernel): string {
  const { core } = inside(kernel.task).processor;
  return Object.entries(ZONES)
    .map(([name, zone]) => `${name} ${core.zone_count(zone)}`)
    .join(", ");
}

/** As shortenWith, with this fault in the oracle. */
export function shorten(operations: readonly number[], mutation: Mutation | null, budget = 400): Promise<number[]> {
  return shortenWith(operations, (some) => runAlone(some, mutation), budget);
}

/** Runs the operations in a kernel of their own. */
export async function runAlone(
  operations: readonly number[],
  mutation: Mutation | null,
  trace?: string[],
): Promise<Failure | null> {
  const kernel = await Kernel.boot();
  try {
    const result = run(kernel, operations, trace ? { mutation, trace } : { mutation });
    return "error" in result ? result : null;
  } finally {
    await kernel.close();
  }
}

/** What a failure prints: the seed, the command, and the shortest sequence that still fails. */
export async function report(seed: number, failure: Failure): Promise<string> {
  const shortest = await shorten(failure.operations, null);
  const trace: string[] = [];
  const again = await runAlone(shortest, null, trace);
  return [
    `seed ${seed}: ${String(failure.error)}`,
    `replay with: SEED=${seed} npx vitest run test/sim`,
    again
      ? `${shortest.length} of ${failure.operations.length} operations suffice: ${String(again.error)}`
      : "a fresh kernel does not fail",
    ...trace.slice(-60),
  ].join("\n  ");
}
