// A processor stops before an access of a call: it dies there, or an exception leaves the trap there and it goes on. In either
// case every invariant holds once it was recovered, and once all processors are buried no element and no frame is left. The
// accesses are sampled, a prime number apart, from the first to the last of the call; CRASH_STRIDE=1 tries each of them.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import type { Draft } from "../lib/message.js";
import { type Agent, everywhere, Machine, type Space } from "./machine.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const ONCE = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
const RECEIVE = codes.MACH_MSG_TYPE_MOVE_RECEIVE;
const SET = codes.MACH_PORT_RIGHT_PORT_SET;

/** Task `a` on processor 1 has a send right, `out`, for `inbox` of task `b` on processor 2. */
class World {
  readonly machine = new Machine();
  readonly one = this.machine.agent(1);
  readonly two = this.machine.agent(2);
  readonly three = this.machine.agent(3);
  readonly four = this.machine.agent(4);
  readonly a = this.one.task();
  readonly b = this.two.task();
  readonly inbox = this.b.allocate();
  readonly out = this.b.give(this.inbox, MAKE, this.a);

  /** A message with rights of all kinds. */
  draft(id: number): Draft {
    const [moved, kept] = [this.a.allocate(), this.a.allocate()];
    const descriptors = [
      { name: kept, disposition: MAKE },
      { name: moved, disposition: RECEIVE },
      { name: kept, disposition: ONCE },
    ];
    return { remote: this.out, remoteDisposition: COPY, local: kept, localDisposition: ONCE, id, descriptors };
  }

  /** A message with arrays of rights of all kinds, one larger than an element. */
  arrays(id: number): Draft {
    const { a } = this;
    const [moved, kept] = [a.allocate(), a.allocate()];
    const descriptors = [
      a.inArray([kept, 0, kept], MAKE),
      a.inArray([moved, a.allocate()], RECEIVE),
      a.inArray([kept], ONCE),
      { ...a.inArray([0, ...Array.from({ length: 1099 }, () => 0xffffffff)], COPY), count: 9 },
    ];
    return { remote: this.out, remoteDisposition: COPY, local: kept, localDisposition: ONCE, id, descriptors };
  }

  send(count: number): void {
    for (let id = 0; id < count; id++) this.a.send(this.draft(id));
  }

  /** The queue of `inbox` is full, and `a` is to be told of room: once it was refused, or (sync) at once. */
  waitsForRoom(sync: number): void {
    for (let id = 0; id < 5; id++) this.a.send({ remote: this.out, remoteDisposition: COPY, id });
    this.a.request(this.out, codes.MACH_NOTIFY_SEND_POSSIBLE, this.a.allocate(), sync);
  }

  set(): number {
    const set = this.b.allocate(SET);
    this.b.insertMember(this.inbox, set);
    return set;
  }

  /** Task `a` runs on processor 2 too and waits there, with and without a message; so does `b`. */
  crowd(): void {
    const own = this.a.allocate();
    const back = this.a.give(own, MAKE, this.b);
    const elsewhere: Space = this.a.on(this.two);
    for (const cookie of [1, 2, 3]) elsewhere.pend(own, cookie);
    for (const cookie of [4, 5]) this.b.pend(this.inbox, cookie);
    this.send(1);
    for (const id of [8, 9]) this.b.send({ remote: back, remoteDisposition: COPY, id });
  }

  /** The receiver of a set that was told of a message looks. */
  looks(set: number): void {
    if (this.two.drain().length > 0) this.b.receive(set);
  }

  /** Nothing is wrong now, and nothing is left when all others are gone. */
  end(): void {
    expect(this.four.core.kernel_check()).toBe(0);
    for (const other of [this.one, this.two, this.three]) {
      if (other.state !== layout.PROCESSOR_FREE) this.four.buries(other);
    }
    expect(this.four.core.kernel_check()).toBe(0);
    expect(this.machine.census(this.four)).toEqual({});
    expect(this.machine.loose()).toBe(0);
  }
}

interface Case {
  readonly name: string;
  readonly stride: number;
  /** Makes the state from which each try starts; gives who stops, in what, and what is done before the end is looked at. */
  readonly make: (world: World) => { victim: Agent; act: () => unknown; after?: () => void };
}

const CASES: readonly Case[] = [
  {
    name: "a send to a waiting receiver",
    stride: 7,
    make(world) {
      for (const cookie of [1, 2]) world.b.pend(world.inbox, cookie);
      const draft = world.draft(5);
      return { victim: world.one, act: () => world.a.send(draft) };
    },
  },
  {
    name: "a send to a set's receiver",
    stride: 7,
    make(world) {
      const set = world.set();
      for (const cookie of [1, 2]) world.b.pend(set, cookie);
      const draft = world.draft(5);
      return { victim: world.one, act: () => world.a.send(draft), after: () => world.looks(set) };
    },
  },
  {
    name: "a receive",
    stride: 7,
    make(world) {
      world.send(3);
      return { victim: world.two, act: () => world.b.receive(world.inbox) };
    },
  },
  {
    name: "a receive from a set",
    stride: 7,
    make(world) {
      const set = world.set();
      world.send(2);
      return { victim: world.two, act: () => world.b.receive(set) };
    },
  },
  {
    name: "a receive that lets blocked senders in",
    stride: 7,
    make(world) {
      world.send(5);
      for (const cookie of [1, 2]) world.a.sendAsync(world.draft(cookie), cookie);
      return { victim: world.two, act: () => world.b.receive(world.inbox) };
    },
  },
  {
    name: "a send that blocks and is cancelled",
    stride: 17,
    make(world) {
      world.send(5);
      const draft = world.draft(5);
      return { victim: world.one, act: () => world.one.core.mach_msg_cancel(world.a.sendAsync(draft, 1).waiter) };
    },
  },
  {
    name: "a send of arrays",
    stride: 11,
    make(world) {
      const draft = world.arrays(5);
      return { victim: world.one, act: () => world.a.send(draft), after: () => void world.b.receive(world.inbox) };
    },
  },
  {
    name: "a receive of arrays",
    stride: 13,
    make(world) {
      for (const id of [1, 2]) world.a.send(world.arrays(id));
      return { victim: world.two, act: () => world.b.receive(world.inbox) };
    },
  },
  {
    name: "a send of arrays that blocks and is cancelled",
    stride: 23,
    make(world) {
      world.send(5);
      const draft = world.arrays(5);
      return { victim: world.one, act: () => world.one.core.mach_msg_cancel(world.a.sendAsync(draft, 1).waiter) };
    },
  },
  {
    name: "the destruction of a queue with arrays",
    stride: 61,
    make(world) {
      for (const id of [1, 2]) world.a.send(world.arrays(id));
      return { victim: world.two, act: () => world.b.destroy(world.inbox) };
    },
  },
  {
    name: "an array that is made in frames of its own and freed",
    stride: 3,
    make(world) {
      const names = Array.from({ length: 1100 }, (_, index) => index);
      const act = (): void => {
        const { handle, self } = world.a;
        world.one.core.vm_deallocate(handle, self, world.a.tryArray(names).array, names.length * 4);
      };
      return { victim: world.one, act };
    },
  },
  {
    name: "a drain of completions",
    stride: 23,
    make(world) {
      for (const cookie of [1, 2, 3, 4]) world.b.pend(world.inbox, cookie);
      world.send(4);
      return { victim: world.two, act: () => world.two.drain() };
    },
  },
  {
    name: "the growth of zones",
    stride: 13,
    make(world) {
      return { victim: world.two, act: () => world.b.pend(world.set(), 1) };
    },
  },
  {
    name: "the destruction of a port with messages, blocked senders and requests",
    stride: 61,
    make(world) {
      world.send(5);
      for (const cookie of [1, 2]) world.a.sendAsync(world.draft(cookie), cookie);
      world.a.request(world.out, codes.MACH_NOTIFY_DEAD_NAME, world.a.allocate());
      world.b.request(world.inbox, codes.MACH_NOTIFY_NO_SENDERS, world.b.allocate(), 1);
      return { victim: world.two, act: () => world.b.destroy(world.inbox) };
    },
  },
  {
    name: "an insert_right that is refused with a receive right in its hand",
    stride: 29,
    make(world) {
      world.send(2);
      const taken = world.b.allocate();
      return { victim: world.two, act: () => world.b.insertRight(taken, world.inbox, RECEIVE) };
    },
  },
  {
    name: "an insert_right of a receive right under its own name",
    stride: 11,
    make(world) {
      world.set();
      world.b.request(world.inbox, codes.MACH_NOTIFY_DEAD_NAME, world.b.allocate());
      return { victim: world.two, act: () => world.b.insertRight(world.inbox, world.inbox, RECEIVE) };
    },
  },
  {
    name: "a request that is refused",
    stride: 11,
    make(world) {
      const [set, notify] = [world.set(), world.b.allocate()];
      return { victim: world.two, act: () => world.b.request(set, codes.MACH_NOTIFY_NO_SENDERS, notify) };
    },
  },
  {
    name: "a send that is refused and asks for room",
    stride: 7,
    make(world) {
      world.waitsForRoom(0);
      const { a, out } = world;
      return { victim: world.one, act: () => a.send({ remote: out, remoteDisposition: COPY }, codes.MACH_SEND_NOTIFY) };
    },
  },
  {
    name: "a receive that makes room for who waits for it",
    stride: 7,
    make(world) {
      world.waitsForRoom(1);
      return { victim: world.two, act: () => world.b.receive(world.inbox) };
    },
  },
  {
    name: "a special reply port",
    stride: 7,
    make(world) {
      const get = () => world.two.core.thread_get_special_reply_port(world.b.handle);
      get();
      return { victim: world.two, act: get };
    },
  },
  {
    name: "the end of a task",
    stride: 83,
    make(world) {
      world.set();
      world.send(3);
      for (let n = 0; n < 2; n++) world.b.receive(world.inbox);
      world.a.request(world.out, codes.MACH_NOTIFY_DEAD_NAME, world.a.allocate());
      return { victim: world.two, act: () => world.b.terminate() };
    },
  },
  {
    name: "a leave",
    stride: 131,
    make(world) {
      world.crowd();
      return { victim: world.two, act: () => world.two.core.processor_detach() };
    },
  },
  {
    name: "the burial of another",
    stride: 199,
    make(world) {
      world.crowd();
      return { victim: world.three, act: () => world.three.buries(world.two) };
    },
  },
  {
    name: "the burial of another that stopped inside",
    stride: 211,
    make(world) {
      world.send(3);
      for (const cookie of [1, 2]) world.a.sendAsync(world.draft(cookie), cookie);
      expect(world.two.stopsIn(1000, () => world.b.destroy(world.inbox))).toBe(true);
      world.four.marks(world.two); // as the watcher does, whatever becomes of the burial
      const after = () => void world.four.core.processor_gone(world.two.pid, 1); // whose report comes once more
      return { victim: world.three, act: () => world.three.buries(world.two), after };
    },
  },
];

describe.each(CASES)("$name", ({ stride, make }) => {
  test.each(["dies", "faults"] as const)("who %s leaves nothing broken and nothing behind", (how) => {
    const world = new World();
    const { victim, act, after } = make(world);
    const places = everywhere(
      world.machine,
      victim,
      act,
      () => {
        if (how === "dies") world.four.buries(victim);
        else {
          victim.fault();
          victim.core.zone_count(0);
        }
        after?.();
        world.end();
      },
      Number(process.env.CRASH_STRIDE ?? stride),
    );
    expect(places).toBeGreaterThan(stride * 10);
  });
});
