// Waiting and waking: kern/waiter.ts, the sleeping halves of ipc/ipc_receive.ts and ipc/ipc_wait.ts, and an event loop as
// host-ts/doorbell.ts has it. A sleep is a futex: it ends by a notify or its deadline, never by a changed word.

import { ATOMIC, PLAIN, type Run, Violation } from "./explore.ts";
import {
  BELL_ARMED,
  BELL_IDLE,
  BELL_RUNG,
  journal_set,
  OWNER_HELD,
  OWNER_LIVE,
  OWNER_MAGAZINE,
  type Port,
  type Processor,
  type Pset,
  type Waiter,
} from "./machine.ts";
import { ip_lock, ip_unlock, imq_unwait_receive, imq_unwait_send, moved } from "./queue.ts";

export type { Waiter } from "./machine.ts";

export const WAITER_LINKED = 1;
export const WAITER_DONE = 2;

export const WORD_AWAKE = 0;
export const WORD_SLEEPING = 1;
export const WORD_WOKEN = 2;
export const WORD_LOOK = 3;

export const MACH_MSG_SUCCESS = 0;
export const TIMED_OUT = 1;
export const PORT_DIED = 2;
export const RETRY = 3;
export const IN_PROGRESS = 4;
export const INVALID_NAME = 5;

export const SLEEP_WOKEN = 0;
export const SLEEP_LOOK = 1;
export const SLEEP_TIMED_OUT = 2;

export interface WaitFor {
  readonly port?: Port;
  readonly pset?: Pset;
  readonly sends?: boolean;
  readonly async?: boolean;
}

/** A waiter in this processor's hand; what was freed last is used first. */
export function waiter_alloc(me: Processor, { port, pset, sends = false, async = false }: WaitFor): Waiter {
  const spare = me.magazine.pop();
  const waiter: Waiter = spare ?? {
    owner: me.pid,
    word: WORD_AWAKE,
    asleep: false,
    state: 0,
    kmsg: 0,
    code: 0,
    port: null,
    pset: null,
    sends,
    async,
    pid: me.pid,
    hander: 0,
    completed: null,
    generation: 0,
  };
  if (!spare) me.world.waiters.push(waiter);
  const fresh = {
    owner: me.pid,
    word: WORD_AWAKE,
    state: 0,
    kmsg: 0,
    code: 0,
    hander: 0,
    completed: null,
    sends,
    async,
  };
  Object.assign(waiter, fresh, { port: port ?? null, pset: pset ?? null, generation: waiter.generation + 1 });
  return waiter;
}

export function waiter_free(me: Processor, waiter: Waiter): void {
  if (waiter.owner === OWNER_MAGAZINE) throw new Violation("a waiter is freed twice");
  waiter.owner = OWNER_MAGAZINE;
  me.magazine.push(waiter);
}

export function unlinked(list: readonly Waiter[], waiter: Waiter): readonly Waiter[] {
  if (!list.includes(waiter)) throw new Violation("a waiter is unlinked that is not linked");
  return list.filter((other) => other !== waiter);
}

export function waiter_complete(me: Processor, waiter: Waiter, code: number, kmsg: number): void {
  waiter.hander = me.pid;
  journal_set(me, waiter, "code", code);
  journal_set(me, waiter, "kmsg", kmsg);
  journal_set(me, waiter, "state", WAITER_DONE);
}

/** `generation`: as the waiter had it when it was completed. */
export function* waiter_wake(me: Processor, waiter: Waiter, generation: number): Run {
  if (waiter.async) {
    yield* waiter_post(me, waiter);
    return;
  }
  yield ATOMIC;
  if (waiter.generation !== generation || waiter.owner === OWNER_MAGAZINE)
    throw new Violation("wakes a waiter that is gone");
  const before = waiter.word;
  waiter.word = WORD_WOKEN;
  if (before !== WORD_SLEEPING) return;
  yield ATOMIC;
  waiter.asleep = false;
}

function* waiter_post(me: Processor, waiter: Waiter): Run {
  const other = me.world.at(waiter.pid);
  if (me.world.mutant === "bell rung before the push") yield* bell_ring(other);
  while (true) {
    yield ATOMIC;
    const head = other.completed;
    waiter.completed = head;
    yield ATOMIC;
    if (other.completed !== head) continue;
    other.completed = waiter;
    break;
  }
  if (me.world.mutant !== "bell rung before the push") yield* bell_ring(other);
}

export function* bell_ring(other: Processor): Run {
  yield ATOMIC;
  const before = other.bell;
  other.bell = BELL_RUNG;
  if (before !== BELL_ARMED) return;
  yield ATOMIC;
  other.bellAsleep = false;
}

export function* waiter_sleep(waiter: Waiter, deadline: boolean): Run<number> {
  let late = false;
  while (true) {
    yield ATOMIC;
    const word = waiter.word;
    if (word === WORD_WOKEN) return SLEEP_WOKEN;
    if (word === WORD_LOOK) {
      yield ATOMIC;
      if (waiter.word === WORD_LOOK) waiter.word = WORD_AWAKE;
      return SLEEP_LOOK;
    }
    if (late) return SLEEP_TIMED_OUT;
    if (word === WORD_AWAKE) {
      yield ATOMIC;
      if (waiter.word !== WORD_AWAKE) continue;
      waiter.word = WORD_SLEEPING;
    }
    yield ATOMIC;
    if (waiter.word !== WORD_SLEEPING) continue;
    waiter.asleep = true;
    yield { deadline, ready: () => !waiter.asleep };
    late = waiter.asleep;
    waiter.asleep = false;
  }
}

export function* waiter_settle(waiter: Waiter): Run {
  const settled = () => waiter.word === WORD_WOKEN || waiter.hander === 0;
  yield ATOMIC;
  if (!settled()) yield { deadline: false, ready: settled };
}

export function* waiter_look(waiter: Waiter): Run {
  yield ATOMIC;
  if (waiter.word === WORD_AWAKE) waiter.word = WORD_LOOK;
  else {
    yield ATOMIC;
    if (waiter.word === WORD_SLEEPING) waiter.word = WORD_LOOK;
  }
  yield ATOMIC;
  waiter.asleep = false;
}

/** send_sleep and sleep_port: until completed, or late. Returns: the code; the waiter is freed. */
export function* sleep_linked(me: Processor, port: Port, waiter: Waiter, deadline: boolean): Run<number> {
  while (true) {
    const end = yield* waiter_sleep(waiter, deadline);
    if (end === SLEEP_WOKEN) break;
    yield* ip_lock(me, port);
    const linked = waiter.state === WAITER_LINKED;
    if (linked && end !== SLEEP_LOOK)
      yield* waiter.sends ? imq_unwait_send(me, port, waiter) : imq_unwait_receive(me, port, waiter);
    yield* ip_unlock(me, port);
    if (linked && end === SLEEP_LOOK) continue;
    if (linked) {
      waiter_free(me, waiter);
      return TIMED_OUT;
    }
    yield* waiter_settle(waiter);
    break;
  }
  return yield* ipc_receive_done(me, waiter);
}

export function* ipc_receive_done(me: Processor, waiter: Waiter): Run<number> {
  if (waiter.owner === OWNER_MAGAZINE) throw new Violation("a completion is delivered twice");
  if (waiter.state !== WAITER_DONE) throw new Violation("a waiter ends that nobody completed");
  const { code, kmsg: id } = waiter;
  yield PLAIN;
  if (id !== 0) {
    me.world.kmsg(id).owner = me.pid;
    moved(me.world.kmsg(id), "waiter", "hand");
  }
  yield PLAIN;
  waiter_free(me, waiter);
  if (id !== 0) yield* ipc_receive_finish(me, id);
  return code;
}

/** The message is JavaScript's. */
export function* ipc_receive_finish(me: Processor, id: number): Run {
  yield PLAIN;
  const kmsg = me.world.kmsg(id);
  if (kmsg.owner !== me.pid) throw new Violation(`message ${id} is received, but is ${kmsg.owner}'s`);
  moved(kmsg, "hand", "received");
  kmsg.owner = OWNER_HELD | me.pid;
}

// --- the event loop

function* ipc_wait_next(me: Processor): Run<Waiter | null> {
  if (!me.drain) yield* wait_take(me);
  const first = me.drain;
  if (!first) return yield* wait_rescan(me);
  me.drain = first.completed;
  return first;
}

function* wait_take(me: Processor): Run {
  yield ATOMIC;
  let at = me.completed;
  me.completed = null;
  let reversed: Waiter | null = null;
  while (at) {
    const next: Waiter | null = at.completed;
    at.completed = reversed;
    reversed = at;
    at = next;
  }
  me.drain = reversed;
}

function* wait_rescan(me: Processor): Run<Waiter | null> {
  const { mutant } = me.world;
  yield ATOMIC;
  if (me.rescan === 0) return null;
  if (mutant !== "rescan cleared after the scan") me.rescan = 0;
  for (const waiter of me.world.waiters) {
    yield ATOMIC;
    if (waiter.owner !== OWNER_LIVE || waiter.pid !== me.pid || waiter.state !== WAITER_DONE) continue;
    if (!waiter.async || waiter.hander !== 0) continue;
    yield ATOMIC;
    me.rescan = 1;
    if (mutant === "rescan beside the completed list") return waiter;
    // Whoever completed it is dead and posts no more: if it is not on the list now, it never will be.
    yield ATOMIC;
    return me.completed ? yield* ipc_wait_next(me) : waiter;
  }
  if (mutant !== "rescan cleared after the scan") return null;
  yield ATOMIC;
  me.rescan = 0;
  return null;
}

function* processor_drain(me: Processor): Run<number> {
  for (let done = 0; ; done++) {
    const waiter = yield* ipc_wait_next(me);
    if (!waiter) return done;
    yield* ipc_receive_done(me, waiter);
  }
}

/** Takes completions until there were `count`. */
export function* event_loop(me: Processor, count: number): Run {
  for (let taken = 0; taken < count; ) {
    yield ATOMIC;
    me.bell = BELL_ARMED;
    const found = yield* processor_drain(me);
    taken += found;
    if (found > 0) continue;
    yield ATOMIC;
    if (me.bell === BELL_ARMED) {
      me.bellAsleep = true;
      yield { deadline: false, ready: () => !me.bellAsleep };
    }
    yield ATOMIC;
    me.bell = BELL_IDLE;
    taken += yield* processor_drain(me);
  }
}
