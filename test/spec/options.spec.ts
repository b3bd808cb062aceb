// The options of the message call: their numbers, and that those which mean nothing here are taken and change nothing. What the
// others do is with the assertions they belong to: queue-limit, receive, trailers, send-possible.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { sendRight, told } from "../lib/notifications.js";
import { build } from "../lib/message.js";
import { expectCode, type Space } from "../lib/space.js";

const { KERN_SUCCESS, MACH_MSG_SUCCESS, MACH_RCV_TIMED_OUT, MACH_SEND_TIMED_OUT } = codes;
const COPY = codes.MACH_MSG_TYPE_COPY_SEND;

test("the options have Mach's numbers", () => {
  expect(codes).toMatchObject({
    ...{ MACH_SEND_MSG: 0x1, MACH_RCV_MSG: 0x2, MACH_RCV_LARGE: 0x4, MACH_RCV_LARGE_IDENTITY: 0x8 },
    ...{ MACH_SEND_TIMEOUT: 0x10, MACH_SEND_OVERRIDE: 0x20, MACH_SEND_INTERRUPT: 0x40, MACH_SEND_NOTIFY: 0x80 },
    ...{ MACH_RCV_TIMEOUT: 0x100, MACH_MSG_STRICT_REPLY: 0x200, MACH_RCV_INTERRUPT: 0x400, MACH_RCV_VOUCHER: 0x800 },
    ...{ MACH_RCV_GUARDED_DESC: 0x1000, MACH_RCV_SYNC_WAIT: 0x4000, MACH_RCV_SYNC_PEEK: 0x8000 },
    ...{ MACH_SEND_ALWAYS: 0x10000, MACH_SEND_TRAILER: 0x20000, MACH_SEND_NOIMPORTANCE: 0x40000 },
    ...{ MACH_SEND_IMPORTANCE: 0x80000, MACH_SEND_SYNC_OVERRIDE: 0x100000, MACH_SEND_PROPAGATE_QOS: 0x200000 },
    ...{ MACH_SEND_SYNC_BOOTSTRAP_CHECKIN: 0x800000, MACH_RCV_TRAILER_SHIFT: 24 },
  });
});

/** Everything that a message may have, for a port of the task's own. */
function rich(a: Space, port: number): Uint8Array {
  const reply = a.allocate();
  return build({
    ...{ remote: port, remoteDisposition: COPY, id: 77, voucher: 0, voucherDisposition: COPY },
    ...{ local: reply, localDisposition: codes.MACH_MSG_TYPE_MAKE_SEND_ONCE },
    descriptors: [{ name: reply, disposition: codes.MACH_MSG_TYPE_MAKE_SEND }],
    data: new Uint8Array([1, 2, 3, 4]),
  });
}

/** What is the same in two receives: all but the names of fresh rights. */
function comparable({ message }: ReturnType<Space["receive"]>) {
  const { bits, size, id, data, voucher, descriptors, trailer } = message;
  return { bits, size, id, data, voucher, types: descriptors.map(({ disposition }) => disposition), trailer };
}

test.each([
  ["MACH_SEND_OVERRIDE", codes.MACH_SEND_OVERRIDE],
  ["MACH_SEND_INTERRUPT", codes.MACH_SEND_INTERRUPT],
  ["MACH_SEND_ALWAYS", codes.MACH_SEND_ALWAYS],
  ["MACH_SEND_TRAILER", codes.MACH_SEND_TRAILER],
  ["MACH_SEND_NOIMPORTANCE", codes.MACH_SEND_NOIMPORTANCE],
  ["MACH_SEND_IMPORTANCE", codes.MACH_SEND_IMPORTANCE],
  ["MACH_SEND_SYNC_OVERRIDE", codes.MACH_SEND_SYNC_OVERRIDE],
  ["MACH_SEND_PROPAGATE_QOS", codes.MACH_SEND_PROPAGATE_QOS],
  ["MACH_SEND_SYNC_BOOTSTRAP_CHECKIN", codes.MACH_SEND_SYNC_BOOTSTRAP_CHECKIN],
  ["MACH_MSG_STRICT_REPLY", codes.MACH_MSG_STRICT_REPLY],
] as const)("%s is taken, changes no message and makes no room", async (_, bit) => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  expectCode(a.setQlimit(port, 1), KERN_SUCCESS);
  const [plain, with_] = [0, bit].map((option) => {
    expectCode(a.send(rich(a, port), option), MACH_MSG_SUCCESS);
    const full = a.send({ remote: port, remoteDisposition: COPY }, option);
    expectCode(full, MACH_SEND_TIMED_OUT);
    expectCode(a.deallocate(port), KERN_SUCCESS); // what came back of it
    expectCode(a.setSeqno(port, 0), KERN_SUCCESS);
    return comparable(a.receive(port));
  });
  expect(with_).toEqual(plain);
});

test.each([
  ["MACH_RCV_INTERRUPT", codes.MACH_RCV_INTERRUPT],
  ["MACH_RCV_VOUCHER", codes.MACH_RCV_VOUCHER],
  ["MACH_RCV_GUARDED_DESC", codes.MACH_RCV_GUARDED_DESC],
  ["MACH_RCV_SYNC_WAIT", codes.MACH_RCV_SYNC_WAIT],
  ["MACH_RCV_SYNC_PEEK", codes.MACH_RCV_SYNC_PEEK],
  ["MACH_MSG_STRICT_REPLY", codes.MACH_MSG_STRICT_REPLY],
  ["MACH_RCV_LARGE_IDENTITY without MACH_RCV_LARGE", codes.MACH_RCV_LARGE_IDENTITY],
  ["a type of trailer", 0x10000000],
] as const)("%s is taken and changes nothing that is received", async (_, option) => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  const [plain, with_] = [0, option].map((bits) => {
    expectCode(a.send(rich(a, port)), MACH_MSG_SUCCESS);
    expectCode(a.setSeqno(port, 0), KERN_SUCCESS);
    const received = a.receive(port, { option: bits | (3 << 24) });
    expectCode(received.code, MACH_MSG_SUCCESS);
    expectCode(a.receive(port, { option: bits }).code, MACH_RCV_TIMED_OUT);
    expectCode(a.send(rich(a, port)), MACH_MSG_SUCCESS);
    const large = a.receive(port, { option: bits, size: 36 }); // without MACH_RCV_LARGE it is lost
    expectCode(large.code, codes.MACH_RCV_TOO_LARGE);
    a.expectEmpty(port);
    return [comparable(received), large.message.local, large.message.size];
  });
  expect(with_).toEqual(plain);
});

test("A152 the combined call and overwrite arm as a plain send does; what is refused does not receive", async () => {
  await using machine = await boot();
  const [server, client] = [machine.task(), machine.task()];
  const { port, send } = sendRight(server, client);
  expectCode(server.setQlimit(port, 1), KERN_SUCCESS);
  const [inbox, notify] = [client.allocateWithSend(), client.allocate()];
  expectCode(client.send({ remote: send, remoteDisposition: COPY }), MACH_MSG_SUCCESS);
  expectCode(client.send({ remote: inbox, remoteDisposition: COPY, id: 5 }), MACH_MSG_SUCCESS);
  const option = codes.MACH_SEND_MSG | codes.MACH_RCV_MSG | codes.MACH_SEND_TIMEOUT | codes.MACH_SEND_NOTIFY;
  const bytes = () => {
    const message = new Uint8Array(256);
    message.set(build({ remote: send, remoteDisposition: COPY }));
    return message;
  };
  const ways = [
    () => client.traps.mach_msg(bytes(), option, 24, 256, inbox, 0, 0),
    () => client.traps.mach_msg_overwrite(bytes(), option, 24, 256, inbox, 0, 0, new Uint8Array(256), 0),
  ];
  for (const way of ways) {
    client.arm(send, codes.MACH_NOTIFY_SEND_POSSIBLE, notify);
    expectCode(way(), MACH_SEND_TIMED_OUT);
    expectCode(client.deallocate(send), KERN_SUCCESS);
    expect(client.status(inbox).msgcount).toBe(1);
    client.expectEmpty(notify);
    server.take(port);
    expect(told(client, notify)).toMatchObject({ id: codes.MACH_NOTIFY_SEND_POSSIBLE, value: send });
    expectCode(client.send({ remote: send, remoteDisposition: COPY }), MACH_MSG_SUCCESS);
  }
});
