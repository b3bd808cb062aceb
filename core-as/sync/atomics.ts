// The verbs over shared words; the only file with `atomic.`. All WebAssembly atomics are sequentially consistent. Each use
// is a site with a row in ORDERING.md. The read-modify-write verbs return the value before. Words that are guarded by a lock
// and yet read without it, as a hint, go through hint_load and hint_store.
//
// Another thread may grow the memory, and an engine then knows the new size in this instance only after its next interrupt
// check: plain and atomic accesses work meanwhile, bulk operations, waits and notifies trap. The verbs of the second half
// refresh the instance first (hard-parts, experiment E4).
//
// In the model build each verb announces itself, and waits and notifies are the explorer's.

import { range, sched, SCHED_LOAD, SCHED_RMW, SCHED_STORE, SCHED_WAIT, SCHED_WAKE } from "./env";

export function word_load(address: usize): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_LOAD, address, 0, 0);
  return atomic.load<u32>(address);
}

export function word_store(address: usize, value: u32): void {
  if (isDefined(KERN_MODEL)) sched(SCHED_STORE, address, 4, 0);
  atomic.store<u32>(address, value);
}

export function word_add(address: usize, value: u32): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 4, 0);
  return atomic.add<u32>(address, value);
}

export function word_sub(address: usize, value: u32): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 4, 0);
  return atomic.sub<u32>(address, value);
}

export function word_or(address: usize, value: u32): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 4, 0);
  return atomic.or<u32>(address, value);
}

export function word_and(address: usize, value: u32): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 4, 0);
  return atomic.and<u32>(address, value);
}

export function word_swap(address: usize, value: u32): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 4, 0);
  return atomic.xchg<u32>(address, value);
}

export function word_cas(address: usize, expected: u32, value: u32): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 4, 0);
  return atomic.cmpxchg<u32>(address, expected, value);
}

/** Reads a word without its lock: a hint, to be confirmed under it. */
export function hint_load(address: usize): u32 {
  if (isDefined(KERN_MODEL)) sched(SCHED_LOAD, address, 0, 0);
  return atomic.load<u32>(address);
}

/** Stores a word that others read as a hint: plain, for a word is never torn; the lock orders it for who must be sure. */
export function hint_store(address: usize, value: u32): void {
  if (isDefined(KERN_MODEL)) sched(SCHED_STORE, address, 4, 0);
  store<u32>(address, value);
}

export function pair_load(address: usize): u64 {
  if (isDefined(KERN_MODEL)) sched(SCHED_LOAD, address, 0, 0);
  return atomic.load<u64>(address);
}

export function pair_cas(address: usize, expected: u64, value: u64): u64 {
  if (isDefined(KERN_MODEL)) sched(SCHED_RMW, address, 8, 0);
  return atomic.cmpxchg<u64>(address, expected, value);
}

/** Sleeps while the word is `expected`, at most `ns` nanoseconds. Returns true when the time ran out. */
export function word_wait(address: usize, expected: u32, ns: i64): bool {
  if (isDefined(KERN_MODEL)) return sched(SCHED_WAIT, address, expected, <f64>ns) == 2;
  memory_reach(address + 4);
  return atomic.wait<i32>(address, <i32>expected, ns) == 2;
}

/** Wakes at most `count` sleepers on the word. */
export function word_wake(address: usize, count: u32): void {
  if (isDefined(KERN_MODEL)) {
    sched(SCHED_WAKE, address, count, 0);
    return;
  }
  memory_reach(address + 4);
  atomic.notify(address, <i32>count);
}

export function bytes_fill(address: usize, value: u8, bytes: usize): void {
  if (isDefined(KERN_MODEL)) range(address, 0, bytes);
  memory_reach(address + bytes);
  memory.fill(address, value, bytes);
}

/** Copies the bytes of pages and messages, which are nobody's words. */
export function bytes_copy(target: usize, source: usize, bytes: usize): void {
  if (isDefined(KERN_MODEL)) range(target, source, bytes); // what is read is no kernel's word
  memory_reach(target + bytes);
  memory_reach(source + bytes);
  memory.copy(target, source, bytes);
}

/** Makes this instance see memory up to `end`. */
export function memory_reach(end: usize): void {
  if (<u32>memory.size() <= (end - 1) >>> 16) memory.grow(0);
}
