// Goal: an exception in the middle of a trap harms nobody. Method: a thread's stack ends inside the kernel's send, a thousand
// times, while another thread and this one use the same space; all three go on, and nothing is left locked. Then programs of their
// own, whose stack ends inside calls and waits.

import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import * as layout from "../../host-ts/abi/layout.gen.js";
import { inside, output } from "./lib.js";

const OVERFLOWS = 1000;

function join(kernel: Kernel, file: string, handle: number, more: object): { worker: Worker; failed: Promise<never> } {
  const worker = new Worker(new URL(`./workers/${file}`, import.meta.url), {
    resourceLimits: { stackSizeMb: 1 }, // its end is reached in less time
    workerData: { attachment: kernel.attachment, handle, ...more },
  });
  const failed = new Promise<never>((_, reject) => {
    worker.once("error", reject);
  });
  failed.catch(() => {});
  return { worker, failed };
}

async function report<T>(kernel: Kernel, name: string): Promise<() => Promise<T>> {
  const port = await kernel.bootstrap.checkIn(name);
  return async () => {
    const message = await port.receive();
    const value = JSON.parse(new TextDecoder().decode(message.body.slice())) as T;
    message[Symbol.dispose]();
    port[Symbol.dispose]();
    return value;
  };
}

test("a thousand stack overflows inside send stop nobody who uses the same space", async () => {
  await using kernel = await Kernel.boot();
  const shared = kernel.createTask({ name: "shared" });
  const stop = new Int32Array(new SharedArrayBuffer(8));
  const overflowed = await report<{ inside: number; inKernel: number; outside: number; others: string[] }>(
    kernel,
    "overflow.report",
  );
  const used = await report<{ rounds: number; longestMs: number; error: string }>(kernel, "user.report");

  const user = join(kernel, "space-user.mjs", inside(shared).handle, { stop: stop.buffer });
  const victim = join(kernel, "overflow.mjs", inside(shared).handle, {
    overflows: OVERFLOWS,
    stateAt: layout.PROCESSORS + layout.Processor_p_state,
    recordBytes: layout.PROCESSOR_SIZE,
    faulted: layout.PROCESSOR_FAULTED,
  });
  const result = await Promise.race([overflowed(), user.failed, victim.failed]);
  Atomics.store(stop, 0, 1);
  const bystander = await Promise.race([used(), user.failed]);

  expect(result.others).toEqual([]);
  expect(result.inKernel).toBe(OVERFLOWS);
  expect(bystander.error).toBe("");
  expect(bystander.rounds).toBeGreaterThan(100);
  expect(bystander.longestMs).toBeLessThan(10_000);

  // This thread, in the same space.
  const port = shared.allocatePort();
  const right = port.makeSend();
  right.sendSync({ id: 9 });
  const message = port.receiveSync({ timeout: 5000 });
  expect(message.id).toBe(9);
  message[Symbol.dispose]();
  await Promise.all([user.worker.terminate(), victim.worker.terminate()]);
}, 120_000);

test("after stack overflows in blocking calls every later call gets its own answer", async () => {
  expect(await output("overflow-call.mjs")).toBe("0 wrong");
}, 90_000);

test("a stack overflow in a thread's first asynchronous wait leaves its event loop able to hear", async () => {
  expect(await output("overflow-wait.mjs")).toBe("receive ok, call ok, call of another task ok");
}, 90_000);
