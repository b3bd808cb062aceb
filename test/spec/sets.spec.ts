// Port sets (A173 to A185): membership, who gets a message, in what order, and how sets end.

import { expect, test } from "vitest";
import {
  KERN_ALREADY_IN_SET,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_NOT_IN_SET,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_LARGE,
  MACH_RCV_LARGE_IDENTITY,
  MACH_RCV_PORT_DIED,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_REPLY,
  MACH_SEND_INVALID_RIGHT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot, type Machine } from "../lib/boot.js";
import { word } from "../lib/message.js";
import type { Pending } from "../lib/pending.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

interface Hall {
  a: Space;
  set: number;
  members: number[];
  /** Sends to one of the space's own ports. */
  post(port: number, id: number, data?: Uint8Array): void;
}

function hall(machine: Machine, count: number): Hall {
  const a = machine.task();
  const set = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  const members = Array.from({ length: count }, () => a.allocateWithSend());
  for (const member of members) expectCode(a.insertMember(member, set), KERN_SUCCESS);
  return {
    a,
    set,
    members,
    post(port, id, data = new Uint8Array(0)) {
      const draft = { remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id, data };
      expectCode(a.send(draft), MACH_MSG_SUCCESS);
    },
  };
}

/** Waits on a set, asking again as long as the kernel says that a member has something. */
function receivePending(machine: Machine, a: Space, name: number): () => Pending {
  let pending = a.receivePending(name);
  expectCode(pending.code, MACH_RCV_IN_PROGRESS);
  return () => {
    machine.deliver();
    if (pending.completed && pending.code === 0x1000fe02) pending = a.receivePending(name);
    return pending;
  };
}

test("A173 a set has no queue: its receive status is INVALID_RIGHT", async () => {
  await using machine = await boot();
  const { a, set } = hall(machine, 0);
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.getAttributes(set, MACH_PORT_RECEIVE_STATUS, 10).code);
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.getAttributes(set, 1, 1).code);
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.setQlimit(set, 3));
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.setSeqno(set, 3));
});

test("A174 insert_member wants a receive right and a set, and each pair once", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 1);
  const b = machine.task();
  const member = members[0] ?? 0;
  const send = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND, a);
  const refused = (code: number, name: number, pset: number) =>
    expectUnchanged(code, [a], () => a.insertMember(name, pset));
  refused(KERN_ALREADY_IN_SET, member, set);
  refused(KERN_INVALID_RIGHT, send, set);
  refused(KERN_INVALID_RIGHT, set, set);
  refused(KERN_INVALID_RIGHT, member, member);
  refused(KERN_INVALID_NAME, 0x7703, set);
  refused(KERN_INVALID_NAME, member, 0x7703);
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    refused(KERN_INVALID_RIGHT, name, set);
    refused(KERN_INVALID_RIGHT, member, name);
  }
});

test("A175 extract_member takes a port out of that set alone", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 2);
  const [member = 0, other = 0] = members;
  const second = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  expectUnchanged(KERN_NOT_IN_SET, [a], () => a.extractMember(member, second));
  expectCode(a.insertMember(member, second), KERN_SUCCESS);
  expectCode(a.extractMember(member, set), KERN_SUCCESS);
  expect([a.members(set), a.members(second)]).toEqual([[other], [member]]);
  expectUnchanged(KERN_NOT_IN_SET, [a], () => a.extractMember(member, set));
});

test("A176 move_member leaves a port in exactly one set, or in none", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 1);
  const [member = 0] = members;
  const [second, third] = [a.allocate(MACH_PORT_RIGHT_PORT_SET), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  expectCode(a.insertMember(member, second), KERN_SUCCESS);
  for (let round = 0; round < 2; round++) {
    expectCode(a.moveMember(member, third), KERN_SUCCESS);
    expect([set, second, third].map((name) => a.members(name))).toEqual([[], [], [member]]);
  }
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.moveMember(member, MACH_PORT_DEAD));
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.moveMember(member, member));
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.moveMember(set, third));
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.moveMember(0x7703, third));
  expectCode(a.moveMember(member, MACH_PORT_NULL), KERN_SUCCESS);
  expect(a.status(member).pset).toBe(0);
  expectUnchanged(KERN_NOT_IN_SET, [a], () => a.moveMember(member, MACH_PORT_NULL));
});

test("A177 adding a port that has messages wakes a receiver of the set", async () => {
  await using machine = await boot();
  const { a, set, post } = hall(machine, 0);
  const port = a.allocateWithSend();
  post(port, 4);
  const receiver = receivePending(machine, a, set);
  expect(receiver().completed).toBe(false);
  expectCode(a.insertMember(port, set), KERN_SUCCESS);
  expect(receiver()).toMatchObject({ completed: true, code: MACH_MSG_SUCCESS });
  expect(receiver().message).toMatchObject({ id: 4, local: port });
});

test("A178 a message to a member goes to one receiver, of the port or of the set", async () => {
  await using machine = await boot();
  const { a, set, members, post } = hall(machine, 1);
  const [member = 0] = members;
  const receivers = [receivePending(machine, a, set), receivePending(machine, a, member)];
  post(member, 1);
  const done = () => receivers.map((receiver) => receiver()).filter(({ completed }) => completed);
  expect(done().map(({ message }) => message.id)).toEqual([1]);
  post(member, 2);
  expect(
    done()
      .map(({ message }) => message.id)
      .sort(),
  ).toEqual([1, 2]);
  expect(a.status(member).msgcount).toBe(0);
});

test("A179 messages of one port come in order and no member starves", async () => {
  await using machine = await boot();
  const { a, set, members, post } = hall(machine, 2);
  const [first = 0, second = 0] = members;
  for (const id of [1, 2, 3]) post(first, id);
  post(second, 101);
  const ids = [1, 2, 3, 4].map(() => a.take(set).id);
  expect(ids.filter((id) => id < 100)).toEqual([1, 2, 3]);
  expect(ids.indexOf(101)).toBeLessThan(2);
});

test("A179 three members with messages are served in turn", async () => {
  await using machine = await boot();
  const { a, set, members, post } = hall(machine, 3);
  for (const member of members) for (const id of [1, 2, 3]) post(member, id);
  for (const id of [1, 2, 3]) {
    const round = [a.take(set), a.take(set), a.take(set)];
    expect(round.map((message) => message.id)).toEqual([id, id, id]);
    expect(round.map(({ local }) => local).sort()).toEqual([...members].sort());
  }
});

test("A180 destroying a set wakes its receivers with PORT_DIED and leaves the members and their messages", async () => {
  await using machine = await boot();
  const { a, set, members, post } = hall(machine, 2);
  const [member = 0, other = 0] = members;
  const receiver = a.receivePending(set);
  expectCode(a.destroy(set), KERN_SUCCESS);
  machine.deliver();
  expectCode(receiver.code, MACH_RCV_PORT_DIED);
  expect([member, other].map((name) => a.status(name).pset)).toEqual([0, 0]);
  const second = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  expectCode(a.insertMember(member, second), KERN_SUCCESS);
  post(member, 7);
  expectCode(a.destroy(second), KERN_SUCCESS);
  expect(a.status(member)).toMatchObject({ pset: 0, msgcount: 1 });
  expect(a.take(member).id).toBe(7);
});

test("A181 a member that dies or moves away leaves all its sets", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 3);
  const [dies = 0, moves = 0, stays = 0] = members;
  const second = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  for (const member of members) expectCode(a.insertMember(member, second), KERN_SUCCESS);
  expectCode(a.destroy(dies), KERN_SUCCESS);
  const b = machine.task();
  give(a, moves, MACH_MSG_TYPE_MOVE_RECEIVE, b);
  expect(a.members(set)).toEqual([stays]);
  expect(a.members(second)).toEqual([stays]);
});

test("A182 get_set_status lists exactly the members", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 40);
  expect(a.members(set)).toEqual([...members].sort((x, y) => x - y));
  for (const member of members) expectCode(a.extractMember(member, set), KERN_SUCCESS);
  expect(a.members(set)).toEqual([]);
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.getMembers(members[0] ?? 0).code);
  expectUnchanged(KERN_INVALID_NAME, [a], () => a.getMembers(0x7703).code);
});

test("A183 the receive status says whether a port is in any set", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 1);
  const [member = 0] = members;
  const second = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  expect(a.status(member).pset).toBe(1);
  expectCode(a.insertMember(member, second), KERN_SUCCESS);
  expect(a.status(member).pset).toBe(1);
  expectCode(a.extractMember(member, set), KERN_SUCCESS);
  expect(a.status(member).pset).toBe(1);
  expectCode(a.extractMember(member, second), KERN_SUCCESS);
  expect(a.status(member).pset).toBe(0);
});

test("A184 a message too large for a receive on a set stays on its member, which is named", async () => {
  await using machine = await boot();
  const { a, set, members, post } = hall(machine, 2);
  const [, second = 0] = members;
  post(second, 5, new Uint8Array(100));
  const option = MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY;
  const { code, buffer } = a.receive(set, { option, size: 64 });
  expectCode(code, MACH_RCV_TOO_LARGE);
  expect([word(buffer, 4), word(buffer, 12)]).toEqual([124, second]);
  expect(a.status(second)).toMatchObject({ msgcount: 1, seqno: 0 });
  expect(a.take(set).id).toBe(5);
});

test("A185 a set cannot be sent to, sent, used as a reply, or put in a set", async () => {
  await using machine = await boot();
  const { a, set, members } = hall(machine, 1);
  const [member = 0] = members;
  const other = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  const [move, moveOnce] = [MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE];
  const [copy, make, makeOnce] = [MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE];
  for (const disposition of [move, moveOnce, copy, make, makeOnce]) {
    expectUnchanged(MACH_SEND_INVALID_DEST, [a], () => a.send({ remote: set, remoteDisposition: disposition }));
    expectUnchanged(MACH_SEND_INVALID_REPLY, [a], () =>
      a.send({ remote: member, remoteDisposition: copy, local: set, localDisposition: disposition }),
    );
  }
  for (const disposition of [MACH_MSG_TYPE_MOVE_RECEIVE, move, moveOnce, copy, make, makeOnce]) {
    const descriptors = [{ name: set, disposition }];
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a], () =>
      a.send({ remote: member, remoteDisposition: copy, descriptors }),
    );
  }
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.insertMember(set, other));
});
