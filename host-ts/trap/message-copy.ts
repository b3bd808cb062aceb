// Copies between a caller's buffer and the kernel's memory. Small messages go word by word, larger
// ones by `set`: below SMALL_BYTES the call into the engine costs more than the loop.

import { fixed, type Views } from "../memory/views.js";

const SMALL_BYTES = 256;

/** Copies messages in and out; remembers the last buffer's words, so that a loop allocates nothing. */
export class MessageCopier {
  readonly #views: Views;
  #buffer: Uint8Array | null = null;
  #words: Int32Array | null = null;
  /** The last large buffer that nobody can make longer. */
  #steady: Uint8Array | null = null;

  constructor(views: Views) {
    this.#views = views;
  }

  /** Copies `size` bytes at `from` in `buffer` to `address`, a multiple of 4 as is `size`. */
  in(buffer: Uint8Array, from: number, size: number, address: number): void {
    const views = this.#views;
    const at = address >>> 0;
    if (at + size > views.octets.length) views.reach(at, size);
    if (size > SMALL_BYTES) {
      const whole = from === 0 && size === buffer.length;
      const steady = whole && (buffer === this.#steady || this.#isSteady(buffer));
      views.octets.set(steady ? buffer : buffer.subarray(from, from + size), at);
      return;
    }
    const words = buffer === this.#buffer ? this.#words : this.#remember(buffer);
    if (words !== null && (from & 3) === 0) {
      copyWords(words, from >>> 2, views.i32, at >>> 2, size >>> 2);
      return;
    }
    const octets = views.octets;
    for (let i = 0; i < size; i++) octets[at + i] = buffer[from + i] as number;
  }

  /** Copies `size` bytes at `address` to `at` in `buffer`. */
  out(address: number, size: number, buffer: Uint8Array, to: number): void {
    const views = this.#views;
    const from = address >>> 0;
    if (from + size > views.octets.length) views.reach(from, size);
    if (size > SMALL_BYTES) {
      buffer.set(views.octets.subarray(from, from + size), to);
      return;
    }
    const words = buffer === this.#buffer ? this.#words : this.#remember(buffer);
    if (words !== null && (to & 3) === 0) {
      copyWords(views.i32, from >>> 2, words, to >>> 2, size >>> 2);
      return;
    }
    const octets = views.octets;
    for (let i = 0; i < size; i++) buffer[to + i] = octets[from + i] as number;
  }

  #isSteady(buffer: Uint8Array): boolean {
    const steady = fixed(buffer, buffer.length) === buffer;
    if (steady) this.#steady = buffer;
    return steady;
  }

  #remember(buffer: Uint8Array): Int32Array | null {
    const resizable = (buffer.buffer as { resizable?: boolean }).resizable === true;
    const aligned = (buffer.byteOffset & 3) === 0 && !resizable;
    this.#buffer = buffer;
    this.#words = aligned
      ? new Int32Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength >>> 2)
      : null;
    return this.#words;
  }
}

/** Four at a time: half the time of one by one. */
function copyWords(source: Int32Array, from: number, target: Int32Array, to: number, count: number): void {
  const end = from + count;
  while (from + 4 <= end) {
    target[to] = source[from] as number;
    target[to + 1] = source[from + 1] as number;
    target[to + 2] = source[from + 2] as number;
    target[to + 3] = source[from + 3] as number;
    to += 4;
    from += 4;
  }
  while (from < end) target[to++] = source[from++] as number;
}

/** The word at `at` in a buffer of any alignment. */
export function wordIn(buffer: Uint8Array, at: number): number {
  return (
    ((buffer[at] as number) |
      ((buffer[at + 1] as number) << 8) |
      ((buffer[at + 2] as number) << 16) |
      ((buffer[at + 3] as number) << 24)) >>>
    0
  );
}

/** Stores a word at `at` in a buffer of any alignment. */
export function setWordIn(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
  buffer[at + 2] = value >>> 16;
  buffer[at + 3] = value >>> 24;
}
