// Arrays of ports in messages (A60, A75, A80, A113, A171): what arrives, what is refused and what a refusal uses up.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ADDRESS,
  KERN_SUCCESS,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_VM_SPACE,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_RCV_BODY_ERROR,
  MACH_RCV_INVALID_DATA,
  MACH_RCV_MSG,
  MACH_RCV_TIMEOUT,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_MEMORY,
  MACH_SEND_INVALID_RIGHT,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TOO_LARGE,
  VM_PROT_NONE,
} from "../../host-ts/abi/codes.gen.ts";
import { arrayOf, inArray, inNewArray, namesAt, unpack } from "../lib/arrays.js";
import { boot } from "../lib/boot.js";
import { allocate, filled, free, HIGHEST, LOWEST, PAGE, regionAt, regions, tryGet } from "../lib/memory.js";
import { line } from "../lib/line.js";
import { build, parse, setWord } from "../lib/message.js";
import { told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A113 an array arrives as a new one of the receiver's, with the received disposition for all", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const before = machine.census();
  const ports = [a.allocateWithSend(), a.allocateWithSend(), a.allocateWithSend()];
  for (const [sent, arrives, type] of [
    [MACH_MSG_TYPE_COPY_SEND, 17, MACH_PORT_TYPE_SEND],
    [MACH_MSG_TYPE_MAKE_SEND, 17, MACH_PORT_TYPE_SEND],
    [MACH_MSG_TYPE_MAKE_SEND_ONCE, 18, MACH_PORT_TYPE_SEND_ONCE],
    [MACH_MSG_TYPE_MOVE_SEND, 17, MACH_PORT_TYPE_SEND],
    [MACH_MSG_TYPE_MOVE_RECEIVE, 16, MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND],
  ] as const) {
    const array = arrayOf(a, ports);
    const { complex, descriptors } = pass(inArray(array, 3, sent));
    const { name: address, ...rest } = descriptors[0] as { name: number };
    expect(complex).toBe(true);
    expect(rest).toEqual({
      count: 3,
      deallocate: 1,
      copy: 1,
      disposition: arrives,
      type: MACH_MSG_OOL_PORTS_DESCRIPTOR,
    });
    expect(regionAt(b, address)).toMatchObject({ address, size: PAGE, shared: false });
    expect(namesAt(a, array, 3)).toEqual(ports); // the sender keeps its own
    free(a, array, 12);
    const names = unpack(b, descriptors[0]);
    expect(names.map((name) => b.type(name))).toEqual([type, type, type]);
    expect(new Set(names).size).toBe(3);
    if (sent === MACH_MSG_TYPE_MAKE_SEND_ONCE) for (const name of names) b.deallocate(name);
    if (sent === MACH_MSG_TYPE_MOVE_RECEIVE) for (const name of names) b.destroy(name);
  }
  expect(ports.filter((port) => a.has(port))).toEqual([]);
  expect(machine.census()).toEqual(before);
});

test("A113 no names arrive as address 0; dead elements as ~0, null elements as 0", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const [port, dead] = [a.allocateWithSend(), a.allocate(MACH_PORT_RIGHT_DEAD_NAME)];
  const before = b.names();
  const none = pass(inArray(0x1234, 0, MACH_MSG_TYPE_MOVE_SEND, 1)).descriptors;
  expect(none).toEqual([{ name: 0, count: 0, deallocate: 1, copy: 1, disposition: 17, type: 2 }]);
  const { descriptors } = pass(
    inNewArray(a, [MACH_PORT_NULL, dead, port, MACH_PORT_DEAD], MACH_MSG_TYPE_COPY_SEND),
    inNewArray(a, [MACH_PORT_NULL, MACH_PORT_DEAD], 77),
  );
  const names = unpack(b, descriptors[0]);
  expect(names).toEqual([MACH_PORT_NULL, MACH_PORT_DEAD, names[2], MACH_PORT_DEAD]);
  expect(b.type(names[2] ?? 0)).toBe(MACH_PORT_TYPE_SEND);
  expect(descriptors[1]).toMatchObject({ disposition: 0, count: 2 });
  expect(unpack(b, descriptors[1])).toEqual([MACH_PORT_NULL, MACH_PORT_DEAD]);
  expect(a.deads(dead)).toBe(1);
  expect(b.names().size).toBe(before.size + 1);
});

test("A58 moving dead names in an array uses up a reference of each, a right that dies in the queue arrives as ~0", async () => {
  await using machine = await boot();
  const { a, b, inbox, pass, carry } = line(machine);
  const dead = a.allocate(MACH_PORT_RIGHT_DEAD_NAME);
  expectCode(a.modRefs(dead, MACH_PORT_RIGHT_DEAD_NAME, 2), KERN_SUCCESS);
  expect(unpack(b, pass(inNewArray(a, [dead, dead], MACH_MSG_TYPE_MOVE_SEND)).descriptors[0])).toEqual([
    MACH_PORT_DEAD,
    MACH_PORT_DEAD,
  ]);
  expect(a.deads(dead)).toBe(1);
  const port = a.allocate();
  expectCode(carry(inNewArray(a, [port, port], MACH_MSG_TYPE_MAKE_SEND)), MACH_MSG_SUCCESS);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(unpack(b, b.take(inbox).descriptors[0])).toEqual([MACH_PORT_DEAD, MACH_PORT_DEAD]);
});

test("A42 A45 send rights for one port in an array share a name, send-once rights do not", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const port = a.allocate();
  const sends = unpack(b, pass(inNewArray(a, [port, port, port], MACH_MSG_TYPE_MAKE_SEND)).descriptors[0]);
  expect(new Set(sends).size).toBe(1);
  expect(b.sends(sends[0] ?? 0)).toBe(3);
  expect(a.status(port)).toMatchObject({ mscount: 3, srights: 1 });
  const onces = unpack(b, pass(inNewArray(a, [port, port], MACH_MSG_TYPE_MAKE_SEND_ONCE)).descriptors[0]);
  expect(new Set(onces).size).toBe(2);
  expect(a.status(port).sorights).toBe(2);
});

test("A44 descriptors and arrays of one message arrive in order, coalescing with each other", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const [port, other] = [a.allocateWithSend(), a.allocateWithSend()];
  const { descriptors, data } = pass(
    { name: port, disposition: MACH_MSG_TYPE_COPY_SEND },
    inNewArray(a, [other, port], MACH_MSG_TYPE_MOVE_SEND),
    inArray(0, 0, MACH_MSG_TYPE_COPY_SEND),
    inNewArray(a, [other, port], MACH_MSG_TYPE_MOVE_RECEIVE),
    { name: MACH_PORT_DEAD, disposition: MACH_MSG_TYPE_COPY_SEND },
  );
  const [first, second] = [descriptors[0]?.name ?? 0, unpack(b, descriptors[1])];
  expect(descriptors.map(({ type }) => type)).toEqual([0, 2, 2, 2, 0]);
  expect(second[1]).toBe(first);
  expect(unpack(b, descriptors[3])).toEqual(second);
  expect(b.type(first)).toBe(MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
  expect(b.sends(first)).toBe(2);
  expect(descriptors[4]?.name).toBe(MACH_PORT_DEAD);
  expect(data.length).toBe(0);
});

test("A74 the copy option of an array is not looked at", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const port = a.allocateWithSend();
  for (const copy of [0, 1, 2, 3, 255]) {
    const { descriptors } = pass({ ...inNewArray(a, [port], MACH_MSG_TYPE_COPY_SEND), copy });
    expect(unpack(b, descriptors[0]).length).toBe(1);
  }
});

test("A75 arrays and descriptors together carry 16383 ports, one more is TOO_LARGE before any right is touched", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft, pass } = line(machine);
  const before = machine.census();
  const port = a.allocateWithSend();
  const many = Array.from({ length: 8191 }, () => port);
  const array = arrayOf(a, many);
  const half = inArray(array, 8191, MACH_MSG_TYPE_COPY_SEND);
  const one = { name: port, disposition: MACH_MSG_TYPE_COPY_SEND };
  for (const descriptors of [
    [half, half, one, one],
    [half, half, inArray(array, 2, MACH_MSG_TYPE_MOVE_SEND, 1)],
    [inArray(array, 16384, MACH_MSG_TYPE_MOVE_SEND, 1)],
    [inArray(array, 0xffffffff, MACH_MSG_TYPE_MOVE_SEND, 1)],
    [half, inArray(array, 0xffffffff, 17), inArray(array, 0xffffffff, 17)],
  ]) {
    expectUnchanged(MACH_SEND_TOO_LARGE, [a, b], () => a.send(draft({ descriptors })));
  }
  const { descriptors } = pass(half, one, half);
  const names = unpack(b, descriptors[0]);
  expect(names.length).toBe(8191);
  expect(b.sends(names[0] ?? 0)).toBe(16383);
  expect(unpack(b, descriptors[2])).toEqual(names);
  free(a, array, 8191 * 4);
  b.expectEmpty(inbox);
  expectCode(a.destroy(port), KERN_SUCCESS);
  b.deallocate(names[0] ?? 0);
  expectCode(b.modRefs(names[0] ?? 0, MACH_PORT_RIGHT_DEAD_NAME, -16382), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A60 A80 a bad element uses up the header's rights, the descriptors and elements before it, and none behind it", async () => {
  await using machine = await boot();
  const { a, b, outbox, inbox } = line(machine);
  const reply = a.allocate();
  for (const [disposition, bad] of [
    [MACH_MSG_TYPE_MOVE_SEND, 0x7703],
    [MACH_MSG_TYPE_MOVE_SEND, reply],
    [MACH_MSG_TYPE_MAKE_SEND_ONCE, outbox],
    [22, reply],
  ] as const) {
    const before = machine.census();
    const [gone, kept] = [a.allocateWithSend(), a.allocateWithSend()];
    a.arm(gone, MACH_NOTIFY_NO_SENDERS, reply);
    const names = disposition === MACH_MSG_TYPE_MOVE_SEND ? [MACH_PORT_NULL, gone, bad, kept] : [bad, kept];
    const array = arrayOf(a, names);
    const code = a.send({
      ...{ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
      ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      descriptors: [inArray(array, names.length, disposition, 1), { name: kept, disposition: MACH_MSG_TYPE_MOVE_SEND }],
    });
    expectCode(code, MACH_SEND_INVALID_RIGHT);
    expect(told(a, reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
    if (names.length > 2) {
      expect(told(a, reply)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 1 });
      expect(a.sends(gone)).toBe(0);
    }
    expect(a.sends(kept)).toBe(1);
    b.expectEmpty(inbox);
    expectCode(tryGet(a, array, 1).code, KERN_INVALID_ADDRESS); // it was looked at
    expectCode(a.destroy(gone), KERN_SUCCESS);
    expectCode(a.destroy(kept), KERN_SUCCESS);
    if (names.length === 2) expect(told(a, reply).id).toBe(MACH_NOTIFY_NO_SENDERS);
    expect(machine.census()).toEqual(before);
  }
});

test("A80 an array that cannot be read is INVALID_MEMORY, with the rights before it used up", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const [port, reply] = [a.allocateWithSend(), a.allocate()];
  const array = arrayOf(a, Array<number>(PAGE / 4).fill(port));
  const hidden = allocate(a, PAGE, 0x4000000);
  expectCode(a.traps.vm_protect(a.self, hidden, PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
  for (const [address, count] of [
    [0, 1],
    [4, 1],
    [0xfffffffc, 1],
    [0xfffffffc, 2],
    [0xfffffff0, 16381],
    [array - 4, 2],
    [array + PAGE - 4, 2],
    [array + PAGE, 1],
    [array, PAGE / 4 + 1],
    [hidden, 1],
    [a.task.handle & ~63, 1],
  ] as const) {
    const moved = a.allocateWithSend();
    const descriptors = [
      { name: moved, disposition: MACH_MSG_TYPE_MOVE_SEND },
      inArray(address, count, MACH_MSG_TYPE_COPY_SEND, 1),
      { name: port, disposition: MACH_MSG_TYPE_MOVE_SEND },
    ];
    const code = a.send(draft({ descriptors, local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE }));
    expectCode(code, MACH_SEND_INVALID_MEMORY);
    expect([a.sends(moved), a.sends(port)]).toEqual([0, 1]);
    expect(told(a, reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
    expectCode(a.destroy(moved), KERN_SUCCESS);
    b.expectEmpty(inbox);
  }
  expect(namesAt(a, array, PAGE / 4)).toEqual(Array(PAGE / 4).fill(port)); // it was too short, and is whole
  expect(regionAt(a, hidden)?.address).toBe(hidden);
});

test("A113 an array may begin at any word and reach over pages; what lies beside it stays", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const port = a.allocateWithSend();
  const names = Array.from({ length: 2500 }, (_, index) => (index % 3 === 0 ? port : index % 3 === 1 ? 0 : 0xffffffff));
  for (const [into, deallocate] of [
    [4, 0],
    [PAGE - 4, 0],
    [20, 1],
  ] as const) {
    const bytes = new Uint8Array(Uint32Array.from(names).buffer);
    const address = filled(a, bytes, into);
    const { descriptors } = pass(inArray(address, names.length, MACH_MSG_TYPE_COPY_SEND, deallocate));
    const arrived = unpack(b, descriptors[0]);
    expect(arrived.map((name) => (name === 0 || name === MACH_PORT_DEAD ? name : port))).toEqual(names);
    if (deallocate) expect(regions(a)).toEqual([]);
    else expect(namesAt(a, address, names.length)).toEqual(names);
    free(a, address, bytes.length);
  }
  expect(regions(b)).toEqual([]);
});

test("A79 a send that is refused for its header leaves the array", async () => {
  await using machine = await boot();
  const { a, b, draft } = line(machine);
  const port = a.allocateWithSend();
  const array = arrayOf(a, [port]);
  const descriptors = [inArray(array, 1, MACH_MSG_TYPE_MOVE_SEND, 1)];
  expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => a.send(draft({ remote: 0x7703, descriptors })));
  expect(namesAt(a, array, 1)).toEqual([port]);
});

test("an array that one descriptor frees is none for the next", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const port = a.allocateWithSend();
  const array = arrayOf(a, [port]);
  const [stays, freed] = [inArray(array, 1, MACH_MSG_TYPE_COPY_SEND), inArray(array, 1, MACH_MSG_TYPE_COPY_SEND, 1)];
  expectCode(a.send(draft({ descriptors: [stays, stays, freed] })), MACH_MSG_SUCCESS);
  expect(b.take(inbox).descriptors.flatMap((one) => unpack(b, one)).length).toBe(3);
  const again = { ...freed, name: arrayOf(a, [port]) };
  expectCode(a.send(draft({ descriptors: [again, again] })), MACH_SEND_INVALID_MEMORY);
});

test("A101 a send that timed out gives the array back as a new one, with received dispositions", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  const before = machine.census();
  const [port, other] = [a.allocateWithSend(), a.allocateWithSend()];
  for (const [sent, returned] of [
    [MACH_MSG_TYPE_MOVE_SEND, 17],
    [MACH_MSG_TYPE_COPY_SEND, 17],
    [MACH_MSG_TYPE_MAKE_SEND_ONCE, 18],
    [MACH_MSG_TYPE_MOVE_RECEIVE, 16],
  ] as const) {
    const array = arrayOf(a, [port, MACH_PORT_NULL, other]);
    const bytes = build(draft({ descriptors: [inArray(array, 3, sent, 1), { name: port, disposition: 20 }] }));
    if (sent === MACH_MSG_TYPE_MOVE_RECEIVE) setWord(bytes, 24, 1);
    const sends = a.sends(port);
    expectCode(a.send(bytes), MACH_SEND_TIMED_OUT);
    const [first] = parse(bytes).descriptors;
    expect(first).toMatchObject({ count: 3, deallocate: 1, copy: 1, disposition: returned, type: 2 });
    const names = unpack(a, first);
    expect(names[1]).toBe(MACH_PORT_NULL);
    if (returned === 18) for (const name of [names[0], names[2]]) expectCode(a.deallocate(name ?? 0), KERN_SUCCESS);
    else expect(names).toEqual([port, MACH_PORT_NULL, other]);
    const gained = (sent === MACH_MSG_TYPE_COPY_SEND ? 1 : 0) + (sent === MACH_MSG_TYPE_MOVE_RECEIVE ? 0 : 1);
    expect(a.sends(port)).toBe(sends + gained);
    while (returned === 18 && a.receive(port).code === 0);
    while (returned === 18 && a.receive(other).code === 0);
  }
  for (const name of [port, other]) expectCode(a.destroy(name), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A117 without room for an array its address is 0 and its rights are destroyed; the rest arrives", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const before = machine.census();
  const [listed, single] = [a.allocate(), a.allocate()];
  const small = inNewArray(a, [listed], MACH_MSG_TYPE_MAKE_SEND);
  const large = inNewArray(a, Array<number>(1200).fill(listed), MACH_MSG_TYPE_MAKE_SEND_ONCE);
  allocate(b, HIGHEST - LOWEST);
  free(b, 0x1000000, PAGE);
  expectCode(a.setQlimit(listed, 1024), KERN_SUCCESS);
  expectCode(carry(small, large, { name: single, disposition: MACH_MSG_TYPE_MAKE_SEND }), MACH_MSG_SUCCESS);
  const { code, message } = b.receive(inbox);
  expectCode(code, MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE);
  expect(message.descriptors[1]).toMatchObject({ name: 0, count: 1200, disposition: 18 });
  const [name] = unpack(b, message.descriptors[0]);
  expect(b.sends(name ?? 0)).toBe(1);
  expect(b.sends(message.descriptors[2]?.name ?? 0)).toBe(1);
  expect(a.status(listed)).toMatchObject({ sorights: 1200, msgcount: 1200 }); // each told that it was destroyed
  for (const port of [listed, single]) expectCode(a.destroy(port), KERN_SUCCESS);
  for (const port of [name ?? 0, message.descriptors[2]?.name ?? 0]) expectCode(b.deallocate(port), KERN_SUCCESS);
  free(b, LOWEST, HIGHEST - LOWEST);
  expect(machine.census()).toEqual(before);
});

test("A122 A118 of a message that is too large, or whose buffer is too short, the array's rights are destroyed", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const before = machine.census();
  const port = a.allocate();
  const onces = (): void =>
    expectCode(carry(inNewArray(a, [port, port, port], MACH_MSG_TYPE_MAKE_SEND_ONCE)), MACH_MSG_SUCCESS);
  onces();
  expectCode(b.receive(inbox, { size: 40 }).code, MACH_RCV_TOO_LARGE);
  onces();
  const short = new Uint8Array(40);
  expectCode(b.traps.mach_msg(short, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 200, inbox, 0, 0), MACH_RCV_INVALID_DATA);
  onces();
  const count = new Uint32Array(1);
  expectCode(b.traps.mach_msg_receive_many(new Uint8Array(40), 0, 40, inbox, count), MACH_RCV_TOO_LARGE);
  for (let index = 0; index < 9; index++) expect(told(a, port).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A163 destroying a queued message releases every right of its arrays", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox, carry } = line(machine);
  const before = machine.census();
  const [counted, once, moved] = [a.allocate(), a.allocate(), a.allocate()];
  const watch = give(a, moved, MACH_MSG_TYPE_MAKE_SEND, b);
  a.arm(counted, MACH_NOTIFY_NO_SENDERS, once, 1);
  const code = carry(
    inNewArray(a, [counted, counted], MACH_MSG_TYPE_MAKE_SEND),
    inNewArray(a, [once, once], MACH_MSG_TYPE_MAKE_SEND_ONCE),
    inNewArray(a, [moved], MACH_MSG_TYPE_MOVE_RECEIVE),
  );
  expectCode(code, MACH_MSG_SUCCESS);
  expectCode(b.destroy(inbox), KERN_SUCCESS);
  expect(told(a, once)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 2 });
  for (let index = 0; index < 2; index++) expect(told(a, once).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.type(watch)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectCode(b.deallocate(watch), KERN_SUCCESS);
  expectCode(a.deallocate(outbox), KERN_SUCCESS);
  for (const name of [counted, once]) expectCode(a.destroy(name), KERN_SUCCESS);
  expect(machine.census()).toEqual({ ...before, ports: (before.ports ?? 0) - 1 });
});

test("A164 a queue with thousands of rights in arrays, each with a queue like it, is destroyed in bounded stack", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const counted = a.allocate();
  const innermost = a.allocate();
  const watch = give(a, innermost, MACH_MSG_TYPE_MAKE_SEND, b);
  let outer = innermost;
  for (let link = 0; link < 2000; link++) {
    const next = a.allocate();
    const code = a.send({
      ...{ remote: next, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND },
      descriptors: [
        inNewArray(a, [counted, counted, counted, counted, counted], MACH_MSG_TYPE_MAKE_SEND),
        inNewArray(a, [outer], MACH_MSG_TYPE_MOVE_RECEIVE),
      ],
    });
    expectCode(code, MACH_MSG_SUCCESS);
    outer = next;
  }
  expect(a.status(counted)).toMatchObject({ mscount: 10_000, srights: 1 });
  expectCode(a.destroy(outer), KERN_SUCCESS);
  expect(b.type(watch)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expect(a.status(counted).srights).toBe(0);
  expectCode(b.deallocate(watch), KERN_SUCCESS);
  expectCode(a.destroy(counted), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A171 a receive right in an array that would lie in its own queue dies with the message", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const [first, second, other] = [a.allocateWithSend(), a.allocateWithSend(), a.allocate()];
  const watches = [first, second, other].map((name) => give(a, name, MACH_MSG_TYPE_MAKE_SEND, b));
  const move = (names: readonly number[], to: number): number =>
    a.send({
      ...{ remote: to, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
      descriptors: [inNewArray(a, names, MACH_MSG_TYPE_MOVE_RECEIVE)],
    });
  expectCode(move([MACH_PORT_NULL, first], second), MACH_MSG_SUCCESS);
  expect(b.type(watches[0] ?? 0)).toBe(MACH_PORT_TYPE_SEND);
  expectCode(move([other, second], first), MACH_MSG_SUCCESS);
  expect(watches.map((name) => b.type(name))).toEqual(watches.map(() => MACH_PORT_TYPE_DEAD_NAME));
  for (const name of watches) expectCode(b.deallocate(name), KERN_SUCCESS);
  for (const name of [first, second]) expectCode(a.deallocate(name), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A172 a receive right in an array whose chain ends elsewhere is no loop", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const [first, second] = [a.allocateWithSend(), a.allocateWithSend()];
  expectCode(carry(inNewArray(a, [second], MACH_MSG_TYPE_MOVE_RECEIVE)), MACH_MSG_SUCCESS);
  const code = a.send({
    ...{ remote: second, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
    descriptors: [inNewArray(a, [first], MACH_MSG_TYPE_MOVE_RECEIVE)],
  });
  expectCode(code, MACH_MSG_SUCCESS);
  const [inB] = unpack(b, b.take(inbox).descriptors[0]);
  const [inner] = unpack(b, b.take(inB ?? 0).descriptors[0]);
  expect(b.type(inner ?? 0)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A214 destroying a received message releases each element of its arrays, and the arrays", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const before = machine.census();
  const [counted, once, moved] = [a.allocate(), a.allocate(), a.allocate()];
  const watch = give(a, moved, MACH_MSG_TYPE_MAKE_SEND, a);
  const names = b.names();
  const code = carry(
    inNewArray(a, [counted, MACH_PORT_DEAD, counted], MACH_MSG_TYPE_MAKE_SEND),
    inNewArray(a, [once, MACH_PORT_NULL], MACH_MSG_TYPE_MAKE_SEND_ONCE),
    inNewArray(a, [moved], MACH_MSG_TYPE_MOVE_RECEIVE),
  );
  expectCode(code, MACH_MSG_SUCCESS);
  const { buffer } = b.receive(inbox);
  b.traps.mach_msg_destroy(buffer);
  expect(b.names()).toEqual(names);
  expect(a.status(counted).srights).toBe(0);
  expect(told(a, once).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.type(watch)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectCode(a.deallocate(watch), KERN_SUCCESS);
  for (const name of [counted, once]) expectCode(a.destroy(name), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A215 destroying an unsent message does to an array's elements what sending would, and frees it if it says so", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [port, made] = [a.allocateWithSend(), a.allocate()];
  const once = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const kept = arrayOf(a, [port]);
  const freed = arrayOf(a, [made, made]);
  a.traps.mach_msg_destroy(
    build({
      descriptors: [
        inArray(kept, 1, MACH_MSG_TYPE_MOVE_SEND),
        inArray(freed, 2, MACH_MSG_TYPE_MAKE_SEND, 1),
        inNewArray(a, [once], MACH_MSG_TYPE_MOVE_SEND_ONCE),
        inArray(0x1234, 5, MACH_MSG_TYPE_MOVE_SEND, 1),
        inArray(kept, 0x40000001, MACH_MSG_TYPE_MOVE_SEND, 1),
        inArray(kept, 0xffffffff, MACH_MSG_TYPE_MOVE_SEND, 1),
      ],
    }),
  );
  expect(a.sends(port)).toBe(0);
  expect(a.status(made)).toMatchObject({ mscount: 2, srights: 0 });
  expect(a.has(once)).toBe(false);
  expect(namesAt(a, kept, 1)).toEqual([port]);
  expectCode(tryGet(a, freed, 1).code, KERN_INVALID_ADDRESS);
});
