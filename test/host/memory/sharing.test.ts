// Goal: memory shared on purpose is the same bytes for all who map it, as long as one of them has it, and no longer. Method: two
// tasks on one thread, and one on another.

import { expect, test } from "vitest";
import { Kernel, MemoryError, move, type SendRight, type Task } from "mach-ipc";
import { start, thrown } from "../lib.js";
import { held, heldAtLast, pattern } from "./lib.js";

const PAGE = 4096;

async function hand(from: Task, to: Task, right: SendRight): Promise<SendRight> {
  const port = to.allocatePort();
  await to.bootstrap.register("hand", port.makeSend());
  using door = await from.bootstrap.lookUp("hand");
  door.trySend({ rights: [move(right)] });
  using message = port.receiveSync({ timeout: 1000 });
  port[Symbol.dispose]();
  return message.rights[0] as SendRight;
}

test("what one task writes the other reads, through a right that was sent", async () => {
  await using kernel = await Kernel.boot();
  const other = kernel.createTask({ name: "other" });
  kernel.task.memory.allocate(1)[Symbol.dispose]();
  other.memory.allocate(1)[Symbol.dispose]();
  (await hand(kernel.task, other, kernel.task.allocatePort().makeSend()))[Symbol.dispose]();
  const before = await heldAtLast(kernel);
  const mine = kernel.task.memory.from(pattern(3 * PAGE));
  const right = await hand(kernel.task, other, mine.share());
  const theirs = other.memory.map(right, 3 * PAGE);
  expect(Buffer.compare(theirs.bytes(), pattern(3 * PAGE))).toBe(0);
  theirs.set(Uint8Array.of(200), PAGE);
  expect(mine.bytes(PAGE, 1)[0]).toBe(200);
  const lease = mine.write();
  const view = theirs.read();
  lease.bytes[2 * PAGE] = 201;
  expect(view.bytes[2 * PAGE]).toBe(201);
  lease[Symbol.dispose]();
  view[Symbol.dispose]();
  const tail = other.memory.map(right, PAGE, { offset: 2 * PAGE });
  expect(tail.bytes(0, 1)[0]).toBe(201);
  mine[Symbol.dispose]();
  right[Symbol.dispose]();
  theirs[Symbol.dispose]();
  expect(tail.bytes(0, 1)[0]).toBe(201);
  tail[Symbol.dispose]();
  expect(await heldAtLast(kernel)).toEqual(before);
});

test("a copy in a message of shared memory is a snapshot", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const mine = task.memory.from(pattern(PAGE));
  const again = task.memory.map(mine.share(), PAGE);
  const port = task.allocatePort();
  port.makeSend().trySend({ memory: [again] });
  mine.set(Uint8Array.of(9), 0);
  const message = port.receiveSync({ timeout: 1000 });
  expect(again.bytes(0, 1)[0]).toBe(9);
  expect(message.memory[0]?.bytes(0, 1)[0]).toBe(pattern(1)[0]);
});

test("what was shared to be read can only be read", async () => {
  await using kernel = await Kernel.boot();
  const { memory } = kernel.task;
  const mine = memory.from(pattern(PAGE));
  const right = mine.share({ readOnly: true });
  const error = thrown(() => memory.map(right, PAGE));
  expect(error).toBeInstanceOf(MemoryError);
  expect(error.code).toBe("KERN_INVALID_RIGHT");
  const view = memory.map(right, PAGE, { readOnly: true });
  expect(thrown(() => view.write()).code).toBe("KERN_PROTECTION_FAILURE");
  mine.set(Uint8Array.of(5), 0);
  expect(view.bytes(0, 1)[0]).toBe(5);
});

test("wrong maps are refused and leave nothing", async () => {
  await using kernel = await Kernel.boot();
  const { memory } = kernel.task;
  const mine = memory.from(pattern(2 * PAGE));
  const right = mine.share();
  const port = kernel.task.allocatePort();
  const stranger = port.makeSend();
  const before = held(kernel);
  expect(thrown(() => memory.map(right, 2 * PAGE + 1))).toBeInstanceOf(MemoryError);
  expect(thrown(() => memory.map(right, PAGE, { offset: 2 * PAGE }))).toBeInstanceOf(MemoryError);
  expect(thrown(() => memory.map(stranger, PAGE))).toBeInstanceOf(MemoryError);
  expect(thrown(() => memory.map(right, 0)).code).toBe("KERN_INVALID_ARGUMENT");
  expect(thrown(() => memory.map(right, -1))).toBeInstanceOf(RangeError);
  expect(thrown(() => memory.map(right, PAGE, { offset: -1 }))).toBeInstanceOf(RangeError);
  expect(held(kernel)).toEqual(before);
});

test("another thread: a counter that both add to, and memory that comes back when it is killed", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const mine = task.memory.allocate(PAGE);
  const before = await heldAtLast(kernel);
  using right = mine.share();
  const port = task.allocatePort();
  using report = port.makeSend();
  const worker = start(kernel, "memory.sharer.mjs", { rights: { memory: right, report } });
  using lease = mine.write();
  const counter = new Int32Array(lease.bytes.buffer, lease.bytes.byteOffset, 1);
  (await port.receive())[Symbol.dispose]();
  for (let i = 0; i < 1000; i++) Atomics.add(counter, 0, 1);
  (await port.receive())[Symbol.dispose]();
  expect(Atomics.load(counter, 0)).toBe(2000);
  await worker.terminate();
  port[Symbol.dispose]();
  report[Symbol.dispose]();
  right[Symbol.dispose]();
  lease[Symbol.dispose]();
  const { OBJECT } = await heldAtLast(kernel);
  expect(OBJECT).toBe(before.OBJECT);
});

test("a shared region is mapped from whole pages on", async () => {
  await using kernel = await Kernel.boot();
  const { memory } = kernel.task;
  const right = memory.allocate(3 * 4096).share();
  for (const offset of [1, 4095, 4097, -4096, Number.NaN]) {
    expect(thrown(() => memory.map(right, 10, { offset }))).toBeInstanceOf(RangeError);
  }
  expect(memory.map(right, 10, { offset: 4096 }).size).toBe(10);
});
