// Pseudo-receive (A99 to A105): what a send that failed after copyin writes back into the sender's buffer.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_SEND_TIMED_OUT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot, type Machine } from "../lib/boot.js";
import { build, type Draft, type Parsed, parse } from "../lib/message.js";
import { expectCode, give, type Space } from "../lib/space.js";

interface Full {
  a: Space;
  b: Space;
  outbox: number;
  inbox: number;
  /** Sends to the full queue and gives the buffer as it came back. */
  bounce(change: Draft): { message: Parsed; bytes: Uint8Array };
}

function full(machine: Machine): Full {
  const [a, b] = [machine.task(), machine.task()];
  const inbox = b.allocate();
  const outbox = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  return {
    a,
    b,
    outbox,
    inbox,
    bounce(change) {
      const bytes = build({ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 3, ...change });
      expectCode(a.send(bytes), MACH_SEND_TIMED_OUT);
      return { message: parse(bytes), bytes };
    },
  };
}

test("A99 a timed-out send is written back into the sender's buffer", async () => {
  await using machine = await boot();
  const { bounce, outbox } = full(machine);
  const data = Uint8Array.from({ length: 20 }, (_, index) => index * 3);
  const { message, bytes } = bounce({ data, voucher: 9, claimedSize: 0 });
  expect(message).toMatchObject({ remote: outbox, local: 0, id: 3, voucher: 9, size: 44 });
  expect(message.data).toEqual(data);
  expect(bytes.length).toBe(44);
});

test("A99 a cancelled send is written back too", async () => {
  await using machine = await boot();
  const { a, outbox } = full(machine);
  const reply = a.allocate();
  const pending = a.sendPending({
    ...{ remote: outbox, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND, id: 8 },
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
  });
  expect(a.has(outbox)).toBe(false);
  expect(a.cancel(pending)).toBe(true);
  const { remote, local, remoteType, localType } = pending.message;
  expect([remoteType, localType]).toEqual([17, 18]);
  expect(a.type(remote)).toBe(MACH_PORT_TYPE_SEND);
  expect(a.type(local)).toBe(MACH_PORT_TYPE_SEND_ONCE);
});

test("A100 the header ports are not swapped, and a copied destination gains one reference a try", async () => {
  await using machine = await boot();
  const { a, b, inbox, bounce, outbox } = full(machine);
  const reply = a.allocateWithSend();
  for (const tries of [1, 2, 3]) {
    const { message } = bounce({ local: reply, localDisposition: MACH_MSG_TYPE_COPY_SEND });
    expect(message).toMatchObject({ remote: outbox, local: reply });
    expect(a.sends(outbox)).toBe(1 + tries);
    expect(a.sends(reply)).toBe(1 + tries);
  }
  expect(b.status(inbox)).toMatchObject({ srights: 1, msgcount: 0 });
});

test("A101 dispositions come back as received types, and the buffer can be sent again as it is", async () => {
  await using machine = await boot();
  const { a, b, bounce, outbox, inbox } = full(machine);
  const [own, copied] = [a.allocate(), a.allocateWithSend()];
  const once = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const { message, bytes } = bounce({
    ...{ local: own, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    descriptors: [
      { name: copied, disposition: MACH_MSG_TYPE_COPY_SEND },
      { name: copied, disposition: MACH_MSG_TYPE_MAKE_SEND },
      { name: own, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      { name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
    ],
  });
  expect([message.remoteType, message.localType]).toEqual([17, 18]);
  expect(message.descriptors.map(({ disposition }) => disposition)).toEqual([17, 17, 18, 18]);
  expect(message.descriptors.slice(0, 2).map(({ name }) => name)).toEqual([copied, copied]);
  expect(a.sends(copied)).toBe(3);
  expect(a.sends(outbox)).toBe(2);
  const onces = [message.local, ...message.descriptors.slice(2).map(({ name }) => name)];
  expect(new Set([own, ...onces]).size).toBe(4);
  for (const name of onces) expect(a.type(name)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expect(a.status(own).sorights).toBe(2);
  expectCode(b.setQlimit(inbox, 1), KERN_SUCCESS);
  expectCode(a.send(bytes), MACH_MSG_SUCCESS);
  expect(a.sends(outbox)).toBe(1);
  expect(a.sends(copied)).toBe(1);
  expect(onces.map((name) => a.has(name))).toEqual([false, false, false]);
  expect(b.take(inbox).descriptors.length).toBe(4);
});

test("A101 a moved receive right comes back, under its old name where sends were kept", async () => {
  await using machine = await boot();
  const { a, bounce } = full(machine);
  const [both, alone] = [a.allocateWithSend(), a.allocate()];
  const descriptors = [both, alone].map((name) => ({ name, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }));
  const { message } = bounce({ descriptors });
  const [first, second] = message.descriptors;
  expect(first).toEqual({ name: both, disposition: 16, type: 0 });
  expect(a.type(both)).toBe(MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
  expect(second?.disposition).toBe(16);
  expect(a.type(second?.name ?? 0)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A102 the make-send count of a failed send is not taken back", async () => {
  await using machine = await boot();
  const { a, bounce } = full(machine);
  const own = a.allocate();
  bounce({ descriptors: [{ name: own, disposition: MACH_MSG_TYPE_MAKE_SEND }] });
  bounce({ local: own, localDisposition: MACH_MSG_TYPE_MAKE_SEND });
  expect(a.status(own)).toMatchObject({ mscount: 2, srights: 1 });
  expect(a.sends(own)).toBe(2);
});

test("A104 a failed send writes no trailer and consumes no sequence number", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox } = full(machine);
  const buffer = new Uint8Array(64).fill(0xee);
  buffer.set(build({ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND }));
  expectCode(a.send(buffer, 0, 24), MACH_SEND_TIMED_OUT);
  expect(buffer.subarray(24).every((byte) => byte === 0xee)).toBe(true);
  expect(b.status(inbox)).toMatchObject({ seqno: 0, msgcount: 0 });
});

test("A105 a failed send whose rights all come back answers the plain send code", async () => {
  await using machine = await boot();
  const { a, bounce } = full(machine);
  const descriptors = Array.from({ length: 40 }, () => ({
    name: a.allocate(),
    disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE,
  }));
  const { message } = bounce({ descriptors });
  expect(message.descriptors.every(({ name }) => a.type(name) === MACH_PORT_TYPE_SEND_ONCE)).toBe(true);
  expect(message.descriptors.map(({ disposition }) => disposition)).toEqual(
    descriptors.map(() => MACH_MSG_TYPE_MOVE_SEND_ONCE),
  );
});
