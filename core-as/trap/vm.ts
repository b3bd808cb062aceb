// Traps on a task's memory. The target is named by its task port; addresses are the target's, of 32 bits; ranges are rounded to whole
// pages. Bytes go in and out by way of a message that the caller holds, for the core sees no other memory of the caller's.

import { journal_commit } from "../kern/journal";
import { me, my_pid, out_set } from "../kern/processor";
import { OWNER_HELD, zone_free, ZONE_VME } from "../kern/zone";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_TASK,
  KERN_NO_SPACE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { VM_FLAGS_ANYWHERE, VM_INHERIT_NONE, VM_PAGE_MIN, VM_PAGE_SHIFT, VM_PROT_ALL, VM_PROT_READ } from "../abi/vm";
import { ikm_port_at, ikm_valid, ipc_kmsg_alloc, IpcKmsg, kmsg_at, SLOT_MEMORY } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { is_unlock } from "../ipc/ipc_space";
import { vm_map_copyout, vm_map_discard } from "../vm/vm_copy";
import { vm_map_copyin } from "../vm/vm_copyin";
import { vm_map_check, vm_map_copy_bytes, vm_map_ready } from "../vm/vm_fault";
import {
  vm_map_clip_range,
  vm_map_free,
  vm_map_from,
  vm_map_link,
  vm_map_lock,
  vm_map_of,
  vm_map_space,
  vm_map_unlock,
  vm_range_end,
  vm_range_valid,
  VME_DEFAULT,
  VME_INHERIT_SHIFT,
  VME_MAX_SHIFT,
  VME_NEEDS_COPY,
  VME_SHARED,
  vme_adopt,
  vme_alloc,
  vme_at,
  VmMap,
} from "../vm/vm_map";
import { object_at, vo_page_at } from "../vm/vm_object";
import { pmap_remove } from "../vm/pmap";
import { caller_enter, caller_of, target_space } from "./target";
import { trap_leave } from "./trap";

/**
 * Enters the kernel and finds the target's map.
 *
 * Returns: KERN_SUCCESS, nothing locked: target_map and me().p_target_serial say whose; codes of caller_enter, and the kernel was left.
 */
export function map_enter(handle: u32, target: u32): u32 {
  const kr = caller_enter(handle, target);
  if (kr == KERN_SUCCESS) is_unlock(caller_of(handle));
  return kr;
}

export function target_map(): VmMap {
  return vm_map_of(changetype<usize>(target_space()));
}

/** Whether a range is not among the addresses that memory may have, when rounded to pages. No bytes always are. */
export function wraps(address: u32, size: u32): bool {
  return size != 0 && !vm_range_valid(address, size);
}

/**
 * Makes memory, zero filled; frames are taken when it is first looked at.
 *
 * Returns: out 0 the address; codes of caller_enter; KERN_INVALID_ARGUMENT, flags, or the range wraps; KERN_INVALID_ADDRESS, a fixed
 *          range that begins in page 0; KERN_NO_SPACE, no room, or a fixed range that is taken; KERN_RESOURCE_SHORTAGE.
 */
export function vm_allocate(handle: u32, target: u32, address: u32, size: u32, flags: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  if (flags > VM_FLAGS_ANYWHERE) return trap_leave(KERN_INVALID_ARGUMENT);
  const anywhere = (flags & VM_FLAGS_ANYWHERE) != 0;
  if (anywhere) address = 0;
  if (wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  if (size == 0) return trap_leave(KERN_SUCCESS);
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  if (!anywhere && start < VM_PAGE_MIN) return trap_leave(KERN_INVALID_ADDRESS);
  const entry = vme_alloc(0, 0, VME_DEFAULT);
  if (entry == 0) return trap_leave(KERN_RESOURCE_SHORTAGE);
  const map = target_map();
  let code = KERN_INVALID_TASK;
  if (vm_map_lock(map, me().p_target_serial)) {
    code = KERN_NO_SPACE;
    const page = anywhere ? vm_map_space(map, end - start, 1) : vm_map_free(map, start, end) ? start : 0;
    if (page != 0) {
      code = KERN_SUCCESS;
      vme_at(entry)._vme_start = page;
      vme_at(entry)._vme_end = page + (end - start);
      vme_adopt(entry);
      vm_map_link(map, entry, entry);
      journal_commit();
      out_set(0, page << VM_PAGE_SHIFT);
    }
    vm_map_unlock(map);
  }
  if (code != KERN_SUCCESS) zone_free(ZONE_VME, entry);
  return trap_leave(code);
}

/** Removes a range; holes are no matter. Returns: codes of caller_enter; KERN_INVALID_ARGUMENT, it wraps; KERN_RESOURCE_SHORTAGE. */
export function vm_deallocate(handle: u32, target: u32, address: u32, size: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (size == 0) return trap_leave(KERN_SUCCESS);
  if (wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  return trap_leave(vm_map_discard(target_map(), me().p_target_serial, address, size));
}

/**
 * Sets the protection of a range, or (`maximum`) the most that it may be.
 *
 * Returns: codes of caller_enter; KERN_INVALID_ARGUMENT, it wraps, or no protection; KERN_INVALID_ADDRESS, a hole;
 *          KERN_PROTECTION_FAILURE, more than the maximum; KERN_RESOURCE_SHORTAGE.
 */
export function vm_protect(handle: u32, target: u32, address: u32, size: u32, maximum: u32, protection: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (protection > VM_PROT_ALL || wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  if (size == 0) return trap_leave(KERN_SUCCESS);
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  const map = target_map();
  if (!vm_map_lock(map, me().p_target_serial)) return trap_leave(KERN_INVALID_TASK);
  let code = vm_map_check(map, start, end, protection << VME_MAX_SHIFT);
  if (code == KERN_SUCCESS && !vm_map_clip_range(map, start, end)) code = KERN_RESOURCE_SHORTAGE;
  if (code == KERN_SUCCESS) {
    pmap_remove(map, start, end);
    for (let at = vm_map_from(map, start); at != 0 && vme_at(at).vme_start < end; at = vme_at(at).vme_next) {
      const bits = vme_at(at).vme_bits;
      const most = (bits >>> VME_MAX_SHIFT) & VM_PROT_ALL;
      const others = bits & ~(VM_PROT_ALL | (VM_PROT_ALL << VME_MAX_SHIFT));
      if (maximum == 0) vme_at(at).vme_bits = others | (most << VME_MAX_SHIFT) | protection;
      else vme_at(at).vme_bits = others | (protection << VME_MAX_SHIFT) | (bits & protection);
      journal_commit();
    }
  }
  vm_map_unlock(map);
  return trap_leave(code);
}

/** Sets what a child task gets of a range; holes are no matter. Returns: codes of caller_enter; KERN_INVALID_ARGUMENT; _RESOURCE_SHORTAGE. */
export function vm_inherit(handle: u32, target: u32, address: u32, size: u32, inheritance: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (inheritance > VM_INHERIT_NONE || wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  if (size == 0) return trap_leave(KERN_SUCCESS);
  const start = address >>> VM_PAGE_SHIFT;
  const end = vm_range_end(address, size);
  const map = target_map();
  if (!vm_map_lock(map, me().p_target_serial)) return trap_leave(KERN_INVALID_TASK);
  const clipped = vm_map_clip_range(map, start, end);
  if (clipped) {
    for (let at = vm_map_from(map, start); at != 0 && vme_at(at).vme_start < end; at = vme_at(at).vme_next) {
      const others = vme_at(at).vme_bits & ~(3 << VME_INHERIT_SHIFT);
      vme_at(at).vme_bits = others | (inheritance << VME_INHERIT_SHIFT);
      journal_commit();
    }
  }
  vm_map_unlock(map);
  return trap_leave(clipped ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE);
}

/** A kmsg that carries one chain of memory from one map to another inside a trap. Returns: in this processor's hand; null, no memory. */
export function memory_carrier(): IpcKmsg | null {
  const kmsg = ipc_kmsg_alloc(24, 1);
  if (!kmsg) return null;
  store<u32>(ikm_port_at(kmsg, 0), 0);
  store<u32>(ikm_port_at(kmsg, 0), SLOT_MEMORY, 4);
  kmsg.ikm_ports_count = 1;
  return kmsg;
}

/**
 * A snapshot of a range, in the caller's memory.
 *
 * Returns: out 0 its address, 1 its size; codes of caller_enter; KERN_INVALID_ARGUMENT, it wraps; KERN_INVALID_ADDRESS, a hole;
 *          KERN_PROTECTION_FAILURE; KERN_NO_SPACE; KERN_RESOURCE_SHORTAGE, memory or quota.
 */
export function vm_read(handle: u32, target: u32, address: u32, size: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  out_set(1, 0);
  if (size == 0) return trap_leave(KERN_SUCCESS);
  if (wraps(address, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  const kmsg = memory_carrier();
  if (!kmsg) return trap_leave(KERN_RESOURCE_SHORTAGE);
  const slot_at = ikm_port_at(kmsg, 0);
  let code = vm_map_copyin(target_map(), me().p_target_serial, address, size, false, slot_at, VM_PROT_READ);
  if (code == KERN_SUCCESS) {
    const home = vm_map_of(changetype<usize>(caller_of(handle)));
    code = vm_map_copyout(home, me().p_caller_serial, slot_at);
    if (code == KERN_SUCCESS) out_set(1, size);
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/** Whether the caller holds the message, with room for so many bytes. */
function holds(kmsg: u32, size: u32): bool {
  return ikm_valid(kmsg) && kmsg_at(kmsg).z_owner == (OWNER_HELD | my_pid()) && size <= kmsg_at(kmsg).ikm_capacity;
}

/**
 * Copies a range to the bytes of a held message.
 *
 * Returns: codes of caller_enter; KERN_INVALID_ARGUMENT, it wraps, or no such message; KERN_INVALID_ADDRESS; KERN_PROTECTION_FAILURE;
 *          KERN_RESOURCE_SHORTAGE. A refusal leaves the bytes undefined.
 */
export function vm_read_overwrite(handle: u32, target: u32, address: u32, size: u32, kmsg: u32): u32 {
  const kr = bytes_enter(handle, target, address, size, kmsg);
  if (kr != KERN_SUCCESS || size == 0) return kr == KERN_SUCCESS ? trap_leave(kr) : kr;
  const map = target_map();
  const serial = me().p_target_serial;
  let code = KERN_INVALID_TASK;
  if (vm_map_lock(map, serial)) {
    code = vm_map_check(map, address >>> VM_PAGE_SHIFT, vm_range_end(address, size), 1);
    vm_map_unlock(map);
  }
  if (code == KERN_SUCCESS) code = vm_map_copy_bytes(map, serial, address, kmsg_at(kmsg).ikm_bytes, size, false);
  return trap_leave(code);
}

/** As map_enter, with the arguments of a copy checked. Returns: as those. */
function bytes_enter(handle: u32, target: u32, address: u32, size: u32, kmsg: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (wraps(address, size) || !holds(kmsg, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  return KERN_SUCCESS;
}

/**
 * Copies bytes of a held message to a range. Every page is made ready first.
 *
 * Returns: as vm_read_overwrite. A refusal leaves the range as it was, unless another thread has made a copy of it meanwhile.
 */
export function vm_write(handle: u32, target: u32, address: u32, kmsg: u32, size: u32): u32 {
  const kr = bytes_enter(handle, target, address, size, kmsg);
  if (kr != KERN_SUCCESS || size == 0) return kr == KERN_SUCCESS ? trap_leave(kr) : kr;
  const map = target_map();
  const serial = me().p_target_serial;
  let code = vm_map_ready(map, serial, address >>> VM_PAGE_SHIFT, vm_range_end(address, size), true);
  if (code == KERN_SUCCESS) code = vm_map_copy_bytes(map, serial, address, kmsg_at(kmsg).ikm_bytes, size, true);
  return trap_leave(code);
}

/**
 * Copies a range of the target's memory to another of it, as it was before.
 *
 * Returns: as vm_write; KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE of the source first.
 */
export function vm_copy(handle: u32, target: u32, source: u32, size: u32, dest: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (wraps(source, size) || wraps(dest, size)) return trap_leave(KERN_INVALID_ARGUMENT);
  if (size == 0) return trap_leave(KERN_SUCCESS);
  const kmsg = memory_carrier();
  if (!kmsg) return trap_leave(KERN_RESOURCE_SHORTAGE);
  const map = target_map();
  const serial = me().p_target_serial;
  const slot_at = ikm_port_at(kmsg, 0);
  let code = vm_map_copyin(map, serial, source, size, false, slot_at, VM_PROT_READ);
  if (code == KERN_SUCCESS) {
    code = vm_map_ready(map, serial, dest >>> VM_PAGE_SHIFT, vm_range_end(dest, size), true);
    if (code == KERN_SUCCESS) code = overwrite(map, serial, load<u32>(slot_at), dest);
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/** Writes what a chain has. Conditions: as vm_map_copy_bytes; the chain is this processor's. */
function overwrite(map: VmMap, serial: u32, first: usize, dest: u32): u32 {
  const begin = vme_at(first).vme_skip;
  const end = begin + vme_at(first).vme_bytes;
  let code = KERN_SUCCESS;
  for (let at = first; at != 0 && code == KERN_SUCCESS; at = vme_at(at).vme_next) {
    const from = max(begin, vme_at(at).vme_start << VM_PAGE_SHIFT);
    const to = min(end, vme_at(at).vme_end << VM_PAGE_SHIFT);
    const object: usize = vme_at(at).vme_object;
    const skip = from - (vme_at(at).vme_start << VM_PAGE_SHIFT);
    const linear = object == 0 ? 0 : vo_page_at(object_at(object), vme_at(at).vme_offset) + skip;
    code = vm_map_copy_bytes(map, serial, dest + (from - begin), linear, to - from, true);
  }
  return code;
}

/**
 * Tells of the region that has the address, or of the next one: as far as its pages have the same attributes.
 *
 * Returns: out 0 its address, 1 size, 2 protection, 3 maximum, 4 inheritance, 5 whether it is shared on purpose; codes of caller_enter;
 *          KERN_INVALID_ADDRESS, there is none.
 */
export function vm_region(handle: u32, target: u32, address: u32): u32 {
  const kr = map_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const map = target_map();
  if (!vm_map_lock(map, me().p_target_serial)) return trap_leave(KERN_INVALID_TASK);
  // A region begins where its attributes do, which may be in an entry before this one.
  let first = vm_map_from(map, address >>> VM_PAGE_SHIFT);
  let last = first;
  if (first != 0) {
    while (alike(vme_at(first).vme_prev, first)) first = vme_at(first).vme_prev;
    while (alike(last, vme_at(last).vme_next)) last = vme_at(last).vme_next;
    const bits = vme_at(first).vme_bits;
    out_set(0, vme_at(first).vme_start << VM_PAGE_SHIFT);
    out_set(1, (vme_at(last).vme_end - vme_at(first).vme_start) << VM_PAGE_SHIFT);
    out_set(2, bits & VM_PROT_ALL);
    out_set(3, (bits >>> VME_MAX_SHIFT) & VM_PROT_ALL);
    out_set(4, (bits >>> VME_INHERIT_SHIFT) & 3);
    out_set(5, (bits & VME_SHARED) != 0 ? 1 : 0);
  }
  vm_map_unlock(map);
  return trap_leave(first != 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS);
}

/** Whether an entry ends where the next begins, and their attributes are the same. */
function alike(at: usize, next: usize): bool {
  if (at == 0 || next == 0 || vme_at(at).vme_end != vme_at(next).vme_start) return false;
  return ((vme_at(at).vme_bits ^ vme_at(next).vme_bits) & ~VME_NEEDS_COPY) == 0;
}
