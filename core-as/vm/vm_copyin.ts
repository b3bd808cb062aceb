// Memory that leaves a map as a chain (vm_copy.ts), as a copy or for good. Nothing is copied but: pages that somebody may write at this
// moment (a write lease), memory that is shared on purpose, what is leased and moves, and the parts of pages at both ends of a range, if their
// other bytes are not zeroes: those are nobody else's business. What is copied is copied with nothing locked.

import { journal_commit, journal_set } from "../kern/journal";
import { FRAME_BYTES } from "../kern/param";
import { zone_free, ZONE_VME } from "../kern/zone";
import { bytes_copy } from "../sync/atomics";
import { KERN_INVALID_ADDRESS, KERN_INVALID_TASK, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from "../abi/kern_return";
import { VM_PAGE_SHIFT } from "../abi/vm";
import { pmap_remove } from "./pmap";
import { vm_map_check, vm_object_hold } from "./vm_fault";
import {
  vm_map_clip_range,
  vm_map_lock,
  vm_map_lookup,
  vm_map_remove,
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
} from "./vm_map";
import {
  object_at,
  vm_object_adopt,
  vm_object_affordable,
  vm_object_alloc,
  vo_lock,
  vo_page_at,
  vo_unlock,
} from "./vm_object";

/**
 * Takes a range out of a map, as a copy, or for good (`moves`). What must be copied is copied first; so nothing is removed unless all is.
 *
 * Conditions: in a trap, nothing of rank 2 or above locked, nothing in the journal; the slot is empty and its holder this processor's.
 *             size not 0. `access`: bits that every page must have, also of its maximum. Commits.
 * Consumes:   with `moves` the pages, also of a partial page.
 * Returns:    KERN_SUCCESS with the chain in the slot; otherwise copies may be in the slot, and nothing was removed: KERN_INVALID_ADDRESS,
 *             KERN_PROTECTION_FAILURE; KERN_RESOURCE_SHORTAGE; KERN_INVALID_TASK.
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
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  let code = copy_pieces(map, serial, address, size, moves, slot_at, access);
  if (code == KERN_INVALID_TASK) return code;
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  let tail: usize = 0;
  let copied: usize = load<u32>(slot_at); // the next piece that was
  for (let page = start; page < end && code == KERN_SUCCESS; ) {
    let stop = end;
    if (copied != 0 && start + vme_at(copied).vme_start == page) {
      tail = copied;
      stop = start + vme_at(copied).vme_end;
      copied = vme_at(copied).vme_next;
      if (moves) vm_map_remove(map, page, stop);
    } else {
      const entry = vme_at(vm_map_lookup(map, page));
      stop = min(entry.vme_end, copied != 0 ? start + vme_at(copied).vme_start : end);
      if (moves) take(map, page, stop, page - start, slot_at, tail, copied);
      else code = share(map, entry, page, stop, page - start, slot_at, tail, copied);
      if (code == KERN_SUCCESS) tail = tail == 0 ? load<u32>(slot_at) : vme_at(tail).vme_next;
    }
    page = stop;
  }
  vm_map_unlock(map);
  if (code == KERN_SUCCESS) vme_chain_range(slot_at, address & (FRAME_BYTES - 1), size);
  return code;
}

/**
 * Copies the pieces of a range that can be neither shared nor moved, and with `moves` splits entries at the ends of all pieces. The map is
 * open while bytes are copied: so it goes over the range until nothing is left to copy.
 *
 * Conditions: as vm_map_copyin, map locked. Returns: as vm_map_copyin, but with the map locked, except on KERN_INVALID_TASK.
 */
function copy_pieces(map: VmMap, serial: u32, address: u32, size: u32, moves: bool, slot_at: usize, access: u32): u32 {
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  let most = end - start; // pages that are copied at once: fewer when there is no such run
  let opened = true;
  while (opened) {
    opened = false;
    let code = vm_map_check(map, start, end, access);
    let tail: usize = 0;
    let copied: usize = load<u32>(slot_at);
    for (let page = start; page < end && code == KERN_SUCCESS; ) {
      const at = vm_map_lookup(map, page);
      if (at == 0) return KERN_INVALID_ADDRESS; // another thread removed it meanwhile
      const entry = vme_at(at);
      let stop = min(entry.vme_end, end);
      if (copied != 0 && start + vme_at(copied).vme_start == page) {
        tail = copied;
        stop = start + vme_at(copied).vme_end;
        copied = vme_at(copied).vme_next;
      } else {
        const part = !whole(entry, page, address, size);
        if (part) stop = page + 1;
        else if (stop == end && stop - page > 1 && !whole(entry, end - 1, address, size)) stop--;
        if (copied != 0) stop = min(stop, start + vme_at(copied).vme_start);
        if (entry.vme_object != 0 && (part || busy(entry, moves))) {
          stop = min(stop, page + most);
          const from = max(address, page << VM_PAGE_SHIFT);
          const to = min(<u64>address + size, (<u64>stop) << VM_PAGE_SHIFT);
          opened = true;
          code = take_bytes(map, entry, from, <u32>(to - from), page - start, slot_at, tail, copied);
          if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
          if (code == KERN_RESOURCE_SHORTAGE && stop - page > 1 && vm_object_affordable(map, stop - page)) {
            most = (stop - page) >>> 1;
            code = KERN_SUCCESS;
            continue;
          }
          if (code == KERN_SUCCESS) tail = tail == 0 ? load<u32>(slot_at) : vme_at(tail).vme_next;
        }
      }
      if (code == KERN_SUCCESS && moves && !vm_map_clip_range(map, page, stop)) code = KERN_RESOURCE_SHORTAGE;
      page = stop;
    }
    if (code != KERN_SUCCESS) return code;
  }
  return KERN_SUCCESS;
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

/** Says where in its pages the range of a slot's chain begins, and how many bytes it has. Conditions: the chain is this processor's. */
export function vme_chain_range(slot_at: usize, skip: u32, bytes: u32): void {
  vme_at(load<u32>(slot_at)).vme_skip = skip;
  vme_at(load<u32>(slot_at)).vme_bytes = bytes;
}

/** Puts an entry between two neighbours of a chain, either of which may be 0. Conditions: as vme_append. */
function vme_insert(at: usize, slot_at: usize, before: usize, behind: usize): void {
  vme_append(at, slot_at, before);
  vme_at(at).vme_next = <u32>behind;
}

/** A copy of the bytes in an object of its own. Conditions: map locked; unlocks it. */
function take_bytes(
  map: VmMap,
  entry: VmEntry,
  from: u32,
  size: u32,
  rel: u32,
  slot_at: usize,
  before: usize,
  behind: usize,
): u32 {
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
  vme_insert(at, slot_at, before, behind);
  journal_commit();
  return KERN_SUCCESS;
}

/** Moves the entry of a clipped range from the map to the chain. Conditions: map locked. Commits. */
function take(map: VmMap, page: u32, stop: u32, rel: u32, slot_at: usize, before: usize, behind: usize): void {
  const at = vm_map_lookup(map, page);
  const entry = vme_at(at);
  pmap_remove(map, page, stop);
  vm_map_unlink(map, at, at);
  entry.vme_start = rel;
  entry.vme_end = rel + (stop - page);
  entry.vme_bits = VME_DEFAULT | (entry.vme_bits & VME_NEEDS_COPY);
  vme_insert(at, slot_at, before, behind);
  journal_commit();
}

/** Puts a second entry for pages of one into the chain: both copy before they write. Conditions: map locked. Commits. */
function share(
  map: VmMap,
  entry: VmEntry,
  page: u32,
  stop: u32,
  rel: u32,
  slot_at: usize,
  before: usize,
  behind: usize,
): u32 {
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
  vme_insert(at, slot_at, before, behind);
  journal_commit();
  if (object != 0) vo_unlock(object_at(object));
  return KERN_SUCCESS;
}
