// A space without room for one more name (A105, A116, A117): what is delivered and what is lost. Method: all names of one
// space are used up, which takes a while, so its cases share one test.

import { expect, test } from "vitest";
import {
  KERN_NO_SPACE,
  KERN_SUCCESS,
  MACH_MSG_IPC_SPACE,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_RCV_BODY_ERROR,
  MACH_RCV_HEADER_ERROR,
  MACH_SEND_TIMED_OUT,
} from "../../host-ts/abi/codes.gen.ts";
import { inNewArray, unpack } from "../lib/arrays.js";
import { boot } from "../lib/boot.js";
import { build, parse } from "../lib/message.js";
import { expectCode, give, type Space } from "../lib/space.js";

function fillNames(space: Space): void {
  let code = 0;
  do code = space.core.mach_port_allocate(space.handle, space.self, MACH_PORT_RIGHT_DEAD_NAME);
  while (code === KERN_SUCCESS);
  expectCode(code, KERN_NO_SPACE);
}

/** Receives one message as a batch; gives the code and the slot. */
function receiveBatch(space: Space, name: number): { code: number; bytes: Uint8Array } {
  const bytes = new Uint8Array(256);
  const count = new Uint32Array(1);
  const code = space.traps.mach_msg_receive_many(bytes, 0, bytes.length, name, count);
  expect(count[0]).toBe(1);
  return { code, bytes };
}

test("A105 A116 A117 in a full space the reply or the body's rights are lost and the code says so", {
  timeout: 120_000,
}, async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [inbox, closed] = [b.allocate(), b.allocate()];
  const outbox = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND, a);
  const [reply, known, unknown] = [a.allocate(), a.allocate(), a.allocate()];
  const inB = give(a, known, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.setQlimit(closed, 0), KERN_SUCCESS);
  const to = { remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND };
  const descriptors = [unknown, known].map((name) => ({ name, disposition: MACH_MSG_TYPE_MAKE_SEND }));
  const localDisposition = MACH_MSG_TYPE_MAKE_SEND_ONCE;
  expectCode(a.send({ ...to, local: reply, localDisposition, descriptors, id: 1 }), MACH_MSG_SUCCESS);
  expectCode(a.send({ ...to, descriptors, id: 2 }), MACH_MSG_SUCCESS);
  expectCode(a.send({ ...to, local: reply, localDisposition, id: 3 }), MACH_MSG_SUCCESS);
  expectCode(a.send({ ...to, descriptors, id: 4 }), MACH_MSG_SUCCESS);
  const array = inNewArray(a, [unknown, known, 0, unknown], MACH_MSG_TYPE_MAKE_SEND);
  expectCode(a.send({ ...to, descriptors: [array, ...descriptors], id: 5 }), MACH_MSG_SUCCESS);
  fillNames(b);
  expectCode(b.tryAllocate(MACH_PORT_RIGHT_RECEIVE).code, KERN_NO_SPACE);
  expect(b.traps.mach_reply_port()).toBe(0);

  const header = b.receive(inbox);
  expectCode(header.code, MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE);
  expect(header.message).toMatchObject({ local: inbox, remote: 0 });
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.sends(inB)).toBe(1);
  expect(b.status(inbox).msgcount).toBe(4);

  const body = b.receive(inbox);
  expectCode(body.code, MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE);
  expect(body.message).toMatchObject({ local: inbox, id: 2 });
  expect(body.message.descriptors.map(({ name }) => name)).toEqual([0, inB]);
  expect(b.sends(inB)).toBe(2);

  const batch = receiveBatch(b, inbox);
  expectCode(batch.code, MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE);
  expect(parse(batch.bytes)).toMatchObject({ local: inbox, remote: 0 });
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  const second = receiveBatch(b, inbox);
  expectCode(second.code, MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE);
  expect(parse(second.bytes).descriptors.map(({ name }) => name)).toEqual([0, inB]);
  expect(b.sends(inB)).toBe(3);
  const arrayed = b.receive(inbox);
  expectCode(arrayed.code, MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE);
  expect(arrayed.message.descriptors[0]).toMatchObject({ count: 4, disposition: 17 });
  expect(unpack(b, arrayed.message.descriptors[0])).toEqual([0, inB, 0, 0]);
  expect(arrayed.message.descriptors.slice(1).map(({ name }) => name)).toEqual([0, inB]);
  expect(b.sends(inB)).toBe(5);
  expect(a.status(unknown).srights).toBe(0);

  const bytes = build({
    ...{ remote: closed, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, local: inbox, localDisposition },
  });
  expectCode(b.send(bytes), MACH_SEND_TIMED_OUT | MACH_MSG_IPC_SPACE);
  expect(parse(bytes)).toMatchObject({ remote: closed, local: 0 });
});
