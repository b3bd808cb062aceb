// What a random operation on memory picks: ranges that mostly begin and end where something is mapped, bytes, other tasks.

import type { Random } from "../random.js";
import { type AddressMap, PAGE, type Slot, type Span } from "./pages.js";
import type { Actor, Plan, World } from "./world.js";

export type Operation = (world: World, random: Random, actor: Actor) => void;

export const SUCCESS = 0;
export const INVALID_ADDRESS = 1;
export const PROTECTION_FAILURE = 2;
export const NO_SPACE = 3;
export const INVALID_ARGUMENT = 4;

export const READ = 1;
/** Who may write may read. */
export const WRITE = 3;

export interface Range {
  address: number;
  size: number;
}

/** Ranges that no map has: empty, at both ends, around the end. */
const WILD: readonly Range[] = [
  { address: 0, size: PAGE },
  { address: 0, size: 1 },
  { address: 0xfffff000, size: PAGE },
  { address: 0xffffffff, size: 1 },
  { address: 0xffffffff, size: 2 },
  { address: 0xfffff000, size: PAGE + 1 },
  { address: 0x1000, size: 0xffffffff },
  { address: 0x3fffffff, size: 0xfffffff0 },
];

/** How many pages: few, now and then many. */
export function pickCount(random: Random): number {
  return random.pick([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 11, 16, 30]);
}

/** The end of the mapped pages in a row from `start` on. */
export function runEnd(map: AddressMap, start: number): number {
  let end = start;
  while (map.slots.has(end)) end++;
  return end;
}

/** Pages of the window: mostly such as are mapped. */
export function pickSpan(random: Random, map: AddressMap, mapped = 80): Span {
  const { window } = map;
  const known = map.mapped;
  const count = pickCount(random);
  if (known.length > 0 && random.chance(mapped)) {
    const start = random.pick(known);
    return { start, end: Math.min(runEnd(map, start), start + count) };
  }
  const near = known.length > 0 && random.chance(60);
  const low = near ? random.pick(known) - random.below(3) : window.start + random.below(window.end - window.start);
  const start = Math.max(window.start, Math.min(low, window.end - 1));
  return { start, end: Math.min(window.end, start + count) };
}

/** Bytes of the window, mostly mapped, half of the time not whole pages. */
export function pickRange(random: Random, map: AddressMap, mapped = 80): Range {
  if (random.chance(4)) return random.chance(50) ? { ...random.pick(WILD) } : { address: random.word(), size: 0 };
  const { start, end } = pickSpan(random, map, mapped);
  const [from, to] = [start * PAGE, end * PAGE];
  if (random.chance(50)) return { address: from, size: to - from };
  const address = from + random.pick([0, 1, 4, 100, 2048, 4095, random.below(PAGE)]);
  const most = to - address;
  const size = random.chance(40) ? most - random.below(Math.min(most, PAGE)) : 1 + random.below(most);
  return { address, size };
}

/** Bytes that are like no others. */
export function pickBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new DataView(bytes.buffer);
  let word = random.word() | 1;
  for (let at = 0; at < length; at += 4) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    if (at + 4 <= length) words.setUint32(at, word, true);
    else bytes.fill(word & 0xff, at);
  }
  return bytes;
}

/** Whose memory, and the caller's name for it. */
export function pickTarget(world: World, random: Random, actor: Actor): { target: Actor; name: number } {
  const target = random.chance(70) ? actor : random.pick(world.tasks);
  return { target, name: actor.names.get(target.control) ?? 0 };
}

/** What refuses a range: a hole, or a page without the protection that is needed. */
export function refusal(slots: readonly (Slot | undefined)[], need: number): number {
  for (const slot of slots) {
    if (slot === undefined) return INVALID_ADDRESS;
    if ((slot.prot & need) !== need) return PROTECTION_FAILURE;
  }
  return SUCCESS;
}

export function refuse(code: number): Plan {
  return { code };
}
