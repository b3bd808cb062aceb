// Send-possible (A12, A147, A150 to A153, D15): a sender that found a queue full is told when it has room, or that the port died.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_PORT_DELETED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_NOTIFY_SEND_POSSIBLE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_NOTIFY,
  MACH_SEND_TIMED_OUT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot, type Machine } from "../lib/boot.js";
import { expectDropped, sendRight, told } from "../lib/notifications.js";
import { expectCode, give, type Space } from "../lib/space.js";

interface Full {
  server: Space;
  client: Space;
  /** The receive right, in the server. */
  port: number;
  /** The send right, and a port to be told at, in the client. */
  send: number;
  notify: number;
  /** One message more, told of room if there is none. */
  post(option?: number): number;
}

/** A port whose queue holds as many messages as it may. */
function full(machine: Machine, qlimit = 2): Full {
  const [server, client] = [machine.task(), machine.task()];
  const { port, send } = sendRight(server, client);
  expectCode(server.setQlimit(port, qlimit), KERN_SUCCESS);
  const notify = client.allocate();
  const post = (option = 0) => client.send({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }, option);
  for (let index = 0; index < qlimit; index++) expectCode(post(), MACH_MSG_SUCCESS);
  return { server, client, port, send, notify, post };
}

/** The refused send left one reference more (A101). */
function refused({ client, send, post }: Full): void {
  expectCode(post(MACH_SEND_NOTIFY), MACH_SEND_TIMED_OUT);
  expectCode(client.deallocate(send), KERN_SUCCESS);
}

function expectPossible({ client, notify, send }: Full): void {
  expect(told(client, notify)).toMatchObject({ id: MACH_NOTIFY_SEND_POSSIBLE, value: send });
  client.expectEmpty(notify);
}

test("A135 send-possible arrives on a send-once right, 36 bytes, with the name", async () => {
  await using machine = await boot();
  const { client, send, notify } = full(machine, 1);
  const idle = client.allocate();
  client.arm(idle, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  const { message, value } = told(client, notify);
  expect(message).toMatchObject({ id: 66, size: 36, complex: false, localType: 18, local: notify, remote: 0 });
  expect(message).toMatchObject({ remoteType: 0, descriptors: [] });
  expect(value).toBe(idle);
  expect(client.type(send)).toBe(MACH_PORT_TYPE_SEND);
});

test("A147 send-possible needs a living name of any port right; null names, unknown ones and sets are refused", async () => {
  await using machine = await boot();
  const { server, client, port, send, notify } = full(machine);
  const once = give(server, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, client);
  const own = client.allocate();
  for (const name of [send, once, own]) client.arm(name, MACH_NOTIFY_SEND_POSSIBLE, notify);
  expect(client.status(notify).sorights).toBe(3);
  const set = client.allocate(MACH_PORT_RIGHT_PORT_SET);
  const refusedWith = (code: number, name: number) =>
    expectDropped(code, [server, client], [client, notify], () => {
      return client.request(name, MACH_NOTIFY_SEND_POSSIBLE, notify).code;
    });
  refusedWith(KERN_INVALID_NAME, 0x7703);
  refusedWith(KERN_INVALID_ARGUMENT, MACH_PORT_NULL);
  refusedWith(KERN_INVALID_ARGUMENT, MACH_PORT_DEAD);
  refusedWith(KERN_INVALID_RIGHT, set);
});

test("A147 one slot a name: dead-name and send-possible replace each other, and the former is returned", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  const [first, second] = [client.allocate(), client.allocate()];
  const previousOf = (msgid: number, at: number, sync = 0) => {
    const { code, previous } = client.request(send, msgid, at, { sync });
    expectCode(code, KERN_SUCCESS);
    expect(client.type(previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
    expectCode(client.deallocate(previous), KERN_SUCCESS);
  };
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, first, 1);
  previousOf(MACH_NOTIFY_DEAD_NAME, second);
  expect(told(client, first).id).toBe(MACH_NOTIFY_SEND_ONCE);
  server.take(port); // nobody waits for room any more
  client.expectEmpty(second);
  previousOf(MACH_NOTIFY_SEND_POSSIBLE, notify, 1); // there is room: told at once, and nothing is left armed
  expect(told(client, second).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expectPossible(all);
  expect(client.type(send)).toBe(MACH_PORT_TYPE_SEND);
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, first);
  previousOf(MACH_NOTIFY_SEND_POSSIBLE, MACH_PORT_NULL);
  expect(told(client, first).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(client.request(send, MACH_NOTIFY_SEND_POSSIBLE, 0)).toEqual({ code: KERN_SUCCESS, previous: 0 });
});

test("A12 a send-possible request shows as DNREQUEST from when it is made until it is told", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  const requested = (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DNREQUEST) >>> 0;
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify);
  expect(client.type(send)).toBe(requested);
  refused(all);
  expect(client.type(send)).toBe(requested);
  expect(client.names().get(send)).toBe(requested);
  server.take(port);
  expect(client.type(send)).toBe(MACH_PORT_TYPE_SEND);
  expect(client.names().get(send)).toBe(MACH_PORT_TYPE_SEND);
});

test("A151 with sync it fires at once on a send-once right, a kernel port, or a queue with room", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, notify } = all;
  const once = give(server, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, client);
  const [roomy, closed] = [client.allocateWithSend(), client.allocate()];
  expectCode(client.setQlimit(closed, 0), KERN_SUCCESS);
  for (const name of [once, client.self, roomy]) {
    client.arm(name, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
    expectPossible({ ...all, send: name });
    expect(client.type(name) & MACH_PORT_TYPE_DNREQUEST).toBe(0);
  }
  client.arm(closed, MACH_NOTIFY_SEND_POSSIBLE, notify, 1); // there never is room, until there is
  client.expectEmpty(notify);
  expectCode(client.setQlimit(closed, 1), KERN_SUCCESS);
  expectPossible({ ...all, send: closed });
});

test("A151 with sync and a full queue it fires, once, when a message is received from the port", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  client.expectEmpty(notify);
  server.take(port);
  expectPossible(all);
  expectCode(all.post(), MACH_MSG_SUCCESS);
  server.take(port);
  server.take(port);
  client.expectEmpty(notify);
  expect(client.status(notify).sorights).toBe(0);
});

test("A151 room comes by a receive from a set too, by a higher limit, and to all who wait for it", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  const other = machine.task();
  const [theirs, inbox] = [give(client, send, MACH_MSG_TYPE_COPY_SEND, other), other.allocate()];
  const set = server.allocate(MACH_PORT_RIGHT_PORT_SET);
  expectCode(server.insertMember(port, set), KERN_SUCCESS);
  for (const makeRoom of [() => server.take(set), () => server.setQlimit(port, 3)]) {
    client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
    other.arm(theirs, MACH_NOTIFY_SEND_POSSIBLE, inbox, 1);
    client.expectEmpty(notify);
    makeRoom();
    expectPossible(all);
    expectPossible({ ...all, client: other, notify: inbox, send: theirs });
    expectCode(all.post(), MACH_MSG_SUCCESS);
    expectCode(all.post(), MACH_SEND_TIMED_OUT);
    expectCode(client.deallocate(send), KERN_SUCCESS);
  }
});

test("A151 a slot that a blocked sender gets, and a queue still beyond its limit, are no room", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  const blocked = client.sendPending({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND });
  expectCode(blocked.code, MACH_SEND_IN_PROGRESS);
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  server.take(port); // the slot goes to the one that waits (A92)
  client.expectEmpty(notify);
  expectCode(server.setQlimit(port, 1), KERN_SUCCESS);
  server.take(port);
  client.expectEmpty(notify);
  server.take(port);
  expectPossible(all);
});

test("A152 without sync it is armed by a send with MACH_SEND_NOTIFY that finds the queue full, and by nothing else", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify, post } = all;
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify);
  server.take(port);
  client.expectEmpty(notify); // nobody had been refused
  expectCode(post(MACH_SEND_NOTIFY), MACH_MSG_SUCCESS); // there was room
  expectCode(post(), MACH_SEND_TIMED_OUT); // without the bit
  server.take(port);
  client.expectEmpty(notify);
  expectCode(post(), MACH_MSG_SUCCESS);
  refused(all);
  client.expectEmpty(notify);
  server.take(port);
  expectPossible(all);
  expectCode(post(), MACH_MSG_SUCCESS);
  refused(all); // it asks again for each time
  server.take(port);
  client.expectEmpty(notify);
});

test("A152 a dead-name request is not armed by MACH_SEND_NOTIFY, nor is another's request", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  const other = machine.task();
  const [theirs, inbox] = [give(client, send, MACH_MSG_TYPE_COPY_SEND, other), other.allocate()];
  client.arm(send, MACH_NOTIFY_DEAD_NAME, notify);
  other.arm(theirs, MACH_NOTIFY_SEND_POSSIBLE, inbox);
  refused(all);
  server.take(port);
  client.expectEmpty(notify);
  other.expectEmpty(inbox);
});

test("A152 a send that waits arms too: it is told of the room that is left when it has gone in", async () => {
  await using machine = await boot();
  const all = full(machine, 1);
  const { server, client, port, send, notify } = all;
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify);
  const blocked = client.sendPending({ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }, MACH_SEND_NOTIFY);
  expectCode(blocked.code, MACH_SEND_IN_PROGRESS);
  server.take(port);
  client.expectEmpty(notify);
  server.take(port);
  expectPossible(all);
});

test("A152 a send that moves the last reference leaves no name to arm: port-deleted, and no word of room", async () => {
  await using machine = await boot();
  const { server, client, port, send, notify } = full(machine);
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify);
  const bytes = { remote: send, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND };
  expectCode(client.send(bytes, MACH_SEND_NOTIFY), MACH_SEND_TIMED_OUT);
  expect(told(client, notify)).toMatchObject({ id: MACH_NOTIFY_PORT_DELETED, value: send });
  server.take(port);
  client.expectEmpty(notify);
  expect(client.status(notify).sorights).toBe(0);
});

test("A152 the bit makes no send go beyond the limit", async () => {
  await using machine = await boot();
  const { server, port, post } = full(machine, 1);
  for (let turn = 0; turn < 3; turn++) expectCode(post(MACH_SEND_NOTIFY), MACH_SEND_TIMED_OUT);
  expect(server.status(port).msgcount).toBe(1);
});

test.each([
  ["asked for", 0, false],
  ["armed by a send", 0, true],
  ["armed by sync", 1, false],
] as const)("A153 A39 %s: a port that dies tells dead-name instead, with a reference", async (_, sync, send) => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, notify } = all;
  client.arm(all.send, MACH_NOTIFY_SEND_POSSIBLE, notify, sync);
  if (send) refused(all);
  expectCode(server.destroy(port), KERN_SUCCESS);
  expect(told(client, notify)).toMatchObject({ id: MACH_NOTIFY_DEAD_NAME, value: all.send });
  client.expectEmpty(notify);
  expect(client.type(all.send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expect(client.deads(all.send)).toBe(2);
});

test("A153 on a dead name it tells dead-name at once whatever sync is, with a reference; with no right it is refused", async () => {
  await using machine = await boot();
  const { server, client, port, send, notify } = full(machine);
  expectCode(server.destroy(port), KERN_SUCCESS);
  for (const sync of [0, 1]) {
    client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, sync);
    expect(told(client, notify)).toMatchObject({ id: MACH_NOTIFY_DEAD_NAME, value: send });
    expect(client.deads(send)).toBe(2 + sync);
  }
  expectCode(client.request(send, MACH_NOTIFY_SEND_POSSIBLE, MACH_PORT_NULL).code, KERN_INVALID_ARGUMENT);
  expect(client.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
});

test("A37 A150 a request goes with its name: port-deleted; what was told of room before is told no more", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  expectCode(client.deallocate(send), KERN_SUCCESS);
  expect(told(client, notify)).toMatchObject({ id: MACH_NOTIFY_PORT_DELETED, value: send });
  server.take(port);
  client.expectEmpty(notify);
  // Told, then gone: nothing more.
  const again = sendRight(server, client);
  client.arm(again.send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  expectPossible({ ...all, send: again.send });
  expectCode(client.deallocate(again.send), KERN_SUCCESS);
  client.expectEmpty(notify);
});

test("A155 a receive right that moves keeps who waits for room; the new holder's receive tells", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  const heir = machine.task();
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  const inherited = give(server, port, MACH_MSG_TYPE_MOVE_RECEIVE, heir);
  client.expectEmpty(notify);
  heir.take(inherited);
  expectPossible(all);
});

test("A168 a task that ends takes its requests with it; their right is told that the name is gone", async () => {
  await using machine = await boot();
  const { server, client, port, send } = full(machine);
  const notify = server.allocate();
  const once = give(server, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, client);
  const { code } = client.request(send, MACH_NOTIFY_SEND_POSSIBLE, once, { sync: 1, disposition: 18 });
  expectCode(code, KERN_SUCCESS);
  client.task[Symbol.dispose]();
  expect(told(server, notify)).toMatchObject({ id: MACH_NOTIFY_PORT_DELETED, value: send });
  server.take(port);
  server.expectEmpty(notify);
});

test("A15 a request follows its name", async () => {
  await using machine = await boot();
  const all = full(machine);
  const { server, client, port, send, notify } = all;
  client.arm(send, MACH_NOTIFY_SEND_POSSIBLE, notify, 1);
  const to = 0x7703;
  expectCode(client.traps.mach_port_rename(client.self, send, to), KERN_SUCCESS);
  server.take(port);
  expectPossible({ ...all, send: to });
});
