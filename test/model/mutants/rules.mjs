// What is mutated: which statements are dropped, which change their order, and what cannot be said by a rule. Statements are told
// by their text, for that is how this code base writes them: one a line, and a name says what it does.

/** The functions that recovery is made of, beside all of core-as/recover. */
const RECOVERY = new Set([
  "imq_recover",
  "imq_settle",
  "journal_undo",
  "processor_claim",
  "processor_unclaim",
  "processor_undo",
  "processor_undo_claimed",
  "trap_enter_slow",
  "waiter_look",
  "waiter_orphan",
  "waiter_settle",
  "wait_rescan",
]);

const WAKES = /\b(waiter_wake|wake_unlocked|word_wake|wake_flush|waiter_post)\(|\bp_wake = |^word_swap\(p_bell/;
const KICKS =
  /\b(imq_recheck|imq_kick_locked|imq_drain|ipc_pset_announce|ipc_pset_pass_on|imq_flag_clear|imq_recover|imq_admit(_all)?|imq_dequeued|imq_release_slot|imq_append_chain)\(|io_dirty = 1|^word_store\(p_rescan/;
const OWNERS =
  /\.z_owner = |\bowner_(set|hold|hold_array|take)\(|^element_release\(|^(word_store|word_cas)\((element|frame_owner_at|owner_at|address)\b|^journal_set\([^;]*, (OWNER_\w+[^,]*|my_pid\(\)|owner)\);$/;
const STOPS = /\b(processor_acknowledge|processor_must_leave|p_stop_at|h_terminated_at)\(|"p_stop"|^trap_die\(/;
const LOCKS = /\b(lock_note|lock_forget|lock_open)\(|\bp_held_count\b/;
const WORK = /\b(reap_run|reap_push|reap_pop|task_resume)\(|\bp_ending = /;

/** Says nothing to anybody: neither dropped nor exchanged. */
const SILENT = /^(dawdle|kassert|debug_site|death_note|out_set)\(|^if \((isDefined|!?BARE)/;

/** Publishes, or makes final. A magazine is its processor's alone: recovery forgets it. */
const PUBLISHES =
  /\b(word_store|word_cas|word_swap|word_add|word_sub|word_or|word_and|pair_cas|owner_set|lock_open|lock_forget|lock_note|waiter_wake|wake_unlocked)\(|^journal_commit\(|\bp_(held_count|journal_count|work|drain|wake) = /;

/**
 * The class of the mutant that drops the statement, or undefined: it is not dropped.
 *
 * @param {{ file: string, name: string, text: string }} site
 */
export function dropped({ file, name, text }) {
  if (SILENT.test(text) || file.includes("kernel_check")) return undefined;
  if (/^journal_commit\(/.test(text)) return "commits";
  if (file.startsWith("recover/") || RECOVERY.has(name)) return "recovery";
  if (WAKES.test(text)) return "wakes";
  if (KICKS.test(text)) return "kicks";
  if (OWNERS.test(text)) return "owners";
  if (STOPS.test(text)) return "stops";
  if (LOCKS.test(text)) return "locks";
  if (WORK.test(text)) return "work";
  return undefined;
}

/** Whether the two statements, one after the other, are to change places. */
export function exchanged(before, after) {
  if (SILENT.test(before) || !PUBLISHES.test(after)) return false;
  if (/unlock\(|lock_release/.test(before)) return false; // who is woken later, or sees less, loses time only
  return true;
}

/** Unlocking before the commit: the one order that a rule about publishing does not name. */
export function unlocksEarly(before, after) {
  return /^journal_commit\(/.test(before) && /^(ip_unlock|ips_unlock|is_unlock|lock_release)\(/.test(after);
}

export function silent(text) {
  return SILENT.test(text);
}

/** Whether this is an `if` that leaves because of a stop word. */
export function looksAtStop(text) {
  return /^if \([^{]*(processor_must_leave|p_stop_at|"p_stop"|h_terminated_at)\(?/.test(text);
}
