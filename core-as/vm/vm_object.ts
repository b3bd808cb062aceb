// A memory object: one contiguous run of page frames, which belong to it and to nothing else. What refers to it is counted here: entries
// of address maps, entries in messages, leases. Lock: vo_lock, rank 6. Memory that nobody has written or looked at has no object.
//
// An object in a processor's hand has no references; it is freed with its frames, by recovery too (frames say whose they are). One that
// lost its last reference is on a work list until its frames are free.

import { FRAME_OBJECT, frames_alloc, frames_claim, frames_free, OBJECT_FIRST, OBJECT_PAGES } from "../kern/frame";
import { journal_commit, journal_set } from "../kern/journal";
import { lock_acquire, LOCK_OBJECT, lock_release } from "../kern/lock";
import { FRAME_BYTES } from "../kern/param";
import { my_pid } from "../kern/processor";
import { reap_pop, reap_push } from "../kern/work";
import { Element, OWNER_LIVE, zone_alloc, zone_free, ZONE_OBJECT } from "../kern/zone";
import { hint_load, hint_store, word_add, word_load, word_sub } from "../sync/atomics";
import { VmMap } from "./vm_map";

/** First frame of an object that has none yet. */
const NOWHERE: u32 = 1 << 31;

@unmanaged
export class VmObject extends Element {
  /** Owner lock. Atomic. */
  vo_lock: u32;
  vo_dirty: u32;
  // Guarded by vo_lock.
  _vo_refs: u32;
  /** Leases, which are references too, and those of them that write. */
  _vo_leases: u32;
  _vo_wleases: u32;
  // Set before anybody knows the object.
  /** First frame, and how many there are. */
  vo_first: u32;
  vo_pages: u32;
  /** The map that its frames are charged to, or 0, and the number of the map's task then. Changed by who has the only reference. */
  vo_charged: u32;
  vo_charged_serial: u32;

  get vo_refs(): u32 {
    return this._vo_refs;
  }
  set vo_refs(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmObject>("_vo_refs"), value);
  }
  get vo_leases(): u32 {
    return this._vo_leases;
  }
  set vo_leases(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmObject>("_vo_leases"), value);
  }
  get vo_wleases(): u32 {
    return this._vo_wleases;
  }
  set vo_wleases(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmObject>("_vo_wleases"), value);
  }
}
if (offsetof<VmObject>() > 64) ERROR("an object must fit its element");
if (offsetof<VmObject>("vo_first") != 28 || offsetof<VmObject>("vo_pages") != 32) ERROR("frame.ts reads the run there");

export function object_at(address: usize): VmObject {
  return changetype<VmObject>(address);
}

export function vo_lock(object: VmObject): void {
  lock_acquire(changetype<usize>(object) + offsetof<VmObject>("vo_lock"), LOCK_OBJECT);
}

/** Conditions: committed. */
export function vo_unlock(object: VmObject): void {
  lock_release(changetype<usize>(object) + offsetof<VmObject>("vo_lock"), LOCK_OBJECT);
}

/** Address of the byte 0 of a page of the object. */
export function vo_page_at(object: VmObject, page: u32): usize {
  return <usize>(object.vo_first + page) * FRAME_BYTES;
}

/**
 * Makes an object of `pages` frames, zeroed or not, charged to the map's task if that has a quota.
 *
 * Conditions: in a trap; any locks held, though zeroing takes time.
 * Returns:    the object, in this processor's hand, without references; null: no such run, or the quota is used up.
 */
export function vm_object_alloc(map: VmMap, pages: u32, zeroed: bool): VmObject | null {
  const address = zone_alloc(ZONE_OBJECT);
  if (address == 0) return null;
  const object = object_at(address);
  object._vo_refs = 0; // the lock word is left alone: a mistaken reader may still hold it
  object._vo_leases = 0;
  object._vo_wleases = 0;
  object.vo_charged = 0;
  hint_store(address + OBJECT_FIRST, NOWHERE); // before the count: frame.ts believes them
  hint_store(address + OBJECT_PAGES, pages);
  const owner = <u32>address | FRAME_OBJECT;
  const charged = vm_object_charge(object, map, pages);
  let first: u32 = 0;
  if (charged) first = zeroed ? <u32>(frames_alloc(pages, 1, owner) / FRAME_BYTES) : frames_claim(pages, 1, owner);
  if (first == 0) {
    vm_object_discharge(object);
    zone_free(ZONE_OBJECT, address);
    return null;
  }
  hint_store(address + OBJECT_FIRST, first);
  return object;
}

/** Gives the object its first reference and makes it part of the structure. Conditions: in this processor's hand, in a transaction. */
export function vm_object_adopt(object: VmObject): void {
  journal_set(changetype<usize>(object), OWNER_LIVE);
  object.vo_refs = 1;
}

/** Frees an object. Conditions: in this processor's hand, no references. Consumes: the object and its frames. */
export function vm_object_free(object: VmObject): void {
  free_frames(object);
  zone_free(ZONE_OBJECT, changetype<usize>(object));
}

function free_frames(object: VmObject): void {
  vm_object_discharge(object);
  frames_free(object.vo_first, object.vo_pages, <u32>changetype<usize>(object) | FRAME_OBJECT);
}

/** Drops a reference; the last one puts the object on the work list. Conditions: object locked, in a transaction. */
export function vm_object_release_locked(object: VmObject): void {
  object.vo_refs = object.vo_refs - 1;
  if (object.vo_refs == 0) reap_push(changetype<usize>(object));
}

/** The step of an object on the work list: frees it. Conditions: nothing in the journal. Commits. */
export function reap_object(object: VmObject): bool {
  free_frames(object); // again, if a recoverer comes this way: frames that are free, or another's, are left alone
  reap_pop(changetype<usize>(object), my_pid());
  journal_commit();
  zone_free(ZONE_OBJECT, changetype<usize>(object));
  return true;
}

/** Charges the frames to the map's task if that has a quota. Returns: false: the quota is used up; nothing is charged. */
function vm_object_charge(object: VmObject, map: VmMap, pages: u32): bool {
  const quota = map.vm_quota;
  if (quota == 0) return true;
  const used_at = changetype<usize>(map) + offsetof<VmMap>("vm_used");
  object.vo_charged_serial = map.vm_serial; // first: if the map becomes another task's, that one is charged too much, never too little
  // [S26] Add, look, take back: two that race may both be refused, never both let through.
  if (word_add(used_at, pages) + pages > quota) {
    word_sub(used_at, pages);
    return false;
  }
  object.vo_charged = <u32>changetype<usize>(map);
  return true;
}

/** Whether the quota of the map's task has room for so many frames, as it seems. */
export function vm_object_affordable(map: VmMap, pages: u32): bool {
  return map.vm_quota == 0 || word_load(changetype<usize>(map) + offsetof<VmMap>("vm_used")) + pages <= map.vm_quota;
}

/**
 * Takes frames off the counter of a map, if that is still the map of the task with this number.
 *
 * Races: the task may end, and another get its element, between the look and the subtraction: that one's counter is too low then (CAVEATS).
 */
function give_back(pages: u32, map: usize, serial: u32): void {
  if (hint_load(map + offsetof<VmMap>("vm_serial")) == serial) word_sub(map + offsetof<VmMap>("vm_used"), pages); // [S26]
}

/** Takes the object's frames off the counter that they are on. Conditions: in a hand that may be dead, or on a work list. */
export function vm_object_discharge(object: VmObject): void {
  const map: usize = object.vo_charged;
  if (map == 0) return;
  object.vo_charged = 0; // first: a death between charges too much, never too little
  give_back(object.vo_pages, map, object.vo_charged_serial);
}

/**
 * Charges an object to another task: it has gone there, and nobody else has it.
 *
 * Conditions: the caller has the only reference. Returns: false: that task's quota is used up; it stays charged as it was.
 */
export function vm_object_recharge(object: VmObject, map: VmMap): bool {
  const was: usize = object.vo_charged;
  const serial = object.vo_charged_serial;
  if (was == changetype<usize>(map) && serial == map.vm_serial) return true;
  if (map.vm_quota == 0) {
    vm_object_discharge(object);
    return true;
  }
  if (!vm_object_charge(object, map, object.vo_pages)) {
    object.vo_charged_serial = serial;
    return false;
  }
  if (was != 0) give_back(object.vo_pages, was, serial);
  return true;
}
