// A task's map, taken by two at once: faults, copies on write, removal, leases, and the task's end.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, certain } from "../checks.mjs";
import { charged, confine, copied, holds, lease, leaseEnd, leased, NEW, OLD, PAGE, pages } from "../pages.mjs";
import { warmMemory, word, write } from "../pages.mjs";
import { refuse } from "../violation.mjs";
import { kernelTrap, trap } from "../world.mjs";

const { KERN_INVALID_ADDRESS, KERN_INVALID_TASK, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } = codes;
const { KERN_PROTECTION_FAILURE } = codes;

/** A task that 2 and 3 act in. */
function hall(world) {
  const task = world.task(2, 3, 4);
  for (const pid of [2, 3]) warmMemory(world, task, pid);
  return task;
}

const both = (one, other, check) => ({
  actors: [
    { pid: 2, program: [one].flat() },
    { pid: 3, program: [other].flat() },
  ],
  check,
});

export const maps = {
  /** Nobody has looked at the page. */
  "fault+fault"(world) {
    const task = hall(world);
    const at = pages(world, task, { value: 0 });
    return both(write(world, task, 2, at), write(world, task, 3, at + 4), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      for (const place of [at, at + 4]) holds(end, task, place, NEW, ...(certain(end) ? [] : [0]));
    });
  },

  /** There is room for one: both may be refused, never both let through. */
  "fault+fault, room for one"(world) {
    const task = hall(world);
    const at = pages(world, task, { count: 2, value: 0 });
    confine(world, task, 1);
    return both(write(world, task, 2, at), write(world, task, 3, at + PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS, KERN_RESOURCE_SHORTAGE);
      const served = [at, at + PAGE].filter((place) => word(end, task, place) !== 0).length;
      const used = charged(end, task);
      refuse(served > 1 || used < served, `${served} have a frame, ${used} are charged`);
      refuse(certain(end) && used !== served, `${served} have a frame, ${used} are charged`);
    });
  },

  /** Two regions of one task have the frame. */
  "write to a copy+write to the original"(world) {
    const task = hall(world);
    const at = pages(world, task);
    const copy = copied(world, task, task, at);
    return both(write(world, task, 2, at), write(world, task, 3, copy + 4), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      holds(end, task, at + 4, 0);
      holds(end, task, copy, OLD);
    });
  },

  /** Two tasks have the frame. */
  "write to a copy+write in another task"(world) {
    const [task, other] = [world.task(2, 4), world.task(3, 4)];
    warmMemory(world, task, 2);
    warmMemory(world, other, 3);
    const at = pages(world, task);
    const copy = copied(world, task, other, at);
    return both(write(world, task, 2, at), write(world, other, 3, copy + 4), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      holds(end, task, at + 4, 0);
      holds(end, other, copy, OLD);
    });
  },

  /** Who writes to it has it for himself from then on, or copies. */
  "write to a copy+end of the other task"(world) {
    const [task, other] = [world.task(2, 4), world.task(4)];
    world.task(3);
    warmMemory(world, task, 2);
    const at = pages(world, task);
    copied(world, task, other, at);
    return both(write(world, task, 2, at), kernelTrap("task_terminate", other.handle), (end) => {
      answer(end, 2, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
    });
  },

  "write to a copy+deallocate"(world) {
    const task = hall(world);
    const at = pages(world, task);
    const copy = copied(world, task, task, at);
    return both(write(world, task, 2, at), trap(task, "vm_deallocate", at, PAGE), (end) => {
      answer(end, 2, 0, KERN_SUCCESS, KERN_INVALID_ADDRESS);
      answer(end, 3, 0, KERN_SUCCESS);
      holds(end, task, copy, OLD);
    });
  },

  "write to a copy+deallocate of the original"(world) {
    const task = hall(world);
    const at = pages(world, task);
    const copy = copied(world, task, task, at);
    return both(write(world, task, 2, copy), trap(task, "vm_deallocate", at, PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, copy, NEW, ...(certain(end) ? [] : [OLD]));
    });
  },

  /** Both split an entry whose object has more pages. */
  "write to a part of a copy+deallocate of another"(world) {
    const task = hall(world);
    const at = pages(world, task, { count: 3, whole: true });
    const copy = copied(world, task, task, at, 3);
    pages(world, task);
    return both(write(world, task, 2, copy), trap(task, "vm_deallocate", copy + PAGE, PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, copy, NEW, ...(certain(end) ? [] : [OLD]));
      for (const place of [at, at + PAGE, copy + 2 * PAGE]) holds(end, task, place, OLD);
    });
  },

  /** The copy is of before or after. */
  "write+copy"(world) {
    const task = hall(world);
    const at = pages(world, task);
    return both(write(world, task, 2, at), trap(task, "vm_read", at, PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      if (certain(end)) holds(end, task, at + PAGE, OLD, NEW);
    });
  },

  /** An entry of three pages is split by both. */
  "fault+deallocate of its neighbour"(world) {
    const task = hall(world);
    const at = pages(world, task, { count: 3, value: 0 });
    return both(write(world, task, 2, at), trap(task, "vm_deallocate", at + PAGE, PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [0]));
      holds(end, task, at + 2 * PAGE, 0);
    });
  },

  "protect+write"(world) {
    const task = hall(world);
    const at = pages(world, task);
    return both(write(world, task, 2, at), trap(task, "vm_protect", at, PAGE, 0, 1), (end) => {
      answer(end, 2, 0, KERN_SUCCESS, KERN_PROTECTION_FAILURE);
      answer(end, 3, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, OLD);
    });
  },

  "lease+deallocate"(world) {
    const task = hall(world);
    const at = pages(world, task);
    return both([lease(task, at, 0), leaseEnd()], trap(task, "vm_deallocate", at, PAGE), (end) => {
      answer(end, 2, 0, KERN_SUCCESS, KERN_INVALID_ADDRESS);
      answer(end, 3, 0, KERN_SUCCESS);
    });
  },

  /** The lease is the last that has the frame. */
  "lease of a copy to write+deallocate of the original"(world) {
    const task = hall(world);
    const at = pages(world, task);
    const copy = copied(world, task, task, at);
    return both(lease(task, copy, 1), trap(task, "vm_deallocate", at, PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, copy, OLD);
    });
  },

  /** What somebody may write is copied at once. */
  "end of a write lease+copy"(world) {
    const task = hall(world);
    const at = pages(world, task);
    const held = leased(world, task, 2, at, 1);
    return both(kernelTrap("vm_lease_end", held), trap(task, "vm_read", at, PAGE), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, OLD);
      if (certain(end)) holds(end, task, at + PAGE, OLD);
    });
  },

  "compact+write"(world) {
    const task = hall(world);
    const at = pages(world, task, { count: 2 });
    return both(kernelTrap("vm_compact", task.handle, at, 2 * PAGE), write(world, task, 3, at), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
      holds(end, task, at + PAGE, OLD);
    });
  },

  "compact+lease"(world) {
    const task = hall(world);
    const at = pages(world, task, { count: 2 });
    return both(kernelTrap("vm_compact", task.handle, at, 2 * PAGE), [lease(task, at, 1), leaseEnd()], (end) => {
      answer(end, 2, 0, KERN_SUCCESS, KERN_RESOURCE_SHORTAGE);
      answer(end, 3, 0, KERN_SUCCESS);
      holds(end, task, at, OLD);
    });
  },

  "task end+fault"(world) {
    const task = world.task(2, 4);
    world.task(3);
    warmMemory(world, task, 2);
    const at = pages(world, task, { value: 0 });
    return both(write(world, task, 2, at), kernelTrap("task_terminate", task.handle), (end) =>
      answer(end, 2, 0, KERN_SUCCESS, KERN_INVALID_TASK),
    );
  },

  "task end+lease"(world) {
    const task = world.task(2, 4);
    world.task(3);
    warmMemory(world, task, 2);
    const at = pages(world, task);
    return both([lease(task, at, 1), leaseEnd()], kernelTrap("task_terminate", task.handle), (end) =>
      answer(end, 2, 0, KERN_SUCCESS, KERN_INVALID_TASK),
    );
  },
};
