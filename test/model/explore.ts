// Enumerates schedules. A participant is a generator that yields before each atomic access; the explorer decides who goes on.
// Every choice (who runs, who dies) is a digit; after each run the last digit that can be raised is raised and the run starts
// anew, so that all schedules within the bounds are visited once, depth first, with no state kept but the digits.
//
// Bounds: leaving a participant that could go on costs a preemption; leaving one that waits, ended or died is free.

/** Before an atomic access: others may run now, or the participant dies here. */
export const ATOMIC = 0;
/** Between plain stores under a lock: nobody else can tell, but the participant may die here. */
export const PLAIN = 1;

/** A participant goes on once `ready`, or at any time if its wait has a deadline. */
export interface Wait {
  ready(): boolean;
  readonly deadline: boolean;
}

export type Step = typeof ATOMIC | typeof PLAIN | Wait;
export type Run<T = void> = Generator<Step, T, void>;

export interface Participant {
  readonly name: string;
  readonly pid: number;
  readonly body: Run;
}

/** One run's world, made anew for each schedule. */
export interface Model {
  readonly participants: readonly Participant[];
  /** A participant died: who recovers from it. */
  died(pid: number): readonly Participant[];
  /** Everybody ended or waits for ever: throws Violation if that is wrong. */
  check(waiting: ReadonlySet<number>): void;
}

export class Violation extends Error {}

export interface Bounds {
  readonly preemptions: number;
  readonly deaths: number;
  /** Who may die, if not everybody. */
  readonly mortal?: string;
}

export interface Result {
  readonly schedules: number;
  readonly longest: number;
  /** What went wrong and the schedule that leads there; the first one found. */
  readonly violation: string | null;
}

const STEPS_MAX = 5_000;

interface Thread extends Participant {
  wait: Wait | null;
  plain: boolean;
  ended: boolean;
  dead: boolean;
}

/** The digits of the present schedule: what was chosen among how many. */
class Choices {
  readonly #chosen: number[] = [];
  readonly #limits: number[] = [];
  #at = 0;

  restart(): void {
    this.#at = 0;
  }

  choose(limit: number): number {
    if (limit === 1) return 0;
    const at = this.#at++;
    if (at === this.#chosen.length) {
      this.#chosen.push(0);
      this.#limits.push(limit);
    }
    return this.#chosen[at] as number;
  }

  /** Returns: false when all schedules were seen. */
  next(): boolean {
    while (this.#chosen.length > 0) {
      const last = this.#chosen.length - 1;
      const digit = (this.#chosen[last] as number) + 1;
      if (digit < (this.#limits[last] as number)) {
        this.#chosen[last] = digit;
        return true;
      }
      this.#chosen.pop();
      this.#limits.pop();
    }
    return false;
  }
}

export function explore(make: () => Model, bounds: Bounds): Result {
  const choices = new Choices();
  let schedules = 0;
  let longest = 0;
  do {
    choices.restart();
    schedules++;
    const run = new Schedule(make(), bounds, choices);
    try {
      run.toTheEnd();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const what = error instanceof Violation ? error.message : (error.stack ?? error.message);
      return { schedules, longest, violation: `${what}\n  ${run.story()}` };
    }
    longest = Math.max(longest, run.steps);
  } while (choices.next());
  return { schedules, longest, violation: null };
}

class Schedule {
  steps = 0;
  readonly #model: Model;
  readonly #bounds: Bounds;
  readonly #choices: Choices;
  readonly #threads: Thread[];
  #current: Thread | null = null;
  #preemptions = 0;
  #deaths = 0;
  readonly #trace: string[] = [];

  constructor(model: Model, bounds: Bounds, choices: Choices) {
    this.#model = model;
    this.#bounds = bounds;
    this.#choices = choices;
    this.#threads = model.participants.map(thread);
  }

  toTheEnd(): void {
    while (this.#step()) {
      if (++this.steps > STEPS_MAX) throw new Violation("goes on for ever");
    }
    const waiting = this.#threads.filter(({ ended, dead }) => !ended && !dead);
    this.#model.check(new Set(waiting.map(({ pid }) => pid)));
  }

  /** Who ran for how many steps, in order. */
  story(): string {
    const turns: string[] = [];
    for (let at = 0; at < this.#trace.length; ) {
      const name = this.#trace[at] as string;
      let end = at;
      while (this.#trace[end] === name) end++;
      turns.push(name.endsWith("!") ? name : `${name}*${end - at}`);
      at = end;
    }
    return turns.join(" ");
  }

  #step(): boolean {
    const current = this.#current;
    const runs = current !== null && !current.ended && !current.dead;
    const goesOn = runs && current.wait === null;
    const { preemptions, deaths, mortal } = this.#bounds;
    const mayDie = runs && this.#deaths < deaths && (mortal === undefined || current.name === mortal);
    if (goesOn && !mayDie && (current.plain || this.#preemptions === preemptions)) {
      this.#run(current);
      return true;
    }
    const options: Thread[] = goesOn ? [current] : [];
    const mayLeave = !goesOn || (!current.plain && this.#preemptions < preemptions);
    if (mayLeave) {
      for (const other of this.#threads) if (other !== options[0] && isEnabled(other)) options.push(other);
    }
    if (options.length === 0 && !mayDie) return false;
    // A schedule in which nothing more happens is one more option where dying is the only one.
    const idle = options.length === 0 ? 1 : 0;
    const choice = this.#choices.choose(options.length + idle + (mayDie ? 1 : 0));
    const chosen = options[choice];
    if (chosen) {
      if (goesOn && chosen !== current) this.#preemptions++;
      this.#run(chosen);
      return true;
    }
    if (!mayDie || choice < options.length + idle) return false;
    this.#die(current as Thread);
    return true;
  }

  #run(chosen: Thread): void {
    this.#current = chosen;
    this.#trace.push(chosen.name);
    const { done, value } = chosen.body.next();
    if (done) {
      chosen.ended = true;
      return;
    }
    chosen.plain = value === PLAIN;
    chosen.wait = typeof value === "object" ? value : null;
  }

  #die(victim: Thread): void {
    this.#deaths++;
    this.#trace.push(`${victim.name}!`);
    victim.dead = true;
    this.#current = null;
    this.#threads.push(...this.#model.died(victim.pid).map(thread));
  }
}

function thread({ name, pid, body }: Participant): Thread {
  return { name, pid, body, wait: null, plain: false, ended: false, dead: false };
}

function isEnabled({ wait, ended, dead }: Thread): boolean {
  return !ended && !dead && (wait === null || wait.deadline || wait.ready());
}
