// Owner locks: a word that holds the number of its owner, and behind it a word that says "dirty". The table of ranks is in
// sync/LOCKING.md. Sections are short and never call the host. Who finds a lock taken spins, then naps for LOCK_NAP_NS at a
// time (nobody rings: a section is over long before); an agent that may not sleep goes on spinning, which is bounded by the
// owner's time slice. A waiter looks at the owner's state each time: if it is dead or faulted, the waiter undoes the owner's
// transaction and releases its locks itself, which takes no lock.

import { word_cas, word_load, word_store, word_wait, word_wake } from "../sync/atomics";
import { BARE_HELD, BARE_JOURNAL } from "./bare";
import { journal_undo } from "./journal";
import { kassert } from "./panic";
import { LOCK_NAP_NS, LOCK_RANKS, LOCK_SPIN_MAX } from "./param";
import {
  dawdle,
  death_note,
  me,
  my_pid,
  P_HELD,
  p_state_at,
  processor,
  processor_acknowledge,
  processor_can_wait,
  PROCESSOR_DEAD,
  PROCESSOR_FAULTED,
  PROCESSOR_GONE,
  PROCESSOR_RECOVERING,
  processor_stopped,
} from "./processor";
import { PROCESSOR_SIZE, PROCESSORS } from "./memory_map";

/** Ranks, as in LOCKING.md. A processor holds one lock of a rank at the most, so that a rank is a place for its note. */
export const LOCK_BURIAL: u32 = 0;
export const LOCK_SPACE: u32 = 1;
export const LOCK_MAP: u32 = 2;
export const LOCK_TRANSIT: u32 = 3;
export const LOCK_PORT: u32 = 4;
export const LOCK_PSET: u32 = 5;
export const LOCK_OBJECT: u32 = 6;

/**
 * Takes the lock.
 *
 * Conditions: in a trap; rank above all locks held. May nap.
 * Races:      the lock is noted before it is taken and forgotten after it is released, and an undoer releases only words that
 *             carry the dead number, so that a note too many is harmless.
 */
export function lock_acquire(lock_at: usize, rank: u32): void {
  if (isDefined(KERN_DEBUG)) {
    for (let above = rank; above < LOCK_RANKS; above++) kassert(load<u32>(processor + P_HELD + above * 4) == 0, 0x0201);
    me().p_locks++;
  }
  lock_note(lock_at, rank);
  dawdle();
  // [S5] Pairs with the store of lock_release: all that the last owner wrote is before it.
  if (word_cas(lock_at, 0, my_pid()) != 0) lock_acquire_slow(lock_at);
  dawdle();
}

/** Takes the lock if nobody has it. Conditions: in a trap; no other of its rank held. Returns: whether it did. */
export function lock_try(lock_at: usize, rank: u32): bool {
  if (isDefined(KERN_DEBUG)) {
    const noted = load<u32>(processor + P_HELD + rank * 4);
    kassert(noted == 0 || noted == lock_at, 0x0202);
  }
  lock_note(lock_at, rank);
  if (word_cas(lock_at, 0, my_pid()) == 0) {
    if (isDefined(KERN_DEBUG)) me().p_locks++;
    return true;
  }
  lock_forget(rank);
  return false;
}

function lock_note(lock_at: usize, rank: u32): void {
  if (!BARE_HELD) store<u32>(processor + P_HELD + rank * 4, <u32>lock_at);
}

/** Whether no note is left. */
export function lock_none(): bool {
  let notes: u32 = 0;
  for (let rank: u32 = 0; rank < LOCK_RANKS; rank++) notes |= load<u32>(processor + P_HELD + rank * 4);
  return notes == 0;
}

/** Opens the lock but keeps the note of it. Conditions: held, transaction committed. See lock_forget. */
export function lock_open(lock_at: usize): void {
  if (!BARE_JOURNAL) kassert(me().p_journal_count == 0, 0x0203);
  if (isDefined(KERN_DEBUG) || isDefined(KERN_MODEL)) kassert(load<u32>(lock_at) == my_pid(), 0x0204);
  dawdle();
  word_store(lock_at, 0); // [S6] publishes what the section wrote
  dawdle();
}

/** Drops the note of a lock that was opened. */
export function lock_forget(rank: u32): void {
  if (BARE_HELD) return;
  store<u32>(processor + P_HELD + rank * 4, 0);
  if (me().p_wake != 0 && lock_none()) wake_flush();
}

/**
 * Notifies a sleeper on the word, after the last lock is released: a woken thread that takes this one's place on the core would
 * find the lock taken and nap.
 *
 * Races: the word may be another waiter's by then; that notify is a spurious one. A death before it: recovery makes all sleepers look.
 */
export function wake_unlocked(word_at: usize): void {
  if (me().p_wake != 0) wake_flush();
  me().p_wake = <u32>word_at;
  if (BARE_HELD || lock_none()) wake_flush();
}

/** Gives the notify that is owed, if any. */
export function wake_flush(): void {
  const word_at = me().p_wake;
  me().p_wake = 0;
  dawdle();
  if (word_at != 0) word_wake(word_at, 1);
}

/** Releases the lock. Conditions: held, transaction committed. */
export function lock_release(lock_at: usize, rank: u32): void {
  lock_open(lock_at);
  lock_forget(rank);
}

function lock_acquire_slow(lock_at: usize): void {
  while (true) {
    for (let turn: u32 = 0; turn < LOCK_SPIN_MAX; turn++) {
      if (word_load(lock_at) == 0 && word_cas(lock_at, 0, my_pid()) == 0) return;
    }
    const owner = word_load(lock_at);
    if (owner == 0) continue;
    kassert(owner != my_pid(), 0x0205);
    if (processor_stopped(owner)) processor_undo(owner);
    lock_nap(lock_at, owner); // not at all, if the lock is open by now
  }
}

/** Sleeps a moment while the lock is the owner's; the last look of who is condemned. */
export function lock_nap(lock_at: usize, owner: u32): void {
  processor_acknowledge();
  if (processor_can_wait()) word_wait(lock_at, owner, LOCK_NAP_NS);
}

/**
 * Undoes the open transaction of a dead or faulted processor and releases its locks. The rest of its estate is
 * processor_recover's.
 *
 * Conditions: in a trap, any locks held. Takes none. Nothing is done when somebody else is at it.
 * Races:      claimed by compare-and-swap of the state word, so that two undoers never work at once: the second could put
 *             an old value over a new owner's. A claim of a recoverer that died is taken over.
 */
export function processor_undo(pid: u32): void {
  if (!processor_claim(pid)) return;
  if (processor_claimed(pid) != PROCESSOR_FAULTED) death_note(pid);
  processor_undo_claimed(pid);
  processor_unclaim(pid);
}

/** The work of processor_undo for a caller that holds the claim. */
export function processor_undo_claimed(pid: u32): void {
  journal_undo(pid);
  const base = PROCESSORS + pid * PROCESSOR_SIZE + P_HELD;
  for (let rank: u32 = 0; rank < LOCK_RANKS; rank++) {
    const lock_at: usize = load<u32>(base + rank * 4);
    if (lock_at != 0 && word_load(lock_at) == pid) {
      store<u32>(lock_at, 1, 4); // dirty: the next owner settles what is not journalled
      word_cas(lock_at, pid, 0); // [S7]
    }
    store<u32>(base + rank * 4, 0);
  }
}

/**
 * Claims a stopped processor for recovery.
 *
 * Returns: whether the caller has the claim; otherwise somebody else is at it, or it lives.
 */
export function processor_claim(pid: u32): bool {
  const state_at = p_state_at(pid);
  const state = word_load(state_at);
  const kind = state & 0xff;
  if ((kind == PROCESSOR_DEAD || kind == PROCESSOR_GONE) && pid == my_pid()) return false; // the dead do not bury themselves
  if (kind == PROCESSOR_DEAD || kind == PROCESSOR_GONE || kind == PROCESSOR_FAULTED) {
    const claim = PROCESSOR_RECOVERING | (my_pid() << 8) | (kind << 16);
    return word_cas(state_at, state, claim) == state; // [S8]
  }
  if (kind != PROCESSOR_RECOVERING) return false;
  const recoverer = (state >>> 8) & 0xff;
  // A processor that recovers itself is alive; another recoverer may have died.
  if (recoverer == pid && pid != my_pid()) return false;
  if (recoverer != my_pid() && !processor_stopped(recoverer)) return false;
  const claim = (state & 0xffff00ff) | (my_pid() << 8);
  return word_cas(state_at, state, claim) == state; // [S8]
}

/** Gives the claim up. Races: the thread may be declared gone meanwhile; that is kept. */
export function processor_unclaim(pid: u32): void {
  const state_at = p_state_at(pid);
  const mine = PROCESSOR_RECOVERING | (my_pid() << 8);
  while (true) {
    const state = word_load(state_at);
    if ((state & 0xffff) != mine || word_cas(state_at, state, state >>> 16) == state) return; // [S8]
  }
}

/** What a claimed processor was when it was claimed, or became since. */
export function processor_claimed(pid: u32): u32 {
  return word_load(p_state_at(pid)) >>> 16;
}
