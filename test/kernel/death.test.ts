// What a death, a leave, or exhausted memory must not change: one case each, driven by traps.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { word } from "../lib/message.ts";
import { type Agent, expectKr, Machine, type Space } from "./machine.ts";
import { exhaust } from "./scarce.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const ONCE = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
const SET = codes.MACH_PORT_RIGHT_PORT_SET;

function pair(pages?: number): { machine: Machine; one: Agent; two: Agent; a: Space; b: Space } {
  const machine = new Machine(pages);
  const [one, two] = [machine.agent(1), machine.agent(2)];
  return { machine, one, two, a: one.task(), b: two.task() };
}

/** Everybody but `by` is buried: nothing may be left. */
function nothingLeft(machine: Machine, by: Agent, ...others: Agent[]): void {
  for (const other of others) if (other.state !== layout.PROCESSOR_FREE) by.buries(other);
  by.drain();
  expect(by.core.kernel_check()).toBe(0);
  expect(machine.census(by)).toEqual({});
  expect(machine.loose()).toBe(0);
}

describe("a wait of a task that has ended", () => {
  test("is completed without its message, though another task has the task's element", () => {
    const { machine, one, two, a, b } = pair();
    const inbox = b.allocate();
    const out = b.give(inbox, MAKE, a);
    const carried = a.allocate();
    b.pend(inbox, 7);
    a.send({
      remote: out,
      remoteDisposition: COPY,
      id: 1,
      descriptors: [{ name: carried, disposition: MAKE }],
    });
    b.terminate();
    const heir = two.task();
    expect(heir.handle & ~63).toBe(b.handle & ~63);
    const before = heir.names();
    expect(two.drain()).toEqual([{ cookie: 7, code: codes.MACH_RCV_PORT_DIED, message: null }]);
    expect(heir.names()).toEqual(before);
    a.terminate();
    nothingLeft(machine, one, two);
  });

  test("gives nothing back when a send of it is cancelled", () => {
    const { machine, one, two, a, b } = pair();
    const inbox = a.allocate();
    const out = a.give(inbox, MAKE, b);
    const carried = b.allocate();
    for (let id = 0; id < 5; id++) expect(b.send({ remote: out, remoteDisposition: COPY, id })).toBe(0);
    const descriptors = [{ name: carried, disposition: codes.MACH_MSG_TYPE_MOVE_RECEIVE }];
    const { code, waiter } = b.sendAsync({ remote: out, remoteDisposition: COPY, id: 5, descriptors }, 3);
    expectKr(code, codes.MACH_SEND_IN_PROGRESS);
    b.terminate();
    const heir = two.task();
    expect(heir.handle & ~63).toBe(b.handle & ~63);
    const before = heir.names();
    expectKr(two.core.mach_msg_cancel(waiter), codes.KERN_SUCCESS);
    expect(two.out(0)).toBe(0);
    expect(heir.names()).toEqual(before);
    expect(a.ids(inbox)).toEqual([0, 1, 2, 3, 4]);
    a.terminate();
    nothingLeft(machine, one, two);
  });
});

describe("messages that were handed to a processor whose task lives on elsewhere go back in order, with their numbers", () => {
  /** Five waits of a task on processor 2, of which four have a message, in an order that memory does not have. */
  function handed() {
    const machine = new Machine();
    const [one, two] = [machine.agent(1), machine.agent(2)];
    const a = one.task();
    const elsewhere = a.on(two);
    const inbox = a.allocate();
    const out = a.give(inbox, MAKE, a);
    const idle = a.allocate();
    const waits = [0, 1, 2].map((cookie) => elsewhere.pend(idle, cookie));
    for (const waiter of waits) two.core.mach_msg_cancel(waiter);
    for (let cookie = 0; cookie < 5; cookie++) elsewhere.pend(inbox, 10 + cookie);
    for (let id = 0; id < 4; id++) a.send({ remote: out, remoteDisposition: COPY, id });
    return { machine, one, two, a, inbox, out };
  }

  test.each(["dies", "leaves"] as const)("when it %s", (how) => {
    const { machine, one, two, a, inbox, out } = handed();
    if (how === "dies") one.buries(two);
    else two.core.processor_detach();
    expect(machine.census(one).WAITER ?? 0).toBe(0);
    a.send({ remote: out, remoteDisposition: COPY, id: 4 });
    const messages = [0, 1, 2, 3, 4].map(() => a.take(inbox));
    expect(messages.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
    expect(messages.map(({ trailer }) => trailer.seqno)).toEqual([0, 1, 2, 3, 4]);
    a.terminate();
    nothingLeft(machine, one, two);
  });
});

describe("a set's receiver that was told of a message and does not take it", () => {
  /** Processors 2 and 3 wait at one set for one message; the first was told. */
  function told() {
    const machine = new Machine();
    const [one, two, three] = [machine.agent(1), machine.agent(2), machine.agent(3)];
    const a = one.task();
    const [set, inbox] = [a.allocate(SET), a.allocate()];
    a.insertMember(inbox, set);
    const out = a.give(inbox, MAKE, a);
    const first = a.on(two);
    const waiter = first.pend(set, 1);
    a.on(three).pend(set, 2);
    a.send({ remote: out, remoteDisposition: COPY, id: 5 });
    return { machine, one, two, three, a, set, first, waiter };
  }
  const RETRY = [{ cookie: 2, code: codes.MACH_IPC_RETRY, message: null }];

  test("passes it on when it is cancelled", () => {
    const { two, three, waiter } = told();
    expectKr(two.core.mach_msg_cancel(waiter), codes.KERN_FAILURE);
    expect(three.drain()).toEqual(RETRY);
  });

  test.each(["dies", "leaves"] as const)("passes it on when it %s", (how) => {
    const { one, two, three } = told();
    if (how === "dies") one.buries(two);
    else two.core.processor_detach();
    expect(three.drain()).toEqual(RETRY);
  });

  test("passes it on when an exception leaves its next receive", () => {
    const { two, three, first, set } = told();
    two.drain();
    expect(two.stopsIn(20, () => first.receive(set))).toBe(true);
    two.fault();
    two.core.zone_count(0);
    expect(three.drain()).toEqual(RETRY);
  });
});

describe("when memory is exhausted", () => {
  test("a task that ends takes no send-once right along: it is told once there is memory", () => {
    const { machine, one, two, a, b } = pair();
    const reply = a.allocate();
    for (let n = 0; n < 3; n++) a.give(reply, ONCE, b);
    const costOfTrap = () => {
      two.count = 0;
      expectKr(two.core.mach_msg_cancel(0), codes.KERN_INVALID_ARGUMENT);
      return two.count;
    };
    const accesses = costOfTrap();
    const [other, free] = [exhaust(b), exhaust(a)];
    b.terminate();
    expect(machine.census(one).TASK).toBe(2);
    free();
    expect(a.ids(reply)).toEqual([]);
    other();
    expect(a.ids(reply)).toEqual([1, 2, 3].map(() => codes.MACH_NOTIFY_SEND_ONCE));
    expect(machine.census(one).TASK).toBe(1);
    expect(costOfTrap()).toBe(accesses); // nothing is looked for any more
    a.terminate();
    nothingLeft(machine, one, two);
  });

  test("the recoverer of who could not end a task goes on", () => {
    const { machine, one, two, a, b } = pair();
    const reply = a.allocate();
    for (let n = 0; n < 3; n++) a.give(reply, ONCE, b);
    const free = exhaust(b, a);
    b.terminate();
    expect(machine.census(one).TASK).toBe(2);
    two.stopsIn(0, free);
    one.buries(two);
    expect(a.ids(reply)).toEqual([1, 2, 3].map(() => codes.MACH_NOTIFY_SEND_ONCE));
    expect(machine.census(one).TASK).toBe(1);
  });

  test("insert_right refuses to move a send right whose new name has no room in the hash, and leaves it", () => {
    const { a, b } = pair();
    // With the task port three quarters of the smallest hash.
    const rights = Array.from({ length: 767 }, () => b.give(b.allocate(), MAKE, a));
    const spare = a.prepare({}).kmsg;
    const free = exhaust(b, a);
    expectKr(a.agent.core.mach_msg_release(spare), codes.KERN_SUCCESS); // what carries the right
    while (b.agent.core.mach_port_allocate(b.handle, b.self, codes.MACH_PORT_RIGHT_DEAD_NAME) === 0);
    const fresh = (800 << 8) | 3; // in a chunk that is there
    let refused = 0;
    for (const [index, right] of rights.slice(0, 100).entries()) {
      const name = fresh + (index << 8);
      const { core } = a.agent;
      const kr = core.mach_port_insert_right(a.handle, a.self, name, right, codes.MACH_MSG_TYPE_MOVE_SEND);
      if (kr !== codes.KERN_SUCCESS) {
        expect([codes.KERN_RESOURCE_SHORTAGE, codes.KERN_NO_SPACE]).toContain(kr);
        refused++;
        expect(a.refs(right, codes.MACH_PORT_RIGHT_SEND)).toBe(1);
      } else expect(a.refs(name, codes.MACH_PORT_RIGHT_SEND)).toBe(1);
    }
    expect(refused).toBeGreaterThan(0);
    free();
    expect(a.agent.core.kernel_check()).toBe(0);
  });

  test("a dead name has its notification's reference before the notification is sent", () => {
    const { a, b } = pair();
    const inbox = b.allocate();
    const out = b.give(inbox, MAKE, a);
    expect(b.give(inbox, MAKE, a)).toBe(out);
    const note = a.allocate();
    expectKr(a.request(out, codes.MACH_NOTIFY_DEAD_NAME, note), codes.KERN_SUCCESS);
    const reply = b.allocate();
    // Told first, so that the work stops there for want of memory.
    expectKr(b.request(inbox, codes.MACH_NOTIFY_NO_SENDERS, reply, 100), codes.KERN_SUCCESS);
    const free = exhaust(a, b);
    b.destroy(inbox);
    expect(a.type(out) & codes.MACH_PORT_TYPE_DEAD_NAME).not.toBe(0);
    expect(a.refs(out, codes.MACH_PORT_RIGHT_DEAD_NAME)).toBe(3);
    for (let n = 0; n < 2; n++) expectKr(a.deallocate(out), codes.KERN_SUCCESS);
    free();
    b.agent.core.zone_count(0);
    expect(a.take(note).id).toBe(codes.MACH_NOTIFY_DEAD_NAME);
    expectKr(a.deallocate(out), codes.KERN_SUCCESS);
    expectKr(a.deallocate(out), codes.KERN_INVALID_NAME);
    expect(a.agent.core.kernel_check()).toBe(0);
  });
});

/** Room was made for `a`, but there was no memory to say so: `tell` gives some to who made it. */
function untold() {
  const { machine, one, two, a, b } = pair();
  const inbox = b.allocate();
  const out = b.give(inbox, MAKE, a);
  const [note, later] = [a.allocate(), a.allocate()];
  while (a.send({ remote: out, remoteDisposition: COPY }) === 0);
  expectKr(a.deallocate(out), codes.KERN_SUCCESS); // what came back of the one that was refused
  expectKr(a.request(out, codes.MACH_NOTIFY_SEND_POSSIBLE, note, 1), codes.KERN_SUCCESS);
  const [tell, free] = [exhaust(b), exhaust(a)];
  const option = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;
  expectKr(two.core.mach_msg_trap(b.handle, 0, option, 0, 4096, inbox, 0, 0), 0); // and it holds the message
  free();
  expect(a.ids(note)).toEqual([]);
  return { machine, one, two, a, b, inbox, out, note, later, tell };
}

describe("room that could not be told of for want of memory", () => {
  test("is told once there is memory", () => {
    const { a, out, note, tell } = untold();
    tell();
    const { id, data } = a.take(note);
    expect([id, word(data, 8)]).toEqual([codes.MACH_NOTIFY_SEND_POSSIBLE, out]);
    expect(a.type(out) & codes.MACH_PORT_TYPE_DNREQUEST).toBe(0);
    expect(a.agent.core.kernel_check()).toBe(0);
  });

  test("is told though the name has another request by then, which stays", () => {
    const { a, b, inbox, out, note, later, tell } = untold();
    expectKr(a.request(out, codes.MACH_NOTIFY_DEAD_NAME, later), codes.KERN_SUCCESS);
    expect(a.agent.out(0)).toBe(0);
    tell();
    expect(a.ids(note)).toEqual([codes.MACH_NOTIFY_SEND_POSSIBLE]);
    expect(a.type(out) & codes.MACH_PORT_TYPE_DNREQUEST).not.toBe(0);
    b.destroy(inbox);
    expect(a.ids(later)).toEqual([codes.MACH_NOTIFY_DEAD_NAME]);
    expect(a.agent.core.kernel_check()).toBe(0);
  });

  test("is told though the name has gone or is dead by then, and nothing else is", () => {
    for (const dies of [false, true]) {
      const { a, b, inbox, out, note, tell } = untold();
      if (dies) b.destroy(inbox);
      else expectKr(a.deallocate(out), codes.KERN_SUCCESS);
      tell();
      expect(a.ids(note)).toEqual([codes.MACH_NOTIFY_SEND_POSSIBLE]);
      if (dies) expect(a.refs(out, codes.MACH_PORT_RIGHT_DEAD_NAME)).toBe(1);
      expect(a.agent.core.kernel_check()).toBe(0);
    }
  });

  test.each([false, true])("goes with its task, also when another task has its place: %s", (replaced) => {
    const { machine, one, two, a, b, tell } = untold();
    a.terminate();
    const heir = replaced ? one.task() : undefined;
    heir?.allocate();
    tell();
    heir?.terminate();
    b.terminate();
    nothingLeft(machine, one, two);
  });
});

test.each(["dies", "leaves"] as const)("a thread that %s has no special reply port", (how) => {
  const { one, two, b } = pair();
  const shared = b.on(one);
  const port = two.core.thread_get_special_reply_port(b.handle) >>> 0;
  const move = () => one.core.task_insert_right(b.handle, port, codes.MACH_MSG_TYPE_MOVE_RECEIVE, b.handle);
  expectKr(move(), codes.KERN_INVALID_CAPABILITY);
  expect(one.core.thread_get_special_reply_port(b.handle)).not.toBe(0); // another's
  expectKr(move(), codes.KERN_INVALID_CAPABILITY);
  if (how === "dies") one.buries(two);
  else expectKr(two.core.processor_detach(), codes.KERN_SUCCESS);
  expectKr(move(), codes.KERN_SUCCESS);
  expect(shared.agent.core.kernel_check()).toBe(0);
});

test("what a task's end causes comes name by name", () => {
  const { a, b } = pair();
  const note = a.allocate();
  const rights = [1, 2, 3].map(() => b.give(b.allocate(), MAKE, a));
  for (const right of rights) expectKr(a.request(right, codes.MACH_NOTIFY_DEAD_NAME, note), codes.KERN_SUCCESS);
  b.terminate();
  expect(rights.map(() => word(a.take(note).data, 8))).toEqual(rights);
});

test.each([
  ["early", 50],
  ["in the middle", 5000],
] as const)("who dies %s in a burial stops no other burial", (_, place) => {
  const { machine, one, two, a, b } = pair();
  const three = machine.agent(3);
  b.pend(b.allocate(), 1);
  expect(three.stopsIn(place, () => three.buries(two))).toBe(true);
  one.buries(three);
  a.terminate();
  nothingLeft(machine, one, two);
});

test("who gets an exception in a burial and goes on leaves it to others", () => {
  const { machine, one, two, a, b } = pair();
  const three = machine.agent(3);
  b.pend(b.allocate(), 1);
  expect(three.stopsIn(5000, () => three.buries(two))).toBe(true);
  three.fault();
  three.core.zone_count(0);
  a.terminate();
  nothingLeft(machine, one, two);
});

test("a memory of 4 GiB is used up to its last slab but one", () => {
  const machine = new Machine(65536);
  const one = machine.agent(1);
  const a = one.task();
  const set = a.allocate(SET);
  machine.memory.grow(65536 - machine.memory.buffer.byteLength / 65536);
  const { words } = machine;
  const table = layout.FRAME_TABLE >> 2;
  const last = 65535 * layout.SLAB_FRAMES;
  words[(layout.HEADER + layout.Header_h_pages) >> 2] = 65536;
  for (let frame = 0; frame < last; frame++) {
    if (words[table + frame] === 0) words[table + frame] = 6;
  }
  for (let member = 0; member < 1100; member++) {
    const kr = one.core.mach_port_allocate(a.handle, a.self, codes.MACH_PORT_RIGHT_RECEIVE);
    if (kr !== codes.KERN_SUCCESS) break;
    if (one.core.mach_port_insert_member(a.handle, a.self, one.out(0), set) !== codes.KERN_SUCCESS) break;
  }
  // Nothing behind the last frame that may be used was taken and lost.
  const taken = words.slice(table + last, table + last + layout.SLAB_FRAMES);
  expect([...taken]).toEqual(new Array(layout.SLAB_FRAMES).fill(0));
});

describe("arrays of names", () => {
  test("are in the memory of their task, and go with it", () => {
    const { machine, one, two, a, b } = pair();
    const inbox = b.allocate();
    const out = b.give(inbox, MAKE, a);
    b.inArray([inbox, inbox], MAKE);
    const [small, large] = [a.inArray([out], COPY), a.inArray(Array<number>(1200).fill(out), COPY)];
    const to = { remote: out, remoteDisposition: COPY };
    const nowhere = { ...small, name: 0xfff00000 };
    expectKr(a.send({ ...to, descriptors: [small, nowhere] }), codes.MACH_SEND_INVALID_MEMORY);
    expectKr(a.send({ ...to, descriptors: [small] }), codes.MACH_SEND_INVALID_MEMORY);
    expectKr(a.send({ ...to, descriptors: [large] }), codes.MACH_MSG_SUCCESS);
    expect(b.take(inbox).descriptors[0]).toMatchObject({ count: 1200, type: 2 });
    a.inArray([1, 2], COPY);
    expect(two.core.kernel_check()).toBe(0);
    expect(machine.census(one)).toMatchObject({ VME: 3, OBJECT: 3 });
    two.buries(one);
    expect(machine.census(two)).toMatchObject({ VME: 2, OBJECT: 2 });
    machine.agent(3).buries(two);
    nothingLeft(machine, machine.agent(3), one, two);
  });
});
