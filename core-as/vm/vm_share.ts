// Memory in more than one place: ranges shared on purpose (VME_SHARED), chains that are mapped more than once (memory entries), and what a
// child inherits. A chain that a memory entry keeps is in no map; its entries are read by who holds the entry's port locked.

import { journal_commit } from "../kern/journal";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_TASK,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { VM_INHERIT_NONE, VM_INHERIT_SHARE, VM_PAGE_MAX, VM_PAGE_SHIFT, VM_PROT_ALL } from "../abi/vm";
import { vm_map_charge, vm_map_place, vme_chain_drop } from "./vm_copy";
import { vm_map_copyin, vme_append, vme_chain_range } from "./vm_copyin";
import { vm_map_check, vm_fault, vm_object_copy } from "./vm_fault";
import {
  vm_map_clip_range,
  vm_map_from,
  vm_map_lock,
  vm_map_lookup,
  vm_map_unlock,
  VME_DEFAULT,
  VME_INHERIT_SHIFT,
  VME_MAX_SHIFT,
  VME_NEEDS_COPY,
  VME_SHARED,
  vme_adopt,
  vme_alloc,
  vme_at,
  vme_refer_locked,
  VmEntry,
  VmMap,
} from "./vm_map";
import { object_at, vm_object_adopt, vm_object_alloc, vm_object_release_locked, vo_lock, vo_unlock } from "./vm_object";

/** Protections that every page of a range allows. Conditions: map locked, no holes. */
function protection_of(map: VmMap, start: u32, end: u32): u32 {
  let bits: u32 = 0xffffffff;
  for (let at = vm_map_lookup(map, start); at != 0 && vme_at(at).vme_start < end; at = vme_at(at).vme_next) {
    bits &= vme_at(at).vme_bits;
  }
  return bits & (VM_PROT_ALL | (VM_PROT_ALL << VME_MAX_SHIFT));
}

/** In the place of what a range allows: a code follows. */
export const REFUSED: u32 = 1 << 31;

/**
 * What a range allows: protection, maximum << VME_MAX_SHIFT.
 *
 * Conditions: in a trap, nothing of rank 2 or above locked. Returns: REFUSED | KERN_INVALID_TASK; REFUSED | KERN_INVALID_ADDRESS, a hole.
 */
export function vm_map_protection(map: VmMap, serial: u32, start: u32, end: u32): u32 {
  if (!vm_map_lock(map, serial)) return REFUSED | KERN_INVALID_TASK;
  const code = vm_map_check(map, start, end, 0);
  const bits = code == KERN_SUCCESS ? protection_of(map, start, end) : REFUSED | code;
  vm_map_unlock(map);
  return bits;
}

/**
 * Takes a range out of a map as what it is, not as a copy: all who have it see what any of them writes.
 *
 * Conditions, Returns: as vm_map_copyin, of whole pages. Pages that were shared by copy get their own frames first.
 */
function vm_map_share(map: VmMap, serial: u32, start: u32, end: u32, access: u32, slot_at: usize): u32 {
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  let code = vm_map_check(map, start, end, access);
  vm_map_unlock(map);
  let tail: usize = 0;
  for (let page = start; page < end && code == KERN_SUCCESS; ) {
    code = vm_fault(map, serial, page, end, true, access); // as if written, for somebody may
    if (code != KERN_SUCCESS) break;
    const stop = min(vme_at(vm_map_lookup(map, page)).vme_end, end);
    const at = vm_map_clip_range(map, page, stop) ? vme_alloc(page - start, stop - start, VME_DEFAULT | VME_SHARED) : 0;
    if (at != 0) append_shared(vme_at(vm_map_lookup(map, page)), page, at, slot_at, tail);
    else code = KERN_RESOURCE_SHORTAGE;
    vm_map_unlock(map);
    tail = at;
    page = stop;
  }
  if (code != KERN_SUCCESS) return code;
  vme_chain_range(slot_at, 0, (end - start) << VM_PAGE_SHIFT);
  return KERN_SUCCESS;
}

/** A second entry for pages of one, both shared on purpose from now on. Conditions: map locked, clipped. Commits. */
function append_shared(entry: VmEntry, page: u32, at: usize, slot_at: usize, tail: usize): void {
  const object = object_at(entry.vme_object);
  vo_lock(object);
  entry.vme_bits = entry.vme_bits | VME_SHARED;
  vme_refer_locked(at, entry.vme_object, entry.vme_offset + (page - entry.vme_start));
  vme_adopt(at);
  vme_append(at, slot_at, tail);
  journal_commit();
  vo_unlock(object);
}

/**
 * Takes whole pages out of a map, as a copy or as what they are.
 *
 * Conditions, Returns: as vm_map_copyin. Races: between a look at what the range allows (vm_map_protection) and this another thread may put
 *             other memory there: who gives the chain what he saw asks for it as `access`.
 */
export function vm_map_extract(
  map: VmMap,
  serial: u32,
  start: u32,
  end: u32,
  copies: bool,
  access: u32,
  slot_at: usize,
): u32 {
  if (!copies) return vm_map_share(map, serial, start, end, access, slot_at);
  const bytes = (end - start) << VM_PAGE_SHIFT;
  return vm_map_copyin(map, serial, start << VM_PAGE_SHIFT, bytes, false, slot_at, access);
}

/**
 * Makes a chain for pages [start, end) of another one, which stays as it is. With `copies` every page is to be copied before it is written.
 *
 * Conditions: in a trap, the chain is kept from changing by the caller, who may hold a port; nothing in the journal; the slot is empty and
 *             its holder this processor's. Commits. Returns: KERN_SUCCESS; KERN_RESOURCE_SHORTAGE: what was made is in the slot.
 */
export function vme_chain_clone(first: usize, start: u32, end: u32, copies: bool, slot_at: usize): u32 {
  let tail: usize = 0;
  for (let from: usize = first; from != 0; from = vme_at(from).vme_next) {
    const entry = vme_at(from);
    const begin = max(start, entry.vme_start);
    const stop = min(end, entry.vme_end);
    if (begin >= stop) continue;
    const at = vme_alloc(
      begin - start,
      stop - start,
      VME_DEFAULT | (entry.vme_bits & VME_SHARED) | (copies ? VME_NEEDS_COPY : 0),
    );
    if (at == 0) return KERN_RESOURCE_SHORTAGE;
    const object: usize = entry.vme_object;
    if (object != 0) {
      vo_lock(object_at(object));
      if (copies && (entry.vme_bits & VME_SHARED) == 0) entry.vme_bits = entry.vme_bits | VME_NEEDS_COPY;
      vme_refer_locked(at, object, entry.vme_offset + (begin - entry.vme_start));
    }
    vme_adopt(at);
    vme_append(at, slot_at, tail);
    journal_commit();
    if (object != 0) vo_unlock(object_at(object));
    tail = at;
  }
  vme_chain_range(slot_at, 0, (end - start) << VM_PAGE_SHIFT);
  return KERN_SUCCESS;
}

/**
 * Gives the entries of a chain that are shared on purpose copies of their own.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal; the chain is this processor's. Commits.
 * Returns:    KERN_SUCCESS; KERN_RESOURCE_SHORTAGE, no frames or no quota.
 */
export function vme_chain_part(map: VmMap, first: usize): u32 {
  for (let at = first; at != 0; at = vme_at(at).vme_next) {
    if ((vme_at(at).vme_bits & VME_SHARED) == 0) continue;
    const object = object_at(vme_at(at).vme_object);
    const pages = vme_at(at).vme_end - vme_at(at).vme_start;
    const fresh = vm_object_alloc(map, pages, false);
    if (!fresh) return KERN_RESOURCE_SHORTAGE;
    vm_object_copy(fresh, 0, object, vme_at(at).vme_offset, pages);
    vo_lock(object);
    vm_object_adopt(fresh);
    vme_at(at).vme_object = <u32>changetype<usize>(fresh);
    vme_at(at).vme_offset = 0;
    vme_at(at).vme_bits = vme_at(at).vme_bits & ~(VME_NEEDS_COPY | VME_SHARED);
    vm_object_release_locked(object);
    journal_commit();
    vo_unlock(object);
  }
  return KERN_SUCCESS;
}

/** A chain of pages that nobody has looked at. Conditions: as vme_chain_clone. Returns: false: memory is exhausted. */
export function vme_chain_zero(pages: u32, slot_at: usize): bool {
  const at = vme_alloc(0, pages, VME_DEFAULT);
  if (at == 0) return false;
  vme_adopt(at);
  vme_append(at, slot_at, 0);
  journal_commit();
  vme_chain_range(slot_at, 0, pages << VM_PAGE_SHIFT);
  return true;
}

/** Sets protection, maximum and inheritance of all entries of a chain. Conditions: the chain is this processor's, and in no map. */
export function vme_chain_protect(first: usize, protection: u32, maximum: u32, inheritance: u32): void {
  const bits = protection | (maximum << VME_MAX_SHIFT) | (inheritance << VME_INHERIT_SHIFT);
  for (let at = first; at != 0; at = vme_at(at).vme_next) {
    vme_at(at)._vme_bits = bits | (vme_at(at).vme_bits & (VME_NEEDS_COPY | VME_SHARED));
  }
}

/**
 * Gives a child what its parent's entries say: a copy, the same memory, or nothing.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal; the child has not begun, and its map is empty. The slot as in vm_map_copyin.
 * Returns:    KERN_SUCCESS; KERN_INVALID_TASK, the parent has ended; KERN_RESOURCE_SHORTAGE, no memory, or no quota: copies that must be
 *             made at once are the parent's until the child has them.
 */
export function vm_map_inherit(map: VmMap, serial: u32, child: VmMap, slot_at: usize): u32 {
  for (let page: u32 = 0; page < VM_PAGE_MAX; ) {
    if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
    const at = vm_map_from(map, page);
    const start = at == 0 ? 0 : max(page, vme_at(at).vme_start); // what is before `page` the child has
    const end = at == 0 ? 0 : vme_at(at).vme_end;
    const bits = at == 0 ? 0 : vme_at(at).vme_bits;
    vm_map_unlock(map);
    if (end == 0) return KERN_SUCCESS;
    page = end;
    const inheritance = (bits >>> VME_INHERIT_SHIFT) & 3;
    if (inheritance == VM_INHERIT_NONE) continue;
    const access = bits & (VM_PROT_ALL | (VM_PROT_ALL << VME_MAX_SHIFT)); // the child is not to have more than there is by then
    const code = vm_map_extract(map, serial, start, end, inheritance != VM_INHERIT_SHARE, access, slot_at);
    if (code == KERN_INVALID_ADDRESS || code == KERN_PROTECTION_FAILURE) {
      if (load<u32>(slot_at) != 0) vme_chain_drop(slot_at); // another thread of the parent changed some of it meanwhile: what is there now?
      page = start;
      continue;
    }
    if (code != KERN_SUCCESS) return code;
    vme_chain_protect(load<u32>(slot_at), bits & VM_PROT_ALL, (bits >>> VME_MAX_SHIFT) & VM_PROT_ALL, inheritance);
    vm_map_lock(child, child.vm_serial); // nobody can end it yet
    const charged = vm_map_charge(child, load<u32>(slot_at));
    if (charged) vm_map_place(child, start, slot_at);
    vm_map_unlock(child);
    if (!charged) return KERN_RESOURCE_SHORTAGE;
  }
  return KERN_SUCCESS;
}
