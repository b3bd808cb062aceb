// The number of send rights in existence (A32, A197): names and rights in messages, not user references.

import { expect, test } from "vitest";
import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { getSrights } from "../lib/calls.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

function srights(space: Space, name: number): number {
  const { code, srights: count } = getSrights(space, name);
  expectCode(code, KERN_SUCCESS);
  return count;
}

test("A32 references under one name are one send right, each space's name is one more", async () => {
  await using machine = await boot();
  const { a, b } = line(machine);
  const port = a.allocate();
  expect(srights(a, port)).toBe(0);
  for (const wanted of [1, 1, 1]) {
    expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
    expect(srights(a, port)).toBe(wanted);
  }
  const there = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  expect(srights(a, port)).toBe(2);
  expectCode(b.deallocate(there), KERN_SUCCESS);
  expect(srights(a, port)).toBe(1);
});

test("A32 rights in messages count: what they carry, and what they were sent by", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const port = a.allocateWithSend();
  for (const remoteDisposition of [MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND]) {
    expectCode(a.send({ remote: port, remoteDisposition }), KERN_SUCCESS);
  }
  expect(srights(a, port)).toBe(3);
  expect(a.status(port).srights).toBe(1);
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND }), KERN_SUCCESS);
  expect(srights(a, port)).toBe(3);
  for (const wanted of [2, 1, 0]) {
    a.take(port);
    expect(srights(a, port)).toBe(wanted);
  }
});

test("A197 get_srights is asked of a receive right", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, send, once, set, dead } = kinds(hall);
  for (const name of [send, once, set]) expectUnchanged(KERN_INVALID_RIGHT, [a], () => getSrights(a, name).code);
  for (const name of [dead, MACH_PORT_NULL, MACH_PORT_DEAD, 0x7703])
    expectUnchanged(KERN_INVALID_NAME, [a], () => getSrights(a, name).code);
  expectCode(a.traps.mach_port_get_srights(0x7703, receive, new Uint32Array(1)), MACH_SEND_INVALID_DEST);
});
