// A task's table of names. Entries are in chunks of one frame (256 entries), found through two levels of directories that only
// grow, so that an entry never moves. Freed slots are reused oldest first, after the rest of the current chunk: a stale name
// matches nothing until its slot has been reused 64 times. Lock: is_lock, rank 1.
//
// The frames carry the task's address as owner and are freed with it; what a crash leaves unlinked is freed then too.

import { hint_load } from "../sync/atomics";
import { frames_alloc, FRAME_SPACE } from "../kern/frame";
import { journal_set, journal_set_four } from "../kern/journal";
import { lock_acquire, lock_release, LOCK_SPACE } from "../kern/lock";
import { Element } from "../kern/zone";
import { ENTRY_SKIPS_MAX, SPACE_DIRS, SPACE_ENTRIES_MAX } from "../kern/param";
import { KERN_FAILURE, KERN_INVALID_VALUE, KERN_NAME_EXISTS, KERN_NO_SPACE, KERN_SUCCESS } from "../abi/kern_return";
import { MACH_PORT_VALID, name_gen, name_index, name_make } from "../abi/port";
import {
  entry_at,
  IE_BYTES,
  ie_bits_claim,
  ie_bits_free,
  ie_bits_hint,
  ie_gen,
  IE_LISTED,
  ie_used,
  IpcEntry,
} from "./ipc_entry";

@unmanaged
export class IpcSpace extends Element {
  /** Owner lock. Atomic. */
  is_lock: u32;
  is_dirty: u32;
  // Guarded by is_lock.
  _is_active: u32;
  /** First slot that was never handed out. */
  _is_cursor: u32;
  _is_free: u32;
  _is_free_last: u32;
  /** Reverse hash, see ipc_hash.ts: address, slots, slots that are not empty, and the run before the last growth. */
  _is_hash: u32;
  _is_hash_slots: u32;
  _is_hash_used: u32;
  _is_hash_old: u32;
  _is_hash_old_slots: u32;
  /** Receive rights in the space. */
  _is_ports: u32;
  /** Names in use. */
  _is_entries: u32;
  _pad0: u32;

  get is_active(): u32 {
    return this._is_active;
  }
  set is_active(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_active"), value);
  }
  get is_cursor(): u32 {
    return this._is_cursor;
  }
  set is_cursor(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_cursor"), value);
  }
  /** Free list: oldest and newest slot. */
  get is_free(): u32 {
    return this._is_free;
  }
  set is_free(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_free"), value);
  }
  get is_free_last(): u32 {
    return this._is_free_last;
  }
  set is_free_last(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_free_last"), value);
  }
  get is_hash(): u32 {
    return this._is_hash;
  }
  set is_hash(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_hash"), value);
  }
  get is_hash_slots(): u32 {
    return this._is_hash_slots;
  }
  set is_hash_slots(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_hash_slots"), value);
  }
  get is_hash_used(): u32 {
    return this._is_hash_used;
  }
  set is_hash_used(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_hash_used"), value);
  }
  get is_hash_old(): u32 {
    return this._is_hash_old;
  }
  set is_hash_old(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_hash_old"), value);
  }
  get is_hash_old_slots(): u32 {
    return this._is_hash_old_slots;
  }
  set is_hash_old_slots(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_hash_old_slots"), value);
  }
  get is_ports(): u32 {
    return this._is_ports;
  }
  set is_ports(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_ports"), value);
  }
  get is_entries(): u32 {
    return this._is_entries;
  }
  set is_entries(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcSpace>("_is_entries"), value);
  }
}
/** Directories: SPACE_DIRS addresses behind the struct. */
export const IS_DIRS: usize = 64;
if (offsetof<IpcSpace>() != IS_DIRS) ERROR("the directories start at 64");
export const IS_BYTES: usize = IS_DIRS + SPACE_DIRS * 4;

/** What follows the lock words: cleared when an element becomes a new space. */
export const IS_CLEAR: usize = 16;
if (offsetof<IpcSpace>("_is_active") != IS_CLEAR) ERROR("IS_CLEAR is wrong");

/** Serial number of the task whose space this is: the first word behind it. */
export function is_serial(space: usize): u32 {
  return load<u32>(space + IS_BYTES);
}

/** Where the quota of message bytes of the task is, from its serial number; the bytes that are charged to it are the next word. */
export const IS_QUOTA: usize = 20;

export function is_lock(space: IpcSpace): void {
  lock_acquire(changetype<usize>(space) + offsetof<IpcSpace>("is_lock"), LOCK_SPACE);
}

/** Conditions: committed. */
export function is_unlock(space: IpcSpace): void {
  lock_release(changetype<usize>(space) + offsetof<IpcSpace>("is_lock"), LOCK_SPACE);
}

/** Address of the slot, or 0 when its chunk does not exist. */
export function is_entry(space: IpcSpace, index: u32): usize {
  const dir: usize = load<u32>(changetype<usize>(space) + IS_DIRS + (index >>> 18) * 4);
  if (dir == 0) return 0;
  const chunk: usize = load<u32>(dir + ((index >>> 8) & 1023) * 4);
  return chunk == 0 ? 0 : chunk + (index & 255) * IE_BYTES;
}

/** The entry that a name seems to denote, or null. Conditions: none; the answer is a hint. */
export function ipc_entry_hint(space: IpcSpace, name: u32): IpcEntry | null {
  const index = name_index(name);
  if (index == 0 || index >= SPACE_ENTRIES_MAX) return null;
  const dir: usize = hint_load(changetype<usize>(space) + IS_DIRS + (index >>> 18) * 4);
  if (dir == 0) return null;
  const chunk: usize = hint_load(dir + ((index >>> 8) & 1023) * 4);
  if (chunk == 0) return null;
  const entry = entry_at(chunk + (index & 255) * IE_BYTES);
  const bits = ie_bits_hint(entry);
  return ie_gen(bits) == name_gen(name) && ie_used(bits) ? entry : null;
}

/** The entry that a name denotes, or null. Conditions: space locked. */
export function ipc_entry_lookup(space: IpcSpace, name: u32): IpcEntry | null {
  const index = name_index(name);
  if (index == 0 || index >= SPACE_ENTRIES_MAX) return null;
  const address = is_entry(space, index);
  if (address == 0) return null;
  const bits = entry_at(address).ie_bits;
  return ie_gen(bits) == name_gen(name) && ie_used(bits) ? entry_at(address) : null;
}

/** Makes the slot's chunk exist. Conditions: space locked, in a transaction. Returns: false: memory is exhausted. */
function is_reach(space: IpcSpace, index: u32): bool {
  const owner = <u32>changetype<usize>(space) | FRAME_SPACE;
  const dir_at = changetype<usize>(space) + IS_DIRS + (index >>> 18) * 4;
  if (load<u32>(dir_at) == 0) {
    const dir = frames_alloc(1, 1, owner);
    if (dir == 0) return false;
    journal_set(dir_at, <u32>dir);
  }
  const chunk_at = <usize>load<u32>(dir_at) + ((index >>> 8) & 1023) * 4;
  if (load<u32>(chunk_at) != 0) return true;
  const chunk = frames_alloc(1, 1, owner);
  if (chunk == 0) return false;
  journal_set(chunk_at, <u32>chunk);
  return true;
}

/**
 * Takes a free slot into use under a name of the kernel's choice.
 *
 * Conditions: space locked, in a transaction.
 * Returns:    the name, or 0: the table or memory is full.
 */
export function ipc_entry_alloc(space: IpcSpace, type: u32, urefs: u32, object: u32): u32 {
  const fresh = (space.is_cursor & 255) != 0 || space.is_free == 0;
  const name = fresh ? ipc_entry_fresh(space, type, urefs, object) : ipc_entry_reuse(space, type, urefs, object);
  if (name != 0) return name;
  return fresh ? ipc_entry_reuse(space, type, urefs, object) : ipc_entry_fresh(space, type, urefs, object);
}

/** A slot that was never handed out. Ends at the table's limit. */
function ipc_entry_fresh(space: IpcSpace, type: u32, urefs: u32, object: u32): u32 {
  let index = space.is_cursor;
  while (index < SPACE_ENTRIES_MAX) {
    if (!is_reach(space, index)) break;
    const fresh = entry_at(is_entry(space, index));
    index++;
    if (fresh.ie_bits != 0) continue; // claimed by name before its turn
    space.is_cursor = index;
    return ipc_entry_claim(space, index - 1, fresh, 0, type, urefs, object);
  }
  return 0;
}

/** The slot that was freed first. Those that were taken by name since are passed over, a few at a time: each is journalled. */
function ipc_entry_reuse(space: IpcSpace, type: u32, urefs: u32, object: u32): u32 {
  for (let looked: u32 = 0; space.is_free != 0 && looked < ENTRY_SKIPS_MAX; looked++) {
    const index = space.is_free;
    const entry = entry_at(is_entry(space, index));
    space.is_free = entry.ie_next;
    if (entry.ie_next == 0) space.is_free_last = 0;
    const bits = entry.ie_bits & ~IE_LISTED;
    if (!ie_used(bits)) return ipc_entry_claim(space, index, entry, bits, type, urefs, object);
    entry.ie_bits = bits;
  }
  return 0;
}

/** Takes a free slot, whose bits are to be `free` but for the claim, into use. */
function ipc_entry_claim(
  space: IpcSpace,
  index: u32,
  entry: IpcEntry,
  free: u32,
  type: u32,
  urefs: u32,
  object: u32,
): u32 {
  const bits = ie_bits_claim(free, type, urefs);
  journal_set_four(
    changetype<usize>(entry) + offsetof<IpcEntry>("_ie_bits"),
    bits,
    changetype<usize>(entry) + offsetof<IpcEntry>("_ie_object"),
    object,
    changetype<usize>(entry) + offsetof<IpcEntry>("_ie_request"),
    0,
    changetype<usize>(space) + offsetof<IpcSpace>("_is_entries"),
    space.is_entries + 1,
  );
  return name_make(index, ie_gen(bits));
}

/**
 * Whether a name of the user's choice can be taken into use; makes its chunk exist.
 *
 * Conditions: space locked, in a transaction.
 * Returns:    KERN_SUCCESS; KERN_INVALID_VALUE, not a name; KERN_NAME_EXISTS, in use; KERN_FAILURE, index 0, or the slot is live
 *             under another generation; KERN_NO_SPACE, beyond the table, or memory is exhausted.
 */
export function ipc_entry_reserve(space: IpcSpace, name: u32): u32 {
  if (!MACH_PORT_VALID(name) || (name & 3) != 3) return KERN_INVALID_VALUE;
  const index = name_index(name);
  if (index == 0) return KERN_FAILURE;
  if (index >= SPACE_ENTRIES_MAX) return KERN_NO_SPACE;
  const address = is_entry(space, index);
  if (address != 0 && ie_used(entry_at(address).ie_bits)) {
    return ie_gen(entry_at(address).ie_bits) == name_gen(name) ? KERN_NAME_EXISTS : KERN_FAILURE;
  }
  return is_reach(space, index) ? KERN_SUCCESS : KERN_NO_SPACE;
}

/** Takes a reserved name into use. Conditions: ipc_entry_reserve succeeded, space locked since, in a transaction. Returns: its entry. */
export function ipc_entry_alloc_name(space: IpcSpace, name: u32, type: u32, urefs: u32, object: u32): IpcEntry {
  const entry = entry_at(is_entry(space, name_index(name)));
  const bits = (entry.ie_bits & IE_LISTED) | (name_gen(name) << 24);
  ipc_entry_claim(space, name_index(name), entry, bits, type, urefs, object);
  return entry;
}

/**
 * Frees the slot: the name denotes nothing from now on.
 *
 * Conditions: space locked, in a transaction; the entry's rights and its request are gone.
 */
export function ipc_entry_dealloc(space: IpcSpace, name: u32, entry: IpcEntry): void {
  const index = name_index(name);
  const listed = (entry.ie_bits & IE_LISTED) != 0;
  journal_set_four(
    changetype<usize>(entry) + offsetof<IpcEntry>("_ie_bits"),
    ie_bits_free(entry.ie_bits),
    changetype<usize>(entry) + offsetof<IpcEntry>("_ie_object"),
    0,
    changetype<usize>(entry) + offsetof<IpcEntry>("_ie_next"),
    listed ? entry.ie_next : 0,
    changetype<usize>(space) + offsetof<IpcSpace>("_is_entries"),
    space.is_entries - 1,
  );
  if (listed) return;
  if (space.is_free_last != 0) entry_at(is_entry(space, space.is_free_last)).ie_next = index;
  else space.is_free = index;
  space.is_free_last = index;
}

/** The slot in use after `index` (0: the first), or 0 at the end. Conditions: space locked, or nobody else in it. */
export function is_each(space: IpcSpace, index: u32): u32 {
  let at = index + 1;
  while (at < SPACE_ENTRIES_MAX) {
    const dir: usize = load<u32>(changetype<usize>(space) + IS_DIRS + (at >>> 18) * 4);
    const chunk: usize = dir == 0 ? 0 : load<u32>(dir + ((at >>> 8) & 1023) * 4);
    if (dir == 0) at = (at | 0x3ffff) + 1;
    else if (chunk == 0) at = (at | 0xff) + 1;
    else if (ie_used(entry_at(chunk + (at & 255) * IE_BYTES).ie_bits)) return at;
    else at++;
  }
  return 0;
}
