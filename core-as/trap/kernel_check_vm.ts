// The invariants of memory: maps, page tables, objects, frames, quotas. A part of kernel_check, and what tests do to page tables.

import { hint_load, word_load } from "../sync/atomics";
import { FRAME_KIND_MASK, FRAME_OBJECT, frame_owner_at, FRAME_PMAP, frames_count } from "../kern/frame";
import { header } from "../kern/memory_map";
import { FRAME_BYTES } from "../kern/param";
import {
  OWNER_FREE,
  OWNER_LEASE,
  OWNER_LIVE,
  OWNER_MAGAZINE,
  OWNER_WORK,
  ZONE_KMSG_LARGE,
  ZONE_KMSG_SMALL,
  zone_next,
  ZONE_OBJECT,
  ZONE_TASK,
  ZONE_VME,
} from "../kern/zone";
import { VM_PAGE_MAX, VM_PAGE_MIN, VM_PAGE_SHIFT, VM_PROT_READ, VM_PROT_WRITE } from "../abi/vm";
import { ikm_port_at, kmsg_at, SLOT_MEMORY } from "../ipc/ipc_kmsg";
import { is_serial } from "../ipc/ipc_space";
import { task_from } from "../task/task";
import { vm_map_lookup, vm_map_of, VME_NEEDS_COPY, vme_at, VmMap } from "../vm/vm_map";
import { object_at, VmObject } from "../vm/vm_object";
import { pmap_walk, PTE_VALID, PTE_WRITE } from "../vm/pmap";
import { trap_enter_any, trap_leave } from "./trap";

/** Conditions: as kernel_check. Returns: 0, or the site of the first broken invariant, 0x405n. */
export function memory_check(): u32 {
  let entries: u32 = 0;
  for (let at = zone_next(ZONE_TASK, 0); at != 0; at = zone_next(ZONE_TASK, at)) {
    if (word_load(at) != OWNER_LIVE) continue;
    const map = vm_map_of(at);
    if (map.vm_lock != 0) return 0x4051;
    const found = map_check(map);
    if (found == 0xffffffff) return 0x4052;
    entries += found;
    if (!pmap_check(map)) return 0x4053;
    if (map.vm_serial != 0 && <i32>(map.vm_used - charged(map)) < 0) return 0x4054; // as of kmsgs
  }
  entries += chains();
  for (let at = zone_next(ZONE_VME, 0); at != 0; at = zone_next(ZONE_VME, at)) {
    if (word_load(at) == OWNER_LIVE) entries--;
  }
  if (entries != 0) return 0x4055; // one that nobody has, or that two have
  for (let at = zone_next(ZONE_OBJECT, 0); at != 0; at = zone_next(ZONE_OBJECT, at)) {
    if (word_load(at) == OWNER_LIVE && !object_check(object_at(at))) return 0x4056;
  }
  return frames_check() ? 0 : 0x4057;
}

/** Whether the map is sorted and linked, and its entries refer to what there is. Returns: its entries, or 0xffffffff. */
function map_check(map: VmMap): u32 {
  let count: u32 = 0;
  let prev: usize = 0;
  let page = VM_PAGE_MIN;
  let hint = map.vm_hint == 0;
  for (let at: usize = map.vm_first; at != 0; prev = at, at = vme_at(at).vme_next) {
    const entry = vme_at(at);
    if (word_load(at) != OWNER_LIVE || entry.vme_prev != prev) return 0xffffffff;
    if (entry.vme_start < page || entry.vme_end <= entry.vme_start) return 0xffffffff;
    if (entry.vme_object != 0 && !fits(at)) return 0xffffffff;
    page = entry.vme_end;
    if (map.vm_hint == at) hint = true;
    count++;
  }
  return map.vm_last == prev && page <= VM_PAGE_MAX && hint ? count : 0xffffffff;
}

/** Whether the entry's pages are in its object. */
function fits(at: usize): bool {
  const object = object_at(vme_at(at).vme_object);
  const pages = vme_at(at).vme_end - vme_at(at).vme_start;
  return object.z_owner == OWNER_LIVE && vme_at(at).vme_offset + pages <= object.vo_pages;
}

/** Whether every page that the page table knows is where the map says, and may be written only if the map says so. */
function pmap_check(map: VmMap): bool {
  if (map.vm_pmap == 0) return true;
  for (let table: u32 = 0; table < 1024; table++) {
    if (load<u32>(<usize>map.vm_pmap + table * 4) == 0) continue;
    for (let page = table << 10; page < (table + 1) << 10; page++) {
      const pte = load<u32>(pmap_walk(map, page));
      if ((pte & PTE_VALID) != 0 && !pte_right(map, page, pte)) return false;
    }
  }
  return true;
}

function pte_right(map: VmMap, page: u32, pte: u32): bool {
  const at = vm_map_lookup(map, page);
  if (at == 0 || vme_at(at).vme_object == 0) return false;
  const bits = vme_at(at).vme_bits;
  const frame = object_at(vme_at(at).vme_object).vo_first + vme_at(at).vme_offset + (page - vme_at(at).vme_start);
  const writable = (bits & VM_PROT_WRITE) != 0 && (bits & VME_NEEDS_COPY) == 0;
  return pte >>> VM_PAGE_SHIFT == frame && (bits & VM_PROT_READ) != 0 && (writable || (pte & PTE_WRITE) == 0);
}

/** Entries in messages. */
function chains(): u32 {
  let count: u32 = 0;
  for (let zone = ZONE_KMSG_SMALL; zone <= ZONE_KMSG_LARGE; zone++) {
    for (let kmsg = zone_next(zone, 0); kmsg != 0; kmsg = zone_next(zone, kmsg)) {
      const owner = word_load(kmsg);
      if (owner == OWNER_FREE || (owner & 0xff00) == OWNER_MAGAZINE) continue;
      for (let index: u32 = 0; index < kmsg_at(kmsg).ikm_ports_count; index++) {
        const slot_at = ikm_port_at(kmsg_at(kmsg), index);
        if ((load<u32>(slot_at, 4) & SLOT_MEMORY) == 0) continue;
        for (let at: usize = load<u32>(slot_at); at != 0; at = vme_at(at).vme_next) count++;
      }
    }
  }
  return count;
}

/** Whether as many entries and leases refer to the object as it counts, and its frames are its own. */
function object_check(object: VmObject): bool {
  let refs: u32 = 0;
  let leases: u32 = 0;
  let writes: u32 = 0;
  for (let at = zone_next(ZONE_VME, 0); at != 0; at = zone_next(ZONE_VME, at)) {
    const owner = word_load(at);
    const leased = (owner & 0xff00) == OWNER_LEASE;
    if (owner != OWNER_LIVE && !leased && (owner & 0xff00) != OWNER_WORK) continue;
    if (vme_at(at).vme_object != changetype<usize>(object)) continue;
    refs++;
    if (leased) leases++;
    if (leased) writes += vme_at(at).vme_flags;
  }
  if (object.vo_lock != 0 || refs != object.vo_refs || leases != object.vo_leases) return false;
  if (writes != object.vo_wleases || object.vo_pages == 0) return false;
  for (let page: u32 = 0; page < object.vo_pages; page++) {
    const owner = word_load(frame_owner_at(object.vo_first + page));
    if (owner != (<u32>changetype<usize>(object) | FRAME_OBJECT)) return false;
  }
  return true;
}

/** Whether every frame of an object or of a page table is one's that there is. */
function frames_check(): bool {
  for (let frame = header().h_first_frame; frame < frames_count(); frame++) {
    const owner = word_load(frame_owner_at(frame));
    const at: usize = owner & ~FRAME_KIND_MASK;
    if ((owner & FRAME_KIND_MASK) == FRAME_OBJECT) {
      if (word_load(at) != OWNER_LIVE && (word_load(at) & 0xff00) != OWNER_WORK) return false;
      if (frame - object_at(at).vo_first >= object_at(at).vo_pages) return false;
    }
    if ((owner & FRAME_KIND_MASK) == FRAME_PMAP && !has_table(vm_map_of(at), frame)) return false;
  }
  return true;
}

function has_table(map: VmMap, frame: u32): bool {
  if (map.vm_pmap == 0) return false;
  if (map.vm_pmap == frame * FRAME_BYTES) return true;
  for (let table: u32 = 0; table < 1024; table++) {
    if (load<u32>(<usize>map.vm_pmap + table * 4) == frame * FRAME_BYTES) return true;
  }
  return false;
}

/** Frames of all objects that are charged to the map's task. */
function charged(map: VmMap): u32 {
  let frames: u32 = 0;
  for (let at = zone_next(ZONE_OBJECT, 0); at != 0; at = zone_next(ZONE_OBJECT, at)) {
    const object = object_at(at);
    if (word_load(at) != OWNER_LIVE || object.vo_charged != changetype<usize>(map)) continue;
    if (object.vo_charged_serial == hint_load(changetype<usize>(map) + offsetof<VmMap>("vm_serial"))) {
      frames += object.vo_pages;
    }
  }
  return frames;
}

/**
 * Forgets pages of a task's page table, each with a chance of a half that `seed` decides: nothing but time may change. Debug builds.
 *
 * Conditions: as kernel_check.
 */
export function pmap_drop(handle: u32, seed: u32): void {
  trap_enter_any();
  const task = task_from(handle);
  const map = vm_map_of(changetype<usize>(task));
  if (task && map.vm_pmap != 0) {
    for (let page: u32 = 0; page < 1 << 20; page++) {
      const pte_at = pmap_walk(map, page);
      if (pte_at == 0) {
        page |= 1023; // no table
        continue;
      }
      seed = seed * 1664525 + 1013904223;
      if (seed >>> 31 != 0) store<u32>(pte_at, 0);
    }
  }
  trap_leave(0);
}

/** Makes the page table lie about a page. Conditions: as kernel_check. Returns: whether it knows the page. Debug builds. */
export function pmap_poke(handle: u32, address: u32): u32 {
  trap_enter_any();
  const task = task_from(handle);
  let known: u32 = 0;
  if (task && is_serial(changetype<usize>(task)) != 0) {
    const pte_at = pmap_walk(vm_map_of(changetype<usize>(task)), address >>> VM_PAGE_SHIFT);
    if (pte_at != 0 && (load<u32>(pte_at) & PTE_VALID) != 0) {
      store<u32>(pte_at, load<u32>(pte_at) + (1 << VM_PAGE_SHIFT));
      known = 1;
    }
  }
  return trap_leave(known);
}
