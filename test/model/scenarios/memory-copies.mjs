// Memory that is in two places: copied inside a task, mapped once more, inherited.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, certain } from "../checks.mjs";
import { copied, holds, NEW, OLD, PAGE, pages, warmMemory, word, write } from "../pages.mjs";
import { refuse } from "../violation.mjs";
import { kernelTrap, trap } from "../world.mjs";
import { endChildren } from "./targets.mjs";

const { KERN_INVALID_ADDRESS, KERN_INVALID_TASK, KERN_SUCCESS, MACH_SEND_INVALID_DEST } = codes;

/** A task that 2 and 3 act in, with a page of bytes. */
function hall(world) {
  const task = world.task(2, 3, 4);
  for (const pid of [2, 3]) warmMemory(world, task, pid);
  return { task, at: pages(world, task) };
}

const both = (one, other, check, more) => ({
  actors: [
    { pid: 2, program: [one] },
    { pid: 3, program: [other] },
  ],
  check,
  ...more,
});

/** Maps a page of the task `source` names once more in its own: the next free page. */
const remap = (task, source, at, copy) =>
  trap(task, "vm_remap", 0, PAGE, 0, codes.VM_FLAGS_ANYWHERE, source, at, copy, codes.VM_INHERIT_COPY);

export const copies = {
  "vm_copy+write of its source"(world) {
    const { task, at } = hall(world);
    const into = pages(world, task);
    return both(trap(task, "vm_copy", at, PAGE, into), write(world, task, 3, at), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      holds(end, task, into, OLD, NEW);
    });
  },

  /** What it writes to is a copy itself. */
  "vm_copy+deallocate of its destination"(world) {
    const { task, at } = hall(world);
    const other = pages(world, task, { value: NEW });
    const into = copied(world, task, task, other);
    return both(trap(task, "vm_copy", at, PAGE, into), trap(task, "vm_deallocate", into, PAGE), (end) => {
      answer(end, 2, 0, KERN_SUCCESS, KERN_INVALID_ADDRESS);
      answer(end, 3, 0, KERN_SUCCESS);
      holds(end, task, at, OLD);
      holds(end, task, other, NEW);
    });
  },

  "remap of shared memory+write"(world) {
    const { task, at } = hall(world);
    return both(remap(task, task.self, at, 0), write(world, task, 3, at), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      if (certain(end)) holds(end, task, at + PAGE, NEW);
    });
  },

  "remap of a copy+write"(world) {
    const { task, at } = hall(world);
    return both(remap(task, task.self, at, 1), write(world, task, 3, at), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      if (certain(end)) holds(end, task, at + PAGE, OLD, NEW);
    });
  },

  "remap+end of the source"(world) {
    const task = world.task(2, 4);
    const source = world.task(4);
    world.task(3);
    warmMemory(world, task, 2);
    const at = pages(world, source);
    const name = world.right({ task: source, name: source.self }, task, codes.MACH_MSG_TYPE_COPY_SEND);
    return both(remap(task, name, at, 0), kernelTrap("task_terminate", source.handle), (end) => {
      answer(end, 2, 0, KERN_SUCCESS, KERN_INVALID_TASK, MACH_SEND_INVALID_DEST);
      const mapped = end.result(2) === KERN_SUCCESS && certain(end);
      refuse(mapped && word(end, task, PAGE) !== OLD, "what was mapped is not there");
    });
  },

  "child that inherits+write"(world) {
    const { task, at } = hall(world);
    const inherits = kernelTrap("task_create_child", task.handle, task.self, 1);
    const check = (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
    };
    return both(inherits, write(world, task, 3, at), check, { rest: endChildren });
  },

  "child that inherits+deallocate"(world) {
    const { task, at } = hall(world);
    const inherits = kernelTrap("task_create_child", task.handle, task.self, 1);
    const check = (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
    };
    return both(inherits, trap(task, "vm_deallocate", at, PAGE), check, { rest: endChildren });
  },
};
