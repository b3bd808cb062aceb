// A message to a kernel object is a call that the kernel answers (A211). It knows none by message, and says so.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_NOTIFY_NO_SENDERS,
  MACH_SEND_INVALID_DEST,
  MIG_BAD_ID,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { word } from "../lib/message.js";
import { expectCode, give } from "../lib/space.js";

test("A211 an unknown request to a kernel object is answered MIG_BAD_ID: 36 bytes, its identifier and 100", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const reply = a.allocateWithSend();
  const host = a.traps.mach_host_self();
  const other = give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a);
  for (const remote of [a.self, other, host]) {
    for (const localDisposition of [MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_COPY_SEND]) {
      const sends = a.sends(remote);
      const ask = { remote, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, local: reply, localDisposition, id: 3400 };
      expectCode(a.send(ask), MACH_MSG_SUCCESS);
      const { buffer, message } = a.receive(reply);
      expect(message).toMatchObject({ size: 36, id: 3500, complex: false, remote: 0, remoteType: 0, local: reply });
      expect(message.localType).toBe(localDisposition === MACH_MSG_TYPE_MAKE_SEND_ONCE ? 18 : 17);
      expect(word(buffer, 32) | 0).toBe(MIG_BAD_ID);
      a.expectEmpty(reply);
      expect(a.sends(remote)).toBe(sends);
    }
  }
  expect(a.status(reply)).toMatchObject({ sorights: 0, srights: 1 });
});

test("A211 the rights in a request to a kernel object are given up, and without a reply right nobody is told", async () => {
  await using machine = await boot();
  const a = machine.task();
  const before = machine.census();
  const [port, told] = [a.allocateWithSend(), a.allocate()];
  a.arm(port, MACH_NOTIFY_NO_SENDERS, told, 9);
  const descriptors = [{ name: port, disposition: MACH_MSG_TYPE_MOVE_SEND }];
  const ask = { remote: a.self, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 1, descriptors };
  expectCode(a.send(ask), MACH_MSG_SUCCESS);
  expect(a.take(told).id).toBe(MACH_NOTIFY_NO_SENDERS);
  const reply = a.allocate();
  const lost = { ...ask, descriptors: [], local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE };
  expectCode(a.setQlimit(reply, 0), KERN_SUCCESS);
  expectCode(a.send(lost), MACH_MSG_SUCCESS); // an answer of the kernel's does not wait for room
  expect(a.take(reply).id).toBe(101);
  for (const name of [port, told, reply]) expectCode(a.destroy(name), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A211 a reply right that died, and a task that has ended", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const other = give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a);
  const theirs = b.allocate();
  const dead = give(b, theirs, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(b.destroy(theirs), KERN_SUCCESS);
  const ask = { remote: other, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, local: dead, id: 1 };
  expectCode(a.send({ ...ask, localDisposition: MACH_MSG_TYPE_COPY_SEND }), MACH_MSG_SUCCESS);
  b.task[Symbol.dispose]();
  const reply = a.allocate();
  const late = { ...ask, local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE };
  expectCode(a.send(late), MACH_SEND_INVALID_DEST);
  expect(a.status(reply).sorights).toBe(0);
});
