// Traps on memory entries, ports that name a range of memory (mach_make_memory_entry), and on mapping: of an entry, of new memory, of another
// task's. The memory of an entry is a chain (vm/vm_copy.ts) whose first entry says how large it is, what it allows at the most and whether
// it is a snapshot. The chain keeps its pages; it is freed with the last send right.

import { journal_commit, journal_set } from "../kern/journal";
import { me, out_get, out_set } from "../kern/processor";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_RIGHT,
  KERN_INVALID_TASK,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import { MACH_MSG_TYPE_PORT_SEND } from "../abi/message";
import { IKOT_NAMED_ENTRY, MACH_PORT_NULL, MACH_PORT_TYPE_SEND } from "../abi/port";
import {
  MAP_MEM_NAMED_CREATE,
  MAP_MEM_NAMED_REUSE,
  MAP_MEM_VM_COPY,
  MAP_MEM_VM_SHARE,
  VM_FLAGS_ANYWHERE,
  VM_INHERIT_NONE,
  VM_PAGE_MAX,
  VM_PAGE_SHIFT,
  VM_PAGE_SIZE,
  VM_PROT_ALL,
  VM_PROT_IS_MASK,
  VM_PROT_READ,
} from "../abi/vm";
import { ie_type } from "../ipc/ipc_entry";
import { ikm_port_at, IpcKmsg } from "../ipc/ipc_kmsg";
import { ipc_kmsg_destroy } from "../ipc/ipc_kmsg_copyout";
import { ipc_kobject_alloc, ipc_kobject_kind } from "../ipc/ipc_kobject";
import { ip_lock, ip_unlock, ipc_port_adopt, IpcPort, port_at } from "../ipc/ipc_port";
import { ipc_right_lookup } from "../ipc/ipc_right";
import { IpcSpace, is_unlock } from "../ipc/ipc_space";
import { copy_send } from "../task/task";
import { vm_copy_make, vm_map_charge, vm_map_place } from "../vm/vm_copy";
import {
  vm_map_free,
  vm_map_lock,
  vm_map_space,
  vm_map_unlock,
  vm_range_end,
  VME_MAX_SHIFT,
  VME_SHARED,
  vme_at,
  VmMap,
} from "../vm/vm_map";
import {
  REFUSED,
  vm_map_extract,
  vm_map_protection,
  vme_chain_clone,
  vme_chain_part,
  vme_chain_protect,
  vme_chain_zero,
} from "../vm/vm_share";
import { caller_enter, caller_leave, caller_of, carrier_slot, carry_into, target_space, target_find } from "./target";
import { trap_leave } from "./trap";
import { memory_carrier, target_map, wraps } from "./vm";

const PERMISSIONS: u32 =
  VM_PROT_ALL | VM_PROT_IS_MASK | MAP_MEM_NAMED_CREATE | MAP_MEM_NAMED_REUSE | MAP_MEM_VM_COPY | MAP_MEM_VM_SHARE;
/** Of the first entry of a memory entry's chain, in vme_flags: it is a snapshot. Below is what it allows. */
const ENTRY_COPY: u32 = 8;

/** The memory entry that a name in the space denotes, or null. Conditions: space locked. */
function entry_find(space: IpcSpace, name: u32): IpcPort | null {
  const entry = ipc_right_lookup(space, name);
  if (!entry || (ie_type(entry.ie_bits) & MACH_PORT_TYPE_SEND) == 0) return null;
  const port = port_at(entry.ie_object);
  return ipc_kobject_kind(port) == IKOT_NAMED_ENTRY ? port : null;
}

/** What of `asked` is allowed: all of it, or with VM_PROT_IS_MASK what there is. Returns: 0xffffffff: more is asked than there is. */
function allowed(asked: u32, limit: u32): u32 {
  const protection = asked & VM_PROT_ALL;
  if ((protection & ~limit) != 0 && (asked & VM_PROT_IS_MASK) == 0) return 0xffffffff;
  return protection & limit;
}

/**
 * Makes a memory entry: for a range of the target (a snapshot, or, shared, what it is), for new memory, or for a part of another entry.
 *
 * Returns: out 0 its size, 1 the caller's name of it; codes of caller_enter; KERN_INVALID_ARGUMENT, flags, an empty range or one that wraps,
 *          of a parent new memory or a snapshot, or no such part, or it is a snapshot itself, or no entry; KERN_INVALID_ADDRESS, a hole;
 *          KERN_PROTECTION_FAILURE, the memory or the parent does not allow as much (with VM_PROT_IS_MASK, what it allows is taken), or
 *          the memory may not be read;
 *          KERN_RESOURCE_SHORTAGE, memory, the target's quota, or no room for a name: pages may then be marked as shared.
 */
export function mach_make_memory_entry(
  handle: u32,
  target: u32,
  size: u32,
  offset: u32,
  permission: u32,
  parent: u32,
): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const caller = caller_of(handle);
  const kinds = permission & (MAP_MEM_NAMED_CREATE | MAP_MEM_VM_COPY | MAP_MEM_VM_SHARE);
  const shape = (permission & ~PERMISSIONS) == 0 && (kinds & (kinds - 1)) == 0 && size != 0 && !wraps(offset, size);
  const kmsg = shape ? memory_carrier() : null;
  if (!kmsg) {
    is_unlock(caller);
    return trap_leave(shape ? KERN_RESOURCE_SHORTAGE : KERN_INVALID_ARGUMENT);
  }
  kmsg.ikm_types = MACH_MSG_TYPE_PORT_SEND << 8; // before it has the right: who dies with it releases what this says
  const start = offset >>> VM_PAGE_SHIFT;
  const end = vm_range_end(offset, size);
  let code = KERN_INVALID_ARGUMENT;
  if (parent != MACH_PORT_NULL) {
    const port = entry_find(caller, parent);
    if (port) code = entry_of_parent(port, start, end, permission, kmsg);
    is_unlock(caller);
  } else {
    is_unlock(caller);
    code = entry_of_memory(target_map(), me().p_target_serial, start, end, permission, kmsg);
  }
  if (code == KERN_SUCCESS && load<u32>(carrier_slot(kmsg)) == 0 && !entry_port(kmsg)) code = KERN_RESOURCE_SHORTAGE;
  if (code != KERN_SUCCESS) {
    ipc_kmsg_destroy(kmsg);
    return trap_leave(code);
  }
  code = carry_into(caller, me().p_caller_serial, kmsg);
  out_set(1, out_get(0));
  out_set(0, (end - start) << VM_PAGE_SHIFT);
  return trap_leave(code);
}

/** A part of an entry, or (MAP_MEM_NAMED_REUSE) the entry itself: a right for it. Conditions: the caller's space keeps the port. */
function entry_of_parent(port: IpcPort, start: u32, end: u32, permission: u32, kmsg: IpcKmsg): u32 {
  if (permission & (MAP_MEM_NAMED_CREATE | MAP_MEM_VM_COPY)) return KERN_INVALID_ARGUMENT;
  const first: usize = port.ip_kobject;
  const flags = vme_at(first).vme_flags;
  if ((flags & ENTRY_COPY) != 0 || end << VM_PAGE_SHIFT > vme_at(first).vme_bytes) return KERN_INVALID_ARGUMENT;
  const protection = allowed(permission, flags);
  if (protection == 0xffffffff) return KERN_PROTECTION_FAILURE;
  const whole = start == 0 && end << VM_PAGE_SHIFT == vme_at(first).vme_bytes;
  if ((permission & MAP_MEM_NAMED_REUSE) != 0 && whole && protection == flags) {
    copy_send(carrier_slot(kmsg), <u32>changetype<usize>(port));
    return KERN_SUCCESS;
  }
  ip_lock(port);
  const code = vme_chain_clone(first, start, end, false, ikm_port_at(kmsg, 0));
  ip_unlock(port);
  if (code == KERN_SUCCESS) vme_at(load<u32>(ikm_port_at(kmsg, 0))).vme_flags = protection;
  return code;
}

/** A range of a map, or (MAP_MEM_NAMED_CREATE) new memory. Conditions: nothing locked. */
function entry_of_memory(map: VmMap, serial: u32, start: u32, end: u32, permission: u32, kmsg: IpcKmsg): u32 {
  const slot_at = ikm_port_at(kmsg, 0);
  let protection = permission & VM_PROT_ALL;
  if (permission & MAP_MEM_NAMED_CREATE) {
    const task = changetype<usize>(target_space());
    if (vm_copy_make(task, (end - start) << VM_PAGE_SHIFT, slot_at) == 0) return KERN_RESOURCE_SHORTAGE;
    vme_at(load<u32>(slot_at))._vme_bits |= VME_SHARED; // nobody else knows it
  } else {
    const bits = vm_map_protection(map, serial, start, end);
    if (bits & REFUSED) return bits ^ REFUSED;
    const copies = (permission & MAP_MEM_VM_COPY) != 0;
    // Of a snapshot anybody may make what he likes; its memory must be readable.
    protection = copies ? protection : allowed(permission, bits & VM_PROT_ALL);
    if (protection == 0xffffffff) return KERN_PROTECTION_FAILURE;
    const code = vm_map_extract(map, serial, start, end, copies, VM_PROT_READ | (copies ? 0 : protection), slot_at);
    if (code != KERN_SUCCESS) return code;
    if (copies) protection |= ENTRY_COPY;
  }
  vme_at(load<u32>(slot_at)).vme_flags = protection;
  return KERN_SUCCESS;
}

/** Gives the carrier's chain to a port, and the carrier the right for it. Returns: false: memory is exhausted. */
function entry_port(kmsg: IpcKmsg): bool {
  const slot_at = ikm_port_at(kmsg, 0);
  const port = ipc_kobject_alloc(IKOT_NAMED_ENTRY, load<u32>(slot_at));
  if (!port) return false;
  port._ip_srights = 1; // nobody knows it yet
  ipc_port_adopt(port);
  journal_set(slot_at, 0);
  journal_set(carrier_slot(kmsg), <u32>changetype<usize>(port));
  journal_commit();
  return true;
}

/**
 * Maps (a part of) a memory entry, or new memory.
 *
 * Returns: out 0 the address; codes of caller_enter; KERN_INVALID_ARGUMENT, flags, mask, protections, an empty range or one that wraps, no
 *          entry or no such part of it; KERN_INVALID_RIGHT, more than the entry allows; KERN_INVALID_ADDRESS; KERN_NO_SPACE, also a
 *          fixed address that the mask forbids; KERN_RESOURCE_SHORTAGE, memory or quota.
 */
export function vm_map(
  handle: u32,
  target: u32,
  address: u32,
  size: u32,
  mask: u32,
  flags: u32,
  object: u32,
  offset: u32,
  copy: u32,
  cur: u32,
  max: u32,
  inheritance: u32,
): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  const caller = caller_of(handle);
  const kmsg = memory_carrier();
  if (!kmsg) return caller_leave(handle, KERN_RESOURCE_SHORTAGE);
  const slot_at = ikm_port_at(kmsg, 0);
  const whence = object == MACH_PORT_NULL ? 0 : offset; // new memory has none
  const start = whence >>> VM_PAGE_SHIFT;
  const end = vm_range_end(whence, size);
  let code = map_arguments(address, size, mask, flags, inheritance);
  if (code == KERN_SUCCESS && (((cur | max) & ~(VM_PROT_ALL | VM_PROT_IS_MASK)) != 0 || wraps(whence, size))) {
    code = KERN_INVALID_ARGUMENT;
  }
  if (code == KERN_SUCCESS && object != MACH_PORT_NULL) {
    const port = entry_find(caller, object);
    const first: usize = port ? port.ip_kobject : 0;
    if (!port || end << VM_PAGE_SHIFT > vme_at(first).vme_bytes) code = KERN_INVALID_ARGUMENT;
    else {
      cur = allowed(cur, vme_at(first).vme_flags);
      max = allowed(max, vme_at(first).vme_flags);
      if (cur == 0xffffffff || max == 0xffffffff) code = KERN_INVALID_RIGHT;
      if (code == KERN_SUCCESS && (cur & ~max) != 0) code = KERN_INVALID_ARGUMENT;
      ip_lock(port);
      const copies = copy != 0 || (vme_at(first).vme_flags & ENTRY_COPY) != 0;
      if (code == KERN_SUCCESS) code = vme_chain_clone(first, start, end, copies, slot_at);
      ip_unlock(port);
    }
  } else if (code == KERN_SUCCESS) {
    cur &= VM_PROT_ALL;
    max &= VM_PROT_ALL;
    if ((cur & ~max) != 0) code = KERN_INVALID_ARGUMENT;
    else if (!vme_chain_zero(end - start, slot_at)) code = KERN_RESOURCE_SHORTAGE;
  }
  is_unlock(caller);
  const map = target_map();
  if (code == KERN_SUCCESS && copy != 0) code = vme_chain_part(map, load<u32>(slot_at));
  if (code == KERN_SUCCESS) {
    vme_chain_protect(load<u32>(slot_at), cur, max, inheritance);
    code = place(map, me().p_target_serial, address, end - start, mask, flags, slot_at);
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}

/** What vm_map and vm_remap refuse for its shape; a size that wraps they find at the source. */
function map_arguments(address: u32, size: u32, mask: u32, flags: u32, inheritance: u32): u32 {
  if (flags > VM_FLAGS_ANYWHERE || size == 0 || inheritance > VM_INHERIT_NONE) return KERN_INVALID_ARGUMENT;
  if ((mask & (mask + 1)) != 0) return KERN_INVALID_ARGUMENT;
  if ((flags & VM_FLAGS_ANYWHERE) != 0) return KERN_SUCCESS;
  if (wraps(address, size)) return KERN_INVALID_ARGUMENT;
  return address < VM_PAGE_SIZE ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
}

/** The page from which `pages` can be mapped: that of the address, or any that the mask allows; 0: no room. Conditions: map locked. */
function room(map: VmMap, address: u32, pages: u32, mask: u32, flags: u32): u32 {
  if (flags & VM_FLAGS_ANYWHERE) return vm_map_space(map, pages, (mask >>> VM_PAGE_SHIFT) + 1);
  const page = address >>> VM_PAGE_SHIFT;
  if ((page & (mask >>> VM_PAGE_SHIFT)) != 0 || page + pages > VM_PAGE_MAX) return 0;
  return vm_map_free(map, page, page + pages) ? page : 0;
}

/** Maps a chain of `pages` where there is room. Conditions: nothing locked. Returns: out 0 the address. */
function place(map: VmMap, serial: u32, address: u32, pages: u32, mask: u32, flags: u32, slot_at: usize): u32 {
  if (!vm_map_lock(map, serial)) return KERN_INVALID_TASK;
  const page = room(map, address, pages, mask, flags);
  let code = KERN_NO_SPACE;
  if (page != 0) code = vm_map_charge(map, load<u32>(slot_at)) ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
  if (code == KERN_SUCCESS) {
    vm_map_place(map, page, slot_at);
    out_set(0, page << VM_PAGE_SHIFT);
  }
  vm_map_unlock(map);
  return code;
}

/**
 * Maps memory of a task in another, or in itself once more: the same memory, or a copy.
 *
 * Returns: out 0 the address, 1 the protection, 2 its maximum, which are the source's; codes of caller_enter, also for the source;
 *          KERN_INVALID_ARGUMENT, flags, mask, an empty range or one that wraps; KERN_INVALID_ADDRESS; KERN_PROTECTION_FAILURE, the source
 *          may not be read; KERN_NO_SPACE; KERN_RESOURCE_SHORTAGE, also of the source's quota: pages may then be marked as shared.
 */
export function vm_remap(
  handle: u32,
  target: u32,
  address: u32,
  size: u32,
  mask: u32,
  flags: u32,
  source_task: u32,
  source: u32,
  copy: u32,
  inheritance: u32,
): u32 {
  const kr = caller_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  out_set(0, 0);
  const map = target_map();
  const serial = me().p_target_serial;
  let code = target_find(caller_of(handle), source_task);
  is_unlock(caller_of(handle));
  const from = target_map();
  const from_serial = me().p_target_serial;
  if (code == KERN_SUCCESS) code = map_arguments(address, size, mask, flags, inheritance);
  if (code == KERN_SUCCESS && wraps(source, size)) code = KERN_INVALID_ARGUMENT;
  if (code != KERN_SUCCESS) return trap_leave(code);
  const start = source >>> VM_PAGE_SHIFT;
  const end = vm_range_end(source, size);
  const bits = vm_map_protection(from, from_serial, start, end);
  if (bits & REFUSED) return trap_leave(bits ^ REFUSED);
  if ((bits & VM_PROT_READ) == 0) return trap_leave(KERN_PROTECTION_FAILURE);
  // Looked for first: sharing changes the source, which a refusal must not.
  if (!vm_map_lock(map, serial)) return trap_leave(KERN_INVALID_TASK);
  const found = room(map, address, end - start, mask, flags);
  vm_map_unlock(map);
  if (found == 0) return trap_leave(KERN_NO_SPACE);
  const kmsg = memory_carrier();
  if (!kmsg) return trap_leave(KERN_RESOURCE_SHORTAGE);
  const slot_at = ikm_port_at(kmsg, 0);
  code = vm_map_extract(from, from_serial, start, end, copy != 0, bits, slot_at);
  if (code == KERN_SUCCESS) {
    const cur = bits & VM_PROT_ALL;
    const most = bits >>> VME_MAX_SHIFT;
    vme_chain_protect(load<u32>(slot_at), cur, most, inheritance);
    code = place(map, serial, address, end - start, mask, flags, slot_at);
    out_set(1, cur);
    out_set(2, most);
  }
  ipc_kmsg_destroy(kmsg);
  return trap_leave(code);
}
