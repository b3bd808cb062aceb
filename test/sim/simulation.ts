// Episodes of random operations: run, and shortened when they fail.

import { Kernel } from "mach-ipc";
import type { Mutation } from "../lib/oracle-state.js";
import { inside } from "../lib/space.js";
import { ZONES } from "../lib/boot.js";
import type { Driven } from "./driven.js";
import { step } from "./operations.js";
import { Random } from "./random.js";
import { World } from "./world.js";

export interface Figures {
  operations: number;
  refused: number;
  /** Operations that left somebody waiting, at its time. */
  waits: number;
}

export interface Failure {
  error: unknown;
  /** Operations up to and with the one that failed. */
  operations: number[];
}

const TASKS = 3;
const CHECK_EVERY = 97;

/** The numbers of an episode's operations. */
export function episode(seed: number, length: number): number[] {
  const random = new Random(seed);
  return Array.from({ length }, () => random.word());
}

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

/** Leaves out operations as long as the rest still fails, by ever smaller chunks, within a budget of runs. */
export async function shorten(
  operations: readonly number[],
  mutation: Mutation | null,
  budget = 400,
): Promise<number[]> {
  const first = await runAlone(operations, mutation);
  if (!first) return [...operations];
  const wanted = kind(first);
  let shortest = first.operations;
  let runs = 0;
  let chunk = Math.ceil(shortest.length / 2);
  while (chunk >= 1 && runs < budget) {
    const before = shortest.length;
    for (let at = shortest.length - chunk; at >= 0 && runs < budget; at -= chunk) {
      const candidate = [...shortest.slice(0, at), ...shortest.slice(at + chunk)];
      runs++;
      const failure = await runAlone(candidate, mutation);
      if (failure && kind(failure) === wanted) shortest = failure.operations;
    }
    if (chunk > 1) chunk = Math.ceil(chunk / 2);
    else if (shortest.length === before) break;
  }
  return shortest;
}

/** What kind of failure it is: its words without the numbers. */
function kind(failure: Failure): string {
  return String(failure.error)
    .replaceAll(/0x[0-9a-f]+|\d+/g, "#")
    .slice(0, 80);
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
