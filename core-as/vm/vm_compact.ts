// Compaction: the pages of a range, which may lie in many objects, are copied to one run, and one entry takes the place of all. The copying
// is done with nothing locked, each object held; if the map has changed meanwhile, it begins again.

import { journal_commit } from "../kern/journal";
import { FRAME_BYTES, VM_COMPACT_TRIES } from "../kern/param";
import { reap_push } from "../kern/work";
import { bytes_fill } from "../sync/atomics";
import {
  KERN_ABORTED,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_TASK,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { VM_PAGE_SHIFT } from "../abi/vm";
import { zone_free, ZONE_VME } from "../kern/zone";
import { pmap_remove } from "./pmap";
import { vm_map_check, vm_object_copy, vm_object_hold, vme_own } from "./vm_fault";
import {
  vm_map_clip_range,
  vm_map_link,
  vm_map_lock,
  vm_map_lookup,
  vm_map_unlink,
  vm_map_unlock,
  vm_range_end,
  VME_NEEDS_COPY,
  VME_SHARED,
  vme_adopt,
  vme_alloc,
  vme_at,
  VmMap,
} from "./vm_map";
import {
  object_at,
  vm_object_adopt,
  vm_object_alloc,
  vm_object_free,
  VmObject,
  vo_lock,
  vo_page_at,
  vo_unlock,
} from "./vm_object";

/**
 * Makes a range one entry with one run, if it is not.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal; the range is valid. Commits.
 * Returns:    KERN_SUCCESS; KERN_INVALID_TASK; KERN_INVALID_ADDRESS, a hole; KERN_INVALID_ARGUMENT, parts with other attributes or
 *             shared on purpose; KERN_RESOURCE_SHORTAGE, no such run, no quota, or leases are out.
 */
export function vm_map_compact(map: VmMap, serial: u32, address: u32, size: u32): u32 {
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  const whole = together(map, start, end);
  vm_map_unlock(map);
  if (whole) return KERN_SUCCESS;
  const at = vme_alloc(start, end, 0);
  const fresh = vm_object_alloc(map, end - start, false);
  let code = KERN_RESOURCE_SHORTAGE;
  if (at != 0 && fresh) {
    code = KERN_ABORTED;
    for (let tries = VM_COMPACT_TRIES; tries != 0 && code == KERN_ABORTED; tries--) {
      code = gather(map, serial, start, end, at, fresh);
    }
    if (code == KERN_SUCCESS) return code;
  }
  if (fresh) vm_object_free(fresh);
  if (at != 0) zone_free(ZONE_VME, at);
  return code == KERN_ABORTED ? KERN_RESOURCE_SHORTAGE : code;
}

/** Copies the pages and puts them in their place. Returns: as vm_map_compact; KERN_ABORTED: somebody wrote meanwhile, nothing was changed. */
function gather(map: VmMap, serial: u32, start: u32, end: u32, at: usize, fresh: VmObject): u32 {
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  let code = may_compact(map, start, end);
  const version = map.vm_version;
  vm_map_unlock(map);
  if (code == KERN_SUCCESS) code = copy_pages(map, serial, start, end, fresh);
  if (code != KERN_SUCCESS) return code;
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  code = may_compact(map, start, end);
  if (code == KERN_SUCCESS && map.vm_version != version) code = KERN_ABORTED; // what was copied may be old
  if (code == KERN_SUCCESS && !put(map, start, end, at, fresh)) code = KERN_RESOURCE_SHORTAGE;
  vm_map_unlock(map);
  return code;
}

/** Whether the range is of one entry that has its pages for itself: nothing has to move. Conditions: map locked. May commit. */
function together(map: VmMap, start: u32, end: u32): bool {
  const at = vm_map_lookup(map, start);
  if (at == 0 || vme_at(at).vme_end < end || vme_at(at).vme_object == 0) return false;
  const bits = vme_at(at).vme_bits;
  return (bits & VME_SHARED) == 0 && ((bits & VME_NEEDS_COPY) == 0 || vme_own(vme_at(at)));
}

/** Whether the pages may move. Conditions: map locked. */
function may_compact(map: VmMap, start: u32, end: u32): u32 {
  const code = vm_map_check(map, start, end, 0);
  if (code != KERN_SUCCESS) return code;
  const first = vm_map_lookup(map, start);
  if (vme_at(first).vme_bits & VME_SHARED) return KERN_INVALID_ARGUMENT;
  for (let at = first; at != 0 && vme_at(at).vme_start < end; at = vme_at(at).vme_next) {
    if (((vme_at(at).vme_bits ^ vme_at(first).vme_bits) & ~VME_NEEDS_COPY) != 0) return KERN_INVALID_ARGUMENT;
    if (vme_at(at).vme_object == 0) continue;
    const object = object_at(vme_at(at).vme_object);
    vo_lock(object);
    const leased = object.vo_leases != 0;
    vo_unlock(object);
    if (leased) return KERN_RESOURCE_SHORTAGE;
  }
  return KERN_SUCCESS;
}

/** Copies the pages to the object, entry by entry; the map may change between two. */
function copy_pages(map: VmMap, serial: u32, start: u32, end: u32, fresh: VmObject): u32 {
  for (let page = start; page < end; ) {
    if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
    const at = vm_map_lookup(map, page);
    const stop = at == 0 ? page + 1 : min(vme_at(at).vme_end, end);
    const object: usize = at == 0 ? 0 : vme_at(at).vme_object;
    const from = object == 0 ? 0 : vme_at(at).vme_offset + (page - vme_at(at).vme_start);
    const held = object == 0 || vm_object_hold(object_at(object));
    vm_map_unlock(map);
    if (!held) return KERN_RESOURCE_SHORTAGE;
    if (object == 0) bytes_fill(vo_page_at(fresh, page - start), 0, <usize>(stop - page) * FRAME_BYTES);
    else vm_object_copy(fresh, page - start, object_at(object), from, stop - page);
    page = stop;
  }
  return KERN_SUCCESS;
}

/** Puts the new entry in the place of all others. Conditions: map locked. Commits. Returns: false: memory is exhausted. */
function put(map: VmMap, start: u32, end: u32, at: usize, fresh: VmObject): bool {
  if (!vm_map_clip_range(map, start, end)) return false;
  pmap_remove(map, start, end);
  const first = vm_map_lookup(map, start);
  let last = first;
  while (vme_at(last).vme_end < end) last = vme_at(last).vme_next;
  vme_at(at)._vme_bits = vme_at(first).vme_bits & ~VME_NEEDS_COPY;
  vm_map_unlink(map, first, last);
  reap_push(first);
  vm_object_adopt(fresh);
  vme_at(at).vme_object = <u32>changetype<usize>(fresh);
  vme_adopt(at);
  vm_map_link(map, at, at);
  journal_commit();
  return true;
}
