// Copies of memory (A205, A207): snapshots by vm_read and vm_copy, bytes in and out by vm_write and vm_read_overwrite.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  VM_INHERIT_NONE,
  VM_PROT_NONE,
  VM_PROT_READ,
} from "../../host-ts/abi/codes.gen.ts";
import { PIECE_BYTES } from "../../host-ts/trap/vm-bytes.ts";
import { boot } from "../lib/boot.js";
import {
  allocate,
  expectBytes,
  expectRefused,
  filled,
  free,
  get,
  HIGHEST,
  LOWEST,
  PAGE,
  pattern,
  put,
  regionAt,
  regions,
  tryAllocate,
  tryGet,
  tryPut,
} from "../lib/memory.js";
import { expectCode, give, type Space } from "../lib/space.js";

/** vm_read of a task's memory, by its own name or another's for it. */
function read(space: Space, address: number, size: number): { code: number; data: number; count: number } {
  const [data, count] = [new Uint32Array([0x77]), new Uint32Array([0x77])];
  const code = space.traps.vm_read(space.self, address, size, data, count);
  return { code, data: data[0] ?? 0, count: count[0] ?? 0 };
}

function expectRead(space: Space, address: number, size: number): number {
  const { code, data, count } = read(space, address, size);
  expectCode(code, KERN_SUCCESS);
  expect(count).toBe(size);
  return data;
}

test("A205 vm_read gives a snapshot as far into its page as the original, and neither side sees the other's writes", async () => {
  await using machine = await boot();
  const a = machine.task();
  const bytes = pattern(5 * PAGE);
  for (const [into, from, size] of [
    [0, 0, 5 * PAGE],
    [0, 3, 2 * PAGE],
    [100, 0, PAGE],
    [0, PAGE, 1],
    [0, PAGE - 1, 2],
  ] as const) {
    const address = filled(a, bytes, into) + from;
    const copy = expectRead(a, address, size);
    expect(copy % PAGE).toBe(address % PAGE);
    expect(regionAt(a, copy)).toMatchObject({ shared: false });
    put(a, address, pattern(size, 99));
    expectBytes(get(a, copy, size), bytes.subarray(from, from + size));
    put(a, copy + size - 1, [0xaa]);
    expectBytes(get(a, address, size), pattern(size, 99));
    free(a, address - from - into, into + bytes.length);
    expectBytes(get(a, copy, size - 1), bytes.subarray(from, from + size - 1));
    free(a, copy, size);
  }
  expect(regions(a)).toEqual([]);
});

test("A205 a snapshot of a snapshot, and of one page of it, is one too", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(3 * PAGE));
  const second = expectRead(a, address, 3 * PAGE);
  const third = expectRead(a, second + PAGE, PAGE);
  put(a, second + PAGE, [1, 2, 3]);
  put(a, address + PAGE, [4, 5, 6]);
  expectBytes(get(a, third, PAGE), pattern(3 * PAGE).subarray(PAGE, 2 * PAGE));
  expect([...get(a, second + PAGE, 3)]).toEqual([1, 2, 3]);
  free(a, address, 3 * PAGE);
  free(a, third, PAGE);
  const bytes = pattern(3 * PAGE);
  bytes.set([1, 2, 3], PAGE);
  expectBytes(get(a, second, 3 * PAGE), bytes);
});

test("A205 vm_read of another task's memory comes to the caller's", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const other = a.on(give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a));
  const address = filled(b, pattern(3 * PAGE), 10);
  const copy = expectRead(other, address, 3 * PAGE);
  put(b, address, pattern(3 * PAGE, 5));
  expectBytes(get(a, copy, 3 * PAGE), pattern(3 * PAGE));
  expect(regions(b).length).toBe(1);
  expect(regions(a).length).toBe(1);
  put(other, address + 1, [7]);
  expect(get(b, address, 2)[1]).toBe(7);
  expect(get(other, address, 2)[1]).toBe(7);
  free(other, address, 3 * PAGE);
  expect(regions(other)).toEqual([]);
});

test("A205 what was never touched is read as zero, and stays independent", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = allocate(a, 4 * PAGE);
  put(a, address + PAGE, [9]);
  const copy = expectRead(a, address, 4 * PAGE);
  put(a, address, pattern(4 * PAGE));
  const wanted = new Uint8Array(4 * PAGE);
  wanted[PAGE] = 9;
  expectBytes(get(a, copy, 4 * PAGE), wanted);
});

test("A205 vm_read keeps nothing of the protection and inheritance of what it reads", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  expectCode(a.traps.vm_protect(a.self, address, PAGE, true, VM_PROT_READ), KERN_SUCCESS);
  expectCode(a.traps.vm_inherit(a.self, address, PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
  const copy = expectRead(a, address, PAGE);
  expect(regionAt(a, copy)).toMatchObject({ protection: 3, max_protection: 7, inheritance: 1 });
  put(a, copy, [1]);
  expectBytes(get(a, address, PAGE), pattern(PAGE));
});

test("vm_read of a hole is INVALID_ADDRESS, of what may not be read PROTECTION_FAILURE, without room NO_SPACE", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(3 * PAGE));
  expectCode(a.traps.vm_protect(a.self, address + PAGE, PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
  for (const [wanted, at, size] of [
    [KERN_INVALID_ADDRESS, address - 1, 2],
    [KERN_INVALID_ADDRESS, address + 3 * PAGE - 1, 2],
    [KERN_INVALID_ADDRESS, 0, 1],
    [KERN_PROTECTION_FAILURE, address, PAGE + 1],
    [KERN_PROTECTION_FAILURE, address + PAGE, 1],
    [KERN_PROTECTION_FAILURE, address + 2 * PAGE - 1, PAGE],
  ] as const) {
    expectRefused(a, wanted, () => {
      const { code, data, count } = read(a, at, size);
      expect([data, count]).toEqual([0x77, 0x77]);
      return code;
    });
    const { code, bytes } = tryGet(a, at, size);
    expectCode(code, wanted);
    expect(bytes.every((byte) => byte === 0xee)).toBe(true);
  }
  const b = machine.task();
  allocate(b, HIGHEST - LOWEST);
  expectCode(read(b, LOWEST, 1).code, KERN_NO_SPACE);
  free(b, 0x1000000, PAGE);
  expectCode(read(b, LOWEST, PAGE + 1).code, KERN_NO_SPACE);
  expect(expectRead(b, LOWEST, PAGE)).toBe(0x1000000);
});

test("A205 vm_write and vm_read_overwrite carry any bytes to and from any address", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = allocate(a, 64 * PAGE);
  const wanted = new Uint8Array(64 * PAGE);
  for (const [at, size] of [
    [0, 1],
    [1, 3],
    [PAGE - 1, 2],
    [5 * PAGE + 17, 20 * PAGE + 1],
    [30 * PAGE, 34 * PAGE],
    [7, 63 * PAGE],
  ] as const) {
    const bytes = pattern(size, at);
    put(a, address + at, bytes);
    wanted.set(bytes, at);
    expectBytes(get(a, address, wanted.length), wanted);
    expectBytes(get(a, address + at, size), bytes);
  }
});

test("vm_write to a hole or to what may not be written changes nothing, also in front of it", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(4 * PAGE));
  expectCode(a.traps.vm_protect(a.self, address + 2 * PAGE, PAGE, false, VM_PROT_READ), KERN_SUCCESS);
  for (const [wanted, at, size] of [
    [KERN_INVALID_ADDRESS, address - 1, 2],
    [KERN_INVALID_ADDRESS, address + 3 * PAGE, PAGE + 1],
    [KERN_INVALID_ADDRESS, 0, 1],
    [KERN_PROTECTION_FAILURE, address, 2 * PAGE + 1],
    [KERN_PROTECTION_FAILURE, address + 2 * PAGE, 1],
    [KERN_PROTECTION_FAILURE, address + 2 * PAGE, 3 * PAGE], // the first that is wrong is told
  ] as const) {
    expectRefused(a, wanted, () => tryPut(a, at, pattern(size, 77)));
  }
});

test("vm_read_overwrite into fewer bytes than it reads is INVALID_ADDRESS; into more leaves the rest", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, [1, 2, 3, 4]);
  const count = new Uint32Array([7]);
  const bytes = new Uint8Array(6);
  expectCode(a.traps.vm_read_overwrite(a.self, address, 7, bytes, count), KERN_INVALID_ADDRESS);
  expect([count[0], ...bytes]).toEqual([7, 0, 0, 0, 0, 0, 0]);
  expectCode(a.traps.vm_read_overwrite(a.self, address + 1, 3, bytes.subarray(2), count), KERN_SUCCESS);
  expect([count[0], ...bytes]).toEqual([3, 0, 0, 2, 3, 4, 0]);
});

test("more bytes than one piece go in and out whole; what is wrong anywhere in the range is told before the first", async () => {
  await using machine = await boot();
  const a = machine.task();
  const size = 2 * PIECE_BYTES + PAGE + 5;
  const address = allocate(a, size + PAGE) + 3;
  const bytes = pattern(size, 3);
  put(a, address, bytes);
  expectBytes(get(a, address, size), bytes);
  const before = machine.census();
  const last = address + size;
  for (const [wanted, change] of [
    [KERN_PROTECTION_FAILURE, () => a.traps.vm_protect(a.self, last - 2 * PAGE, 1, false, VM_PROT_NONE)],
    [KERN_INVALID_ADDRESS, () => a.traps.vm_deallocate(a.self, last - 5 * PAGE, 1)],
    [KERN_INVALID_ADDRESS, () => a.traps.vm_deallocate(a.self, last - PAGE, 3 * PAGE)],
  ] as const) {
    expectCode(change(), KERN_SUCCESS);
    expectCode(tryPut(a, address, pattern(size, 4)), wanted);
    expectBytes(get(a, address, PIECE_BYTES), bytes.subarray(0, PIECE_BYTES));
    const { code, bytes: got } = tryGet(a, address, size);
    expectCode(code, wanted);
    expect(got.every((byte) => byte === 0xee)).toBe(true);
  }
  expectCode(tryPut(a, HIGHEST, bytes), KERN_INVALID_ARGUMENT);
  expectCode(tryGet(a, HIGHEST, size).code, KERN_INVALID_ARGUMENT);
  expect({ ...machine.census(), vmes: 0, objects: 0 }).toEqual({ ...before, vmes: 0, objects: 0 });
});

test("A205 vm_copy copies within a task, at any byte and where the ranges overlap", async () => {
  await using machine = await boot();
  const a = machine.task();
  const size = 8 * PAGE;
  for (const [source, length, dest] of [
    [0, 2 * PAGE, 4 * PAGE],
    [5, 3 * PAGE, 4 * PAGE + 5],
    [5, 100, 4 * PAGE],
    [0, 4 * PAGE, PAGE],
    [PAGE, 4 * PAGE, 0],
    [3, 5 * PAGE + 7, PAGE + 1],
    [PAGE + 1, 5 * PAGE + 7, 3],
    [0, size, 0],
    [7, 1, 8],
  ] as const) {
    const address = filled(a, pattern(size));
    expectCode(a.traps.vm_copy(a.self, address + source, length, address + dest), KERN_SUCCESS);
    const wanted = pattern(size);
    wanted.copyWithin(dest, source, source + length);
    expectBytes(get(a, address, size), wanted);
    put(a, address + source, pattern(length, 50));
    wanted.set(pattern(length, 50), source);
    expectBytes(get(a, address, size), wanted);
    free(a, address, size);
  }
  expect(regions(a)).toEqual([]);
});

test("vm_copy that is refused changes nothing", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(6 * PAGE));
  const { traps: mach, self } = a;
  expectCode(mach.vm_protect(self, address + PAGE, PAGE, false, VM_PROT_READ), KERN_SUCCESS);
  expectCode(mach.vm_protect(self, address + 2 * PAGE, PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
  for (const [wanted, source, size, dest] of [
    [KERN_PROTECTION_FAILURE, 3 * PAGE, PAGE + 1, 0],
    [KERN_PROTECTION_FAILURE, 3 * PAGE, 1, PAGE],
    [KERN_PROTECTION_FAILURE, PAGE, PAGE + 1, 3 * PAGE],
    [KERN_INVALID_ADDRESS, 5 * PAGE, PAGE + 1, 0],
    [KERN_INVALID_ADDRESS, 3 * PAGE, 2 * PAGE, 5 * PAGE],
    [KERN_INVALID_ADDRESS, 6 * PAGE, 1, 0],
  ] as const) {
    expectRefused(a, wanted, () => mach.vm_copy(self, address + source, size, address + dest));
  }
});

test("A203 copies give back what they took, whichever goes first", async () => {
  await using machine = await boot();
  const a = machine.task();
  const work = (first: number): void => {
    const address = filled(a, pattern(10 * PAGE));
    const copies = [expectRead(a, address, 10 * PAGE), expectRead(a, address + 100, 5 * PAGE)] as [number, number];
    put(a, copies[0] + 3 * PAGE, [1]);
    put(a, address + 9 * PAGE, [1]);
    expectCode(a.traps.vm_copy(a.self, copies[0], 2 * PAGE, address + 4 * PAGE), KERN_SUCCESS);
    const all = [address, ...copies];
    for (const at of [...all.slice(first), ...all.slice(0, first)]) free(a, at, (at === copies[1] ? 5 : 10) * PAGE);
  };
  work(0);
  const [before, frames] = [machine.census(), a.core.frames_used()];
  for (const first of [0, 1, 2]) {
    work(first);
    expect(machine.census()).toEqual(before);
    expect(a.core.frames_used()).toBe(frames);
  }
  expect(tryAllocate(a, HIGHEST - LOWEST).address).toBe(LOWEST);
});
