// Access to a region's bytes. JavaScript cannot fault on a store, so whoever reads or writes says so before: a lease gives views of
// the frames, and while it is out nobody else gets them. The views are the kernel's memory itself.

import { KERN_INVALID_ADDRESS, KERN_NOT_SUPPORTED } from "../abi/codes.gen.js";
import { MemoryError, memoryErrorOf } from "../errors.js";
import type { Space } from "../space.js";

/** What a lease is for. */
export const READ = 0;
export const WRITE = 1;

/**
 * Access to some bytes of a region until it is disposed. Its views must not be used afterwards: the frames below them may be anybody's
 * then. A lease outlives its region and the region's move: the bytes stay as long as it is out.
 */
export class Lease implements Disposable {
  readonly #space: Space;
  /** What the kernel calls them; null: ended. */
  #leases: readonly number[] | null;
  readonly #chunks: readonly Uint8Array<SharedArrayBuffer>[];

  /** @internal */
  constructor(space: Space, leases: readonly number[], chunks: readonly Uint8Array<SharedArrayBuffer>[]) {
    this.#space = space;
    this.#leases = leases;
    this.#chunks = chunks;
  }

  /**
   * The bytes as one view, in place.
   *
   * @throws MemoryError KERN_NOT_SUPPORTED: they lie in several pieces, see `chunks` and `Region.compact`. KERN_INVALID_ADDRESS: the
   *   lease has ended.
   */
  get bytes(): Uint8Array<SharedArrayBuffer> {
    const chunks = this.chunks;
    if (chunks.length === 1) return chunks[0] as Uint8Array<SharedArrayBuffer>;
    const detail = `the bytes lie in ${chunks.length} pieces: read them as chunks, or compact() the region first`;
    throw new MemoryError("Lease.bytes", KERN_NOT_SUPPORTED, detail);
  }

  /**
   * The bytes in order, in as few views as there are pieces: one, as a rule.
   *
   * @throws MemoryError KERN_INVALID_ADDRESS: the lease has ended
   */
  get chunks(): readonly Uint8Array<SharedArrayBuffer>[] {
    if (this.#leases === null) throw new MemoryError("Lease", KERN_INVALID_ADDRESS, "the lease has ended");
    return this.#chunks;
  }

  /** True once it has ended. */
  get disposed(): boolean {
    return this.#leases === null;
  }

  /** Ends the lease. Idempotent; never throws. */
  [Symbol.dispose](): void {
    const leases = this.#leases;
    if (leases === null) return;
    this.#leases = null;
    endAll(this.#space, leases);
  }
}

/** Leases `length` bytes of the task's memory. */
export function leaseOf(space: Space, address: number, length: number, kind: number, operation: string): Lease {
  const { core, handle, processor, views } = space;
  const leases: number[] = [];
  const chunks: Uint8Array<SharedArrayBuffer>[] = [];
  if (length === 0) chunks.push(new Uint8Array(views.octets.buffer, 0, 0));
  try {
    let start = 0;
    let end = -1;
    for (let done = 0; done < length; ) {
      const kr = core.vm_lease(handle, address + done, length - done, kind);
      if (kr !== 0) throw memoryErrorOf(operation, kr);
      leases.push(processor.out(0));
      const at = processor.out(1);
      const bytes = processor.out(2);
      if (at === end) chunks.pop();
      else start = at;
      end = at + bytes;
      chunks.push(views.bytes(start, end - start));
      done += bytes;
    }
  } catch (error) {
    endAll(space, leases);
    throw error;
  }
  return new Lease(space, leases, chunks);
}

function endAll({ core }: Space, leases: readonly number[]): void {
  try {
    for (const lease of leases) core.vm_lease_end(lease);
  } catch {
    // The kernel is gone, and with it the lease.
  }
}

/** Copies words out of the task's memory; null when they cannot be read. */
export function wordsAt(space: Space, address: number, count: number): Uint32Array<ArrayBuffer> | null {
  try {
    const lease = leaseOf(space, address, count * 4, READ, "vm_read");
    const bytes = joined(lease.chunks);
    lease[Symbol.dispose]();
    return new Uint32Array(bytes.buffer);
  } catch {
    return null;
  }
}

/** A copy of what lies in `chunks`. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Copies `bytes` into `chunks`, which are as long. */
export function fill(chunks: readonly Uint8Array[], bytes: Uint8Array): void {
  let at = 0;
  for (const chunk of chunks) {
    chunk.set(bytes.subarray(at, at + chunk.length));
    at += chunk.length;
  }
}
