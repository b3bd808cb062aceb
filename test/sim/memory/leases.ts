// Leases: views of memory that a task was given. A view that writes is the memory itself for as long as it is out. One that only
// reads shows the memory, or, once somebody has written there after it was shared as a copy, what was there before.

import type { Agent } from "../../kernel/machine.js";
import { eachPart, type Page } from "./pages.js";
import { compareBytes } from "./checks.js";
import type { World } from "./world.js";

/** A page of a lease, as far as the lease goes. */
interface Part {
  page: Page;
  /** Offset in the page, and in the view. */
  offset: number;
  from: number;
  length: number;
  /** The version of the page that the view was last compared with. */
  version: number;
  seen: Uint8Array;
  /** The view was left behind: it shows what it did. */
  isOld: boolean;
}

export interface Lease {
  readonly id: number;
  readonly agent: Agent;
  readonly writes: boolean;
  readonly linear: number;
  readonly size: number;
  readonly parts: Part[];
}

/** Makes the model of a lease whose pages are those at `address` in the map now. */
export function lease(
  made: Pick<Lease, "id" | "agent" | "writes" | "linear" | "size">,
  address: number,
  pageAt: (page: number) => Page | undefined,
): Lease {
  const parts: Part[] = [];
  eachPart(address, made.size, (number, offset, from, length) => {
    const page = pageAt(number);
    if (page === undefined) throw new Error("a lease of what is not mapped");
    const seen = page.bytes.slice(offset, offset + length);
    parts.push({ page, offset, from, length, version: -1, seen, isOld: false });
  });
  return { ...made, parts };
}

/** Compares what the views show, of pages that changed or of all. */
export function checkLeases(world: World, all = false): void {
  for (const { id, linear, size, parts, writes } of world.leases) {
    if (!all && parts.every(({ page, version, isOld }) => isOld || page.version === version)) continue;
    const view = world.machine.bytes.subarray(linear, linear + size);
    for (const part of parts) {
      const { page, offset, from, length } = part;
      if (!all && (part.isOld || page.version === part.version)) continue;
      const got = view.subarray(from, from + length);
      const wanted = part.isOld ? part.seen : page.bytes.subarray(offset, offset + length);
      if (!writes && !part.isOld && Buffer.compare(got, wanted) !== 0 && Buffer.compare(got, part.seen) === 0) {
        part.isOld = true;
        continue;
      }
      compareBytes(`byte ${from} on of lease 0x${id.toString(16)}`, got, wanted);
      part.version = page.version;
      part.seen.set(got);
    }
  }
}

/** Writes through a view. */
export function writeThrough(world: World, { linear, parts }: Lease, from: number, data: Uint8Array): void {
  world.machine.bytes.set(data, linear + from);
  if (world.mutation === "lease-copies") return;
  for (const { page, offset, from: start, length } of parts) {
    const [low, high] = [Math.max(from, start), Math.min(from + data.length, start + length)];
    if (low < high) page.write(offset + low - start, data.subarray(low - from, high - from));
  }
}

/** Whether a lease that is out surely has the page: one that only reads may have been left behind. */
export function isLeased({ leases }: World, page: Page): boolean {
  return leases.some(({ parts, writes }) => writes && parts.some((part) => part.page === page));
}
