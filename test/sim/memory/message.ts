// Messages with out-of-line memory as bytes.

import { setWord, word } from "../../lib/message.js";

export const PORT = 0;
export const OOL = 1;
export const OOL_PORTS = 2;
export const OOL_VOLATILE = 3;

export const HEADER = 24;
const COMPLEX = 0x80000000;

/** A descriptor: its two words, of which the second is a size or a count, and what the third is made of. */
export interface Descriptor {
  type: number;
  /** An address, or the name of a port. */
  address: number;
  size: number;
  deallocate: number;
  copy: number;
  disposition: number;
}

export interface Draft {
  remote: number;
  id: number;
  descriptors: readonly Descriptor[];
}

/** A message to `remote` by COPY_SEND. */
export function build({ remote, id, descriptors }: Draft): Uint8Array {
  const bytes = new Uint8Array(HEADER + 4 + 12 * descriptors.length);
  setWord(bytes, 0, 19 | COMPLEX);
  setWord(bytes, 4, bytes.length);
  setWord(bytes, 8, remote);
  setWord(bytes, 20, id);
  setWord(bytes, 24, descriptors.length);
  for (const [index, { type, address, size, deallocate, copy, disposition }] of descriptors.entries()) {
    const at = HEADER + 4 + 12 * index;
    setWord(bytes, at, address);
    setWord(bytes, at + 4, size);
    setWord(bytes, at + 8, deallocate | (copy << 8) | (disposition << 16) | (type << 24));
  }
  return bytes;
}

/** Slots that the kernel needs for it. */
export function slotsOf(descriptors: readonly Descriptor[]): number {
  return descriptors.reduce((sum, { type, size }) => sum + 1 + (type === OOL_PORTS ? size : 0), 0);
}

/** The descriptors of a message that a kernel wrote. */
export function descriptorsOf(bytes: Uint8Array): Descriptor[] {
  if ((word(bytes, 0) & COMPLEX) === 0) return [];
  return Array.from({ length: word(bytes, 24) }, (_, index) => {
    const at = HEADER + 4 + 12 * index;
    const shape = word(bytes, at + 8);
    return {
      type: shape >>> 24,
      address: word(bytes, at),
      size: word(bytes, at + 4),
      deallocate: shape & 0xff,
      copy: (shape >>> 8) & 0xff,
      disposition: (shape >>> 16) & 0xff,
    };
  });
}

export function idOf(bytes: Uint8Array): number {
  return word(bytes, 20);
}
