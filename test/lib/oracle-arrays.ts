// The oracle's arrays of ports: which there are, what of them a message takes along, and how one arrives.

import { setWord, word } from "./message.js";
import { arrive } from "./oracle-rights.js";
import { type ArrayShape, Mismatch, type Oracle, type Right, type Space } from "./oracle-state.js";

const OOL_PORTS = 2;
const PORTS_MAX = 16383;

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

/** The names that the descriptor at `offset` sends, and whether their array is freed; null: it has no such array. */
export function arraySent(
  oracle: Oracle,
  bytes: Uint8Array,
  offset: number,
): { names: number[]; done: () => void } | null {
  const [address, count] = [word(bytes, offset), word(bytes, offset + 4)];
  if (count === 0) return { names: [], done: () => {} };
  const names = oracle.arrays.get(address);
  if (names === undefined || names.length < count) return null;
  const frees = bytes[offset + 8] !== 0 && oracle.mutation !== "array-stays";
  return { names: names.slice(0, count), done: () => frees && oracle.arrays.delete(address) };
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
  const names = count === 0 ? [] : oracle.readArray(address);
  if (names === null || names.length !== count || oracle.arrays.has(address)) {
    throw new Mismatch(`0x${address.toString(16)} is no new array of ${count}`);
  }
  for (const [index, right] of rights.entries()) {
    const name = arrive(oracle, space, right, names[index] ?? 0);
    if (name !== names[index]) throw new Mismatch(`element ${index} of an array is ${names[index]}, not ${name}`);
  }
  if (count > 0) oracle.arrays.set(address, names);
  setWord(bytes, offset, address);
  setWord(bytes, offset + 4, count);
  setWord(bytes, offset + 8, 0x02000101 | (type << 16));
}
