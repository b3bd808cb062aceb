// A quota of memory, in frames: what is refused beyond it, to whom memory is charged, and when it is given back (A203).

import { expect, test } from "vitest";
import {
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_VM_SPACE,
  MACH_RCV_BODY_ERROR,
  MACH_SEND_NO_BUFFER,
  MAP_MEM_NAMED_CREATE,
  MAP_MEM_VM_SHARE,
  VM_FLAGS_ANYWHERE,
  VM_PROT_DEFAULT,
} from "../../host-ts/abi/codes.gen.ts";
import { inNewArray, unpack } from "../lib/arrays.js";
import { boot, type Machine } from "../lib/boot.js";
import {
  allocate,
  entryOf,
  expectBytes,
  expectRefused,
  filled,
  free,
  get,
  makeEntry,
  mapped,
  memory,
  PAGE,
  pattern,
  put,
  regions,
  tryMap,
  tryPut,
} from "../lib/memory.js";
import type { PortDescriptor } from "../lib/message.js";
import { expectCode, give, type Space } from "../lib/space.js";

/** Exactly so many pages are left of the task's quota. */
function expectLeft(space: Space, pages: number): void {
  const address = allocate(space, (pages + 1) * PAGE);
  expectCode(tryPut(space, address, pattern((pages + 1) * PAGE)), KERN_RESOURCE_SHORTAGE);
  if (pages > 0) put(space, address, pattern(pages * PAGE));
  free(space, address, (pages + 1) * PAGE);
}

/** Two tasks with quotas, and the way from one to the other. */
function line(machine: Machine, sender: number, receiver: number) {
  const [a, b] = [machine.bounded(sender), machine.bounded(receiver)];
  const inbox = b.allocate();
  const outbox = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND, a);
  const carry = (...descriptors: PortDescriptor[]) =>
    a.send({ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors });
  return { a, b, inbox, outbox, carry };
}

test("A203 writing and leasing beyond a quota is RESOURCE_SHORTAGE and changes nothing; what is freed is there again", async () => {
  await using machine = await boot();
  const a = machine.bounded(8);
  expectLeft(a, 8);
  const address = filled(a, pattern(5 * PAGE));
  expectLeft(a, 3);
  const more = allocate(a, 40 * PAGE);
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => tryPut(a, more, pattern(4 * PAGE)));
  for (const kind of [0, 1]) {
    expectCode(a.core.vm_lease(a.handle, more, 4 * PAGE, kind), KERN_RESOURCE_SHORTAGE);
  }
  expectCode(a.core.vm_lease(a.handle, more + 20 * PAGE, 3 * PAGE, 1), KERN_SUCCESS);
  const lease = a.task.processor.out(0);
  expectCode(tryPut(a, more, [1]), KERN_RESOURCE_SHORTAGE);
  free(a, more + 20 * PAGE, 3 * PAGE);
  expectCode(tryPut(a, more, [1]), KERN_RESOURCE_SHORTAGE); // the lease still has them
  expectCode(a.core.vm_lease_end(lease), KERN_SUCCESS);
  put(a, more, [1]);
  expectBytes(get(a, address, 5 * PAGE), pattern(5 * PAGE));
});

test("one page more is had as long as one is left, though more are taken at once where there are", async () => {
  await using machine = await boot();
  const a = machine.bounded(3);
  const address = allocate(a, 64 * PAGE);
  for (const page of [40, 7, 8]) put(a, address + page * PAGE, [page]);
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => tryPut(a, address, [1]));
});

test("A203 copies count when they are written: beyond the quota RESOURCE_SHORTAGE, and both keep their bytes", async () => {
  await using machine = await boot();
  const a = machine.bounded(6);
  const address = filled(a, pattern(4 * PAGE));
  const data = new Uint32Array(1);
  expectCode(a.traps.vm_read(a.self, address, 4 * PAGE, data, new Uint32Array(1)), KERN_SUCCESS);
  const [copy = 0] = data;
  expectLeft(a, 2);
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => tryPut(a, copy, pattern(3 * PAGE, 9)));
  put(a, copy, pattern(2 * PAGE, 9));
  expectLeft(a, 0);
  expectBytes(get(a, address, 4 * PAGE), pattern(4 * PAGE));
  free(a, copy, 4 * PAGE);
  expectLeft(a, 2);
});

test("A203 the charge moves with a received region, and comes back when that is freed", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine, 8, 10);
  for (let turn = 0; turn < 3; turn++) {
    const address = filled(a, pattern(8 * PAGE));
    expectCode(carry(memory(address, 8 * PAGE, { deallocate: 1 })), MACH_MSG_SUCCESS);
    expectLeft(a, 0); // as long as it is in the queue
    const name = b.take(inbox).descriptors[0]?.name ?? 0;
    expectLeft(a, 8);
    expectLeft(b, 2);
    expectBytes(get(b, name, 8 * PAGE), pattern(8 * PAGE));
    free(b, name, 8 * PAGE);
    expectLeft(b, 10);
  }
});

test("A203 a copy of which the sender keeps the original stays the sender's, until one of them writes", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine, 4, 4);
  const address = filled(a, pattern(4 * PAGE));
  expectCode(carry(memory(address, 4 * PAGE)), MACH_MSG_SUCCESS);
  const name = b.take(inbox).descriptors[0]?.name ?? 0;
  expectLeft(a, 0);
  expectLeft(b, 4);
  put(b, name, pattern(4 * PAGE, 3));
  expectLeft(b, 0);
  expectBytes(get(a, address, 4 * PAGE), pattern(4 * PAGE));
});

test("A203 what a message has comes back to the quota of its sender when it dies in its queue", async () => {
  await using machine = await boot();
  for (const end of ["destroyed", "terminated"]) {
    const { a, b, inbox, carry } = line(machine, 8, 1);
    const address = filled(a, pattern(6 * PAGE));
    expectCode(carry(memory(address, 6 * PAGE, { deallocate: 1 })), MACH_MSG_SUCCESS);
    expectLeft(a, 2);
    expectCode(end === "destroyed" ? b.destroy(inbox) : b.traps.task_terminate(b.self), KERN_SUCCESS);
    expectLeft(a, 8);
  }
});

test("A200 a physical copy beyond the sender's quota is NO_BUFFER", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine, 4, 8);
  const address = filled(a, pattern(3 * PAGE));
  expectCode(a.core.vm_lease(a.handle, address, 3 * PAGE, 1), KERN_SUCCESS); // so that it is copied at once
  const lease = a.task.processor.out(0);
  expectCode(carry(memory(address, 3 * PAGE)), MACH_SEND_NO_BUFFER);
  expectLeft(a, 1);
  expectCode(a.core.vm_lease_end(lease), KERN_SUCCESS);
  expectCode(carry(memory(address, 3 * PAGE)), MACH_MSG_SUCCESS);
  expectBytes(get(b, b.take(inbox).descriptors[0]?.name ?? 0, 3 * PAGE), pattern(3 * PAGE));
});

test("A117 memory beyond the receiver's quota is VM_SPACE: its address is 0, it is gone, and nobody is charged", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine, 8, 4);
  const [large, small] = [filled(a, pattern(5 * PAGE)), filled(a, pattern(3 * PAGE))];
  const moved = [memory(large, 5 * PAGE, { deallocate: 1 }), memory(small, 3 * PAGE, { deallocate: 1 })];
  expectCode(carry(...moved), MACH_MSG_SUCCESS);
  const { code, message } = b.receive(inbox);
  expectCode(code, MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE);
  expect(message.descriptors[0]).toMatchObject({ name: 0, count: 5 * PAGE });
  expectBytes(get(b, message.descriptors[1]?.name ?? 0, 3 * PAGE), pattern(3 * PAGE));
  expectLeft(b, 1);
  expectLeft(a, 8);
});

test("A117 an array of ports beyond the receiver's quota is VM_SPACE: its address is 0, its rights are destroyed", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine, 8, 2);
  const port = a.allocate();
  const kept = filled(b, pattern(2 * PAGE));
  const [names, before] = [b.names(), machine.census()];
  expectCode(carry(inNewArray(a, [port, port], MACH_MSG_TYPE_MAKE_SEND)), MACH_MSG_SUCCESS);
  const { code, message } = b.receive(inbox);
  expectCode(code, MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE);
  expect(message.descriptors[0]).toMatchObject({ name: 0, count: 2 });
  expect(a.status(port).srights).toBe(0);
  expect([b.names(), machine.census()]).toEqual([names, before]);
  free(b, kept, PAGE);
  put(b, kept + PAGE, [1]);
  // One page that is free is enough for an array: it is charged to the receiver.
  free(b, kept + PAGE, PAGE);
  const last = filled(b, [1]);
  expectCode(carry(inNewArray(a, [port], MACH_MSG_TYPE_MAKE_SEND)), MACH_MSG_SUCCESS);
  const { descriptors } = b.take(inbox);
  expectLeft(b, 0);
  expect(b.sends(unpack(b, descriptors[0])[0] ?? 0)).toBe(1);
  free(b, last, PAGE);
  expectLeft(b, 2);
});

test("entries, their copies and remapped copies beyond a quota are RESOURCE_SHORTAGE; who maps a copy is charged", async () => {
  await using machine = await boot();
  const [a, b] = [machine.bounded(6), machine.bounded(4)];
  const create = MAP_MEM_NAMED_CREATE | VM_PROT_DEFAULT;
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => makeEntry(a, 0, { size: 7 * PAGE, permission: create }).code);
  const object = entryOf(a, 0, { size: 3 * PAGE, permission: create });
  expectLeft(a, 3);
  const far = give(a, object, MACH_MSG_TYPE_COPY_SEND, b);
  const [shared, copy] = [mapped(b, far, { size: 3 * PAGE }), mapped(b, far, { size: 3 * PAGE, copy: true })];
  expectLeft(b, 1);
  expectRefused(b, KERN_RESOURCE_SHORTAGE, () => tryMap(b, far, { copy: true }).code);
  const { traps, self } = b;
  const remap = (source: number): number => {
    const [cur, max] = [new Uint32Array(1), new Uint32Array(1)];
    const address = new Uint32Array(1);
    return traps.vm_remap(self, address, 2 * PAGE, 0, VM_FLAGS_ANYWHERE, self, source, true, cur, max, 1);
  };
  expectRefused(b, KERN_RESOURCE_SHORTAGE, () => remap(shared));
  free(b, copy, 3 * PAGE);
  expectLeft(b, 4);
  expectCode(remap(shared), KERN_SUCCESS);
  expectLeft(b, 2);
  free(b, shared, 3 * PAGE);
  expectCode(b.deallocate(far), KERN_SUCCESS);
  expectCode(a.deallocate(object), KERN_SUCCESS);
  expectLeft(a, 6);
});

test("a copy that is remapped in another task is charged to that task", async () => {
  await using machine = await boot();
  const [a, b] = [machine.bounded(8), machine.bounded(4)];
  const address = filled(a, pattern(3 * PAGE));
  const object = entryOf(a, address, { size: 3 * PAGE, permission: MAP_MEM_VM_SHARE | VM_PROT_DEFAULT });
  const from = give(a, a.self, MACH_MSG_TYPE_COPY_SEND, b);
  const [where, cur, max] = [new Uint32Array(1), new Uint32Array(1), new Uint32Array(1)];
  const remap = (size: number) =>
    b.traps.vm_remap(b.self, where, size, 0, VM_FLAGS_ANYWHERE, from, address, true, cur, max, 1);
  expectCode(remap(3 * PAGE), KERN_SUCCESS);
  expectLeft(a, 5);
  expectLeft(b, 1);
  expectRefused(b, KERN_RESOURCE_SHORTAGE, () => remap(2 * PAGE));
  expectLeft(a, 5);
  expectCode(a.deallocate(object), KERN_SUCCESS);
});

test("what a child must copy at once is charged to the child, though its parent must have room for it", async () => {
  await using machine = await boot();
  const a = machine.bounded(9);
  const address = filled(a, pattern(4 * PAGE));
  entryOf(a, address, { size: 4 * PAGE, permission: MAP_MEM_VM_SHARE | VM_PROT_DEFAULT }); // so that it is copied at once
  const name = new Uint32Array(1);
  for (let child = 0; child < 3; child++) expectCode(a.traps.task_create(a.self, 1, name), KERN_SUCCESS);
  expectLeft(a, 5);
  const more = filled(a, pattern(2 * PAGE));
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => a.traps.task_create(a.self, 1, name));
  free(a, more, 2 * PAGE);
  expectLeft(a, 5);
});

test("what a child must copy at once beyond its own quota, which is its parent's, is RESOURCE_SHORTAGE", async () => {
  await using machine = await boot();
  const a = machine.bounded(6);
  const size = 3 * PAGE;
  const object = entryOf(a, filled(a, pattern(size)), { size, permission: MAP_MEM_VM_SHARE | VM_PROT_DEFAULT });
  const name = new Uint32Array(1);
  mapped(a, object, { size, inheritance: 1 });
  expectCode(a.traps.task_create(a.self, 1, name), KERN_SUCCESS);
  mapped(a, object, { size, inheritance: 1 });
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => a.traps.task_create(a.self, 1, name));
  expectLeft(a, 3);
});

test("A203 what vm_read must copy is charged to who reads: beyond that quota RESOURCE_SHORTAGE, and nothing is left of it", async () => {
  await using machine = await boot();
  const [a, b] = [machine.bounded(3), machine.bounded(12)];
  const target = give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a);
  const address = filled(b, pattern(4 * PAGE));
  entryOf(b, address, { size: 4 * PAGE, permission: MAP_MEM_VM_SHARE | VM_PROT_DEFAULT }); // so that it is copied at once
  const [data, count] = [new Uint32Array(1), new Uint32Array(1)];
  expectRefused(a, KERN_RESOURCE_SHORTAGE, () => a.traps.vm_read(target, address, 4 * PAGE, data, count));
  expectLeft(b, 8);
  expectCode(a.traps.vm_read(target, address, 3 * PAGE, data, count), KERN_SUCCESS);
  expectBytes(get(a, data[0] ?? 0, 3 * PAGE), pattern(3 * PAGE));
  expectLeft(a, 0);
  expectLeft(b, 8);
});

test("A199 a move for which there is not enough memory removes nothing, and all of the message is the sender's again", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine, 9, 20);
  const first = filled(a, pattern(PAGE, 3));
  const spare = filled(a, pattern(2 * PAGE));
  const address = filled(a, pattern(5 * PAGE));
  // Both ends are parts of pages, which must be copied: there is room for one of them.
  const parts = memory(address + PAGE - 1, 2 * PAGE, { deallocate: 1 });
  for (let turn = 0; turn < 2; turn++) {
    expectRefused(a, MACH_SEND_NO_BUFFER, () => carry(parts));
    expectCode(carry(memory(first, PAGE, { deallocate: 1 }), parts), MACH_SEND_NO_BUFFER);
    expectBytes(get(a, address, 5 * PAGE), pattern(5 * PAGE));
    expectLeft(a, 1);
  }
  free(a, spare, 2 * PAGE);
  const moved = regions(a).find((region) => region.size === PAGE)?.address ?? 0;
  expectBytes(get(a, moved, PAGE), pattern(PAGE, 3));
  expectCode(carry(memory(moved, PAGE, { deallocate: 1 }), parts), MACH_MSG_SUCCESS);
  const [one, two] = b.take(inbox).descriptors;
  expectBytes(get(b, one?.name ?? 0, PAGE), pattern(PAGE, 3));
  expectBytes(get(b, two?.name ?? 0, 2 * PAGE), pattern(5 * PAGE).subarray(PAGE - 1, 3 * PAGE - 1));
});
