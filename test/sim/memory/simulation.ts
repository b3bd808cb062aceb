// Episodes of random operations on memory: run, run again with page tables that forget, and shortened when they fail.

import { Random } from "../random.js";
import { type Failure, shortenWith } from "../shorten.js";
import { checkpoint, unveil } from "./checks.js";
import type { Driven } from "./driven.js";
import { endAll, step } from "./operations.js";
import { FIRST, LAST } from "./pages.js";
import { Mismatch, type Mutation, PLENTY, type Setting, World } from "./world.js";

const TASKS = 3;
const CHECK_EVERY = 61;
const WINDOW = 160;
/** Pages of a table of pages. */
const TABLE = 1024;

export interface RunOptions {
  mutation?: Mutation;
  driven?: Driven;
  trace?: string[];
  /** Drops entries of page tables at random. */
  drops?: boolean;
  /** Checks all invariants after each operation. */
  checksAll?: boolean;
  afterEach?: (world: World) => void;
}

export interface Outcome {
  operations: number;
  refused: number;
  answers: readonly number[];
}

/** What an episode is like: processors, where the window of memory is, whether memory may run out. */
export function settingOf(seed: number): Setting {
  const random = new Random(seed ^ 0x5eed);
  const places = [FIRST, TABLE - WINDOW / 2, 300 * TABLE - 3, LAST - WINDOW];
  const start = random.pick(places);
  const window = { start, end: start + WINDOW };
  const quota = random.chance(25) ? random.pick([40, 120, 300]) : 0;
  const memory = quota === 0 && random.chance(15) ? random.pick([46, 48, 52, 60]) : PLENTY;
  return { processors: 1 + random.below(3), window, quota, memory };
}

export function coreHas(call: string): boolean {
  return new World(settingOf(0)).has(call);
}

/** Runs the operations, ends everything, and checks that nothing is left. */
export function run(seed: number, operations: readonly number[], options: RunOptions = {}): Outcome | Failure {
  const { driven, trace, drops, checksAll, afterEach, mutation } = options;
  const drop = drops ? new Random(seed) : undefined;
  let done = 0;
  try {
    const setting = settingOf(seed);
    const world = new World(setting, { driven, trace, drop, mutation });
    for (let count = 0; count < TASKS; count++) world.addActor(setting.quota);
    for (const operation of operations) {
      done++;
      step(world, operation);
      afterEach?.(world);
      if (checksAll) world.checkKernel();
      if (done % CHECK_EVERY === 0) checkpoint(world);
    }
    checkpoint(world);
    unveil(world);
    checkpoint(world);
    endAll(world);
    world.finish();
    return { operations: done, refused: world.refused, answers: world.answers };
  } catch (error) {
    return { error, operations: operations.slice(0, done) };
  }
}

export function failureOf(seed: number, operations: readonly number[], options: RunOptions = {}): Failure | null {
  const result = run(seed, operations, options);
  return "error" in result ? result : null;
}

/** Runs twice, the second time with page tables that forget: every answer must be the same. */
export function runTwice(seed: number, operations: readonly number[], options: RunOptions = {}): Outcome | Failure {
  const first = run(seed, operations, options);
  // Where memory runs out it does so at another place when page tables have less.
  if ("error" in first || settingOf(seed).memory < PLENTY) return first;
  const again = run(seed, operations, { ...options, drops: true });
  if ("error" in again) return again;
  const at = first.answers.findIndex((answer, index) => answer !== again.answers[index]);
  if (at < 0 && first.answers.length === again.answers.length) return first;
  const error = new Mismatch(
    `answer ${at} is ${again.answers[at]} where page tables forget, else ${first.answers[at]}`,
  );
  return { error, operations: [...operations] };
}

export async function shorten(seed: number, failure: Failure, options: RunOptions = {}): Promise<number[]> {
  return shortenWith(failure.operations, async (some) => failureOf(seed, some, options));
}

/** What a failure prints: the seed, the command, and the shortest sequence that still fails. */
export async function report(seed: number, failure: Failure, options: RunOptions = {}): Promise<string> {
  const shortest = await shorten(seed, failure, options);
  const trace: string[] = [];
  const again = failureOf(seed, shortest, { ...options, trace });
  return [
    `seed ${seed}, ${JSON.stringify(settingOf(seed))}: ${String(failure.error)}`,
    `replay with: SEED=${seed} npx vitest run test/sim/memory`,
    again
      ? `${shortest.length} of ${failure.operations.length} operations suffice: ${String(again.error)}`
      : "it does not fail again",
    ...trace.slice(-60),
  ].join("\n  ");
}
