// A look at a queued message (A196), which leaves everything as it is.

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { peek } from "../lib/calls.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { trailerElements, word } from "../lib/message.js";
import { expectCode, expectUnchanged } from "../lib/space.js";

test("A196 number 0 is the first message, another the one that will have it", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocateWithSend();
  for (const id of [11, 12, 13]) {
    const data = new Uint8Array(4 * (id - 11));
    expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id, data }), KERN_SUCCESS);
  }
  expect(peek(a, port)).toMatchObject({ code: KERN_SUCCESS, seqno: 0, id: 11, size: 24 });
  expect(peek(a, port, 2)).toMatchObject({ code: KERN_SUCCESS, seqno: 2, id: 13, size: 32 });
  expectCode(peek(a, port, 3).code, KERN_FAILURE);
  expectCode(a.setSeqno(port, 40), KERN_SUCCESS);
  expect(peek(a, port)).toMatchObject({ seqno: 40, id: 11 });
  expect(peek(a, port, 41)).toMatchObject({ seqno: 41, id: 12 });
  expectCode(peek(a, port, 1).code, KERN_FAILURE);
});

test("A196 nothing is dequeued and no number is used up", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocateWithSend();
  expectUnchanged(KERN_FAILURE, [a], () => peek(a, port).code);
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 5 }), KERN_SUCCESS);
  for (const _ of [1, 2]) expectUnchanged(KERN_SUCCESS, [a], () => peek(a, port).code);
  const { id, trailer } = a.take(port, { option: trailerElements(1) });
  expect([id, trailer.seqno]).toEqual([5, 0]);
});

test("A196 the trailer is the one that a receive would give", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocateWithSend();
  for (const element of [0, 1, 2, 3]) {
    expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }), KERN_SUCCESS);
    const bytes = [8, 12, 20, 52][element] ?? 0;
    const seen = peek(a, port, 0, element, bytes);
    expect(seen.trailer.length).toBe(bytes);
    const { buffer } = a.receive(port, { option: trailerElements(element) });
    expect([...seen.trailer]).toEqual([...buffer.subarray(24, 24 + bytes)]);
    expect(word(seen.trailer, 4)).toBe(bytes);
  }
});

test("A196 an element beyond AUDIT, or too little room, is refused", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocateWithSend();
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }), KERN_SUCCESS);
  for (const element of [4, 7, 8, 15]) expectUnchanged(KERN_INVALID_VALUE, [a], () => peek(a, port, 0, element).code);
  for (const [element, room] of [
    [0, 7],
    [1, 11],
    [3, 51],
  ] as const) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => peek(a, port, 0, element, room).code);
  }
});

test("A196 only a receive right has a queue", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { send, once, set, dead, receive } = kinds(hall);
  for (const name of [send, once, set, dead, MACH_PORT_NULL, MACH_PORT_DEAD])
    expectUnchanged(KERN_INVALID_RIGHT, [a], () => peek(a, name).code);
  expectUnchanged(KERN_INVALID_NAME, [a], () => peek(a, 0x7703).code);
  expectCode(peek({ traps: a.traps, self: receive }, receive).code, MACH_SEND_INVALID_DEST);
});
