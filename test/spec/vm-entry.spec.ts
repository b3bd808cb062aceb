// Memory entries (A206): snapshots and live views of a range, mapped by who has a right for them.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_RIGHT,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MOVE_SEND,
  MAP_MEM_NAMED_CREATE,
  MAP_MEM_NAMED_REUSE,
  MAP_MEM_VM_COPY,
  MAP_MEM_VM_SHARE,
  VM_INHERIT_NONE,
  VM_PROT_ALL,
  VM_PROT_DEFAULT,
  VM_PROT_IS_MASK,
  VM_PROT_NONE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import {
  allocate,
  entryOf,
  expectBytes,
  expectRefused,
  filled,
  free,
  get,
  HIGHEST,
  LOWEST,
  makeEntry,
  mapped,
  PAGE,
  pattern,
  put,
  regionAt,
  regions,
  tryMap,
  tryPut,
} from "../lib/memory.js";
import { expectCode, give } from "../lib/space.js";

const COPY = MAP_MEM_VM_COPY | VM_PROT_DEFAULT;
const CREATE = MAP_MEM_NAMED_CREATE | VM_PROT_DEFAULT;
/** Names that denote no memory entry: nothing, and impossible ones. */
const NO_NAMES = [0xfffff703, 0xffffffff];

test("A206 an entry is a live view with VM_SHARE and without a kind, a snapshot of its making with VM_COPY, for another task too", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  for (const kind of [MAP_MEM_VM_SHARE, 0, MAP_MEM_VM_COPY]) {
    const address = filled(a, pattern(2 * PAGE));
    const made = makeEntry(a, address, { permission: kind | VM_PROT_DEFAULT });
    expectCode(made.code, KERN_SUCCESS);
    expect(made.size).toBe(2 * PAGE);
    const object = give(a, made.name, MACH_MSG_TYPE_COPY_SEND, b);
    const isLive = kind !== MAP_MEM_VM_COPY;
    put(a, address, [1, 2, 3]);
    const view = mapped(b, object);
    expectBytes(get(b, view, 3), isLive ? Uint8Array.of(1, 2, 3) : pattern(3));
    put(a, address + PAGE, [4]);
    expect(get(b, view + PAGE, 1)[0]).toBe(isLive ? 4 : pattern(PAGE + 1)[PAGE]);
    put(b, view, [5]);
    expect(get(a, address, 1)[0]).toBe(isLive ? 5 : 1);
    expect(regionAt(a, address)?.shared).toBe(isLive);
    expect(regionAt(b, view)).toMatchObject({ protection: 3, max_protection: 3, inheritance: 1, shared: isLive });
    free(b, view, 2 * PAGE);
    free(a, address, 2 * PAGE);
  }
});

test("A206 who maps a snapshot has one of his own, who maps a live view with `copy` a snapshot of that moment", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  for (const permission of [COPY, MAP_MEM_VM_SHARE | VM_PROT_DEFAULT]) {
    const object = entryOf(a, address, { permission });
    const copy = permission !== COPY;
    const [one, two] = [mapped(a, object, { copy }), mapped(a, object, { copy, offset: PAGE, size: PAGE })];
    put(a, one, pattern(2 * PAGE, 50));
    put(a, two, [9]);
    put(a, address, pattern(2 * PAGE, 70));
    expectBytes(get(a, one, 2 * PAGE), pattern(2 * PAGE, 50));
    expectBytes(get(a, two + 1, PAGE - 1), pattern(2 * PAGE).subarray(PAGE + 1));
    const third = mapped(a, object, { copy });
    expectBytes(get(a, third, 2 * PAGE), pattern(2 * PAGE, copy ? 70 : 1));
    put(a, address, pattern(2 * PAGE));
  }
});

test("A206 a part of an entry is the same memory", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(3 * PAGE));
  const parent = entryOf(a, address, { size: 3 * PAGE });
  const part = makeEntry(a, PAGE + 5, { size: PAGE, parent, permission: VM_PROT_READ });
  expectCode(part.code, KERN_SUCCESS);
  expect(part.size).toBe(2 * PAGE);
  const view = mapped(a, part.name, { cur: VM_PROT_READ });
  put(a, address + 2 * PAGE, [77]);
  expect(get(a, view + PAGE, 1)[0]).toBe(77);
  expectCode(tryPut(a, view, [1]), KERN_PROTECTION_FAILURE);
});

test("A206 NAMED_CREATE makes new memory that no task has, all zero, the same for who maps it", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { code, size, name } = makeEntry(a, 0, { size: PAGE + 1, permission: CREATE });
  expectCode(code, KERN_SUCCESS);
  expect([size, regions(a)]).toEqual([2 * PAGE, []]);
  const [one, two] = [mapped(a, name), mapped(b, give(a, name, MACH_MSG_TYPE_COPY_SEND, b))];
  expectBytes(get(b, two, 2 * PAGE), new Uint8Array(2 * PAGE));
  put(a, one + PAGE, [8]);
  expect(get(b, two + PAGE, 1)[0]).toBe(8);
});

test("A206 more than the entry allows is INVALID_RIGHT; with IS_MASK it is as much as there is", async () => {
  await using machine = await boot();
  const a = machine.task();
  const object = entryOf(a, filled(a, pattern(2 * PAGE)), { permission: MAP_MEM_VM_SHARE | VM_PROT_READ });
  for (const [cur, max] of [
    [VM_PROT_DEFAULT, VM_PROT_DEFAULT],
    [VM_PROT_READ, VM_PROT_DEFAULT],
    [VM_PROT_ALL, VM_PROT_ALL],
    [VM_PROT_DEFAULT, VM_PROT_DEFAULT | VM_PROT_IS_MASK],
  ] as const) {
    expectRefused(a, KERN_INVALID_RIGHT, () => tryMap(a, object, { cur, max }).code);
  }
  const masked = mapped(a, object, { cur: VM_PROT_ALL | VM_PROT_IS_MASK });
  expect(regionAt(a, masked)).toMatchObject({ address: masked, protection: 1, max_protection: 1 });
  expectBytes(get(a, mapped(a, object, { cur: VM_PROT_READ }), PAGE), pattern(PAGE));
  expectCode(tryPut(a, masked, [1]), KERN_PROTECTION_FAILURE);
});

test("A206 a parent or memory that lacks the protection is PROTECTION_FAILURE; with IS_MASK the entry allows what it has", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  const parent = entryOf(a, address, { permission: MAP_MEM_VM_SHARE | VM_PROT_READ });
  expectCode(a.traps.vm_protect(a.self, address + PAGE, PAGE, false, VM_PROT_READ), KERN_SUCCESS);
  for (const how of [
    { at: 0, parent, kind: 0 },
    { at: address, parent: 0, kind: MAP_MEM_VM_SHARE },
  ]) {
    const { at, kind } = how;
    const refused = makeEntry(a, at, { parent: how.parent, permission: kind | VM_PROT_DEFAULT });
    expectCode(refused.code, KERN_PROTECTION_FAILURE);
    expect([refused.size, refused.name]).toEqual([2 * PAGE, 0x77]);
    const masked = entryOf(a, at, { parent: how.parent, permission: kind | VM_PROT_DEFAULT | VM_PROT_IS_MASK });
    expectCode(tryMap(a, masked, { cur: VM_PROT_DEFAULT }).code, KERN_INVALID_RIGHT);
    mapped(a, masked, { cur: VM_PROT_READ });
  }
  // A snapshot may be made what one likes, if it can be read.
  mapped(a, entryOf(a, address, { permission: COPY }), { cur: VM_PROT_DEFAULT });
  expectCode(a.traps.vm_protect(a.self, address, PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
  for (const permission of [COPY, MAP_MEM_VM_SHARE, MAP_MEM_VM_SHARE | VM_PROT_DEFAULT | VM_PROT_IS_MASK]) {
    expectRefused(a, KERN_PROTECTION_FAILURE, () => makeEntry(a, address, { permission }).code);
  }
});

test("A206 a copy is no parent: INVALID_ARGUMENT, and nothing is written", async () => {
  await using machine = await boot();
  const a = machine.task();
  const parent = entryOf(a, filled(a, pattern(2 * PAGE)), { permission: COPY });
  for (const kind of [0, MAP_MEM_VM_COPY, MAP_MEM_VM_SHARE, MAP_MEM_NAMED_REUSE, VM_PROT_IS_MASK]) {
    const { code, size, name } = makeEntry(a, 0, { size: PAGE + 1, permission: kind | VM_PROT_READ, parent });
    expectCode(code, KERN_INVALID_ARGUMENT);
    expect([size, name]).toEqual([PAGE + 1, 0x77]);
  }
});

test("A206 of a parent there is neither a snapshot nor new memory: INVALID_ARGUMENT", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  const parent = entryOf(a, address);
  for (const kind of [MAP_MEM_VM_COPY, MAP_MEM_NAMED_CREATE]) {
    expectRefused(a, KERN_INVALID_ARGUMENT, () => makeEntry(a, 0, { permission: kind | VM_PROT_DEFAULT, parent }).code);
  }
});

test("vm_map of new memory has the size that is asked for, whatever the offset", async () => {
  await using machine = await boot();
  const a = machine.task();
  for (const offset of [1, 0xfffff000, 0xffffffff]) {
    const address = mapped(a, 0, { size: PAGE, offset });
    expect(regions(a)).toMatchObject([{ address, size: PAGE }]);
    free(a, address, PAGE);
  }
});

test("A206 with NAMED_REUSE an entry that is the same is given again, another is made", async () => {
  await using machine = await boot();
  const a = machine.task();
  const parent = entryOf(a, filled(a, pattern(2 * PAGE)));
  const permission = MAP_MEM_NAMED_REUSE | VM_PROT_DEFAULT;
  expect(entryOf(a, 0, { permission, parent })).toBe(parent);
  expect(a.sends(parent)).toBe(2);
  const others = [
    entryOf(a, 0, { permission: VM_PROT_DEFAULT, parent }),
    entryOf(a, 0, { permission, parent, size: PAGE }),
    entryOf(a, 0, { permission: MAP_MEM_NAMED_REUSE | VM_PROT_READ, parent }),
  ];
  expect(new Set([parent, ...others]).size).toBe(4);
  expect(a.sends(parent)).toBe(2);
});

test("A206 an entry goes with its last right, in a queue too; what was mapped of it stays", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const inbox = b.allocateWithSend();
  const outbox = give(b, inbox, MACH_MSG_TYPE_MOVE_SEND, a);
  const work = (kind: number): void => {
    const address = filled(a, pattern(4 * PAGE));
    const object = entryOf(a, address, { size: 4 * PAGE, permission: kind | VM_PROT_DEFAULT });
    const part = kind === MAP_MEM_VM_COPY ? 0 : entryOf(a, PAGE, { parent: object, permission: VM_PROT_READ });
    free(a, address, 4 * PAGE);
    const view = mapped(a, object, { size: 4 * PAGE });
    const wanted = kind === MAP_MEM_NAMED_CREATE ? new Uint8Array(4 * PAGE) : pattern(4 * PAGE);
    const right = { name: object, disposition: MACH_MSG_TYPE_MOVE_SEND };
    expectCode(a.send({ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors: [right] }), 0);
    const name = b.take(inbox).descriptors[0]?.name ?? 0;
    const far = mapped(b, name, { size: 4 * PAGE });
    expectBytes(get(b, far, 4 * PAGE), wanted);
    expectCode(b.deallocate(name), KERN_SUCCESS);
    if (part !== 0) expectCode(a.deallocate(part), KERN_SUCCESS);
    expectBytes(get(a, view, 4 * PAGE), wanted);
    put(b, far, [6]);
    expect(get(a, view, 1)[0]).toBe(kind === MAP_MEM_VM_COPY ? wanted[0] : 6);
    free(a, view, 4 * PAGE);
    free(b, far, 4 * PAGE);
  };
  const kinds = [MAP_MEM_VM_SHARE, MAP_MEM_VM_COPY, MAP_MEM_NAMED_CREATE];
  for (const kind of kinds) work(kind);
  const [before, frames] = [machine.census(), a.core.frames_used()];
  for (const kind of kinds) work(kind);
  expect(machine.census()).toEqual(before);
  expect(a.core.frames_used()).toBe(frames);
});

test("an entry of another task's memory: the memory is the target's, the name the caller's", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const other = a.on(give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a));
  const address = filled(b, pattern(2 * PAGE));
  const view = mapped(a, entryOf(other, address));
  put(a, view, [5]);
  expect(get(b, address, 1)[0]).toBe(5);
  const object = entryOf(a, view);
  const third = mapped(other, object);
  put(b, third + 1, [6]);
  expect(get(a, view + 1, 1)[0]).toBe(6);
});

test("A207 mach_make_memory_entry refuses what it cannot name, and changes nothing", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  const parent = entryOf(a, filled(a, pattern(2 * PAGE)));
  const refused = (wanted: number, offset: number, how: Parameters<typeof makeEntry>[2]): void => {
    const before = machine.census();
    expectRefused(a, wanted, () => {
      const { code, size, name } = makeEntry(a, offset, how);
      expect([size, name]).toEqual([how?.size ?? 2 * PAGE, 0x77]);
      return code;
    });
    expect(machine.census()).toEqual(before);
  };
  for (const permission of [8, 0x100000, MAP_MEM_VM_COPY | MAP_MEM_VM_SHARE, COPY | MAP_MEM_NAMED_CREATE]) {
    refused(KERN_INVALID_ARGUMENT, address, { permission });
  }
  refused(KERN_INVALID_ARGUMENT, address, { size: 0 });
  refused(KERN_INVALID_ARGUMENT, HIGHEST, { size: PAGE + 1 });
  refused(KERN_INVALID_ARGUMENT, address, { size: 0xffffffff });
  refused(KERN_INVALID_ARGUMENT, PAGE, { parent });
  refused(KERN_INVALID_ARGUMENT, 1, { parent });
  for (const none of [a.self, a.allocate(), ...NO_NAMES]) refused(KERN_INVALID_ARGUMENT, 0, { parent: none });
  refused(KERN_INVALID_ADDRESS, address + PAGE, { size: 4 * PAGE });
  refused(KERN_INVALID_ADDRESS, 0, {});
  refused(KERN_INVALID_ADDRESS, 0x7000_0000, { permission: COPY });
  refused(KERN_RESOURCE_SHORTAGE, 0, { permission: CREATE, size: 0xf000_0000 });
});

test("vm_map without an entry gives new memory, with the protections and inheritance that are asked for", async () => {
  await using machine = await boot();
  const a = machine.task();
  for (const [cur, max, inheritance] of [
    [VM_PROT_DEFAULT, VM_PROT_ALL, 0],
    [VM_PROT_NONE, VM_PROT_WRITE, 1],
    [VM_PROT_READ, VM_PROT_READ, VM_INHERIT_NONE],
  ] as const) {
    const address = mapped(a, 0, { size: PAGE + 1, offset: 7, cur, max, inheritance });
    const region = { address, size: 2 * PAGE, protection: cur, max_protection: max, inheritance, shared: false };
    expect(regionAt(a, address)).toEqual(region);
    if (cur & VM_PROT_READ) expectBytes(get(a, address, 2 * PAGE), new Uint8Array(2 * PAGE));
    free(a, address, 2 * PAGE);
  }
});

test("vm_map finds a place that the mask allows, or takes the one that it is told", async () => {
  await using machine = await boot();
  const a = machine.task();
  const object = entryOf(a, filled(a, pattern(2 * PAGE)));
  for (const mask of [0xfff, 0x1fff, 0xffff, 0xfffff]) expect(mapped(a, object, { mask }) & mask).toBe(0);
  expect(mapped(a, object, { at: 0x700_0000, mask: 0xffffff })).toBe(0x700_0000);
  expect(mapped(a, object, { at: 0x900_0123, mask: 0xfff })).toBe(0x900_0000);
  expectRefused(a, KERN_NO_SPACE, () => tryMap(a, object, { at: 0xa00_1000, mask: 0x1fff }).code);
});

test("A207 vm_map refuses what has no meaning or no room, and changes nothing", async () => {
  await using machine = await boot();
  const a = machine.task();
  const object = entryOf(a, filled(a, pattern(2 * PAGE)));
  const refused = (wanted: number, how: Parameters<typeof tryMap>[2], what = object): void => {
    const before = machine.census();
    expectRefused(a, wanted, () => {
      const { code, address } = tryMap(a, what, how);
      expect(address).toBe(how?.at ?? 0x77);
      return code;
    });
    expect(machine.census()).toEqual(before);
  };
  refused(KERN_INVALID_ARGUMENT, { flags: 2 });
  refused(KERN_INVALID_ARGUMENT, { mask: 5 });
  refused(KERN_INVALID_ARGUMENT, { inheritance: 3 });
  for (const what of [object, 0]) {
    refused(KERN_INVALID_ARGUMENT, { cur: 8 }, what);
    refused(KERN_INVALID_ARGUMENT, { max: 0x80, cur: 1 }, what);
    refused(KERN_INVALID_ARGUMENT, { cur: 3, max: 1 }, what);
    refused(KERN_INVALID_ARGUMENT, { size: 0 }, what);
    refused(KERN_INVALID_ARGUMENT, { size: 0xffffffff }, what);
    refused(KERN_INVALID_ARGUMENT, { at: HIGHEST, size: PAGE + 1 }, what);
    refused(KERN_INVALID_ADDRESS, { at: 0 }, what);
    refused(KERN_INVALID_ADDRESS, { at: LOWEST - 1 }, what);
  }
  for (const offset of [PAGE, 1, 0xffffffff]) refused(KERN_INVALID_ARGUMENT, { offset });
  refused(KERN_INVALID_ARGUMENT, { size: 2 * PAGE + 1 });
  for (const none of [a.self, a.allocate(), ...NO_NAMES]) refused(KERN_INVALID_ARGUMENT, {}, none);
  const taken = allocate(a, PAGE, 0x500_0000);
  refused(KERN_NO_SPACE, { at: taken });
  refused(KERN_NO_SPACE, { at: taken - PAGE });
  refused(KERN_NO_SPACE, { at: HIGHEST - PAGE, offset: PAGE - 1, size: PAGE }); // two pages of the entry
  refused(KERN_NO_SPACE, { mask: 0xffffffff });
  mapped(a, 0, { at: 0x600_0000, size: HIGHEST - 0x600_0000, cur: VM_PROT_NONE });
  refused(KERN_NO_SPACE, { size: 0x500_0000 }, 0);
});
