// Dispositions in a body (A48 to A60): what each way of naming a right takes from the sender and gives to the receiver.

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
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_RCV_PORT_CHANGED,
  MACH_SEND_INVALID_RIGHT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { word } from "../lib/message.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A48 the dispositions 16 to 21 name rights; 22 and all others are refused", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const port = hall.a.allocateWithSend();
  expect([
    MACH_MSG_TYPE_MOVE_RECEIVE,
    MACH_MSG_TYPE_MOVE_SEND,
    MACH_MSG_TYPE_MOVE_SEND_ONCE,
    MACH_MSG_TYPE_COPY_SEND,
    MACH_MSG_TYPE_MAKE_SEND,
    MACH_MSG_TYPE_MAKE_SEND_ONCE,
  ]).toEqual([16, 17, 18, 19, 20, 21]);
  for (const disposition of [0, 1, 15, 22, 23, 24, 25, 26, 31, 255]) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [hall.a, hall.b], () => hall.carry({ name: port, disposition }));
  }
});

test("A49 a receiver sees 16, 17 or 18 for what was sent as 16, 17-19-20, 18-21", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const port = a.allocateWithSend();
  expectCode(a.modRefs(port, 0, 1), KERN_SUCCESS);
  const once = give(hall.b, hall.inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const message = hall.pass(
    { name: port, disposition: MACH_MSG_TYPE_MOVE_SEND },
    { name: port, disposition: MACH_MSG_TYPE_COPY_SEND },
    { name: port, disposition: MACH_MSG_TYPE_MAKE_SEND },
    { name: port, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    { name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
    { name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE },
  );
  expect(message.descriptors.map(({ disposition }) => disposition)).toEqual([17, 17, 17, 18, 18, 16]);
});

test("A50 MAKE_SEND needs the receive right, adds to the make-send count and makes a send right", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, both, ...others } = kinds(hall);
  hall.pass({ name: receive, disposition: MACH_MSG_TYPE_MAKE_SEND });
  expect(a.status(receive)).toMatchObject({ mscount: 1, srights: 1, sorights: 0 });
  hall.pass({ name: both, disposition: MACH_MSG_TYPE_MAKE_SEND });
  expect(a.status(both)).toMatchObject({ mscount: 2 });
  expect(a.sends(both)).toBe(1);
  for (const name of Object.values(others)) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, hall.b], () =>
      hall.carry({ name, disposition: MACH_MSG_TYPE_MAKE_SEND }),
    );
  }
});

test("A51 MAKE_SEND_ONCE needs the receive right and makes a send-once right, make-send count unchanged", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, both, ...others } = kinds(hall);
  hall.pass({ name: receive, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE });
  expect(a.status(receive)).toMatchObject({ mscount: 0, srights: 0, sorights: 1 });
  hall.pass({ name: both, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE });
  expect(a.status(both)).toMatchObject({ mscount: 1, sorights: 1 });
  for (const name of Object.values(others)) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, hall.b], () =>
      hall.carry({ name, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE }),
    );
  }
});

test("A52 COPY_SEND needs a send right and leaves its references, and refuses a living send-once or receive right", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { receive, once, send, set } = kinds(hall);
  const before = a.sends(send);
  const arrived = hall.pass({ name: send, disposition: MACH_MSG_TYPE_COPY_SEND });
  expect(a.sends(send)).toBe(before);
  const port = arrived.descriptors[0]?.name ?? 0;
  expect(b.type(port)).toBe(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
  expectCode(a.destroy(send), KERN_SUCCESS);
  expect(b.status(port).srights).toBe(1);
  for (const name of [receive, once, set]) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () => hall.carry({ name, disposition: MACH_MSG_TYPE_COPY_SEND }));
  }
});

test("A53 MOVE_SEND takes one reference; the last takes the name, and its armed request yields port-deleted", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const port = b.allocate();
  const send = give(b, port, MACH_MSG_TYPE_MAKE_SEND, a);
  const [notify, noSenders] = [a.allocate(), b.allocate()];
  expectCode(a.modRefs(send, 0, 1), KERN_SUCCESS);
  a.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  b.arm(port, MACH_NOTIFY_NO_SENDERS, noSenders);
  hall.pass({ name: send, disposition: MACH_MSG_TYPE_MOVE_SEND });
  expect(a.sends(send)).toBe(1);
  a.expectEmpty(notify);
  expectCode(b.deallocate(port), KERN_SUCCESS);
  expectCode(hall.carry({ name: send, disposition: MACH_MSG_TYPE_MOVE_SEND }), MACH_MSG_SUCCESS);
  expect(a.has(send)).toBe(false);
  expect(b.status(port)).toMatchObject({ srights: 1, mscount: 1 });
  b.expectEmpty(noSenders);
  const { buffer, message } = a.receive(notify);
  expect(message.id).toBe(MACH_NOTIFY_PORT_DELETED);
  expect(word(buffer, 32)).toBe(send);
  b.take(hall.inbox);
  const both = a.allocateWithSend();
  hall.pass({ name: both, disposition: MACH_MSG_TYPE_MOVE_SEND });
  expect(a.type(both)).toBe(MACH_PORT_TYPE_RECEIVE);
  const { once } = kinds(hall);
  expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () =>
    hall.carry({ name: once, disposition: MACH_MSG_TYPE_MOVE_SEND }),
  );
});

test("A54 MOVE_SEND_ONCE takes the name, its armed request yields port-deleted, and a send right will not do", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { once, send, receive } = kinds(hall);
  const notify = a.allocate();
  for (const name of [send, receive]) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () =>
      hall.carry({ name, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE }),
    );
  }
  a.arm(once, MACH_NOTIFY_DEAD_NAME, notify);
  const message = hall.pass({ name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE });
  expect(a.has(once)).toBe(false);
  expect(b.type(message.descriptors[0]?.name ?? 0)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  const { buffer, message: notification } = a.receive(notify);
  expect(notification.id).toBe(MACH_NOTIFY_PORT_DELETED);
  expect(word(buffer, 32)).toBe(once);
});

test("A55 MOVE_RECEIVE leaves the send references under the name, or takes the name with port-deleted", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { send, once, set, dead } = kinds(hall);
  const notify = a.allocate();
  const both = a.allocateWithSend();
  hall.pass({ name: both, disposition: MACH_MSG_TYPE_MOVE_RECEIVE });
  expect(a.type(both)).toBe(MACH_PORT_TYPE_SEND);
  expect(a.sends(both)).toBe(1);
  const alone = a.allocate();
  a.arm(alone, MACH_NOTIFY_DEAD_NAME, notify);
  const message = hall.pass({ name: alone, disposition: MACH_MSG_TYPE_MOVE_RECEIVE });
  expect(a.has(alone)).toBe(false);
  expect(b.type(message.descriptors[0]?.name ?? 0)).toBe(MACH_PORT_TYPE_RECEIVE);
  const { buffer, message: notification } = a.receive(notify);
  expect(notification.id).toBe(MACH_NOTIFY_PORT_DELETED);
  expect(word(buffer, 32)).toBe(alone);
  for (const name of [send, once, set, dead]) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () =>
      hall.carry({ name, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }),
    );
  }
});

test("A56 MOVE_RECEIVE resets counts and context, leaves sets, wakes receivers, and keeps messages and requests", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const [notify, set, port] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET), a.allocateWithSend()];
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, notify);
  for (const id of [1, 2]) {
    expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id }), MACH_MSG_SUCCESS);
  }
  expectCode(a.setContext(port, 77), KERN_SUCCESS);
  expectCode(a.setSeqno(port, 9), KERN_SUCCESS);
  expectCode(a.insertMember(port, set), KERN_SUCCESS);
  const moved = hall.pass({ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }).descriptors[0]?.name ?? 0;
  expect(a.members(set)).toEqual([]);
  expect(b.status(moved)).toMatchObject({
    mscount: 0,
    seqno: 0,
    pset: 0,
    msgcount: 2,
    srights: 1,
    nsrequest: 1,
    pdrequest: 1,
  });
  expect(b.context(moved)).toBe(0);
  expect(a.sends(port)).toBe(1);
  expect(b.take(moved).id).toBe(1);
  const empty = a.allocate();
  const waiting = a.receivePending(empty);
  hall.pass({ name: empty, disposition: MACH_MSG_TYPE_MOVE_RECEIVE });
  machine.deliver();
  expect(waiting.completed).toBe(true);
  expectCode(waiting.code, MACH_RCV_PORT_CHANGED);
});

test("A58 a dead name travels in a body as 0xffffffff, and a move consumes one of its references", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { dead, deadOnce } = kinds(hall);
  expectCode(a.modRefs(dead, MACH_PORT_RIGHT_DEAD_NAME, 3), KERN_SUCCESS);
  const arrives = (disposition: number, name = dead) =>
    expect(hall.pass({ name, disposition }).descriptors[0]?.name).toBe(MACH_PORT_DEAD);
  arrives(MACH_MSG_TYPE_COPY_SEND);
  expect(a.deads(dead)).toBe(4);
  arrives(MACH_MSG_TYPE_MOVE_SEND);
  expect(a.deads(dead)).toBe(3);
  arrives(MACH_MSG_TYPE_MOVE_SEND_ONCE);
  expect(a.deads(dead)).toBe(2);
  arrives(MACH_MSG_TYPE_MOVE_SEND_ONCE, deadOnce);
  expect(a.has(deadOnce)).toBe(false);
});

test("A59 the names 0 and 0xffffffff go through a body unchanged whatever the disposition says", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const received = new Map([
    [0, 0],
    [15, 0],
    [16, 16],
    [17, 17],
    [18, 18],
    [19, 17],
    [20, 17],
    [21, 18],
    [22, 0],
    [255, 0],
  ]);
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    for (const [disposition, arrives] of received) {
      expect(hall.pass({ name, disposition }).descriptors).toEqual([{ name, disposition: arrives, type: 0 }]);
    }
  }
});

test("A60 a wrong right, an unknown name or a bad disposition in a body is INVALID_RIGHT", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { receive, send, once, set } = kinds(hall);
  const bad: [number, number][] = [
    [0x7703, MACH_MSG_TYPE_COPY_SEND],
    [0x7703, MACH_MSG_TYPE_MOVE_RECEIVE],
    [receive, MACH_MSG_TYPE_MOVE_SEND],
    [receive, MACH_MSG_TYPE_COPY_SEND],
    [receive, MACH_MSG_TYPE_MOVE_SEND_ONCE],
    [send, MACH_MSG_TYPE_MAKE_SEND],
    [once, MACH_MSG_TYPE_COPY_SEND],
    [send, 22],
    [set, MACH_MSG_TYPE_MOVE_RECEIVE],
  ];
  for (const [name, disposition] of bad) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () => hall.carry({ name, disposition }));
  }
});
