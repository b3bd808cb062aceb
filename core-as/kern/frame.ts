// Page frames: 4 KiB each, handed out in contiguous runs. The frame table has one word a frame, its owner; a frame is
// allocated by compare-and-swap from FREE, so that nothing is locked and nothing is lost whatever instruction a processor
// stops at: recovery frees what carries a dead owner. The frame table also tells what any address is (zone_of).
//
//   owner = address or number | kind
//   FREE 0 | HAND: pid << 4 | ZONE: zone << 4, first frame of a slab | SLAB: its other frames
//   SPACE: address of the task | KMSG: address of the kmsg | RESERVED: header, records, the table itself

import { bytes_fill, hint_load, hint_store, memory_reach, word_cas, word_load, word_store } from "../sync/atomics";
import { FRAME_BYTES, GROW_PAGES, SLAB_FRAMES } from "./param";
import { FRAME_TABLE, h_frame_hint_at, h_pages_at, header } from "./memory_map";

export const FRAME_FREE: u32 = 0;
export const FRAME_HAND: u32 = 1;
export const FRAME_ZONE: u32 = 2;
export const FRAME_SLAB: u32 = 3;
export const FRAME_SPACE: u32 = 4;
export const FRAME_KMSG: u32 = 5;
export const FRAME_RESERVED: u32 = 6;
export const FRAME_KIND_MASK: u32 = 0xf;

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

/** As frames_alloc, without zeroing; returns the first frame's number. */
function frames_claim(count: u32, align: u32, owner: u32): u32 {
  const hint = hint_load(h_frame_hint_at());
  const first = header().h_first_frame;
  while (true) {
    const limit = frames_count();
    let found = frames_search(max(hint, first), limit, count, align, owner);
    if (found == 0) found = frames_search(first, min(hint + count, limit), count, align, owner);
    if (found != 0) {
      hint_store(h_frame_hint_at(), found + count);
      return found;
    }
    if (!frames_grow(limit, count + align)) return 0;
  }
}

function frames_search(from: u32, limit: u32, count: u32, align: u32, owner: u32): u32 {
  let start = (from + align - 1) & ~(align - 1);
  while (start + count <= limit) {
    const taken = frames_take(start, count, owner);
    if (taken == count) return start;
    start = (start + taken + align) & ~(align - 1);
  }
  return 0;
}

/** Claims frames from `start` until one is taken; gives them back unless it got all. Returns how many were free. */
function frames_take(start: u32, count: u32, owner: u32): u32 {
  for (let taken: u32 = 0; taken < count; taken++) {
    const owner_at = frame_owner_at(start + taken);
    // [S9] One winner a frame. Looking first keeps the scan from writing lines that it does not want.
    if (word_load(owner_at) == FRAME_FREE && word_cas(owner_at, FRAME_FREE, owner) == FRAME_FREE) continue;
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
  for (let index: u32 = 0; index < count; index++) {
    const owner_at = frame_owner_at(start + index);
    if (word_load(owner_at) == owner) word_cas(owner_at, owner, FRAME_FREE);
  }
}

/** Makes at least `count` more frames exist. Races: several may grow at once; memory is only more. */
function frames_grow(limit: u32, count: u32): bool {
  const frames_max = header().h_frames_max;
  if (limit >= frames_max) return false;
  memory_reach(limit * FRAME_BYTES);
  let pages = max((count + 15) >>> 4, GROW_PAGES);
  const room = (frames_max - limit) >>> 4;
  if (pages > room) pages = room;
  if (frames_count() == limit && memory.grow(pages) < 0) return false;
  frames_publish();
  return frames_count() > limit;
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
    if (word_load(frame_owner_at(frame)) != FRAME_FREE) used++;
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
