// A processor: one JavaScript agent attached to the kernel. Its record holds all that the kernel knows of it: state word,
// undo log, locks held, magazines, work list, results, doorbell. Only its own agent writes the plain fields, or, once it is
// DEAD, GONE or FAULTED, the one processor that recovers it (recover.ts).
//
// States of p_state:
//   FREE -> USER               claimed by a host that attaches (compare-and-swap in JavaScript)
//   USER -> KERNEL -> USER     a trap
//   KERNEL -> FAULTED          an exception left a trap; whoever needs it first recovers it, back to USER
//   USER, KERNEL -> DEAD       condemned in USER, or acknowledged: it runs no kernel code any more
//   any but FREE -> GONE       its thread is proven gone
//   FAULTED, DEAD, GONE -> RECOVERING -> USER, DEAD or FREE

import { hint_load, hint_store, word_cas, word_load, word_store, word_wait } from "../sync/atomics";
import { BATCH_WORDS, JOURNAL_MAX, LOCK_RANKS } from "./param";
import { now, processor } from "./env";
import { PROCESSOR_SIZE, PROCESSORS } from "./memory_map";

export const PROCESSOR_FREE: u32 = 0;
export const PROCESSOR_USER: u32 = 1;
export const PROCESSOR_KERNEL: u32 = 2;
export const PROCESSOR_FAULTED: u32 = 3;
export const PROCESSOR_DEAD: u32 = 4;
/** The low byte; the recoverer's number is in the next, and in the third the state that led here. */
export const PROCESSOR_RECOVERING: u32 = 5;
/** Dead, and its thread is gone: nobody reads its memory any more. */
export const PROCESSOR_GONE: u32 = 6;

/** Flag of processor_attach: this agent may sleep in a wait. */
export const PROCESSOR_CAN_WAIT: u32 = 1;

export const BELL_IDLE: u32 = 0;
export const BELL_ARMED: u32 = 1;
export const BELL_RUNG: u32 = 2;

export const ZONE_MAX: u32 = 12;
export const OUT_WORDS: u32 = 16;

@unmanaged
export class Processor {
  /** Atomic, also as a pair with the next word. */
  p_state: u32;
  /** Times that this record was claimed: a report of a death says which life it means. Atomic. */
  p_generation: u32;
  p_flags: u32;
  /** Number of this record. */
  p_pid: u32;
  /** Entries of the undo log that are in force. */
  p_journal_count: u32;
  /** Space of the task that this trap acts on; below are the serial numbers of that task and of the caller: see trap/target.ts. */
  p_target: u32;
  /** First element of the work list, a stack linked by z_next. Journalled. */
  p_work: u32;
  /** Spin steps of 50 us, measured at attach by the host. */
  p_spin_steps: u32;
  /** Spins in a row that found nothing. */
  p_spin_misses: u32;
  /** Locks taken since attach. Debug builds. */
  p_locks: u32;
  /** Debug site at which this processor stops. Debug builds. Atomic. */
  p_debug_stop: u32;
  /** The debug site at which it has stopped. Debug builds. Atomic. */
  p_debug_at: u32;
  /** The generation that is condemned: its next look at it is the last. Another life of the record is not meant. Atomic. */
  p_stop: u32;
  /** Word whose sleeper is to be notified once the last lock is released, or 0. */
  p_wake: u32;
  /** 1: a task's end waits for memory (task_resume). */
  p_ending: u32;
  /** Steps burned at each place where a death is to be met. Debug builds; a test writes it. */
  p_dawdle: u32;

  /** Stack of completed waiters. Atomic. On a line of its own: others write it. */
  p_completed: u32;
  /** Doorbell. Atomic. */
  p_bell: u32;
  /** 1: a processor died that may have completed waiters of ours without posting them. Atomic. */
  p_rescan: u32;
  /** The explorer's. */
  _pad4: u32;
  /** First undelivered waiter of the batch that was taken from p_completed. */
  p_drain: u32;
  /** 1 inside a trap. Debug builds: what is left of the state word once somebody has declared the processor dead. */
  p_inside: u32;
  /** How its burial found it: state, 0x100 if it dawdled, 0x200 in a trap, locks << 16, undo entries << 24. Debug builds; a test takes it. */
  p_died: u32;
  p_target_serial: u32;
  p_caller_serial: u32;
  /** The special reply port of its thread, or 0. Read by others without a lock. */
  p_special: u32;
  _pad10: u32;
  _pad11: u32;
  _pad12: u32;
  _pad13: u32;
  _pad14: u32;
  _pad15: u32;

  // Results of a trap (OUT_WORDS), then locks held, magazines, undo log, batch: arrays behind the struct.
}
if (offsetof<Processor>() != 128) ERROR("the arrays start at 128");

export const P_OUT: usize = 128;
export const P_HELD: usize = P_OUT + OUT_WORDS * 4;
/** Two words a zone: head and count. */
export const P_MAGAZINES: usize = P_HELD + 8 * 4;
/** Two words an entry: address and old value. */
export const P_JOURNAL: usize = P_MAGAZINES + 16 * 8;
export const P_BATCH: usize = 4096;
if (LOCK_RANKS > 8 || ZONE_MAX > 16) ERROR("an array outgrew its place");
if (P_JOURNAL + JOURNAL_MAX * 8 > P_BATCH) ERROR("the undo log reaches into the batch");
if (P_BATCH + BATCH_WORDS * 4 > PROCESSOR_SIZE) ERROR("the batch reaches into the next record");

export function me(): Processor {
  return changetype<Processor>(processor);
}

export function my_pid(): u32 {
  return me().p_pid;
}

export function processor_at(pid: u32): Processor {
  return changetype<Processor>(PROCESSORS + pid * PROCESSOR_SIZE);
}

function p_special_at(pid: u32): usize {
  return PROCESSORS + pid * PROCESSOR_SIZE + offsetof<Processor>("p_special");
}

/** Whether the port is the special reply port of the processor's thread. Conditions: the port says that it was. */
export function processor_special(pid: u32, port: usize): bool {
  return hint_load(p_special_at(pid)) == port;
}

/** Gives the thread another special reply port, or (0) none. Conditions: the processor's own, or it is being buried. */
export function processor_special_set(pid: u32, port: u32): void {
  hint_store(p_special_at(pid), port);
}

export function p_state_at(pid: u32): usize {
  return PROCESSORS + pid * PROCESSOR_SIZE + offsetof<Processor>("p_state");
}

export function p_stop_at(pid: u32): usize {
  return PROCESSORS + pid * PROCESSOR_SIZE + offsetof<Processor>("p_stop");
}

export function p_completed_at(pid: u32): usize {
  return PROCESSORS + pid * PROCESSOR_SIZE + offsetof<Processor>("p_completed");
}

export function p_bell_at(pid: u32): usize {
  return PROCESSORS + pid * PROCESSOR_SIZE + offsetof<Processor>("p_bell");
}

export function p_rescan_at(pid: u32): usize {
  return PROCESSORS + pid * PROCESSOR_SIZE + offsetof<Processor>("p_rescan");
}

/**
 * Whether the agent runs no kernel code: it never will again, or left a trap by an exception and has not come back. Who recovers
 * itself runs kernel code; it looks at every port and waiter before it is done.
 */
export function processor_stopped(pid: u32): bool {
  const state = word_load(p_state_at(pid));
  return (state & 0xff) >= PROCESSOR_FAULTED && (state & 0xffff) != (PROCESSOR_RECOVERING | (pid << 8));
}

export function processor_can_wait(): bool {
  return (me().p_flags & PROCESSOR_CAN_WAIT) != 0;
}

/**
 * Ends this agent's life in the kernel when it was condemned: what it held is undone by whoever recovers it.
 *
 * Conditions: in a trap, anything held. Does not return when condemned.
 */
export function processor_acknowledge(): void {
  if (word_load(processor + offsetof<Processor>("p_stop")) != me().p_generation) return;
  // [S3] Publishes that no store of this agent follows.
  const state_at = processor + offsetof<Processor>("p_state");
  word_cas(state_at, PROCESSOR_KERNEL, PROCESSOR_DEAD);
  // In its own recovery: others need not wait for the end of its thread to undo what it left.
  word_cas(state_at, PROCESSOR_RECOVERING | (my_pid() << 8) | (PROCESSOR_FAULTED << 16), PROCESSOR_DEAD);
  unreachable();
}

export function out_set(index: u32, value: u32): void {
  store<u32>(processor + P_OUT + index * 4, value);
}

export function out_get(index: u32): u32 {
  return load<u32>(processor + P_OUT + index * 4);
}

export function batch_set(index: u32, value: u32): void {
  store<u32>(processor + P_BATCH + index * 4, value);
}

export function batch_get(index: u32): u32 {
  return load<u32>(processor + P_BATCH + index * 4);
}

export const DEBUG_SITE_COPYIN_END: u32 = 1;
export const DEBUG_SITE_BEFORE_PUSH: u32 = 2;
export const DEBUG_SITE_AFTER_PUSH: u32 = 3;
export const DEBUG_SITE_HAND_OVER: u32 = 4;
const DEBUG_SITE_DAWDLE: u32 = 255;

/** In debug builds: burns the steps that a test asked for. The head of its loop is where an engine stops a terminated thread. */
export function dawdle(): void {
  if (isDefined(KERN_DEBUG)) {
    if (me().p_dawdle == 0) return;
    me().p_debug_at = DEBUG_SITE_DAWDLE;
    for (let step = me().p_dawdle; step > 0; step--) word_load(processor + offsetof<Processor>("p_stop"));
    me().p_debug_at = 0;
  }
}

/** In debug builds: notes in what state a processor died. Conditions: its thread is gone, nobody has settled anything yet. */
export function death_note(pid: u32): void {
  if (isDefined(KERN_DEBUG)) {
    const dead = processor_at(pid);
    if (dead.p_died != 0) return;
    let locks: u32 = 0;
    for (let rank: u32 = 0; rank < LOCK_RANKS; rank++) {
      const lock_at: usize = load<u32>(changetype<usize>(dead) + P_HELD + rank * 4);
      if (lock_at != 0 && word_load(lock_at) == pid) locks++;
    }
    const dawdled: u32 = dead.p_debug_at == DEBUG_SITE_DAWDLE ? 0x100 : 0;
    const state = (word_load(p_state_at(pid)) & 0xff) | dawdled | (dead.p_inside << 9);
    dead.p_died = state | (locks << 16) | (min(dead.p_journal_count, 255) << 24);
  }
}

/** In debug builds: stops here when a test asked this processor to, until condemned or let go. */
export function debug_site(site: u32): void {
  if (isDefined(KERN_DEBUG)) {
    dawdle();
    const stop_at = processor + offsetof<Processor>("p_debug_stop");
    if (word_load(stop_at) != site) return;
    word_store(processor + offsetof<Processor>("p_debug_at"), site);
    while (word_load(stop_at) == site) {
      processor_acknowledge();
      word_wait(stop_at, site, 1000000);
    }
    word_store(processor + offsetof<Processor>("p_debug_at"), 0);
  }
}

export { now, processor };
