// Coalescing of rights (A41 to A47): which rights share a name when they arrive.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { line } from "../lib/line.js";
import type { Parsed } from "../lib/message.js";
import { expectCode, give } from "../lib/space.js";

const nameOf = (message: Parsed, index = 0) => message.descriptors[index]?.name ?? -1;

test("A41 all send rights of a space for one port share a name, and share it with the receive right", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const port = a.allocate();
  const first = nameOf(pass({ name: port, disposition: MACH_MSG_TYPE_MAKE_SEND }));
  const second = nameOf(pass({ name: port, disposition: MACH_MSG_TYPE_MAKE_SEND }));
  expect(second).toBe(first);
  expect(b.sends(first)).toBe(2);
  const receive = nameOf(pass({ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }));
  expect(receive).toBe(first);
});

test("A42 a send right that arrives where sends or the receive right are adds a reference there", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const own = b.allocate();
  const back = give(b, own, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(a.modRefs(back, 0, 1), KERN_SUCCESS);
  expect(nameOf(pass({ name: back, disposition: MACH_MSG_TYPE_COPY_SEND }))).toBe(own);
  expect(b.type(own)).toBe(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
  expect(b.sends(own)).toBe(1);
  expect(nameOf(pass({ name: back, disposition: MACH_MSG_TYPE_MOVE_SEND }))).toBe(own);
  expect(b.sends(own)).toBe(2);
  expect(a.sends(back)).toBe(1);
});

test("A43 a receive right that arrives where its send rights are joins them, references unchanged", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const port = a.allocate();
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.modRefs(send, 0, 3), KERN_SUCCESS);
  expect(nameOf(pass({ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }))).toBe(send);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
  expect(b.sends(send)).toBe(4);
  expect(a.has(port)).toBe(false);
});

test("A44 send then receive and receive then send end with one name, in two messages or in one", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const [send, receive] = [MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_RECEIVE];
  for (const order of [
    [send, receive],
    [receive, send],
  ]) {
    const apart = a.allocateWithSend();
    const names = order.map((disposition) => nameOf(pass({ name: apart, disposition })));
    expect(names[0]).toBe(names[1]);
    expect(b.type(names[0] ?? 0)).toBe(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
    const together = a.allocateWithSend();
    const message = pass(...order.map((disposition) => ({ name: together, disposition })));
    expect(nameOf(message, 0)).toBe(nameOf(message, 1));
    expect(b.type(nameOf(message))).toBe(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
    expect(b.sends(nameOf(message))).toBe(1);
  }
});

test("A45 every send-once right that arrives gets a name of its own", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const own = b.allocate();
  const send = give(b, own, MACH_MSG_TYPE_MAKE_SEND, a);
  const onces = [give(b, own, MACH_MSG_TYPE_MAKE_SEND_ONCE, a), give(b, own, MACH_MSG_TYPE_MAKE_SEND_ONCE, a)];
  expect(new Set([send, ...onces]).size).toBe(3);
  const message = pass(...onces.map((name) => ({ name, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE })));
  const names = [nameOf(message, 0), nameOf(message, 1)];
  expect(new Set([own, ...names]).size).toBe(3);
  for (const name of names) {
    expect(b.type(name)).toBe(MACH_PORT_TYPE_SEND_ONCE);
    expect(b.refs(name, MACH_PORT_RIGHT_SEND_ONCE)).toBe(1);
  }
  expect(b.status(own).sorights).toBe(2);
});

test("A46 dead rights in a body arrive as 0xffffffff and make no entry", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const port = b.allocate();
  const send = give(b, port, MACH_MSG_TYPE_MAKE_SEND, a);
  const once = give(b, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(b.destroy(port), KERN_SUCCESS);
  const before = b.names();
  const message = pass(
    { name: send, disposition: MACH_MSG_TYPE_COPY_SEND },
    { name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
  );
  expect(message.descriptors).toEqual([
    { name: MACH_PORT_DEAD, disposition: MACH_MSG_TYPE_MOVE_SEND, type: 0 },
    { name: MACH_PORT_DEAD, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE, type: 0 },
  ]);
  expect(b.names()).toEqual(before);
});

test("A47 distinct dead ports keep distinct names and nothing is merged with a dead name", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const ports = [a.allocate(), a.allocate()];
  const names = ports.map((port) => give(a, port, MACH_MSG_TYPE_MAKE_SEND, b));
  for (const port of ports) expectCode(a.destroy(port), KERN_SUCCESS);
  expect(names[0]).not.toBe(names[1]);
  expect(names.map((name) => b.type(name))).toEqual([MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_TYPE_DEAD_NAME]);
  const fresh = nameOf(pass({ name: a.allocate(), disposition: MACH_MSG_TYPE_MAKE_SEND }));
  expect(names).not.toContain(fresh);
  expect(b.type(fresh)).toBe(MACH_PORT_TYPE_SEND);
  expect(names.map((name) => b.deads(name))).toEqual([1, 1]);
});
