// Joining a kernel from a worker that somebody else made and posted an attachment to.

import { KERN_NOT_SUPPORTED } from "../abi/codes.gen.js";
import * as platform from "#platform";
import { check, KernError } from "../errors.js";
import { Processor } from "../processor.js";
import type { KernelMemory } from "./kernel-memory.js";
import type { Task, TaskParts } from "../task.js";
import { lifeLock } from "../worker/invitation.js";
import { claimRecord } from "./life.js";
import { Views } from "../memory/views.js";

/** What another worker needs to join a kernel; structured-cloneable. */
export interface KernelAttachment extends KernelMemory {
  /** Version of the package that made this. */
  readonly "mach-ipc": string;
  readonly kernelId: string;
  /** Thread of the watcher, where threads can write to each other; 0 otherwise. */
  readonly watcher: number;
  /** A task whose bootstrap port the new one inherits. */
  readonly parent: number;
}

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
  const life = claimRecord(views);
  const lock = lifeLock(attachment.kernelId, life);
  const processor = await Processor.attach(attachment, life.pid);
  const { core } = processor;
  check("task_create", core.task_create(attachment.parent, 0, 0));
  const handle = processor.out(0);
  const serial = processor.out(1);
  check("task_attach", core.task_attach(handle));
  await platform.holdLife(attachment, { ...life, lock, task: { handle, serial } });
  return make({ name, processor, handle, disposed: () => processor.detach() });
}
