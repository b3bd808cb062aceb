// The oracle's arrays of ports: which there are in a task's memory, what of them a message takes along, and how one arrives. Each is in a
// page of its own.

import { setWord, word } from "./message.js";
import { arrive } from "./oracle-rights.js";
import { type ArrayShape, Mismatch, type Oracle, type Right, type Space } from "./oracle-state.js";

const OOL_PORTS = 2;
const PORTS_MAX = 16383;
/** Words of a page. */
const PAGE_WORDS = 1024;

/** How many ports the arrays of a message say they have; null: it has more ports than may be. */
export function listed(bytes: Uint8Array, descriptors: number): number | null {
  let [ports, total] = [0, 0];
  for (let index = 0; index < descriptors; index++) {
    const offset = 28 + 12 * index;
    const count = bytes[offset + 11] === OOL_PORTS ? word(bytes, offset + 4) : 0;
    total += count;
    ports += bytes[offset + 11] === OOL_PORTS ? count : 1;
  }
  return ports > PORTS_MAX ? null : total;
}

/** The names that the descriptor at `offset` sends, and whether their array is freed; null: there is none. */
export function arraySent(
  oracle: Oracle,
  space: Space,
  bytes: Uint8Array,
  offset: number,
): { names: number[]; done: () => void } | null {
  const [address, count] = [word(bytes, offset), word(bytes, offset + 4)];
  if (count === 0) return { names: [], done: () => {} };
  const names = space.arrays.get(address);
  if (names === undefined || count > PAGE_WORDS) return null;
  const frees = bytes[offset + 8] !== 0 && oracle.mutation !== "array-stays";
  const sent = Array.from({ length: count }, (_, index) => names[index] ?? 0); // behind it the page is zero
  return { names: sent, done: () => frees && space.arrays.delete(address) };
}

/** An array arrives (A113): its descriptor is written, each name is what it must be, and there is one array more. */
export function arriveArray(
  oracle: Oracle,
  space: Space,
  rights: readonly Right[],
  { type }: ArrayShape,
  to: { bytes: Uint8Array; seen: Uint8Array; offset: number },
): void {
  const { bytes, seen, offset } = to;
  const count = rights.length;
  const address = count === 0 ? 0 : word(seen, offset);
  const names = count === 0 ? [] : oracle.readArray(space, address, count);
  if (names === null || space.arrays.has(address)) {
    throw new Mismatch(`0x${address.toString(16)} is no new array of ${count}`);
  }
  for (const [index, right] of rights.entries()) {
    const name = arrive(oracle, space, right, names[index] ?? 0);
    if (name !== names[index]) throw new Mismatch(`element ${index} of an array is ${names[index]}, not ${name}`);
  }
  if (count > 0) space.arrays.set(address, names);
  setWord(bytes, offset, address);
  setWord(bytes, offset + 4, count);
  setWord(bytes, offset + 8, 0x02000101 | (type << 16));
}
