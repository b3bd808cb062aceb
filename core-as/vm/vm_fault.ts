// Page faults: what JavaScript cannot have on a load or a store, access to memory does by a call. A page that nobody has looked at gets a
// zeroed frame, a page that is shared by copy gets one of its own before it is written. New frames come in one run for the whole range
// that is asked for, if there is one, with the rest of a cluster, if the quota allows it.
//
// Frames are zeroed and copied with nothing locked. What is copied is held meanwhile by an entry on this processor's work list (hold), so
// that neither its end nor this processor's death can lose it; then the map is locked and looked at again, and the range gets its
// new object if it still is what was copied, else the whole begins again.

import { journal_commit } from "../kern/journal";
import { FRAME_BYTES, VM_CLUSTER } from "../kern/param";
import { reap_push } from "../kern/work";
import { bytes_copy, bytes_fill } from "../sync/atomics";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_TASK,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { VM_PAGE_SHIFT, VM_PROT_READ, VM_PROT_WRITE } from "../abi/vm";
import { pmap_enter, pmap_remove, pmap_walk, PTE_VALID, PTE_WRITE } from "./pmap";
import {
  vm_map_clip_range,
  vm_map_from,
  vm_map_lock,
  vm_map_lookup,
  vm_map_unlock,
  vm_range_end,
  VME_NEEDS_COPY,
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
  vm_object_free,
  vm_object_release_locked,
  VmObject,
  vo_lock,
  vo_page_at,
  vo_unlock,
} from "./vm_object";

/**
 * Whether every page of a range is mapped and allows `access`.
 *
 * Conditions: map locked. Returns: KERN_SUCCESS; KERN_INVALID_ADDRESS, a hole; KERN_PROTECTION_FAILURE, the first refusal of the two.
 */
export function vm_map_check(map: VmMap, start: u32, end: u32, access: u32): u32 {
  let at = vm_map_lookup(map, start);
  for (let page = start; page < end; at = vme_at(at).vme_next) {
    if (at == 0 || vme_at(at).vme_start > page) return KERN_INVALID_ADDRESS;
    if ((vme_at(at).vme_bits & access) != access) return KERN_PROTECTION_FAILURE;
    page = vme_at(at).vme_end;
  }
  return KERN_SUCCESS;
}

/** The access that a read or a write needs: who may write may read. */
export function vm_access(writes: bool): u32 {
  return writes ? VM_PROT_READ | VM_PROT_WRITE : VM_PROT_READ;
}

/**
 * Keeps an object until this processor's work list is done.
 *
 * Conditions: a map with an entry of it is locked, nothing in the journal. Commits. Returns: false: memory is exhausted.
 */
export function vm_object_hold(object: VmObject): bool {
  const at = vme_alloc(0, 0, 0);
  if (at == 0) return false;
  vo_lock(object);
  vme_refer_locked(at, changetype<usize>(object), 0);
  reap_push(at);
  journal_commit();
  vo_unlock(object);
  return true;
}

/**
 * Makes frames for `page`, and for those behind it up to `end` if they are of the same entry, and ready for the access.
 *
 * Conditions: in a trap, nothing of rank 2 or above locked, nothing in the journal. Commits.
 * Returns:    KERN_SUCCESS with the map locked: the entry of `page` has its object; else nothing locked: KERN_INVALID_TASK, the task has
 *             ended; KERN_INVALID_ADDRESS; KERN_PROTECTION_FAILURE; KERN_RESOURCE_SHORTAGE, no frames or no quota.
 */
export function vm_fault(map: VmMap, serial: u32, page: u32, end: u32, writes: bool, access: u32): u32 {
  while (true) {
    if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
    const code = vm_map_check(map, page, page + 1, access);
    if (code != KERN_SUCCESS) {
      vm_map_unlock(map);
      return code;
    }
    const entry = vme_at(vm_map_lookup(map, page));
    const object: usize = entry.vme_object;
    const shares = (entry.vme_bits & VME_NEEDS_COPY) != 0;
    if (object != 0 && (!writes || !shares || vme_own(entry))) return KERN_SUCCESS;

    const asked = min(end, entry.vme_end);
    let from = page;
    let to = asked;
    if (to - from < VM_CLUSTER) {
      from = max(entry.vme_start, from & ~(VM_CLUSTER - 1));
      to = min(entry.vme_end, max(to, from + VM_CLUSTER));
    }
    const base = entry.vme_offset - entry.vme_start;
    const held = object == 0 || vm_object_hold(object_at(object));
    vm_map_unlock(map);
    if (!held) return KERN_RESOURCE_SHORTAGE;

    let fresh = vm_object_alloc(map, to - from, object == 0);
    if (!fresh && (from != page || to != asked)) {
      from = page; // of a quota that is nearly used up, what is asked for
      to = asked;
      fresh = vm_object_alloc(map, to - from, object == 0);
    }
    while (!fresh && to - from > 1 && vm_object_affordable(map, to - from)) {
      from = page; // no such run: a shorter one
      to = page + max(1, (to - page) >>> 1);
      fresh = vm_object_alloc(map, to - from, object == 0);
    }
    if (!fresh) return KERN_RESOURCE_SHORTAGE;
    if (object != 0) vm_object_copy(fresh, 0, object_at(object), base + from, to - from);
    if (!vm_map_lock(map, serial)) {
      vm_object_free(fresh);
      return KERN_INVALID_TASK;
    }
    if (still(map, from, to, object, base, access)) {
      if (vm_map_clip_range(map, from, to)) {
        vm_map_replace(map, from, to, fresh);
        return KERN_SUCCESS;
      }
      vm_map_unlock(map);
      vm_object_free(fresh);
      return KERN_RESOURCE_SHORTAGE;
    }
    vm_map_unlock(map); // somebody was faster: look again
    vm_object_free(fresh);
  }
}

/** Takes an entry whose copies are gone as its own. Conditions: map locked; NEEDS_COPY. Commits. Returns: false: it is still shared. */
export function vme_own(entry: VmEntry): bool {
  const object = object_at(entry.vme_object);
  vo_lock(object);
  const sole = object.vo_refs == 1;
  if (sole) entry.vme_bits = entry.vme_bits & ~VME_NEEDS_COPY;
  journal_commit();
  vo_unlock(object);
  return sole;
}

/** Whether the range is of one entry that has, or lacks, the object as it did, and allows the access. Conditions: map locked. */
function still(map: VmMap, from: u32, to: u32, object: usize, base: u32, access: u32): bool {
  const at = vm_map_lookup(map, from);
  if (at == 0 || vme_at(at).vme_end < to || vme_at(at).vme_object != object) return false;
  if ((vme_at(at).vme_bits & access) != access) return false;
  if (object == 0) return true;
  return vme_at(at).vme_offset - vme_at(at).vme_start == base && (vme_at(at).vme_bits & VME_NEEDS_COPY) != 0;
}

/** Gives a clipped range its own object. Conditions: map locked, nothing in the journal. Commits. Consumes: `fresh`. */
export function vm_map_replace(map: VmMap, from: u32, to: u32, fresh: VmObject): void {
  pmap_remove(map, from, to);
  const entry = vme_at(vm_map_lookup(map, from));
  const old: usize = entry.vme_object;
  if (old != 0) {
    vo_lock(object_at(old));
    vm_object_release_locked(object_at(old));
  }
  vm_object_adopt(fresh);
  entry.vme_object = <u32>changetype<usize>(fresh);
  entry.vme_offset = 0;
  entry.vme_bits = entry.vme_bits & ~VME_NEEDS_COPY;
  map.vm_version = map.vm_version + 1;
  journal_commit();
  if (old != 0) vo_unlock(object_at(old));
}

/** Copies pages from one object to another. Conditions: both are kept by the caller. */
export function vm_object_copy(target: VmObject, to: u32, source: VmObject, from: u32, pages: u32): void {
  bytes_copy(vo_page_at(target, to), vo_page_at(source, from), <usize>pages * FRAME_BYTES);
}

/**
 * Finds `page` in linear memory, by the page table if that has it.
 *
 * Conditions, Returns: as vm_fault; then vm_page_at tells where it is.
 */
function vm_translate(map: VmMap, serial: u32, page: u32, end: u32, writes: bool): u32 {
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  const pte_at = pmap_walk(map, page);
  const wanted = writes ? PTE_VALID | PTE_WRITE : PTE_VALID;
  if (pte_at != 0 && (load<u32>(pte_at) & wanted) == wanted) return KERN_SUCCESS;
  vm_map_unlock(map);
  const code = vm_fault(map, serial, page, end, writes, vm_access(writes));
  if (code != KERN_SUCCESS) return code;
  const entry = vme_at(vm_map_lookup(map, page));
  const bits = entry.vme_bits;
  const writable = (bits & VM_PROT_WRITE) != 0 && (bits & VME_NEEDS_COPY) == 0;
  pmap_enter(map, page, object_at(entry.vme_object).vo_first + entry.vme_offset + (page - entry.vme_start), writable);
  return KERN_SUCCESS;
}

/** Where `page` is. Conditions: map locked; it was translated. */
function vm_page_at(map: VmMap, page: u32): usize {
  const pte_at = pmap_walk(map, page);
  if (pte_at != 0 && (load<u32>(pte_at) & PTE_VALID) != 0) return (<usize>(load<u32>(pte_at) >>> 12)) << VM_PAGE_SHIFT;
  const entry = vme_at(vm_map_lookup(map, page)); // there was no memory for the page table
  return vo_page_at(object_at(entry.vme_object), entry.vme_offset + (page - entry.vme_start));
}

/**
 * Copies bytes between a task's memory and linear memory; what nobody has written is read as zeroes and stays without frames.
 *
 * Conditions: as vm_fault; size not 0, the range is valid; the bytes at `linear` are this processor's; to write from 0 is
 *             to write zeroes.
 * Returns:    KERN_SUCCESS, nothing locked; codes of vm_fault: bytes before the failing page may have been copied.
 */
export function vm_map_copy_bytes(map: VmMap, serial: u32, address: u32, linear: usize, size: u32, writes: bool): u32 {
  const end = vm_range_end(address, size);
  for (let done: u32 = 0; done < size; ) {
    const at = address + done;
    const page = at >>> VM_PAGE_SHIFT;
    const skip = at & (FRAME_BYTES - 1);
    const bytes = min(FRAME_BYTES - skip, size - done);
    if (!writes && vm_map_zero(map, serial, page)) {
      bytes_fill(linear + done, 0, bytes);
    } else {
      const code = vm_translate(map, serial, page, end, writes);
      if (code != KERN_SUCCESS) return code;
      const there = vm_page_at(map, page) + skip;
      if (writes) map.vm_version = map.vm_version + 1;
      if (writes && linear == 0) bytes_fill(there, 0, bytes);
      else if (writes) bytes_copy(there, linear + done, bytes);
      else bytes_copy(linear + done, there, bytes);
      vm_map_unlock(map);
    }
    done += bytes;
  }
  return KERN_SUCCESS;
}

/** Whether `page` is readable and nobody has looked at it yet. Conditions: as vm_fault. */
function vm_map_zero(map: VmMap, serial: u32, page: u32): bool {
  if (!vm_map_lock(map, serial)) return false;
  const at = vm_map_lookup(map, page);
  const zero = at != 0 && vme_at(at).vme_object == 0 && (vme_at(at).vme_bits & VM_PROT_READ) != 0;
  vm_map_unlock(map);
  return zero;
}

/**
 * Makes every page of a range ready for the access, so that what follows does not stop half way.
 *
 * Conditions: as vm_fault. Returns: KERN_SUCCESS, nothing locked; codes of vm_fault, of the whole range first.
 */
export function vm_map_ready(map: VmMap, serial: u32, start: u32, end: u32, writes: bool): u32 {
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  let code = vm_map_check(map, start, end, vm_access(writes));
  vm_map_unlock(map);
  for (let page = start; code == KERN_SUCCESS && page < end; ) {
    code = vm_fault(map, serial, page, end, writes, vm_access(writes));
    if (code != KERN_SUCCESS) break;
    page = vme_at(vm_map_from(map, page)).vme_end;
    vm_map_unlock(map);
  }
  return code;
}
