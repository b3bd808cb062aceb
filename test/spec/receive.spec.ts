// Receiving (A106 to A123): which names can be received from, how a message is translated, what happens when it does not fit.

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
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_RCV_INVALID_DATA,
  MACH_RCV_INVALID_NAME,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_LARGE,
  MACH_RCV_LARGE_IDENTITY,
  MACH_RCV_MSG,
  MACH_RCV_PORT_DIED,
  MACH_RCV_TIMEOUT,
  MACH_RCV_TOO_LARGE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { line } from "../lib/line.js";
import { trailerElements, word } from "../lib/message.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A106 only receive rights and port sets can be received from", async () => {
  await using machine = await boot();
  const { a, b, outbox, inbox } = line(machine);
  const once = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const dead = a.allocate(MACH_PORT_RIGHT_DEAD_NAME);
  for (const name of [outbox, once, dead, 0x7703, 0, MACH_PORT_DEAD]) {
    expectUnchanged(MACH_RCV_INVALID_NAME, [a, b], () => a.receive(name).code);
    expectCode(a.receivePending(name).code, MACH_RCV_INVALID_NAME);
  }
});

test("A107 the sender's destination is the receiver's local port, and the reply right its remote port", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  const reply = a.allocateWithSend();
  post();
  expect(b.take(inbox)).toMatchObject({ local: inbox, localType: 17, remote: 0, remoteType: 0 });
  post({ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE });
  const once = b.take(inbox);
  expect(once).toMatchObject({ local: inbox, localType: 17, remoteType: 18 });
  expect(b.type(once.remote)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  post({ local: reply, localDisposition: MACH_MSG_TYPE_COPY_SEND });
  const send = b.take(inbox);
  expect(send).toMatchObject({ local: inbox, localType: 17, remoteType: 17 });
  expect(b.sends(send.remote)).toBe(1);
  const direct = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.send({ remote: direct, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE }), MACH_MSG_SUCCESS);
  expect(b.take(inbox)).toMatchObject({ local: inbox, localType: 18 });
});

test("A108 the destination right dies on receive: no-senders comes after the message, a send-once says nothing", async () => {
  await using machine = await boot();
  const { a, b, outbox, inbox, post } = line(machine);
  b.arm(inbox, MACH_NOTIFY_NO_SENDERS, inbox);
  post({ id: 1 });
  post({ id: 2, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND });
  expect(a.has(outbox)).toBe(false);
  expect(b.take(inbox).id).toBe(1);
  expect(b.status(inbox).msgcount).toBe(1);
  expect(b.take(inbox).id).toBe(2);
  const { buffer, message } = b.receive(inbox);
  expect(message.id).toBe(MACH_NOTIFY_NO_SENDERS);
  expect(word(buffer, 32)).toBe(1);
  const once = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.send({ remote: once, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE, id: 3 }), MACH_MSG_SUCCESS);
  expect(b.take(inbox).id).toBe(3);
  b.expectEmpty(inbox);
  expect(b.status(inbox)).toMatchObject({ srights: 0, sorights: 0 });
});

test("A109 a receive right that moved on with messages names them in its new space", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  post({ id: 1 });
  const hall = a.allocate();
  const door = give(a, hall, MACH_MSG_TYPE_MAKE_SEND, b);
  const descriptors = [{ name: inbox, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }];
  const draft = { remote: door, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors };
  expectCode(b.send(draft), MACH_MSG_SUCCESS);
  const moved = a.take(hall).descriptors[0]?.name ?? 0;
  expect(a.take(moved)).toMatchObject({ id: 1, local: moved, localType: 17 });
});

test("A110 a reply right that died in the queue arrives as 0xffffffff with its type", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  for (const [localDisposition, type] of [
    [MACH_MSG_TYPE_MAKE_SEND, 17],
    [MACH_MSG_TYPE_MAKE_SEND_ONCE, 18],
  ] as const) {
    const reply = a.allocate();
    post({ local: reply, localDisposition });
    expectCode(a.destroy(reply), KERN_SUCCESS);
    expect(b.take(inbox)).toMatchObject({ remote: MACH_PORT_DEAD, remoteType: type, local: inbox });
  }
});

test("A111 the received remote type is the disposition with which to answer", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  const reply = a.allocate();
  for (const localDisposition of [MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE]) {
    post({ local: reply, localDisposition });
    const { remote, remoteType } = b.take(inbox);
    expectCode(b.send({ remote, remoteDisposition: remoteType, id: 101 }), MACH_MSG_SUCCESS);
    expect(b.has(remote)).toBe(false);
    expect(a.take(reply).id).toBe(101);
  }
  expect(a.status(reply)).toMatchObject({ srights: 0, sorights: 0 });
});

test("A112 a received port descriptor has name, type and disposition, and zeros for padding", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox } = line(machine);
  const port = a.allocateWithSend();
  const bytes = new Uint8Array(28 + 24).fill(0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x80000000 | MACH_MSG_TYPE_COPY_SEND, true);
  view.setUint32(8, outbox, true);
  view.setUint32(12, 0, true);
  view.setUint32(24, 2, true);
  for (const [offset, disposition] of [
    [28, MACH_MSG_TYPE_COPY_SEND],
    [40, MACH_MSG_TYPE_MOVE_RECEIVE],
  ] as const) {
    view.setUint32(offset, port, true);
    view.setUint8(offset + 10, disposition);
    view.setUint8(offset + 11, 0);
  }
  expectCode(a.send(bytes), MACH_MSG_SUCCESS);
  const { buffer, message } = b.receive(inbox);
  const [send, receive] = message.descriptors;
  expect(message.descriptors.map(({ disposition, type }) => [disposition, type])).toEqual([
    [17, 0],
    [16, 0],
  ]);
  expect(send?.name).toBe(receive?.name);
  for (const offset of [28, 40]) {
    expect(word(buffer, offset + 4)).toBe(0);
    expect(word(buffer, offset + 8) & 0xffff).toBe(0);
  }
});

test("A115 the complex bit arrives iff it was sent, also without descriptors", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  post({ complex: true, data: new Uint8Array(4) });
  expect(b.take(inbox)).toMatchObject({ complex: true, descriptors: [], size: 32 });
  post({ data: new Uint8Array(8) });
  expect(b.take(inbox)).toMatchObject({ complex: false, size: 32 });
});

test("A118 a buffer that is shorter than it is said to be is INVALID_DATA and the message is lost", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  const reply = a.allocate();
  post({ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE, data: new Uint8Array(64) });
  const buffer = new Uint8Array(48);
  const code = b.traps.mach_msg(buffer, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 1024, inbox, 0, 0);
  expectCode(code, MACH_RCV_INVALID_DATA);
  b.expectEmpty(inbox);
  expect(b.status(inbox)).toMatchObject({ msgcount: 0, seqno: 1 });
});

test("A119 a message fits if the buffer takes it with the trailer that was asked for", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  for (const [element, trailer] of [
    [0, 8],
    [1, 12],
    [2, 20],
    [3, 52],
    [4, 56],
    [7, 64],
  ] as const) {
    post({ data: new Uint8Array(16) });
    const option = trailerElements(element) | MACH_RCV_LARGE;
    expectCode(b.receive(inbox, { option, size: 40 + trailer - 4 }).code, MACH_RCV_TOO_LARGE);
    expectCode(b.receive(inbox, { option, size: 40 + trailer - 1 }).code, MACH_RCV_TOO_LARGE);
    expectCode(b.receive(inbox, { option, size: 40 + trailer }).code, MACH_MSG_SUCCESS);
  }
});

test("A120 with RCV_LARGE a message that is too large stays, and only its size and port are written", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  post({ id: 6, data: new Uint8Array(100) });
  const untouched = (buffer: Uint8Array, except: readonly number[]) =>
    buffer.every((byte, index) => except.includes(index) || byte === 0xee);
  const size = [4, 5, 6, 7];
  const local = [12, 13, 14, 15];
  for (const [room, option, written] of [
    [0, MACH_RCV_LARGE, []],
    [4, MACH_RCV_LARGE, []],
    [8, MACH_RCV_LARGE, size],
    [64, MACH_RCV_LARGE, size],
    [12, MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, size],
    [16, MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, [...size, ...local]],
    [124, MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, [...size, ...local]],
  ] as const) {
    const { code, buffer } = b.receive(inbox, { option, size: room });
    expectCode(code, MACH_RCV_TOO_LARGE);
    expect(untouched(buffer, written), `room ${room}`).toBe(true);
    if (room >= 8) expect(word(buffer, 4)).toBe(124);
    if (written.length === 8) expect(word(buffer, 12)).toBe(inbox);
    expect(b.status(inbox)).toMatchObject({ msgcount: 1, seqno: 0 });
  }
});

test("A121 receiving again with room for it gives the message that was too large", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  post({ id: 6, data: new Uint8Array(100) });
  post({ id: 7 });
  const { buffer } = b.receive(inbox, { option: MACH_RCV_LARGE, size: 24 });
  const message = b.take(inbox, { option: MACH_RCV_LARGE | trailerElements(1), size: word(buffer, 4) + 12 });
  expect(message).toMatchObject({ id: 6, size: 124 });
  expect(message.trailer.seqno).toBe(0);
  expect(b.take(inbox).id).toBe(7);
});

test("A122 without RCV_LARGE a message that is too large is destroyed with its rights, and its header is delivered", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  const [reply, port, notify] = [a.allocate(), a.allocate(), a.allocate()];
  expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  post({
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    descriptors: [{ name: port, disposition: MACH_MSG_TYPE_MOVE_SEND }],
    data: new Uint8Array(200),
  });
  const { code, message } = b.receive(inbox, { option: trailerElements(1), size: 100 });
  expectCode(code, MACH_RCV_TOO_LARGE);
  expect(message).toMatchObject({ local: inbox, remote: 0, localType: 17, remoteType: 18, complex: true });
  expect(b.status(inbox)).toMatchObject({ msgcount: 0, seqno: 1 });
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.take(notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
  b.expectEmpty(inbox);
});

test("A123 a waiting receiver with RCV_LARGE is told the size and the message stays", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  const receiver = b.receivePending(inbox, { option: MACH_RCV_LARGE, size: 64 });
  expectCode(receiver.code, MACH_RCV_IN_PROGRESS);
  post({ id: 4, data: new Uint8Array(100) });
  machine.deliver();
  expect(receiver.completed).toBe(true);
  expectCode(receiver.code, MACH_RCV_TOO_LARGE);
  expect(receiver.size).toBe(124);
  expect(b.status(inbox)).toMatchObject({ msgcount: 1, seqno: 0 });
  expect(b.take(inbox).id).toBe(4);
});

test("A123 a waiting receiver without RCV_LARGE loses the message", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  const reply = a.allocate();
  const receiver = b.receivePending(inbox, { size: 64 });
  post({
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE, data: new Uint8Array(100) },
  });
  machine.deliver();
  expectCode(receiver.code, MACH_RCV_TOO_LARGE);
  expect(receiver.message).toMatchObject({ local: inbox, remote: 0 });
  expect(b.status(inbox)).toMatchObject({ msgcount: 0, seqno: 1 });
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
});

test("A123 a receiver that waits when its port dies is told so", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox } = line(machine);
  const set = b.allocate(MACH_PORT_RIGHT_PORT_SET);
  const [onPort, onSet] = [b.receivePending(inbox), b.receivePending(set)];
  expectCode(b.destroy(inbox), KERN_SUCCESS);
  expectCode(b.destroy(set), KERN_SUCCESS);
  machine.deliver();
  expectCode(onPort.code, MACH_RCV_PORT_DIED);
  expectCode(onSet.code, MACH_RCV_PORT_DIED);
  expect(a.type(outbox)).toBe(MACH_PORT_TYPE_DEAD_NAME);
});
