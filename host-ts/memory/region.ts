// Regions: stretches of a task's memory in the kernel, which go from task to task by moving or sharing page tables, not bytes.

import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  MAP_MEM_VM_SHARE,
  VM_PAGE_SIZE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from "../abi/codes.gen.js";
import { MemoryError, memoryErrorOf } from "../errors.js";
import { SendRight } from "../right.js";
import type { Space } from "../space.js";
import { fill, joined, type Lease, leaseOf, READ, WRITE } from "./lease.js";

/** Bytes of one chunk of a stream. */
const STREAM_BYTES = 65_536;

/** How a region is shared on purpose. */
export interface ShareOptions {
  /** Whoever maps it can only read it. */
  readonly readOnly?: boolean | undefined;
}

/**
 * A stretch of the task's memory. Its pages are its own: a copy in a message, or of a message, shares frames with it only until
 * somebody writes. Empty once it was moved or disposed: every use throws `KERN_INVALID_ADDRESS` then.
 *
 * @mach vm_address_t, vm_size_t
 */
export class Region implements Disposable {
  /** Length in bytes. */
  readonly size: number;
  readonly #space: Space;
  #address: number | null;
  /** Disposed since it was given away, if it was. */
  #unwanted = false;

  /** @internal Takes over the pages of `size` bytes at `address`. */
  constructor(space: Space, address: number, size: number) {
    this.#space = space;
    this.#address = address;
    this.size = size;
  }

  /** Where it lies in the task's memory, for use with `mach-ipc/traps`; still owned by this object. 0 when the size is 0. */
  get address(): number {
    return this.#live("address");
  }

  /** True after it was moved or disposed. */
  get disposed(): boolean {
    return this.#address === null;
  }

  /**
   * Access to read `length` bytes from `offset` on; to the end by default.
   *
   * @throws RangeError beyond the region. MemoryError KERN_RESOURCE_SHORTAGE: no memory.
   */
  read(offset?: number, length?: number): Lease {
    return this.#lease("read", READ, offset, length);
  }

  /**
   * Access to write `length` bytes from `offset` on, to the end by default: what is shared with copies there becomes this region's
   * own first. Until the lease ends, copies of the region cost a copy of its bytes.
   *
   * @throws RangeError beyond the region. MemoryError KERN_RESOURCE_SHORTAGE: no memory, or no quota. KERN_PROTECTION_FAILURE: it was
   *   mapped to be read.
   */
  write(offset?: number, length?: number): Lease {
    return this.#lease("write", WRITE, offset, length);
  }

  /**
   * Writes `bytes` at `offset`, as `Uint8Array.set` does.
   *
   * @throws as `write`
   */
  set(bytes: Uint8Array, offset = 0): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("Region.set: expected a Uint8Array");
    const lease = this.write(offset, bytes.length);
    try {
      fill(lease.chunks, bytes);
    } finally {
      lease[Symbol.dispose]();
    }
  }

  /** A copy of the bytes in JavaScript's own memory. */
  bytes(offset?: number, length?: number): Uint8Array<ArrayBuffer> {
    const lease = this.read(offset, length);
    try {
      return joined(lease.chunks);
    } finally {
      lease[Symbol.dispose]();
    }
  }

  /** The bytes as text: UTF-8, decoded from a copy, since decoders of some platforms refuse shared memory. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** A `Blob` with a copy of the bytes: blobs cannot be made of shared memory. */
  blob(options?: { readonly type?: string | undefined }): Blob {
    return new Blob([this.bytes()], { type: options?.type ?? "" });
  }

  /** The bytes as a stream of copies, each made when it is asked for; fails when the region is disposed or moved meanwhile. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = 0;
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: (controller): void => {
          const chunk = this.bytes(at, Math.min(STREAM_BYTES, this.size - at));
          at += chunk.length;
          if (chunk.length > 0) controller.enqueue(chunk);
          if (at === this.size) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * Some of the region's bytes, for a message: `memory: [region.range(0, 4096)]` copies them. Whole pages are shared until somebody
   * writes; those that it has only a part of are copied.
   *
   * @throws RangeError beyond the region
   */
  range(offset: number, length?: number): RegionRange {
    const { at, count } = this.#within("range", offset, length);
    return new RegionRange(this, at, count);
  }

  /**
   * Puts the pages into one run of frames, so that a lease is one view.
   *
   * @throws MemoryError KERN_RESOURCE_SHORTAGE: no run of that length is free, or leases are out. KERN_INVALID_ARGUMENT: it is shared
   *   on purpose.
   */
  compact(): void {
    const address = this.#live("compact");
    const { core, handle } = this.#space;
    if (this.size === 0) return;
    const kr = core.vm_compact(handle, address, this.size);
    if (kr !== 0) throw memoryErrorOf("vm_compact", kr);
  }

  /**
   * Shares the region on purpose: a right that `task.memory.map` makes a region of, in whatever task it is sent to, on the same bytes.
   * Whole pages are shared. They live as long as somebody has the right or has mapped them. A message copies their bytes, also when the
   * region is moved.
   *
   * @throws MemoryError KERN_INVALID_ARGUMENT: it does not begin with a page, as memory that came from the midst of one may.
   * @mach mach_make_memory_entry, MAP_MEM_VM_SHARE
   */
  share(options?: ShareOptions): SendRight {
    const address = this.#live("share");
    const { core, handle, self, processor } = this.#space;
    if (address % VM_PAGE_SIZE !== 0 || this.size === 0) {
      const detail = this.size === 0 ? "it is empty" : "it does not begin with a page";
      throw new MemoryError("mach_make_memory_entry", KERN_INVALID_ARGUMENT, detail);
    }
    const protection = options?.readOnly ? VM_PROT_READ : VM_PROT_READ | VM_PROT_WRITE;
    const kr = core.mach_make_memory_entry(handle, self, this.size, address, protection | MAP_MEM_VM_SHARE, 0);
    if (kr !== 0) throw memoryErrorOf("mach_make_memory_entry", kr);
    return new SendRight(this.#space, processor.out(1));
  }

  /** Gives the pages up; those under a lease stay until it ends. Idempotent; never throws. */
  [Symbol.dispose](): void {
    const address = this.#address;
    this.#unwanted = true;
    if (address === null) return;
    this.#address = null;
    deallocate(this.#space, address, this.size);
  }

  /** @internal Where it lies, if it is there and of that task. */
  addressIn(space: Space): number {
    const address = this.#live("send");
    if (space !== this.#space) throw new TypeError("Region: a region of another task");
    return address;
  }

  /** @internal Empties the object without releasing: the pages are somebody else's now. */
  give(): void {
    this.#live("move");
    this.#address = null;
    this.#unwanted = false;
  }

  /** @internal Undoes `give` after a send that failed: the pages may lie elsewhere now. Who was disposed meanwhile is freed. */
  takeBack(address: number): void {
    this.#address = address;
    if (this.#unwanted) this[Symbol.dispose]();
  }

  #lease(operation: string, kind: number, offset: number | undefined, length: number | undefined): Lease {
    const { address, at, count } = this.#within(operation, offset, length);
    return leaseOf(this.#space, address + at, count, kind, `Region.${operation}`);
  }

  #within(
    operation: string,
    offset: number | undefined,
    length: number | undefined,
  ): { address: number; at: number; count: number } {
    const address = this.#live(operation);
    const at = offset ?? 0;
    const count = length ?? this.size - at;
    if (typeof at !== "number" || typeof count !== "number") {
      throw new TypeError(`Region.${operation}: expected an offset and a length in bytes`);
    }
    const whole = Number.isInteger(at) && Number.isInteger(count);
    if (!whole || at < 0 || count < 0 || at + count > this.size) {
      throw new RangeError(`Region.${operation}: ${count} bytes from ${at} on are not within ${this.size}`);
    }
    return { address, at, count };
  }

  #live(operation: string): number {
    const address = this.#address;
    if (address === null) {
      throw new MemoryError(`Region.${operation}`, KERN_INVALID_ADDRESS, "the region was moved or disposed");
    }
    return address;
  }
}

/** A part of a region that is copied into the message it goes into; see `Region.range`. */
export class RegionRange {
  readonly region: Region;
  readonly offset: number;
  readonly size: number;

  /** @internal */
  constructor(region: Region, offset: number, size: number) {
    this.region = region;
    this.offset = offset;
    this.size = size;
  }
}

/** A region that is given away by the message it goes into; see `move`. */
export class MovedRegion {
  readonly region: Region;

  /** @internal */
  constructor(region: Region) {
    this.region = region;
  }

  /** Length in bytes. */
  get size(): number {
    return this.region.size;
  }
}

/** A region or a part of it is copied, a moved region is given away. */
export type OutgoingMemory = Region | RegionRange | MovedRegion;

/** Whether `value` can go into a message as memory. */
export function isMemory(value: unknown): value is OutgoingMemory {
  return value instanceof Region || value instanceof RegionRange || value instanceof MovedRegion;
}

/** Gives up pages of the task; never throws. */
export function deallocate({ core, handle, self }: Space, address: number, size: number): void {
  if (size === 0) return;
  try {
    core.vm_deallocate(handle, self, address, size);
  } catch {
    // The kernel is gone, and with it the memory.
  }
}
