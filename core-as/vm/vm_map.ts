// A task's address map: a sorted list of entries, each a range of pages with one object (or none: zeroes that nobody has looked at), one
// protection, one inheritance. It lies behind the task's own words. Lock: vm_lock, rank 2.
//
// Copy on write has no shadow objects. A virtual copy is a second entry with the same object, and both say NEEDS_COPY; who writes first gives
// the pages that it writes an object of their own, which splits its entry (vm_fault.ts). So each page is found in one step, and what
// is left of a large object is kept as long as one entry has a page of it.
//
// Entries that leave a map go on the work list as a chain, by one step for the whole range, and let go of their objects one by one.
//
// Invariants: entries are sorted, not empty, do not overlap; [vme_offset, + pages) is inside the object; a reference for each entry;
// an entry without NEEDS_COPY has its object for itself, or shares it with others that have other pages of it, or (SHARED) on purpose
// with others that say so too.

import { journal_commit, journal_set } from "../kern/journal";
import { lock_acquire, LOCK_MAP, lock_release } from "../kern/lock";
import { my_pid } from "../kern/processor";
import { reap_pop, reap_push } from "../kern/work";
import { Element, OWNER_LIVE, zone_alloc, zone_free, ZONE_VME } from "../kern/zone";
import { hint_store } from "../sync/atomics";
import {
  VM_INHERIT_COPY,
  VM_PAGE_MAX,
  VM_PAGE_MIN,
  VM_PAGE_SHIFT,
  VM_PAGE_SIZE,
  VM_PROT_ALL,
  VM_PROT_DEFAULT,
} from "../abi/vm";
import { pmap_remove } from "./pmap";
import { object_at, vm_object_release_locked, vo_lock, vo_unlock } from "./vm_object";

/** Where the map is in a task's element. */
export const T_MAP: usize = 208;

@unmanaged
export class VmMap {
  // Guarded by vm_lock.
  _vm_first: u32;
  _vm_last: u32;
  /** The entry that was found last, or 0. Not journalled: it is forgotten before entries leave. */
  vm_hint: u32;
  /** Directory of the page table, see pmap.ts, or 0. */
  vm_pmap: u32;
  /** Most frames of the task's objects, 0: any number. Set before the task begins. */
  vm_quota: u32;
  /** Frames charged. Atomic. */
  vm_used: u32;
  /** Number of the task, 0 when it has ended. Guarded by vm_lock. */
  vm_serial: u32;
  /** Changes of the entries, and accesses that write: who copies with nothing locked looks whether it is old. Not journalled. */
  vm_version: u32;
  _pad0: u32;
  _pad1: u32;
  /** Owner lock. Atomic. Last, so that a new task in this element leaves it alone. */
  vm_lock: u32;
  vm_dirty: u32;

  get vm_first(): u32 {
    return this._vm_first;
  }
  set vm_first(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmMap>("_vm_first"), value);
  }
  get vm_last(): u32 {
    return this._vm_last;
  }
  set vm_last(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmMap>("_vm_last"), value);
  }
}
if (T_MAP + offsetof<VmMap>() != 256) ERROR("the map ends with the task's element");

/** vme_bits: protection, its maximum << 4, inheritance << 8, and whether the object must be copied before a write. */
export const VME_NEEDS_COPY: u32 = 1 << 12;
/** The pages are shared on purpose: who copies them copies them at once. */
export const VME_SHARED: u32 = 1 << 13;
export const VME_MAX_SHIFT: u32 = 4;
export const VME_INHERIT_SHIFT: u32 = 8;
/** What new memory has. */
export const VME_DEFAULT: u32 =
  VM_PROT_DEFAULT | (VM_PROT_ALL << VME_MAX_SHIFT) | (VM_INHERIT_COPY << VME_INHERIT_SHIFT);

@unmanaged
export class VmEntry extends Element {
  // Guarded by the map's lock; in a message, the processor's that has it in hand.
  _vme_next: u32;
  _vme_prev: u32;
  /** First page, and the page behind the last. In a chain that no map has: from 0 on. */
  _vme_start: u32;
  _vme_end: u32;
  _vme_object: u32;
  /** Page of the object that the first page is. */
  _vme_offset: u32;
  _vme_bits: u32;
  /** Of the first of a chain: offset of the first byte in its page, and how many bytes there are. */
  vme_skip: u32;
  vme_bytes: u32;
  /** Of a lease: 1 if it writes. Of the first of a memory entry's chain: what the entry allows, see trap/vm_entry.ts. */
  vme_flags: u32;

  get vme_next(): u32 {
    return this._vme_next;
  }
  set vme_next(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_next"), value);
  }
  get vme_prev(): u32 {
    return this._vme_prev;
  }
  set vme_prev(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_prev"), value);
  }
  get vme_start(): u32 {
    return this._vme_start;
  }
  set vme_start(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_start"), value);
  }
  get vme_end(): u32 {
    return this._vme_end;
  }
  set vme_end(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_end"), value);
  }
  get vme_object(): u32 {
    return this._vme_object;
  }
  set vme_object(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_object"), value);
  }
  get vme_offset(): u32 {
    return this._vme_offset;
  }
  set vme_offset(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_offset"), value);
  }
  get vme_bits(): u32 {
    return this._vme_bits;
  }
  set vme_bits(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<VmEntry>("_vme_bits"), value);
  }
}
if (offsetof<VmEntry>() > 64) ERROR("an entry must fit its element");

/** Whether a range lies in a task's memory: the last page is nobody's. */
export function vm_range_valid(address: u32, size: u32): bool {
  return (<u64>address + size + VM_PAGE_SIZE - 1) >>> VM_PAGE_SHIFT <= VM_PAGE_MAX;
}

/** The page behind a range. Conditions: it is valid. */
export function vm_range_end(address: u32, size: u32): u32 {
  return (address + size + VM_PAGE_SIZE - 1) >>> VM_PAGE_SHIFT;
}

export function vme_at(address: usize): VmEntry {
  return changetype<VmEntry>(address);
}

/** The map of a task. */
export function vm_map_of(task: usize): VmMap {
  return changetype<VmMap>(task + T_MAP);
}

function vm_lock_at(map: VmMap): usize {
  return changetype<usize>(map) + offsetof<VmMap>("vm_lock");
}

/**
 * Locks the map if it is still that of the task with this number.
 *
 * Conditions: rank 2, nothing in the journal. Returns: false: the task has ended; nothing is locked.
 */
export function vm_map_lock(map: VmMap, serial: u32): bool {
  lock_acquire(vm_lock_at(map), LOCK_MAP);
  if (map.vm_serial == serial) return true;
  lock_release(vm_lock_at(map), LOCK_MAP);
  return false;
}

/** Conditions: committed. */
export function vm_map_unlock(map: VmMap): void {
  lock_release(vm_lock_at(map), LOCK_MAP);
}

/** Makes a new task's map, empty. Conditions: the element is in this processor's hand. */
export function vm_map_init(map: VmMap, serial: u32, quota: u32): void {
  lock_acquire(vm_lock_at(map), LOCK_MAP); // somebody may still hold it for the task that this was
  map._vm_first = 0;
  map._vm_last = 0;
  map.vm_hint = 0;
  map.vm_pmap = 0;
  map.vm_quota = quota;
  map.vm_used = 0;
  hint_store(changetype<usize>(map) + offsetof<VmMap>("vm_serial"), serial);
  map.vm_version = 0;
  map.vm_dirty = 0;
  lock_release(vm_lock_at(map), LOCK_MAP);
}

/**
 * Removes all memory of a task that ends; again, if who did it died. Conditions: in a trap, nothing locked, nothing in the journal.
 */
export function vm_map_end(map: VmMap): void {
  lock_acquire(vm_lock_at(map), LOCK_MAP);
  hint_store(changetype<usize>(map) + offsetof<VmMap>("vm_serial"), 0); // first: nobody finds it empty. One store, not taken back
  vm_map_remove(map, 0, VM_PAGE_MAX);
  pmap_remove(map, 0, 1 << 20);
  lock_release(vm_lock_at(map), LOCK_MAP);
}

/** The first entry that ends behind `page`, or 0. Conditions: map locked. */
export function vm_map_from(map: VmMap, page: u32): usize {
  let at: usize = map.vm_hint;
  if (at == 0 || vme_at(at).vme_start > page) at = map.vm_first;
  while (at != 0 && vme_at(at).vme_end <= page) at = vme_at(at).vme_next;
  if (at != 0) map.vm_hint = <u32>at;
  return at;
}

/** The entry that has `page`, or 0. Conditions: map locked. */
export function vm_map_lookup(map: VmMap, page: u32): usize {
  const at = vm_map_from(map, page);
  return at != 0 && vme_at(at).vme_start <= page ? at : 0;
}

/** The lowest page from which `pages` are free and that is a multiple of `align` (a power of two), or 0. Conditions: map locked. */
export function vm_map_space(map: VmMap, pages: u32, align: u32): u32 {
  const mask = align - 1;
  let page = (VM_PAGE_MIN + mask) & ~mask;
  for (let at: usize = map.vm_first; at != 0; at = vme_at(at).vme_next) {
    if (page + pages <= vme_at(at).vme_start) return page;
    page = max(page, (vme_at(at).vme_end + mask) & ~mask);
  }
  return <u64>page + pages <= VM_PAGE_MAX ? page : 0;
}

/** Whether no entry has a page of the range. Conditions: map locked. */
export function vm_map_free(map: VmMap, start: u32, end: u32): bool {
  const at = vm_map_from(map, start);
  return at == 0 || vme_at(at).vme_start >= end;
}

/** An entry that nobody knows yet, without object. Returns: in this processor's hand; 0, memory is exhausted. */
export function vme_alloc(start: u32, end: u32, bits: u32): usize {
  const address = zone_alloc(ZONE_VME);
  if (address == 0) return 0;
  const entry = vme_at(address);
  entry._vme_next = 0;
  entry._vme_prev = 0;
  entry._vme_start = start;
  entry._vme_end = end;
  entry._vme_object = 0;
  entry._vme_offset = 0;
  entry._vme_bits = bits;
  return address;
}

/** Makes an entry of this processor's hand part of the structure. Conditions: in a transaction. */
export function vme_adopt(at: usize): void {
  journal_set(at, OWNER_LIVE);
}

/** Gives an entry an object, and the object a reference. Conditions: in a transaction; object locked. */
export function vme_refer_locked(at: usize, object: usize, offset: u32): void {
  vme_at(at).vme_object = <u32>object;
  vme_at(at).vme_offset = offset;
  object_at(object).vo_refs = object_at(object).vo_refs + 1;
}

/**
 * Links a chain of entries, whose pages are set.
 *
 * Conditions: map locked, in a transaction; the pages are free.
 */
export function vm_map_link(map: VmMap, first: usize, last: usize): void {
  const next = vm_map_from(map, vme_at(first).vme_start);
  const prev: usize = next != 0 ? vme_at(next).vme_prev : map.vm_last;
  vme_at(first).vme_prev = <u32>prev;
  vme_at(last).vme_next = <u32>next;
  if (prev != 0) vme_at(prev).vme_next = <u32>first;
  else map.vm_first = <u32>first;
  if (next != 0) vme_at(next).vme_prev = <u32>last;
  else map.vm_last = <u32>last;
  map.vm_version = map.vm_version + 1;
}

/** Takes neighbouring entries out. Conditions: map locked, in a transaction. The chain they are keeps its links inside. */
export function vm_map_unlink(map: VmMap, first: usize, last: usize): void {
  const prev: usize = vme_at(first).vme_prev;
  const next: usize = vme_at(last).vme_next;
  map.vm_hint = 0;
  if (prev != 0) vme_at(prev).vme_next = <u32>next;
  else map.vm_first = <u32>next;
  if (next != 0) vme_at(next).vme_prev = <u32>prev;
  else map.vm_last = <u32>prev;
  vme_at(first).vme_prev = 0;
  vme_at(last).vme_next = 0;
  map.vm_version = map.vm_version + 1;
}

/**
 * Splits the entry that has `page` inside, so that `page` starts one.
 *
 * Conditions: map locked, nothing in the journal. Commits. Returns: false: memory is exhausted, nothing changed.
 */
export function vm_map_clip(map: VmMap, page: u32): bool {
  const at = vm_map_lookup(map, page);
  if (at == 0 || vme_at(at).vme_start == page) return true;
  const entry = vme_at(at);
  const other = vme_alloc(page, entry.vme_end, entry.vme_bits);
  if (other == 0) return false;
  const object: usize = entry.vme_object;
  if (object != 0) {
    vo_lock(object_at(object));
    vme_refer_locked(other, object, entry.vme_offset + (page - entry.vme_start));
  }
  const next: usize = entry.vme_next;
  vme_adopt(other);
  vme_at(other).vme_prev = <u32>at;
  vme_at(other).vme_next = <u32>next;
  entry.vme_next = <u32>other;
  entry.vme_end = page;
  if (next != 0) vme_at(next).vme_prev = <u32>other;
  else map.vm_last = <u32>other;
  journal_commit();
  if (object != 0) vo_unlock(object_at(object));
  return true;
}

/** Clips at both ends of a range. Conditions, Returns: as vm_map_clip. */
export function vm_map_clip_range(map: VmMap, start: u32, end: u32): bool {
  return vm_map_clip(map, start) && vm_map_clip(map, end);
}

/**
 * Removes the entries of a range.
 *
 * Conditions: map locked, clipped at both ends, nothing in the journal. Commits.
 * Consumes:   the entries, which let go of their objects when the work list is done.
 */
export function vm_map_remove(map: VmMap, start: u32, end: u32): void {
  const first = vm_map_from(map, start);
  if (first == 0 || vme_at(first).vme_start >= end) return;
  let last = first;
  while (vme_at(last).vme_next != 0 && vme_at(vme_at(last).vme_next).vme_start < end) last = vme_at(last).vme_next;
  pmap_remove(map, start, end);
  vm_map_unlink(map, first, last);
  reap_push(first);
  journal_commit();
}

/** The step of a chain on the work list: the first lets go of its object, then makes room for the next. Conditions: nothing in the journal. */
export function reap_entry(at: usize): bool {
  const entry = vme_at(at);
  const object: usize = entry.vme_object;
  if (object != 0) {
    vo_lock(object_at(object));
    entry.vme_object = 0;
    vm_object_release_locked(object_at(object));
    journal_commit();
    vo_unlock(object_at(object));
    return true;
  }
  const next: usize = entry.vme_next;
  reap_pop(at, my_pid());
  if (next != 0) reap_push(next);
  journal_commit();
  zone_free(ZONE_VME, at);
  return true;
}
