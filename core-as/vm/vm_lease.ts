// Leases: JavaScript looks at memory through them. A lease is an entry of no map: a reference to the object, in the hands of one agent
// (OWNER_LEASE | pid). While it is out the object's frames stay where they are, whatever becomes of the map: removed memory is not freed,
// moved memory is copied, and written memory is copied at once instead of shared. When its agent's thread is gone, recovery ends it.

import { journal_commit, journal_set_hint } from "../kern/journal";
import { my_pid, out_set } from "../kern/processor";
import { OWNER_LEASE, zone_free, zone_has, ZONE_VME } from "../kern/zone";
import { KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from "../abi/kern_return";
import { VM_PAGE_SHIFT } from "../abi/vm";
import { vm_access, vm_fault, vm_map_replace, vm_object_copy } from "./vm_fault";
import {
  vm_map_lock,
  vm_map_lookup,
  vm_map_unlock,
  vm_range_end,
  VME_SHARED,
  vme_alloc,
  vme_at,
  vme_refer_locked,
  VmMap,
} from "./vm_map";
import { object_at, vm_object_alloc, vm_object_release_locked, vo_lock, vo_page_at, vo_unlock } from "./vm_object";

/**
 * Leases the bytes from `address` on as far as they lie together, `size` at the most.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal; the range is valid, size not 0.
 * Returns:    KERN_SUCCESS, out 0 the lease, 1 where the first byte is in linear memory, 2 how many bytes; codes of vm_fault.
 */
export function vm_lease_begin(map: VmMap, serial: u32, address: u32, size: u32, writes: bool): u32 {
  const lease = vme_alloc(0, 0, 0);
  if (lease == 0) return KERN_RESOURCE_SHORTAGE;
  const page = address >>> VM_PAGE_SHIFT;
  const code = vm_fault(map, serial, page, vm_range_end(address, size), writes, vm_access(writes));
  if (code != KERN_SUCCESS) {
    zone_free(ZONE_VME, lease);
    return code;
  }
  const entry = vme_at(vm_map_lookup(map, page));
  const object = object_at(entry.vme_object);
  const first = entry.vme_offset + (page - entry.vme_start);
  vme_at(lease).vme_flags = writes ? 1 : 0;
  vme_at(lease)._vme_start = page;
  vme_at(lease).vme_skip = <u32>changetype<usize>(map);
  vme_at(lease).vme_bytes = serial;
  vo_lock(object);
  vme_refer_locked(lease, changetype<usize>(object), first);
  object.vo_leases = object.vo_leases + 1;
  if (writes) map.vm_version = map.vm_version + 1;
  if (writes) object.vo_wleases = object.vo_wleases + 1;
  journal_set_hint(lease, OWNER_LEASE | my_pid());
  journal_commit();
  vo_unlock(object);
  const skip = address & ((1 << VM_PAGE_SHIFT) - 1);
  out_set(0, <u32>lease);
  out_set(1, <u32>vo_page_at(object, first) + skip);
  out_set(2, min(size, ((entry.vme_end - page) << VM_PAGE_SHIFT) - skip));
  vm_map_unlock(map);
  return KERN_SUCCESS;
}

/** Whether it is a lease of this agent's. */
export function vm_lease_held(lease: usize): bool {
  return zone_has(ZONE_VME, lease) && vme_at(lease).z_owner == (OWNER_LEASE | my_pid());
}

/**
 * Ends a lease.
 *
 * Conditions: in a trap, nothing locked, nothing in the journal; the lease is this agent's, or its agent's thread is gone. Commits.
 */
export function vm_lease_end(lease: usize): u32 {
  const object = object_at(vme_at(lease).vme_object);
  vo_lock(object);
  object.vo_leases = object.vo_leases - 1;
  if (vme_at(lease).vme_flags != 0) object.vo_wleases = object.vo_wleases - 1;
  vme_at(lease).vme_object = 0;
  journal_set_hint(lease, my_pid());
  vm_object_release_locked(object);
  journal_commit();
  vo_unlock(object);
  zone_free(ZONE_VME, lease);
  return KERN_SUCCESS;
}

/**
 * As vm_lease_end, in debug builds: what was leased moves to other frames, so that who kept the view sees poison, and what he writes there is
 * found when the frames are used again (frame.ts). It stays where it is if others have it too, or there are no such frames.
 *
 * Conditions: as vm_lease_end.
 */
export function vm_lease_end_moving(lease: usize): u32 {
  const map = changetype<VmMap>(<usize>vme_at(lease).vme_skip);
  const serial = vme_at(lease).vme_bytes;
  const page = vme_at(lease).vme_start;
  const was: usize = vme_at(lease).vme_object;
  vm_lease_end(lease);
  if (!vm_map_lock(map, serial)) return KERN_SUCCESS;
  const at = vm_map_lookup(map, page);
  const there = at != 0 && vme_at(at).vme_object == was && (vme_at(at).vme_bits & VME_SHARED) == 0;
  if (there && object_at(was).vo_refs == 1) {
    const entry = vme_at(at);
    const fresh = vm_object_alloc(map, entry.vme_end - entry.vme_start, false);
    if (fresh) {
      vm_object_copy(fresh, 0, object_at(was), entry.vme_offset, entry.vme_end - entry.vme_start);
      vm_map_replace(map, entry.vme_start, entry.vme_end, fresh);
    }
  }
  vm_map_unlock(map);
  return KERN_SUCCESS;
}
