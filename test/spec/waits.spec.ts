// Waits that end without a message: by time, because a thread may not wait, because there is no memory to wait with, because they are
// given up; and what is no wait at all.

import { Kernel } from "mach-ipc";
import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_ARGUMENT,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
  MACH_IPC_WOULD_BLOCK,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_MSG,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TIMEOUT,
  MACH_SEND_MSG,
  MACH_SEND_NO_BUFFER,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
} from "../../host-ts/abi/codes.gen.ts";
import { PROCESSOR_CAN_WAIT } from "../../host-ts/abi/layout.gen.ts";
import { boot } from "../lib/boot.js";
import { build } from "../lib/message.js";
import { expectCode, Space } from "../lib/space.js";

/** A port with a full queue, and the message that does not fit. */
function full(a: Space): { port: number; bytes: Uint8Array } {
  const port = a.allocate();
  a.setQlimit(port, 1);
  const bytes = build({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND });
  expectCode(a.send(bytes), KERN_SUCCESS);
  return { port, bytes };
}

function receive(a: Space, name: number, option: number, timeout: number): number {
  return a.traps.mach_msg(new Uint8Array(128), MACH_RCV_MSG | option, 0, 128, name, timeout, 0) >>> 0;
}

function send(a: Space, bytes: Uint8Array, option: number, timeout: number): number {
  return a.traps.mach_msg(bytes.slice(), MACH_SEND_MSG | option, bytes.length, 0, 0, timeout, 0) >>> 0;
}

test("A90 A121 who slept for so long is told TIMED_OUT: of a port, of a set, for room", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [port, pset] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  const { bytes, port: busy } = full(a);
  const before = machine.census();
  expectCode(receive(a, port, MACH_RCV_TIMEOUT, 3), MACH_RCV_TIMED_OUT);
  expectCode(receive(a, pset, MACH_RCV_TIMEOUT, 3), MACH_RCV_TIMED_OUT);
  expectCode(send(a, bytes, MACH_SEND_TIMEOUT, 3), MACH_SEND_TIMED_OUT);
  expect(machine.census()).toEqual(before);
  expect(a.status(busy)).toMatchObject({ msgcount: 1, mscount: 2 });
});

test("a thread that may not wait is told WOULD_BLOCK instead, and polls", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [port, pset] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  const { bytes } = full(a);
  const before = machine.census();
  expectCode(a.core.processor_attach(0), KERN_SUCCESS);
  for (const name of [port, pset]) {
    expectCode(receive(a, name, 0, 0), MACH_IPC_WOULD_BLOCK);
    expectCode(receive(a, name, MACH_RCV_TIMEOUT, 0), MACH_RCV_TIMED_OUT);
  }
  expectCode(send(a, bytes, 0, 0), MACH_IPC_WOULD_BLOCK);
  expectCode(send(a, bytes, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
  expect(machine.census()).toEqual(before);
  a.core.processor_attach(PROCESSOR_CAN_WAIT);
});

test("a wait is given up once; what is no wait of this thread's is INVALID_ARGUMENT", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { core, handle } = a;
  const [port, pset, before] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET), machine.census()];
  const held = core.mach_msg_prepare(handle, 24, 0);
  for (const address of [0, 64, 0xffffffff, held, handle]) {
    expectCode(core.mach_msg_cancel(address), KERN_INVALID_ARGUMENT);
  }
  expectCode(core.mach_msg_release(held), KERN_SUCCESS);
  for (const name of [port, pset]) {
    const waiting = a.receivePending(name);
    expectCode(waiting.code, MACH_RCV_IN_PROGRESS);
    expectCode(core.mach_msg_cancel(waiting.waiter), KERN_SUCCESS);
    expectCode(core.mach_msg_cancel(waiting.waiter), KERN_INVALID_ARGUMENT);
  }
  expect(machine.census()).toEqual(before);
});

test("a wait that was answered already is not given up", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [port, member, pset] = [a.allocate(), a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  a.insertMember(member, pset);
  for (const [name, to] of [
    [port, port],
    [pset, member],
  ] as const) {
    const waiting = a.receivePending(name);
    expectCode(a.send({ remote: to, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND }), KERN_SUCCESS);
    expectCode(a.core.mach_msg_cancel(waiting.waiter), KERN_FAILURE);
  }
  const { bytes, port: busy } = full(a);
  const sending = a.sendPending(bytes);
  a.take(busy);
  expectCode(a.core.mach_msg_cancel(sending.waiter), KERN_FAILURE);
  machine.deliver();
  expect(sending.completed).toBe(true);
});

test("without memory to wait with a receive is RESOURCE_SHORTAGE and a send NO_BUFFER, which comes back", async () => {
  await using kernel = await Kernel.boot({ maximumBytes: 4 << 20 });
  const a = new Space(kernel.createTask({ name: "a" }));
  const [port, pset] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  const { bytes, port: busy } = full(a);
  const kmsg = a.prepare(bytes);
  const wait = (name: number) => a.core.mach_msg_receive_async(a.handle, name, MACH_RCV_MSG, 128, 0) >>> 0;
  let waits = 0;
  while (wait(pset) === MACH_RCV_IN_PROGRESS) if (++waits > 100_000) throw new Error("memory does not end");
  expect(waits).toBeGreaterThan(1000);
  expectCode(wait(pset), KERN_RESOURCE_SHORTAGE);
  expectCode(wait(port), KERN_RESOURCE_SHORTAGE);
  const before = a.status(busy);
  expectCode(a.core.mach_msg_send_async(a.handle, kmsg, MACH_SEND_MSG, bytes.length, 0), MACH_SEND_NO_BUFFER);
  expect(a.task.processor.out(0)).toBe(kmsg);
  expect(a.status(busy)).toMatchObject({ ...before, mscount: 2 });
  expectCode(a.core.mach_msg_release(kmsg), KERN_SUCCESS);
});
