// The undo log. Inside a transaction every store to a word that a lock guards goes through journal_set, which notes address
// and old value first. Commit is the one store that empties the log, made while all locks are still held. So whatever
// instruction a processor stops at, its transaction is undone wholly (before the commit) or done wholly (after it), and as no
// lock is released before it, the transactions of several dead never overlap and may be undone in any order.
//
// Plain stores of a dead agent can be read by its undoer: engines stop WebAssembly at calls and loop heads, where program
// order has been performed, and the state word that told of the death orders them (LOCKING.md).

import { BARE_JOURNAL } from "./bare";
import { kassert } from "./panic";
import { JOURNAL_MAX } from "./param";
import { dawdle, me, P_JOURNAL, processor, processor_at } from "./processor";
import { PROCESSOR_SIZE, PROCESSORS } from "./memory_map";

/**
 * Stores `value` at `address`, undone unless the transaction commits.
 *
 * Conditions: the lock that guards the word is held.
 */
export function journal_set(address: usize, value: u32): void {
  if (BARE_JOURNAL) {
    store<u32>(address, value);
    return;
  }
  const count = me().p_journal_count;
  kassert(count < JOURNAL_MAX, 0x0101);
  const entry = processor + P_JOURNAL + count * 8;
  store<u32>(entry, <u32>address);
  store<u32>(entry, load<u32>(address), 4);
  me().p_journal_count = count + 1;
  dawdle();
  store<u32>(address, value);
}

/**
 * As four journal_set, for transactions on the path of a message: one call and one store of the count.
 *
 * Conditions: the locks that guard the words are held.
 */
export function journal_set_four(
  a: usize,
  a_value: u32,
  b: usize,
  b_value: u32,
  c: usize,
  c_value: u32,
  d: usize,
  d_value: u32,
): void {
  if (!BARE_JOURNAL) {
    const count = me().p_journal_count;
    kassert(count + 3 < JOURNAL_MAX, 0x0102);
    const entry = processor + P_JOURNAL + count * 8;
    store<u32>(entry, <u32>a);
    store<u32>(entry, load<u32>(a), 4);
    store<u32>(entry, <u32>b, 8);
    store<u32>(entry, load<u32>(b), 12);
    store<u32>(entry, <u32>c, 16);
    store<u32>(entry, load<u32>(c), 20);
    store<u32>(entry, <u32>d, 24);
    store<u32>(entry, load<u32>(d), 28);
    me().p_journal_count = count + 4; // all four are noted before the first is changed
    dawdle();
  }
  store<u32>(a, a_value);
  store<u32>(b, b_value);
  store<u32>(c, c_value);
  store<u32>(d, d_value);
}

/**
 * Makes everything since the last commit final.
 *
 * Conditions: all locks of the transaction are still held.
 */
export function journal_commit(): void {
  dawdle();
  if (!BARE_JOURNAL) me().p_journal_count = 0;
}

/**
 * Takes everything since the last commit back: a refusal that was found late.
 *
 * Conditions: all locks of the transaction are still held.
 */
export function journal_abort(): void {
  journal_undo(me().p_pid);
}

/**
 * Puts the old values of a processor's open transaction back, newest first.
 *
 * Conditions: `pid` is the caller, or is stopped and claimed by the caller.
 * Races:      none: the words are guarded by locks that `pid` still holds. Values are absolute, so that a second undoer
 *             that takes over from a dead one may start again.
 */
export function journal_undo(pid: u32): void {
  const dead = processor_at(pid);
  const base = PROCESSORS + pid * PROCESSOR_SIZE + P_JOURNAL;
  for (let count = dead.p_journal_count; count > 0; ) {
    count--;
    const entry = base + count * 8;
    store<u32>(load<u32>(entry), load<u32>(entry, 4));
    dead.p_journal_count = count;
  }
}
