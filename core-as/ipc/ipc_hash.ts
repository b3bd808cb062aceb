// Reverse hash of a space: port -> name. Exactly the entries with SEND are in it; a receive right is found through the port
// (io_receiver, io_name). Open addressing over slots that hold an entry's index; a slot is believed only after a look at the
// entry. Guarded by the space's lock.

import { FRAME_SPACE, frames_alloc, frames_free } from "../kern/frame";
import { journal_set } from "../kern/journal";
import { FRAME_BYTES, HASH_SLOTS_MIN } from "../kern/param";
import { MACH_PORT_TYPE_SEND, name_index, name_make } from "../abi/port";
import { entry_at, ie_gen, ie_type } from "./ipc_entry";
import { IpcSpace, is_entry } from "./ipc_space";

/** The slot was used and is passed over. */
const TOMB: u32 = 0xffffffff;

function hash_of(port: u32, slots: u32): u32 {
  return (((port >>> 6) * 0x9e3779b1) >>> 8) & (slots - 1);
}

function hash_frames(slots: u32): u32 {
  return (slots * 4 + FRAME_BYTES - 1) / FRAME_BYTES;
}

function slot_at(space: IpcSpace, slot: u32): usize {
  return <usize>space.is_hash + slot * 4;
}

/** The name under which the space holds send rights for `port`, or 0. Conditions: space locked. */
export function ipc_hash_lookup(space: IpcSpace, port: u32): u32 {
  if (space.is_hash_slots == 0) return 0;
  const index = load<u32>(hash_find(space, port)); // 0, where nothing is found: nor has entry 0 a name
  return name_make(index, ie_gen(entry_at(is_entry(space, index)).ie_bits));
}

/** Address of the slot of `port`, or of a free one. Ends: at most three quarters of the slots are in use. Conditions: there are some. */
function hash_find(space: IpcSpace, port: u32): usize {
  const slots = space.is_hash_slots;
  let slot = hash_of(port, slots);
  while (true) {
    const index = load<u32>(slot_at(space, slot));
    if (index == 0) return slot_at(space, slot);
    if (index != TOMB) {
      const entry = entry_at(is_entry(space, index));
      if (entry.ie_object == port && (ie_type(entry.ie_bits) & MACH_PORT_TYPE_SEND) != 0) return slot_at(space, slot);
    }
    slot = (slot + 1) & (slots - 1);
  }
}

/**
 * Makes room for one more.
 *
 * Conditions: space locked, in a transaction.
 * Returns:    false when memory is exhausted.
 */
export function ipc_hash_reserve(space: IpcSpace): bool {
  if ((space.is_hash_used + 1) * 4 <= space.is_hash_slots * 3) return true;
  // Forgotten before it is freed: a crash between leaks it until the task ends, the other order would free it twice.
  const old = space._is_hash_old;
  const old_slots = space._is_hash_old_slots;
  const owner = <u32>changetype<usize>(space) | FRAME_SPACE;
  space._is_hash_old = 0;
  if (old != 0) frames_free(old / FRAME_BYTES, hash_frames(old_slots), owner);
  return hash_grow(space, owner);
}

/** Builds a larger table, or one without tombs, beside the old one. */
function hash_grow(space: IpcSpace, owner: u32): bool {
  let live: u32 = 0;
  for (let slot: u32 = 0; slot < space.is_hash_slots; slot++) {
    const index = load<u32>(slot_at(space, slot));
    if (index != 0 && index != TOMB) live++;
  }
  let slots = HASH_SLOTS_MIN;
  while (slots < live * 2 + 2) slots *= 2;
  const run = frames_alloc(hash_frames(slots), 1, owner);
  if (run == 0) return false;
  for (let slot: u32 = 0; slot < space.is_hash_slots; slot++) {
    const index = load<u32>(slot_at(space, slot));
    if (index == 0 || index == TOMB) continue;
    let to = hash_of(entry_at(is_entry(space, index)).ie_object, slots);
    while (load<u32>(run + to * 4) != 0) to = (to + 1) & (slots - 1);
    store<u32>(run + to * 4, index);
  }
  space.is_hash_old = space.is_hash;
  space.is_hash_old_slots = space.is_hash_slots;
  space.is_hash = <u32>run;
  space.is_hash_slots = slots;
  space.is_hash_used = live;
  return true;
}

/** Enters a name that has just gained SEND. Conditions: ipc_hash_reserve in this transaction. */
export function ipc_hash_insert(space: IpcSpace, name: u32, port: u32): void {
  const slots = space.is_hash_slots;
  let slot = hash_of(port, slots);
  while (true) {
    const index = load<u32>(slot_at(space, slot));
    if (index == 0 || index == TOMB) break;
    slot = (slot + 1) & (slots - 1);
  }
  if (load<u32>(slot_at(space, slot)) == 0) space.is_hash_used = space.is_hash_used + 1;
  journal_set(slot_at(space, slot), name_index(name));
}

/** The send right of `port` is called `name` from now on. Conditions: space locked, in a transaction, the old entry as it was. */
export function ipc_hash_rename(space: IpcSpace, name: u32, port: u32): void {
  journal_set(hash_find(space, port), name_index(name));
}

/** Removes a name that is about to lose SEND. Conditions: space locked, in a transaction, the entry as it was. */
export function ipc_hash_delete(space: IpcSpace, port: u32): void {
  const slot = hash_find(space, port);
  const next = (<u32>(slot - space.is_hash) / 4 + 1) & (space.is_hash_slots - 1);
  if (load<u32>(slot_at(space, next)) == 0) {
    journal_set(slot, 0);
    space.is_hash_used = space.is_hash_used - 1;
  } else {
    journal_set(slot, TOMB);
  }
}
