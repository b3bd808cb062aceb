// Ports made and ended in one step (A186 to A188, A192).

import { expect, test } from "vitest";
import {
  KERN_DENIED,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_NO_SPACE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_STATUS_FLAG_GUARDED,
  MACH_PORT_STATUS_FLAG_STRICT_GUARD,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MPO_CONNECTION_PORT,
  MPO_CONTEXT_AS_GUARD,
  MPO_DENAP_RECEIVER,
  MPO_ENFORCE_REPLY_PORT_SEMANTICS,
  MPO_EXCEPTION_PORT,
  MPO_FILTER_MSG,
  MPO_IMMOVABLE_RECEIVE,
  MPO_IMPORTANCE_RECEIVER,
  MPO_INSERT_SEND_RIGHT,
  MPO_PROVISIONAL_REPLY_PORT,
  MPO_QLIMIT,
  MPO_REPLY_PORT,
  MPO_SERVICE_PORT,
  MPO_STRICT,
  MPO_TEMPOWNER,
  MPO_TG_BLOCK_TRACKING,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { getSrights } from "../lib/calls.js";
import { assertGuard, construct, destruct, guarded, tryConstruct, unguard } from "../lib/guards.js";
import { sendRight, told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

const PLAIN = { pset: 0, seqno: 0, mscount: 0, qlimit: 5, msgcount: 0, sorights: 0, srights: 0, flags: 0 };

test("A186 the flags have Mach's numbers, and the options are six words", async () => {
  const flags = [
    ...[MPO_CONTEXT_AS_GUARD, MPO_QLIMIT, MPO_TEMPOWNER, MPO_IMPORTANCE_RECEIVER, MPO_INSERT_SEND_RIGHT, MPO_STRICT],
    ...[MPO_DENAP_RECEIVER, MPO_IMMOVABLE_RECEIVE, MPO_FILTER_MSG, MPO_TG_BLOCK_TRACKING, MPO_SERVICE_PORT],
    ...[MPO_CONNECTION_PORT, MPO_REPLY_PORT, MPO_ENFORCE_REPLY_PORT_SEMANTICS, MPO_PROVISIONAL_REPLY_PORT],
    MPO_EXCEPTION_PORT,
  ];
  expect(flags).toEqual(Array.from({ length: 16 }, (_, bit) => 1 << bit));
  await using machine = await boot();
  const a = machine.task();
  for (const flag of flags) {
    const denied = flag === MPO_TG_BLOCK_TRACKING || flag === MPO_SERVICE_PORT || flag === MPO_CONNECTION_PORT;
    if (denied) expectUnchanged(KERN_DENIED, [a], () => tryConstruct(a, flag).code);
    else expect(a.type(construct(a, flag))).toBe(flag === MPO_INSERT_SEND_RIGHT ? 0x30000 : 0x20000);
  }
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => tryConstruct(a, 0x10000).code);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => tryConstruct(a, 0x80000001).code);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => tryConstruct(a, MPO_REPLY_PORT | MPO_EXCEPTION_PORT).code);
  const name = new Uint32Array(1);
  expectCode(a.traps.mach_port_construct(a.self, new Uint32Array([MPO_QLIMIT]), 0, name), KERN_SUCCESS);
  expect(a.status(name[0] ?? 0).qlimit).toBe(0);
});

test("A187 construct gives the send right and the queue limit that were asked for", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = construct(a, 0, { qlimit: 9 });
  expect(a.status(port)).toMatchObject(PLAIN);
  expect([a.type(port), a.context(port)]).toEqual([MACH_PORT_TYPE_RECEIVE, 0]);
  const both = construct(a, MPO_INSERT_SEND_RIGHT | MPO_QLIMIT, { qlimit: 1024, context: 6 });
  expect(a.type(both)).toBe(MACH_PORT_TYPE_SEND_RECEIVE);
  expect(a.sends(both)).toBe(1);
  expect(getSrights(a, both).srights).toBe(1);
  expect(a.status(both)).toMatchObject({ ...PLAIN, qlimit: 1024, mscount: 1, srights: 1 });
  // It is a right like any other: found again by what arrives, counted, released.
  const send = give(a, both, MACH_MSG_TYPE_COPY_SEND, b);
  expect(give(b, send, MACH_MSG_TYPE_COPY_SEND, a)).toBe(both);
  expect(a.sends(both)).toBe(2);
  expectCode(a.modRefs(both, MACH_PORT_RIGHT_SEND, -2), KERN_SUCCESS);
  expectCode(b.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 5 }), MACH_MSG_SUCCESS);
  expect(a.take(both).id).toBe(5);
  for (const qlimit of [1025, 0xffffffff]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => tryConstruct(a, MPO_QLIMIT, { qlimit }).code);
  }
});

test("A188 the context is a guard where that was asked for, and strict where that was too", async () => {
  await using machine = await boot();
  const a = machine.task();
  const plain = construct(a, MPO_STRICT, { context: 7 });
  expect([a.status(plain).flags, a.context(plain)]).toEqual([0, 7]);
  expectCode(a.destroy(plain), KERN_SUCCESS);
  const port = construct(a, MPO_CONTEXT_AS_GUARD, { context: 7 });
  expect([a.status(port).flags, a.context(port)]).toEqual([MACH_PORT_STATUS_FLAG_GUARDED, 7]);
  expectCode(unguard(a, port, 7), KERN_SUCCESS);
  const strict = construct(a, MPO_CONTEXT_AS_GUARD | MPO_STRICT, { context: 7 });
  expect(a.status(strict).flags).toBe(MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD);
  expectCode(assertGuard(a, strict, 7), KERN_SUCCESS);
});

test("construct in a full space answers NO_SPACE and leaves nothing", { timeout: 120_000 }, async () => {
  await using machine = await boot();
  const a = machine.task();
  const before = machine.census();
  const out = new Uint32Array(1);
  while (a.traps.mach_port_allocate(a.self, MACH_PORT_RIGHT_DEAD_NAME, out) === KERN_SUCCESS);
  expectCode(tryConstruct(a, MPO_INSERT_SEND_RIGHT).code, KERN_NO_SPACE);
  expect(machine.census()).toEqual(before);
  expectCode(a.deallocate(out[0] ?? 0), KERN_SUCCESS);
  const port = construct(a, MPO_INSERT_SEND_RIGHT);
  expectCode(destruct(a, port, -1, 0), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A192 destruct looks at name, rights, guard and references, in this order", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { send } = sendRight(b, a);
  const refused = (code: number, name: number, srdelta: number, guard: number) =>
    expectUnchanged(code, [a, b], () => destruct(a, name, srdelta, guard));
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD, 0x7703]) refused(KERN_INVALID_NAME, name, 1, 1);
  for (const right of [MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME]) {
    refused(KERN_INVALID_RIGHT, a.allocate(right), 1, 1);
  }
  refused(KERN_INVALID_RIGHT, send, 1, 1);
  refused(KERN_INVALID_RIGHT, send, 0, 1);
  const port = guarded(a, 4);
  refused(KERN_INVALID_RIGHT, port, 1, 5);
  refused(KERN_INVALID_RIGHT, port, -1, 5);
  expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  refused(KERN_INVALID_VALUE, port, 1, 5);
  refused(KERN_INVALID_VALUE, port, 0x7fffffff, 4);
  refused(KERN_INVALID_ARGUMENT, port, -2, 5);
  refused(KERN_INVALID_ARGUMENT, port, 0, 0);
  refused(KERN_INVALID_VALUE, port, -2, 4);
  refused(KERN_INVALID_VALUE, port, -0x80000000, 4);
  expectCode(destruct(a, port, -1, 4), KERN_SUCCESS);
  expect(a.has(port)).toBe(false);
  const plain = a.allocate();
  expectCode(a.setContext(plain, 4), KERN_SUCCESS);
  expectCode(destruct(a, plain, 0, 5), KERN_SUCCESS);
  expect(a.has(plain)).toBe(false);
});

test("A192 references that destruct leaves are those of a dead name", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = construct(a, MPO_INSERT_SEND_RIGHT | MPO_CONTEXT_AS_GUARD | MPO_STRICT, { context: 4 });
  const send = give(a, port, MACH_MSG_TYPE_COPY_SEND, b);
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, 4), KERN_SUCCESS);
  expectCode(destruct(a, port, -2, 4), KERN_SUCCESS);
  expect([a.type(port), a.deads(port)]).toEqual([MACH_PORT_TYPE_DEAD_NAME, 3]);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);

  const pegged = construct(a, MPO_INSERT_SEND_RIGHT);
  expectCode(a.modRefs(pegged, MACH_PORT_RIGHT_SEND, 65535), KERN_SUCCESS);
  expectCode(destruct(a, pegged, -7, 0), KERN_SUCCESS);
  expect(a.deads(pegged)).toBe(65535);
});

test("A192 the last send right goes before the port: no-senders, not send-once", async () => {
  await using machine = await boot();
  const a = machine.task();
  const notify = a.allocate();
  const port = construct(a, MPO_INSERT_SEND_RIGHT);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify, 1);
  expectCode(destruct(a, port, -1, 0), KERN_SUCCESS);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 1 });
  const kept = construct(a, MPO_INSERT_SEND_RIGHT);
  expectCode(a.modRefs(kept, MACH_PORT_RIGHT_SEND, 1), KERN_SUCCESS);
  a.arm(kept, MACH_NOTIFY_NO_SENDERS, notify, 1);
  expectCode(destruct(a, kept, -1, 0), KERN_SUCCESS);
  expect(told(a, notify).id).toBe(MACH_NOTIFY_SEND_ONCE);
  a.expectEmpty(notify);
  expect(a.status(notify).sorights).toBe(0);
});

test("A192 destruct with port-destroyed or dead-name armed does what mod_refs does", async () => {
  await using machine = await boot();
  const a = machine.task();
  const notify = a.allocate();
  const port = construct(a, MPO_INSERT_SEND_RIGHT | MPO_CONTEXT_AS_GUARD, { context: 4 });
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, notify);
  expectCode(destruct(a, port, -1, 4), KERN_SUCCESS);
  expect([a.type(port), a.sends(port)]).toEqual([MACH_PORT_TYPE_SEND, 2]);
  expect(told(a, notify).message.descriptors[0]?.name).toBe(port);
  expect([a.type(port), a.status(port).flags]).toEqual([MACH_PORT_TYPE_SEND_RECEIVE, 0]);
  a.arm(port, MACH_NOTIFY_DEAD_NAME, notify);
  expect(a.type(port)).toBe((MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST) >>> 0);
  expectCode(destruct(a, port, 0, 0), KERN_SUCCESS);
  expect(a.deads(port)).toBe(3);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_DEAD_NAME, value: port });
});
