// Goal: regions go between threads as they go within one, and a thread that is killed with memory in its hands leaves none behind.
// Method: workers that echo, and workers that hold everything they can.

import { expect, test } from "vitest";
import { Kernel, move, type Region, type SendRight } from "mach-ipc";
import { start } from "../lib.js";
import { heldAtLast, pattern } from "./lib.js";

const PAGE = 4096;

test.each([PAGE, 100, 1_000_000, 16 * 1024 * 1024])(
  "%i bytes go to a worker and back, moved and copied",
  async (size) => {
    await using kernel = await Kernel.boot();
    start(kernel, "memory.echo.mjs");
    const right = await kernel.bootstrap.lookUp("memory.echo");
    let region = kernel.task.memory.from(pattern(size));
    for (let round = 1; round <= 6; round++) {
      const reply = right.callSync({ id: round % 3, memory: [move(region)] });
      expect(region.disposed).toBe(true);
      region = reply.memory[0] as Region;
      reply[Symbol.dispose]();
      const expected = pattern(size);
      expected[0] = (expected[0] as number) + round;
      expect(Buffer.compare(region.bytes(), expected)).toBe(0);
    }
    const reply = await right.call({ id: 1, memory: [region] });
    expect(reply.memory[0]?.bytes(0, 1)[0]).toBe((region.bytes(0, 1)[0] as number) + 1);
    reply.memory[0]?.[Symbol.dispose]();
    reply[Symbol.dispose]();
  },
);

test("a worker that is killed with regions, leases, messages and shared pages: all memory comes back", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const keep = task.memory.from(pattern(100 * PAGE));
  const one = async (): Promise<void> => {
    const port = task.allocatePort();
    using report = port.makeSend();
    const worker = start(kernel, "memory.holder.mjs", { data: { moved: 500_000 }, rights: { report } });
    const first = await port.receive();
    const [moved] = first.memory as [Region];
    const [right] = first.rights as [SendRight];
    first[Symbol.dispose]();
    right.trySend({ id: 7, memory: [keep] });
    right.trySend({ id: 8, memory: [keep.range(5, 10 * PAGE), move(task.memory.allocate(PAGE))] });
    const second = await port.receive();
    expect(second.id).toBe(2);
    second[Symbol.dispose]();
    await worker.terminate();
    expect(moved.bytes(499_999, 1)[0]).toBe(3);
    moved[Symbol.dispose]();
    right[Symbol.dispose]();
    port[Symbol.dispose]();
  };
  await one();
  const before = await heldAtLast(kernel);
  await one();
  await one();
  expect(await heldAtLast(kernel)).toEqual(before);
  expect(Buffer.compare(keep.bytes(), pattern(100 * PAGE))).toBe(0);
});

test("a worker that is killed in the midst of it all: all memory comes back, and what was copied is whole", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const keep = task.memory.from(pattern(50 * PAGE));
  const one = async (turns: number): Promise<void> => {
    const port = task.allocatePort({ qlimit: 8 });
    using back = port.makeSend();
    const worker = start(kernel, "memory.juggler.mjs", { rights: { back } });
    const failed = worker.exited.then(({ error }) => {
      if (error !== undefined) throw error;
    });
    failed.catch(() => {});
    const first = await port.receive();
    const [right] = first.rights as [SendRight];
    first[Symbol.dispose]();
    for (let turn = 0; turn < turns; turn++) {
      const own = task.memory.allocate(turn * 100);
      if (!right.trySend({ memory: [keep, keep.range(turn), move(own)] })) own[Symbol.dispose]();
      for (const message of port.tryReceiveMany(50)) {
        if (turn % 2 === 0) for (const region of message.memory) region[Symbol.dispose]();
        message[Symbol.dispose]();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await worker.terminate();
    await failed;
    right[Symbol.dispose]();
    port[Symbol.dispose]();
  };
  await one(10);
  const { OBJECT, VME } = await heldAtLast(kernel);
  for (let round = 0; round < 12; round++) await one(round * 7);
  const after = await heldAtLast(kernel);
  expect({ OBJECT: after.OBJECT, VME: after.VME }).toEqual({ OBJECT, VME });
  expect(Buffer.compare(keep.bytes(), pattern(50 * PAGE))).toBe(0);
}, 60_000);

test("a quota of memory bounds a spawned task", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  using report = port.makeSend();
  start(kernel, "memory.bounded.mjs", { rights: { report }, quota: { memoryBytes: 64 * PAGE } });
  const message = await port.receive();
  expect(Buffer.from(message.body).toString()).toBe("KERN_RESOURCE_SHORTAGE");
});
