// User references (A16 to A40): how they are counted, what the last one takes with it, what death makes of them.

import { expect, test } from "vitest";
import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_LABELH,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_UREFS_MAX,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { word } from "../lib/message.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

/** A port of `from` with a send right in `to`, and once more with a send-once right. */
function rightsOf(from: Space, to: Space): { port: number; send: number; once: number } {
  const port = from.allocate();
  const send = give(from, port, MACH_MSG_TYPE_MAKE_SEND, to);
  const once = give(from, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, to);
  return { port, send, once };
}

test("A16 receive rights and port sets read as one reference", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  const set = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  expect(a.refs(port, MACH_PORT_RIGHT_RECEIVE)).toBe(1);
  expect(a.refs(set, MACH_PORT_RIGHT_PORT_SET)).toBe(1);
  expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  expect(a.refs(port, MACH_PORT_RIGHT_RECEIVE)).toBe(1);
  expect(a.refs(port, MACH_PORT_RIGHT_SEND)).toBe(2);
});

test("A17 get_refs of a right that the name does not hold is 0, of no right INVALID_VALUE, of no name INVALID_NAME", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send, once } = rightsOf(a, b);
  expect([0, 2, 3, 4].map((right) => a.refs(port, right))).toEqual([0, 0, 0, 0]);
  expect([1, 2, 3, 4].map((right) => b.refs(send, right))).toEqual([0, 0, 0, 0]);
  expect([0, 1, 3, 4].map((right) => b.refs(once, right))).toEqual([0, 0, 0, 0]);
  expectUnchanged(KERN_INVALID_VALUE, [a], () => a.getRefs(port, 6).code);
  expectUnchanged(KERN_INVALID_VALUE, [a], () => a.getRefs(port, 0x7fffffff).code);
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.getRefs(0x7703, MACH_PORT_RIGHT_SEND).code);
});

test("A18 the names 0 and 0xffffffff have one send and one send-once reference, and no other", async () => {
  await using machine = await boot();
  const a = machine.task();
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    expect(a.refs(name, MACH_PORT_RIGHT_SEND)).toBe(1);
    expect(a.refs(name, MACH_PORT_RIGHT_SEND_ONCE)).toBe(1);
    for (const right of [MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME]) {
      expectUnchanged(KERN_INVALID_NAME, [a], () => a.getRefs(name, right).code);
    }
  }
});

test("A19 mod_refs adds send references where there is a send right, and nowhere else", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send, once } = rightsOf(a, b);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 41), KERN_SUCCESS);
  expect(b.sends(send)).toBe(42);
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.modRefs(port, MACH_PORT_RIGHT_SEND, 1));
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.modRefs(once, MACH_PORT_RIGHT_SEND, 1));
  const set = b.allocate(MACH_PORT_RIGHT_PORT_SET);
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.modRefs(set, MACH_PORT_RIGHT_SEND, 1));
});

test("A20 taking more send references than there are is INVALID_VALUE", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { send } = rightsOf(a, b);
  expectUnchanged(KERN_INVALID_VALUE, [a, b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND, -2));
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  expectUnchanged(KERN_INVALID_VALUE, [a, b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND, -4));
});

test("A21 taking the last send reference removes the send right; a receive right keeps the name", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = rightsOf(a, b);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, -3), KERN_SUCCESS);
  expect(b.has(send)).toBe(false);
  expect(a.status(port).srights).toBe(0);
  const both = a.allocateWithSend();
  expectCode(a.modRefs(both, MACH_PORT_RIGHT_SEND, -1), KERN_SUCCESS);
  expect(a.type(both)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A22 mod_refs of a receive right takes 0 or -1", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = rightsOf(a, b);
  for (const delta of [1, -2, 2, 65535]) {
    expectUnchanged(KERN_INVALID_VALUE, [a, b], () => a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, delta));
  }
  expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => b.modRefs(send, MACH_PORT_RIGHT_RECEIVE, -1));
  expectUnchanged(KERN_SUCCESS, [a, b], () => a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, 0));
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
  expect(a.has(port)).toBe(false);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
});

test("A23 mod_refs of a port set takes 0 or -1", async () => {
  await using machine = await boot();
  const a = machine.task();
  const set = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  const member = a.allocate();
  expectCode(a.insertMember(member, set), KERN_SUCCESS);
  for (const delta of [1, -2]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.modRefs(set, MACH_PORT_RIGHT_PORT_SET, delta));
  }
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.modRefs(member, MACH_PORT_RIGHT_PORT_SET, -1));
  expectUnchanged(KERN_SUCCESS, [a], () => a.modRefs(set, MACH_PORT_RIGHT_PORT_SET, 0));
  expectCode(a.modRefs(set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
  expect(a.has(set)).toBe(false);
  expect(a.status(member).pset).toBe(0);
});

test("A24 mod_refs of a send-once right takes 0 or -1, and -1 makes a send-once notification", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send, once } = rightsOf(a, b);
  expect(b.refs(once, MACH_PORT_RIGHT_SEND_ONCE)).toBe(1);
  for (const delta of [1, -2]) {
    expectUnchanged(KERN_INVALID_VALUE, [a, b], () => b.modRefs(once, MACH_PORT_RIGHT_SEND_ONCE, delta));
  }
  expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND_ONCE, -1));
  expectUnchanged(KERN_SUCCESS, [a, b], () => b.modRefs(once, MACH_PORT_RIGHT_SEND_ONCE, 0));
  expectCode(b.modRefs(once, MACH_PORT_RIGHT_SEND_ONCE, -1), KERN_SUCCESS);
  expect(b.has(once)).toBe(false);
  expect(a.take(port).id).toBe(MACH_NOTIFY_SEND_ONCE);
});

test("A25 mod_refs counts dead names, also where the port has only just died, and refuses living ones", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send, once } = rightsOf(a, b);
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.modRefs(send, MACH_PORT_RIGHT_DEAD_NAME, 1));
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.modRefs(once, MACH_PORT_RIGHT_DEAD_NAME, 1));
  expectCode(a.destroy(port), KERN_SUCCESS);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_DEAD_NAME, 4), KERN_SUCCESS);
  expectCode(b.modRefs(once, MACH_PORT_RIGHT_DEAD_NAME, 1), KERN_SUCCESS);
  expect(b.deads(send)).toBe(5);
  expect(b.deads(once)).toBe(2);
  expectUnchanged(KERN_INVALID_VALUE, [b], () => b.modRefs(send, MACH_PORT_RIGHT_DEAD_NAME, -6));
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_DEAD_NAME, -5), KERN_SUCCESS);
  expect(b.has(send)).toBe(false);
});

test("A26 mod_refs of the send right of a dead name is INVALID_RIGHT", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = rightsOf(a, b);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND, -1));
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND, 1));
});

test("A27 mod_refs checks the right before the name, and takes 0 and 0xffffffff for sends and send-onces", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    expectUnchanged(KERN_SUCCESS, [a], () => a.modRefs(name, MACH_PORT_RIGHT_SEND, -1));
    expectUnchanged(KERN_SUCCESS, [a], () => a.modRefs(name, MACH_PORT_RIGHT_SEND_ONCE, -1));
    for (const right of [MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME]) {
      expectUnchanged(KERN_INVALID_NAME, [a], () => a.modRefs(name, right, -1));
    }
  }
  for (const name of [port, 0x7703, MACH_PORT_NULL, MACH_PORT_DEAD]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => a.modRefs(name, 6, -1));
  }
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.modRefs(port, MACH_PORT_RIGHT_LABELH, -1));
});

test("A28 a delta of more than 65535 either way is INVALID_VALUE", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { send } = rightsOf(a, b);
  const dead = b.allocate(MACH_PORT_RIGHT_DEAD_NAME);
  for (const delta of [65536, -65536, 0x7fffffff, -0x80000000]) {
    expectUnchanged(KERN_INVALID_VALUE, [b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND, delta));
    expectUnchanged(KERN_INVALID_VALUE, [b], () => b.modRefs(dead, MACH_PORT_RIGHT_DEAD_NAME, delta));
  }
});

test("A29 references past 65535 are pegged, by mod_refs and by receipt, with success", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = rightsOf(a, b);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 65535), KERN_SUCCESS);
  expect(b.sends(send)).toBe(MACH_PORT_UREFS_MAX);
  const second = a.allocate();
  const inB = give(a, second, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.modRefs(inB, MACH_PORT_RIGHT_SEND, 65534), KERN_SUCCESS);
  expect(b.sends(inB)).toBe(65535);
  expect(give(a, second, MACH_MSG_TYPE_MAKE_SEND, b)).toBe(inB);
  expect(b.sends(inB)).toBe(65535);
  expect(a.status(second).mscount).toBe(2);
  expectCode(b.destroy(inB), KERN_SUCCESS);
  expect(a.status(second).srights).toBe(0);
  expect(a.status(port).srights).toBe(1);
});

test("A30 a pegged count ignores every delta but -65535, deallocation and a moved send", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = rightsOf(a, b);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 65534), KERN_SUCCESS);
  for (const delta of [1, -1, -65534, 65535]) {
    expectUnchanged(KERN_SUCCESS, [b], () => b.modRefs(send, MACH_PORT_RIGHT_SEND, delta));
  }
  expectUnchanged(KERN_SUCCESS, [b], () => b.deallocate(send));
  expectCode(b.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND }), MACH_MSG_SUCCESS);
  expect(b.sends(send)).toBe(65535);
  a.take(port);
  expect(a.status(port).srights).toBe(1);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, -65535), KERN_SUCCESS);
  expect(b.has(send)).toBe(false);
  expect(a.status(port).srights).toBe(0);
});

test("A32 several references under one name are one send right of the port", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const { port, send } = rightsOf(a, b);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 9), KERN_SUCCESS);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, -9), KERN_SUCCESS);
  expect(a.status(port).srights).toBe(1);
  a.expectEmpty(notify);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  expect(a.status(port).srights).toBe(0);
  expect(a.take(notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
});

test("A33 deallocate releases one send or dead-name reference or the send-once right, and no receive right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send, once } = rightsOf(a, b);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 1), KERN_SUCCESS);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  expect(b.sends(send)).toBe(1);
  expectCode(b.deallocate(once), KERN_SUCCESS);
  expect(b.has(once)).toBe(false);
  expect(a.take(port).id).toBe(MACH_NOTIFY_SEND_ONCE);
  const dead = b.allocate(MACH_PORT_RIGHT_DEAD_NAME);
  expectCode(b.modRefs(dead, MACH_PORT_RIGHT_DEAD_NAME, 1), KERN_SUCCESS);
  expectCode(b.deallocate(dead), KERN_SUCCESS);
  expect(b.deads(dead)).toBe(1);
  const both = b.allocateWithSend();
  expectCode(b.deallocate(both), KERN_SUCCESS);
  expect(b.type(both)).toBe(MACH_PORT_TYPE_RECEIVE);
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.deallocate(both));
  expectUnchanged(KERN_INVALID_NAME, [b], () => b.deallocate(0x7703));
  expectUnchanged(KERN_SUCCESS, [b], () => b.deallocate(MACH_PORT_NULL));
  expectUnchanged(KERN_SUCCESS, [b], () => b.deallocate(MACH_PORT_DEAD));
});

test("A34 deallocating a port set destroys it and leaves its members alive", async () => {
  await using machine = await boot();
  const a = machine.task();
  const set = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  const member = a.allocateWithSend();
  expectCode(a.insertMember(member, set), KERN_SUCCESS);
  expectCode(a.send({ remote: member, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }), MACH_MSG_SUCCESS);
  expectCode(a.deallocate(set), KERN_SUCCESS);
  expect(a.has(set)).toBe(false);
  expect(a.status(member)).toMatchObject({ pset: 0, msgcount: 1 });
});

test("A35 destroy drops all references and the port at once, and D8 takes 0 and 0xffffffff", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocateWithSend();
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, 7), KERN_SUCCESS);
  const send = give(a, port, MACH_MSG_TYPE_COPY_SEND, b);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(a.has(port)).toBe(false);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectUnchanged(KERN_SUCCESS, [a], () => a.destroy(MACH_PORT_NULL));
  expectUnchanged(KERN_SUCCESS, [a], () => a.destroy(MACH_PORT_DEAD));
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.destroy(0x7703));
});

test("A36 destroying a port with its only send right fires no-senders, not send-once", async () => {
  await using machine = await boot();
  const a = machine.task();
  const notify = a.allocate();
  const port = a.allocateWithSend();
  expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(a.destroy(port), KERN_SUCCESS);
  const { buffer, message } = a.receive(notify);
  expect(message.id).toBe(MACH_NOTIFY_NO_SENDERS);
  expect(word(buffer, 32)).toBe(2);
  a.expectEmpty(notify);
});

test("A37 losing the receive right makes a dead name of the sends, one more where a request was armed, without no-senders", async () => {
  await using machine = await boot();
  const a = machine.task();
  const notify = a.allocate();
  for (const armed of [false, true]) {
    const port = a.allocateWithSend();
    expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
    a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
    if (armed) a.arm(port, MACH_NOTIFY_DEAD_NAME, notify);
    expectCode(a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    expect(a.type(port)).toBe(MACH_PORT_TYPE_DEAD_NAME);
    expect(a.deads(port)).toBe(armed ? 4 : 3);
    expect(a.take(notify).id).toBe(MACH_NOTIFY_SEND_ONCE);
    if (armed) expect(a.take(notify).id).toBe(MACH_NOTIFY_DEAD_NAME);
    a.expectEmpty(notify);
  }
});

test("A38 losing the receive right to a port-destroyed request keeps the send right as it is", async () => {
  await using machine = await boot();
  const a = machine.task();
  const notify = a.allocate();
  const port = a.allocateWithSend();
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, notify);
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
  expect(a.type(port)).toBe(MACH_PORT_TYPE_SEND);
  expect(a.sends(port)).toBe(3);
  const message = a.take(notify);
  expect(message.id).toBe(MACH_NOTIFY_PORT_DESTROYED);
  expect(message.descriptors[0]?.name).toBe(port);
  expect(a.sends(port)).toBe(3);
  expect(a.refs(port, MACH_PORT_RIGHT_RECEIVE)).toBe(1);
});

test("A39 death turns the rights of other spaces into dead names with their references, one more where a request was armed", async () => {
  await using machine = await boot();
  const [a, b, c] = [machine.task(), machine.task(), machine.task()];
  const { port, send, once } = rightsOf(a, b);
  const inC = give(a, port, MACH_MSG_TYPE_MAKE_SEND, c);
  const armedOnce = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  const notify = b.allocate();
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 4), KERN_SUCCESS);
  b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  b.arm(armedOnce, MACH_NOTIFY_DEAD_NAME, notify);
  expect(b.type(send)).toBe((MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DNREQUEST) >>> 0);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect([send, once, armedOnce].map((name) => b.type(name))).toEqual(
    [send, once, armedOnce].map(() => MACH_PORT_TYPE_DEAD_NAME),
  );
  expect([send, once, armedOnce].map((name) => b.deads(name))).toEqual([6, 1, 2]);
  expect(c.deads(inC)).toBe(1);
});

test("A40 a dead name needs as many deallocations as it has references", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = rightsOf(a, b);
  expectCode(b.modRefs(send, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  expectCode(a.destroy(port), KERN_SUCCESS);
  for (let left = 3; left > 0; left--) {
    expect(b.deads(send)).toBe(left);
    expectCode(b.deallocate(send), KERN_SUCCESS);
  }
  expectUnchanged(KERN_INVALID_NAME, [b], () => b.deallocate(send));
});
