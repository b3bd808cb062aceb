// Goal: a thread that joins a kernel is noticed from its first instruction in it, and leaves nothing behind when it fails, or leaves.
// Method: workers that die while they attach, that fail to, and that leave again; the records of the kernel are counted.

import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { output, until } from "./lib.js";

function worker(): Worker {
  return new Worker(new URL("./workers/attaching.mjs", import.meta.url));
}

function next(from: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    from.once("message", resolve);
    from.once("error", reject);
  });
}

const records = (kernel: Kernel): number => kernel.dump().processors.length;

/** What `times` attachments of one worker come to. */
async function attached(kernel: Kernel, attachment: object, times: number): Promise<unknown> {
  const thread = worker();
  await next(thread); // loaded
  thread.postMessage({ attachment, times });
  await next(thread); // begun
  const results = await next(thread);
  await until(() => records(kernel) === 2); // this thread and the reaper, while the worker lives on
  await thread.terminate();
  return results;
}

test("workers that die while they attach are buried", async () => {
  await using kernel = await Kernel.boot();
  const { attachment } = kernel;
  for (let round = 0; round < 24; round++) {
    const thread = worker();
    await next(thread);
    thread.postMessage({ attachment, times: 1 });
    await next(thread);
    const end = performance.now() + (round % 12) * 0.7;
    while (performance.now() < end);
    await thread.terminate();
  }
  await until(() => records(kernel) === 2);
}, 90_000);

test("an attachment that fails gives its record back", async () => {
  await using kernel = await Kernel.boot();
  const { attachment } = kernel;
  const orphan = { ...attachment, parent: attachment.parent + 64 };
  expect(await attached(kernel, orphan, 5)).toEqual(["KERN_INVALID_TASK"]);
}, 60_000);

test("a thread that leaves and lives on gives its record back", async () => {
  await using kernel = await Kernel.boot();
  expect(await attached(kernel, kernel.attachment, 5)).toEqual(["attached"]);
}, 60_000);

test("a kernel that was closed is joined by nobody", async () => {
  const kernel = await Kernel.boot();
  const { attachment } = kernel;
  await kernel.bootstrap.list();
  await kernel.close();
  const thread = worker();
  await next(thread);
  thread.postMessage({ attachment, times: 1 });
  await next(thread);
  expect(await next(thread)).toEqual(["KERN_TERMINATED"]);
  await thread.terminate();
}, 60_000);

test("a thread joins a kernel though the main thread is blocked", async () => {
  expect(await output("attach-blocked.mjs")).toBe("heard");
}, 90_000);
