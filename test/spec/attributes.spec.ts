// Attributes of ports (A194, A195, as far as this kernel has the flavours), and the calls that set single words.

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_PORT_DEAD,
  MACH_PORT_DNREQUESTS_SIZE,
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A194 the receive status is ten words: set, numbers, limits, rights and requests", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [port, set, notify] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET), a.allocate()];
  give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  expectCode(a.insertMember(port, set), KERN_SUCCESS);
  expectCode(a.setQlimit(port, 9), KERN_SUCCESS);
  expectCode(a.setSeqno(port, 31), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, notify);
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND }), MACH_MSG_SUCCESS);
  const { code, info, count } = a.getAttributes(port, MACH_PORT_RECEIVE_STATUS);
  expectCode(code, KERN_SUCCESS);
  expect(count).toBe(10);
  expect(info).toEqual([1, 31, 2, 9, 1, 2, 1, 1, 1, 0]);
});

test("A195 get_attributes wants room first, then a flavour, a name and a receive right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  const refused = (code: number, name: number, flavor: number, count: number) =>
    expectUnchanged(code, [b], () => b.getAttributes(name, flavor, count).code);
  for (const name of [send, 0x7703, MACH_PORT_NULL]) {
    refused(KERN_FAILURE, name, MACH_PORT_RECEIVE_STATUS, 9);
    refused(KERN_FAILURE, name, MACH_PORT_LIMITS_INFO, 0);
  }
  refused(KERN_INVALID_ARGUMENT, send, 77, 16);
  refused(KERN_INVALID_RIGHT, send, MACH_PORT_RECEIVE_STATUS, 10);
  refused(KERN_INVALID_RIGHT, send, MACH_PORT_LIMITS_INFO, 1);
  refused(KERN_INVALID_NAME, 0x7703, MACH_PORT_RECEIVE_STATUS, 10);
  refused(KERN_INVALID_NAME, b.allocate(MACH_PORT_RIGHT_DEAD_NAME), MACH_PORT_RECEIVE_STATUS, 10);
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    refused(KERN_INVALID_RIGHT, name, MACH_PORT_RECEIVE_STATUS, 10);
    expect(b.getAttributes(name, MACH_PORT_LIMITS_INFO, 1)).toMatchObject({ code: KERN_SUCCESS, count: 0 });
    expectCode(b.getAttributes(name, MACH_PORT_DNREQUESTS_SIZE, 1).code, KERN_SUCCESS);
  }
});

test("setting a number, a count or a context needs the receive right and changes that word alone", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  const before = a.status(port);
  for (const set of [b.setSeqno, b.setMscount, b.setContext, b.setQlimit]) {
    expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => set.call(b, send, 3));
    expectUnchanged(KERN_INVALID_NAME, [a, b], () => set.call(b, 0x7703, 3));
  }
  expectCode(a.setSeqno(port, 5), KERN_SUCCESS);
  expectCode(a.setMscount(port, 6), KERN_SUCCESS);
  expectCode(a.setContext(port, 7), KERN_SUCCESS);
  expect(a.status(port)).toEqual({ ...before, seqno: 5, mscount: 6 });
  expect(a.context(port)).toBe(7);
});
