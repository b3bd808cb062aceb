// The page table of a task: which frame of linear memory a page is in now, and whether it may be written. It is a cache of the map, two
// levels of words, under the map's lock: filled by who translates an address (vm_fault.ts), emptied before the map changes. An
// entry that is missing costs a look at the map; so nothing here is journalled but where a table frame belongs.
//
//   directory: 1024 words, address of a table or 0    table: 1024 words, frame << 12 | write 2 | valid 1

import { FRAME_HAND, frame_owner_at, frames_alloc, frames_free, FRAME_PMAP } from "../kern/frame";
import { journal_commit, journal_set, journal_set_hint } from "../kern/journal";
import { FRAME_BYTES } from "../kern/param";
import { my_pid } from "../kern/processor";
import { bytes_fill } from "../sync/atomics";
import { T_MAP, VmMap } from "./vm_map";

const TABLE_SHIFT: u32 = 10;
const TABLE_PAGES: u32 = 1 << TABLE_SHIFT;
export const PTE_VALID: u32 = 1;
export const PTE_WRITE: u32 = 2;

/** Address of the word for `page`, or 0: there is no table for it. Conditions: map locked. */
export function pmap_walk(map: VmMap, page: u32): usize {
  if (map.vm_pmap == 0) return 0;
  const table: usize = load<u32>(<usize>map.vm_pmap + (page >>> TABLE_SHIFT) * 4);
  return table == 0 ? 0 : table + (page & (TABLE_PAGES - 1)) * 4;
}

/**
 * Remembers where a page is.
 *
 * Conditions: map locked, nothing in the journal. May fail to, when memory is exhausted.
 */
export function pmap_enter(map: VmMap, page: u32, frame: u32, writes: bool): void {
  const directory_at = changetype<usize>(map) + offsetof<VmMap>("vm_pmap");
  if (!table_at(map, directory_at)) return;
  if (!table_at(map, <usize>map.vm_pmap + (page >>> TABLE_SHIFT) * 4)) return;
  store<u32>(pmap_walk(map, page), (frame << 12) | (writes ? PTE_WRITE : 0) | PTE_VALID);
}

/** Makes the table that the word at `word_at` is to point to, unless there is one. Commits. Returns: false: memory is exhausted. */
function table_at(map: VmMap, word_at: usize): bool {
  if (load<u32>(word_at) != 0) return true;
  const table = frames_alloc(1, 1, FRAME_HAND | (my_pid() << 4));
  if (table == 0) return false;
  journal_set_hint(frame_owner_at(<u32>(table / FRAME_BYTES)), pmap_owner(map));
  journal_set(word_at, <u32>table);
  journal_commit();
  return true;
}

function pmap_owner(map: VmMap): u32 {
  return <u32>(changetype<usize>(map) - T_MAP) | FRAME_PMAP;
}

/**
 * Forgets the pages of a range; tables that are wholly in it go.
 *
 * Conditions: map locked, nothing in the journal. Commits, once for each table that goes.
 */
export function pmap_remove(map: VmMap, start: u32, end: u32): void {
  if (map.vm_pmap == 0) return;
  for (let page = start; page < end; ) {
    const base = page & ~(TABLE_PAGES - 1);
    const stop = min(end, base + TABLE_PAGES);
    const word_at = <usize>map.vm_pmap + (page >>> TABLE_SHIFT) * 4;
    if (load<u32>(word_at) != 0) {
      if (stop - page == TABLE_PAGES) table_free(word_at);
      else bytes_fill(pmap_walk(map, page), 0, (stop - page) * 4);
    }
    page = stop;
  }
  if (start == 0 && end >= 1 << 20) table_free(changetype<usize>(map) + offsetof<VmMap>("vm_pmap"));
}

function table_free(word_at: usize): void {
  const hand = FRAME_HAND | (my_pid() << 4);
  const frame = load<u32>(word_at) / FRAME_BYTES;
  journal_set_hint(frame_owner_at(frame), hand);
  journal_set(word_at, 0);
  journal_commit();
  frames_free(frame, 1, hand);
}
