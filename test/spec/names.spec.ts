// Names and spaces (A1 to A14): what a name is, how it is chosen, what it shows.

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_NAME,
  KERN_INVALID_TASK,
  KERN_INVALID_VALUE,
  KERN_NAME_EXISTS,
  KERN_NO_SPACE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

/** Another name of the same slot: the generation differs. */
const otherGeneration = (name: number) => (name ^ 4) >>> 0;

test("A1 the names 0 and 0xffffffff never denote an entry", async () => {
  await using machine = await boot();
  const a = machine.task();
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.allocateName(MACH_PORT_RIGHT_RECEIVE, name));
  }
  const names = Array.from({ length: 600 }, () => a.allocate());
  expect(names).not.toContain(MACH_PORT_NULL);
  expect(names).not.toContain(MACH_PORT_DEAD);
});

test("A2 a name is an index and a generation whose low bits are set, and a stale one matches nothing", async () => {
  await using machine = await boot();
  const a = machine.task();
  const name = a.allocate();
  expect(name & 3).toBe(3);
  expectCode(a.destroy(name), KERN_SUCCESS);
  const successors = Array.from({ length: 300 }, () => a.allocate());
  expect(successors.every((successor) => (successor & 3) === 3)).toBe(true);
  expect(successors).not.toContain(name);
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.deallocate(name));
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.getType(otherGeneration(successors[0] ?? 0)).code);
});

test("A3 a freed name is not handed out again at once", async () => {
  await using machine = await boot();
  const a = machine.task();
  const seen = new Set<number>();
  for (let round = 0; round < 63; round++) {
    const name = a.allocate();
    expect(seen.has(name)).toBe(false);
    seen.add(name);
    expectCode(a.destroy(name), KERN_SUCCESS);
  }
});

test("A4 index 0 is never valid", async () => {
  await using machine = await boot();
  const a = machine.task();
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.getType(3).code);
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.deallocate(7));
  expectUnchanged(KERN_FAILURE, [a], () => a.allocateName(MACH_PORT_RIGHT_RECEIVE, 3));
  for (let count = 0; count < 300; count++) expect(a.allocate() >>> 8).not.toBe(0);
});

test("A5 two spaces have independent names, and a leaked value means nothing in the other", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const name = (900 << 8) | 3;
  expectCode(a.allocateName(MACH_PORT_RIGHT_RECEIVE, name), KERN_SUCCESS);
  expectUnchanged(KERN_INVALID_NAME, [a, b], () => b.destroy(name));
  expectCode(b.allocateName(MACH_PORT_RIGHT_PORT_SET, name), KERN_SUCCESS);
  expect(a.type(name)).toBe(MACH_PORT_TYPE_RECEIVE);
  expect(b.type(name)).toBe(MACH_PORT_TYPE_PORT_SET);
  const second = a.allocate();
  const inB = give(a, second, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.destroy(name), KERN_SUCCESS);
  expect(a.type(name)).toBe(MACH_PORT_TYPE_RECEIVE);
  expect(b.type(inB)).toBe(MACH_PORT_TYPE_SEND);
});

test("A6 a new receive right has type RECEIVE alone, a queue of 5, and zeros", async () => {
  await using machine = await boot();
  const a = machine.task();
  const name = a.allocate();
  expect(a.type(name)).toBe(MACH_PORT_TYPE_RECEIVE);
  expect(a.status(name)).toEqual({
    pset: 0,
    seqno: 0,
    mscount: 0,
    qlimit: 5,
    msgcount: 0,
    sorights: 0,
    srights: 0,
    pdrequest: 0,
    nsrequest: 0,
    flags: 0,
  });
  expect(a.context(name)).toBe(0);
});

test("A7 a new port set has type PORT_SET, a new dead name DEAD_NAME with one reference", async () => {
  await using machine = await boot();
  const a = machine.task();
  expect(a.type(a.allocate(MACH_PORT_RIGHT_PORT_SET))).toBe(MACH_PORT_TYPE_PORT_SET);
  const dead = a.allocate(MACH_PORT_RIGHT_DEAD_NAME);
  expect(a.type(dead)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expect(a.deads(dead)).toBe(1);
});

test("A8 only RECEIVE, PORT_SET and DEAD_NAME can be allocated", async () => {
  await using machine = await boot();
  const a = machine.task();
  for (const right of [0, 2, 5, 6, 7, 0x7fffffff]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.tryAllocate(right).code);
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.allocateName(right, (77 << 8) | 3));
  }
});

test("A9 allocate_name refuses names in use, malformed, of index 0, of a live slot, or past the table", async () => {
  await using machine = await boot();
  const a = machine.task();
  const taken = a.allocate();
  const receive = MACH_PORT_RIGHT_RECEIVE;
  expectUnchanged(KERN_NAME_EXISTS, [a], () => a.allocateName(receive, taken));
  for (const name of [0x100, 0x101, 0x102, 0x12345600]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.allocateName(receive, name));
  }
  expectUnchanged(KERN_FAILURE, [a], () => a.allocateName(receive, 0x07));
  expectUnchanged(KERN_FAILURE, [a], () => a.allocateName(receive, otherGeneration(taken)));
  expectUnchanged(KERN_NO_SPACE, [a], () => a.allocateName(receive, 0xffffff03));
  for (const right of [MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME]) {
    const name = ((1000 + right) << 8) | 0x57;
    expectCode(a.allocateName(right, name), KERN_SUCCESS);
    expect(a.type(name)).toBe(0x10000 << right);
  }
});

test("A10 every call on a dead task gives INVALID_TASK, a bad task name INVALID_DEST", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = b.allocate();
  const { core, handle, self } = b;
  for (const target of [0, MACH_PORT_DEAD, 0x12345603, a.allocate()]) {
    expectUnchanged(MACH_SEND_INVALID_DEST, [a], () => a.core.mach_port_allocate(a.handle, target, 1));
    expectUnchanged(MACH_SEND_INVALID_DEST, [a], () => a.core.mach_port_names(a.handle, target));
    expectUnchanged(MACH_SEND_INVALID_DEST, [a], () => a.core.mach_port_destroy(a.handle, target, port));
  }
  b.task[Symbol.dispose]();
  const calls = [
    () => core.mach_port_allocate(handle, self, MACH_PORT_RIGHT_RECEIVE),
    () => core.mach_port_allocate_name(handle, self, MACH_PORT_RIGHT_RECEIVE, 0x5003),
    () => core.mach_port_insert_right(handle, self, port, port, MACH_MSG_TYPE_MAKE_SEND),
    () => core.mach_port_deallocate(handle, self, port),
    () => core.mach_port_destroy(handle, self, port),
    () => core.mach_port_mod_refs(handle, self, port, MACH_PORT_RIGHT_RECEIVE, -1),
    () => core.mach_port_get_refs(handle, self, port, MACH_PORT_RIGHT_RECEIVE),
    () => core.mach_port_type(handle, self, port),
    () => core.mach_port_names(handle, self),
    () => core.mach_port_request_notification(handle, self, port, MACH_NOTIFY_DEAD_NAME, 0, port, 21),
    () => core.mach_port_get_attributes(handle, self, port, 2, 10),
    () => core.mach_port_set_attributes(handle, self, port, 1, 5, 1),
    () => core.mach_port_set_seqno(handle, self, port, 1),
    () => core.mach_port_set_mscount(handle, self, port, 1),
    () => core.mach_port_get_context(handle, self, port),
    () => core.mach_port_set_context(handle, self, port, 1),
    () => core.mach_port_move_member(handle, self, port, 0),
    () => core.mach_port_insert_member(handle, self, port, port),
    () => core.mach_port_extract_member(handle, self, port, port),
    () => core.mach_port_get_set_status(handle, self, port),
  ];
  for (const call of calls) expectCode(call(), KERN_INVALID_TASK);
});

test("A11 mach_port_type of an unknown name or 0 is INVALID_NAME, of 0xffffffff DEAD_NAME", async () => {
  await using machine = await boot();
  const a = machine.task();
  expectCode(a.getType(0x7703).code, KERN_INVALID_NAME);
  expectCode(a.getType(MACH_PORT_NULL).code, KERN_INVALID_NAME);
  expect(a.getType(MACH_PORT_DEAD)).toEqual({ code: KERN_SUCCESS, type: MACH_PORT_TYPE_DEAD_NAME });
});

test("A12 type bits tell each right, both rights of one port, and an armed dead-name request", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const notify = b.allocate();
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_SEND);
  expect(b.type(once)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expect(a.type(a.allocateWithSend())).toBe(0x30000);
  b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  b.arm(once, MACH_NOTIFY_DEAD_NAME, notify);
  expect(b.type(send)).toBe((MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DNREQUEST) >>> 0);
  expect(b.type(once)).toBe((MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_DNREQUEST) >>> 0);
  expectCode(b.request(send, MACH_NOTIFY_DEAD_NAME, 0).code, KERN_SUCCESS);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_SEND);
});

test("A13 mach_port_names lists each name once with the type that mach_port_type gives, dead ports as dead names", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const inherited = b.names();
  const port = a.allocate();
  const [send, once] = [give(a, port, MACH_MSG_TYPE_MAKE_SEND, b), give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b)];
  const own = [
    b.allocate(),
    b.allocateWithSend(),
    b.allocate(MACH_PORT_RIGHT_PORT_SET),
    b.allocate(MACH_PORT_RIGHT_DEAD_NAME),
  ];
  expect([...b.names().keys()].sort()).toEqual([...inherited.keys(), send, once, ...own].sort());
  expectCode(a.destroy(port), KERN_SUCCESS);
  const listed = b.names();
  expect(listed.get(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expect(listed.get(once)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  for (const [name, type] of listed) expect(b.type(name)).toBe(type);
  expect(b.deads(send)).toBe(1);
});

test("A14 a name without user references is unknown, never a wrong right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const send = give(a, a.allocateWithSend(), MACH_MSG_TYPE_COPY_SEND, b);
  const dead = b.allocate(MACH_PORT_RIGHT_DEAD_NAME);
  for (const name of [send, dead]) {
    expectCode(b.deallocate(name), KERN_SUCCESS);
    expectUnchanged(KERN_INVALID_NAME, [b], () => b.deallocate(name));
    for (const right of [0, 1, 2, 3, 4]) {
      expectUnchanged(KERN_INVALID_NAME, [b], () => b.modRefs(name, right, -1));
      expectUnchanged(KERN_INVALID_NAME, [b], () => b.getRefs(name, right).code);
    }
    expectUnchanged(KERN_INVALID_NAME, [b], () => b.getType(name).code);
  }
});
