// A task's memory in the kernel: regions of zeros, of bytes that are elsewhere, of memory that another task shares on purpose.

import {
  KERN_INVALID_ARGUMENT,
  VM_FLAGS_ANYWHERE,
  VM_INHERIT_SHARE,
  VM_PAGE_MAX,
  VM_PAGE_MIN,
  VM_PAGE_SIZE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from "../abi/codes.gen.js";
import { MemoryError, memoryErrorOf } from "../errors.js";
import type { SendRight } from "../right.js";
import type { Space } from "../space.js";
import { fill } from "./lease.js";
import { Region, type ShareOptions } from "./region.js";

/** The largest region there can be. */
const MOST_BYTES = (VM_PAGE_MAX - VM_PAGE_MIN) * VM_PAGE_SIZE;

/** Bytes that are there. */
export type Bytes = ArrayBuffer | SharedArrayBuffer | ArrayBufferView;
/** Bytes that are read first: a file or `Blob`, a `ReadableStream`, a Node stream of buffers. */
export type ByteStream = Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** How shared memory is mapped. */
export interface MapOptions extends ShareOptions {
  /** Where to begin in what is shared; a multiple of 4096, 0 by default. */
  readonly offset?: number | undefined;
}

/** The memory of one task: `task.memory`. */
export class TaskMemory {
  readonly #space: Space;

  /** @internal */
  constructor(space: Space) {
    this.#space = space;
  }

  /**
   * A region of `size` zeros, in one run of frames; in a few where memory is in pieces, see `Lease.chunks`.
   *
   * @throws RangeError for a size that no address space holds. MemoryError KERN_RESOURCE_SHORTAGE, KERN_NO_SPACE: no memory, no quota
   * @mach vm_allocate
   */
  allocate(size: number): Region {
    return this.#filled(checkSize("allocate", size), null);
  }

  /**
   * A region with a copy of `source`. Bytes, Node's `Buffer`s among them, give it at once. A `Blob` or `File`, a stream or an async
   * iterable of `Uint8Array`s is read to its end: a promise. What such a stream gives is held outside the kernel until then, since its
   * length is not known; a `Blob`'s is, and it is copied as it comes.
   *
   * @throws MemoryError as `allocate`
   */
  from(source: Bytes): Region;
  from(source: ByteStream): Promise<Region>;
  from(source: Bytes | ByteStream): Region | Promise<Region> {
    if (ArrayBuffer.isView(source)) {
      return this.#copy(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
    }
    if (source instanceof ArrayBuffer || isShared(source)) return this.#copy(new Uint8Array(source));
    if (source instanceof Blob) return this.#read(source);
    if (isStream(source)) return this.#gather(source);
    throw new TypeError("memory.from: expected bytes, a Blob, or a stream of Uint8Arrays");
  }

  /**
   * A region on memory that `right` shares, which `Region.share` made in this task or another: what one writes the other reads, at
   * once, with no order but that of `Atomics`. The right stays.
   *
   * @param size bytes to map
   * @throws MemoryError KERN_INVALID_ARGUMENT: no such right, or more than it shares. KERN_INVALID_RIGHT: it is shared to be read only;
   *   say `readOnly`.
   * @mach vm_map
   */
  map(right: SendRight, size: number, options: MapOptions = {}): Region {
    const { core, handle, self, processor } = this.#space;
    const name = right.nameIn(this.#space, "map");
    const offset = options.offset ?? 0;
    if (!Number.isInteger(offset) || offset < 0 || offset > MOST_BYTES || offset % VM_PAGE_SIZE !== 0)
      throw new RangeError("map: offset: expected a multiple of 4096, not below 0");
    if (checkSize("map", size) === 0) throw new MemoryError("vm_map", KERN_INVALID_ARGUMENT, "size 0");
    const protection = options.readOnly ? VM_PROT_READ : VM_PROT_READ | VM_PROT_WRITE;
    const anywhere = VM_FLAGS_ANYWHERE;
    const inherit = VM_INHERIT_SHARE;
    const kr = core.vm_map(handle, self, 0, size, 0, anywhere, name, offset, 0, protection, protection, inherit);
    if (kr !== 0) throw memoryErrorOf("vm_map", kr);
    return new Region(this.#space, processor.out(0), size);
  }

  /** A region whose frames are there, with a copy of `bytes` or zeros. */
  #filled(size: number, bytes: Uint8Array | null): Region {
    const space = this.#space;
    const { core, handle, self, processor } = space;
    const kr = core.vm_allocate(handle, self, 0, size, VM_FLAGS_ANYWHERE);
    if (kr !== 0) throw memoryErrorOf("vm_allocate", kr);
    const region = new Region(space, processor.out(0), size);
    try {
      const lease = region.write(); // frames for all of it at once
      try {
        if (bytes !== null) fill(lease.chunks, bytes);
      } finally {
        lease[Symbol.dispose]();
      }
    } catch (error) {
      region[Symbol.dispose]();
      throw error;
    }
    return region;
  }

  #copy(bytes: Uint8Array): Region {
    return this.#filled(bytes.length, bytes);
  }

  async #read(blob: Blob): Promise<Region> {
    const region = this.allocate(blob.size);
    try {
      let at = 0;
      for await (const chunk of chunksOf(blob.stream())) {
        region.set(chunk, at);
        at += chunk.length;
      }
    } catch (error) {
      region[Symbol.dispose]();
      throw error;
    }
    return region;
  }

  async #gather(stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Region> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of chunksOf(stream)) {
      parts.push(part);
      size += part.length;
    }
    const region = this.allocate(size);
    let at = 0;
    for (const part of parts) {
      region.set(part, at);
      at += part.length;
    }
    return region;
  }
}

function checkSize(operation: string, size: number): number {
  if (typeof size !== "number") throw new TypeError(`${operation}: expected a size in bytes`);
  if (!Number.isInteger(size) || size < 0 || size > MOST_BYTES) {
    throw new RangeError(`${operation}: ${size} is no number of bytes from 0 to ${MOST_BYTES}`);
  }
  return size;
}

/** There is no such class in a page that is not isolated. */
function isShared(source: object): source is SharedArrayBuffer {
  return Object.prototype.toString.call(source) === "[object SharedArrayBuffer]";
}

function isStream(source: unknown): source is ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof source !== "object" || source === null) return false;
  return "getReader" in source || Symbol.asyncIterator in source;
}

/** What a stream gives; the streams of some browsers cannot be iterated. Leaving the loop cancels the stream. */
async function* chunksOf(stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (!("getReader" in stream)) {
    for await (const chunk of stream) yield checkChunk(chunk);
    return;
  }
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield checkChunk(value);
    }
  } finally {
    if (!ended) await reader.cancel();
  }
}

function checkChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("memory.from: expected a stream of Uint8Arrays");
}
