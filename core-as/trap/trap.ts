// The door: every trap enters and leaves through here. Entering is a compare-and-swap USER -> KERNEL; leaving does
// the work that the trap caused, stores USER and looks at the stop word. A trap that finds its own state KERNEL is the proof that an exception
// left an earlier one: it recovers first.

import { memory_reach, word_cas, word_load, word_store, word_wait } from "../sync/atomics";
import { BARE_STATE } from "../kern/bare";
import { lock_none, processor_claim } from "../kern/lock";
import { LOCK_NAP_NS } from "../kern/param";
import { h_pages_at, h_panic_at, h_terminated_at } from "../kern/memory_map";
import { kassert } from "../kern/panic";
import {
  me,
  my_pid,
  p_state_at,
  p_stop_at,
  processor_can_wait,
  PROCESSOR_DEAD,
  PROCESSOR_FAULTED,
  PROCESSOR_KERNEL,
  PROCESSOR_RECOVERING,
  PROCESSOR_USER,
} from "../kern/processor";
import { KERN_SUCCESS, KERN_TERMINATED } from "../abi/kern_return";
import { processor_recover_self } from "../recover/recover";
import { reap_run } from "../ipc/ipc_reap";
import { task_resume } from "../task/task";

/**
 * Enters the kernel.
 *
 * Returns: KERN_SUCCESS; KERN_TERMINATED: the kernel is closed, and the caller has not entered.
 * Races:   a condemner stores the stop word, then tries USER -> DEAD; this tries USER -> KERNEL: one of the two fails. Who got in looks
 *          at the stop word before it waits and when it leaves.
 */
export function trap_enter(): u32 {
  trap_enter_any();
  if (word_load(h_terminated_at()) == 0) return KERN_SUCCESS;
  return trap_leave(KERN_TERMINATED);
}

/** As trap_enter, also when the kernel is closed. */
export function trap_enter_any(): void {
  if (!BARE_STATE) trap_enter_state();
  if (word_load(h_panic_at()) != 0) unreachable();
  memory_reach(word_load(h_pages_at()) << 16);
}

function trap_enter_state(): void {
  const pid = my_pid();
  // [S2] Pairs with the condemner's compare-and-swap.
  if (word_cas(p_state_at(pid), PROCESSOR_USER, PROCESSOR_KERNEL) != PROCESSOR_USER) trap_enter_slow(pid);
  if (isDefined(KERN_DEBUG)) me().p_inside = 1;
}

function trap_enter_slow(pid: u32): void {
  const state_at = p_state_at(pid);
  while (true) {
    const state = word_load(state_at);
    const kind = state & 0xff;
    if (kind == PROCESSOR_USER && word_cas(state_at, PROCESSOR_USER, PROCESSOR_KERNEL) == PROCESSOR_USER) return;
    if (kind == PROCESSOR_KERNEL) {
      word_cas(state_at, PROCESSOR_KERNEL, PROCESSOR_FAULTED);
      continue;
    }
    // RECOVERING by ourselves: an exception left the recovery too. processor_claim tells it from a recovery by another.
    const was = kind == PROCESSOR_RECOVERING ? state >>> 16 : kind;
    if (was != PROCESSOR_FAULTED) unreachable(); // condemned: not even the claim of a recoverer that died is ours
    if (processor_claim(pid)) {
      processor_recover_self();
      word_store(state_at, PROCESSOR_KERNEL);
      return;
    }
    // Another undoes our transaction now, which takes no lock.
    if (processor_can_wait()) word_wait(state_at, state, LOCK_NAP_NS);
  }
}

/** Leaves the kernel with `code`, after the work that the trap caused. Conditions: nothing locked, nothing in the journal. */
export function trap_leave(code: u32): u32 {
  if (me().p_ending != 0) task_resume();
  if (me().p_work != 0) reap_run();
  if (isDefined(KERN_DEBUG) || isDefined(KERN_MODEL)) kassert(me().p_journal_count == 0 && lock_none(), 0x3001);
  if (BARE_STATE) return code;
  const pid = my_pid();
  if (isDefined(KERN_DEBUG)) me().p_inside = 0;
  word_store(p_state_at(pid), PROCESSOR_USER); // [S2]
  if (word_load(p_stop_at(pid)) == me().p_generation) {
    word_cas(p_state_at(pid), PROCESSOR_USER, PROCESSOR_DEAD);
    unreachable();
  }
  return code;
}
