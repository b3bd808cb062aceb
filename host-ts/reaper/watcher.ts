// The watcher: a thread that learns of every death and never enters the kernel, so that no lock of the dead can keep it from
// learning of the next. It marks the dead in their records, and whoever waits for their locks goes on; the reaper, which may be
// one of those, buries them.

import * as platform from "#platform";
import { markGone } from "../kernel/life.js";
import type { KernelMemory } from "../kernel/kernel-memory.js";
import { Views } from "../memory/views.js";
import type { Letter, PortLike } from "../platform/types.js";

/** What the watcher starts with. */
export interface WatcherLetter extends Letter {
  readonly kernelId: string;
  readonly kernel: KernelMemory;
  /** Set once this thread listens. */
  readonly watching: Int32Array;
  /** Where the reaper is told. */
  readonly deaths: PortLike;
}

async function main(): Promise<void> {
  const { kernel, deaths, watching } = (await platform.receiveLetter()) as WatcherLetter;
  const views = new Views(kernel.memory);
  platform.onWatch((watch) => {
    platform.watchLife(watch, () => {
      markGone(views, watch);
      deaths.postMessage({ ...watch, port: undefined });
    });
  });
  Atomics.store(watching, 0, 1);
}

void main();
