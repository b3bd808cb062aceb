// Who lives: records are claimed by compare-and-swap, and given a new generation, so that a watcher
// who learns of a death late does not condemn the record's next owner.

import {
  BELL_ARMED,
  BELL_RUNG,
  PROCESSOR_DEAD,
  PROCESSOR_FAULTED,
  PROCESSOR_FREE,
  PROCESSOR_KERNEL,
  PROCESSOR_MAX,
  PROCESSOR_RECOVERING,
  PROCESSOR_SIZE,
  PROCESSOR_USER,
  PROCESSORS,
  Processor_p_bell,
  Processor_p_generation,
  Processor_p_state,
  Task_t_serial,
} from "../abi/layout.gen.js";
import { KERN_RESOURCE_SHORTAGE } from "../abi/codes.gen.js";
import { KernError } from "../errors.js";
import type { Core } from "../core.js";
import type { Views } from "../memory/views.js";
import type { TaskId, Watch } from "../platform/types.js";

/** A claimed record, for good: its number is used again, its generation is not. */
export interface Life {
  readonly pid: number;
  readonly generation: number;
}

/** The rest of a task handle is its address. */
export const HANDLE_ADDRESS: number = ~63;

/** Address of a processor's record. */
export function recordOf(pid: number): number {
  return PROCESSORS + pid * PROCESSOR_SIZE;
}

/**
 * Claims a record for an agent that is about to attach; of the free ones, that used least.
 *
 * @throws KernError `KERN_RESOURCE_SHORTAGE` when every record is taken
 */
export function claimRecord(views: Views): Life {
  for (;;) {
    let best = 0;
    let least = 0x100000000;
    for (let pid = 1; pid < PROCESSOR_MAX; pid++) {
      const generation = views.u32(recordOf(pid) + Processor_p_generation);
      if (generation < least && views.u32(recordOf(pid) + Processor_p_state) === PROCESSOR_FREE) {
        best = pid;
        least = generation;
      }
    }
    if (best === 0) {
      throw new KernError("processor_attach", KERN_RESOURCE_SHORTAGE, `all ${PROCESSOR_MAX - 1} processors are taken`);
    }
    const state = views.cell(recordOf(best) + Processor_p_state);
    if (Atomics.compareExchange(state, 0, PROCESSOR_FREE, PROCESSOR_USER) !== PROCESSOR_FREE) continue;
    const generation = Atomics.add(generationCell(views, best), 0, 1) + 1;
    return { pid: best, generation: generation >>> 0 };
  }
}

/**
 * Declares dead an agent whose thread is proven gone, without entering the kernel: from here on whoever waits for its locks
 * undoes what it had begun. Its burial is still to come.
 */
export function markDead(views: Views, { pid, generation }: Life): void {
  const state = views.cell(recordOf(pid) + Processor_p_state);
  const recoversItself = PROCESSOR_RECOVERING | (pid << 8) | (PROCESSOR_FAULTED << 16);
  for (const alive of [PROCESSOR_USER, PROCESSOR_KERNEL, PROCESSOR_FAULTED, recoversItself]) {
    if (Atomics.load(generationCell(views, pid), 0) >>> 0 !== generation) return;
    Atomics.compareExchange(state, 0, alive, PROCESSOR_DEAD);
  }
}

/** Ends the life of an agent that must not run any more; its thread may still. */
export function condemn(core: Core, views: Views, { pid, generation }: Life): void {
  if (Atomics.load(generationCell(views, pid), 0) >>> 0 === generation) core.processor_condemn(pid, generation);
}

/** Buries an agent whose thread is proven gone, and its task, which it may not have attached to yet. */
export function bury(core: Core, views: Views, { pid, generation, task }: Watch): void {
  if (Atomics.load(generationCell(views, pid), 0) >>> 0 !== generation) return;
  core.processor_condemn(pid, generation);
  core.processor_gone(pid, generation);
  endTask(core, views, task);
}

/** Terminates a task, if it is still the one that is meant. */
export function endTask(core: Core, views: Views, { handle, serial }: TaskId): void {
  if (views.u32((handle & HANDLE_ADDRESS) + Task_t_serial) === serial) core.task_terminate(handle);
}

/** Rings every doorbell, so that each event loop looks at what became of the kernel. */
export function ringAll(views: Views): void {
  for (let pid = 1; pid < PROCESSOR_MAX; pid++) {
    const bell = views.cell(recordOf(pid) + Processor_p_bell);
    if (Atomics.exchange(bell, 0, BELL_RUNG) === BELL_ARMED) Atomics.notify(bell, 0);
  }
}

function generationCell(views: Views, pid: number): Int32Array<SharedArrayBuffer> {
  return views.cell(recordOf(pid) + Processor_p_generation);
}
