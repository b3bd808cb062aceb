// The only owner of typed arrays over the kernel's memory. The memory grows and another thread may
// be the one who grew it; this thread's idea of its size is then stale until it asks. Views over an
// address that existed once stay valid for ever, so views of fixed places are made once and kept.

/** Typed arrays over one kernel memory, refreshed when an address lies past their end. */
export class Views {
  readonly memory: WebAssembly.Memory;
  /** All bytes that this thread knows of; use `bytes()` where the address may be new. */
  octets: Uint8Array<SharedArrayBuffer>;
  /** All words, signed. */
  i32: Int32Array<SharedArrayBuffer>;
  /** All words, unsigned. */
  words: Uint32Array<SharedArrayBuffer>;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.octets = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.words = new Uint32Array(buffer);
  }

  /** Makes `address .. address + length` reachable through the views. */
  reach(address: number, length: number): void {
    if (address + length > this.octets.length) this.#refresh(address + length);
  }

  /** A view of `length` bytes at `address`. */
  bytes(address: number, length: number): Uint8Array<SharedArrayBuffer> {
    const at = address >>> 0;
    this.reach(at, length);
    return new Uint8Array(this.octets.buffer, at, length);
  }

  /** A view of `count` words at `address`, which must be a multiple of 4. */
  wordsAt(address: number, count: number): Uint32Array<SharedArrayBuffer> {
    const at = address >>> 0;
    this.reach(at, count * 4);
    return new Uint32Array(this.octets.buffer, at, count);
  }

  /** A signed view of one word, for `Atomics`. */
  cell(address: number): Int32Array<SharedArrayBuffer> {
    const at = address >>> 0;
    this.reach(at, 4);
    return new Int32Array(this.octets.buffer, at, 1);
  }

  /** The word at `address`, which must be a multiple of 4. */
  u32(address: number): number {
    const at = address >>> 0;
    if (at + 4 > this.octets.length) this.#refresh(at + 4);
    return this.words[at >>> 2] as number;
  }

  /** Stores a word at `address`, which must be a multiple of 4. */
  setU32(address: number, value: number): void {
    const at = address >>> 0;
    if (at + 4 > this.octets.length) this.#refresh(at + 4);
    this.words[at >>> 2] = value;
  }

  /** Copies words out of the memory: the caller's own, not a view. */
  copyWords(address: number, count: number): Uint32Array<ArrayBuffer> {
    const copy = new Uint32Array(count);
    copy.set(this.wordsAt(address, count));
    return copy;
  }

  #refresh(end: number): void {
    // An instance learns of a growth by another thread late; asking for no pages makes it look.
    this.memory.grow(0);
    const buffer = this.memory.buffer as unknown as SharedArrayBuffer;
    if (buffer.byteLength < end) throw new RangeError(`address ${end} is outside the kernel's memory`);
    this.octets = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.words = new Uint32Array(buffer);
  }
}

/** What engines keep on their heap, until somebody asks for its buffer, which costs more than to copy it. */
const ON_HEAP = 64;

/**
 * `bytes`, or what has its first `length` bytes and stays that long, where the buffer is one that another
 * thread can make grow meanwhile. Whoever grows so small a buffer while it is sent is not guarded against.
 */
export function fixed(bytes: Uint8Array, length: number): Uint8Array {
  if (length <= ON_HEAP) return bytes;
  return (bytes.buffer as { growable?: boolean }).growable === true ? bytes.subarray(0, length) : bytes;
}
