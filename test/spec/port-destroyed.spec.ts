// Port-destroyed and send-once notifications (A154 to A161): ports that outlive their holder, rights that are not used.

import { expect, test } from "vitest";
import {
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
  MACH_NOTIFY_PORT_DELETED,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectDropped, sendRight, told } from "../lib/notifications.js";
import { expectCode, give } from "../lib/space.js";

test("A154 a port-destroyed request saves the port: the right travels, senders and messages stay, counts are reset", async () => {
  await using machine = await boot();
  const [a, b, c] = [machine.task(), machine.task(), machine.task()];
  const notify = c.allocate();
  const ends: ((port: number) => void)[] = [
    (port) => expectCode(a.destroy(port), KERN_SUCCESS),
    (port) => expectCode(a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS),
    () => a.task[Symbol.dispose](),
  ];
  for (const end of ends) {
    const { port, send } = sendRight(a, b);
    const disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
    for (const sync of [1, 7]) {
      expectDropped(KERN_INVALID_VALUE, [a, b], [c, notify], () => {
        const refused = give(c, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
        return a.request(port, MACH_NOTIFY_PORT_DESTROYED, refused, { sync, disposition }).code;
      });
    }
    const once = give(c, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
    expectCode(a.request(port, MACH_NOTIFY_PORT_DESTROYED, once, { disposition }).code, KERN_SUCCESS);
    expectCode(b.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 11 }), MACH_MSG_SUCCESS);
    expectCode(a.setContext(port, 5), KERN_SUCCESS);
    expectCode(a.setSeqno(port, 6), KERN_SUCCESS);
    end(port);
    expect(b.type(send)).toBe(MACH_PORT_TYPE_SEND);
    expectCode(b.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 12 }), MACH_MSG_SUCCESS);
    const { id, message } = told(c, notify);
    expect(id).toBe(MACH_NOTIFY_PORT_DESTROYED);
    const saved = message.descriptors[0]?.name ?? 0;
    expect(c.status(saved)).toMatchObject({ mscount: 0, seqno: 0, msgcount: 2, pdrequest: 0, srights: 1 });
    expect(c.context(saved)).toBe(0);
    expect([c.take(saved).id, c.take(saved).id]).toEqual([11, 12]);
  }
});

test("A155 a port-destroyed request is used once, and moves with the receive right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const port = a.allocate();
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, notify);
  const moved = give(a, port, MACH_MSG_TYPE_MOVE_RECEIVE, b);
  expect(b.status(moved).pdrequest).toBe(1);
  expectCode(b.destroy(moved), KERN_SUCCESS);
  const saved = told(a, notify).message.descriptors[0]?.name ?? 0;
  expect(a.status(saved).pdrequest).toBe(0);
  expectCode(a.destroy(saved), KERN_SUCCESS);
  a.expectEmpty(notify);
  expect(a.status(notify).sorights).toBe(0);
});

test("A155 a second port-destroyed request swaps and returns the first (D10)", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [first, second, port] = [a.allocate(), a.allocate(), a.allocate()];
  a.arm(port, MACH_NOTIFY_PORT_DESTROYED, first);
  const { code, previous } = a.request(port, MACH_NOTIFY_PORT_DESTROYED, second);
  expectCode(code, KERN_SUCCESS);
  expect(a.type(previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expectCode(a.destroy(port), KERN_SUCCESS);
  a.expectEmpty(first);
  expect(told(a, second).id).toBe(MACH_NOTIFY_PORT_DESTROYED);
});

test("A156 with a dead notify port, or one behind the port itself, the receive right is destroyed for real", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const dead = a.allocate();
  const lonely = sendRight(a, b);
  a.arm(lonely.port, MACH_NOTIFY_PORT_DESTROYED, dead);
  expectCode(a.destroy(dead), KERN_SUCCESS);
  expectCode(a.destroy(lonely.port), KERN_SUCCESS);
  expect(b.type(lonely.send)).toBe(MACH_PORT_TYPE_DEAD_NAME);

  const self = sendRight(a, b);
  a.arm(self.port, MACH_NOTIFY_PORT_DESTROYED, self.port);
  expectCode(a.destroy(self.port), KERN_SUCCESS);
  expect(b.type(self.send)).toBe(MACH_PORT_TYPE_DEAD_NAME);

  const outer = sendRight(a, b);
  const notify = a.allocate();
  a.arm(outer.port, MACH_NOTIFY_PORT_DESTROYED, notify);
  const sent = a.send({
    ...{ remote: outer.port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND },
    descriptors: [{ name: notify, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }],
  });
  expectCode(sent, MACH_MSG_SUCCESS);
  expectCode(a.destroy(outer.port), KERN_SUCCESS);
  expect(b.type(outer.send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
});

test("A157 a send-once right that is destroyed, however, sends send-once to its port", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const hall = b.allocateWithSend();
  const ways: ((once: number) => void)[] = [
    (once) => expectCode(b.deallocate(once), KERN_SUCCESS),
    (once) => expectCode(b.modRefs(once, MACH_PORT_RIGHT_SEND_ONCE, -1), KERN_SUCCESS),
    (once) => expectCode(b.destroy(once), KERN_SUCCESS),
    (once) => {
      const descriptors = [{ name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE }];
      const draft = { remote: hall, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND, descriptors };
      expectCode(b.send(draft), MACH_MSG_SUCCESS);
      a.expectEmpty(port);
      expectCode(b.destroy(hall), KERN_SUCCESS);
    },
    () => b.task[Symbol.dispose](),
  ];
  for (const destroy of ways) {
    destroy(give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b));
    expect(told(a, port).id).toBe(MACH_NOTIFY_SEND_ONCE);
    a.expectEmpty(port);
    expect(a.status(port).sorights).toBe(0);
  }
});

test("A158 a send-once right that is used says nothing", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  expectCode(b.send({ remote: once, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE, id: 3 }), MACH_MSG_SUCCESS);
  expect(told(a, port).id).toBe(3);
  a.expectEmpty(port);
});

test("A159 notifications ignore the queue limit", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = b.allocate();
  expectCode(b.setQlimit(notify, 0), KERN_SUCCESS);
  const sends = Array.from({ length: 20 }, () => sendRight(a, b));
  for (const { send } of sends) b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  for (const { port } of sends) expectCode(a.destroy(port), KERN_SUCCESS);
  expect(b.status(notify)).toMatchObject({ qlimit: 0, msgcount: 20 });
  expect(sends.map(() => told(b, notify).value)).toEqual(sends.map(({ send }) => send));
});

test("A160 a message to a send-once right in the queue of a port that dies makes no send-once", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  const before = machine.census();
  const inbox = a.allocate();
  expectCode(b.send({ remote: once, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE }), MACH_MSG_SUCCESS);
  expectCode(a.destroy(port), KERN_SUCCESS);
  a.expectEmpty(inbox);
  expectCode(a.destroy(inbox), KERN_SUCCESS);
  expect(machine.census().ports).toBe((before.ports ?? 0) - 1);
  expect([...b.names().values()]).not.toContain(MACH_PORT_TYPE_SEND_ONCE);
});

test("A161 a notification that is destroyed with its port leaks no send-once right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = b.allocate();
  const { port, send } = sendRight(a, b);
  const second = sendRight(a, b);
  b.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  b.arm(second.send, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(b.status(notify)).toMatchObject({ sorights: 2, msgcount: 1 });
  expectCode(b.destroy(notify), KERN_SUCCESS);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectCode(a.destroy(second.port), KERN_SUCCESS);
  expect(b.type(second.send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  const third = sendRight(a, b);
  const alive = b.allocate();
  b.arm(third.send, MACH_NOTIFY_DEAD_NAME, alive);
  expect(b.status(alive).sorights).toBe(1);
  expectCode(b.deallocate(third.send), KERN_SUCCESS);
  expect(told(b, alive).id).toBe(MACH_NOTIFY_PORT_DELETED);
  expect(b.status(alive).sorights).toBe(0);
});
