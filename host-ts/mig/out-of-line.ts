// Arguments out of line: memory, and arrays of rights. Each is a descriptor and a count; what a program passes is looked at once,
// since it is the program's own object and may be another when it is looked at again.

import type { Draft } from "../draft.js";
import { wordsAt } from "../memory/lease.js";
import { deallocate, isMemory, type OutgoingMemory, Region } from "../memory/region.js";
import { Moved, type Right, rightOf } from "../right.js";
import type { Space } from "../space.js";
import { arrival, type Field, travel } from "./fields.js";
import { ARRAY, MEMORY } from "./types.js";

const OOL = 1;
const OOL_PORTS = 2;

/** An argument as it goes into one message. */
export interface Load {
  /** Bytes, or rights. */
  readonly count: number;
  readonly memory: OutgoingMemory | null;
  readonly rights: readonly Right[];
  readonly disposition: number;
}

/** `value` as argument `field`; null when it cannot be. */
export function loadOf(field: Field, value: unknown): Load | null {
  if (field.kind === MEMORY) {
    return isMemory(value) ? { count: value.size, memory: value, rights: [], disposition: 0 } : null;
  }
  if (!Array.isArray(value)) return null;
  const given: readonly unknown[] = [...value];
  const disposition = given.length === 0 ? arrival(field.element) : travel(field.element, given[0]);
  if (disposition === 0 || given.some((one) => travel(field.element, one) !== disposition)) return null;
  const rights = given.map((one) => (one instanceof Moved ? one.right : (one as Right)));
  return { count: rights.length, memory: null, rights, disposition };
}

/** Writes the descriptor; what moves is the message's from here on. */
export function loadInto(draft: Draft, index: number, { memory, rights, disposition }: Load): void {
  if (memory !== null) draft.memory(index, memory);
  else draft.array(index, disposition, rights);
}

/** Whether the last word of a descriptor is one of `field`. */
export function fitsField({ kind, element }: Field, shape: number): boolean {
  if (kind === MEMORY) return shape >>> 24 === OOL;
  return shape >>> 24 === OOL_PORTS && ((shape >>> 16) & 0xff) === arrival(element);
}

/** Whether `count` is what the descriptor at `word` says, and no more than is allowed. */
export function countFits({ kind, maxBytes }: Field, words: Int32Array, word: number, count: number): boolean {
  if (count !== (words[word + 1] as number) >>> 0 || count > maxBytes) return false;
  return count === 0 || words[word] !== 0 || kind < MEMORY;
}

/** The names in each array among `fields`, which stay where they are; null when one cannot be read. */
export function namesOf(space: Space, fields: readonly Field[], words: Int32Array, at: number): Uint32Array[] | null {
  const all: Uint32Array[] = [];
  for (const { kind, descriptor } of fields) {
    if (kind !== ARRAY) continue;
    const word = at + 7 + descriptor * 3;
    const count = (words[word + 1] as number) >>> 0;
    const names = count === 0 ? new Uint32Array(0) : wordsAt(space, (words[word] as number) >>> 0, count);
    if (names === null) return null;
    all[descriptor] = names;
  }
  return all;
}

/** Takes what the descriptor at `word` names; of an array the rights, whose memory is freed. */
export function unload(
  space: Space,
  { kind, element }: Field,
  words: Int32Array,
  word: number,
  names: Uint32Array | undefined,
): Region | Right[] {
  const address = (words[word] as number) >>> 0;
  const count = (words[word + 1] as number) >>> 0;
  if (kind === MEMORY) return new Region(space, address, count);
  deallocate(space, address, count * 4);
  words[word] = 0;
  words[word + 1] = 0;
  return Array.from(names ?? [], (name) => rightOf(space, arrival(element), name));
}
