// Sending (A70 to A86): sizes, descriptors and header in their order, and what a refusal or a death leaves behind.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SIZE_MAX,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_RCV_MSG,
  MACH_RCV_TIMEOUT,
  MACH_SEND_INVALID_DATA,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_HEADER,
  MACH_SEND_INVALID_REPLY,
  MACH_SEND_INVALID_RIGHT,
  MACH_SEND_INVALID_TYPE,
  MACH_SEND_INVALID_VOUCHER,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_MSG,
  MACH_SEND_MSG_TOO_SMALL,
  MACH_SEND_TIMEOUT,
  MACH_SEND_TOO_LARGE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { type Line, line } from "../lib/line.js";
import { build, COMPLEX, type Draft, setWord } from "../lib/message.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

/** The draft is refused with this code and changes neither space nor the buffer. */
function refuser({ a, b, inbox, draft }: Line): (code: number, change: Draft) => void {
  return (code, change) => {
    const bytes = build(draft(change));
    const before = bytes.slice();
    expectUnchanged(code, [a, b], () => a.send(bytes));
    expect(bytes).toEqual(before);
    b.expectEmpty(inbox);
  };
}

test("A70 a size below 24 or not a multiple of 4 is MSG_TOO_SMALL", async () => {
  await using machine = await boot();
  const { a, b, draft } = line(machine);
  const bytes = build(draft({ data: new Uint8Array(40) }));
  for (const size of [0, 4, 20, 23, 25, 26, 27, 30, 63]) {
    expectUnchanged(MACH_SEND_MSG_TOO_SMALL, [a, b], () => a.send(bytes, 0, size));
  }
});

test("A71 a size above 48 MiB less the largest trailer is TOO_LARGE, before the bytes are looked at", async () => {
  await using machine = await boot();
  const { a, b, draft } = line(machine);
  const bytes = build(draft());
  expect(MACH_MSG_SIZE_MAX).toBe(48 * 1024 * 1024 - 64);
  for (const size of [MACH_MSG_SIZE_MAX + 4, 0x40000000, 0xfffffffc]) {
    expectUnchanged(MACH_SEND_TOO_LARGE, [a, b], () => a.send(bytes, 0, size));
  }
});

test("A72 a message that reaches past its buffer is INVALID_DATA", async () => {
  await using machine = await boot();
  const { a, b, draft } = line(machine);
  const bytes = build(draft());
  for (const size of [28, 4096, MACH_MSG_SIZE_MAX]) {
    expectUnchanged(MACH_SEND_INVALID_DATA, [a, b], () => a.send(bytes, 0, size));
  }
});

test("A73 a complex message without room for its count or its descriptors is MSG_TOO_SMALL", async () => {
  await using machine = await boot();
  const { a, b, draft, outbox } = line(machine);
  const complex = build(draft({ descriptors: [{ name: 0, disposition: 17 }] }));
  for (const size of [24, 28, 36]) expectUnchanged(MACH_SEND_MSG_TOO_SMALL, [a, b], () => a.send(complex, 0, size));
  for (const count of [2, 0x10000, 0x15555557, 0xffffffff]) {
    setWord(complex, 24, count);
    expectUnchanged(MACH_SEND_MSG_TOO_SMALL, [a, b], () => a.send(complex));
  }
  const bare = build({ remote: outbox, bits: (COMPLEX | MACH_MSG_TYPE_COPY_SEND) >>> 0 });
  expectUnchanged(MACH_SEND_MSG_TOO_SMALL, [a, b], () => a.send(bare));
});

test("A74 unknown and malformed descriptors are INVALID_TYPE and touch no right", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b, draft } = hall;
  const refused = refuser(hall);
  const port = a.allocateWithSend();
  const good = { name: port, disposition: MACH_MSG_TYPE_MOVE_SEND };
  for (const type of [5, 6, 127, 255]) {
    refused(MACH_SEND_INVALID_TYPE, { descriptors: [good, { name: port, disposition: 17, type }] });
  }
  for (const type of [1, 3]) {
    for (const copy of [2, 3, 255]) {
      refused(MACH_SEND_INVALID_TYPE, { descriptors: [good, { name: 0, disposition: 16, copy, type }] });
    }
  }
  for (const [disposition, flags] of [
    [17, 1],
    [0, 0],
    [16, 4],
    [16, 0x100],
  ] as const) {
    refused(MACH_SEND_INVALID_TYPE, { descriptors: [good, { name: port, disposition, flags, type: 4 }] });
  }
  const copyOption = build(draft({ descriptors: [{ name: 0, disposition: 0, type: 1 }] }));
  setWord(copyOption, 36, 0x01000200);
  expectUnchanged(MACH_SEND_INVALID_TYPE, [a, b], () => a.send(copyOption));
});

test("A74 the shape of descriptors is checked before the header", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const refused = refuser(hall);
  refused(MACH_SEND_INVALID_TYPE, { remote: 0x7703, descriptors: [{ name: 0, disposition: 17, type: 9 }] });
});

test("A75 more than 16383 ports in one message is TOO_LARGE before any right is touched", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b, inbox, draft } = hall;
  const refused = refuser(hall);
  const port = a.allocateWithSend();
  const many = (count: number) =>
    Array.from({ length: count }, () => ({ name: port, disposition: MACH_MSG_TYPE_COPY_SEND }));
  refused(MACH_SEND_TOO_LARGE, { descriptors: many(16384) });
  expectCode(a.send(draft({ descriptors: many(16383) })), MACH_MSG_SUCCESS);
  const message = b.take(inbox, { size: 28 + 16383 * 12 + 8 });
  expect(message.descriptors.length).toBe(16383);
  expect(b.sends(message.descriptors[0]?.name ?? 0)).toBe(16383);
  const array = build(draft({ descriptors: [{ name: 0, disposition: 19, type: 2 }] }));
  setWord(array, 32, 16384);
  expectUnchanged(MACH_SEND_TOO_LARGE, [a, b], () => a.send(array));
});

test("A76 bits outside 0x801f1f1f are INVALID_HEADER", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const refused = refuser(hall);
  for (let bit = 0; bit < 32; bit++) {
    const mask = (1 << bit) >>> 0;
    if ((mask & 0x801f1f1f) !== 0) continue;
    refused(MACH_SEND_INVALID_HEADER, { bits: (mask | MACH_MSG_TYPE_COPY_SEND) >>> 0 });
  }
});

test("A77 the header is checked in order: reply shape, voucher, destination shape, null, same name, reply and voucher", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, outbox } = hall;
  const refused = refuser(hall);
  const own = a.allocate();
  const badVoucher = { voucherDisposition: 18, voucher: 0 };
  const badShape = { remoteDisposition: 16 };
  const nothing = { remote: MACH_PORT_NULL };
  refused(MACH_SEND_INVALID_HEADER, { local: own, ...badVoucher, ...badShape, ...nothing });
  refused(MACH_SEND_INVALID_VOUCHER, { ...badVoucher, ...badShape, ...nothing });
  refused(MACH_SEND_INVALID_HEADER, { ...badShape, ...nothing });
  for (const remote of [MACH_PORT_NULL, MACH_PORT_DEAD]) {
    const both = { local: own, localDisposition: 21, voucherDisposition: 17, voucher: own };
    refused(MACH_SEND_INVALID_DEST, { remote, ...both });
  }
  refused(MACH_SEND_INVALID_DEST, {
    ...{ local: outbox, remoteDisposition: 18, localDisposition: 18 },
    ...{ voucherDisposition: 17, voucher: outbox },
  });
  refused(MACH_SEND_INVALID_REPLY, { local: own, localDisposition: 21, voucherDisposition: 17, voucher: own });
  for (const voucherDisposition of [1, 16, 18, 20, 21, 31]) {
    refused(MACH_SEND_INVALID_VOUCHER, { voucherDisposition });
  }
});

test("A78 look-ups go voucher, destination, reply; a bad destination hides a bad reply", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b, outbox } = hall;
  const refused = refuser(hall);
  const [set, receive] = [a.allocate(MACH_PORT_RIGHT_PORT_SET), a.allocate()];
  const once = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const badReply = { local: 0x7703, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE };
  refused(MACH_SEND_INVALID_VOUCHER, { remote: 0x7803, ...badReply, voucherDisposition: 17, voucher: 0x7903 });
  refused(MACH_SEND_INVALID_VOUCHER, { voucherDisposition: 19, voucher: receive });
  refused(MACH_SEND_INVALID_DEST, { remote: 0x7803, ...badReply });
  refused(MACH_SEND_INVALID_REPLY, badReply);
  const wrong: [number, number][] = [
    [set, MACH_MSG_TYPE_MAKE_SEND],
    [receive, MACH_MSG_TYPE_COPY_SEND],
    [receive, MACH_MSG_TYPE_MOVE_SEND],
    [receive, MACH_MSG_TYPE_MOVE_SEND_ONCE],
    [once, MACH_MSG_TYPE_COPY_SEND],
    [once, MACH_MSG_TYPE_MAKE_SEND_ONCE],
    [outbox, MACH_MSG_TYPE_MAKE_SEND_ONCE],
  ];
  for (const [local, localDisposition] of wrong) refused(MACH_SEND_INVALID_REPLY, { local, localDisposition });
});

test("A78 a dead name is taken as reply right and arrives as 0xffffffff (D2)", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const doomed = b.allocate();
  const dead = give(b, doomed, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(b.destroy(doomed), KERN_SUCCESS);
  for (let round = 0; round < 2; round++) {
    const sent = a.send(draft({ local: dead, localDisposition: MACH_MSG_TYPE_COPY_SEND }));
    expectCode(sent, MACH_MSG_SUCCESS);
    expect(b.take(inbox)).toMatchObject({ remote: MACH_PORT_DEAD, remoteType: 17 });
    expect(a.deads(dead)).toBe(1);
  }
});

test("A79 a header error leaves every right of the sender and the buffer untouched", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a, b, outbox } = hall;
  const refused = refuser(hall);
  const carried = a.allocateWithSend();
  const once = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const descriptors = [{ name: carried, disposition: MACH_MSG_TYPE_MOVE_SEND }];
  const moving = { remoteDisposition: MACH_MSG_TYPE_MOVE_SEND, descriptors };
  refused(MACH_SEND_INVALID_REPLY, { ...moving, local: 0x7703, localDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE });
  refused(MACH_SEND_INVALID_DEST, {
    ...{ remote: carried, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE, descriptors },
    ...{ local: once, localDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
  });
  refused(MACH_SEND_INVALID_VOUCHER, { ...moving, voucherDisposition: 17, voucher: outbox });
});

test("A80 a body error destroys the header's rights and the earlier descriptors, not the later ones", async () => {
  await using machine = await boot();
  const { a, b, outbox, inbox } = line(machine);
  const [first, later] = [b.allocate(), a.allocateWithSend()];
  const [reply, noSenders, noSendersInbox] = [a.allocate(), b.allocate(), b.allocate()];
  const moved = give(b, first, MACH_MSG_TYPE_MAKE_SEND, a);
  const once = give(b, first, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  b.arm(first, MACH_NOTIFY_NO_SENDERS, noSenders);
  b.arm(inbox, MACH_NOTIFY_NO_SENDERS, noSendersInbox);
  const code = a.send({
    ...{ remote: outbox, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND },
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    descriptors: [
      { name: moved, disposition: MACH_MSG_TYPE_MOVE_SEND },
      { name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
      { name: 0x7703, disposition: MACH_MSG_TYPE_COPY_SEND },
      { name: later, disposition: MACH_MSG_TYPE_MOVE_SEND },
    ],
  });
  expectCode(code, MACH_SEND_INVALID_RIGHT);
  expect([outbox, moved, once].map((name) => a.has(name))).toEqual([false, false, false]);
  expect(a.sends(later)).toBe(1);
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.take(first).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.take(noSenders).id).toBe(MACH_NOTIFY_NO_SENDERS);
  expect(b.take(noSendersInbox).id).toBe(MACH_NOTIFY_NO_SENDERS);
  b.expectEmpty(inbox);
});

test("A81 the size in the sent header is ignored and the receiver sees the true one", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  for (const claimedSize of [0, 24, 0xffffffff]) {
    const data = Uint8Array.from({ length: 16 }, (_, index) => index);
    expectCode(a.send(draft({ claimedSize, data })), MACH_MSG_SUCCESS);
    const message = b.take(inbox);
    expect(message.size).toBe(40);
    expect(message.data).toEqual(data);
  }
});

test("A82 id and voucher field arrive unchanged; voucher dispositions 17 and 19 with name 0 arrive as nothing", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  expectCode(a.send(draft({ id: -559038737, voucher: 0xcafef00d })), MACH_MSG_SUCCESS);
  expect(b.take(inbox)).toMatchObject({ id: -559038737, voucher: 0xcafef00d, voucherType: 0 });
  for (const voucherDisposition of [17, 19]) {
    expectCode(a.send(draft({ id: 5, voucherDisposition })), MACH_MSG_SUCCESS);
    expect(b.take(inbox)).toMatchObject({ id: 5, voucher: 0, voucherType: 0 });
  }
});

test("A83 a send that fails does not receive", async () => {
  await using machine = await boot();
  const { a, b, draft } = line(machine);
  const own = a.allocateWithSend();
  expectCode(a.send({ remote: own, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 7 }), MACH_MSG_SUCCESS);
  const bytes = new Uint8Array(256);
  bytes.set(build(draft({ remote: 0x7703 })));
  const option = MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT;
  expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => a.traps.mach_msg(bytes, option, 24, 256, own, 0, 0));
  expect(a.take(own).id).toBe(7);
});

test("A84 a queued message holds its destination right, so no-senders waits for it", async () => {
  await using machine = await boot();
  const { a, b, outbox, inbox, draft } = line(machine);
  const notify = b.allocate();
  b.arm(inbox, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(a.send(draft({ remoteDisposition: MACH_MSG_TYPE_COPY_SEND })), MACH_MSG_SUCCESS);
  expectCode(a.deallocate(outbox), KERN_SUCCESS);
  expect(b.status(inbox)).toMatchObject({ srights: 1, nsrequest: 1 });
  b.expectEmpty(notify);
  b.take(inbox);
  expect(b.status(inbox)).toMatchObject({ srights: 0, nsrequest: 0 });
  expect(b.take(notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
  const once = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expect(b.status(inbox).sorights).toBe(1);
  expectCode(a.send({ remote: once, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE }), MACH_MSG_SUCCESS);
  expect(b.status(inbox).sorights).toBe(1);
  b.take(inbox);
  expect(b.status(inbox).sorights).toBe(0);
});

test("A85 a sender that waits for room when the port dies gets SUCCESS and its message is destroyed", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const [reply, carried, notify] = [a.allocate(), b.allocate(), b.allocate()];
  const moved = give(b, carried, MACH_MSG_TYPE_MAKE_SEND, a);
  b.arm(carried, MACH_NOTIFY_NO_SENDERS, notify);
  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  const pending = a.sendPending(
    draft({
      ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      descriptors: [{ name: moved, disposition: MACH_MSG_TYPE_MOVE_SEND }],
    }),
  );
  expectCode(pending.code, MACH_SEND_IN_PROGRESS);
  expectCode(b.destroy(inbox), KERN_SUCCESS);
  machine.deliver();
  expect(pending.completed).toBe(true);
  expectCode(pending.code, MACH_MSG_SUCCESS);
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.take(notify).id).toBe(MACH_NOTIFY_NO_SENDERS);
});

test("A86 a dead send-once destination is refused where a request was armed on it", async () => {
  await using machine = await boot();
  const { a, b } = line(machine);
  const [port, notify] = [b.allocate(), a.allocate()];
  const armed = give(b, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  a.arm(armed, MACH_NOTIFY_DEAD_NAME, notify);
  expectCode(b.destroy(port), KERN_SUCCESS);
  const draft = { remote: armed, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE };
  expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => a.send(draft));
});

test("A86 a send-once right whose port died unseen takes the message with SUCCESS or is refused, and leaks nothing", async () => {
  await using machine = await boot();
  const { a, b } = line(machine);
  const [port, reply] = [b.allocate(), a.allocate()];
  const once = give(b, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(b.destroy(port), KERN_SUCCESS);
  const code = a.send({
    ...{ remote: once, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
  });
  expect([MACH_MSG_SUCCESS, MACH_SEND_INVALID_DEST]).toContain(code >>> 0);
  expect(a.has(once)).toBe(code !== MACH_MSG_SUCCESS);
  if (code === MACH_MSG_SUCCESS) expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  a.expectEmpty(reply);
  expect(a.status(reply).sorights).toBe(0);
});
