// A task's memory through level 1: addresses and bytes as plain values, codes where the test asks for them.

import { expect } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { expectCode, type Space } from "./space.js";

export const PAGE = 4096;
/** Where a task's memory begins, and where it ends. */
export const LOWEST = 0x1000;
export const HIGHEST = 0xfffff000;

type Memory = Pick<Space, "traps" | "self">;

export interface Region {
  address: number;
  size: number;
  protection: number;
  max_protection: number;
  inheritance: number;
  shared: boolean;
}

/** Asks for memory: anywhere, or at an address. */
export function tryAllocate(
  { traps, self }: Memory,
  size: number,
  at?: number,
  flags: number = at === undefined ? codes.VM_FLAGS_ANYWHERE : codes.VM_FLAGS_FIXED,
): { code: number; address: number } {
  const address = new Uint32Array([at ?? 0x77]);
  const code = traps.vm_allocate(self, address, size, flags);
  return { code, address: address[0] ?? 0 };
}

/** Memory, which must be given. */
export function allocate(space: Memory, size: number, at?: number): number {
  const { code, address } = tryAllocate(space, size, at);
  expectCode(code, codes.KERN_SUCCESS);
  return address;
}

export function free({ traps, self }: Memory, address: number, size: number): void {
  expectCode(traps.vm_deallocate(self, address, size), codes.KERN_SUCCESS);
}

export function tryPut({ traps, self }: Memory, address: number, bytes: Uint8Array | readonly number[]): number {
  return traps.vm_write(self, address, Uint8Array.from(bytes));
}

/** Writes bytes, which must succeed. */
export function put(space: Memory, address: number, bytes: Uint8Array | readonly number[]): void {
  expectCode(tryPut(space, address, bytes), codes.KERN_SUCCESS);
}

export function tryGet({ traps, self }: Memory, address: number, size: number): { code: number; bytes: Uint8Array } {
  const bytes = new Uint8Array(size).fill(0xee);
  const count = new Uint32Array([0x77]);
  const code = traps.vm_read_overwrite(self, address, size, bytes, count);
  if (code === codes.KERN_SUCCESS && count[0] !== size) throw new Error(`${count[0]} bytes were read, not ${size}`);
  return { code, bytes };
}

/** Bytes that must be there. */
export function get(space: Memory, address: number, size: number): Uint8Array {
  const { code, bytes } = tryGet(space, address, size);
  expectCode(code, codes.KERN_SUCCESS);
  return bytes;
}

/** Compares many bytes: as `toEqual`, which takes its time. */
export function expectBytes(got: Uint8Array, wanted: Uint8Array): void {
  if (Buffer.compare(got, wanted) !== 0) expect(got).toEqual(wanted);
}

/** New memory with these bytes, from the beginning of a page or a little behind. */
export function filled(space: Memory, bytes: Uint8Array | readonly number[], into = 0): number {
  const address = allocate(space, into + bytes.length) + into;
  put(space, address, bytes);
  return address;
}

/** Bytes that tell their place, other ones for another seed. */
export function pattern(size: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index >>> 12) * 13 + index * 7 + seed);
}

/** The region at or above an address; null: none. */
export function regionAt({ traps, self }: Memory, at: number): Region | null {
  const [address, size] = [new Uint32Array([at]), new Uint32Array([0x77])];
  const nothing = { protection: -1, max_protection: -1, inheritance: -1, shared: false };
  const info = { value: nothing as Omit<Region, "address" | "size"> };
  const code = traps.vm_region(self, address, size, info);
  if (code === codes.KERN_SUCCESS) return { address: address[0] ?? 0, size: size[0] ?? 0, ...info.value };
  expectCode(code, codes.KERN_INVALID_ADDRESS);
  return null;
}

/** All regions of a task. */
export function regions(space: Memory): Region[] {
  const all: Region[] = [];
  let region = regionAt(space, 0);
  while (region) {
    all.push(region);
    const end = region.address + region.size;
    region = end >= 2 ** 32 ? null : regionAt(space, end);
  }
  return all;
}

/** All regions of a task with their bytes; null where they may not be read. */
export function contents(space: Memory): [Region, string | null][] {
  return regions(space).map((region) => [
    region,
    region.protection & codes.VM_PROT_READ
      ? Buffer.from(get(space, region.address, region.size)).toString("latin1")
      : null,
  ]);
}

/** A descriptor of out-of-line memory. */
export function memory(
  address: number,
  size: number,
  { deallocate = 0, copy = 1, type = codes.MACH_MSG_OOL_DESCRIPTOR as number } = {},
) {
  return { name: address, count: size, deallocate, copy, disposition: 0, type };
}
