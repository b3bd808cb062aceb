// What a name denotes gets another name (A15).

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_NAME,
  KERN_INVALID_VALUE,
  KERN_NAME_EXISTS,
  KERN_NO_SPACE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_PORT_DELETED,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_RCV_INVALID_NAME,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { rename } from "../lib/calls.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { word } from "../lib/message.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

const FREE = 0x00300003;

test("A15 a right of every kind keeps all but its name", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  let to = FREE;
  for (const name of Object.values(kinds(hall))) {
    const rest = (old: number) => {
      const { refs, type, status, members } = (
        a.snapshot() as { name: number; refs: number[]; type: number; status: unknown; members: unknown }[]
      ).find((each) => each.name === old) ?? { refs: [] };
      return { refs, type, status, members };
    };
    const before = rest(name);
    expect(before.refs).not.toEqual([]);
    expectCode(rename(a, name, to), KERN_SUCCESS);
    expect(rest(to)).toEqual(before);
    expect(a.has(name)).toBe(false);
    to += 256;
  }
});

test("A15 the port is reached, and coalesces, under the new name alone", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const port = b.allocate();
  const name = give(b, port, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(rename(a, name, FREE), KERN_SUCCESS);
  expect(give(b, port, MACH_MSG_TYPE_MAKE_SEND, a)).toBe(FREE);
  expect(a.sends(FREE)).toBe(2);
  expectCode(a.send({ remote: name, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }), MACH_SEND_INVALID_DEST);
  expectCode(a.send({ remote: FREE, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 7 }), KERN_SUCCESS);
  expectCode(rename(b, port, FREE), KERN_SUCCESS);
  expectCode(b.receive(port).code, MACH_RCV_INVALID_NAME);
  const { id, local } = b.take(FREE);
  expect([id, local]).toEqual([7, FREE]);
});

test("A15 a receive that waits on the port goes on, and says the new name", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocateWithSend();
  const pending = a.receivePending(port);
  expectCode(rename(a, port, FREE), KERN_SUCCESS);
  expect(pending.completed).toBe(false);
  expectCode(a.send({ remote: FREE, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 9 }), KERN_SUCCESS);
  machine.deliver();
  expectCode(pending.code, KERN_SUCCESS);
  expect(pending.message.local).toBe(FREE);
});

test("A15 an armed dead-name request is told with the new name", async () => {
  await using machine = await boot();
  const { a, b } = line(machine);
  const inbox = a.allocate();
  const port = b.allocate();
  const name = give(b, port, MACH_MSG_TYPE_MAKE_SEND, a);
  const gone = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND, a);
  a.arm(name, MACH_NOTIFY_DEAD_NAME, inbox);
  a.arm(gone, MACH_NOTIFY_DEAD_NAME, inbox);
  expectCode(rename(a, name, FREE), KERN_SUCCESS);
  expectCode(rename(a, gone, FREE + 256), KERN_SUCCESS);
  expect(a.type(FREE) & MACH_PORT_TYPE_DNREQUEST).not.toBe(0);
  a.expectEmpty(inbox);
  expectCode(a.deallocate(FREE + 256), KERN_SUCCESS);
  const deleted = a.take(inbox);
  expect([deleted.id, word(deleted.data, 8)]).toEqual([MACH_NOTIFY_PORT_DELETED, FREE + 256]);
  expectCode(b.destroy(port), KERN_SUCCESS);
  const dead = a.take(inbox);
  expect([dead.id, word(dead.data, 8)]).toEqual([MACH_NOTIFY_DEAD_NAME, FREE]);
  expect([a.type(FREE), a.deads(FREE)]).toEqual([MACH_PORT_TYPE_DEAD_NAME, 2]);
});

test("A15 a new name that cannot be had is refused, and changes nothing", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, send } = kinds(hall);
  const wrong = [
    [send, KERN_NAME_EXISTS],
    [receive, KERN_NAME_EXISTS], // its own
    [MACH_PORT_NULL, KERN_INVALID_VALUE],
    [MACH_PORT_DEAD, KERN_INVALID_VALUE],
    [FREE - 1, KERN_INVALID_VALUE],
    [3, KERN_FAILURE],
    [(send ^ 4) >>> 0, KERN_FAILURE],
    [0x40000003, KERN_NO_SPACE],
  ] as const;
  for (const [to, code] of wrong) {
    expectUnchanged(code, [a], () => rename(a, receive, to));
    expectUnchanged(code, [a], () => rename(a, 0x7703, to));
  }
});

test("A15 an old name that denotes nothing is refused", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD, 0x7703])
    expectUnchanged(KERN_INVALID_NAME, [a], () => rename(a, name, FREE));
  expectCode(a.traps.mach_port_rename(0x7703, a.allocate(), FREE), MACH_SEND_INVALID_DEST);
});

test("A15 the old name may be had again, and is not handed out at once", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const name = a.allocate();
  expectCode(rename(a, name, FREE), KERN_SUCCESS);
  expect(a.allocate()).not.toBe(name);
  expectCode(rename(a, FREE, name), KERN_SUCCESS);
  expect(a.has(name)).toBe(true);
});
