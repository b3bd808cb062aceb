// The scenarios, and what must hold when everybody ended or waits for ever.

import { type Bounds, type Model, type Participant, type Run, Violation } from "./explore.ts";
import {
  isFree,
  type Mutant,
  OWNER_LIVE,
  type Port,
  type Processor,
  processor_stopped,
  type Pset,
  World,
} from "./machine.ts";
import { pset_alloc, receive_set } from "./pset.ts";
import {
  box_count,
  box_head,
  box_qlimit,
  IMQ_BLOCKED,
  IMQ_KICK,
  imq_dequeue,
  imq_peek,
  imq_push,
  imq_recheck,
  imq_wait_receive,
  imq_wait_send,
  ip_lock,
  ip_unlock,
  list_of,
  moved,
  port_alloc,
  PUSH_CLOSED,
  PUSH_DONE,
  PUSH_FULL,
  PUSH_KICK,
} from "./queue.ts";
import { port_destroy, processor_bury } from "./recover.ts";
import {
  event_loop,
  IN_PROGRESS,
  INVALID_NAME,
  ipc_receive_finish,
  MACH_MSG_SUCCESS,
  sleep_linked,
  TIMED_OUT,
  waiter_alloc,
  WAITER_DONE,
  waiter_free,
  WAITER_LINKED,
} from "./waiter.ts";

/** What participants do. */
type Script = (me: Processor) => Run;

export interface Scenario {
  readonly name: string;
  /** Explored one after the other: deep without deaths, shallower with. */
  readonly bounds: readonly Bounds[];
  build(world: World, add: (name: string, script: Script) => void): void;
}

// --- mach_msg, as far as queues go

function* send(me: Processor, port: Port, deadline = false): Run {
  const kmsg = me.world.kmsg_alloc(me);
  const outcome = yield* imq_push(port, kmsg);
  if (outcome === PUSH_KICK) yield* imq_recheck(me, port);
  if (outcome === PUSH_CLOSED) moved(kmsg, "sender", "destroyed");
  if (outcome !== PUSH_FULL) return;
  const waiter = waiter_alloc(me, { port, sends: true });
  yield* ip_lock(me, port);
  const waits = yield* imq_wait_send(me, port, waiter, kmsg);
  yield* ip_unlock(me, port);
  if (waits === PUSH_FULL) {
    const code = yield* sleep_linked(me, port, waiter, deadline);
    if (code === TIMED_OUT) moved(kmsg, "sender", "returned");
    return;
  }
  waiter_free(me, waiter);
  if (waits === PUSH_KICK) yield* imq_recheck(me, port);
  if (waits !== PUSH_DONE && waits !== PUSH_KICK) moved(kmsg, "sender", "destroyed");
}

function* receive(me: Processor, port: Port, { deadline = false, async = false } = {}): Run<number> {
  while (true) {
    yield* ip_lock(me, port);
    if (!port.active) {
      yield* ip_unlock(me, port);
      return INVALID_NAME;
    }
    const kmsg = yield* imq_peek(me, port);
    if (kmsg) {
      yield* imq_dequeue(me, port, kmsg);
      yield* ip_unlock(me, port);
      yield* ipc_receive_finish(me, kmsg.id);
      return MACH_MSG_SUCCESS;
    }
    const waiter = waiter_alloc(me, { port, async });
    const waits = yield* imq_wait_receive(me, port, waiter);
    if (!waits) waiter_free(me, waiter);
    yield* ip_unlock(me, port);
    if (waits) return async ? IN_PROGRESS : yield* sleep_linked(me, port, waiter, deadline);
  }
}

const sends = (ports: readonly Port[], deadline = false): Script =>
  function* (me) {
    for (const port of ports) yield* send(me, port, deadline);
  };

const receives = (port: Port, messages = 1, deadline = false): Script =>
  function* (me) {
    for (let taken = 0; taken < messages; taken++) yield* receive(me, port, { deadline });
  };

const receives_async = (ports: readonly Port[]): Script =>
  function* (me) {
    let pending = 0;
    for (const port of ports) if ((yield* receive(me, port, { async: true })) === IN_PROGRESS) pending++;
    yield* event_loop(me, pending);
  };

const receives_set = (pset: Pset, messages: number, deadline = false): Script =>
  function* (me) {
    for (let taken = 0; taken < messages; taken++) yield* receive_set(me, pset, deadline);
  };

const LIVE_2: Bounds = { preemptions: 2, deaths: 0 };
const LIVE_3: Bounds = { preemptions: 3, deaths: 0 };
const DEATH_0: Bounds = { preemptions: 0, deaths: 1 };
const DEATH_1: Bounds = { preemptions: 1, deaths: 1 };
const DEATHS_0: Bounds = { preemptions: 0, deaths: 2 };

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "two sends and a receiver of two",
    bounds: [LIVE_2, DEATH_1],
    build(world, add) {
      const port = port_alloc(world, "P", 5);
      add("S1", sends([port]));
      add("S2", sends([port]));
      add("R", receives(port, 2));
    },
  },
  {
    name: "two sends of one sender and receives with a deadline",
    bounds: [LIVE_3, DEATH_1],
    build(world, add) {
      const port = port_alloc(world, "P", 5);
      add("S", sends([port, port]));
      add("R", receives(port, 2, true));
    },
  },
  {
    name: "a full queue and a receiver",
    bounds: [LIVE_3, DEATH_1],
    build(world, add) {
      const port = port_alloc(world, "P", 1);
      add("S", sends([port, port]));
      add("R", receives(port, 2));
    },
  },
  {
    name: "a full queue, two senders, one with a deadline, and a receiver",
    bounds: [LIVE_2, DEATH_0],
    build(world, add) {
      const port = port_alloc(world, "P", 1);
      add("S1", sends([port, port]));
      add("S2", sends([port], true));
      add("R", receives(port, 2));
    },
  },
  {
    name: "a hand-over against the receiver's deadline",
    bounds: [LIVE_3, DEATH_1, { preemptions: 2, deaths: 1, mortal: "S" }, DEATHS_0],
    build(world, add) {
      const port = port_alloc(world, "P", 5);
      add("R", receives(port, 1, true));
      add("S", sends([port]));
    },
  },
  {
    name: "a hand-over to one of two receivers, one with a deadline",
    bounds: [LIVE_2, DEATH_0],
    build(world, add) {
      const port = port_alloc(world, "P", 5);
      add("R1", receives(port, 1, true));
      add("R2", receives(port));
      add("S", sends([port]));
    },
  },
  {
    name: "sends, one blocked, against the port's destruction",
    bounds: [LIVE_3, DEATH_1],
    build(world, add) {
      const port = port_alloc(world, "P", 1);
      add("S1", sends([port]));
      add("S2", sends([port]));
      add("C", (me) => port_destroy(me, port));
    },
  },
  {
    name: "a send and a receiver against the port's destruction",
    bounds: [LIVE_2, DEATH_0],
    build(world, add) {
      const port = port_alloc(world, "P", 1);
      add("R", receives(port));
      add("S", sends([port]));
      add("C", (me) => port_destroy(me, port));
    },
  },
  {
    name: "sends to two members of a set and a receiver of the set",
    bounds: [LIVE_2, DEATH_1],
    build(world, add) {
      const ports = [port_alloc(world, "P", 5), port_alloc(world, "Q", 5)] as const;
      const pset = pset_alloc(world, ports, IMQ_KICK);
      add("R", receives_set(pset, 2));
      add("S", sends(ports));
    },
  },
  {
    name: "sends to a member and two receivers of the set, one with a deadline",
    bounds: [LIVE_2, DEATH_0, { preemptions: 1, deaths: 1, mortal: "R2" }],
    build(world, add) {
      const port = port_alloc(world, "P", 5);
      const pset = pset_alloc(world, [port], IMQ_KICK);
      add("R1", receives_set(pset, 1, true));
      add("R2", receives_set(pset, 1));
      add("S", sends([port, port]));
    },
  },
  {
    name: "an event loop that waits on two ports",
    bounds: [LIVE_2, DEATH_1, { preemptions: 2, deaths: 1, mortal: "S" }],
    build(world, add) {
      const ports = [port_alloc(world, "P", 5), port_alloc(world, "Q", 5)] as const;
      add("A", receives_async(ports));
      add("S", sends(ports));
    },
  },
  {
    name: "an event loop with two senders",
    bounds: [LIVE_2, DEATH_0],
    build(world, add) {
      const ports = [port_alloc(world, "P", 5), port_alloc(world, "Q", 5)] as const;
      add("A", receives_async(ports));
      add("S1", sends([ports[0]]));
      add("S2", sends([ports[1]]));
    },
  },
];

/** One run of a scenario, from the start. */
export function model(scenario: Scenario, mutant: Mutant | null): Model {
  const world = new World(mutant);
  const participants: Participant[] = [];
  scenario.build(world, (name, script) => {
    const me = world.processor();
    participants.push({ name, pid: me.pid, body: script(me) });
  });
  const victims = new Map<number, Processor>();
  const recovery = (victim: Processor): Participant => {
    const me = world.processor();
    victims.set(me.pid, victim);
    return { name: `B${me.pid}(${victim.pid})`, pid: me.pid, body: processor_bury(me, victim) };
  };
  return {
    participants,
    died(pid) {
      // Each death is noticed by somebody who lives: also that of whom the dead was about to bury.
      const left = victims.get(pid);
      return left ? [recovery(world.at(pid)), recovery(left)] : [recovery(world.at(pid))];
    },
    check: (waiting) => check(world, waiting),
  };
}

// --- when nothing moves any more

function check(world: World, waiting: ReadonlySet<number>): void {
  for (const { pid, journal, held, bellAsleep } of world.processors.values()) {
    const sleeps = bellAsleep || world.waiters.some((waiter) => waiter.pid === pid && waiter.asleep);
    if (waiting.has(pid) && !sleeps) throw new Violation(`${pid} waits for a lock or a settlement for ever`);
    if (journal.length > 0) throw new Violation(`${pid} left a transaction`);
    if (held.length > 0) throw new Violation(`${pid} left a lock noted`);
  }
  for (const port of world.ports) check_port(world, port);
  for (const pset of world.psets) check_pset(pset);
  for (const waiter of world.waiters) {
    if (waiter.owner !== OWNER_LIVE) continue;
    if (processor_stopped(world.at(waiter.pid))) throw new Violation("a waiter of the dead is left");
    if (waiter.state === WAITER_DONE) throw new Violation(`${waiter.pid} sleeps on a completed wait`);
    if (waiter.state !== WAITER_LINKED) throw new Violation("a waiter is neither linked nor done");
  }
  for (const { id, place } of world.kmsgs) {
    const waits = world.waiters.some(
      ({ owner, state, sends, kmsg }) => owner === OWNER_LIVE && state === WAITER_LINKED && sends && kmsg === id,
    );
    if (place === "waiter" || place === "hand" || (place === "sender" && !waits)) {
      throw new Violation(`message ${id} got stuck with its ${place}`);
    }
  }
}

function check_port(world: World, port: Port): void {
  const { inbox, receivers, senders, lock, order, active } = port;
  if (lock.word !== 0) throw new Violation(`${port.name} is locked by ${lock.word}`);
  if (port.chain !== 0) throw new Violation("imq_chain is left");
  const queued = list_of(world, port);
  const fresh: number[] = [];
  for (let at = box_head(inbox); at !== 0; at = world.kmsg(at).next) fresh.unshift(at);
  queued.push(...fresh);
  for (const id of queued) {
    if (world.kmsg(id).place !== "queue")
      throw new Violation(`message ${id} is queued, but was ${world.kmsg(id).place}`);
  }
  for (const id of order) {
    if (world.kmsg(id).place === "queue" && !queued.includes(id)) throw new Violation(`message ${id} is lost`);
  }
  const numbers = order.map((id) => world.kmsg(id)).filter(({ place }) => place === "received");
  for (let at = 1; at < numbers.length; at++) {
    const [before, after] = [numbers[at - 1], numbers[at]];
    if (before && after && before.seqno >= after.seqno)
      throw new Violation(`message ${after.id} overtook ${before.id}`);
  }
  if (!active) {
    if (queued.length + senders.length + receivers.length > 0)
      throw new Violation("a dead port has messages or waiters");
    return;
  }
  if (box_count(inbox) !== queued.length) throw new Violation(`msgcount is ${box_count(inbox)} of ${queued.length}`);
  // What was put back, or was in the hand of somebody who died, does not ask for room.
  const deaths = [...world.processors.values()].filter(isFree).length;
  if (queued.length > box_qlimit(inbox) + deaths) throw new Violation("more messages than qlimit");
  if (queued.length > 0 && receivers.length > 0) throw new Violation("a receiver sleeps beside a message");
  if (queued.length < box_qlimit(inbox) && senders.length > 0) throw new Violation("a sender sleeps beside room");
  if (queued.length === 0 && inbox & IMQ_BLOCKED) throw new Violation("an empty queue is closed to senders");
  if (queued.length > 0 && port.links.some(({ ready }) => !ready))
    throw new Violation("a set does not know of a message");
}

function check_pset(pset: Pset): void {
  if (pset.lock.word !== 0) throw new Violation(`the set is locked by ${pset.lock.word}`);
  if (pset.ready.length > 0 && pset.waiters.length > 0)
    throw new Violation("a receiver of the set sleeps beside a ready member");
  for (const link of pset.links) {
    if (link.ready !== pset.ready.includes(link)) throw new Violation("a link and its set's ring disagree");
  }
}
