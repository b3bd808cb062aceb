// Reply ports and MIG's codes (A57, A209, A210, A212, A213).

import { expect, test } from "vitest";
import {
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_RIGHT,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_SEND_INVALID_RIGHT,
  MIG_ARRAY_TOO_LARGE,
  MIG_BAD_ARGUMENTS,
  MIG_BAD_ID,
  MIG_EXCEPTION,
  MIG_NO_REPLY,
  MIG_REMOTE_ERROR,
  MIG_REPLY_MISMATCH,
  MIG_SERVER_DIED,
  MIG_TRAILER_ERROR,
  MIG_TYPE_ERROR,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { extractRight } from "../lib/calls.js";
import { expectDropped, told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A209 each mach_reply_port is a new receive right without sends", async () => {
  await using machine = await boot();
  const a = machine.task();
  const ports = Array.from({ length: 5 }, () => a.traps.mach_reply_port());
  expect(new Set(ports).size).toBe(5);
  for (const port of ports) {
    expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);
    expect(a.status(port)).toMatchObject({ srights: 0, sorights: 0, mscount: 0, msgcount: 0 });
  }
});

test("A210 the special reply port is new at each call, with a receive and a send right", async () => {
  await using machine = await boot();
  const a = machine.task();
  const ports = Array.from({ length: 4 }, () => a.traps.thread_get_special_reply_port());
  expect(new Set(ports).size).toBe(4);
  for (const port of ports) {
    expect(a.type(port)).toBe(MACH_PORT_TYPE_SEND_RECEIVE);
    expect(a.sends(port)).toBe(1);
    expect(a.status(port)).toMatchObject({ srights: 1, sorights: 0, mscount: 1, msgcount: 0 });
  }
  const [port = 0] = ports;
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 4 }), MACH_MSG_SUCCESS);
  expect(a.take(port).id).toBe(4);
  const notify = a.allocate();
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(a.deallocate(port), KERN_SUCCESS);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 1 });
});

test("A210 A57 the special reply port cannot be moved, nor asked back; the one before it is an ordinary port", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [hall, notify] = [a.allocateWithSend(), a.allocate()];
  const port = a.traps.thread_get_special_reply_port();
  const move = () =>
    a.send({
      ...{ remote: hall, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
      descriptors: [{ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }],
    });
  const extract = () => extractRight(a, port, MACH_MSG_TYPE_MOVE_RECEIVE).code;
  expectUnchanged(MACH_SEND_INVALID_RIGHT, [a], move);
  expectUnchanged(KERN_INVALID_CAPABILITY, [a], extract);
  expectUnchanged(KERN_INVALID_CAPABILITY, [a], () => a.insertRight(port, port, MACH_MSG_TYPE_MOVE_RECEIVE));
  expectUnchanged(KERN_INVALID_CAPABILITY, [a, b], () =>
    a.core.task_insert_right(a.handle, port, MACH_MSG_TYPE_MOVE_RECEIVE, b.handle),
  );
  expectDropped(KERN_INVALID_RIGHT, [a], [a, notify], () => a.request(port, MACH_NOTIFY_PORT_DESTROYED, notify).code);
  // Its send right goes where it wants, and a send-once right is made of it as of any.
  expectCode(a.deallocate(give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a)), KERN_SUCCESS);
  expect(a.take(port).id).toBe(MACH_NOTIFY_SEND_ONCE);
  const theirs = give(a, port, MACH_MSG_TYPE_MOVE_SEND, b);
  expect(b.type(theirs)).toBe(MACH_PORT_TYPE_SEND);
  expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);

  const next = a.traps.thread_get_special_reply_port();
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, notify);
  expectCode(move(), MACH_MSG_SUCCESS);
  expect(a.has(port)).toBe(false);
  expect(a.take(hall).descriptors.length).toBe(1);
  expectCode(extractRight(a, next, MACH_MSG_TYPE_MOVE_RECEIVE).code, KERN_INVALID_CAPABILITY);
});

test("A210 a special reply port that was destroyed leaves its thread without one", async () => {
  await using machine = await boot();
  const a = machine.task();
  const before = machine.census();
  const port = a.traps.thread_get_special_reply_port();
  expectCode(a.destroy(port), KERN_SUCCESS);
  const others = Array.from({ length: 40 }, () => a.allocate()); // one of them is where it was
  for (const other of others) {
    const moved = extractRight(a, other, MACH_MSG_TYPE_MOVE_RECEIVE);
    expectCode(moved.code, KERN_SUCCESS);
    expectCode(a.destroy(moved.name), KERN_SUCCESS);
  }
  expect(machine.census()).toEqual(before);
});

test("A212 MIG's codes are -300 to -309", () => {
  expect([
    MIG_TYPE_ERROR,
    MIG_REPLY_MISMATCH,
    MIG_REMOTE_ERROR,
    MIG_BAD_ID,
    MIG_BAD_ARGUMENTS,
    MIG_NO_REPLY,
    MIG_EXCEPTION,
    MIG_ARRAY_TOO_LARGE,
    MIG_SERVER_DIED,
    MIG_TRAILER_ERROR,
  ]).toEqual([-300, -301, -302, -303, -304, -305, -306, -307, -308, -309]);
});

test("A213 a client whose server dies gets message 71 on its reply port, read or unread", async () => {
  await using machine = await boot();
  const client = machine.task();
  for (const reads of [false, true]) {
    const server = machine.task();
    const service = server.allocate();
    const door = give(server, service, MACH_MSG_TYPE_MAKE_SEND, client);
    const reply = client.traps.mach_reply_port();
    const waiting = client.receivePending(reply);
    const sent = client.send({
      ...{ remote: door, remoteDisposition: 19, id: 1000 },
      ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    });
    expectCode(sent, MACH_MSG_SUCCESS);
    if (reads) expect(server.take(service).id).toBe(1000);
    server.task[Symbol.dispose]();
    machine.deliver();
    expect(waiting.completed).toBe(true);
    expectCode(waiting.code, MACH_MSG_SUCCESS);
    expect(waiting.message).toMatchObject({ id: MACH_NOTIFY_SEND_ONCE, size: 24, local: reply, localType: 18 });
    expectCode(client.destroy(reply), KERN_SUCCESS);
  }
});
