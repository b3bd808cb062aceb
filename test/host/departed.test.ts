// Goal: a thread that has left a kernel writes nothing into its memory. Method: a worker that sends on after it disposed its task, and
// then looks for what it sent.

import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";

test("after its task was disposed a worker is told so by every call, and writes nothing", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const worker = new Worker(new URL("./workers/departed.mjs", import.meta.url));
  const told = new Promise((resolve) => {
    worker.on("message", (message) => {
      if (typeof message === "object" && "level1" in message) resolve(message);
    });
  });
  const task = kernel.spawn(() => worker, { name: "departed", rights: { to: port.makeSend() } });
  const ended = task.exited.then((exit) => exit.error ?? "no word");
  expect(await Promise.race([told, ended])).toEqual({
    level1: 37,
    batch: 37,
    trySend: "KERN_TERMINATED",
    call: "KERN_TERMINATED",
    written: false,
  });
});
