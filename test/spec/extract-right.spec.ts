// A right taken out of a space as if the task had sent it to itself (A69).

import { expect, test } from "vitest";
import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { extractRight } from "../lib/calls.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { expectCode, expectUnchanged } from "../lib/space.js";

test("A69 extract_right gives the caller's own name for the port, and the received type", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocate();
  expect(extractRight(a, port, MACH_MSG_TYPE_MAKE_SEND)).toEqual({ code: KERN_SUCCESS, name: port, type: 17 });
  expect(a.type(port)).toBe(MACH_PORT_TYPE_SEND_RECEIVE);
  expect(a.status(port).mscount).toBe(1);
  expect(extractRight(a, port, MACH_MSG_TYPE_COPY_SEND)).toEqual({ code: KERN_SUCCESS, name: port, type: 17 });
  expect(a.sends(port)).toBe(2);
  expect(extractRight(a, port, MACH_MSG_TYPE_MOVE_SEND)).toEqual({ code: KERN_SUCCESS, name: port, type: 17 });
  expect(a.sends(port)).toBe(2);
  expect(extractRight(a, port, MACH_MSG_TYPE_MOVE_RECEIVE)).toEqual({ code: KERN_SUCCESS, name: port, type: 16 });
  expect(a.status(port).mscount).toBe(0); // it was moved (A56)
});

test("A69 each MAKE_SEND_ONCE gives a new name, and a moved send-once right too", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocate();
  const [one, two] = [0, 0].map(() => extractRight(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE));
  expect([one?.type, two?.type]).toEqual([18, 18]);
  expect(new Set([port, one?.name, two?.name]).size).toBe(3);
  const name = one?.name ?? 0;
  expect(a.type(name)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  const moved = extractRight(a, name, MACH_MSG_TYPE_MOVE_SEND_ONCE);
  expect(moved.name).not.toBe(name);
  expect(a.has(name)).toBe(false);
  expect(a.status(port).sorights).toBe(2);
});

test("A69 a dead right is MACH_PORT_DEAD, and a reference of its name is used up", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const { dead, deadOnce } = kinds({ ...line(machine), a });
  expect(extractRight(a, dead, MACH_MSG_TYPE_COPY_SEND)).toEqual({
    code: KERN_SUCCESS,
    name: MACH_PORT_DEAD,
    type: 17,
  });
  expect(a.deads(dead)).toBe(1);
  expect(extractRight(a, dead, MACH_MSG_TYPE_MOVE_SEND)).toEqual({
    code: KERN_SUCCESS,
    name: MACH_PORT_DEAD,
    type: 17,
  });
  expect(extractRight(a, deadOnce, MACH_MSG_TYPE_MOVE_SEND_ONCE).name).toBe(MACH_PORT_DEAD);
  expect([a.has(dead), a.has(deadOnce)]).toEqual([false, false]);
});

test("A69 a disposition outside 16 to 21 is refused before the name is looked at", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocateWithSend();
  for (const disposition of [0, 15, 22, 0xffffffff]) {
    for (const name of [port, 0, 0x7703])
      expectUnchanged(KERN_INVALID_VALUE, [a], () => extractRight(a, name, disposition).code);
  }
});

test("A69 what the name lacks is refused, and changes nothing", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, send, once, set, dead } = kinds(hall);
  const wrong = [
    [receive, MACH_MSG_TYPE_COPY_SEND],
    [receive, MACH_MSG_TYPE_MOVE_SEND],
    [send, MACH_MSG_TYPE_MAKE_SEND],
    [send, MACH_MSG_TYPE_MOVE_RECEIVE],
    [send, MACH_MSG_TYPE_MOVE_SEND_ONCE],
    [once, MACH_MSG_TYPE_COPY_SEND],
    [set, MACH_MSG_TYPE_MOVE_RECEIVE],
    [dead, MACH_MSG_TYPE_MAKE_SEND],
  ] as const;
  for (const [name, disposition] of wrong)
    expectUnchanged(KERN_INVALID_RIGHT, [a], () => extractRight(a, name, disposition).code);
  for (const name of [0, MACH_PORT_DEAD, 0x7703])
    expectUnchanged(KERN_INVALID_NAME, [a], () => extractRight(a, name, MACH_MSG_TYPE_COPY_SEND).code);
  expect(a.type(receive)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A69 the target is a task's port", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocate();
  const out = [new Uint32Array(1), new Uint32Array(1)] as const;
  for (const target of [0, port, 0x7703, MACH_PORT_DEAD]) {
    expectCode(a.traps.mach_port_extract_right(target, port, MACH_MSG_TYPE_MAKE_SEND, ...out), MACH_SEND_INVALID_DEST);
  }
});
