// Page frames: 4 KiB each, handed out in contiguous runs. The frame table has one word a frame, its owner; a frame is
// allocated by compare-and-swap from FREE, so that nothing is locked and nothing is lost whatever instruction a processor
// stops at: recovery frees what carries a dead owner. The frame table also tells what any address is (zone_of).
//
//   owner = address or number | kind
//   FREE 0 | HAND: pid << 4 | ZONE: zone << 4, first frame of a slab | SLAB: its other frames
//   SPACE, PMAP: address of the task | KMSG: address of the kmsg | OBJECT: address of the memory object
//   RESERVED: header, records, the table itself | POISONED: free, and filled with POISON, in debug builds
//
// A run is taken where the lowest memory has room for it, whatever its size: what is long-lived gathers below, and free
// neighbours are one run because nothing says otherwise.

import { bytes_fill, hint_load, memory_reach, word_cas, word_load, word_store } from "../sync/atomics";
import { FRAME_BYTES, GROW_PAGES, SLAB_FRAMES } from "./param";
import { FRAME_TABLE, h_frame_hint_at, h_pages_at, header } from "./memory_map";
import { kassert } from "./panic";
import { my_pid } from "./processor";

export const FRAME_FREE: u32 = 0;
export const FRAME_HAND: u32 = 1;
export const FRAME_ZONE: u32 = 2;
export const FRAME_SLAB: u32 = 3;
export const FRAME_SPACE: u32 = 4;
export const FRAME_KMSG: u32 = 5;
export const FRAME_RESERVED: u32 = 6;
export const FRAME_OBJECT: u32 = 7;
export const FRAME_PMAP: u32 = 8;
export const FRAME_POISONED: u32 = 9;
export const FRAME_KIND_MASK: u32 = 0xf;

/** Where a memory object has the number of its first frame, and how many it has: a search passes over them in one step. */
export const OBJECT_FIRST: usize = 28;
export const OBJECT_PAGES: usize = 32;

/** Each byte of a frame that belonged to a memory object, once it is free: a view that outlived it shows. */
const POISON: u8 = 0xdb;

/** Address of the owner word of a frame. */
export function frame_owner_at(frame: u32): usize {
  return FRAME_TABLE + <usize>frame * 4;
}

/** Frames that exist now. */
export function frames_count(): u32 {
  return min(word_load(h_pages_at()) << 4, header().h_frames_max);
}

/**
 * Takes a run of contiguous frames, zeroed.
 *
 * Conditions: in a trap; any locks held. May grow memory.
 * Consumes:   nothing; the frames belong to `owner` from now on.
 * Returns:    the address of the run, or 0: no such run within the configured maximum.
 * Races:      others take frames at the same time; each frame has one winner, and a run that was cut short is given back.
 */
export function frames_alloc(count: u32, align: u32, owner: u32): usize {
  const first = frames_claim(count, align, owner);
  if (first == 0) return 0;
  const address = <usize>first * FRAME_BYTES;
  bytes_fill(address, 0, <usize>count * FRAME_BYTES);
  return address;
}

/**
 * As frames_alloc, without zeroing.
 *
 * Returns: the number of the first frame, or 0.
 */
export function frames_claim(count: u32, align: u32, owner: u32): u32 {
  const first = header().h_first_frame;
  const hint = hint_load(h_frame_hint_at());
  const low = frames_lowest(max(hint, first), frames_count());
  let from = low;
  while (true) {
    const limit = frames_count();
    let found = frames_search(from, limit, count, align, owner);
    // The hint may be too high: a raise that raced with a free, or a processor that died between a free and the hint.
    if (found == 0) found = frames_search(first, min(low + count - 1, limit), count, align, owner);
    if (found != 0) {
      const free = found < low ? first : found == low ? low + count : low;
      if (free != hint) word_cas(h_frame_hint_at(), hint, free);
      return found;
    }
    from = frames_grow(limit, count, align);
    if (from == 0) return 0;
  }
}

function is_free(owner: u32): bool {
  return owner == FRAME_FREE || (isDefined(KERN_DEBUG) && owner == FRAME_POISONED);
}

/** The lowest free frame from `frame` on, or about `limit`. */
function frames_lowest(frame: u32, limit: u32): u32 {
  while (frame < limit) {
    const owner = word_load(frame_owner_at(frame));
    if (is_free(owner)) return frame;
    frame = frame_behind(frame, owner);
  }
  return frame;
}

/**
 * The next frame that may be free after `frame`, which is not: behind its slab, or its object. What the object says may be of
 * an earlier life; then a search misses frames that came free meanwhile, and no more.
 */
function frame_behind(frame: u32, owner: u32): u32 {
  const kind = owner & FRAME_KIND_MASK;
  if (kind == FRAME_ZONE || kind == FRAME_SLAB) return (frame | (SLAB_FRAMES - 1)) + 1;
  if (kind == FRAME_OBJECT) {
    const object: usize = owner & ~FRAME_KIND_MASK;
    const first = hint_load(object + OBJECT_FIRST);
    const pages = hint_load(object + OBJECT_PAGES);
    if (frame - first < pages && pages <= header().h_frames_max) return first + pages;
  }
  return frame + 1;
}

/**
 * Claims the lowest run from `from` on. Each place is looked at from its end: a frame there that is taken rules out all places
 * up to it, so that most frames are never looked at, and none twice.
 */
function frames_search(from: u32, limit: u32, count: u32, align: u32, owner: u32): u32 {
  let start = (from + align - 1) & ~(align - 1);
  let seen = start; // nothing taken between start and here
  while (start + count <= limit) {
    let frame = start + count;
    let next: u32 = 0;
    while (frame > seen && next == 0) {
      const other = word_load(frame_owner_at(--frame));
      if (!is_free(other)) next = frame_behind(frame, other);
    }
    seen = start + count;
    if (next == 0) {
      const taken = frames_take(start, count, owner);
      if (taken == count) return start;
      next = start + taken + 1;
    }
    start = (next + align - 1) & ~(align - 1);
    seen = max(seen, start);
  }
  return 0;
}

/** Claims frames from `start` until one is taken; gives them back unless it got all. Returns how many were free. */
function frames_take(start: u32, count: u32, owner: u32): u32 {
  for (let taken: u32 = 0; taken < count; taken++) {
    const frame = start + taken;
    // [S9] One winner a frame.
    if (word_cas(frame_owner_at(frame), FRAME_FREE, owner) == FRAME_FREE) continue;
    if (isDefined(KERN_DEBUG) && word_cas(frame_owner_at(frame), FRAME_POISONED, owner) == FRAME_POISONED) {
      kassert(is_poisoned(frame), 0x0401); // somebody wrote to memory that was not his any more
      continue;
    }
    frames_free(start, taken, owner);
    return taken;
  }
  return count;
}

/**
 * Gives back those of the frames that still carry `owner`.
 *
 * Consumes: the frames. Calling it again is harmless: a frame that has another owner by now is left alone.
 */
export function frames_free(start: u32, count: u32, owner: u32): void {
  let lowest: u32 = 0;
  for (let index = count; index-- > 0; ) {
    const frame = start + index;
    const owner_at = frame_owner_at(frame);
    if (word_load(owner_at) != owner) continue;
    if (isDefined(KERN_DEBUG) && (owner & FRAME_KIND_MASK) == FRAME_OBJECT) {
      frame_poison(frame, owner);
    } else {
      word_cas(owner_at, owner, FRAME_FREE);
    }
    lowest = frame;
  }
  if (lowest == 0) return;
  while (true) {
    const hint = hint_load(h_frame_hint_at());
    if (hint <= lowest || word_cas(h_frame_hint_at(), hint, lowest) == hint) return;
  }
}

/** Frees a frame and fills it with what nobody writes. It is in the hand meanwhile: it is filled by one, and recovery frees it. */
function frame_poison(frame: u32, owner: u32): void {
  if (word_cas(frame_owner_at(frame), owner, FRAME_HAND | (my_pid() << 4)) != owner) return;
  bytes_fill(<usize>frame * FRAME_BYTES, POISON, FRAME_BYTES);
  word_store(frame_owner_at(frame), FRAME_POISONED);
}

function is_poisoned(frame: u32): bool {
  const begin = <usize>frame * FRAME_BYTES;
  for (let at = begin; at < begin + FRAME_BYTES; at += 8) {
    if (load<u64>(at) != <u64>POISON * 0x0101010101010101) return false;
  }
  return true;
}

/**
 * Makes frames exist for a run, which may begin with the free ones at the end of memory; grows nothing when that cannot make
 * room. Races: several may grow at once; memory is only more. Returns where the run may begin, or 0.
 */
function frames_grow(limit: u32, count: u32, align: u32): u32 {
  const frames_max = header().h_frames_max;
  let start = limit;
  while (limit - start < count && is_free(word_load(frame_owner_at(start - 1)))) start--;
  const end = ((start + align - 1) & ~(align - 1)) + count;
  if (end > frames_max) return 0;
  memory_reach(limit * FRAME_BYTES);
  const pages = min(max((end - limit + 15) >>> 4, GROW_PAGES), (frames_max - limit) >>> 4);
  if (end > limit && frames_count() == limit && memory.grow(pages) < 0) return 0;
  frames_publish();
  return start;
}

/** Tells everybody how far memory reaches. */
export function frames_publish(): void {
  const pages = <u32>memory.size();
  while (true) {
    const known = word_load(h_pages_at());
    if (known >= pages || word_cas(h_pages_at(), known, pages) == known) return; // [S10]
  }
}

/** Frames that have an owner, without the reserved ones. Returns: a count that is exact only when nothing runs. */
export function frames_used(): u32 {
  let used: u32 = 0;
  const limit = frames_count();
  for (let frame = header().h_first_frame; frame < limit; frame++) {
    if (!is_free(word_load(frame_owner_at(frame)))) used++;
  }
  return used;
}

/** The kind of the frame that holds `address`, or FRAME_RESERVED when there is none. */
export function frame_owner(address: usize): u32 {
  const frame = <u32>(address / FRAME_BYTES);
  return frame < frames_count() ? word_load(frame_owner_at(frame)) : FRAME_RESERVED;
}

/** Hands a slab over to its zone. Conditions: the run is the caller's and filled. */
export function frames_to_slab(address: usize, zone: u32): void {
  const first = <u32>(address / FRAME_BYTES);
  for (let index: u32 = 1; index < SLAB_FRAMES; index++) word_store(frame_owner_at(first + index), FRAME_SLAB);
  word_store(frame_owner_at(first), FRAME_ZONE | (zone << 4)); // [S11] publishes the slab's owner words
}
