// Memory in motion: chains of entries that leave one map, as a copy or for good, and enter another. A message has such a chain in a slot;
// so what a message carries is found by who destroys it. Nothing is copied but: pages that somebody may write at this moment
// (a write lease), memory that is shared on purpose, what is leased and moves, and the parts of pages at both ends of a range, if their other
// bytes are not zeroes: those are nobody else's business. What is copied is copied with nothing locked.
//
// Each entry is a transaction, after which it is either in the map or in the chain.

import { journal_commit, journal_set } from "../kern/journal";
import { FRAME_BYTES } from "../kern/param";
import { reap_push } from "../kern/work";
import { zone_free, ZONE_VME } from "../kern/zone";
import { bytes_copy } from "../sync/atomics";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_TASK,
  KERN_NO_SPACE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { VM_PAGE_SHIFT, VM_PROT_READ } from "../abi/vm";
import { out_set } from "../kern/processor";
import { pmap_remove } from "./pmap";
import { vm_map_check, vm_map_copy_bytes, vm_object_hold } from "./vm_fault";
import {
  vm_map_clip_range,
  vm_map_link,
  vm_map_lock,
  vm_map_lookup,
  vm_map_remove,
  vm_map_space,
  vm_map_unlink,
  vm_map_unlock,
  vm_range_end,
  vm_range_valid,
  VME_DEFAULT,
  VME_NEEDS_COPY,
  VME_SHARED,
  vme_adopt,
  vme_alloc,
  vme_at,
  vme_refer_locked,
  VmEntry,
  VmMap,
  reap_entry,
  vm_map_of,
} from "./vm_map";
import {
  object_at,
  vm_object_adopt,
  vm_object_affordable,
  vm_object_alloc,
  reap_object,
  vm_object_recharge,
  vo_lock,
  vo_page_at,
  vo_unlock,
} from "./vm_object";

/**
 * Takes a range out of a map, as a copy, or for good (`moves`).
 *
 * Conditions: in a trap, nothing of rank 2 or above locked, nothing in the journal; the slot is empty and its holder this processor's.
 *             size not 0. Commits.
 * Consumes:   with `moves` the pages, also of a partial page.
 * Returns:    KERN_SUCCESS with the chain in the slot; otherwise what was taken is in the slot: KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE,
 *             nothing, unless another thread removed memory meanwhile; KERN_RESOURCE_SHORTAGE; KERN_INVALID_TASK.
 */
export function vm_map_copyin(
  map: VmMap,
  serial: u32,
  address: u32,
  size: u32,
  moves: bool,
  slot_at: usize,
  access: u32,
): u32 {
  if (!vm_range_valid(address, size)) return KERN_INVALID_ADDRESS;
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  let code = vm_map_check(map, start, end, access);
  if (code != KERN_SUCCESS) {
    vm_map_unlock(map);
    return code;
  }
  let tail: usize = 0;
  let most = end - start; // pages that are copied at once: fewer when there is no such run
  for (let page = start; page < end; ) {
    const at = vm_map_lookup(map, page);
    if (at == 0) {
      vm_map_unlock(map);
      return KERN_INVALID_ADDRESS; // another thread removed it meanwhile
    }
    const entry = vme_at(at);
    const part = !whole(entry, page, address, size);
    let stop = min(entry.vme_end, end);
    if (part) stop = page + 1;
    else if (stop == end && stop - page > 1 && !whole(entry, end - 1, address, size)) stop--;
    code = KERN_RESOURCE_SHORTAGE;
    if (entry.vme_object != 0 && (part || busy(entry, moves))) {
      stop = min(stop, page + most);
      const from = max(address, page << VM_PAGE_SHIFT);
      const to = min(<u64>address + size, (<u64>stop) << VM_PAGE_SHIFT);
      code = take_bytes(map, entry, from, <u32>(to - from), page - start, slot_at, tail);
      // taken with nothing locked
      if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
      if (code == KERN_RESOURCE_SHORTAGE && stop - page > 1 && vm_object_affordable(map, stop - page)) {
        most = (stop - page) >>> 1;
        continue;
      }
      if (code == KERN_SUCCESS && moves) code = drop(map, page, stop);
    } else if (moves) {
      if (vm_map_clip_range(map, page, stop)) code = take(map, page, stop, page - start, slot_at, tail);
    } else {
      code = share(map, entry, page, stop, page - start, slot_at, tail);
    }
    if (code != KERN_SUCCESS) {
      vm_map_unlock(map);
      return code;
    }
    tail = tail == 0 ? load<u32>(slot_at) : vme_at(tail).vme_next;
    page = stop;
  }
  vm_map_unlock(map);
  vme_chain_range(slot_at, address & (FRAME_BYTES - 1), size);
  return KERN_SUCCESS;
}

/** Says where in its pages the range of a slot's chain begins, and how many bytes it has. Conditions: the chain is this processor's. */
export function vme_chain_range(slot_at: usize, skip: u32, bytes: u32): void {
  vme_at(load<u32>(slot_at)).vme_skip = skip;
  vme_at(load<u32>(slot_at)).vme_bytes = bytes;
}

/** Puts the chain of a slot on the work list. Conditions: the slot is not empty, nothing in the journal. Commits. */
export function vme_chain_drop(slot_at: usize): void {
  const first: usize = load<u32>(slot_at);
  journal_set(slot_at, 0);
  reap_push(first);
  journal_commit();
}

/** Whether `page` has nothing but zeroes beside the range. Conditions: map locked; it is of the entry, and of the range. */
function whole(entry: VmEntry, page: u32, address: u32, size: u32): bool {
  if (entry.vme_object == 0) return true;
  const at = vo_page_at(object_at(entry.vme_object), entry.vme_offset + (page - entry.vme_start));
  const head = page == address >>> VM_PAGE_SHIFT ? address & (FRAME_BYTES - 1) : 0;
  const ends = page == vm_range_end(address, size) - 1 ? (address + size) & (FRAME_BYTES - 1) : 0;
  return zeroes(at, at + head) && (ends == 0 || zeroes(at + ends, at + FRAME_BYTES));
}

/** Whether there are only zeroes from `from` to `to`. */
function zeroes(from: usize, to: usize): bool {
  for (let at = from; at < to; ) {
    const wide = (at & 7) == 0 && at + 8 <= to;
    if (wide ? load<u64>(at) != 0 : load<u8>(at) != 0) return false;
    at += wide ? 8 : 1;
  }
  return true;
}

/** Whether the object's pages must be copied now. Conditions: map locked. Races: leases of others, who cannot write what is shared. */
function busy(entry: VmEntry, moves: bool): bool {
  if (entry.vme_bits & VME_SHARED) return true;
  const object = object_at(entry.vme_object);
  vo_lock(object);
  const found = moves ? object.vo_leases : object.vo_wleases;
  vo_unlock(object);
  return found != 0;
}

/** Appends an entry to the chain of a slot whose last is `tail`. Conditions: in a transaction; both are this processor's. */
export function vme_append(at: usize, slot_at: usize, tail: usize): void {
  if (tail == 0) journal_set(slot_at, <u32>at);
  else vme_at(tail).vme_next = <u32>at;
}

/** A copy of the bytes in an object of its own. Conditions: map locked; unlocks it. */
function take_bytes(map: VmMap, entry: VmEntry, from: u32, size: u32, rel: u32, slot_at: usize, tail: usize): u32 {
  const object = object_at(entry.vme_object);
  const page = from >>> VM_PAGE_SHIFT;
  const pages = vm_range_end(from, size) - page;
  const offset = entry.vme_offset + (page - entry.vme_start);
  const held = vm_object_hold(object);
  vm_map_unlock(map);
  const at = held ? vme_alloc(rel, rel + pages, VME_DEFAULT) : 0;
  if (at == 0) return KERN_RESOURCE_SHORTAGE;
  const fresh = vm_object_alloc(map, pages, size != pages * FRAME_BYTES);
  if (!fresh) {
    zone_free(ZONE_VME, at);
    return KERN_RESOURCE_SHORTAGE;
  }
  const skip = from & (FRAME_BYTES - 1);
  bytes_copy(vo_page_at(fresh, 0) + skip, vo_page_at(object, offset) + skip, size);
  vm_object_adopt(fresh);
  vme_at(at).vme_object = <u32>changetype<usize>(fresh);
  vme_adopt(at);
  vme_append(at, slot_at, tail);
  journal_commit();
  return KERN_SUCCESS;
}

/** Removes a range whose bytes were copied. Conditions: map locked. Commits. */
function drop(map: VmMap, page: u32, stop: u32): u32 {
  if (!vm_map_clip_range(map, page, stop)) return KERN_RESOURCE_SHORTAGE;
  vm_map_remove(map, page, stop);
  return KERN_SUCCESS;
}

/** Moves the entry of a clipped range from the map to the chain. Conditions: map locked. Commits. */
function take(map: VmMap, page: u32, stop: u32, rel: u32, slot_at: usize, tail: usize): u32 {
  const at = vm_map_lookup(map, page);
  const entry = vme_at(at);
  pmap_remove(map, page, stop);
  vm_map_unlink(map, at, at);
  entry.vme_start = rel;
  entry.vme_end = rel + (stop - page);
  entry.vme_bits = VME_DEFAULT | (entry.vme_bits & VME_NEEDS_COPY);
  vme_append(at, slot_at, tail);
  journal_commit();
  return KERN_SUCCESS;
}

/** Appends a second entry for pages of one: both copy before they write. Conditions: map locked. Commits. */
function share(map: VmMap, entry: VmEntry, page: u32, stop: u32, rel: u32, slot_at: usize, tail: usize): u32 {
  const at = vme_alloc(rel, rel + (stop - page), VME_DEFAULT);
  if (at == 0) return KERN_RESOURCE_SHORTAGE;
  const object: usize = entry.vme_object;
  if (object != 0) {
    if ((entry.vme_bits & VME_NEEDS_COPY) == 0) pmap_remove(map, entry.vme_start, entry.vme_end); // it says they may be written
    vo_lock(object_at(object));
    vme_refer_locked(at, object, entry.vme_offset + (page - entry.vme_start));
    vme_at(at).vme_bits = VME_DEFAULT | VME_NEEDS_COPY;
    entry.vme_bits = entry.vme_bits | VME_NEEDS_COPY;
  }
  vme_adopt(at);
  vme_append(at, slot_at, tail);
  journal_commit();
  if (object != 0) vo_unlock(object_at(object));
  return KERN_SUCCESS;
}

/**
 * Maps a chain where there is room.
 *
 * Conditions: in a trap, nothing of rank 2 or above locked, nothing in the journal; the slot's holder is this processor's. Commits.
 * Consumes:   the chain, on success; the slot is then empty.
 * Returns:    KERN_SUCCESS, out 0 the address of the first byte; KERN_NO_SPACE; KERN_RESOURCE_SHORTAGE, the quota is used up;
 *             KERN_INVALID_TASK.
 */
export function vm_map_copyout(map: VmMap, serial: u32, slot_at: usize): u32 {
  const first: usize = load<u32>(slot_at);
  const skip = vme_at(first).vme_skip;
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  let code = vm_map_charge(map, first) ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
  const page = vm_map_space(map, vm_range_end(skip, vme_at(first).vme_bytes), 1);
  if (page == 0) code = KERN_NO_SPACE;
  if (code == KERN_SUCCESS) {
    vm_map_place(map, page, slot_at);
    out_set(0, (page << VM_PAGE_SHIFT) + skip);
  }
  vm_map_unlock(map);
  return code;
}

/** Maps the chain of a slot from `page` on. Conditions: map locked, the pages are free, nothing in the journal. Commits. */
export function vm_map_place(map: VmMap, page: u32, slot_at: usize): void {
  const first: usize = load<u32>(slot_at);
  let last = first;
  for (let at = first, prev: usize = 0; at != 0; prev = at, at = vme_at(at).vme_next) {
    // Nobody else knows them; if this is not committed, the chain is destroyed, whatever its pages.
    vme_at(at)._vme_start += page;
    vme_at(at)._vme_end += page;
    vme_at(at)._vme_prev = <u32>prev;
    last = at;
  }
  vm_map_link(map, first, last);
  journal_set(slot_at, 0);
  journal_commit();
}

/** Charges what the chain alone has to the map's task. Returns: false: its quota is used up. Conditions: the chain is this processor's. */
export function vm_map_charge(map: VmMap, first: usize): bool {
  for (let at = first; at != 0; at = vme_at(at).vme_next) {
    if (vme_at(at).vme_object == 0) continue;
    const object = object_at(vme_at(at).vme_object);
    vo_lock(object); // who dies while it lets go still has it
    const sole = object.vo_refs == 1;
    vo_unlock(object);
    if (sole && !vm_object_recharge(object, map)) return false;
  }
  return true;
}

/**
 * Removes a range, rounded to pages; holes in it are no matter.
 *
 * Conditions: in a trap, nothing of rank 2 or above locked, nothing in the journal; the range is valid. Commits.
 * Returns:    KERN_SUCCESS; KERN_INVALID_TASK; KERN_RESOURCE_SHORTAGE, no memory for an entry's second half: nothing was removed.
 */
export function vm_map_discard(map: VmMap, serial: u32, address: u32, size: u32): u32 {
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  const code = drop(map, address >>> VM_PAGE_SHIFT, vm_range_end(address, size));
  vm_map_unlock(map);
  return code;
}

// The door to memory for messages: by task, not by map.

/** As vm_map_copyin, for the task of that number. */
export function vm_copyin(task: usize, serial: u32, address: u32, size: u32, moves: bool, slot_at: usize): u32 {
  return vm_map_copyin(vm_map_of(task), serial, address, size, moves, slot_at, VM_PROT_READ);
}

/** As vm_map_copyout, for the task of that number. */
export function vm_copyout(task: usize, serial: u32, slot_at: usize): u32 {
  return vm_map_copyout(vm_map_of(task), serial, slot_at);
}

/** Bytes of the chain in a slot. */
export function vm_copy_size(slot_at: usize): u32 {
  const first: usize = load<u32>(slot_at);
  return first == 0 ? 0 : vme_at(first).vme_bytes;
}

/**
 * Reads a range of a task's memory, and with `moves` removes it, rounded to pages.
 *
 * Conditions: in a trap, nothing of rank 2 or above locked, nothing in the journal; the bytes at `linear` are this processor's.
 * Returns:    KERN_SUCCESS, or what vm_map_copyin has; the bytes may be written then.
 */
export function vm_copyin_bytes(task: usize, serial: u32, address: u32, size: u32, moves: bool, linear: usize): u32 {
  if (!vm_range_valid(address, size)) return KERN_INVALID_ADDRESS;
  const map = vm_map_of(task);
  const code = vm_map_copy_bytes(map, serial, address, linear, size, false);
  return code == KERN_SUCCESS && moves ? vm_map_discard(map, serial, address, size) : code;
}

/**
 * Makes zeroed memory that no map has yet, in an empty slot, charged to the task.
 *
 * Conditions: in a trap, nothing of rank 6 locked, nothing in the journal; the slot's holder is this processor's. Commits.
 * Returns:    where its bytes are; 0, no memory or no quota.
 */
export function vm_copy_make(task: usize, size: u32, slot_at: usize): usize {
  const pages = vm_range_end(0, size);
  const at = vme_alloc(0, pages, VME_DEFAULT);
  if (at == 0) return 0;
  const object = vm_object_alloc(vm_map_of(task), pages, true);
  if (!object) {
    zone_free(ZONE_VME, at);
    return 0;
  }
  vm_object_adopt(object);
  vme_at(at).vme_object = <u32>changetype<usize>(object);
  vme_adopt(at);
  vme_append(at, slot_at, 0);
  journal_commit();
  vme_chain_range(slot_at, 0, size);
  return vo_page_at(object, 0);
}

/** Whether it was not the task's quota that left vm_copy_make without memory, as it seems. */
export function vm_copy_affordable(task: usize, size: u32): bool {
  return vm_object_affordable(vm_map_of(task), vm_range_end(0, size));
}

/** Keeps the memory that vm_copy_make made until the trap ends. Conditions, Commits: as there. Returns: false: memory is exhausted. */
export function vm_copy_hold(slot_at: usize): bool {
  return vm_object_hold(object_at(vme_at(load<u32>(slot_at)).vme_object));
}

/** A step of memory on the work list. Conditions: `zone` is ZONE_VME or ZONE_OBJECT; nothing in the journal. Commits. */
export function reap_memory(zone: u32, element: usize): bool {
  return zone == ZONE_VME ? reap_entry(element) : reap_object(object_at(element));
}
