// A kernel per test, with tasks of its own.

import { readFile } from "node:fs/promises";
import { Kernel } from "mach-ipc";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { inside, Space } from "./space.js";

export interface Machine extends AsyncDisposable {
  readonly kernel: Kernel;
  /** A new task with an empty space. */
  task(name?: string): Space;
  /** One that may have so many pages of memory. */
  bounded(pages: number): Space;
  /** Delivers the completions that are due. */
  deliver(): void;
  /** Live elements of every zone that a leak would show in. */
  census(): Record<string, number>;
}

export const ZONES = {
  ports: layout.ZONE_PORT,
  sets: layout.ZONE_PSET,
  smallKmsgs: layout.ZONE_KMSG_SMALL,
  mediumKmsgs: layout.ZONE_KMSG_MEDIUM,
  largeKmsgs: layout.ZONE_KMSG_LARGE,
  tasks: layout.ZONE_TASK,
  waiters: layout.ZONE_WAITER,
  requests: layout.ZONE_REQUEST,
  links: layout.ZONE_LINK,
  objects: layout.ZONE_OBJECT,
  vmes: layout.ZONE_VME,
} as const;

export async function boot(): Promise<Machine> {
  const kernel = await Kernel.boot();
  const { processor } = inside(kernel.task);
  let count = 0;
  return {
    kernel,
    task: (name = `task ${++count}`) => new Space(kernel.createTask({ name })),
    bounded: (pages) => {
      const quota = { memoryBytes: pages * 4096 };
      return new Space(kernel.createTask({ name: `bounded ${++count}`, quota }));
    },
    deliver: () => processor.drain(),
    census: () =>
      Object.fromEntries(Object.entries(ZONES).map(([name, zone]) => [name, processor.core.zone_count(zone)])),
    [Symbol.asyncDispose]: () => kernel.close(),
  };
}

/** A kernel with debug checks: `check` looks at every invariant and gives 0 or the site of the first that is broken. */
export async function bootDebug(): Promise<{ kernel: Kernel; check: () => number }> {
  const wasm = await readFile(new URL("../../build/kernel.debug.wasm", import.meta.url));
  const kernel = await Kernel.boot({ module: await WebAssembly.compile(wasm) });
  const { core } = inside(kernel.task).processor;
  return { kernel, check: () => core.kernel_check() };
}
