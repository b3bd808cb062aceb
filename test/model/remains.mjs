// What somebody who has left, or was buried, leaves in the kernel: nothing that carries its number.

import * as layout from "../../dist/abi/layout.gen.js";
import { recordOf } from "./memory.mjs";
import { owned } from "./hands.mjs";

/** Words of a record that say that something is left to do for it. */
const WORDS = {
  work: layout.Processor_p_work,
  completions: layout.Processor_p_completed,
  "completions that it took": layout.Processor_p_drain,
  "a special reply port": layout.Processor_p_special,
  "an open transaction": layout.Processor_p_journal_count,
};

/** Returns: a task that ran, that nobody runs any more and nobody ends; or undefined. */
export function abandoned(machine, tasks) {
  return tasks.find(({ handle, pids }) => {
    const at = handle & ~63;
    const same =
      machine.u32(at) === layout.OWNER_LIVE && ((machine.u32(at + layout.Task_t_serial) ^ handle) & 63) === 0;
    const runs = machine.u32(at + layout.Task_t_threads) !== 0;
    return same && pids.length > 0 && !runs && machine.u32(at + layout.Task_t_state) === 0;
  });
}

/** Returns: what is left, or undefined. Elements in its hand and its magazines are looked at by `misplaced`. */
export function remains(machine, pid) {
  for (const [what, offset] of Object.entries(WORDS)) {
    if (machine.u32(recordOf(pid) + offset) !== 0) return `processor ${pid} has left, and has ${what}`;
  }
  if (machine.holds(pid)) return `processor ${pid} has left, and the note of a lock`;
  for (const [owner, zone, at] of owned(machine)) {
    if (owner !== layout.OWNER_LIVE) continue;
    if (zone === layout.ZONE_WAITER && machine.u32(at + layout.Waiter_w_pid) === pid)
      return `a waiter of processor ${pid}, which has left`;
    if (zone === layout.ZONE_TASK && machine.u32(at + layout.Task_t_threads) & (1 << pid))
      return `a task still runs on processor ${pid}, which has left`;
  }
  return undefined;
}
