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

/** The call answers this code and leaves the task's memory as it was. */
export function expectRefused(space: Memory, wanted: number, call: () => number): void {
  const before = contents(space);
  expectCode(call(), wanted);
  expect(contents(space)).toEqual(before);
}

/** Sharing of memory, with what most tests want. Codes and words are as told. */
export function makeEntry(
  { traps, self }: Memory,
  offset: number,
  { size = 2 * PAGE, permission = codes.MAP_MEM_VM_SHARE | codes.VM_PROT_DEFAULT, parent = 0 } = {},
): { code: number; size: number; name: number } {
  const [words, object] = [new Uint32Array([size]), new Uint32Array([0x77])];
  const code = traps.mach_make_memory_entry(self, words, offset, permission, object, parent);
  return { code, size: words[0] ?? 0, name: object[0] ?? 0 };
}

/** A memory entry, which must be made. */
export function entryOf(space: Memory, offset: number, how?: Parameters<typeof makeEntry>[2]): number {
  const { code, name } = makeEntry(space, offset, how);
  expectCode(code, codes.KERN_SUCCESS);
  return name;
}

export interface Mapping {
  /** Where; undefined: anywhere. */
  at?: number | undefined;
  size?: number;
  mask?: number;
  flags?: number;
  offset?: number;
  copy?: boolean;
  cur?: number;
  max?: number;
  inheritance?: number;
}

export function tryMap({ traps, self }: Memory, object: number, how: Mapping = {}): { code: number; address: number } {
  const { at, size = 2 * PAGE, mask = 0, offset = 0, copy = false, cur = 3, max = cur, inheritance = 1 } = how;
  const address = new Uint32Array([at ?? 0x77]);
  const flags = how.flags ?? (at === undefined ? codes.VM_FLAGS_ANYWHERE : codes.VM_FLAGS_FIXED);
  const code = traps.vm_map(self, address, size, mask, flags, object, offset, copy, cur, max, inheritance);
  return { code, address: address[0] ?? 0 };
}

/** A mapping, which must be made. */
export function mapped(space: Memory, object: number, how?: Mapping): number {
  const { code, address } = tryMap(space, object, how);
  expectCode(code, codes.KERN_SUCCESS);
  return address;
}

/** A descriptor of out-of-line memory. */
export function memory(
  address: number,
  size: number,
  { deallocate = 0, copy = 1, type = codes.MACH_MSG_OOL_DESCRIPTOR as number } = {},
) {
  return { name: address, count: size, deallocate, copy, disposition: 0, type };
}
