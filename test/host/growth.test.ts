// Goal: memory that another thread grows under load makes nothing trap, and memory that is full is an error with a name.
// Method: two pairs of callers and servers run all the time, one worker queues messages until the memory has grown.

import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { inside, reported, start } from "./lib.js";

interface Grown {
  sent: number;
  refused: string;
  wrong: number;
}

async function underLoad(kernel: Kernel, run: () => Promise<void>): Promise<number[]> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  for (const pair of [0, 1]) start(kernel, "echo.mjs", { data: { service: `echo.${pair}` } });
  const callers = [0, 1].map((pair) =>
    reported<{ calls: number; error: string }>(kernel, "caller.mjs", { service: `echo.${pair}`, stop: stop.buffer }),
  );
  for (const pair of [0, 1]) (await kernel.bootstrap.lookUp(`echo.${pair}`))[Symbol.dispose]();
  await run();
  Atomics.store(stop, 0, 1);
  const reports = (await Promise.all(callers)).map(({ report }) => report);
  expect(reports.map(({ error }) => error)).toEqual(["", ""]);
  return reports.map(({ calls }) => calls);
}

test("another thread grows the memory while calls are under way", async () => {
  await using kernel = await Kernel.boot({ maximumBytes: 128 * 1024 * 1024 });
  const { memory } = inside(kernel.task).processor.kernelMemory;
  const before = memory.buffer.byteLength;
  const calls = await underLoad(kernel, async () => {
    const { report } = await reported<Grown>(kernel, "grower.mjs", { bytes: 50_000, messages: 1000 });
    expect(report).toEqual({ sent: 1000, refused: "", wrong: 0 });
  });
  expect(memory.buffer.byteLength).toBeGreaterThan(before + 40_000_000);
  for (const count of calls) expect(count).toBeGreaterThan(100);
});

test("memory that cannot grow any more refuses by name and serves on", async () => {
  await using kernel = await Kernel.boot({ maximumBytes: 16 * 1024 * 1024 });
  const calls = await underLoad(kernel, async () => {
    for (let round = 0; round < 3; round++) {
      const { report, task } = await reported<Grown>(kernel, "grower.mjs", { bytes: 50_000, messages: 1000 });
      expect(report).toMatchObject({ refused: "MACH_SEND_NO_BUFFER", wrong: 0 });
      expect(report.sent).toBeGreaterThan(100);
      await task.terminate();
    }
  });
  for (const count of calls) expect(count).toBeGreaterThan(100);
});

test("messages read in place stay readable while the memory grows", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  right.sendSync({ id: 1, body: new Uint8Array(3000).fill(7) });
  const message = port.receiveSync({ timeout: 5000 });
  const { body } = message;
  await reported<Grown>(kernel, "grower.mjs", { bytes: 50_000, messages: 500 });
  expect(body.every((byte) => byte === 7)).toBe(true);
  expect([...message.body]).toEqual([...body]);
  message[Symbol.dispose]();
});
