// Memory entries (A206): snapshots and live views of a range, mapped by who has a right for them.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_RIGHT,
  KERN_PROTECTION_FAILURE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MAP_MEM_VM_COPY,
  MAP_MEM_VM_SHARE,
  VM_FLAGS_ANYWHERE,
  VM_INHERIT_COPY,
  VM_PROT_DEFAULT,
  VM_PROT_IS_MASK,
  VM_PROT_READ,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectBytes, filled, get, PAGE, pattern, put } from "../lib/memory.js";
import { expectCode, give, type Space } from "../lib/space.js";

function makeEntry({ traps, self }: Space, address: number, permission: number, parent = 0) {
  const [size, object] = [new Uint32Array([2 * PAGE]), new Uint32Array([0x77])];
  const code = traps.mach_make_memory_entry(self, size, address, permission, object, parent);
  return { code, size: size[0] ?? 0, name: object[0] ?? 0 };
}

function map({ traps, self }: Space, object: number, protection: number) {
  const address = new Uint32Array(1);
  const rest = [VM_FLAGS_ANYWHERE, object, 0, false, protection, protection, VM_INHERIT_COPY] as const;
  return { code: traps.vm_map(self, address, 2 * PAGE, 0, ...rest), address: address[0] ?? 0 };
}

test("A206 an entry is a live view with VM_SHARE, a snapshot with VM_COPY, for another task too", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  for (const kind of [MAP_MEM_VM_SHARE, MAP_MEM_VM_COPY]) {
    const address = filled(a, pattern(2 * PAGE));
    const { code, size, name } = makeEntry(a, address, kind | VM_PROT_DEFAULT);
    expectCode(code, KERN_SUCCESS);
    expect(size).toBe(2 * PAGE);
    const view = map(b, give(a, name, MACH_MSG_TYPE_COPY_SEND, b), VM_PROT_DEFAULT);
    expectCode(view.code, KERN_SUCCESS);
    put(a, address, [1, 2, 3]);
    const wanted = kind === MAP_MEM_VM_SHARE ? Uint8Array.of(1, 2, 3) : pattern(3);
    expectBytes(get(b, view.address, 3), wanted);
  }
});

test("A206 more than the entry allows is INVALID_RIGHT; of a parent PROTECTION_FAILURE, or less with IS_MASK", async () => {
  await using machine = await boot();
  const a = machine.task();
  const address = filled(a, pattern(2 * PAGE));
  const parent = makeEntry(a, address, MAP_MEM_VM_SHARE | VM_PROT_READ).name;
  expectCode(map(a, parent, VM_PROT_DEFAULT).code, KERN_INVALID_RIGHT);
  expectCode(makeEntry(a, 0, VM_PROT_DEFAULT, parent).code, KERN_PROTECTION_FAILURE);
  const masked = makeEntry(a, 0, VM_PROT_DEFAULT | VM_PROT_IS_MASK, parent);
  expectCode(masked.code, KERN_SUCCESS);
  expectCode(map(a, masked.name, VM_PROT_DEFAULT).code, KERN_INVALID_RIGHT);
  expectCode(map(a, masked.name, VM_PROT_READ).code, KERN_SUCCESS);
});

test("A206 a copy is no parent: INVALID_ARGUMENT, and nothing is written", async () => {
  await using machine = await boot();
  const a = machine.task();
  const parent = makeEntry(a, filled(a, pattern(2 * PAGE)), MAP_MEM_VM_COPY | VM_PROT_DEFAULT).name;
  const { code, size, name } = makeEntry(a, 0, VM_PROT_READ, parent);
  expectCode(code, KERN_INVALID_ARGUMENT);
  expect([size, name]).toEqual([2 * PAGE, 0x77]);
});
