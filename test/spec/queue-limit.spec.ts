// Queue limit, waiting and timeouts (A87 to A98). Waits are asynchronous, since one thread is all there is here.

import { expect, test } from "vitest";
import {
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_PORT_QLIMIT_BASIC,
  MACH_PORT_QLIMIT_KERNEL,
  MACH_PORT_QLIMIT_MAX,
  MACH_PORT_QLIMIT_SMALL,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_MSG,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TIMEOUT,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_MSG,
  MACH_SEND_NO_BUFFER,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot, type Machine } from "../lib/boot.js";
import { build, type Draft } from "../lib/message.js";
import type { Pending } from "../lib/pending.js";
import { expectCode, expectUnchanged, type Space } from "../lib/space.js";

interface Queue {
  a: Space;
  port: number;
  draft(id: number, change?: Draft): Draft;
  /** Queues messages with these ids. */
  fill(...ids: number[]): void;
  /** Starts a send that has to wait. */
  blocked(id: number): Pending;
  /** Receives everything and gives the ids. */
  drain(): number[];
}

function queue(machine: Machine, qlimit: number): Queue {
  const a = machine.task();
  const port = a.allocateWithSend();
  expectCode(a.setQlimit(port, qlimit), KERN_SUCCESS);
  const draft = (id: number, change: Draft = {}): Draft => ({
    remote: port,
    remoteDisposition: MACH_MSG_TYPE_COPY_SEND,
    id,
    ...change,
  });
  return {
    a,
    port,
    draft,
    fill(...ids) {
      for (const id of ids) expectCode(a.send(draft(id)), MACH_MSG_SUCCESS);
    },
    blocked(id) {
      const pending = a.sendPending(draft(id));
      expectCode(pending.code, MACH_SEND_IN_PROGRESS);
      return pending;
    },
    drain() {
      const ids: number[] = [];
      for (;;) {
        const { code, message } = a.receive(port);
        if (code !== MACH_MSG_SUCCESS) break;
        ids.push(message.id);
      }
      return ids;
    },
  };
}

test("A87 the queue limit is between 0 and 1024, 5 to begin with", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  expect([MACH_PORT_QLIMIT_BASIC, MACH_PORT_QLIMIT_SMALL, MACH_PORT_QLIMIT_MAX, MACH_PORT_QLIMIT_KERNEL]).toEqual([
    5, 16, 1024, 65534,
  ]);
  expect(a.getAttributes(port, 1, 1).info).toEqual([5]);
  for (const qlimit of [0, 1, 16, 1024]) {
    expectCode(a.setQlimit(port, qlimit), KERN_SUCCESS);
    expect(a.status(port).qlimit).toBe(qlimit);
  }
  for (const qlimit of [1025, 65534, 0xffffffff]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.setQlimit(port, qlimit));
  }
});

test("A88 a send waits when the queue is full", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked, drain } = queue(machine, 2);
  fill(1, 2);
  const third = blocked(3);
  machine.deliver();
  expect(third.completed).toBe(false);
  expect(a.status(port).msgcount).toBe(2);
  expect(drain()).toEqual([1, 2, 3]);
  machine.deliver();
  expect(third.completed).toBe(true);
  expectCode(third.code, MACH_MSG_SUCCESS);
});

test("A88 with a queue limit of 0 a send waits even where a receiver is waiting", async () => {
  await using machine = await boot();
  const { a, port, blocked, draft } = queue(machine, 0);
  const receiver = a.receivePending(port);
  expectCode(receiver.code, MACH_RCV_IN_PROGRESS);
  const sender = blocked(1);
  machine.deliver();
  expect([sender.completed, receiver.completed]).toEqual([false, false]);
  expectCode(a.send(draft(2)), MACH_SEND_TIMED_OUT);
  expectCode(a.setQlimit(port, 1), KERN_SUCCESS);
  machine.deliver();
  expectCode(sender.code, MACH_MSG_SUCCESS);
  expect(receiver.message.id).toBe(1);
});

test("A89 a message to a send-once right never waits and ignores the limit", async () => {
  await using machine = await boot();
  const { a, port, fill, draft, drain } = queue(machine, 1);
  fill(1);
  const remoteDisposition = MACH_MSG_TYPE_MAKE_SEND_ONCE;
  for (const id of [2, 3, 4]) expectCode(a.send(draft(id, { remoteDisposition })), MACH_MSG_SUCCESS);
  expect(a.status(port)).toMatchObject({ msgcount: 4, qlimit: 1 });
  expectCode(a.send(draft(5)), MACH_SEND_TIMED_OUT);
  expect(drain()).toEqual([1, 2, 3, 4]);
});

test("A90 a poll of a full queue times out at once, and without MACH_SEND_TIMEOUT the timeout is ignored", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked, draft, drain } = queue(machine, 1);
  fill(1);
  expectCode(a.send(draft(2)), MACH_SEND_TIMED_OUT);
  expect(a.status(port).msgcount).toBe(1);
  const waiting = blocked(3);
  expect(drain()).toEqual([1, 3]);
  machine.deliver();
  expectCode(waiting.code, MACH_MSG_SUCCESS);
});

test("A91 at 65534 messages even a send-once right is refused with NO_BUFFER", async () => {
  await using machine = await boot();
  const { a, port } = queue(machine, 1);
  const bytes = () => build({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE, id: 1 });
  for (let count = 0; count < 65534; count++) {
    const code = a.send(bytes());
    if (code !== MACH_MSG_SUCCESS) expectCode(code, MACH_MSG_SUCCESS);
  }
  expect(a.status(port)).toMatchObject({ msgcount: 65534, sorights: 65534 });
  const refused = bytes();
  expectCode(a.send(refused), MACH_SEND_NO_BUFFER);
  expect(a.status(port)).toMatchObject({ msgcount: 65534, sorights: 65535 });
  a.take(port);
  expectCode(a.send(bytes()), MACH_MSG_SUCCESS);
});

test("A92 each receive lets one waiting sender in, first come first served, and the count does not dip", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked, drain } = queue(machine, 2);
  fill(1, 2);
  const senders = [3, 4, 5].map(blocked);
  const done = () => senders.map(({ completed }) => completed);
  for (const finished of [1, 2, 3]) {
    expect(a.take(port).id).toBe(finished);
    machine.deliver();
    expect(done()).toEqual([0, 1, 2].map((index) => index < finished));
    expect(a.status(port).msgcount).toBe(2);
  }
  expect(drain()).toEqual([4, 5]);
});

test("A93 raising the limit by n lets n waiting senders in; lowering it touches only later sends", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked, draft, drain } = queue(machine, 1);
  fill(1);
  const senders = [2, 3, 4].map(blocked);
  expectCode(a.setQlimit(port, 3), KERN_SUCCESS);
  machine.deliver();
  expect(senders.map(({ completed }) => completed)).toEqual([true, true, false]);
  expect(a.status(port).msgcount).toBe(3);
  expect(drain()).toEqual([1, 2, 3, 4]);
  fill(5, 6, 7);
  expectCode(a.setQlimit(port, 1), KERN_SUCCESS);
  expect(a.status(port)).toMatchObject({ msgcount: 3, qlimit: 1 });
  expectCode(a.send(draft(8)), MACH_SEND_TIMED_OUT);
  expect(drain()).toEqual([5, 6, 7]);
});

test("A94 the message count includes the slots given to woken senders", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked } = queue(machine, 2);
  fill(1, 2);
  const senders = [3, 4].map(blocked);
  a.take(port);
  expect(a.status(port).msgcount).toBe(2);
  expectCode(a.setQlimit(port, 3), KERN_SUCCESS);
  expect(a.status(port).msgcount).toBe(3);
  machine.deliver();
  expect(senders.every(({ completed }) => completed)).toBe(true);
});

test("A95 a message for a waiting receiver is handed over and the count returns to its old value", async () => {
  await using machine = await boot();
  const { a, port, draft } = queue(machine, 1);
  for (const id of [1, 2, 3]) {
    const receiver = a.receivePending(port);
    expectCode(receiver.code, MACH_RCV_IN_PROGRESS);
    expectCode(a.send(draft(id)), MACH_MSG_SUCCESS);
    expect(a.status(port).msgcount).toBe(0);
    machine.deliver();
    expect(receiver.completed).toBe(true);
    expectCode(receiver.code, MACH_MSG_SUCCESS);
    expect(receiver.message).toMatchObject({ id, local: port });
  }
});

test("A96 an interrupted wait gives a sender its message back and a receiver nothing", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked, drain } = queue(machine, 1);
  fill(1);
  const sender = blocked(2);
  expect(a.cancel(sender)).toBe(true);
  expect(sender.message).toMatchObject({ id: 2, remote: port, remoteType: 17 });
  expect(a.sends(port)).toBe(2);
  expect(drain()).toEqual([1]);
  const receiver = a.receivePending(port);
  expect(a.cancel(receiver)).toBe(true);
  fill(3);
  machine.deliver();
  expect(receiver.bytes.length).toBe(0);
  expect(drain()).toEqual([3]);
});

test("A96 a wait that has completed cannot be interrupted any more", async () => {
  await using machine = await boot();
  const { a, port, fill, blocked, drain } = queue(machine, 1);
  const receiver = a.receivePending(port);
  fill(1);
  expect(a.cancel(receiver)).toBe(false);
  machine.deliver();
  expect(receiver.message.id).toBe(1);
  fill(2);
  const sender = blocked(3);
  expect(drain()).toEqual([2, 3]);
  expect(a.cancel(sender)).toBe(false);
  machine.deliver();
  expectCode(sender.code, MACH_MSG_SUCCESS);
});

test("A97 a poll of an empty queue times out at once, a receive without timeout waits", async () => {
  await using machine = await boot();
  const { a, port, fill } = queue(machine, 1);
  expectUnchanged(MACH_RCV_TIMED_OUT, [a], () => a.receive(port).code);
  const receiver = a.receivePending(port);
  machine.deliver();
  expect(receiver.completed).toBe(false);
  fill(1);
  machine.deliver();
  expect(receiver.completed).toBe(true);
});

test("A98 one timeout serves both phases, and a timed-out send does not receive", async () => {
  await using machine = await boot();
  const { a, port, fill, draft, drain } = queue(machine, 1);
  const empty = a.allocate();
  const option = MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT;
  const bytes = new Uint8Array(128);
  bytes.set(build(draft(1)));
  expectCode(a.traps.mach_msg(bytes, option, 24, 128, empty, 0, 0), MACH_RCV_TIMED_OUT);
  bytes.set(build(draft(2)));
  expectCode(a.traps.mach_msg(bytes, option, 24, 128, port, 0, 0), MACH_SEND_TIMED_OUT);
  expect(drain()).toEqual([1]);
  fill(3);
  bytes.set(build({ remote: empty, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE, id: 4 }));
  expectCode(a.traps.mach_msg(bytes, option, 24, 128, port, 0, 0), MACH_MSG_SUCCESS);
  expect(new DataView(bytes.buffer).getInt32(20, true)).toBe(3);
  expect(a.take(empty)).toMatchObject({ id: 4, localType: MACH_MSG_TYPE_MOVE_SEND_ONCE });
});
