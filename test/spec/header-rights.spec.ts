// Dispositions in the header and in insert_right (A61 to A68).

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_NAME_EXISTS,
  KERN_RIGHT_EXISTS,
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
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_HEADER,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { expectDropped, told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A61 the destination takes 17 to 21 with its right and is refused when dead", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { receive, send, once, set, dead } = kinds(hall);
  const to = (remote: number, remoteDisposition: number) => a.send({ remote, remoteDisposition });
  for (const disposition of [0, 16, 22, 31]) {
    expectUnchanged(MACH_SEND_INVALID_HEADER, [a, b], () => to(send, disposition));
  }
  const wrong: [number, number][] = [
    [dead, MACH_MSG_TYPE_COPY_SEND],
    [dead, MACH_MSG_TYPE_MOVE_SEND],
    [receive, MACH_MSG_TYPE_COPY_SEND],
    [receive, MACH_MSG_TYPE_MOVE_SEND_ONCE],
    [send, MACH_MSG_TYPE_MAKE_SEND],
    [send, MACH_MSG_TYPE_MOVE_SEND_ONCE],
    [once, MACH_MSG_TYPE_COPY_SEND],
    [once, MACH_MSG_TYPE_MOVE_SEND],
    [set, MACH_MSG_TYPE_MAKE_SEND],
    [0x7703, MACH_MSG_TYPE_COPY_SEND],
  ];
  for (const [remote, disposition] of wrong) {
    expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => to(remote, disposition));
  }
  expectCode(to(send, MACH_MSG_TYPE_COPY_SEND), MACH_MSG_SUCCESS);
  expect(a.sends(send)).toBe(1);
  expectCode(to(send, MACH_MSG_TYPE_MOVE_SEND), MACH_MSG_SUCCESS);
  expect(a.has(send)).toBe(false);
  expectCode(to(once, MACH_MSG_TYPE_MOVE_SEND_ONCE), MACH_MSG_SUCCESS);
  expect(a.has(once)).toBe(false);
});

test("A62 a receive right addresses itself by MAKE_SEND and MAKE_SEND_ONCE; MAKE_SEND counts", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, id: 1 }), MACH_MSG_SUCCESS);
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE, id: 2 }), MACH_MSG_SUCCESS);
  expectCode(a.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, id: 3 }), MACH_MSG_SUCCESS);
  expect(a.status(port)).toMatchObject({ mscount: 2, srights: 1, sorights: 1, msgcount: 3 });
  expect([a.take(port), a.take(port), a.take(port)].map(({ id, localType }) => [id, localType])).toEqual([
    [1, 17],
    [2, 18],
    [3, 17],
  ]);
  expect(a.status(port)).toMatchObject({ mscount: 2, srights: 0, sorights: 0 });
  expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A63 one name as destination and reply needs the references that both take, and is never a send-once", async () => {
  await using machine = await boot();
  const { a, b, outbox: send, inbox } = line(machine);
  const once = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const both = (name: number, remoteDisposition: number, localDisposition: number) =>
    a.send({ remote: name, local: name, remoteDisposition, localDisposition });
  const [copy, move, moveOnce] = [MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE];
  expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => both(send, move, move));
  for (const other of [copy, move, moveOnce, MACH_MSG_TYPE_MAKE_SEND]) {
    expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => both(once, moveOnce, other));
    expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => both(once, other, moveOnce));
  }
  expectCode(both(send, copy, copy), MACH_MSG_SUCCESS);
  expect(a.sends(send)).toBe(1);
  expectCode(a.modRefs(send, 0, 3), KERN_SUCCESS);
  expectCode(both(send, move, copy), MACH_MSG_SUCCESS);
  expect(a.sends(send)).toBe(3);
  expectCode(both(send, copy, move), MACH_MSG_SUCCESS);
  expect(a.sends(send)).toBe(2);
  expectCode(both(send, move, move), MACH_MSG_SUCCESS);
  expect(a.has(send)).toBe(false);
  for (let count = 0; count < 4; count++) {
    expect(b.take(inbox)).toMatchObject({ remote: inbox, local: inbox, remoteType: 17, localType: 17 });
  }
  expect(b.sends(inbox)).toBe(4);
});

test("A63 one reference is enough for a move and a copy of one name", async () => {
  await using machine = await boot();
  for (const [remoteDisposition, localDisposition] of [
    [MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_COPY_SEND],
    [MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND],
  ] as const) {
    const { a, b, outbox: name, inbox } = line(machine);
    const sent = a.send({ remote: name, local: name, remoteDisposition, localDisposition });
    expectCode(sent, MACH_MSG_SUCCESS);
    expect(a.has(name)).toBe(false);
    expect(b.take(inbox).remote).toBe(inbox);
    expect(b.sends(inbox)).toBe(1);
  }
});

test("A64 a reply name without a disposition is INVALID_HEADER; a disposition without a name goes through", async () => {
  await using machine = await boot();
  const { a, b, outbox, inbox } = line(machine);
  const remoteDisposition = MACH_MSG_TYPE_COPY_SEND;
  for (const local of [a.allocate(), 0x7703, MACH_PORT_DEAD]) {
    expectUnchanged(MACH_SEND_INVALID_HEADER, [a, b], () => a.send({ remote: outbox, remoteDisposition, local }));
  }
  for (const local of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    for (const localDisposition of [17, 18, 19, 20, 21]) {
      const sent = a.send({ remote: outbox, remoteDisposition, local, localDisposition });
      expectCode(sent, MACH_MSG_SUCCESS);
      expect(b.take(inbox).remote).toBe(local);
    }
  }
});

test("A65 a reply may not be a receive right nor anything outside 17 to 21", async () => {
  await using machine = await boot();
  const { a, b, outbox } = line(machine);
  const port = a.allocateWithSend();
  for (const localDisposition of [16, 1, 15, 22, 31]) {
    expectUnchanged(MACH_SEND_INVALID_HEADER, [a, b], () =>
      a.send({ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, local: port, localDisposition }),
    );
  }
});

test("A66 insert_right refuses bad dispositions, dead rights, second names, taken names and bad names", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { receive, both, send, set } = kinds(hall);
  const free = (3000 << 8) | 3;
  const refused = (code: number, name: number, poly: number, disposition: number) =>
    expectUnchanged(code, [a, b], () => a.insertRight(name, poly, disposition));
  for (const disposition of [0, 15, 22, 26, 255]) refused(KERN_INVALID_VALUE, free, receive, disposition);
  for (const poly of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    refused(KERN_INVALID_CAPABILITY, free, poly, MACH_MSG_TYPE_COPY_SEND);
  }
  const { mscount } = a.status(receive);
  refused(KERN_RIGHT_EXISTS, free, send, MACH_MSG_TYPE_COPY_SEND);
  for (const name of [free, set, both]) {
    // Such a right was made, and destroyed again: it counted.
    expectUnchanged(KERN_RIGHT_EXISTS, [a, b], () => {
      const code = a.insertRight(name, receive, MACH_MSG_TYPE_MAKE_SEND);
      expect(a.status(receive).mscount).toBe(mscount + 1);
      expectCode(a.setMscount(receive, mscount), KERN_SUCCESS);
      return code;
    });
  }
  const dropped = (code: number, name: number) =>
    expectDropped(code, [a, b], [a, receive], () => a.insertRight(name, receive, MACH_MSG_TYPE_MAKE_SEND_ONCE));
  dropped(KERN_NAME_EXISTS, set);
  dropped(KERN_NAME_EXISTS, receive);
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD, 0x100]) dropped(KERN_INVALID_VALUE, name);
  dropped(KERN_FAILURE, 3);
  expectCode(a.insertRight(free, receive, MACH_MSG_TYPE_MAKE_SEND_ONCE), KERN_SUCCESS);
  expect(a.type(free)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expect(a.refs(free, MACH_PORT_RIGHT_SEND_ONCE)).toBe(1);
});

test("A66 a right that insert_right moved out and may not put under the name is destroyed", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b, inbox, outbox } = hall;
  const set = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  const once = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.insertRight(set, once, MACH_MSG_TYPE_MOVE_SEND_ONCE), KERN_NAME_EXISTS);
  expect(a.has(once)).toBe(false);
  expect(told(b, inbox).id).toBe(MACH_NOTIFY_SEND_ONCE);
  b.arm(inbox, MACH_NOTIFY_NO_SENDERS, inbox, 2);
  expectCode(a.insertRight(set, outbox, MACH_MSG_TYPE_MOVE_SEND), KERN_NAME_EXISTS);
  expect(a.has(outbox)).toBe(false);
  expect(told(b, inbox).id).toBe(MACH_NOTIFY_NO_SENDERS);
  const [port, both] = [a.allocate(), a.allocateWithSend()];
  const held = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(a.insertRight(set, port, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_NAME_EXISTS);
  expect(a.has(port)).toBe(false);
  expect(b.deads(held)).toBe(1);
  expectCode(a.insertRight((3000 << 8) | 3, both, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_RIGHT_EXISTS);
  expect(a.deads(both)).toBe(1);
  expectCode(a.insertRight((3000 << 8) | 3, both, MACH_MSG_TYPE_MOVE_SEND), KERN_INVALID_CAPABILITY);
  expect(a.has(both)).toBe(false);
});

test("A66 a right moved onto its own name has moved: counts, sets and requests are as of one that came back", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [port, notify, set] = [a.allocateWithSend(), a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, -1), KERN_SUCCESS);
  expectCode(a.insertMember(port, set), KERN_SUCCESS);
  expectCode(a.setSeqno(port, 7), KERN_SUCCESS);
  a.arm(port, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_SUCCESS);
  expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);
  expect(a.status(port)).toMatchObject({ mscount: 0, seqno: 0, pset: 0 });
  expect(a.members(set)).toEqual([]);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_PORT_DELETED, value: port });
  const once = (3000 << 8) | 3;
  expectCode(a.insertRight(once, port, MACH_MSG_TYPE_MAKE_SEND_ONCE), KERN_SUCCESS);
  expectCode(a.insertRight(once, once, MACH_MSG_TYPE_MOVE_SEND_ONCE), KERN_SUCCESS);
  expect(a.type(once)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  a.expectEmpty(port);
});

test("A67 insert_right of MAKE_SEND and COPY_SEND under the same name adds references", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  const grows = (disposition: number, urefs: number, mscount: number) => {
    expectCode(a.insertRight(port, port, disposition), KERN_SUCCESS);
    expect(a.type(port)).toBe(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
    expect(a.sends(port)).toBe(urefs);
    expect(a.status(port).mscount).toBe(mscount);
  };
  grows(MACH_MSG_TYPE_MAKE_SEND, 1, 1);
  grows(MACH_MSG_TYPE_MAKE_SEND, 2, 2);
  grows(MACH_MSG_TYPE_COPY_SEND, 3, 2);
  grows(MACH_MSG_TYPE_COPY_SEND, 4, 2);
});

test("A68 insert_right of MAKE_SEND needs a receive right: sets and sends INVALID_RIGHT, dead names INVALID_CAPABILITY", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b } = hall;
  const { set, send, dead } = kinds(hall);
  const refused = (code: number, name: number) =>
    expectUnchanged(code, [a, b], () => a.insertRight(name, name, MACH_MSG_TYPE_MAKE_SEND));
  refused(KERN_INVALID_RIGHT, set);
  refused(KERN_INVALID_RIGHT, send);
  refused(KERN_INVALID_CAPABILITY, dead);
});
