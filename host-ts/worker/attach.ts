// The worker's side of spawn: take the invitation, attach to the kernel, wrap what was handed over.

import { KERN_NOT_SUPPORTED } from "../abi/codes.gen.js";
import * as platform from "#platform";
import { check, KernError } from "../errors.js";
import { Processor } from "../processor.js";
import { type Right, rightOf } from "../right.js";
import { Space } from "../space.js";
import type { Task, TaskParts } from "../task.js";
import { type Invitation, lifeLock } from "./invitation.js";

let attached: Promise<Task> | undefined;

/** Attaches this worker to the kernel of its spawner, once. */
export function attachSpawned(make: (parts: TaskParts) => Task): Promise<Task> {
  attached ??= attach(make);
  return attached;
}

async function attach(make: (parts: TaskParts) => Task): Promise<Task> {
  if (!platform.isWorker) {
    throw new KernError(
      "Task.self",
      KERN_NOT_SUPPORTED,
      "nobody can have spawned this thread; the first thread uses Kernel.boot()",
    );
  }
  const invitation = (await platform.receiveLetter()) as unknown as Invitation;
  const { kernel, kernelId, pid, generation, life } = invitation;
  const lock = lifeLock(kernelId, { pid, generation });
  const task = invitation.task;
  if (life) platform.keepOpen(life);
  else await (await platform.meetWatcher({ kernelId, watcher: 0 })).watch({ pid, generation, lock, task });
  const processor = await Processor.attach(kernel, pid);
  check("task_attach", processor.core.task_attach(task.handle));
  const rights: Record<string, Right> = {};
  const self = make({
    name: invitation.name,
    processor,
    handle: task.handle,
    rights,
    data: invitation.data,
    bounded: invitation.bounded,
    disposed: () => processor.detach(),
  });
  const space = Space.of(self);
  for (const [key, { name, disposition }] of Object.entries(invitation.rights)) {
    rights[key] = rightOf(space, disposition, name);
  }
  return self;
}
