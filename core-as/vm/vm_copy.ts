// Memory in motion: chains of entries that leave one map (vm_copyin.ts) and enter another. A message has such a chain in a slot; so what a
// message carries is found by who destroys it. Each entry is a transaction, after which it is either in a map or in the chain.

import { journal_commit, journal_set } from "../kern/journal";
import { reap_push } from "../kern/work";
import { zone_free, ZONE_VME } from "../kern/zone";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_TASK,
  KERN_NO_SPACE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { VM_PAGE_SHIFT, VM_PROT_READ } from "../abi/vm";
import { out_set } from "../kern/processor";
import { vm_map_copyin, vme_append, vme_chain_range } from "./vm_copyin";
import { vm_map_copy_bytes, vm_object_hold } from "./vm_fault";
import {
  vm_map_clip_range,
  vm_map_link,
  vm_map_lock,
  vm_map_remove,
  vm_map_space,
  vm_map_unlock,
  vm_range_end,
  vm_range_valid,
  VME_DEFAULT,
  vme_adopt,
  vme_alloc,
  vme_at,
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

/** Puts the chain of a slot on the work list. Conditions: the slot is not empty, nothing in the journal. Commits. */
export function vme_chain_drop(slot_at: usize): void {
  const first: usize = load<u32>(slot_at);
  journal_set(slot_at, 0);
  reap_push(first);
  journal_commit();
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
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  const clipped = vm_map_clip_range(map, start, end);
  if (clipped) vm_map_remove(map, start, end);
  vm_map_unlock(map);
  return clipped ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
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
