// The calls for many messages, and the short forms of mach_msg.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_RCV_INVALID_DATA,
  MACH_RCV_INVALID_NAME,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { build, parse, setWord } from "../lib/message.js";
import { expectCode, type Space } from "../lib/space.js";

const SLOT = 64;

/** A buffer with one message of each id in its slots, to `remote`. */
function slots(remote: number, ids: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(ids.length * SLOT);
  for (const [index, id] of ids.entries()) {
    bytes.set(build({ remote, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id }), index * SLOT);
  }
  return bytes;
}

function receiveMany(space: Space, name: number, size: number, slot = SLOT) {
  const bytes = new Uint8Array(size);
  const count = new Uint32Array(1);
  const code = space.traps.mach_msg_receive_many(bytes, 0, slot, name, count);
  const messages = Array.from({ length: count[0] as number }, (_, index) => parse(bytes.subarray(index * slot)));
  return { code, messages };
}

test("a batch is sent in order up to the first message that fails, and received in order", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  const sent = new Uint32Array(1);
  const { traps: mach } = a;
  const batch = slots(port, [1, 2, 3]);
  expectCode(mach.mach_msg_send_many(batch, 0, 3, SLOT, 0, sent), MACH_MSG_SUCCESS);
  expect(sent[0]).toBe(3);
  const mixed = slots(port, [4, 5, 6]);
  setWord(mixed, SLOT + 8, 0);
  expectCode(mach.mach_msg_send_many(mixed, 0, 3, SLOT, 0, sent), MACH_SEND_INVALID_DEST);
  expect(sent[0]).toBe(1);
  expectCode(mach.mach_msg_send_many(slots(port, [7, 8]), MACH_SEND_TIMEOUT, 2, SLOT, 0, sent), MACH_SEND_TIMED_OUT);
  expect(sent[0]).toBe(1);
  const { code, messages } = receiveMany(a, port, 8 * SLOT);
  expectCode(code, MACH_MSG_SUCCESS);
  expect(messages.map(({ id }) => id)).toEqual([1, 2, 3, 4, 7]);
});

test("a batch that cannot be received says why", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  expectCode(receiveMany(a, port, SLOT).code, MACH_RCV_TIMED_OUT);
  expectCode(receiveMany(a, 0x4403, SLOT).code, MACH_RCV_INVALID_NAME);
  expectCode(receiveMany(a, port, SLOT - 1).code, MACH_RCV_INVALID_DATA);
  expectCode(receiveMany(a, port, SLOT, 20).code, MACH_RCV_INVALID_DATA);
});

test("a message that does not fit its slot is destroyed, and its header is delivered", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [port, reply] = [a.allocateWithSend(), a.allocate()];
  const to = { remote: port, remoteDisposition: MACH_MSG_TYPE_COPY_SEND };
  const answer = { local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE };
  expectCode(a.send({ ...to, ...answer, id: 9, data: new Uint8Array(64) }), MACH_MSG_SUCCESS);
  const { code, messages } = receiveMany(a, port, 2 * SLOT);
  expectCode(code, MACH_RCV_TOO_LARGE);
  expect(messages).toMatchObject([{ id: 9, remote: 0 }]);
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
});

test("mach_msg_send and mach_msg_receive go by the header's size and local port", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  const draft = { remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, id: 5 };
  expectCode(a.traps.mach_msg_send(build(draft)), MACH_MSG_SUCCESS);
  const into = new Uint8Array(64);
  setWord(into, 4, into.length);
  setWord(into, 12, port);
  expectCode(a.traps.mach_msg_receive(into), MACH_MSG_SUCCESS);
  expect(parse(into)).toMatchObject({ id: 5, local: port, size: 24 });
  expectCode(a.setQlimit(port, 0), KERN_SUCCESS);
});
