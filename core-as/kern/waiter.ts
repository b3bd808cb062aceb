// A waiter: a pending send or receive, linked on the port or set that it waits for. What has become of it is decided under
// that object's lock (w_state, w_code, w_kmsg, journalled); the wake-up comes after the commit and is a hint:
//
//   blocked thread    w_word: 0 awake -> SLEEPING -> WOKEN by whoever completed it, or LOOK by a recoverer
//   event loop        pushed on its processor's p_completed, then the doorbell
//
// Why no wake-up is lost. A sleeper announces SLEEPING by compare-and-swap and sleeps only while the word is SLEEPING; the
// waker swaps in WOKEN and notifies if it replaces SLEEPING: either the sleeper's compare-and-swap fails, or the waker sees
// it. An event loop arms its bell before it looks at p_completed, the poster pushes before it swaps the bell: one of the two
// sees the other. A waker that dies between commit and wake-up: recovery writes LOOK to all sleepers, who then look under the
// lock, and asks all event loops to scan for completed waiters of theirs (p_rescan); neither can hurt.

import { word_cas, word_load, word_swap, word_wait, word_wake } from "../sync/atomics";
import { journal_set, journal_set_hint } from "./journal";
import { lock_nap, wake_unlocked } from "./lock";
import { h_terminated_at } from "./memory_map";
import { kassert } from "./panic";
import { SLEEP_SLICE_NS } from "./param";
import {
  BELL_ARMED,
  BELL_RUNG,
  me,
  my_pid,
  now,
  p_bell_at,
  p_completed_at,
  processor_acknowledge,
  processor_stopped,
} from "./processor";
import { OWNER_LIVE, zone_alloc, ZONE_WAITER } from "./zone";

export const WAITER_RECEIVE: u32 = 0;
export const WAITER_SEND: u32 = 1;
/** Flag of w_kind: an event loop's. */
export const WAITER_ASYNC: u32 = 2;

export const WAITER_LINKED: u32 = 1;
export const WAITER_DONE: u32 = 2;

export const WORD_AWAKE: u32 = 0;
export const WORD_SLEEPING: u32 = 1;
/** Completed and committed. */
export const WORD_WOKEN: u32 = 2;
/** Somebody died: look under the lock. */
export const WORD_LOOK: u32 = 3;

@unmanaged
export class Waiter {
  z_owner: u32;
  /** Serial number of the task: its element may be another's by the time that the waiter is looked at. (z_next while it is spare.) */
  w_serial: u32;
  /** Atomic. */
  w_word: u32;
  // Guarded by the object's lock.
  _w_state: u32;
  _w_kmsg: u32;
  _w_code: u32;
  _w_link: u32;
  // Written once, before it is linked.
  w_object: u32;
  w_task: u32;
  w_kind: u32;
  w_pid: u32;
  w_cookie: u32;
  /** Receive: the size limit; send: the message's size. */
  w_size: u32;
  w_option: u32;
  /** Processor that completed it; 0 once that died. */
  w_hander: u32;
  /** Next on p_completed or p_drain. */
  w_completed: u32;

  get w_state(): u32 {
    return this._w_state;
  }
  set w_state(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<Waiter>("_w_state"), value);
  }
  get w_kmsg(): u32 {
    return this._w_kmsg;
  }
  set w_kmsg(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<Waiter>("_w_kmsg"), value);
  }
  get w_code(): u32 {
    return this._w_code;
  }
  set w_code(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<Waiter>("_w_code"), value);
  }
  /** Next waiter of the object. */
  get w_link(): u32 {
    return this._w_link;
  }
  set w_link(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<Waiter>("_w_link"), value);
  }
}
if (offsetof<Waiter>() != 64) ERROR("Waiter must stay 64 bytes");

export function waiter_at(address: usize): Waiter {
  return changetype<Waiter>(address);
}

function w_word_at(waiter: Waiter): usize {
  return changetype<usize>(waiter) + offsetof<Waiter>("w_word");
}

function w_hander_at(waiter: Waiter): usize {
  return changetype<usize>(waiter) + offsetof<Waiter>("w_hander");
}

/**
 * Makes a waiter, not yet linked.
 *
 * Conditions: in a trap; any locks held.
 * Returns:    the waiter, in this processor's hand; null when memory is exhausted.
 */
export function waiter_alloc(
  object: usize,
  task: usize,
  serial: u32,
  kind: u32,
  cookie: u32,
  size: u32,
  option: u32,
): Waiter | null {
  const address = zone_alloc(ZONE_WAITER);
  if (address == 0) return null;
  const waiter = waiter_at(address);
  waiter.w_word = WORD_AWAKE;
  waiter._w_state = 0;
  waiter._w_kmsg = 0;
  waiter._w_code = 0;
  waiter._w_link = 0;
  waiter.w_object = <u32>object;
  waiter.w_task = <u32>task;
  waiter.w_serial = serial;
  waiter.w_kind = kind;
  waiter.w_pid = my_pid();
  waiter.w_cookie = cookie;
  waiter.w_size = size;
  waiter.w_option = option;
  waiter.w_hander = 0;
  waiter.w_completed = 0;
  return waiter;
}

/** Appends to a list whose head and tail words are at `head_at` and behind it. Conditions: the object is locked. */
export function waiters_append(head_at: usize, waiter: Waiter): void {
  const address = changetype<usize>(waiter);
  const last = load<u32>(head_at, 4);
  waiter._w_link = 0; // without notes: it is in this hand up to the last line
  waiter._w_state = WAITER_LINKED;
  if (last != 0) waiter_at(last).w_link = <u32>address;
  else journal_set(head_at, <u32>address);
  journal_set(head_at + 4, <u32>address);
  journal_set_hint(address, OWNER_LIVE);
}

/** Unlinks a waiter from the list. Conditions: the object is locked and the waiter is on the list. */
export function waiters_remove(head_at: usize, waiter: Waiter): void {
  const address = <u32>changetype<usize>(waiter);
  let before: u32 = 0;
  for (let at = load<u32>(head_at); at != address; at = waiter_at(at).w_link) before = at;
  if (before != 0) waiter_at(before).w_link = waiter.w_link;
  else journal_set(head_at, waiter.w_link);
  if (load<u32>(head_at, 4) == address) journal_set(head_at + 4, before);
}

/**
 * Completes a waiter that was unlinked: outcome and, for a receive, its message.
 *
 * Conditions: the object is locked; the caller commits and then calls waiter_wake.
 */
export function waiter_complete(waiter: Waiter, code: u32, kmsg: u32): void {
  waiter.w_hander = my_pid();
  waiter.w_code = code;
  waiter.w_kmsg = kmsg;
  waiter.w_state = WAITER_DONE;
}

/** Wakes the owner of a completed waiter. Conditions: committed; any locks may still be held. */
export function waiter_wake(waiter: Waiter): void {
  if (isDefined(KERN_MODEL)) {
    word_load(w_word_at(waiter)); // a place to be late at: who waits, or buries who waits, lets the waiter be until this is done
    kassert(me().p_journal_count == 0, 0x0601);
    kassert(waiter.z_owner == OWNER_LIVE && waiter.w_state == WAITER_DONE, 0x0602);
  }
  if (waiter.w_kind & WAITER_ASYNC) {
    waiter_post(waiter);
    return;
  }
  const word_at = w_word_at(waiter);
  // [S13] After the swap the waiter may be gone; a notify on its word is then a spurious one.
  if (word_swap(word_at, WORD_WOKEN) == WORD_SLEEPING) wake_unlocked(word_at);
}

/** Puts a completed waiter on its processor's list and rings, at most once for each time the bell was armed. */
function waiter_post(waiter: Waiter): void {
  const pid = waiter.w_pid;
  const list_at = p_completed_at(pid);
  while (true) {
    const head = word_load(list_at);
    waiter.w_completed = head;
    if (word_cas(list_at, head, <u32>changetype<usize>(waiter)) == head) break; // [S14] publishes w_completed
  }
  // [S15] The push is before the swap, the loop arms before it looks: one of the two sees the other.
  if (word_swap(p_bell_at(pid), BELL_RUNG) == BELL_ARMED) wake_unlocked(p_bell_at(pid));
}

/** What ended a sleep. */
export const SLEEP_WOKEN: u32 = 0;
export const SLEEP_LOOK: u32 = 1;
export const SLEEP_TIMED_OUT: u32 = 2;
export const SLEEP_LEAVE: u32 = 3;

/**
 * Sleeps until the waiter is woken.
 *
 * Conditions: nothing locked; the processor may wait. `deadline` in ms of now(), or negative: none.
 * Returns:    SLEEP_WOKEN: completed and committed; SLEEP_LOOK: look under the lock; SLEEP_TIMED_OUT; SLEEP_LEAVE: the kernel is
 *             closed.
 */
export function waiter_sleep(waiter: Waiter, deadline: f64): u32 {
  const word_at = w_word_at(waiter);
  while (true) {
    const word = word_load(word_at);
    if (word == WORD_WOKEN) return SLEEP_WOKEN;
    if (word == WORD_LOOK) {
      word_cas(word_at, WORD_LOOK, WORD_AWAKE);
      return SLEEP_LOOK;
    }
    processor_acknowledge();
    if (word_load(h_terminated_at()) != 0) return SLEEP_LEAVE;
    let slice = SLEEP_SLICE_NS;
    if (deadline >= 0) {
      const left = deadline - now();
      if (left <= 0) return SLEEP_TIMED_OUT;
      if (left * 1000000 < <f64>slice) slice = <i64>(left * 1000000) + 1;
    }
    // [S13] Announce, then sleep only while nobody has answered.
    if (word == WORD_AWAKE && word_cas(word_at, WORD_AWAKE, WORD_SLEEPING) != WORD_AWAKE) continue;
    word_wait(word_at, WORD_SLEEPING, slice);
  }
}

/**
 * Waits, after a completion was seen under the lock, until its wake-up has been given: until then the waker still points here.
 *
 * Conditions: nothing locked. Races: a waker that died gives none; recovery clears w_hander.
 */
export function waiter_settle(waiter: Waiter): void {
  while (word_load(w_word_at(waiter)) != WORD_WOKEN && word_load(w_hander_at(waiter)) != 0) {
    // Completed by this processor itself, that got an exception before the wake-up: it gives none any more either.
    if (waiter.w_hander == my_pid() || processor_stopped(waiter.w_hander)) return;
    lock_nap(w_word_at(waiter), word_load(w_word_at(waiter)));
  }
}

/** Forgets that a dead or faulted processor completed this waiter. Races: a waiter that is another's by now keeps its own. */
export function waiter_orphan(waiter: Waiter, pid: u32): void {
  word_cas(w_hander_at(waiter), pid, 0);
}

/** Makes a sleeper look under the lock again. Races: a completion that comes at the same time wins. */
export function waiter_look(waiter: Waiter): void {
  const word_at = w_word_at(waiter);
  if (word_cas(word_at, WORD_AWAKE, WORD_LOOK) != WORD_AWAKE) word_cas(word_at, WORD_SLEEPING, WORD_LOOK);
  word_wake(word_at, 1);
}

/** Spins on the waiter's word for a while. Returns: whether it was woken. */
export function waiter_spin(waiter: Waiter): bool {
  const budget = spin_budget();
  for (let turn: u32 = 0; turn < budget; turn++) {
    if (word_load(w_word_at(waiter)) == WORD_WOKEN) {
      if (turn != 0) spin_paid();
      return true;
    }
  }
  if (budget != 0) spin_missed();
  return false;
}

/** A spin found what it waited for. */
export function spin_paid(): void {
  me().p_spin_misses >>= 1;
}

/** A spin found nothing. */
export function spin_missed(): void {
  me().p_spin_misses++;
}

/**
 * Steps worth spinning now: 50 us, if spinning paid lately; after 8 failures in a row only when the number of
 * failures is a power of two, or a multiple of 512. On one core every spin fails, and this settles at none.
 */
export function spin_budget(): u32 {
  const misses = me().p_spin_misses;
  if (misses < 8 || (misses & (misses - 1)) == 0 || (misses & 511) == 0) return me().p_spin_steps;
  me().p_spin_misses = misses + 1;
  return 0;
}
