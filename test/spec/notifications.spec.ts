// Notifications (A134 to A150, those of this kernel): who is told what, when, and with which numbers.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DELETED,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_NOTIFY_SEND_POSSIBLE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND_ONCE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectDropped, sendRight, told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A134 the notification ids are 65, 66, 69, 70, 71 and 72", () => {
  expect([
    MACH_NOTIFY_PORT_DELETED,
    MACH_NOTIFY_SEND_POSSIBLE,
    MACH_NOTIFY_PORT_DESTROYED,
    MACH_NOTIFY_NO_SENDERS,
    MACH_NOTIFY_SEND_ONCE,
    MACH_NOTIFY_DEAD_NAME,
  ]).toEqual([65, 66, 69, 70, 71, 72]);
});

test("A135 notifications arrive on a send-once right without reply, in their sizes", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = b.allocate();
  const expectShape = (size: number, id: number, complex = false) => {
    const { message } = told(b, notify);
    expect(message).toMatchObject({ id, size, complex, localType: 18, local: notify, remote: 0, remoteType: 0 });
    return message;
  };
  const once = give(b, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.deallocate(once), KERN_SUCCESS);
  expectShape(24, MACH_NOTIFY_SEND_ONCE);
  const { port, send } = sendRight(a, b);
  b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expectShape(36, MACH_NOTIFY_DEAD_NAME);
  const deleted = sendRight(a, b);
  b.arm(deleted.send, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(b.deallocate(deleted.send), KERN_SUCCESS);
  expectShape(36, MACH_NOTIFY_PORT_DELETED);
  const idle = b.allocate();
  b.arm(idle, MACH_NOTIFY_NO_SENDERS, notify);
  expectShape(36, MACH_NOTIFY_NO_SENDERS);
  const doomed = b.allocate();
  b.arm(doomed, MACH_NOTIFY_PORT_DESTROYED, notify);
  expectCode(b.destroy(doomed), KERN_SUCCESS);
  const { descriptors } = expectShape(40, MACH_NOTIFY_PORT_DESTROYED, true);
  expect(descriptors.length).toBe(1);
  expect(descriptors[0]).toMatchObject({ disposition: 16, type: 0 });
  expect(b.type(descriptors[0]?.name ?? 0)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A137 only 66, 69, 70 and 72 can be requested, and not by way of a dead right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [port, notify] = [a.allocateWithSend(), a.allocate()];
  const dead = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  for (const msgid of [0, 64, 65, 67, 68, 71, 73, 0x7fffffff]) {
    expectDropped(KERN_INVALID_VALUE, [a], [a, notify], () => a.request(port, msgid, notify).code);
  }
  b.task[Symbol.dispose]();
  const disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
  expectUnchanged(KERN_INVALID_CAPABILITY, [a], () => a.request(port, MACH_NOTIFY_NO_SENDERS, MACH_PORT_DEAD).code);
  for (const msgid of [MACH_NOTIFY_PORT_DESTROYED, MACH_NOTIFY_NO_SENDERS, MACH_NOTIFY_DEAD_NAME]) {
    expectUnchanged(KERN_INVALID_CAPABILITY, [a], () => {
      expectCode(a.modRefs(dead, MACH_PORT_RIGHT_DEAD_NAME, 1), KERN_SUCCESS); // the one that moves
      return a.request(port, msgid, dead, { disposition }).code;
    });
  }
});

test("A138 a refused request destroys the right that came with it; one whose notify right is refused changes nothing", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { send } = sendRight(b, a);
  const notify = b.allocate();
  const disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
  const moved = give(b, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectUnchanged(
    KERN_INVALID_NAME,
    [a, b],
    () => a.request(send, MACH_NOTIFY_DEAD_NAME, 0x7703, { disposition }).code,
  );
  expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => a.request(send, MACH_NOTIFY_DEAD_NAME, send, { disposition }).code);
  expectCode(a.request(send, MACH_NOTIFY_NO_SENDERS, moved, { disposition }).code, KERN_INVALID_RIGHT);
  expect(a.has(moved)).toBe(false);
  expect(told(b, notify).id).toBe(MACH_NOTIFY_SEND_ONCE);
  // The name that is asked for is looked up when the notify right has left it.
  const itself = give(b, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.request(itself, MACH_NOTIFY_DEAD_NAME, itself, { disposition }).code, KERN_INVALID_NAME);
  expect(told(b, notify).id).toBe(MACH_NOTIFY_SEND_ONCE);
});

test("A138 a request takes a made or a moved send-once right, 0 cancels, and the previous one is returned", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { send } = sendRight(b, a);
  const port = a.allocateWithSend();
  const [first, second] = [a.allocate(), b.allocate()];
  const cases: [number, number][] = [
    [send, MACH_NOTIFY_DEAD_NAME],
    [port, MACH_NOTIFY_NO_SENDERS],
    [port, MACH_NOTIFY_PORT_DESTROYED],
  ];
  for (const [name, msgid] of cases) {
    a.arm(name, msgid, first);
    expect(a.status(first).sorights).toBe(1);
    const moved = give(b, second, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
    const swapped = a.request(name, msgid, moved, { disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE });
    expectCode(swapped.code, KERN_SUCCESS);
    expect(a.has(moved)).toBe(false);
    expect(a.type(swapped.previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
    expectCode(a.send({ remote: swapped.previous, remoteDisposition: 18, id: 5 }), MACH_MSG_SUCCESS);
    expect(a.take(first).id).toBe(5);
    const cancelled = a.request(name, msgid, MACH_PORT_NULL);
    expectCode(cancelled.code, KERN_SUCCESS);
    expect(a.type(cancelled.previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
    expectCode(a.deallocate(cancelled.previous), KERN_SUCCESS);
    expect(told(b, second).id).toBe(MACH_NOTIFY_SEND_ONCE);
    expect(a.request(name, msgid, MACH_PORT_NULL)).toEqual({ code: KERN_SUCCESS, previous: 0 });
  }
});

test("A139 no-senders and port-destroyed need the receive right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = sendRight(a, b);
  const notify = b.allocate();
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  const set = b.allocate(MACH_PORT_RIGHT_PORT_SET);
  for (const msgid of [MACH_NOTIFY_NO_SENDERS, MACH_NOTIFY_PORT_DESTROYED]) {
    for (const name of [send, once, set, MACH_PORT_NULL, MACH_PORT_DEAD]) {
      expectDropped(KERN_INVALID_RIGHT, [a, b], [b, notify], () => b.request(name, msgid, notify).code);
    }
    expectDropped(KERN_INVALID_NAME, [a, b], [b, notify], () => b.request(0x7703, msgid, notify).code);
  }
});

test("A140 no-senders fires at once where nobody is left and sync is reached, and else is armed", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const port = a.allocate();
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify, 0);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 0 });
  expect(a.status(port).nsrequest).toBe(0);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify, 1);
  a.expectEmpty(notify);
  expect(a.status(port).nsrequest).toBe(1);
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  a.expectEmpty(notify);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 1 });
  expect(a.status(port).nsrequest).toBe(0);
});

test("A140 a no-senders request replaces the one before", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [first, second] = [a.allocate(), a.allocate()];
  const { port, send } = sendRight(a, b);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, first);
  const { code, previous } = a.request(port, MACH_NOTIFY_NO_SENDERS, second);
  expectCode(code, KERN_SUCCESS);
  expect(a.type(previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  a.expectEmpty(first);
  expect(told(a, second).id).toBe(MACH_NOTIFY_NO_SENDERS);
});

test("A141 no-senders fires once, with the make-send count, and is disarmed", async () => {
  await using machine = await boot();
  const [a, b, c] = [machine.task(), machine.task(), machine.task()];
  const notify = a.allocate();
  const { port, send } = sendRight(a, b);
  const inC = give(a, port, MACH_MSG_TYPE_MAKE_SEND, c);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  a.expectEmpty(notify);
  expectCode(c.deallocate(inC), KERN_SUCCESS);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 2 });
  const again = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.deallocate(again), KERN_SUCCESS);
  a.expectEmpty(notify);
  expect(a.status(notify).sorights).toBe(0);
});

test("A142 send-once rights do not count as senders", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const { port, send } = sendRight(a, b);
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  expect(told(a, notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
  expect(b.type(once)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expect(a.status(port)).toMatchObject({ srights: 0, sorights: 1 });
});

test("A143 rights in queued messages count as senders until the copies are released", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const { port, send } = sendRight(a, b);
  const inbox = b.allocateWithSend();
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  const carry = () =>
    b.send({
      ...{ remote: inbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
      descriptors: [{ name: send, disposition: MACH_MSG_TYPE_COPY_SEND }],
    });
  expectCode(carry(), MACH_MSG_SUCCESS);
  expectCode(carry(), MACH_MSG_SUCCESS);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  a.expectEmpty(notify);
  const received = b.take(inbox).descriptors[0]?.name ?? 0;
  expectCode(b.deallocate(received), KERN_SUCCESS);
  a.expectEmpty(notify);
  expectCode(b.destroy(inbox), KERN_SUCCESS);
  expect(told(a, notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
});

test("A144 A145 a server that handed out more since re-arms with its own count, and set_mscount moves the base", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const { port, send } = sendRight(a, b);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  const newer = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  const handedOut = a.status(port).mscount;
  expect(told(a, notify).value).toBeLessThan(handedOut);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify, handedOut);
  a.expectEmpty(notify);
  expectCode(b.deallocate(newer), KERN_SUCCESS);
  expect(told(a, notify).value).toBe(handedOut);
  expectCode(a.setMscount(port, 40), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify, 40);
  expect(told(a, notify).value).toBe(40);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify, 41);
  a.expectEmpty(notify);
});

test("A146 a port that is destroyed with no-senders armed sends send-once to the notify port", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const { port } = sendRight(a, b);
  a.arm(port, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(told(a, notify).id).toBe(MACH_NOTIFY_SEND_ONCE);
  a.expectEmpty(notify);
});

test("A147 a dead-name request needs a living name; it takes receive rights too, not sets, unknown or null names", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = sendRight(a, b);
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  const [notify, own, set] = [b.allocate(), b.allocate(), b.allocate(MACH_PORT_RIGHT_PORT_SET)];
  for (const name of [send, once, own]) b.arm(name, MACH_NOTIFY_DEAD_NAME, notify);
  expect(b.status(notify).sorights).toBe(3);
  const refused = (code: number, name: number) =>
    expectDropped(code, [a, b], [b, notify], () => b.request(name, MACH_NOTIFY_DEAD_NAME, notify).code);
  refused(KERN_INVALID_NAME, 0x7703);
  refused(KERN_INVALID_ARGUMENT, MACH_PORT_NULL);
  refused(KERN_INVALID_ARGUMENT, MACH_PORT_DEAD);
  refused(KERN_INVALID_RIGHT, set);
  const { code, previous } = b.request(send, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(code, KERN_SUCCESS);
  expect(b.type(previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expect(b.status(notify).sorights).toBe(4);
});

test("A148 when the port dies each armed name is told its own name and gains a reference", async () => {
  await using machine = await boot();
  const [a, b, c] = [machine.task(), machine.task(), machine.task()];
  const { port, send } = sendRight(a, b);
  const inC = give(a, port, MACH_MSG_TYPE_MAKE_SEND, c);
  expectCode(b.modRefs(send, 0, 2), KERN_SUCCESS);
  const [inB, notifyC] = [b.allocate(), c.allocate()];
  b.arm(send, MACH_NOTIFY_DEAD_NAME, inB);
  c.arm(inC, MACH_NOTIFY_DEAD_NAME, notifyC);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(told(b, inB)).toMatchObject({ id: MACH_NOTIFY_DEAD_NAME, value: send });
  expect(told(c, notifyC)).toMatchObject({ id: MACH_NOTIFY_DEAD_NAME, value: inC });
  expect(b.deads(send)).toBe(4);
  expect(c.deads(inC)).toBe(2);
  b.expectEmpty(inB);
});

test("A149 a dead-name request on a dead name tells at once with sync, and is INVALID_ARGUMENT without", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = sendRight(a, b);
  const notify = b.allocate();
  expectCode(a.destroy(port), KERN_SUCCESS);
  expectDropped(KERN_INVALID_ARGUMENT, [b], [b, notify], () => b.request(send, MACH_NOTIFY_DEAD_NAME, notify).code);
  b.arm(send, MACH_NOTIFY_DEAD_NAME, notify, 1);
  expect(told(b, notify)).toMatchObject({ id: MACH_NOTIFY_DEAD_NAME, value: send });
  expect(b.deads(send)).toBe(2);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
});

test("A150 a name that goes away first yields port-deleted with the old name, and no dead-name later", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = b.allocate();
  const hall = b.allocateWithSend();
  const move = (name: number, disposition: number) =>
    b.send({
      ...{ remote: hall, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
      descriptors: [{ name, disposition }],
    });
  const ways: ((send: number) => number)[] = [
    (send) => b.deallocate(send),
    (send) => b.modRefs(send, 0, -1),
    (send) => b.destroy(send),
    (send) => b.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND }),
    (send) => move(send, MACH_MSG_TYPE_MOVE_SEND),
  ];
  for (const goAway of ways) {
    const { port, send } = sendRight(a, b);
    b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
    expectCode(goAway(send), KERN_SUCCESS);
    expect(told(b, notify)).toMatchObject({ id: MACH_NOTIFY_PORT_DELETED, value: send });
    expectCode(a.destroy(port), KERN_SUCCESS);
    b.expectEmpty(notify);
  }
  for (const goAway of [
    (own: number) => b.destroy(own),
    (own: number) => b.modRefs(own, MACH_PORT_RIGHT_RECEIVE, -1),
    (own: number) => move(own, MACH_MSG_TYPE_MOVE_RECEIVE),
  ]) {
    const own = b.allocate();
    b.arm(own, MACH_NOTIFY_DEAD_NAME, notify);
    expectCode(goAway(own), KERN_SUCCESS);
    expect(told(b, notify)).toMatchObject({ id: MACH_NOTIFY_PORT_DELETED, value: own });
    b.expectEmpty(notify);
  }
});
