// Guards: a word that whoever destroys a receive right must know. Mach raises an exception on the thread that does not; there is no
// exception server here, so that the code is all it gets. The guard is the port's context (ipc_object.ts has the flags).

import { journal_commit } from "../kern/journal";
import { out_get } from "../kern/processor";
import {
  KERN_DENIED,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
} from "../abi/kern_return";
import {
  MACH_PORT_QLIMIT_BASIC,
  MACH_PORT_QLIMIT_MAX,
  MACH_PORT_VALID,
  MPG_IMMOVABLE_RECEIVE,
  MPG_STRICT,
  MPO_CONNECTION_PORT,
  MPO_CONTEXT_AS_GUARD,
  MPO_EXCEPTION_PORT,
  MPO_IMMOVABLE_RECEIVE,
  MPO_INSERT_SEND_RIGHT,
  MPO_PROVISIONAL_REPLY_PORT,
  MPO_QLIMIT,
  MPO_REPLY_PORT,
  MPO_SERVICE_PORT,
  MPO_STRICT,
  MPO_TG_BLOCK_TRACKING,
} from "../abi/port";
import { IO_GUARDED, IO_IMMOVABLE, IO_STRICT } from "../ipc/ipc_object";
import { port_at } from "../ipc/ipc_port";
import { ipc_right_destruct } from "../ipc/ipc_right";
import { allocate_port } from "./mach_port";
import { port_enter, port_leave } from "./mach_port_status";
import { space_enter, space_leave, target_space } from "./target";

/** Kinds of port of which one may be asked for at the most. */
const KINDS = MPO_SERVICE_PORT | MPO_CONNECTION_PORT | MPO_REPLY_PORT | MPO_PROVISIONAL_REPLY_PORT | MPO_EXCEPTION_PORT;
/** What only launchd and the window server may ask for. */
const DENIED = MPO_SERVICE_PORT | MPO_CONNECTION_PORT | MPO_TG_BLOCK_TRACKING;

/** The code of a refused port_enter: of the guard calls, names that cannot denote anything denote nothing. */
function refusal(name: u32): u32 {
  return out_get(14) == KERN_INVALID_RIGHT && !MACH_PORT_VALID(name) ? KERN_INVALID_NAME : out_get(14);
}

/**
 * A189: makes `guard` the port's guard. `flags` MPG_*; others are ignored.
 *
 * Returns: KERN_SUCCESS; KERN_INVALID_ARGUMENT, the port has a context; KERN_INVALID_NAME; KERN_INVALID_RIGHT, not a receive right.
 */
export function mach_port_guard_with_flags(handle: u32, target: u32, name: u32, guard: u32, flags: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return refusal(name);
  const port = port_at(found);
  const free = port.ip_context == 0;
  if (free) {
    let bits = (port.io_bits & ~IO_STRICT) | IO_GUARDED;
    if (flags & MPG_STRICT) bits |= IO_STRICT;
    if (flags & MPG_IMMOVABLE_RECEIVE) bits |= IO_IMMOVABLE;
    port.io_bits = bits;
    port.ip_context = guard;
    journal_commit();
  }
  port_leave(found);
  return free ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

/** A190. Returns: as mach_port_guard_with_flags; KERN_INVALID_ARGUMENT, not guarded, or not with `guard`. */
export function mach_port_unguard(handle: u32, target: u32, name: u32, guard: u32): u32 {
  return replace(handle, target, name, guard, 0, IO_GUARDED, IO_GUARDED, IO_GUARDED | IO_STRICT);
}

/** A190. Returns: as mach_port_unguard; KERN_INVALID_ARGUMENT also of a strict guard. */
export function mach_port_swap_guard(handle: u32, target: u32, name: u32, old: u32, guard: u32): u32 {
  return replace(handle, target, name, old, guard, IO_GUARDED | IO_STRICT, IO_GUARDED, 0);
}

/**
 * Replaces the guard `old` of a port by `guard` and takes flags away, if those of its flags that are in `mask` are `wanted`.
 */
function replace(handle: u32, target: u32, name: u32, old: u32, guard: u32, mask: u32, wanted: u32, cleared: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return refusal(name);
  const port = port_at(found);
  const fits = (port.io_bits & mask) == wanted && port.ip_context == old;
  if (fits) {
    port.io_bits = port.io_bits & ~cleared;
    port.ip_context = guard;
    journal_commit();
  }
  port_leave(found);
  return fits ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

/**
 * Whether a port has a strict guard, and this one. `high` is its upper half: no guard here has one.
 *
 * Returns: KERN_SUCCESS; KERN_INVALID_ARGUMENT, another guard, or none that is strict; KERN_INVALID_NAME; KERN_INVALID_RIGHT, not a
 *          receive right.
 */
export function mach_port_assert_attributes(handle: u32, target: u32, name: u32, guard: u32, high: u32): u32 {
  const found = port_enter(handle, target, name);
  if (found == 0) return out_get(14);
  const port = port_at(found);
  const strict = IO_GUARDED | IO_STRICT;
  const fits = (port.io_bits & strict) == strict && port.ip_context == guard && high == 0;
  port_leave(found);
  return fits ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

/**
 * A186 to A188: a receive right with all that `flags` (MPO_*) ask for, in one step. Those on importance and filters are ignored.
 *
 * Returns: out 0 the name; KERN_INVALID_ARGUMENT, an unknown flag, or two kinds of port; KERN_DENIED, what is not for everybody;
 *          KERN_INVALID_VALUE, a queue limit above 1024; KERN_NO_SPACE; KERN_RESOURCE_SHORTAGE, memory or quota.
 */
export function mach_port_construct(handle: u32, target: u32, flags: u32, qlimit: u32, context: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  const kinds = flags & KINDS;
  if (flags > 0xffff || (kinds & (kinds - 1)) != 0) return space_leave(KERN_INVALID_ARGUMENT);
  if (flags & DENIED) return space_leave(KERN_DENIED);
  const limit = flags & MPO_QLIMIT ? qlimit : MACH_PORT_QLIMIT_BASIC;
  if (limit > MACH_PORT_QLIMIT_MAX) return space_leave(KERN_INVALID_VALUE);
  let bits: u32 = 0;
  if (flags & MPO_CONTEXT_AS_GUARD) bits = flags & MPO_STRICT ? IO_GUARDED | IO_STRICT : IO_GUARDED;
  if (flags & (MPO_IMMOVABLE_RECEIVE | MPO_REPLY_PORT)) bits |= IO_IMMOVABLE; // A57
  const sends: u32 = flags & MPO_INSERT_SEND_RIGHT ? 1 : 0;
  return space_leave(allocate_port(target_space(), 0, bits, limit, context, sends));
}

/** A192. Codes of ipc_right_destruct. */
export function mach_port_destruct(handle: u32, target: u32, name: u32, delta: i32, guard: u32): u32 {
  const kr = space_enter(handle, target);
  if (kr != KERN_SUCCESS) return kr;
  return space_leave(ipc_right_destruct(target_space(), name, delta, guard)); // 0 and 0xffffffff denote nothing
}
