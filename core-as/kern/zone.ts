// Zones: fixed-size, type-stable elements, in slabs that are never given back. The first word of each element is its owner,
// and the owner alone decides where the element is:
//
//   0                     free, for any processor to claim by compare-and-swap
//   pid                   in a processor's hand, inside a trap
//   OWNER_HELD | pid      a kmsg that an agent's JavaScript holds between traps
//   OWNER_MAGAZINE | pid  spare, in that processor's magazine
//   OWNER_WORK | pid      on that processor's work list
//   OWNER_LEASE | pid     a lease of memory that an agent's JavaScript holds (vm/vm_lease.ts)
//   OWNER_LIVE            part of the kernel's structure, reached from there
//   OWNER_QUEUED          a kmsg in a queue; OWNER_WAITING: a kmsg that a waiter carries
//
// So allocation takes no lock, and recovery finds all that a dead processor had by reading owners.

import { hint_load, hint_store, word_add, word_cas, word_load, word_store, word_sub } from "../sync/atomics";
import {
  frame_owner,
  frame_owner_at,
  FRAME_HAND,
  FRAME_ZONE,
  frames_alloc,
  frames_count,
  frames_to_slab,
} from "./frame";
import { BARE_OWNER } from "./bare";
import { h_zone_cursor_at, header } from "./memory_map";
import { kassert } from "./panic";
import { MAGAZINE_BATCH, MAGAZINE_MAX, SLAB_BYTES, SLAB_ELEMENTS_MAX, SLAB_FRAMES } from "./param";
import { dawdle, my_pid, P_MAGAZINES, processor } from "./processor";

export const ZONE_PORT: u32 = 0;
export const ZONE_PSET: u32 = 1;
export const ZONE_KMSG_SMALL: u32 = 2;
export const ZONE_KMSG_MEDIUM: u32 = 3;
export const ZONE_KMSG_LARGE: u32 = 4;
export const ZONE_TASK: u32 = 5;
export const ZONE_WAITER: u32 = 6;
export const ZONE_REQUEST: u32 = 7;
export const ZONE_LINK: u32 = 8;
export const ZONE_OBJECT: u32 = 9;
export const ZONE_VME: u32 = 10;
export const ZONE_COUNT: u32 = 11;

export const OWNER_FREE: u32 = 0;
export const OWNER_HELD: u32 = 0x100;
export const OWNER_MAGAZINE: u32 = 0x200;
export const OWNER_WORK: u32 = 0x300;
export const OWNER_LEASE: u32 = 0x500;
export const OWNER_LIVE: u32 = 0x10000;
export const OWNER_QUEUED: u32 = 0x20000;
export const OWNER_WAITING: u32 = 0x30000;

/** What every element starts with. */
@unmanaged
export class Element {
  /** See above. Atomic where it is claimed from FREE. */
  z_owner: u32;
  /** Next in a magazine or on a work list. */
  z_next: u32;
}

/** Slab header: a hint of how many elements are free, then elements from the next line on. */
export const SLAB_HEADER: usize = 64;

/** Bytes of an element, a multiple of 64: what is shared does not share a cache line. */
export function zone_element_bytes(zone: u32): u32 {
  if (zone == ZONE_KMSG_SMALL) return 256;
  if (zone == ZONE_PORT) return 128;
  if (zone == ZONE_KMSG_MEDIUM) return 1280;
  if (zone == ZONE_KMSG_LARGE) return 4352;
  if (zone == ZONE_TASK) return 256;
  return 64;
}

export function zone_slab_elements(zone: u32): u32 {
  return min((SLAB_BYTES - <u32>SLAB_HEADER) / zone_element_bytes(zone), SLAB_ELEMENTS_MAX);
}

/**
 * Takes an element.
 *
 * Conditions: in a trap; any locks held. May grow memory.
 * Returns:    the element, in this processor's hand, its content undefined; or 0 when memory is exhausted.
 */
export function zone_alloc(zone: u32): usize {
  const magazine = processor + P_MAGAZINES + zone * 8;
  let element: usize = load<u32>(magazine);
  if (element == 0) {
    if (!zone_refill(zone)) return 0;
    element = load<u32>(magazine);
  }
  owner_set(element, my_pid());
  dawdle();
  store<u32>(magazine, load<u32>(element, 4));
  store<u32>(magazine, load<u32>(magazine, 4) - 1, 4);
  return element;
}

/**
 * Gives an element back.
 *
 * Conditions: in this processor's hand.
 * Consumes:   the element.
 */
export function zone_free(zone: u32, element: usize): void {
  if (!BARE_OWNER) kassert((load<u32>(element) & 0xff) == my_pid(), 0x0301);
  const magazine = processor + P_MAGAZINES + zone * 8;
  dawdle();
  owner_set(element, OWNER_MAGAZINE | my_pid());
  store<u32>(element, load<u32>(magazine), 4);
  store<u32>(magazine, <u32>element);
  store<u32>(magazine, load<u32>(magazine, 4) + 1, 4);
  if (load<u32>(magazine, 4) > MAGAZINE_MAX) magazine_shed(magazine, MAGAZINE_MAX / 2);
}

/** Says where an element is, for recovery alone: a hand, a magazine, a queue. Conditions: the element is this processor's. */
export function owner_set(element: usize, owner: u32): void {
  if (!BARE_OWNER) hint_store(element, owner);
}

/** Gives a kmsg to this agent's JavaScript. Conditions: it is in this processor's hand. Arguments are checked by what this says. */
export function owner_hold(kmsg: usize): void {
  hint_store(kmsg, OWNER_HELD | my_pid());
}

/** Takes a kmsg into the hand. Conditions: this agent's JavaScript holds it, or it is in the hand already. */
export function owner_take(kmsg: usize): void {
  hint_store(kmsg, my_pid());
}

/** Frees elements of a magazine for everybody until `keep` are left. */
export function magazine_shed(magazine: usize, keep: u32): void {
  while (load<u32>(magazine, 4) > keep) {
    const element: usize = load<u32>(magazine);
    store<u32>(magazine, load<u32>(element, 4));
    store<u32>(magazine, load<u32>(magazine, 4) - 1, 4);
    element_release(element);
  }
}

/** Frees one element for everybody, whoever had it. Consumes: the element. */
export function element_release(element: usize): void {
  word_store(element, OWNER_FREE); // [S12] pairs with the claim in slab_take
  word_add(element & ~(<usize>SLAB_BYTES - 1), 1);
}

function zone_refill(zone: u32): bool {
  return zone_take(zone, true) || zone_grow(zone) || zone_take(zone, false);
}

/** Fills the magazine from the first slab that has free elements; with `hints`, slabs that seem full are passed over. */
function zone_take(zone: u32, hints: bool): bool {
  const slabs = frames_count() / SLAB_FRAMES;
  const first = header().h_first_frame / SLAB_FRAMES;
  const cursor_at = h_zone_cursor_at(zone);
  let slab = max(hint_load(cursor_at), first);
  for (let looked = first; looked < slabs; looked++, slab++) {
    if (slab >= slabs) slab = first;
    if (word_load(frame_owner_at(slab * SLAB_FRAMES)) != (FRAME_ZONE | (zone << 4))) continue;
    const address = <usize>slab * SLAB_BYTES;
    if (hints && word_load(address) == 0) continue;
    if (!slab_take(zone, address)) continue;
    hint_store(cursor_at, slab);
    return true;
  }
  return false;
}

function slab_take(zone: u32, slab: usize): bool {
  const magazine = processor + P_MAGAZINES + zone * 8;
  const bytes = zone_element_bytes(zone);
  const end = slab + SLAB_HEADER + zone_slab_elements(zone) * bytes;
  const mine = OWNER_MAGAZINE | my_pid();
  let taken: u32 = 0;
  for (let element = slab + SLAB_HEADER; element < end && taken < MAGAZINE_BATCH; element += bytes) {
    if (word_load(element) != OWNER_FREE) continue;
    if (word_cas(element, OWNER_FREE, mine) != OWNER_FREE) continue; // [S12] one winner
    store<u32>(element, load<u32>(magazine), 4);
    store<u32>(magazine, <u32>element);
    store<u32>(magazine, load<u32>(magazine, 4) + 1, 4);
    taken++;
  }
  if (taken != 0) word_sub(slab, taken);
  return taken != 0;
}

function zone_grow(zone: u32): bool {
  const slab = frames_alloc(SLAB_FRAMES, SLAB_FRAMES, FRAME_HAND | (my_pid() << 4));
  if (slab == 0) return false;
  store<u32>(slab, zone_slab_elements(zone));
  frames_to_slab(slab, zone);
  return slab_take(zone, slab);
}

/**
 * Whether `address` is the start of an element of `zone`: what an argument that claims to be one is tested with.
 *
 * Returns: true also for a free element; the caller looks at the owner.
 */
export function zone_has(zone: u32, address: usize): bool {
  const slab = address & ~(<usize>SLAB_BYTES - 1);
  if (frame_owner(slab) != (FRAME_ZONE | (zone << 4))) return false;
  const offset = <u32>(address - slab) - <u32>SLAB_HEADER;
  const bytes = zone_element_bytes(zone);
  return offset < zone_slab_elements(zone) * bytes && offset % bytes == 0;
}

/** The zone of an element. Conditions: `element` is one. */
export function zone_of(element: usize): u32 {
  return frame_owner(element & ~(<usize>SLAB_BYTES - 1)) >>> 4;
}

/**
 * Walks a zone.
 *
 * Races:   slabs only come, and elements keep their type; what an owner says may change at once.
 * Returns: the element after `element` (0: the first of all), whatever its owner; 0 at the end.
 */
export function zone_next(zone: u32, element: usize): usize {
  const bytes = zone_element_bytes(zone);
  let slab: u32 = header().h_first_frame / SLAB_FRAMES;
  if (element != 0) {
    slab = <u32>(element / SLAB_BYTES);
    const next = element + bytes;
    if (next < <usize>slab * SLAB_BYTES + SLAB_HEADER + zone_slab_elements(zone) * bytes) return next;
    slab++;
  }
  for (const slabs = frames_count() / SLAB_FRAMES; slab < slabs; slab++) {
    const owner = word_load(frame_owner_at(slab * SLAB_FRAMES));
    if (owner == (FRAME_ZONE | (zone << 4))) return <usize>slab * SLAB_BYTES + SLAB_HEADER;
  }
  return 0;
}

/** Elements in use: neither free nor spare. Returns: a count that is exact only when nothing runs. */
export function zone_count(zone: u32): u32 {
  let used: u32 = 0;
  for (let element = zone_next(zone, 0); element != 0; element = zone_next(zone, element)) {
    const owner = word_load(element);
    if (owner != OWNER_FREE && (owner & 0xff00) != OWNER_MAGAZINE) used++;
  }
  return used;
}
