// Who lives: records are claimed by compare-and-swap, and given a new generation, so that a watcher
// who learns of a death late does not condemn the record's next owner.

import {
  BELL_ARMED,
  BELL_RUNG,
  PROCESSOR_FREE,
  PROCESSOR_GONE,
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
    // State and generation in one exchange: a late report of the last life's death can then never hit the new one.
    const record = recordPair(views, best);
    const free = pair(PROCESSOR_FREE, least);
    const life = { pid: best, generation: (least + 1) >>> 0 };
    if (Atomics.compareExchange(record, 0, free, pair(PROCESSOR_USER, life.generation)) === free) return life;
  }
}

/** State and generation of a record, for `Atomics`. */
function recordPair(views: Views, pid: number): BigInt64Array<SharedArrayBuffer> {
  return new BigInt64Array(views.octets.buffer, recordOf(pid) + Processor_p_state, 1);
}

/** The two words as one: the generation follows the state. */
function pair(state: number, generation: number): bigint {
  return BigInt.asIntN(64, (BigInt(generation) << 32n) | BigInt(state));
}

/**
 * Declares an agent dead whose thread is proven gone, without entering the kernel: from here on whoever waits for its locks
 * undoes what it had begun. Its burial is still to come. As the core's processor_mark_gone.
 */
export function markGone(views: Views, { pid, generation }: Life): void {
  const record = recordPair(views, pid);
  for (;;) {
    const before = Atomics.load(record, 0);
    const state = Number(before & 0xffffffffn);
    const kind = state & 0xff;
    if (Number((before >> 32n) & 0xffffffffn) !== generation || kind === PROCESSOR_FREE) return;
    const recovered = kind === PROCESSOR_RECOVERING && ((state >>> 8) & 0xff) !== pid;
    const next = recovered ? (state & 0xffff) | (PROCESSOR_GONE << 16) : PROCESSOR_GONE;
    if (Atomics.compareExchange(record, 0, before, pair(next, generation)) === before) return;
  }
}

/** Ends the life of an agent that must not run any more; its thread may still. */
export function condemn(core: Core, views: Views, { pid, generation }: Life): void {
  if (Atomics.load(generationCell(views, pid), 0) >>> 0 === generation) core.processor_condemn(pid, generation);
}

/** Buries an agent whose thread is proven gone, and its task, which it may not have attached to yet. */
export function bury(core: Core, views: Views, { pid, generation, task }: Watch): void {
  if (Atomics.load(generationCell(views, pid), 0) >>> 0 !== generation) return;
  core.processor_gone(pid, generation);
  endTask(core, views, task);
}

/** No task: who attaches is watched before it has one, which then ends with its last thread. */
export const NO_TASK: TaskId = { handle: 0, serial: 0 };

/** Terminates a task, if it is still the one that is meant. */
export function endTask(core: Core, views: Views, { handle, serial }: TaskId): void {
  if (handle !== 0 && views.u32((handle & HANDLE_ADDRESS) + Task_t_serial) === serial) core.task_terminate(handle);
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
