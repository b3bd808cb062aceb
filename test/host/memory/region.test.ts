// Goal: a region reads as it was written, in place, until it or its lease ends; every wrong use is an error with a name and leaves
// nothing behind. Method: one thread.

import { expect, test } from "vitest";
import { Kernel, MemoryError, move, type Region } from "mach-ipc";
import { traps } from "mach-ipc/traps";
import { thrown } from "../lib.js";
import { held, pattern } from "./lib.js";

const PAGE = 4096;

test.each([1, 4095, 4096, 4097, 65_536, 1_000_000])(
  "a region of %i bytes reads as zeros, then as written",
  async (size) => {
    await using kernel = await Kernel.boot();
    kernel.task.memory.allocate(size)[Symbol.dispose](); // tables of pages are kept
    const before = held(kernel);
    const region = kernel.task.memory.allocate(size);
    expect(region.size).toBe(size);
    expect(region.address % PAGE).toBe(0);
    expect(region.bytes().every((byte) => byte === 0)).toBe(true);
    const write = region.write();
    expect(write.bytes.length).toBe(size);
    expect(write.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    write.bytes.set(pattern(size));
    write[Symbol.dispose]();
    const read = region.read();
    expect(Buffer.compare(read.bytes, pattern(size))).toBe(0);
    expect(read.chunks.length).toBe(1);
    read[Symbol.dispose]();
    region[Symbol.dispose]();
    expect(held(kernel)).toEqual(before);
  },
);

test("a lease is a view of exactly the bytes that were asked for, and of the same ones for all", async () => {
  await using kernel = await Kernel.boot();
  const region = kernel.task.memory.from(pattern(3 * PAGE));
  const part = region.read(4000, 200);
  expect(part.bytes).toEqual(new Uint8Array(pattern(3 * PAGE).subarray(4000, 4200)));
  const write = region.write(4100, 1);
  write.bytes[0] = 77;
  expect(part.bytes[100]).toBe(77);
  write[Symbol.dispose]();
  part[Symbol.dispose]();
  expect(region.read(3 * PAGE).bytes.length).toBe(0);
  expect(region.read(5, 0).bytes.length).toBe(0);
  region.set(Uint8Array.of(1, 2, 3), PAGE - 1);
  expect([...region.bytes(PAGE - 1, 3)]).toEqual([1, 2, 3]);
});

test("dump shows what memory a task has, and who has not ended a lease", async () => {
  await using kernel = await Kernel.boot();
  const other = kernel.createTask({ name: "other" });
  const dumped = (name: string) => kernel.dump().tasks.find((task) => task.name === name)?.memory;
  const none = { mappedBytes: 0, residentBytes: 0, leases: 0 };
  const mach = traps(other);
  expect(mach.vm_allocate(mach.mach_task_self(), new Uint32Array(1), 9 * PAGE, 1)).toBe(0);
  expect(dumped("other")).toEqual({ ...none, mappedBytes: 9 * PAGE });
  const region = other.memory.allocate(40 * PAGE);
  const lease = region.write(0, 2 * PAGE);
  expect(dumped("other")).toEqual({ mappedBytes: 49 * PAGE, residentBytes: 40 * PAGE, leases: 1 });
  region[Symbol.dispose]();
  expect(dumped("other")).toEqual({ ...none, mappedBytes: 9 * PAGE, leases: 1 });
  lease[Symbol.dispose]();
  expect(dumped("other")).toEqual({ ...none, mappedBytes: 9 * PAGE });
  expect(
    kernel
      .dump()
      .tasks.filter(({ memory }) => memory.mappedBytes === 0)
      .map(({ memory }) => memory),
  ).toContainEqual(none);
});

test("an empty region is one", async () => {
  await using kernel = await Kernel.boot();
  const region = kernel.task.memory.allocate(0);
  expect(region.size).toBe(0);
  expect(region.write().bytes.length).toBe(0);
  expect(region.bytes()).toEqual(new Uint8Array(0));
  region.compact();
  expect(thrown(() => region.share()).code).toBe("KERN_INVALID_ARGUMENT");
  region[Symbol.dispose]();
  expect(thrown(() => region.read()).code).toBe("KERN_INVALID_ADDRESS");
});

test("a region used after its end, a lease used after its end", async () => {
  await using kernel = await Kernel.boot();
  const region = kernel.task.memory.allocate(PAGE);
  const lease = region.read();
  lease[Symbol.dispose]();
  lease[Symbol.dispose]();
  expect(lease.disposed).toBe(true);
  for (const use of [() => lease.bytes, () => lease.chunks]) {
    const error = thrown(use);
    expect(error).toBeInstanceOf(MemoryError);
    expect(error.code).toBe("KERN_INVALID_ADDRESS");
  }
  region[Symbol.dispose]();
  region[Symbol.dispose]();
  expect(region.disposed).toBe(true);
  const right = kernel.task.allocatePort().makeSend();
  for (const use of [
    () => region.address,
    () => region.read(),
    () => region.write(),
    () => region.bytes(),
    () => region.text(),
    () => region.blob(),
    () => region.set(new Uint8Array(1)),
    () => region.range(0),
    () => region.compact(),
    () => region.share(),
    () => right.trySend({ memory: [region] }),
    () => right.trySend({ memory: [move(region)] }),
  ]) {
    const error = thrown(use);
    expect(error).toBeInstanceOf(MemoryError);
    expect(error.code).toBe("KERN_INVALID_ADDRESS");
    expect(error.message).toContain("moved or disposed");
  }
});

test("what is outside is a RangeError, what is no number a TypeError", async () => {
  await using kernel = await Kernel.boot();
  const { memory } = kernel.task;
  const region = memory.allocate(100);
  const before = held(kernel);
  for (const [offset, length] of [
    [0, 101],
    [100, 1],
    [101, 0],
    [101, undefined],
    [-1, 1],
    [1, -1],
    [0.5, 1],
    [0, 1.5],
    [2 ** 32, 1],
    [1, 2 ** 32 - 1],
    [Number.NaN, 1],
    [0, Number.POSITIVE_INFINITY],
  ] as const) {
    expect(thrown(() => region.read(offset, length))).toBeInstanceOf(RangeError);
    expect(thrown(() => region.write(offset, length))).toBeInstanceOf(RangeError);
    expect(thrown(() => region.range(offset, length))).toBeInstanceOf(RangeError);
  }
  expect(thrown(() => region.set(new Uint8Array(101)))).toBeInstanceOf(RangeError);
  expect(thrown(() => region.set([1] as never))).toBeInstanceOf(TypeError);
  expect(thrown(() => region.read("1" as never))).toBeInstanceOf(TypeError);
  for (const size of [-1, 1.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(thrown(() => memory.allocate(size))).toBeInstanceOf(RangeError);
  }
  expect(thrown(() => memory.allocate("1" as never))).toBeInstanceOf(TypeError);
  for (const source of [null, 1, "text", {}, [1, 2]]) {
    expect(thrown(() => memory.from(source as never))).toBeInstanceOf(TypeError);
  }
  expect(held(kernel)).toEqual(before);
});

test("a size beyond the memory is refused and leaves nothing", async () => {
  await using kernel = await Kernel.boot({ maximumBytes: 16 * 1024 * 1024 });
  kernel.task.memory.allocate(1)[Symbol.dispose]();
  const before = held(kernel);
  for (const size of [16 * 1024 * 1024, 1024 * 1024 * 1024, 0xffffe000]) {
    const error = thrown(() => kernel.task.memory.allocate(size));
    expect(error).toBeInstanceOf(MemoryError);
    expect(error.code).toBe("KERN_RESOURCE_SHORTAGE");
  }
  const { OBJECT, VME } = held(kernel);
  expect({ OBJECT, VME }).toEqual({ OBJECT: before.OBJECT, VME: before.VME });
  const region = kernel.task.memory.from(pattern(4 * 1024 * 1024));
  expect(Buffer.compare(region.bytes(), pattern(4 * 1024 * 1024))).toBe(0);
});

test("where no run is long enough a region is made of several, and can be made one later", async () => {
  await using kernel = await Kernel.boot({ maximumBytes: 8 * 1024 * 1024 });
  const { memory } = kernel.task;
  const small: Region[] = [];
  expect(thrown(() => untilRefused(() => small.push(memory.from(pattern(256 * 1024, small.length))))).code).toBe(
    "KERN_RESOURCE_SHORTAGE",
  );
  expect(small.length).toBeGreaterThan(10);
  for (let i = 0; i < small.length; i += 2) small[i]?.[Symbol.dispose]();
  const region = memory.allocate(1024 * 1024);
  region.set(pattern(1024 * 1024, 9));
  const lease = region.read();
  expect(lease.chunks.length).toBeGreaterThan(1);
  expect(thrown(() => lease.bytes).code).toBe("KERN_NOT_SUPPORTED");
  lease[Symbol.dispose]();
  expect(Buffer.compare(region.bytes(), pattern(1024 * 1024, 9))).toBe(0);
  expect(thrown(() => region.compact()).code).toBe("KERN_RESOURCE_SHORTAGE");
  expect(Buffer.compare(region.bytes(), pattern(1024 * 1024, 9))).toBe(0);
  for (let i = 1; i < small.length; i += 2) {
    expect(Buffer.compare((small[i] as Region).bytes(), pattern(256 * 1024, i))).toBe(0);
    small[i]?.[Symbol.dispose]();
  }
  region.compact();
  const whole = region.read();
  expect(Buffer.compare(whole.bytes, pattern(1024 * 1024, 9))).toBe(0);
  whole[Symbol.dispose]();
});

function untilRefused(act: () => void): void {
  for (;;) act();
}

test("a quota of memory bounds a task, and what it gives up counts no more", async () => {
  await using kernel = await Kernel.boot();
  const task = kernel.createTask({ name: "bounded", quota: { memoryBytes: 16 * PAGE } });
  for (let round = 0; round < 20; round++) {
    const region = task.memory.allocate(10 * PAGE);
    expect(thrown(() => task.memory.allocate(7 * PAGE)).code).toBe("KERN_RESOURCE_SHORTAGE");
    const second = task.memory.allocate(6 * PAGE);
    region[Symbol.dispose]();
    second[Symbol.dispose]();
  }
  for (const memoryBytes of [0, -1, 1.5, 2 ** 32]) {
    expect(thrown(() => kernel.createTask({ name: "bounded", quota: { memoryBytes } }))).toBeInstanceOf(TypeError);
  }
});

test("the bytes under a lease stay when the region goes", async () => {
  await using kernel = await Kernel.boot();
  kernel.task.memory.allocate(1)[Symbol.dispose]();
  const before = held(kernel);
  const region = kernel.task.memory.from(pattern(8 * PAGE));
  const lease = region.read();
  region[Symbol.dispose]();
  const others = Array.from({ length: 20 }, () => kernel.task.memory.from(new Uint8Array(8 * PAGE).fill(255)));
  expect(Buffer.compare(lease.bytes, pattern(8 * PAGE))).toBe(0);
  lease[Symbol.dispose]();
  for (const other of others) other[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

test("a region in pieces is read and written as chunks, or compacted", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const port = task.allocatePort();
  const right = port.makeSend();
  const region = task.memory.from(pattern(200 * PAGE));
  right.trySend({ memory: [region] });
  region.set(pattern(PAGE, 5), 100 * PAGE); // breaks the sharing there
  const expected = pattern(200 * PAGE);
  expected.set(pattern(PAGE, 5), 100 * PAGE);
  const lease = region.read();
  expect(lease.chunks.length).toBeGreaterThan(1);
  const error = thrown(() => lease.bytes);
  expect(error).toBeInstanceOf(MemoryError);
  expect(error.message).toMatch(/chunks.*compact\(\)/);
  expect(Buffer.concat(lease.chunks).equals(expected)).toBe(true);
  expect(thrown(() => region.compact()).code).toBe("KERN_RESOURCE_SHORTAGE");
  lease[Symbol.dispose]();
  expect(Buffer.compare(region.bytes(), expected)).toBe(0);
  region.set(pattern(40 * PAGE, 9), PAGE + 7);
  expected.set(pattern(40 * PAGE, 9), PAGE + 7);
  region.compact();
  const whole = region.read();
  expect(Buffer.compare(whole.bytes, expected)).toBe(0);
  whole[Symbol.dispose]();
  const message = port.receiveSync({ timeout: 1000 });
  expect(Buffer.compare((message.memory[0] as Region).bytes(), pattern(200 * PAGE))).toBe(0);
});

test("a region that was made by Mach's calls and one of this level see the same bytes", async () => {
  await using kernel = await Kernel.boot();
  const mach = traps(kernel.task);
  const region = kernel.task.memory.from(pattern(2 * PAGE));
  const bytes = new Uint8Array(100);
  expect(mach.vm_read_overwrite(mach.mach_task_self(), region.address + 50, 100, bytes, new Uint32Array(1))).toBe(0);
  expect(bytes).toEqual(pattern(2 * PAGE).subarray(50, 150));
  expect(mach.vm_write(mach.mach_task_self(), region.address + 60, Uint8Array.of(9, 9))).toBe(0);
  expect([...region.bytes(60, 2)]).toEqual([9, 9]);
  expect(mach.vm_deallocate(mach.mach_task_self(), region.address, 2 * PAGE)).toBe(0);
  expect(thrown(() => region.read()).code).toBe("KERN_INVALID_ADDRESS"); // behind the object's back
  region[Symbol.dispose]();
});

test("after the end of the task or the kernel every use says so, and nothing throws that must not", async () => {
  const kernel = await Kernel.boot();
  kernel.task.memory.allocate(1)[Symbol.dispose]();
  const before = held(kernel);
  const task = kernel.createTask({ name: "ends" });
  const region = task.memory.from(pattern(PAGE));
  const lease = region.read();
  task[Symbol.dispose]();
  expect(thrown(() => region.read()).code).toBe("KERN_INVALID_TASK");
  expect(thrown(() => task.memory.allocate(1)).code).toBe("KERN_INVALID_TASK");
  expect(Buffer.compare(lease.bytes, pattern(PAGE))).toBe(0);
  lease[Symbol.dispose]();
  region[Symbol.dispose]();
  const { OBJECT, VME } = held(kernel);
  expect({ OBJECT, VME }).toEqual({ OBJECT: before.OBJECT, VME: before.VME });
  const last = kernel.task.memory.allocate(PAGE);
  const open = last.write();
  await kernel.close();
  expect(thrown(() => last.read()).code).toBe("KERN_TERMINATED");
  expect(thrown(() => kernel.task.memory.allocate(1)).code).toBe("KERN_TERMINATED");
  open[Symbol.dispose]();
  last[Symbol.dispose]();
});
