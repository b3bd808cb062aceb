// What the tests of this folder share: workers of ./workers, their end, and the elements that live in a kernel.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import type { Kernel, SpawnedTask, SpawnOptions, Task } from "mach-ipc";
import type { Processor } from "../../dist/processor.js";
import * as layout from "../../host-ts/abi/layout.gen.js";

/** What a task is made of, which its published type does not show. */
export function inside(task: Task): { readonly processor: Processor; readonly handle: number } {
  return task as unknown as { readonly processor: Processor; readonly handle: number };
}

/** Starts a worker of ./workers with a task of its own. */
export function start(kernel: Kernel, file: string, options: Partial<SpawnOptions> = {}): SpawnedTask {
  const url = new URL(`./workers/${file}`, import.meta.url);
  return kernel.spawn(() => new Worker(url), { name: file, ...options });
}

/** What a program of ./programs prints; one that hangs is ended. */
export async function output(program: string, options: readonly string[] = []): Promise<string> {
  const path = fileURLToPath(new URL(`./programs/${program}`, import.meta.url));
  const run = promisify(execFile)(process.execPath, [...options, path], {
    timeout: 60_000,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 26, // the runtime itself complains of rejections where the stack is full
  });
  return (await run).stdout.trim();
}

/** The object that a worker reports as JSON in a message's body; rejects when the worker ends before. */
export async function reported<T>(
  kernel: Kernel,
  file: string,
  data: object,
): Promise<{ task: SpawnedTask; report: T }> {
  const port = kernel.task.allocatePort();
  const send = port.makeSend();
  const task = start(kernel, file, { data, rights: { report: send } });
  send[Symbol.dispose]();
  const gone = task.exited.then((exit) => {
    throw new Error(`${file} ended: ${exit.reason} ${String(exit.error ?? "")}`);
  });
  const message = await Promise.race([port.receive(), gone]);
  gone.catch(() => {});
  const report = JSON.parse(new TextDecoder().decode(message.body.slice())) as T;
  message[Symbol.dispose]();
  port[Symbol.dispose]();
  return { task, report };
}

const ZONES = ["PORT", "PSET", "KMSG_SMALL", "KMSG_MEDIUM", "KMSG_LARGE", "REQUEST", "LINK"] as const;

/** Live elements by zone; equal before and after what must leave nothing behind. */
export function live(kernel: Kernel): Record<string, number> {
  const { core } = inside(kernel.task).processor;
  const zones = layout as unknown as Record<string, number>;
  return Object.fromEntries(ZONES.map((zone) => [zone, core.zone_count(zones[`ZONE_${zone}`] as number)]));
}

/** The counts of live elements once they stand still: deaths are settled and replies are read. */
export async function settled(kernel: Kernel): Promise<Record<string, number>> {
  let before = "";
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const now = JSON.stringify(live(kernel));
    same = now === before ? same + 1 : 0;
    before = now;
  }
  return JSON.parse(before);
}

/** Lets the main task make the reply port that its thread keeps, so that counts before and after compare. */
export function warmUp(kernel: Kernel): void {
  const port = kernel.task.allocatePort();
  port.makeSendOnce()[Symbol.dispose]();
  port[Symbol.dispose]();
}

/** The error that a call throws. */
export function thrown(call: () => unknown): Error & { code?: string } {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    return error as Error;
  }
  throw new Error(`returned ${String(value)} instead of throwing`);
}

/** The error that a promise rejects with. */
export async function rejected(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error(`resolved with ${String(value)} instead of rejecting`);
}

/** Lets completions of other threads and this one arrive: turns of the event loop until `condition`. */
export async function until(condition: () => boolean, patienceMs = 20_000): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not so within ${patienceMs} ms: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
