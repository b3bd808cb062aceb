// Death. Condemn: the processor never enters the kernel again. Bury: once it can run no kernel code, its open transaction is undone,
// its locks released, and what carries its number as owner is settled. Nothing is noted for this on the path of a message: recovery
// reads all owners instead, which costs microseconds per thousand elements, once a death (ADR 3).
//
// Every step is idempotent, and the claim on the dead processor passes on if its recoverer dies too.

import { settle_waiters } from "./recover_waiters";
import { io_lock_at } from "../ipc/ipc_object";
import {
  frame_owner_at,
  FRAME_HAND,
  FRAME_KIND_MASK,
  FRAME_KMSG,
  FRAME_OBJECT,
  FRAME_SLAB,
  frames_count,
  frames_free,
} from "../kern/frame";
import { journal_commit, journal_set } from "../kern/journal";
import {
  lock_acquire,
  LOCK_BURIAL,
  lock_release,
  processor_claim,
  processor_unclaim,
  processor_undo_claimed,
} from "../kern/lock";
import { h_burial_at, header, PROCESSOR_SIZE, PROCESSORS } from "../kern/memory_map";
import {
  BELL_RUNG,
  PROCESSOR_DEAD,
  PROCESSOR_FREE,
  PROCESSOR_GONE,
  PROCESSOR_RECOVERING,
  PROCESSOR_USER,
  P_MAGAZINES,
  death_note,
  Processor,
  me,
  my_pid,
  p_bell_at,
  p_state_at,
  p_stop_at,
  processor,
  processor_at,
  processor_can_wait,
  processor_special_set,
} from "../kern/processor";
import { LOCK_NAP_NS, PROCESSOR_MAX, SLAB_FRAMES } from "../kern/param";
import { WAITER_ASYNC, waiter_at, waiter_look } from "../kern/waiter";
import {
  element_release,
  OWNER_LEASE,
  OWNER_HELD,
  OWNER_LIVE,
  OWNER_MAGAZINE,
  OWNER_WORK,
  ZONE_COUNT,
  ZONE_KMSG_LARGE,
  ZONE_KMSG_SMALL,
  zone_next,
  ZONE_OBJECT,
  ZONE_PORT,
  ZONE_PSET,
  ZONE_TASK,
  ZONE_VME,
  ZONE_WAITER,
  zone_of,
} from "../kern/zone";
import { vm_lease_end } from "../vm/vm_lease";
import { object_at, vm_object_discharge } from "../vm/vm_object";
import { pair_cas, pair_load, word_cas, word_load, word_store, word_swap, word_wait, word_wake } from "../sync/atomics";
import { KERN_FAILURE, KERN_INVALID_ARGUMENT, KERN_SUCCESS } from "../abi/kern_return";
import { IKM_KEEP, IKM_POST, kmsg_at } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { imq_drain, imq_first_hint, imq_inbox_head } from "../ipc/ipc_inbox";
import { imq_kick_locked } from "../ipc/ipc_mqueue";
import { ip_active, ip_lock, ip_unlock, port_at } from "../ipc/ipc_port";
import { ipc_pset_pass_on, pset_at } from "../ipc/ipc_pset";
import { IpcSpace, is_serial } from "../ipc/ipc_space";
import { task_detach, task_runs_on, task_terminate } from "../task/task";

/**
 * Condemns a processor: from now on it cannot enter the kernel.
 *
 * Conditions: in a trap, nothing locked. `generation`: the claim of the record that is meant.
 * Returns:    KERN_SUCCESS: it was in user code and is buried, but for the memory that its JavaScript can still reach; KERN_FAILURE: it
 *             is in the kernel, and dies at its next wait or exit; KERN_INVALID_ARGUMENT: there is no such processor.
 * Races:      stop word before state word here, state word before stop word in the victim: one of the two sees the other. Burials
 *             are one at a time (h_burial), so that who comes late finds the record free, or claimed anew with another number.
 */
export function processor_condemn(pid: u32, generation: u32): u32 {
  const condemned = pid < PROCESSOR_MAX ? word_load(p_stop_at(pid)) : 0;
  if (burial_held(pid, generation)) {
    // [S4] Unless somebody condemns a later life meanwhile; if there is one that nobody condemns, it is not meant by this.
    word_cas(p_stop_at(pid), condemned, generation);
    return KERN_FAILURE;
  }
  if (!burial_enter(pid, generation)) return KERN_INVALID_ARGUMENT;
  word_store(p_stop_at(pid), generation); // [S4]
  const before = word_cas(p_state_at(pid), PROCESSOR_USER, PROCESSOR_DEAD);
  const buries = before == PROCESSOR_USER || before == PROCESSOR_DEAD || before == PROCESSOR_GONE;
  if (buries) processor_bury(pid, false);
  else wake_sleepers(pid);
  lock_release(h_burial_at(), LOCK_BURIAL);
  return buries ? KERN_SUCCESS : KERN_FAILURE;
}

/**
 * Buries a processor whose thread is proven gone.
 *
 * Conditions: as processor_condemn, after processor_mark_gone. Returns: KERN_SUCCESS; KERN_INVALID_ARGUMENT: there is no such
 *             processor.
 */
export function processor_gone(pid: u32, generation: u32): u32 {
  if (!burial_enter(pid, generation)) return KERN_INVALID_ARGUMENT;
  processor_bury(pid, true);
  bury_inherited();
  lock_release(h_burial_at(), LOCK_BURIAL);
  return KERN_SUCCESS;
}

/** Whether a processor is inside a burial itself: its record cannot be freed, and its own burial would wait for it. */
function burial_held(pid: u32, generation: u32): bool {
  if (pid == 0 || pid >= PROCESSOR_MAX || pid == my_pid()) return false;
  return processor_at(pid).p_generation == generation && word_load(h_burial_at()) == pid;
}

/** Takes the privilege to bury, if the record is still that of the claim. */
function burial_enter(pid: u32, generation: u32): bool {
  if (pid == 0 || pid >= PROCESSOR_MAX || pid == my_pid()) return false;
  lock_acquire(h_burial_at(), LOCK_BURIAL);
  if (word_load(p_state_at(pid)) != PROCESSOR_FREE && processor_at(pid).p_generation == generation) return true;
  lock_release(h_burial_at(), LOCK_BURIAL);
  return false;
}

/**
 * Declares a processor dead whose thread is gone, so that whoever waits for a lock of its can undo it. The burial is
 * processor_gone's.
 *
 * Conditions: any, also outside of a trap: takes no lock and so never waits, not even for the dead.
 * Races:      state and generation change together, so that a report that comes late cannot hit the record's next life. A
 *             recoverer keeps what is said here (processor_unclaim).
 */
export function processor_mark_gone(pid: u32, generation: u32): void {
  if (pid == 0 || pid >= PROCESSOR_MAX || pid == my_pid()) return;
  while (true) {
    const pair = pair_load(p_state_at(pid));
    const state = <u32>pair;
    const kind = state & 0xff;
    if (<u32>(pair >>> 32) != generation || kind == PROCESSOR_FREE) return;
    death_note(pid);
    const recovered = kind == PROCESSOR_RECOVERING && ((state >>> 8) & 0xff) != pid;
    const next = recovered ? (state & 0xffff) | (PROCESSOR_GONE << 16) : PROCESSOR_GONE;
    if (pair_cas(p_state_at(pid), pair, (pair & ~0xffffffff) | next) == pair) return; // [S4]
  }
}

/** Gives up what the dead, or who faulted, had claimed for recovery: a claim must not outlive its number, nor wait for who lives. */
function inherit_claims(pid: u32): void {
  for (let other: u32 = 1; other < PROCESSOR_MAX; other++) {
    const state = word_load(p_state_at(other));
    if (other == pid || (state & 0xff) != PROCESSOR_RECOVERING || ((state >>> 8) & 0xff) != pid) continue;
    word_cas(p_state_at(other), state, state >>> 16); // [S8]
  }
}

/** Buries those whose burial a recoverer left half done when it died itself, and those whom they had begun to bury, of any number. */
function bury_inherited(): void {
  for (let pid: u32 = 1; pid < PROCESSOR_MAX; pid++) {
    if (word_load(p_state_at(pid)) != PROCESSOR_GONE || pid == my_pid()) continue;
    processor_bury(pid, true);
    pid = 0;
  }
}

/**
 * Settles a dead processor's estate. With `gone`, its record and memory are free afterwards. What is to be destroyed or posted goes on
 * the work list of the caller, who does it when the trap ends.
 */
function processor_bury(pid: u32, gone: bool): void {
  // Ends: a claim of another is short (it undoes the transaction for a lock, which takes none); who dies or faults with one loses it
  // to this call. A recovery of the processor by itself is ended by processor_mark_gone once its thread is gone.
  while (!processor_claim(pid)) {
    if (processor_can_wait()) word_wait(p_state_at(pid), word_load(p_state_at(pid)), LOCK_NAP_NS);
  }
  processor_settle(pid, gone);
  processor_special_set(pid, 0);
  settle_tasks(pid);
  inherit_claims(pid);
  if (!gone) {
    processor_unclaim(pid);
    return;
  }
  forget_magazines(pid);
  word_store(p_state_at(pid), PROCESSOR_FREE); // [S4] publishes the empty record to the next claimer
}

function forget_magazines(pid: u32): void {
  const magazines = PROCESSORS + pid * PROCESSOR_SIZE + P_MAGAZINES;
  for (let word: u32 = 0; word < 32; word++) store<u32>(magazines + word * 4, 0);
}

/**
 * Recovers this processor after an exception left a trap: the transaction is undone, what was in the hand is destroyed; its tasks and
 * waiters stay. Its magazines are given up before anything is allocated: the exception may have come between a list and its count.
 *
 * Conditions: called at trap entry, nothing locked; this processor holds the claim on itself.
 */
export function processor_recover_self(): void {
  const pid = my_pid();
  processor_undo_claimed(pid);
  inherit_claims(pid); // what it left half recovered is anybody's
  forget_magazines(pid);
  sweep_elements(OWNER_MAGAZINE | pid);
  kick_ports();
  forget_keepers(me().p_work);
  free_runs(pid);
  settle_waiters(pid, true);
  sweep_kmsgs(pid, false);
  sweep_elements(pid);
  rouse_sets();
  settle_posts();
  for (let at = zone_next(ZONE_TASK, 0); at != 0; at = zone_next(ZONE_TASK, at)) {
    const task = changetype<IpcSpace>(at);
    if (word_load(at) == OWNER_LIVE && task.is_active == 0) task_terminate(task, is_serial(at), pid);
  }
}

function processor_settle(pid: u32, gone: bool): void {
  processor_undo_claimed(pid);
  kick_ports();
  inherit_work(pid);
  settle_waiters(pid, false);
  free_runs(pid);
  sweep_kmsgs(pid, gone);
  if (gone) {
    end_leases(pid);
    sweep_elements(pid);
    sweep_elements(OWNER_MAGAZINE | pid);
  }
  rouse_sets();
  settle_posts();
}

/** Empties every inbox, so that owners tell where kmsgs are, and gives the kicks that the dead may owe. */
function kick_ports(): void {
  for (let at = zone_next(ZONE_PORT, 0); at != 0; at = zone_next(ZONE_PORT, at)) {
    const port = port_at(at);
    const owner = word_load(at);
    if (owner != OWNER_LIVE && (owner & 0xff00) != OWNER_WORK) continue;
    const idle = imq_inbox_head(port) == 0 && imq_first_hint(port) == 0 && port.io_dirty == 0;
    if (idle && word_load(io_lock_at(at)) == 0) continue; // a lock holder may have the chain in its hand
    ip_lock(port);
    imq_drain(port);
    if (ip_active(port)) imq_kick_locked(port);
    ip_unlock(port);
  }
}

/** Takes the dead processor's work list over. */
function inherit_work(pid: u32): void {
  const first = processor_at(pid).p_work;
  if (first == 0) return;
  forget_keepers(first);
  let last: usize = first;
  while (load<u32>(last, 4) != 0) last = load<u32>(last, 4);
  journal_set(last + 4, me().p_work);
  journal_set(processor + offsetof<Processor>("p_work"), first);
  journal_set(changetype<usize>(processor_at(pid)) + offsetof<Processor>("p_work"), 0);
  journal_commit();
}

/** Kmsgs that were to go back to a hand that is no more are destroyed like the others. */
function forget_keepers(first: u32): void {
  for (let at = first; at != 0; at = load<u32>(at, 4)) {
    const zone = zone_of(at);
    if (zone >= ZONE_KMSG_SMALL && zone <= ZONE_KMSG_LARGE) kmsg_at(at).ikm_types &= ~IKM_KEEP;
  }
}

/** Frees frames that the dead had claimed for a kmsg, a slab, a page table or an object that nobody knew yet, and takes them off quotas. */
function free_runs(pid: u32): void {
  const limit = frames_count();
  for (let frame = header().h_first_frame; frame < limit; frame++) {
    const owner = word_load(frame_owner_at(frame));
    const kind = owner & FRAME_KIND_MASK;
    let free = kind == FRAME_HAND && owner >>> 4 == pid;
    // A slab is claimed by number, aligned and whole; the first frame becomes ZONE last, and is freed last.
    if (free && frame % SLAB_FRAMES == 0) frames_free(frame + 1, SLAB_FRAMES - 1, FRAME_SLAB);
    if (kind == FRAME_KMSG) {
      const kmsg = kmsg_at(owner & ~FRAME_KIND_MASK);
      free = kmsg.z_owner == pid && kmsg.ikm_frames == 0;
    }
    if (kind == FRAME_OBJECT) free = word_load(owner & ~FRAME_KIND_MASK) == pid;
    if (free) frames_free(frame, 1, owner);
  }
  for (let at = zone_next(ZONE_OBJECT, 0); at != 0; at = zone_next(ZONE_OBJECT, at)) {
    if (word_load(at) == pid) vm_object_discharge(object_at(at));
  }
}

/**
 * Puts the kmsgs in the dead hand on the work list: to be destroyed, or posted if they are notifications that have their right. `gone`:
 * those its JavaScript held too. Nothing is done before all are found: what a processor that recovers itself posts carries its
 * number too.
 */
function sweep_kmsgs(pid: u32, gone: bool): void {
  for (let zone = ZONE_KMSG_SMALL; zone <= ZONE_KMSG_LARGE; zone++) {
    for (let at = zone_next(zone, 0); at != 0; at = zone_next(zone, at)) {
      const owner = word_load(at);
      const held = owner == (OWNER_HELD | pid);
      if (owner != pid && !(gone && held)) continue;
      const kmsg = kmsg_at(at);
      kmsg.ikm_types &= ~IKM_KEEP; // set by ipc_kmsg_clean: there is no hand to go back to
      if (kmsg.ikm_remote == 0) kmsg.ikm_types &= ~IKM_POST;
      ipc_kmsg_destroy(kmsg);
    }
  }
}

/** Frees the elements of an owner: the dead hand, or its magazines. */
function sweep_elements(owner: u32): void {
  for (let zone: u32 = 0; zone < ZONE_COUNT; zone++) {
    for (let at = zone_next(zone, 0); at != 0; at = zone_next(zone, at)) {
      if (word_load(at) != owner) continue;
      if (zone == ZONE_OBJECT) vm_object_discharge(object_at(at)); // of one that is free already it is 0
      element_release(at);
    }
  }
}

/** Ends the leases of a thread that is gone. */
function end_leases(pid: u32): void {
  for (let at = zone_next(ZONE_VME, 0); at != 0; at = zone_next(ZONE_VME, at)) {
    if (word_load(at) == (OWNER_LEASE | pid)) vm_lease_end(at);
  }
}

/** Wakes a receiver of every set that has something ready. */
function rouse_sets(): void {
  for (let at = zone_next(ZONE_PSET, 0); at != 0; at = zone_next(ZONE_PSET, at)) {
    if (word_load(at) == OWNER_LIVE) ipc_pset_pass_on(pset_at(at));
  }
}

/** Rings every event loop, also that of who faulted: it may have completions that were not announced. */
function settle_posts(): void {
  for (let other: u32 = 1; other < PROCESSOR_MAX; other++) {
    if (word_load(p_state_at(other)) == PROCESSOR_FREE) continue;
    word_swap(p_bell_at(other), BELL_RUNG);
    word_wake(p_bell_at(other), 1); // whatever it was: the dead may have swapped and not notified
  }
}

/** Makes the sleepers of a condemned processor look at their stop word. */
function wake_sleepers(pid: u32): void {
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    const waiter = waiter_at(at);
    if (word_load(at) == OWNER_LIVE && waiter.w_pid == pid && (waiter.w_kind & WAITER_ASYNC) == 0) waiter_look(waiter);
  }
}

/** Terminates the tasks that nobody runs any more, and continues terminations that were left half done. */
function settle_tasks(pid: u32): void {
  for (let at = zone_next(ZONE_TASK, 0); at != 0; at = zone_next(ZONE_TASK, at)) {
    if (word_load(at) != OWNER_LIVE) continue;
    const task = changetype<IpcSpace>(at);
    if (task_runs_on(task, pid)) task_detach(task, pid);
    if (task.is_active == 0) task_terminate(task, is_serial(at), pid);
  }
}

/**
 * This processor leaves of its own will: its waiters end, messages that were handed to them go back, its tasks end unless others run
 * them. Conditions: in a trap, nothing locked.
 */
export function processor_leave(): void {
  processor_special_set(my_pid(), 0);
  settle_waiters(my_pid(), false);
  rouse_sets();
  settle_tasks(my_pid());
}
