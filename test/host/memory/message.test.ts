// Goal: regions travel in messages as copies, parts and moves; what is not taken out or cannot be sent is where it should be, and no
// frame is lost. Method: one thread, two tasks.

import { afterEach, beforeEach, expect, test } from "vitest";
import {
  Kernel,
  MachMsgError,
  type Message,
  move,
  type ReceiveRight,
  type Region,
  type SendRight,
  type Task,
} from "mach-ipc";
import { traps } from "mach-ipc/traps";
import { rejected, thrown, until } from "../lib.js";
import { held, pattern } from "./lib.js";

const PAGE = 4096;

let kernel: Kernel;
let task: Task;
let other: Task;
let port: ReceiveRight;
let right: SendRight;

beforeEach(async () => {
  kernel = await Kernel.boot();
  task = kernel.task;
  other = kernel.createTask({ name: "other" });
  port = other.allocatePort({ qlimit: 4 });
  await other.bootstrap.register("memory", port.makeSend());
  right = await task.bootstrap.lookUp("memory");
  // Tables of pages and elements are kept: what follows finds them made.
  const region = task.memory.allocate(1);
  right.trySend({ body: new Uint8Array(500), rights: [right, right], memory: [region, region, move(region)] });
  const message = next();
  for (const one of [...message.rights, ...message.memory]) one[Symbol.dispose]();
  message[Symbol.dispose]();
});
afterEach(() => kernel.close());

function next(): Message {
  return port.receiveSync({ timeout: 1000 });
}

function only(message: Message): Region {
  expect(message.memory.length).toBe(1);
  return message.memory[0] as Region;
}

test("a copy is a snapshot: neither side sees what the other writes then", () => {
  const before = held(kernel);
  const region = task.memory.from(pattern(5 * PAGE));
  right.trySend({ id: 1, body: new Uint8Array(3), memory: [region] });
  region.set(Uint8Array.of(1), 0);
  const message = next();
  expect(message.body.length).toBe(3);
  const copy = only(message);
  message[Symbol.dispose]();
  expect(copy.size).toBe(5 * PAGE);
  expect(Buffer.compare(copy.bytes(), pattern(5 * PAGE))).toBe(0);
  copy.set(Uint8Array.of(2), PAGE);
  expect(region.bytes(PAGE, 1)[0]).toBe(pattern(5 * PAGE)[PAGE]);
  copy[Symbol.dispose]();
  region[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

test("a copy is a snapshot also while a write lease is out", () => {
  const region = task.memory.from(pattern(2 * PAGE));
  const lease = region.write();
  right.trySend({ memory: [region] });
  lease.bytes.fill(7);
  lease[Symbol.dispose]();
  const message = next();
  expect(Buffer.compare(only(message).bytes(), pattern(2 * PAGE))).toBe(0);
});

test("a moved region is the receiver's alone, at no cost in frames", () => {
  const region = task.memory.from(pattern(100 * PAGE));
  const before = held(kernel);
  right.trySend({ memory: [move(region)] });
  expect(region.disposed).toBe(true);
  expect(thrown(() => region.read()).code).toBe("KERN_INVALID_ADDRESS");
  const message = next();
  const moved = only(message);
  message[Symbol.dispose]();
  expect(held(kernel).frames).toBe(before.frames);
  const lease = moved.read();
  expect(Buffer.compare(lease.bytes, pattern(100 * PAGE))).toBe(0);
  lease[Symbol.dispose]();
  moved[Symbol.dispose]();
});

test("a lease that is out when its region moves keeps its own bytes", () => {
  const region = task.memory.from(pattern(2 * PAGE));
  const lease = region.write();
  right.trySend({ memory: [move(region)] });
  lease.bytes.fill(7);
  const message = next();
  const moved = only(message);
  expect(Buffer.compare(moved.bytes(), pattern(2 * PAGE))).toBe(0);
  expect(lease.bytes.every((byte) => byte === 7)).toBe(true);
  lease[Symbol.dispose]();
});

test.each([
  [0, PAGE],
  [PAGE, 2 * PAGE],
  [1, 1],
  [4095, 2],
  [100, 3 * PAGE],
  [0, 0],
  [5 * PAGE, 0],
])("a range from %i of %i bytes arrives as exactly these", (offset, length) => {
  const before = held(kernel);
  const region = task.memory.from(pattern(5 * PAGE));
  right.trySend({ memory: [region.range(offset, length), region.range(offset, length)] });
  const message = next();
  expect(message.memory.map(({ size }) => size)).toEqual([length, length]);
  for (const part of message.memory) {
    expect(Buffer.compare(part.bytes(), pattern(5 * PAGE).subarray(offset, offset + length))).toBe(0);
    right.trySend({ memory: [move(task.memory.from(part.bytes()))] });
    part[Symbol.dispose]();
  }
  message[Symbol.dispose]();
  next()[Symbol.dispose]();
  next()[Symbol.dispose]();
  region[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

test.each([1, 4095, 4097, 200_000])("a region of %i bytes stays in one piece, moved and copied", (size) => {
  const region = task.memory.from(pattern(size));
  right.trySend({ memory: [region, region.range(0, size), move(region)] });
  const message = next();
  for (const arrived of message.memory) {
    const lease = arrived.read();
    expect(Buffer.compare(lease.bytes, pattern(size))).toBe(0);
    lease[Symbol.dispose]();
  }
});

test("what lies beside a range on its pages does not go with it", () => {
  const region = task.memory.from(pattern(4 * PAGE));
  right.trySend({ memory: [region.range(100, PAGE), region.range(PAGE + 1, 2 * PAGE), region.range(3 * PAGE, 5)] });
  const message = next();
  for (const arrived of message.memory) {
    const { size, address } = arrived;
    const pages = Math.ceil(((address % PAGE) + size) / PAGE) * PAGE;
    const mach = traps(other);
    const bytes = new Uint8Array(pages);
    const start = address - (address % PAGE);
    expect(mach.vm_read_overwrite(mach.mach_task_self(), start, pages, bytes, new Uint32Array(1))).toBe(0);
    bytes.fill(0, address % PAGE, (address % PAGE) + size);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  }
});

test("memory and rights travel in one message, each in its order", () => {
  const before = held(kernel);
  const [one, two] = [task.memory.from(pattern(10)), task.memory.from(pattern(PAGE, 1))];
  const carried = task.allocatePort();
  const send = carried.makeSend();
  const body = pattern(77);
  right.trySend({ id: 9, body, rights: [send, move(send)], memory: [one, move(two), one.range(2, 3)] });
  const message = next();
  expect(message.rights.length).toBe(2);
  expect(message.memory.map(({ size }) => size)).toEqual([10, PAGE, 3]);
  expect(Buffer.compare(message.body, body)).toBe(0);
  expect(message.memory).toBe(message.memory);
  expect([...(message.memory[2] as Region).bytes()]).toEqual([...pattern(10).subarray(2, 5)]);
  for (const taken of [...message.rights, ...message.memory]) taken[Symbol.dispose]();
  message[Symbol.dispose]();
  expect(thrown(() => other.memory && message.body)).toBeInstanceOf(Error);
  one[Symbol.dispose]();
  carried[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

test("what is not taken out is released with the message, and a message nobody received with its port", () => {
  const before = held(kernel);
  const lost = other.allocatePort();
  const region = task.memory.from(pattern(50 * PAGE));
  right.trySend({ memory: [region] });
  right.trySend({ memory: [move(region)] });
  next()[Symbol.dispose]();
  const message = next();
  const [taken] = message.memory;
  message[Symbol.dispose]();
  expect(taken?.bytes(0, 1)[0]).toBe(pattern(1)[0]);
  taken?.[Symbol.dispose]();
  const inner = other.memory.from(pattern(PAGE));
  lost.makeSend().trySend({ memory: [move(inner)] });
  lost[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

test("a send that is refused gives moved regions back, with their bytes", async () => {
  const region = task.memory.from(pattern(3 * PAGE));
  const array = [region.range(0, PAGE), move(region)];
  for (let i = 0; i < 4; i++) right.trySend({ id: i });
  const before = held(kernel);
  for (let round = 0; round < 3; round++) {
    expect(right.trySend({ memory: array })).toBe(false);
    expect(region.disposed).toBe(false);
    expect(thrown(() => right.sendSync({ memory: array }, { timeout: 5 })).code).toBe("MACH_SEND_TIMED_OUT");
    expect((await rejected(right.send({ memory: array }, { timeout: 5 }))).message).toContain("MACH_SEND_TIMED_OUT");
    expect(Buffer.compare(region.bytes(), pattern(3 * PAGE))).toBe(0);
    const abort = new AbortController();
    const sending = rejected(right.send({ memory: array }, { signal: abort.signal }));
    expect(region.disposed).toBe(true);
    abort.abort();
    await sending;
    expect(Buffer.compare(region.bytes(), pattern(3 * PAGE))).toBe(0);
  }
  expect(held(kernel)).toEqual(before);
});

test("a send that waits for room goes out with its memory", async () => {
  const region = task.memory.from(pattern(3 * PAGE));
  for (let i = 0; i < 4; i++) right.trySend({ id: i });
  const sending = right.send({ id: 4, memory: [region, move(region)] });
  for (let i = 0; i < 4; i++) next()[Symbol.dispose]();
  await sending;
  const message = next();
  for (const arrived of message.memory) expect(Buffer.compare(arrived.bytes(), pattern(3 * PAGE))).toBe(0);
  expect(message.memory.length).toBe(2);
});

test("what Mach refuses in the body: earlier regions are used up, later ones are still there", () => {
  const [first, bad, last] = [1, 2, 3].map((seed) => task.memory.from(pattern(PAGE, seed))) as [Region, Region, Region];
  const alias = task.memory.from(pattern(PAGE, 4));
  // A region whose pages were given up behind its back.
  alias[Symbol.dispose]();
  (bad as unknown as { takeBack(address: number): void }).takeBack(0x7000_0000);
  const error = thrown(() => right.trySend({ memory: [move(first), move(bad), move(last)] }));
  expect(error).toBeInstanceOf(MachMsgError);
  expect(error.code).toBe("MACH_SEND_INVALID_MEMORY");
  expect(first.disposed).toBe(true);
  expect(bad.disposed).toBe(true);
  expect(Buffer.compare(last.bytes(), pattern(PAGE, 3))).toBe(0);
});

test("no memory for the part of a page that has to be copied: everything is as it was", async () => {
  await using small = await Kernel.boot({ maximumBytes: 4 * 1024 * 1024 });
  const { memory } = small.task;
  const entry = small.task.allocatePort();
  const send = entry.makeSend();
  const regions = [memory.from(pattern(2 * PAGE)), memory.from(pattern(2 * PAGE)), memory.from(pattern(2 * PAGE))];
  const [first, partly, last] = regions as [Region, Region, Region];
  for (const size of [64, 16, 1]) {
    const more = (): never => {
      for (;;) memory.allocate(size * PAGE);
    };
    expect(thrown(more).code).toBe("KERN_RESOURCE_SHORTAGE");
  }
  const error = thrown(() => send.trySend({ memory: [move(first), partly.range(1, PAGE), move(last)] }));
  expect(error.code).toBe("MACH_SEND_NO_BUFFER");
  expect([first.disposed, last.disposed]).toEqual([false, false]);
  expect(Buffer.compare(first.bytes(), pattern(2 * PAGE))).toBe(0);
  expect(Buffer.compare(partly.bytes(), pattern(2 * PAGE))).toBe(0);
  expect(send.trySend({ id: 1, memory: [move(last)] })).toBe(true);
  const message = entry.tryReceive() as Message;
  expect(Buffer.compare(only(message).bytes(), pattern(2 * PAGE))).toBe(0);
});

test("beyond the quota nothing is lost: regions, parts of pages, and the rights beside them", async () => {
  const poor = kernel.createTask({ name: "poor", quota: { memoryBytes: 6 * PAGE } });
  const [inbox, carried] = [poor.allocatePort(), poor.allocatePort()];
  const to = inbox.makeSend();
  const shared = poor.memory.from(pattern(4 * PAGE));
  const reader = shared.share();
  const free = poor.memory.from(pattern(PAGE, 2));
  const attempts = [
    () => to.trySend({ rights: [move(carried)], memory: [move(free), move(shared)] }),
    () => to.sendSync({ rights: [move(carried)], memory: [move(free), move(shared)] }),
    () => to.trySend({ rights: [move(carried)], memory: [move(free), shared.range(1, 3 * PAGE)] }),
  ];
  for (const attempt of attempts) {
    const error = thrown(attempt);
    expect(error.code).toBe("MACH_SEND_NO_BUFFER");
    expect(error.message).not.toContain("twin");
  }
  expect((await rejected(to.send({ memory: [move(free), move(shared)] }))).code).toBe("MACH_SEND_NO_BUFFER");
  expect([carried.disposed, free.disposed, shared.disposed]).toEqual([false, false, false]);
  expect(Buffer.compare(free.bytes(), pattern(PAGE, 2))).toBe(0);
  expect(Buffer.compare(shared.bytes(), pattern(4 * PAGE))).toBe(0);
  expect(poor.memory.map(reader, PAGE).bytes()).toEqual(new Uint8Array(pattern(PAGE)));
  carried.makeSend().trySend({ id: 7 });
  expect(carried.tryReceive()?.id).toBe(7);
});

test("what is disposed while its send waits, and does not go, is released", async () => {
  while (right.trySend({ id: 1 }));
  const before = held(kernel);
  const region = task.memory.from(pattern(3 * PAGE));
  const carried = task.allocatePort();
  const abort = new AbortController();
  const sent = right.send({ memory: [move(region)], rights: [move(carried)] }, { signal: abort.signal });
  region[Symbol.dispose]();
  carried[Symbol.dispose]();
  abort.abort();
  await rejected(sent);
  expect([region.disposed, carried.disposed]).toEqual([true, true]);
  expect(held(kernel)).toEqual(before);
});

test("a dead port: the region is still yours", () => {
  const region = task.memory.from(pattern(PAGE));
  const dying = task.allocatePort();
  const send = dying.makeSend();
  dying[Symbol.dispose]();
  const before = held(kernel);
  expect(thrown(() => send.trySend({ memory: [region, move(region)] })).code).toBe("MACH_SEND_INVALID_DEST");
  expect(Buffer.compare(region.bytes(), pattern(PAGE))).toBe(0);
  expect(held(kernel)).toEqual(before);
});

test("bad arguments are TypeErrors before anything happens", () => {
  const region = task.memory.from(pattern(PAGE));
  const foreign = other.memory.from(pattern(PAGE));
  const carried = task.allocatePort();
  const before = held(kernel);
  for (const memory of [{}, "region", [1], [null], [new Uint8Array(4)], [move(region), region, 1]]) {
    expect(thrown(() => right.trySend({ rights: [move(carried)], memory: memory as never }))).toBeInstanceOf(Error);
    expect(region.disposed).toBe(false);
    expect(carried.disposed).toBe(false);
  }
  expect(thrown(() => right.trySend({ memory: [move(region), move(region)] })).code).toBe("KERN_INVALID_ADDRESS");
  expect(thrown(() => right.trySend({ memory: [foreign] }))).toBeInstanceOf(TypeError);
  expect(thrown(() => move({} as never))).toBeInstanceOf(TypeError);
  expect(region.disposed).toBe(false);
  expect(held(kernel)).toEqual(before);
});

test("calls and replies carry memory", async () => {
  const region = task.memory.from(pattern(2 * PAGE));
  const answering = port.receive().then((message) => {
    const asked = only(message);
    asked.set(Uint8Array.of(1, 2, 3), 0);
    message.respond({ memory: [move(asked)] });
    message[Symbol.dispose]();
  });
  const reply = await right.call({ memory: [region] });
  await answering;
  expect([...only(reply).bytes(0, 3)]).toEqual([1, 2, 3]);
  expect(reply.memory[0]?.size).toBe(2 * PAGE);
});

test("memory that arrives in the queue of a task with a small quota", async () => {
  const small = kernel.createTask({ name: "small", quota: { memoryBytes: 2 * PAGE } });
  const entry = small.allocatePort();
  await small.bootstrap.register("small", entry.makeSend());
  const send = await task.bootstrap.lookUp("small");
  const region = task.memory.from(pattern(8 * PAGE));
  send.trySend({ memory: [move(region)] });
  const before = held(kernel);
  expect(thrown(() => entry.receiveSync({ timeout: 1000 })).code).toMatch(/^MACH_RCV_BODY_ERROR/);
  await until(() => (held(kernel).frames as number) < (before.frames as number));
  const fits = small.memory.allocate(2 * PAGE);
  fits[Symbol.dispose]();
});

test("a loop over messages leaves out what finds no room, and goes on", async () => {
  const small = kernel.createTask({ name: "small", quota: { memoryBytes: 2 * PAGE } });
  const entry = small.allocatePort();
  await small.bootstrap.register("small", entry.makeSend());
  const send = await task.bootstrap.lookUp("small");
  const ids: number[] = [];
  const reading = (async () => {
    for await (const message of entry) {
      const { id } = message;
      ids.push(id);
      message[Symbol.dispose]();
      if (id === 9) break;
    }
  })();
  const call = rejected(send.call({ id: 1, memory: [move(task.memory.allocate(3 * PAGE))] }));
  expect((await call).code).toBe("MIG_SERVER_DIED");
  send.trySend({ id: 2, memory: [move(task.memory.allocate(PAGE))] });
  send.trySend({ id: 3, memory: [move(task.memory.allocate(3 * PAGE))] });
  send.trySend({ id: 9 });
  await reading;
  expect(ids).toEqual([2, 9]);
});
