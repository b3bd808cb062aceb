// Joining a kernel from a worker that somebody else made and posted an attachment to.

import { KERN_NOT_SUPPORTED, KERN_TERMINATED } from "../abi/codes.gen.js";
import * as platform from "#platform";
import { check, KernError } from "../errors.js";
import { Processor } from "../processor.js";
import type { KernelMemory } from "./kernel-memory.js";
import type { Task, TaskParts } from "../task.js";
import type { WatchedLife } from "../platform/types.js";
import { lifeLock } from "../worker/invitation.js";
import { claimRecord, NO_TASK } from "./life.js";
import { Views } from "../memory/views.js";

/** What another worker needs to join a kernel; structured-cloneable. */
export interface KernelAttachment extends KernelMemory {
  /** Version of the package that made this. */
  readonly "mach-ipc": string;
  readonly kernelId: string;
  /** Thread of the watcher, where threads can write to each other; 0 otherwise. */
  readonly watcher: number;
  /** Not 0 once the watcher listens. */
  readonly watching: Int32Array;
  /** A task whose bootstrap port the new one inherits. */
  readonly parent: number;
}

/** How long the watcher may take to start, and how often this thread looks. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 2;

/** Attaches this thread and makes a task in it. */
export async function attachStranger(
  attachment: KernelAttachment,
  name: string,
  make: (parts: TaskParts) => Task,
): Promise<Task> {
  if (typeof attachment !== "object" || attachment === null || !(attachment.memory instanceof WebAssembly.Memory)) {
    throw new TypeError("attachment must be what kernel.attachment gave");
  }
  if (platform.whyNotShared !== null) throw new KernError("Kernel.attach", KERN_NOT_SUPPORTED, platform.whyNotShared);
  Processor.refuseStranger(attachment);
  const views = new Views(attachment.memory);
  const watched = await meetWatcher(attachment);
  let processor: Processor | undefined;
  /** Leaves the kernel; the record is freed as that of the dead. */
  const leave = (): void => {
    processor?.detach();
    watched.end();
  };
  try {
    const life = claimRecord(views);
    const lock = lifeLock(attachment.kernelId, life);
    // First of all: who dies in what follows is buried.
    await watched.watch({ ...life, lock, task: NO_TASK });
    processor = await Processor.attach(attachment, life.pid);
    const { core } = processor;
    check("task_create", core.task_create(attachment.parent, 0, 0, 0));
    const handle = processor.out(0);
    check("task_attach", core.task_attach(handle));
    return make({ name, processor, handle, disposed: leave });
  } catch (error) {
    leave();
    throw error;
  }
}

/**
 * Waits until deaths are noticed, and makes this thread known.
 *
 * @throws KernError `KERN_TERMINATED`: they never will be
 */
async function meetWatcher(attachment: KernelAttachment): Promise<WatchedLife> {
  const gone = "the kernel was closed, or the thread that booted it is gone";
  const until = performance.now() + PATIENCE_MS;
  while (Atomics.load(attachment.watching, 0) === 0) {
    if (performance.now() > until) throw new KernError("Kernel.attach", KERN_TERMINATED, gone);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  try {
    return await platform.meetWatcher(attachment);
  } catch (error) {
    throw new KernError("Kernel.attach", KERN_TERMINATED, gone, { cause: error });
  }
}
