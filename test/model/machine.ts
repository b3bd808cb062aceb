// What the queue's protocol stands on, as the core has it: processors with their undo logs and held locks (kern/journal.ts,
// kern/lock.ts), and the words of ports, sets, waiters and kmsgs. Functions keep the core's names, so that each can be held
// against its original; `yield ATOMIC` stands before each atomic access, `yield PLAIN` where a death between plain stores shows.

import { ATOMIC, PLAIN, type Run, Violation, type Wait } from "./explore.ts";

export const OWNER_FREE = 0;
export const OWNER_HELD = 0x100;
export const OWNER_MAGAZINE = 0x200;
export const OWNER_LIVE = 0x10000;
export const OWNER_QUEUED = 0x20000;
export const OWNER_WAITING = 0x30000;

const FREE = 0;
const KERNEL = 2;
const DEAD = 3;
const RECOVERING = 5;

export const BELL_IDLE = 0;
export const BELL_ARMED = 1;
export const BELL_RUNG = 2;

/**
 * Faults that the model must notice, each with the words in the name of the scenario that shows it. The first eight are
 * invented; the others were in the core when it was first modelled. ("Armed": without KICK. With KICK, arming beside a message is
 * made good by the look after unlock.)
 */
export const MUTANTS = [
  ["nobody looks after unlock", "two sends and"],
  ["armed beside a message", "two sends and"],
  ["imq_chain cleared before the compare-and-swap", "two sends and"],
  ["woken before the commit", "two sends and"],
  ["recovery without kicks", "two sends and"],
  ["recovery without a look for sleepers", "two sends and"],
  ["recovery without counting", "two sends and"],
  ["bell rung before the push", "waits on two ports"],
  ["undo keeps the dead from burial", "receiver's deadline"],
  ["settling lets no sender in", "a full queue and a receiver"],
  ["rescan cleared after the scan", "waits on two ports"],
  ["rescan beside the completed list", "waits on two ports"],
  ["put back twice", "receiver's deadline"],
  ["burials of the dead are not taken over", "receiver's deadline"],
  ["recovery rings without a notify", "waits on two ports"],
  ["recovery passes a port that is locked", "two sends and"],
  ["a set's waiter woken after unlock", "two receivers of the set"],
] as const;
export type Mutant = (typeof MUTANTS)[number][0];

export interface Lock {
  word: number;
  dirty: boolean;
  /** Until it is free, or its owner dead and to be undone. */
  readonly wait: Wait;
}

export interface Kmsg {
  readonly id: number;
  owner: number;
  next: number;
  forward: number;
  seqno: number;
  numbered: boolean;
  /** Not of the protocol: where the message is, as its outcome says. */
  place: "sender" | "queue" | "waiter" | "hand" | "received" | "returned" | "destroyed";
}

export interface Port {
  readonly name: string;
  inbox: number;
  readonly lock: Lock;
  active: boolean;
  dying: boolean;
  first: number;
  last: number;
  chain: number;
  seqno: number;
  receivers: readonly Waiter[];
  senders: readonly Waiter[];
  links: readonly Link[];
  /** Not of the protocol: messages in the order in which they entered the queue. */
  readonly order: number[];
}

export interface Pset {
  readonly lock: Lock;
  links: readonly Link[];
  ready: readonly Link[];
  waiters: readonly Waiter[];
}

export interface Link {
  readonly port: Port;
  readonly pset: Pset;
  ready: boolean;
}

export interface Waiter {
  owner: number;
  word: number;
  /** In word_wait, not notified yet. */
  asleep: boolean;
  state: number;
  kmsg: number;
  code: number;
  port: Port | null;
  pset: Pset | null;
  sends: boolean;
  async: boolean;
  readonly pid: number;
  hander: number;
  completed: Waiter | null;
  /** Not of the protocol: how often it was allocated. */
  generation: number;
}

export interface Processor {
  readonly world: World;
  readonly pid: number;
  state: number;
  journal: (() => void)[];
  held: Lock[];
  work: readonly Port[];
  readonly magazine: Waiter[];
  completed: Waiter | null;
  drain: Waiter | null;
  bell: number;
  bellAsleep: boolean;
  rescan: number;
}

export class World {
  readonly mutant: Mutant | null;
  readonly processors = new Map<number, Processor>();
  readonly ports: Port[] = [];
  readonly psets: Pset[] = [];
  readonly waiters: Waiter[] = [];
  readonly kmsgs: Kmsg[] = [];

  constructor(mutant: Mutant | null) {
    this.mutant = mutant;
  }

  processor(): Processor {
    const pid = this.processors.size + 1;
    const made: Processor = {
      world: this,
      pid,
      state: KERNEL,
      journal: [],
      held: [],
      work: [],
      magazine: [],
      completed: null,
      drain: null,
      bell: BELL_IDLE,
      bellAsleep: false,
      rescan: 0,
    };
    this.processors.set(pid, made);
    return made;
  }

  at(pid: number): Processor {
    const found = this.processors.get(pid);
    if (!found) throw new Violation(`no processor ${pid}`);
    return found;
  }

  kmsg(id: number): Kmsg {
    const found = this.kmsgs[id - 1];
    if (!found) throw new Violation(`no kmsg ${id}`);
    return found;
  }

  kmsg_alloc(me: Processor): Kmsg {
    const id = this.kmsgs.length + 1;
    const made: Kmsg = { id, owner: me.pid, next: 0, forward: 0, seqno: -1, numbered: false, place: "sender" };
    this.kmsgs.push(made);
    return made;
  }

  lock(): Lock {
    const made: Lock = {
      word: 0,
      dirty: false,
      wait: { deadline: false, ready: () => made.word === 0 || this.#claimable(this.at(made.word)) },
    };
    return made;
  }

  /** Dead, and no living processor at work on it. */
  #claimable({ state }: Processor): boolean {
    return state === DEAD || ((state & 0xff) === RECOVERING && processor_stopped(this.at(state >>> 8)));
  }
}

// --- kern/journal.ts

export function journal_set<T, K extends keyof T>(me: Processor, target: T, key: K, value: T[K]): void {
  const before = target[key];
  me.journal.push(() => {
    target[key] = before;
  });
  target[key] = value;
}

export function journal_commit(me: Processor): void {
  me.journal.length = 0;
}

function* journal_undo(dead: Processor): Run {
  while (dead.journal.length > 0) {
    yield PLAIN;
    dead.journal.at(-1)?.();
    dead.journal.pop();
  }
}

// --- kern/lock.ts

export function* lock_acquire(me: Processor, lock: Lock): Run {
  me.held.push(lock);
  yield ATOMIC;
  while (lock.word !== 0) {
    const owner = me.world.at(lock.word);
    if (owner === me) throw new Violation("locked twice by one processor");
    if (processor_stopped(owner)) yield* processor_undo(me, owner);
    // It naps; then comes the next compare-and-swap.
    yield lock.wait;
  }
  lock.word = me.pid;
}

export function* lock_try(me: Processor, lock: Lock): Run<boolean> {
  me.held.push(lock);
  yield ATOMIC;
  if (lock.word === 0) {
    lock.word = me.pid;
    return true;
  }
  me.held.pop();
  return false;
}

export function* lock_open(me: Processor, lock: Lock): Run {
  if (me.journal.length > 0) throw new Violation("unlocked inside a transaction");
  yield ATOMIC;
  if (lock.word !== me.pid) throw new Violation("unlocks what it does not own");
  lock.word = 0;
}

export function lock_forget(me: Processor, lock: Lock): void {
  me.held.splice(me.held.lastIndexOf(lock), 1);
}

export function* lock_release(me: Processor, lock: Lock): Run {
  yield* lock_open(me, lock);
  yield PLAIN;
  lock_forget(me, lock);
}

export function processor_stopped({ state }: Processor): boolean {
  return (state & 0xff) === DEAD || (state & 0xff) === RECOVERING;
}

function* processor_undo(me: Processor, dead: Processor): Run {
  if (!(yield* processor_claim(me, dead))) return;
  yield* processor_undo_claimed(dead);
  yield ATOMIC;
  dead.state = DEAD;
}

export function* processor_undo_claimed(dead: Processor): Run {
  yield* journal_undo(dead);
  while (dead.held.length > 0) {
    const lock = dead.held.at(-1);
    if (lock && lock.word === dead.pid) {
      yield PLAIN;
      lock.dirty = true;
      yield ATOMIC;
      if (lock.word === dead.pid) lock.word = 0;
    }
    dead.held.pop();
  }
}

function* processor_claim(me: Processor, dead: Processor): Run<boolean> {
  yield ATOMIC;
  const state = dead.state;
  const kind = state & 0xff;
  if (kind === RECOVERING) {
    const recoverer = state >>> 8;
    if (recoverer !== me.pid && !processor_stopped(me.world.at(recoverer))) return false;
  } else if (kind !== DEAD) return false;
  yield ATOMIC;
  if (dead.state !== state) return false;
  dead.state = RECOVERING | (me.pid << 8);
  return true;
}

/** Claims a dead processor for its burial. Returns: false when it is buried, or another is at it. */
export function* claim_for_burial(me: Processor, dead: Processor): Run<boolean> {
  yield ATOMIC;
  if (dead.state === KERNEL) dead.state = DEAD;
  while (!(yield* processor_claim(me, dead))) {
    if (dead.state === FREE || me.world.mutant === "undo keeps the dead from burial") return false;
    const state = dead.state;
    const stopped = () => processor_stopped(me.world.at(state >>> 8));
    if (state !== DEAD) yield { deadline: false, ready: () => dead.state !== state || stopped() };
  }
  return true;
}

export function* processor_free(dead: Processor): Run {
  yield ATOMIC;
  dead.state = FREE;
}

/** Whether `recoverer` had begun to bury it. */
export function isBuriedBy({ state }: Processor, recoverer: Processor): boolean {
  return state === (RECOVERING | (recoverer.pid << 8));
}

export function isFree({ state }: Processor): boolean {
  return state === FREE;
}
