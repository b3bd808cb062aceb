// vm_remap (A207): a range of one task mapped in another or once more in the same, as it is or as a copy; and what a child inherits.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_SEND_INVALID_DEST,
  VM_FLAGS_ANYWHERE,
  VM_FLAGS_FIXED,
  VM_INHERIT_COPY,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
  VM_PROT_ALL,
  VM_PROT_DEFAULT,
  VM_PROT_NONE,
  VM_PROT_READ,
} from "../../host-ts/abi/codes.gen.ts";
import { boot, type Machine } from "../lib/boot.js";
import {
  allocate,
  expectBytes,
  expectRefused,
  filled,
  free,
  get,
  HIGHEST,
  mapped,
  PAGE,
  pattern,
  put,
  regionAt,
  regions,
  tryPut,
} from "../lib/memory.js";
import { expectCode, give, type Space } from "../lib/space.js";

interface How {
  /** Where; undefined: anywhere. */
  at?: number;
  size?: number;
  mask?: number;
  flags?: number;
  from?: number;
  copy?: boolean;
  inheritance?: number;
}

/** Maps two pages of a task, `from` as the caller names it, its own if nothing is said. Words that were not written are 0x77. */
function tryRemap(space: Space, source: number, how: How = {}) {
  const { at, size = 2 * PAGE, mask = 0, from = space.self, copy = false, inheritance = VM_INHERIT_COPY } = how;
  const [address, cur, max] = [at ?? 0x77, 0x77, 0x77].map((word) => new Uint32Array([word])) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const flags = how.flags ?? (at === undefined ? VM_FLAGS_ANYWHERE : VM_FLAGS_FIXED);
  const { traps, self } = space;
  const code = traps.vm_remap(self, address, size, mask, flags, from, source, copy, cur, max, inheritance);
  return { code, address: address[0] ?? 0, cur: cur[0] ?? 0, max: max[0] ?? 0 };
}

function remapped(space: Space, source: number, how?: How): number {
  const { code, address } = tryRemap(space, source, how);
  expectCode(code, KERN_SUCCESS);
  return address;
}

/** Two tasks; `other` is the first as it acts on the second, and `home` the second's name for the first. */
function pair(machine: Machine) {
  const [a, b] = [machine.task(), machine.task()];
  const other = a.on(give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a));
  return { a, b, other, home: give(a, a.self, MACH_MSG_TYPE_COPY_SEND, b) };
}

/** A child of the task, which acts on it. */
function childOf(space: Space, inherits: boolean): Space {
  const out = new Uint32Array(1);
  expectCode(space.traps.task_create(space.self, Number(inherits), out), KERN_SUCCESS);
  return space.on(out[0] ?? 0);
}

test("vm_remap shares: all who have the pages see what any of them writes, in one task and in two", async () => {
  await using machine = await boot();
  const { a, b, other, home } = pair(machine);
  const address = filled(a, pattern(3 * PAGE));
  const second = remapped(a, address + PAGE);
  const third = remapped(b, address + 2 * PAGE, { from: home, size: PAGE }); // b asks for a's
  const fourth = remapped(other, second, { from: a.self }); // a gives to b
  for (const [space, at, value] of [
    [a, address + 2 * PAGE, 11],
    [a, second + PAGE, 12],
    [b, third, 13],
    [b, fourth + PAGE, 14],
  ] as const) {
    put(space, at, [value]);
    expect([get(a, address + 2 * PAGE, 1)[0], get(a, second + PAGE, 1)[0]]).toEqual([value, value]);
    expect([get(b, third, 1)[0], get(b, fourth + PAGE, 1)[0]]).toEqual([value, value]);
  }
  expectBytes(get(b, fourth, PAGE), pattern(3 * PAGE).subarray(PAGE, 2 * PAGE));
  free(a, address, 3 * PAGE);
  free(a, second, 2 * PAGE);
  put(b, third, [15]);
  expect(get(b, fourth + PAGE, 1)[0]).toBe(15);
});

test("vm_remap with `copy` gives a snapshot, of shared memory too", async () => {
  await using machine = await boot();
  const { a, b, home } = pair(machine);
  const address = filled(a, pattern(2 * PAGE));
  for (let turn = 0; turn < 2; turn++) {
    const copies = [remapped(a, address, { copy: true }), remapped(b, address, { copy: true, from: home })] as const;
    put(a, copies[0], [9]);
    put(b, copies[1], [8]);
    expectBytes(get(a, address, 2 * PAGE), pattern(2 * PAGE, turn === 0 ? 1 : 5));
    put(a, address, pattern(2 * PAGE, 5));
    expectBytes(get(a, copies[0] + 1, 2 * PAGE - 1), pattern(2 * PAGE, turn === 0 ? 1 : 5).subarray(1));
    expectBytes(get(b, copies[1] + 1, 2 * PAGE - 1), pattern(2 * PAGE, turn === 0 ? 1 : 5).subarray(1));
    expect([regionAt(a, copies[0])?.shared, regionAt(b, copies[1])?.shared]).toEqual([false, false]);
    remapped(a, address); // shared from now on
  }
});

test("vm_remap tells the protections, which are those that all pages of the source have, and keeps the inheritance asked for", async () => {
  await using machine = await boot();
  const { a, b, home } = pair(machine);
  const address = filled(a, pattern(3 * PAGE));
  expectCode(a.traps.vm_protect(a.self, address, PAGE, false, VM_PROT_ALL), KERN_SUCCESS);
  expectCode(a.traps.vm_protect(a.self, address + 2 * PAGE, PAGE, true, VM_PROT_READ), KERN_SUCCESS);
  for (const copy of [false, true]) {
    for (const [from, pages, cur, max] of [
      [0, 1, VM_PROT_ALL, VM_PROT_ALL],
      [0, 2, VM_PROT_DEFAULT, VM_PROT_ALL],
      [1, 2, VM_PROT_READ, VM_PROT_READ],
    ] as const) {
      const source = address + from * PAGE;
      const made = tryRemap(b, source, { size: pages * PAGE, from: home, copy, inheritance: VM_INHERIT_NONE });
      expect(made).toMatchObject({ code: KERN_SUCCESS, cur, max });
      const region = { protection: cur, max_protection: max, inheritance: VM_INHERIT_NONE, shared: !copy };
      expect(regionAt(b, made.address)).toEqual({ address: made.address, size: pages * PAGE, ...region });
      expectBytes(get(b, made.address, pages * PAGE), pattern(3 * PAGE).subarray(from * PAGE, (from + pages) * PAGE));
      expectCode(tryPut(b, made.address, [1, 2]), cur & 2 ? KERN_SUCCESS : KERN_PROTECTION_FAILURE);
      free(b, made.address, pages * PAGE);
      put(a, address, pattern(2 * PAGE));
    }
  }
});

test("vm_remap takes whole pages, at the address that it is told or where the mask allows", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(3 * PAGE));
  expect(remapped(a, address + PAGE - 1, { at: 0x700_0123, size: 2 })).toBe(0x700_0000);
  expectBytes(get(a, 0x700_0000, 2 * PAGE), pattern(2 * PAGE));
  expect(regionAt(a, 0x700_0000)?.size).toBe(2 * PAGE);
  for (const mask of [0xfff, 0x1fff, 0xffff, 0xfffff]) expect(remapped(a, address, { mask }) & mask).toBe(0);
});

test("A207 vm_remap refuses what has no meaning, is not there, may not be read, or has no room, and changes nothing", async () => {
  await using machine = await boot();
  const { a, b, home } = pair(machine);
  const address = filled(a, pattern(3 * PAGE));
  expectCode(a.traps.vm_protect(a.self, address + 2 * PAGE, PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
  const taken = allocate(b, PAGE, 0x500_0000);
  mapped(b, 0, { at: 0x600_0000, size: HIGHEST - 0x600_0000, cur: VM_PROT_NONE });
  for (const copy of [false, true]) {
    for (const [wanted, source, how] of [
      [KERN_INVALID_ARGUMENT, address, { flags: 2 }],
      [KERN_INVALID_ARGUMENT, address, { mask: 5 }],
      [KERN_INVALID_ARGUMENT, address, { inheritance: 3 }],
      [KERN_INVALID_ARGUMENT, address, { size: 0 }],
      [KERN_INVALID_ARGUMENT, address, { size: 0xffffffff }],
      [KERN_INVALID_ARGUMENT, HIGHEST, { size: PAGE + 1 }],
      [KERN_INVALID_ARGUMENT, address, { at: HIGHEST, size: PAGE + 1 }],
      [KERN_INVALID_ADDRESS, address, { at: PAGE - 1 }],
      [KERN_INVALID_ADDRESS, address - 1, {}],
      [KERN_INVALID_ADDRESS, address + PAGE, { size: 3 * PAGE }],
      [KERN_INVALID_ADDRESS, 0, {}],
      [KERN_PROTECTION_FAILURE, address + PAGE, {}],
      [KERN_PROTECTION_FAILURE, address + 2 * PAGE, { size: 1 }],
      [KERN_NO_SPACE, address, { at: taken }],
      [KERN_NO_SPACE, address, { at: taken - PAGE }],
      [KERN_NO_SPACE, address, { at: 0x400_1000, mask: 0x1fff }],
      [KERN_NO_SPACE, address, { mask: 0x7fffffff }],
      [MACH_SEND_INVALID_DEST, address, { from: 0xfffff703 }],
      [MACH_SEND_INVALID_DEST, address, { from: b.allocate() }],
    ] as const) {
      const census = machine.census();
      const before = regions(a);
      expectRefused(b, wanted, () => {
        const { code, ...words } = tryRemap(b, source, { from: home, ...how, copy });
        expect(words).toEqual({ address: "at" in how ? how.at : 0x77, cur: 0x77, max: 0x77 });
        return code;
      });
      expect(regions(a)).toEqual(before); // above all: nothing is marked as shared
      expect(machine.census()).toEqual(census);
    }
  }
});

test("A203 what vm_remap took is given back, whichever goes first", async () => {
  await using machine = await boot();
  const { a, b, home } = pair(machine);
  const work = (first: boolean, copy: boolean): void => {
    const address = filled(a, pattern(8 * PAGE));
    const view = remapped(b, address + 3 * PAGE, { from: home, copy });
    put(b, view, [1]);
    put(a, address + 4 * PAGE, [1]);
    if (first) free(a, address, 8 * PAGE);
    expect(get(b, view, 1)[0]).toBe(1);
    free(b, view, 2 * PAGE);
    if (!first) free(a, address, 8 * PAGE);
  };
  work(true, true);
  const [before, frames] = [machine.census(), a.core.frames_used()];
  for (const first of [true, false]) for (const copy of [true, false]) work(first, copy);
  expect(machine.census()).toEqual(before);
  expect(a.core.frames_used()).toBe(frames);
});

test("A206 a child that inherits gets each region as it says: shared, as a copy, or not at all", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(6 * PAGE));
  for (const [page, inheritance] of [VM_INHERIT_SHARE, VM_INHERIT_COPY, VM_INHERIT_NONE].entries()) {
    expectCode(a.traps.vm_inherit(a.self, address + 2 * page * PAGE, 2 * PAGE, inheritance), KERN_SUCCESS);
  }
  expectCode(a.traps.vm_protect(a.self, address + 3 * PAGE, PAGE, true, VM_PROT_READ), KERN_SUCCESS);
  const child = childOf(a, true);
  const had = regions(a);
  expect(had.map(({ shared }) => shared)).toEqual([true, false, false, false]);
  expect(regions(child)).toEqual(had.slice(0, 3)); // protections, inheritance and addresses as the parent has them
  expectBytes(get(child, address, 4 * PAGE), pattern(4 * PAGE));
  put(child, address, [1]);
  put(a, address + 1, [2]);
  put(child, address + 2 * PAGE, [3]);
  put(a, address + 2 * PAGE + 1, [4]);
  const bytes = pattern(4 * PAGE);
  expect([...get(a, address, 2), ...get(child, address, 2)]).toEqual([1, 2, 1, 2]);
  expect([...get(a, address + 2 * PAGE, 2)]).toEqual([bytes[2 * PAGE], 4]);
  expect([...get(child, address + 2 * PAGE, 2)]).toEqual([3, bytes[2 * PAGE + 1]]);
  const grandchild = childOf(child, true);
  put(grandchild, address, [7]);
  expect(get(a, address, 1)[0]).toBe(7);
  put(grandchild, address + 2 * PAGE, [8]);
  expect(get(child, address + 2 * PAGE, 1)[0]).toBe(3);
});

test("a child that does not inherit has no memory; what a child had is given back when it ends", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  expectCode(a.traps.vm_inherit(a.self, address, PAGE, VM_INHERIT_SHARE), KERN_SUCCESS);
  const work = (inherits: boolean): void => {
    const child = childOf(a, inherits);
    expect(regions(child).length).toBe(inherits ? 2 : 0);
    if (inherits) put(child, address, pattern(2 * PAGE));
    allocate(child, PAGE);
    expectCode(a.traps.task_terminate(child.self), KERN_SUCCESS);
    expectCode(a.deallocate(child.self), KERN_SUCCESS);
    put(a, address, pattern(2 * PAGE));
  };
  for (const inherits of [true, false]) work(inherits);
  const [before, frames] = [machine.census(), a.core.frames_used()];
  for (const inherits of [true, false]) work(inherits);
  expect(machine.census()).toEqual(before);
  expect(a.core.frames_used()).toBe(frames);
});
