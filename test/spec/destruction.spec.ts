// Destruction of ports and spaces (A162 to A168): the order of its effects, its depth, what survives.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DELETED,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_SEND,
  MACH_RCV_PORT_DIED,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_TIMED_OUT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { word } from "../lib/message.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

/** Moves the receive right `name` into the queue of `into`; both are the space's own. */
function moveInto(space: Space, name: number, into: number): number {
  return space.send({
    ...{ remote: into, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND },
    descriptors: [{ name, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }],
  });
}

test("A162 a dying port leaves its sets, wakes receivers and senders, destroys messages, then tells", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [port, set, notify] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET), b.allocate()];
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  const atNotify = (space: Space) => give(b, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, space);
  const disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
  expectCode(a.insertMember(port, set), KERN_SUCCESS);
  const armed = a.request(port, MACH_NOTIFY_NO_SENDERS, atNotify(a), { disposition });
  expectCode(armed.code, KERN_SUCCESS);
  b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(a.setQlimit(port, 1), KERN_SUCCESS);
  const carrying = (id: number) => ({
    ...{ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id },
    ...{ local: notify, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
  });
  expectCode(b.send(carrying(1)), MACH_MSG_SUCCESS);
  const sender = b.sendPending(carrying(2));
  expectCode(sender.code, MACH_SEND_IN_PROGRESS);
  expectCode(a.destroy(port), KERN_SUCCESS);
  machine.deliver();
  expect(a.members(set)).toEqual([]);
  expectCode(sender.code, MACH_MSG_SUCCESS);
  const ids = Array.from({ length: 4 }, () => b.take(notify).id);
  const once = MACH_NOTIFY_SEND_ONCE;
  expect(ids).toEqual([once, once, once, MACH_NOTIFY_DEAD_NAME]);
  b.expectEmpty(notify);
});

test("A162 receivers that wait at a dying port are told PORT_DIED (D3)", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  const receivers = [a.receivePending(port), a.receivePending(port)];
  expectCode(a.destroy(port), KERN_SUCCESS);
  machine.deliver();
  for (const receiver of receivers) {
    expect(receiver.completed).toBe(true);
    expectCode(receiver.code, MACH_RCV_PORT_DIED);
  }
});

test("A163 a destroyed message releases its reply, its sends, its send-onces and destroys its receive rights", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [inbox, reply, counted, notify, target] = [1, 2, 3, 4, 5].map(() => a.allocate()) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const doomed = a.allocate();
  const inB = give(a, doomed, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(a.insertRight(counted, counted, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  a.arm(counted, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(b.send({ remote: inB, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }), MACH_MSG_SUCCESS);
  const sent = a.send({
    ...{ remote: inbox, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND },
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    descriptors: [
      { name: counted, disposition: MACH_MSG_TYPE_MOVE_SEND },
      { name: target, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      { name: doomed, disposition: MACH_MSG_TYPE_MOVE_RECEIVE },
    ],
  });
  expectCode(sent, MACH_MSG_SUCCESS);
  expectCode(a.destroy(inbox), KERN_SUCCESS);
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.take(notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
  expect(a.take(target).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.type(inB)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expect(a.status(counted).srights).toBe(0);
});

test("A164 a chain of 10000 receive rights, each in the queue of the next, is destroyed without recursion", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const innermost = a.allocate();
  const inB = give(a, innermost, MACH_MSG_TYPE_MAKE_SEND, b);
  let outer = innermost;
  for (let depth = 0; depth < 10_000; depth++) {
    const next = a.allocate();
    expectCode(moveInto(a, outer, next), MACH_MSG_SUCCESS);
    outer = next;
  }
  expect(machine.census().ports).toBe((before.ports ?? 0) + 10_001);
  expectCode(a.destroy(outer), KERN_SUCCESS);
  expect(b.type(inB)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectCode(b.deallocate(inB), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A165 after death every space is refused as a sender, sees a dead name, and can deallocate it", async () => {
  await using machine = await boot();
  const [a, b, c] = [machine.task(), machine.task(), machine.task()];
  const port = a.allocate();
  const rights: [Space, number][] = [b, c].map((space) => [space, give(a, port, MACH_MSG_TYPE_MAKE_SEND, space)]);
  expectCode(a.destroy(port), KERN_SUCCESS);
  for (const [space, name] of rights) {
    const draft = { remote: name, remoteDisposition: MACH_MSG_TYPE_COPY_SEND };
    expectUnchanged(MACH_SEND_INVALID_DEST, [b, c], () => space.send(draft));
    expect(space.type(name)).toBe(MACH_PORT_TYPE_DEAD_NAME);
    expectCode(space.deallocate(name), KERN_SUCCESS);
    expect(space.has(name)).toBe(false);
  }
});

test("A166 A167 a port in transit takes messages up to its limit, and its new holder reads them", async () => {
  await using machine = await boot();
  const [a, b, c] = [machine.task(), machine.task(), machine.task()];
  const port = a.allocate();
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, c);
  const hall = b.allocate();
  const door = give(b, hall, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(a.setQlimit(port, 3), KERN_SUCCESS);
  const to = (id: number) => c.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id });
  expectCode(to(1), MACH_MSG_SUCCESS);
  const descriptors = [{ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }];
  const moved = a.send({ remote: door, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors });
  expectCode(moved, MACH_MSG_SUCCESS);
  expect(a.has(port)).toBe(false);
  expectCode(to(2), MACH_MSG_SUCCESS);
  expectCode(to(3), MACH_MSG_SUCCESS);
  expectCode(to(4), MACH_SEND_TIMED_OUT);
  expect(c.type(send)).toBe(MACH_PORT_TYPE_SEND);
  const name = b.take(hall).descriptors[0]?.name ?? 0;
  expect(b.status(name)).toMatchObject({ msgcount: 3, qlimit: 3 });
  expect([1, 2, 3].map(() => b.take(name).id)).toEqual([1, 2, 3]);
});

test("A168 the end of a space releases every right and tells other tasks", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [noSenders, onceTarget, saved, notify] = [b.allocate(), b.allocate(), b.allocate(), b.allocate()];
  const ofB = b.allocate();
  const sendInA = give(b, ofB, MACH_MSG_TYPE_MAKE_SEND, a);
  b.arm(ofB, MACH_NOTIFY_NO_SENDERS, noSenders);
  give(b, onceTarget, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const ofA = a.allocate();
  const sendInB = give(a, ofA, MACH_MSG_TYPE_MAKE_SEND, b);
  b.arm(sendInB, MACH_NOTIFY_DEAD_NAME, notify);
  const backed = a.allocate();
  const disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
  const atSaved = give(b, saved, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.request(backed, MACH_NOTIFY_PORT_DESTROYED, atSaved, { disposition }).code, KERN_SUCCESS);
  const atNotify = give(b, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.request(sendInA, MACH_NOTIFY_DEAD_NAME, atNotify, { disposition }).code, KERN_SUCCESS);
  a.task[Symbol.dispose]();
  expect(b.take(noSenders).id).toBe(MACH_NOTIFY_NO_SENDERS);
  expect(b.take(onceTarget).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.take(saved).id).toBe(MACH_NOTIFY_PORT_DESTROYED);
  const told = [b.receive(notify), b.receive(notify)].map(({ message, buffer }) => [message.id, word(buffer, 32)]);
  expect(told.sort(([x = 0], [y = 0]) => x - y)).toEqual([
    [MACH_NOTIFY_PORT_DELETED, sendInA],
    [MACH_NOTIFY_DEAD_NAME, sendInB],
  ]);
  b.expectEmpty(notify);
  expect(b.deads(sendInB)).toBe(2);
});
