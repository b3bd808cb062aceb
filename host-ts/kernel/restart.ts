// Supervision: a spawned task that is started again when it ends, ever later, until it ends as it
// should, is terminated, or was restarted too often. Each life is a Child; what lasts is here.

import * as platform from "#platform";
import { KernelPanic } from "../errors.js";
import { dispositionOf, Moved, type OutgoingRight, SendRight } from "../right.js";
import type { Exit, SpawnedTask } from "./child.js";

/** When and how often a spawned task is started again. Times are in milliseconds. */
export interface RestartOptions {
  /**
   * "failure", the default: after an error, or an exit code other than 0 (browsers have none). "always":
   * after every end but `terminate()`.
   */
  readonly on?: "failure" | "always" | undefined;
  /** From an end to the next start; doubled each time. Default 100. */
  readonly delay?: number | undefined;
  /** Longest delay. Default 10 000. */
  readonly maxDelay?: number | undefined;
  /** A task that lived so long was healthy: the next delay is the first one again. Default 10 000. */
  readonly healthyAfter?: number | undefined;
  /** Restarts `within` that time, after which the next end is final. Default 10; Infinity never gives up. */
  readonly limit?: number | undefined;
  /** Default 60 000. */
  readonly within?: number | undefined;
  /** Told of each end that a restart follows, before it does. */
  readonly onRestart?: ((exit: Exit, restart: Restart) => void) | undefined;
}

/** A restart that is due. */
export interface Restart {
  /** 1 for the first of this task. */
  readonly count: number;
  /** Milliseconds until then. */
  readonly delay: number;
}

/** Options that were checked and filled in. */
export type RestartRule = {
  readonly [Option in Exclude<keyof RestartOptions, "onRestart">]-?: NonNullable<RestartOptions[Option]>;
} & Pick<RestartOptions, "onRestart">;

/** The longest time that a timer takes. */
const TIMER_MAX_MS = 0x7fffffff;

/**
 * Checks and fills in what a caller gave.
 *
 * @throws TypeError, naming the option
 */
export function restartRule(options: RestartOptions): RestartRule {
  if (typeof options !== "object" || options === null) throw new TypeError("restart must be an object of options");
  const { on = "failure", delay = 100, healthyAfter = 10_000, limit = 10, within = 60_000, onRestart } = options;
  const maxDelay = options.maxDelay ?? Math.max(10_000, delay);
  if (on !== "failure" && on !== "always") throw new TypeError('restart.on must be "failure" or "always"');
  bounded("delay", delay, 0, TIMER_MAX_MS);
  bounded("maxDelay", maxDelay, delay, TIMER_MAX_MS);
  bounded("healthyAfter", healthyAfter, 0, Number.POSITIVE_INFINITY);
  bounded("within", within, 0, Number.POSITIVE_INFINITY);
  bounded("limit", limit, 1, Number.POSITIVE_INFINITY);
  if (limit !== Number.POSITIVE_INFINITY && !Number.isInteger(limit)) {
    throw new TypeError("restart.limit must be a whole number from 1, or Infinity");
  }
  if (onRestart !== undefined && typeof onRestart !== "function") {
    throw new TypeError("restart.onRestart must be a function");
  }
  return { on, delay, maxDelay, healthyAfter, limit, within, onRestart };
}

function bounded(option: string, value: unknown, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  throw new TypeError(`restart.${option} must be a number from ${least} to ${most}`);
}

/** How long to wait before each restart. Knows no clock but what it is told. */
export class Backoff {
  readonly #rule: RestartRule;
  #delay: number;
  /** Times of the restarts that still count. */
  #recent: number[] = [];

  constructor(rule: RestartRule) {
    this.#rule = rule;
    this.#delay = rule.delay;
  }

  /** The delay before the restart after a life of `lived` that ended `now`; null: it was restarted too often. */
  next(lived: number, now: number): number | null {
    const { delay, maxDelay, healthyAfter, limit, within } = this.#rule;
    if (limit !== Number.POSITIVE_INFINITY) {
      this.#recent = this.#recent.filter((time) => now - time < within);
      if (this.#recent.length >= limit) return null;
      this.#recent.push(now);
    }
    if (lived >= healthyAfter) this.#delay = delay;
    const due = this.#delay;
    this.#delay = Math.min(due * 2, maxDelay);
    return due;
  }
}

/**
 * The rights that every life is given: copies of send rights.
 *
 * @returns copies that the supervisor owns; those in `rights` are still the caller's
 * @throws TypeError for a right that only one life can have
 */
export function keepRights(rights: Record<string, OutgoingRight>): Record<string, SendRight> {
  const sends = Object.entries(rights).map(([key, right]): [string, SendRight] => {
    dispositionOf(right); // refuses what is not a right
    const held = right instanceof Moved ? right.right : right;
    if (held instanceof SendRight) return [key, held];
    throw new TypeError(
      `rights.${key}: a ${held.constructor.name} can be given once, not again at each restart; ` +
        "for a port that outlives its server check in with { persistent: true }",
    );
  });
  const kept: Record<string, SendRight> = {};
  try {
    for (const [key, right] of sends) kept[key] = right.copy();
  } catch (error) {
    releaseRights(kept);
    throw error;
  }
  return kept;
}

export function releaseRights(kept: Record<string, SendRight>): void {
  for (const right of Object.values(kept)) right[Symbol.dispose]();
}

/** What a supervised task needs of its spawner. */
export interface Supervision {
  readonly name: string;
  readonly rule: RestartRule;
  /** Starts a life; `ended` is called once it is over, unless this throws. */
  start(ended: (exit: Exit) => void): SpawnedTask;
  /** It ended for good. `gaveUp`: it would have been restarted once more. */
  over(task: Supervised, exit: Exit, gaveUp: boolean): void;
}

/** A task that is started again when it ends. */
export class Supervised implements SpawnedTask {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #supervision: Supervision;
  readonly #backoff: Backoff;
  #resolve: (exit: Exit) => void = () => {};
  #life: SpawnedTask | undefined;
  #startedAt = 0;
  #restarts = 0;
  /** A restart that is due. It keeps the process alive, as the worker did. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** Starts the first life; throws what that throws. */
  constructor(supervision: Supervision) {
    this.name = supervision.name;
    this.#supervision = supervision;
    this.#backoff = new Backoff(supervision.rule);
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#start();
  }

  async terminate(): Promise<void> {
    this.stop();
    await this.#life?.terminate();
    await this.exited;
  }

  /** No restart will follow; a life that is under way goes on. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#over({ reason: "terminated" });
  }

  #start(): void {
    this.#timer = undefined;
    this.#startedAt = performance.now();
    this.#life = this.#supervision.start((exit) => this.#ended(exit));
  }

  #startAgain(): void {
    try {
      this.#start();
      if (this.#stopped) void this.#life?.terminate(); // meanwhile, by who makes the worker
    } catch (error) {
      if (error instanceof KernelPanic) this.#over({ reason: "error", error });
      else this.#ended({ reason: "error", error });
    }
  }

  #ended(exit: Exit): void {
    this.#life = undefined;
    const { on, onRestart } = this.#supervision.rule;
    const failed = exit.reason === "error" || (exit.code ?? 0) !== 0;
    if (this.#stopped || exit.reason === "terminated" || (on === "failure" && !failed)) {
      this.#over(exit);
      return;
    }
    const now = performance.now();
    const delay = this.#backoff.next(now - this.#startedAt, now);
    if (delay === null) {
      this.#over(exit, true);
      return;
    }
    const restart: Restart = { count: ++this.#restarts, delay };
    this.#timer = setTimeout(() => this.#startAgain(), delay);
    if (onRestart === undefined) {
      platform.warn(`the task "${this.name}" ended by ${causeOf(exit)}; restart ${restart.count} in ${delay} ms`);
      return;
    }
    try {
      onRestart(exit, restart);
    } catch (error) {
      platform.report(error);
    }
  }

  #over(exit: Exit, gaveUp = false): void {
    this.#timer = undefined;
    try {
      this.#supervision.over(this, exit, gaveUp);
    } finally {
      this.#resolve(exit);
    }
  }
}

/** How a task ended, in words. */
export function causeOf({ reason, code, error }: Exit): string {
  if (reason !== "error") return code === undefined ? "itself" : `exit code ${code}`;
  try {
    return `an error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  } catch {
    return "an error that cannot be written"; // it need not have a toString, or one that returns
  }
}
