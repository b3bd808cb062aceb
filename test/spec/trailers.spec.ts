// Sequence numbers and trailers (A126 to A133).

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_RCV_TOO_LARGE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { line } from "../lib/line.js";
import { trailerElements } from "../lib/message.js";
import { expectCode, give } from "../lib/space.js";

const withSeqno = { option: trailerElements(1) };

test("A126 each dequeued message takes the next sequence number, from 0", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  for (const seqno of [0, 1, 2, 3]) {
    post();
    expect(b.status(inbox).seqno).toBe(seqno);
    expect(b.take(inbox, withSeqno).trailer.seqno).toBe(seqno);
  }
  post({ data: new Uint8Array(64) });
  expectCode(b.receive(inbox, { size: 32 }).code, MACH_RCV_TOO_LARGE);
  post();
  expect(b.take(inbox, withSeqno).trailer.seqno).toBe(5);
});

test("A127 set_seqno chooses the next number, also for messages that are queued, and a move resets it", async () => {
  await using machine = await boot();
  const { a, b, inbox, post } = line(machine);
  post();
  expectCode(b.setSeqno(inbox, 1000), KERN_SUCCESS);
  post();
  expect(b.take(inbox, withSeqno).trailer.seqno).toBe(1000);
  expectCode(b.setSeqno(inbox, 0xffffffff), KERN_SUCCESS);
  expect(b.take(inbox, withSeqno).trailer.seqno).toBe(0xffffffff);
  expect(b.status(inbox).seqno).toBe(0);
  expectCode(b.setSeqno(inbox, 50), KERN_SUCCESS);
  const hall = a.allocate();
  const door = give(a, hall, MACH_MSG_TYPE_MAKE_SEND, b);
  const descriptors = [{ name: inbox, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }];
  expectCode(b.send({ remote: door, remoteDisposition: 19, descriptors }), MACH_MSG_SUCCESS);
  expect(a.status(a.take(hall).descriptors[0]?.name ?? 0).seqno).toBe(0);
});

test("A128 sequence numbers belong to the member, not to the set", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox, post } = line(machine);
  const set = b.allocate(MACH_PORT_RIGHT_PORT_SET);
  const other = b.allocate();
  const toOther = give(b, other, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(b.setSeqno(inbox, 10), KERN_SUCCESS);
  expectCode(b.setSeqno(other, 20), KERN_SUCCESS);
  for (const name of [inbox, other]) expectCode(b.insertMember(name, set), KERN_SUCCESS);
  for (const remote of [outbox, toOther, outbox, toOther]) post({ remote });
  const seen = new Map<number, number[]>([
    [inbox, []],
    [other, []],
  ]);
  for (let count = 0; count < 4; count++) {
    const { local, trailer } = b.take(set, withSeqno);
    seen.get(local)?.push(trailer.seqno);
  }
  expect(seen).toEqual(
    new Map([
      [inbox, [10, 11]],
      [other, [20, 21]],
    ]),
  );
});

test("A129 the trailer stands at the end of the message, outside its size, with type 0 and its own size", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  for (const bytes of [0, 4, 20, 5000]) {
    post({ data: new Uint8Array(bytes).fill(1) });
    const { message, buffer } = b.receive(inbox, { ...withSeqno, size: 8192 });
    expect(message.size).toBe(24 + bytes);
    expect(message.trailer).toMatchObject({ type: 0, size: 12 });
    expect(buffer[24 + bytes + 12]).toBe(0xee);
  }
});

test("A130 the trailer's size goes by the element asked for", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  const sizes = new Map([
    [0, 8],
    [1, 12],
    [2, 20],
    [3, 52],
    [4, 56],
    [5, 64],
    [6, 64],
    [7, 64],
    [8, 64],
    [9, 64],
    [15, 64],
  ]);
  for (const [element, size] of sizes) {
    post();
    expect(b.take(inbox, { option: trailerElements(element) }).trailer.size).toBe(size);
  }
});

test("A131 A133 the fields are seqno, sender, audit and context at their offsets", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  expectCode(b.setContext(inbox, 0xabcd1234), KERN_SUCCESS);
  expectCode(b.setSeqno(inbox, 7), KERN_SUCCESS);
  post();
  const { message, buffer } = b.receive(inbox, { option: trailerElements(7) });
  const view = new DataView(buffer.buffer);
  expect(view.getUint32(24 + 8, true)).toBe(7);
  const [serial, processor] = [view.getUint32(24 + 12, true), view.getUint32(24 + 16, true)];
  expect(serial).toBeGreaterThan(0);
  expect(processor).toBe(b.task.processor.pid);
  expect(message.trailer.audit).toEqual([serial, processor, 0, 0, 0, 0, 0, 0]);
  expect(view.getUint32(24 + 52, true)).toBe(0xabcd1234);
  expect(view.getUint32(24 + 56, true)).toBe(0);
  expect(view.getUint32(24 + 60, true)).toBe(0);
});

test("A132 a trailer of 8 bytes comes unasked, and bytes behind the trailer are not modified", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  for (const element of [0, 1, 2, 3, 4, 7]) {
    post();
    const { message, buffer } = b.receive(inbox, { option: trailerElements(element), size: 200 });
    expect(buffer.subarray(24 + message.trailer.size).every((byte) => byte === 0xee)).toBe(true);
    if (element === 0) expect(message.trailer.size).toBe(8);
  }
});

test("A133 the sender is the task's serial number and its processor, and the kernel's own messages carry none", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox, post } = line(machine);
  const option = trailerElements(3);
  post();
  const fromA = b.take(inbox, { option }).trailer.sender;
  expectCode(b.send({ remote: inbox, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND }), MACH_MSG_SUCCESS);
  const fromB = b.take(inbox, { option }).trailer.sender;
  expect(fromA[0]).not.toBe(fromB[0]);
  expect(fromA[1]).toBe(fromB[1]);
  post();
  expect(b.take(inbox, { option }).trailer.sender).toEqual(fromA);
  const once = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.deallocate(once), KERN_SUCCESS);
  const { id, trailer } = b.take(inbox, { option });
  expect(id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(trailer.sender).toEqual([0, 1]);
  expect(trailer.audit).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect(a.has(outbox)).toBe(true);
});

test("A133 the context in the trailer is the port's at the time of the receive", async () => {
  await using machine = await boot();
  const { b, inbox, post } = line(machine);
  post();
  expectCode(b.setContext(inbox, 99), KERN_SUCCESS);
  expect(b.take(inbox, { option: trailerElements(4) }).trailer.context).toBe(99);
});
