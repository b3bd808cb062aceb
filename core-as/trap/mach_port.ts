// The mach_port_* traps: find the space that the target names (target.ts), call one room.

import { journal_abort, journal_commit, journal_set_hint } from "../kern/journal";
import { out_set } from "../kern/processor";
import { OWNER_LIVE, zone_free, ZONE_PORT, ZONE_PSET } from "../kern/zone";
import {
  KERN_INVALID_NAME,
  KERN_INVALID_VALUE,
  KERN_NO_SPACE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import {
  MACH_PORT_DEAD,
  MACH_PORT_QLIMIT_BASIC,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_LABELH,
  MACH_PORT_RIGHT_NUMBER,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_DNREQUEST,
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_PORT_VALID,
} from "../abi/port";
import { ie_type, ie_urefs } from "../ipc/ipc_entry";
import { ipc_hash_insert, ipc_hash_reserve } from "../ipc/ipc_hash";
import { io_place } from "../ipc/ipc_object";
import { ipc_port_adopt, ipc_port_alloc } from "../ipc/ipc_port";
import { ipc_pset_alloc } from "../ipc/ipc_pset";
import {
  ipc_right_dealloc,
  ipc_right_delta,
  ipc_right_destroy,
  ipc_right_lookup,
  ipc_right_rename,
} from "../ipc/ipc_right";
import { ipc_entry_alloc, ipc_entry_alloc_name, ipc_entry_reserve, IpcSpace } from "../ipc/ipc_space";
import { task_tail } from "../task/task";
import { space_enter, space_leave, target_space } from "./target";

/** A6 to A8. Returns: out 0 the name; KERN_INVALID_VALUE; KERN_NO_SPACE; KERN_RESOURCE_SHORTAGE, memory or quota. */
export function mach_port_allocate(handle: u32, target: u32, right: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(allocate(target_space(), right, 0));
}

/** A9. As mach_port_allocate under a name of the caller's choice; codes of ipc_entry_reserve. */
export function mach_port_allocate_name(handle: u32, target: u32, right: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (!MACH_PORT_VALID(name)) return space_leave(KERN_INVALID_VALUE);
  return space_leave(allocate(target_space(), right, name));
}

/** Allocates a right of the kind, under `name` or (0) one of the kernel's choice. Conditions: space locked. Commits. */
export function allocate(space: IpcSpace, right: u32, name: u32): u32 {
  if (right == MACH_PORT_RIGHT_RECEIVE) return allocate_port(space, name, 0, MACH_PORT_QLIMIT_BASIC, 0, 0);
  if (right == MACH_PORT_RIGHT_PORT_SET) return allocate_set(space, name);
  if (right != MACH_PORT_RIGHT_DEAD_NAME) return KERN_INVALID_VALUE;
  return place(space, name, MACH_PORT_TYPE_DEAD_NAME, 1, 0);
}

/**
 * Allocates a receive right, and a send right if `sends` is 1. The other arguments are those of ipc_port_alloc.
 *
 * Conditions: space locked, nothing in the journal. Commits. Returns: as mach_port_allocate; nothing is left of a refused one.
 */
export function allocate_port(space: IpcSpace, name: u32, bits: u32, qlimit: u32, context: u32, sends: u32): u32 {
  const quota = task_tail(space).t_quota_ports;
  if (quota != 0 && space.is_ports >= quota) return KERN_RESOURCE_SHORTAGE;
  const port = ipc_port_alloc(bits, qlimit, context, sends);
  if (!port) return KERN_RESOURCE_SHORTAGE;
  if (sends != 0 && !ipc_hash_reserve(space)) {
    zone_free(ZONE_PORT, changetype<usize>(port));
    return KERN_RESOURCE_SHORTAGE;
  }
  ipc_port_adopt(port);
  space.is_ports = space.is_ports + 1;
  const type = sends != 0 ? MACH_PORT_TYPE_SEND_RECEIVE : MACH_PORT_TYPE_RECEIVE;
  const kr = place(space, name, type, sends, <u32>changetype<usize>(port));
  if (kr != KERN_SUCCESS) zone_free(ZONE_PORT, changetype<usize>(port));
  return kr;
}

function allocate_set(space: IpcSpace, name: u32): u32 {
  const pset = ipc_pset_alloc();
  if (!pset) return KERN_RESOURCE_SHORTAGE;
  journal_set_hint(changetype<usize>(pset), OWNER_LIVE);
  const kr = place(space, name, MACH_PORT_TYPE_PORT_SET, 0, <u32>changetype<usize>(pset));
  if (kr != KERN_SUCCESS) zone_free(ZONE_PSET, changetype<usize>(pset));
  return kr;
}

/** Names a new object, or a dead name. Conditions: space locked, in a transaction; commits, or aborts on a refusal. */
function place(space: IpcSpace, wanted: u32, type: u32, urefs: u32, object: u32): u32 {
  let name = wanted;
  let kr = KERN_SUCCESS;
  if (wanted == 0) {
    name = ipc_entry_alloc(space, type, urefs, object);
    if (name == 0) kr = KERN_NO_SPACE;
  } else {
    kr = ipc_entry_reserve(space, wanted);
    if (kr == KERN_SUCCESS) ipc_entry_alloc_name(space, wanted, type, urefs, object);
  }
  if (kr != KERN_SUCCESS) {
    journal_abort();
    return kr;
  }
  if (object != 0) io_place(object, changetype<usize>(space), name);
  if (type & MACH_PORT_TYPE_SEND) ipc_hash_insert(space, name, object);
  journal_commit();
  out_set(0, name);
  return KERN_SUCCESS;
}

/**
 * A15: gives what `name` denotes the name `to`.
 *
 * Returns: KERN_SUCCESS; codes of ipc_entry_reserve for `to`, among them KERN_NAME_EXISTS; KERN_INVALID_NAME, nothing has `name`.
 *          Refusals change nothing.
 */
export function mach_port_rename(handle: u32, target: u32, name: u32, to: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const space = target_space();
  const entry = ipc_right_lookup(space, name); // 0 and 0xffffffff denote nothing
  const refusal = ipc_entry_reserve(space, to);
  if (!entry || refusal != KERN_SUCCESS) {
    journal_abort();
    return space_leave(refusal != KERN_SUCCESS ? refusal : KERN_INVALID_NAME);
  }
  journal_commit();
  ipc_right_rename(space, name, entry, to);
  return space_leave(KERN_SUCCESS);
}

/** A33, A34. */
export function mach_port_deallocate(handle: u32, target: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (!MACH_PORT_VALID(name)) return space_leave(KERN_SUCCESS);
  return space_leave(ipc_right_dealloc(target_space(), name));
}

/** A35, A36. */
export function mach_port_destroy(handle: u32, target: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (!MACH_PORT_VALID(name)) return space_leave(KERN_SUCCESS);
  return space_leave(ipc_right_destroy(target_space(), name));
}

/** A19 to A30. */
export function mach_port_mod_refs(handle: u32, target: u32, name: u32, right: u32, delta: i32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (right >= MACH_PORT_RIGHT_NUMBER) return space_leave(KERN_INVALID_VALUE);
  if (!MACH_PORT_VALID(name)) {
    const plain = right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_SEND_ONCE;
    return space_leave(plain ? KERN_SUCCESS : KERN_INVALID_NAME);
  }
  return space_leave(ipc_right_delta(target_space(), name, right, delta));
}

/** A16 to A18. Returns: out 0 the references. */
export function mach_port_get_refs(handle: u32, target: u32, name: u32, right: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(get_refs(target_space(), name, right));
}

function get_refs(space: IpcSpace, name: u32, right: u32): u32 {
  if (right >= MACH_PORT_RIGHT_NUMBER) return KERN_INVALID_VALUE;
  if (!MACH_PORT_VALID(name)) {
    if (right != MACH_PORT_RIGHT_SEND && right != MACH_PORT_RIGHT_SEND_ONCE) return KERN_INVALID_NAME;
    out_set(0, 1);
    return KERN_SUCCESS;
  }
  const entry = ipc_right_lookup(space, name);
  if (!entry) return KERN_INVALID_NAME;
  const held = right < MACH_PORT_RIGHT_LABELH && (ie_type(entry.ie_bits) & (MACH_PORT_TYPE_SEND << right)) != 0;
  const counted =
    right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_SEND_ONCE || right == MACH_PORT_RIGHT_DEAD_NAME;
  out_set(0, held ? (counted ? ie_urefs(entry.ie_bits) : 1) : 0);
  return KERN_SUCCESS;
}

/** A11, A12. Returns: out 0 the type bits. */
export function mach_port_type(handle: u32, target: u32, name: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  if (name == MACH_PORT_DEAD) {
    out_set(0, MACH_PORT_TYPE_DEAD_NAME);
    return space_leave(KERN_SUCCESS);
  }
  const entry = ipc_right_lookup(target_space(), name); // 0 denotes nothing
  if (!entry) return space_leave(KERN_INVALID_NAME);
  out_set(0, ie_type(entry.ie_bits) | (entry.ie_request != 0 ? MACH_PORT_TYPE_DNREQUEST : 0));
  return space_leave(KERN_SUCCESS);
}
