// Pages of a task's memory: given, taken, protected, inherited, told of (A203, A204, A207).

import { expect, test } from "vitest";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_SUCCESS,
  VM_FLAGS_ANYWHERE,
  VM_INHERIT_COPY,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
  VM_PROT_ALL,
  VM_PROT_DEFAULT,
  VM_PROT_EXECUTE,
  VM_PROT_NONE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import {
  allocate,
  contents,
  expectBytes,
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
import { expectCode, type Space } from "../lib/space.js";

/** The call answers this code and leaves the task's memory as it was. */
function expectRefused(space: Space, wanted: number, call: () => number): void {
  const before = contents(space);
  expectCode(call(), wanted);
  expect(contents(space)).toEqual(before);
}

test("vm_allocate gives pages that are zero, to read and to write; none are used before they are touched", async () => {
  await using machine = await boot();
  const a = machine.task();
  allocate(a, 1);
  const frames = a.core.frames_used();
  const address = allocate(a, 64 << 20);
  expect(address % PAGE).toBe(0);
  expect(a.core.frames_used()).toBe(frames);
  expect(get(a, address + (63 << 20), 3 * PAGE).every((byte) => byte === 0)).toBe(true);
  put(a, address + 5 * PAGE + 7, [1, 2, 3]);
  expect([...get(a, address + 5 * PAGE + 6, 5)]).toEqual([0, 1, 2, 3, 0]);
  expect(regionAt(a, address + PAGE)).toMatchObject({
    ...{ protection: VM_PROT_DEFAULT, max_protection: VM_PROT_ALL, inheritance: VM_INHERIT_COPY, shared: false },
  });
});

test("vm_allocate makes whole pages of a range: the address down, the end up", async () => {
  await using machine = await boot();
  const a = machine.task();
  for (const [at, size, from, pages] of [
    [0x10000, 1, 0x10000, 1],
    [0x20fff, 1, 0x20000, 1],
    [0x30fff, 2, 0x30000, 2],
    [0x40001, 0x2000, 0x40000, 3],
    [LOWEST, PAGE, LOWEST, 1],
    [HIGHEST - 1, 1, HIGHEST - PAGE, 1],
  ] as const) {
    expect(tryAllocate(a, size, at)).toEqual({ code: KERN_SUCCESS, address: from });
    expect(regionAt(a, from)).toMatchObject({ address: from, size: pages * PAGE });
  }
});

test("vm_allocate where a page is in use, or where there is no memory, is refused", async () => {
  await using machine = await boot();
  const a = machine.task();
  filled(a, pattern(100));
  allocate(a, 2 * PAGE, 0x20000);
  for (const [wanted, at, size] of [
    [KERN_NO_SPACE, 0x20000, 1],
    [KERN_NO_SPACE, 0x1f000, 2 * PAGE],
    [KERN_NO_SPACE, 0x21fff, 2],
    [KERN_NO_SPACE, LOWEST, HIGHEST - LOWEST],
    [KERN_INVALID_ADDRESS, 0, 1],
    [KERN_INVALID_ADDRESS, 0xfff, PAGE],
    [KERN_INVALID_ADDRESS, 0, HIGHEST],
  ] as const) {
    expectRefused(a, wanted, () => {
      const { code, address } = tryAllocate(a, size, at);
      expect(address).toBe(at); // not written
      return code;
    });
  }
  for (const flags of [2, 3, 0x10, 0x4000, 0x80000000, 0xffffffff]) {
    expectRefused(a, KERN_INVALID_ARGUMENT, () => tryAllocate(a, PAGE, 0x80000, flags).code);
  }
});

test("vm_allocate anywhere finds every gap and answers NO_SPACE when none is wide enough", async () => {
  await using machine = await boot();
  const a = machine.task();
  expect(tryAllocate(a, HIGHEST - LOWEST)).toEqual({ code: KERN_SUCCESS, address: LOWEST });
  expectCode(tryAllocate(a, 1).code, KERN_NO_SPACE);
  free(a, 0x5000000, 3 * PAGE);
  free(a, HIGHEST - PAGE, PAGE);
  free(a, LOWEST, PAGE);
  expectCode(tryAllocate(a, 4 * PAGE).code, KERN_NO_SPACE);
  expect(allocate(a, 3 * PAGE)).toBe(0x5000000);
  expect([allocate(a, 1), allocate(a, PAGE)].sort((x, y) => x - y)).toEqual([LOWEST, HIGHEST - PAGE]);
  expectCode(tryAllocate(a, PAGE).code, KERN_NO_SPACE);
  expect(regions(a)).toMatchObject([{ address: LOWEST, size: HIGHEST - LOWEST }]);
});

test("A207 a range that wraps is refused by every call, whatever it begins in", async () => {
  await using machine = await boot();
  const a = machine.task();
  allocate(a, 4 * PAGE, HIGHEST - 4 * PAGE);
  const low = allocate(a, 16 * PAGE, 0x100000);
  const { traps: mach, self } = a;
  const [word, count] = [new Uint32Array(1), new Uint32Array(1)];
  for (const [address, size] of [
    [HIGHEST - PAGE, PAGE + 1],
    [HIGHEST, 1],
    [0xffffffff, 1],
    [HIGHEST - PAGE, 0x80000000],
    [HIGHEST - PAGE, 0xffffffff],
    [0xffffffff, 2],
    [0xffffffff, 0xffffffff],
    [low, 0xffffffff],
    [low, 0xfff00001],
  ] as const) {
    for (const call of [
      () => tryAllocate(a, size, address).code,
      () => mach.vm_deallocate(self, address, size),
      () => mach.vm_protect(self, address, size, false, VM_PROT_READ),
      () => mach.vm_protect(self, address, size, true, VM_PROT_READ),
      () => mach.vm_inherit(self, address, size, VM_INHERIT_NONE),
      () => mach.vm_read(self, address, size, word, count),
      () => mach.vm_copy(self, address, size, low),
      () => mach.vm_copy(self, low, size, address),
    ]) {
      expectRefused(a, KERN_INVALID_ARGUMENT, call);
    }
  }
  // As far as JavaScript has so many bytes.
  const bytes = new Uint8Array(PAGE * 2);
  for (const address of [HIGHEST, 0xffffffff]) {
    expectRefused(a, KERN_INVALID_ARGUMENT, () => mach.vm_write(self, address, bytes));
    expectRefused(a, KERN_INVALID_ARGUMENT, () => mach.vm_read_overwrite(self, address, bytes.length, bytes, count));
  }
});

test("A207 a range that begins in the first page, where there is none, is a hole", async () => {
  await using machine = await boot();
  const a = machine.task();
  allocate(a, 2 * PAGE, LOWEST);
  const { traps: mach, self } = a;
  const [word, count] = [new Uint32Array(1), new Uint32Array(1)];
  for (const [address, size] of [
    [0, 1],
    [0, 2 * PAGE],
    [0xfff, 2],
  ] as const) {
    for (const call of [
      () => mach.vm_protect(self, address, size, false, VM_PROT_READ),
      () => mach.vm_read(self, address, size, word, count),
      () => tryGet(a, address, size).code,
      () => tryPut(a, address, new Uint8Array(size)),
    ]) {
      expectRefused(a, KERN_INVALID_ADDRESS, call);
    }
  }
});

test("a size of 0 is success and does nothing, at any address", async () => {
  await using machine = await boot();
  const a = machine.task();
  allocate(a, PAGE, 0x10000);
  const { traps: mach, self } = a;
  const before = contents(a);
  const count = new Uint32Array([7]);
  for (const address of [0, 1, 0x10000, 0x10001, 0x20000, 0xffffffff]) {
    for (const flags of [0, VM_FLAGS_ANYWHERE]) {
      expect(tryAllocate(a, 0, address, flags)).toEqual({ code: KERN_SUCCESS, address: 0 });
    }
    const word = new Uint32Array([7]);
    expectCode(mach.vm_deallocate(self, address, 0), KERN_SUCCESS);
    expectCode(mach.vm_protect(self, address, 0, false, VM_PROT_NONE), KERN_SUCCESS);
    expectCode(mach.vm_protect(self, address, 0, true, VM_PROT_NONE), KERN_SUCCESS);
    expectCode(mach.vm_inherit(self, address, 0, VM_INHERIT_SHARE), KERN_SUCCESS);
    expectCode(mach.vm_read(self, address, 0, word, count), KERN_SUCCESS);
    expect([word[0], count[0]]).toEqual([0, 0]);
    expectCode(mach.vm_copy(self, address, 0, 0xffffffff), KERN_SUCCESS);
    expectCode(tryPut(a, address, []), KERN_SUCCESS);
    expectCode(tryGet(a, address, 0).code, KERN_SUCCESS);
  }
  expect(contents(a)).toEqual(before);
});

test("A204 vm_deallocate takes whole pages out of the middle; what lies beside them stays, holes do not matter", async () => {
  await using machine = await boot();
  const a = machine.task();
  const bytes = pattern(6 * PAGE);
  const address = filled(a, bytes);
  free(a, address + 2 * PAGE + 5, 1);
  free(a, address + 4 * PAGE - 1, 2);
  expect(regions(a)).toMatchObject([
    { address, size: 2 * PAGE },
    { address: address + 5 * PAGE, size: PAGE },
  ]);
  expectBytes(get(a, address, 2 * PAGE), bytes.subarray(0, 2 * PAGE));
  expectBytes(get(a, address + 5 * PAGE, PAGE), bytes.subarray(5 * PAGE));
  expectCode(tryGet(a, address + 2 * PAGE, 1).code, KERN_INVALID_ADDRESS);
  expectCode(tryPut(a, address + 2 * PAGE - 1, [1, 1]), KERN_INVALID_ADDRESS);
  free(a, LOWEST, HIGHEST - LOWEST);
  free(a, LOWEST, HIGHEST - LOWEST);
  free(a, 0, PAGE);
  expect(regions(a)).toEqual([]);
  expect(filled(a, [1], 0) % PAGE).toBe(0);
});

test("vm_deallocate: memory that is given again is zero", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(3 * PAGE));
  free(a, address, 3 * PAGE);
  allocate(a, 3 * PAGE, address);
  expect(get(a, address, 3 * PAGE).every((byte) => byte === 0)).toBe(true);
});

test("vm_protect allows and forbids reading and writing, page by page", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { traps: mach, self } = a;
  const bytes = pattern(4 * PAGE);
  const address = filled(a, bytes);
  const middle = address + PAGE;
  const protect = (protection: number) =>
    expectCode(mach.vm_protect(self, middle + 5, PAGE, false, protection), KERN_SUCCESS);
  protect(VM_PROT_READ);
  expect(regions(a).map(({ size, protection }) => [size / PAGE, protection])).toEqual([
    [1, VM_PROT_DEFAULT],
    [2, VM_PROT_READ],
    [1, VM_PROT_DEFAULT],
  ]);
  expectRefused(a, KERN_PROTECTION_FAILURE, () => tryPut(a, middle + 2 * PAGE - 1, [1]));
  expectRefused(a, KERN_PROTECTION_FAILURE, () => tryPut(a, address, pattern(4 * PAGE, 9)));
  put(a, middle + 2 * PAGE, [bytes[3 * PAGE] as number]);
  expectBytes(get(a, address, 4 * PAGE), bytes);
  for (const protection of [VM_PROT_NONE, VM_PROT_EXECUTE]) {
    protect(protection);
    expectCode(tryGet(a, middle, 1).code, KERN_PROTECTION_FAILURE);
    expectRefused(a, KERN_PROTECTION_FAILURE, () => tryPut(a, middle, [1]));
  }
  protect(VM_PROT_WRITE); // who writes must be able to read
  expectCode(tryGet(a, middle, 1).code, KERN_PROTECTION_FAILURE);
  expectCode(tryPut(a, middle, [1]), KERN_PROTECTION_FAILURE);
  protect(VM_PROT_DEFAULT);
  expectBytes(get(a, address, 4 * PAGE), bytes);
  expect(regions(a).length).toBe(1);
});

test("vm_protect refuses what is above the maximum, a hole, and bits of no meaning; nothing changes", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { traps: mach, self } = a;
  const address = filled(a, pattern(4 * PAGE));
  expectCode(mach.vm_protect(self, address + PAGE, PAGE, true, VM_PROT_READ), KERN_SUCCESS);
  expect(regionAt(a, address + PAGE)).toMatchObject({ protection: VM_PROT_READ, max_protection: VM_PROT_READ });
  for (const protection of [VM_PROT_WRITE, VM_PROT_DEFAULT, VM_PROT_EXECUTE, VM_PROT_ALL]) {
    for (const maximum of [false, true]) {
      expectRefused(a, KERN_PROTECTION_FAILURE, () => mach.vm_protect(self, address, 2 * PAGE, maximum, protection));
    }
  }
  free(a, address + 2 * PAGE, PAGE);
  for (const [at, size] of [
    [address, 3 * PAGE],
    [address + 2 * PAGE, PAGE],
    [address + 3 * PAGE, 2 * PAGE],
    [0, PAGE],
  ] as const) {
    for (const maximum of [false, true]) {
      expectRefused(a, KERN_INVALID_ADDRESS, () => mach.vm_protect(self, at, size, maximum, VM_PROT_READ));
    }
  }
  for (const protection of [8, 0x40, 0x80000001, 0xffffffff]) {
    expectRefused(a, KERN_INVALID_ARGUMENT, () => mach.vm_protect(self, address, PAGE, false, protection));
  }
});

test("vm_protect cuts down what is allowed to a new maximum, and no further", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { traps: mach, self } = a;
  const address = allocate(a, 3 * PAGE);
  expectCode(mach.vm_protect(self, address, PAGE, false, VM_PROT_READ), KERN_SUCCESS);
  expectCode(mach.vm_protect(self, address, 2 * PAGE, true, VM_PROT_DEFAULT), KERN_SUCCESS);
  expectCode(mach.vm_protect(self, address + PAGE, PAGE, true, VM_PROT_WRITE), KERN_SUCCESS);
  expect(regions(a).map(({ protection, max_protection }) => [protection, max_protection])).toEqual([
    [VM_PROT_READ, VM_PROT_DEFAULT],
    [VM_PROT_WRITE, VM_PROT_WRITE],
    [VM_PROT_DEFAULT, VM_PROT_ALL],
  ]);
});

test("vm_inherit sets what a child gets; holes do not matter, another value is refused", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { traps: mach, self } = a;
  const address = filled(a, pattern(4 * PAGE));
  free(a, address + 2 * PAGE, PAGE);
  expectCode(mach.vm_inherit(self, address + PAGE, 3 * PAGE, VM_INHERIT_SHARE), KERN_SUCCESS);
  expectCode(mach.vm_inherit(self, address, 1, VM_INHERIT_NONE), KERN_SUCCESS);
  expect(regions(a).map((region) => [(region.address - address) / PAGE, region.inheritance])).toEqual([
    [0, VM_INHERIT_NONE],
    [1, VM_INHERIT_SHARE],
    [3, VM_INHERIT_SHARE],
  ]);
  expectCode(mach.vm_inherit(self, address, 4 * PAGE, VM_INHERIT_COPY), KERN_SUCCESS);
  expect(regions(a).length).toBe(2);
  for (const inheritance of [3, 4, 0x80000000, 0xffffffff]) {
    expectRefused(a, KERN_INVALID_ARGUMENT, () => mach.vm_inherit(self, address, PAGE, inheritance));
  }
});

test("vm_region tells of the region at an address or the next above it, as far as all is alike", async () => {
  await using machine = await boot();
  const a = machine.task();
  expect(regionAt(a, 0)).toBe(null);
  allocate(a, 2 * PAGE, 0x10000);
  allocate(a, PAGE, 0x12000);
  allocate(a, PAGE, 0x20000);
  for (const at of [0, 1, 0xffff, 0x10000, 0x10001, 0x12fff]) {
    expect(regionAt(a, at)).toMatchObject({ address: 0x10000, size: 3 * PAGE });
  }
  for (const at of [0x13000, 0x1ffff, 0x20fff]) expect(regionAt(a, at)).toMatchObject({ address: 0x20000, size: PAGE });
  for (const at of [0x21000, 0xfffff000, 0xffffffff]) expect(regionAt(a, at)).toBe(null);
  const [address, size] = [new Uint32Array([0x21000]), new Uint32Array([9])];
  const info = { value: { protection: 9, max_protection: 9, inheritance: 9, shared: true } };
  expectCode(a.traps.vm_region(a.self, address, size, info), KERN_INVALID_ADDRESS);
  expect([address[0], size[0], info.value.protection]).toEqual([0x21000, 9, 9]);
});

test("A203 all that pages took is given back when they go, in any order and with a task", async () => {
  await using machine = await boot();
  const a = machine.task();
  const work = (space: Space): void => {
    const address = filled(space, pattern(20 * PAGE));
    expectCode(space.traps.vm_protect(space.self, address + PAGE, 3 * PAGE, false, VM_PROT_READ), KERN_SUCCESS);
    expectCode(space.traps.vm_inherit(space.self, address + 2 * PAGE, PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
    const other = allocate(space, 30 << 20);
    for (const offset of [0, 1 << 20, (30 << 20) - 5]) put(space, other + offset, [1, 2, 3]);
    free(space, address + 5 * PAGE, 2 * PAGE);
  };
  work(a);
  free(a, LOWEST, HIGHEST - LOWEST);
  const [before, frames] = [machine.census(), a.core.frames_used()];
  for (let round = 0; round < 3; round++) {
    work(a);
    expect(a.core.frames_used()).toBeGreaterThan(frames);
    free(a, LOWEST, HIGHEST - LOWEST);
    expect(machine.census()).toEqual(before);
    expect(a.core.frames_used()).toBe(frames);
  }
  const b = machine.task();
  const withTask = machine.census();
  work(b);
  b.task[Symbol.dispose]();
  expect({ ...machine.census(), tasks: 0, ports: 0 }).toEqual({ ...withTask, tasks: 0, ports: 0 });
  expect(machine.census()).toEqual(before);
});
