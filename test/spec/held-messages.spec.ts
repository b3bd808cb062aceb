// A kmsg that JavaScript holds, by the core's own calls: what it was prepared for bounds what it carries, and it carries one message
// after another.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_TASK,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_RCV_TIMED_OUT,
  MACH_SEND_INVALID_DATA,
  MACH_SEND_MSG,
  MACH_SEND_MSG_TOO_SMALL,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
  MACH_SEND_TOO_LARGE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { build } from "../lib/message.js";
import { expectCode, type Space } from "../lib/space.js";

/** A kmsg for `ports` descriptors with these bytes in it. */
function prepare({ core, task, handle }: Space, bytes: Uint8Array, ports: number): number {
  const { processor } = task;
  const kmsg = core.mach_msg_prepare(handle, bytes.length, ports);
  processor.views.bytes(processor.out(0), bytes.length).set(bytes);
  return kmsg;
}

function send({ core, handle }: Space, kmsg: number, size: number): number {
  return core.mach_msg_trap(handle, kmsg, MACH_SEND_MSG | MACH_SEND_TIMEOUT, size, 0, 0, 0, 0) >>> 0;
}

test("A75 more descriptors than a kmsg was prepared for are MSG_TOO_SMALL, and it stays held", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  const before = a.snapshot();
  const right = { name: port, disposition: MACH_MSG_TYPE_COPY_SEND };
  const bytes = build({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, descriptors: [right, right] });
  const kmsg = prepare(a, bytes, 1);
  expectCode(send(a, kmsg, bytes.length), MACH_SEND_MSG_TOO_SMALL);
  expect(a.snapshot()).toEqual(before);
  expectCode(send(a, kmsg, bytes.length + 4), MACH_SEND_INVALID_DATA);
  expectCode(a.core.mach_msg_release(kmsg), KERN_SUCCESS);
  expectCode(a.core.mach_msg_release(kmsg), KERN_INVALID_ARGUMENT);
  expectCode(send(a, kmsg, 24), MACH_SEND_INVALID_DATA);
});

test("A99 a kmsg that came back with rights carries another message without them", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [full, other] = [a.allocateWithSend(), a.allocateWithSend()];
  a.setQlimit(full, 0);
  const right = { name: other, disposition: MACH_MSG_TYPE_COPY_SEND };
  const bytes = build({ remote: full, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors: [right] });
  const kmsg = prepare(a, bytes, 1);
  expectCode(send(a, kmsg, bytes.length), MACH_SEND_TIMED_OUT);
  const before = a.sends(other);
  const { processor } = a.task;
  processor.views.bytes(processor.out(1), 24).set(build({ remote: other, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND }));
  expectCode(send(a, kmsg, 24), MACH_MSG_SUCCESS);
  const { descriptors, size } = a.take(other);
  expect({ descriptors, size }).toEqual({ descriptors: [], size: 24 });
  expect(a.sends(other)).toBe(before);
  expect(a.status(other)).toMatchObject({ msgcount: 0 });
});

test("limits of what is prepared", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { core, handle } = a;
  const before = machine.census();
  for (const [size, ports] of [
    [23, 0],
    [24, 16_386],
    [0, 0],
    [0xffffffff, 0],
  ] as const) {
    expect(core.mach_msg_prepare(handle, size, ports)).toBe(0);
    expectCode(a.task.processor.out(1), KERN_INVALID_ARGUMENT);
  }
  expect(machine.census()).toEqual(before);
});

test("A71 A72 sizes that no message has", async () => {
  await using machine = await boot();
  const a = machine.task();
  const kmsg = prepare(a, build({ remote: a.allocate(), remoteDisposition: MACH_MSG_TYPE_MAKE_SEND }), 0);
  for (const size of [0, 20, 23, 26]) expectCode(send(a, kmsg, size), MACH_SEND_MSG_TOO_SMALL);
  for (const size of [50_331_588, 0xfffffffc]) expectCode(send(a, kmsg, size), MACH_SEND_TOO_LARGE);
  expectCode(send(a, kmsg, 24), MACH_MSG_SUCCESS);
});

test("A10 the core's own calls of a task that has ended are INVALID_TASK; more than a batch has room for, INVALID_ARGUMENT", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { core, handle } = a;
  expectCode(core.mach_msg_send_many(b.handle, 513, 1, 0), KERN_INVALID_ARGUMENT);
  expectCode(core.mach_msg_receive_many(b.handle, b.allocate(), 2, 0), MACH_RCV_TIMED_OUT);
  a.task[Symbol.dispose]();
  expectCode(core.mach_msg_send_many(handle, 0, 1, 0), KERN_INVALID_TASK);
  expectCode(core.mach_msg_receive_many(handle, 0, 2, 1), KERN_INVALID_TASK);
  expectCode(core.mach_msg_receive_async(handle, 0, 2, 24, 0), KERN_INVALID_TASK);
  expectCode(core.mach_msg_send_async(handle, 0, 1, 24, 0), KERN_INVALID_TASK);
  expectCode(core.mach_msg_trap(handle, 0, 1, 24, 0, 0, 0, 0), KERN_INVALID_TASK);
  expect(core.mach_msg_prepare(handle, 24, 0)).toBe(0);
  expectCode(a.task.processor.out(1), KERN_INVALID_TASK);
});
