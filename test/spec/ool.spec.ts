// Out-of-line memory in messages (A103, A114, A117, A198 to A204): what arrives, what a refusal uses up, what is given back.

import { expect, test } from "vitest";
import {
  KERN_INVALID_ADDRESS,
  KERN_SUCCESS,
  MACH_MSG_OOL_DESCRIPTOR,
  MACH_MSG_OOL_VOLATILE_DESCRIPTOR,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_VM_SPACE,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_SEND_ONCE,
  MACH_RCV_BODY_ERROR,
  MACH_RCV_INVALID_DATA,
  MACH_RCV_LARGE,
  MACH_RCV_MSG,
  MACH_RCV_TIMEOUT,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_MEMORY,
  MACH_SEND_INVALID_RIGHT,
  MACH_SEND_TIMED_OUT,
  VM_PROT_NONE,
  VM_PROT_READ,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { type Line, line } from "../lib/line.js";
import {
  allocate,
  contents,
  expectBytes,
  filled,
  free,
  get,
  HIGHEST,
  LOWEST,
  memory,
  PAGE,
  pattern,
  put,
  regionAt,
  regions,
  tryGet,
} from "../lib/memory.js";
import { build, parse, type PortDescriptor } from "../lib/message.js";
import { told } from "../lib/notifications.js";
import { expectCode, expectUnchanged } from "../lib/space.js";

/** The bytes that a received descriptor tells of. */
function arrived({ b }: Pick<Line, "b">, descriptor: PortDescriptor | undefined): Uint8Array {
  const { name = 0, count = 0 } = descriptor ?? {};
  return get(b, name, count);
}

/** Gives received memory back. */
function release({ b }: Pick<Line, "b">, descriptors: readonly PortDescriptor[]): void {
  for (const { name, count = 0 } of descriptors) free(b, name, count);
}

test("A198 physical and virtual copies are snapshots of the moment of the send, for both sides", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, inbox, draft } = lined;
  const bytes = pattern(3 * PAGE + 100);
  for (const copy of [0, 1]) {
    for (const into of [0, 77]) {
      const address = filled(a, bytes, into);
      const descriptors = [memory(address, bytes.length, { copy }), memory(address + PAGE, 5, { copy })];
      expectCode(a.send(draft({ descriptors })), MACH_MSG_SUCCESS);
      put(a, address, pattern(bytes.length, 50));
      const message = b.take(inbox);
      const [whole, part] = message.descriptors;
      expectBytes(arrived(lined, whole), bytes);
      expectBytes(arrived(lined, part), bytes.subarray(PAGE, PAGE + 5));
      put(a, address, pattern(bytes.length, 60));
      put(b, (whole?.name ?? 0) + 1, [1, 2, 3]);
      put(b, part?.name ?? 0, [9, 9, 9, 9, 9]);
      expectBytes(get(a, address, bytes.length), pattern(bytes.length, 60));
      expectBytes(arrived(lined, whole).subarray(4), bytes.subarray(4));
      release(lined, message.descriptors);
      free(a, address, bytes.length);
    }
  }
  expect([regions(a), regions(b)]).toEqual([[], []]);
});

test("A114 memory arrives as a new region of exact size; deallocate says whether it was a virtual copy, the type as sent", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, pass } = lined;
  const bytes = pattern(2 * PAGE);
  const address = filled(a, bytes);
  for (const type of [MACH_MSG_OOL_DESCRIPTOR, MACH_MSG_OOL_VOLATILE_DESCRIPTOR]) {
    for (const copy of [0, 1]) {
      for (const [from, size] of [
        [0, 2 * PAGE],
        [0, 1],
        [5, PAGE],
        [PAGE - 1, 2],
      ] as const) {
        const { complex, descriptors } = pass(memory(address + from, size, { copy, type }));
        const [{ name, ...rest } = { name: 0 }] = descriptors;
        expect(complex).toBe(true);
        expect(rest).toEqual({ count: size, deallocate: copy, copy, disposition: 0, type });
        expectBytes(get(b, name, size), bytes.subarray(from, from + size));
        const { address: start, size: length, ...how } = regionAt(b, name) ?? { address: 0, size: 0 };
        expect([start <= name, name + size <= start + length]).toEqual([true, true]);
        expect(how).toEqual({ protection: 3, max_protection: 7, inheritance: 1, shared: false });
        free(b, name, size);
      }
    }
  }
  expect(regions(b)).toEqual([]);
  expectBytes(get(a, address, 2 * PAGE), bytes);
});

test("A199 deallocate takes the whole pages of the range from the sender, of a physical copy too", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, pass } = lined;
  const bytes = pattern(5 * PAGE);
  for (const copy of [0, 1]) {
    for (const [from, size, first, last] of [
      [0, 5 * PAGE, 0, 5],
      [PAGE, PAGE, 1, 2],
      [2 * PAGE + 5, 10, 2, 3],
      [2 * PAGE - 1, PAGE + 2, 1, 4],
    ] as const) {
      const address = filled(a, bytes);
      const { descriptors } = pass(memory(address + from, size, { copy, deallocate: 1 }));
      expectBytes(arrived(lined, descriptors[0]), bytes.subarray(from, from + size));
      for (let page = 0; page < 5; page++) {
        const there = tryGet(a, address + page * PAGE, PAGE);
        expectCode(there.code, page >= first && page < last ? KERN_INVALID_ADDRESS : KERN_SUCCESS);
        if (there.code === KERN_SUCCESS) expectBytes(there.bytes, bytes.subarray(page * PAGE, (page + 1) * PAGE));
      }
      put(b, descriptors[0]?.name ?? 0, [1]);
      release(lined, descriptors);
      free(a, address, 5 * PAGE);
    }
  }
  expect([regions(a), regions(b)]).toEqual([[], []]);
});

test("A200 A80 memory that cannot be read is INVALID_MEMORY, with the header's rights and what stands before it used up", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const bytes = pattern(3 * PAGE);
  const address = filled(a, bytes);
  expectCode(a.traps.vm_protect(a.self, address + 2 * PAGE, PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
  const reply = a.allocate();
  for (const [at, size] of [
    [0, 1],
    [address - 1, 2],
    [address + 2 * PAGE - 1, 2],
    [address + 2 * PAGE, 1],
    [address + 3 * PAGE, 1],
    [address, HIGHEST - address],
    [address, 0xffffffff],
    [0xffffffff, 1],
    [0xffffffff, 2],
    [HIGHEST, PAGE],
  ] as const) {
    for (const deallocate of [0, 1]) {
      const before = machine.census();
      const [gone, kept, given] = [a.allocateWithSend(), a.allocateWithSend(), filled(a, [1, 2, 3])];
      a.arm(gone, MACH_NOTIFY_NO_SENDERS, reply);
      const descriptors = [
        { name: gone, disposition: MACH_MSG_TYPE_MOVE_SEND },
        memory(given, 3, { deallocate: 1 }),
        memory(address, PAGE),
        memory(at, size, { deallocate }),
        { name: kept, disposition: MACH_MSG_TYPE_MOVE_SEND },
      ];
      const code = a.send(draft({ descriptors, local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE }));
      expectCode(code, MACH_SEND_INVALID_MEMORY);
      expect(told(a, reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
      expect(told(a, reply).id).toBe(MACH_NOTIFY_NO_SENDERS);
      expect([a.sends(gone), a.sends(kept)]).toEqual([0, 1]);
      expectCode(tryGet(a, given, 3).code, KERN_INVALID_ADDRESS);
      expectBytes(get(a, address, 2 * PAGE), bytes.subarray(0, 2 * PAGE));
      b.expectEmpty(inbox);
      expectCode(a.destroy(gone), KERN_SUCCESS);
      expectCode(a.destroy(kept), KERN_SUCCESS);
      const { vmes: _, ...zones } = machine.census();
      const { vmes: __, ...wanted } = before;
      expect(zones).toEqual(wanted);
    }
  }
  expect(regionAt(a, address + 2 * PAGE)).toMatchObject({ address: address + 2 * PAGE, protection: VM_PROT_NONE });
});

test("A80 a bad right behind memory uses the memory up, one before it does not", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const before = machine.census();
  const bad = { name: 0x7703, disposition: MACH_MSG_TYPE_COPY_SEND };
  for (const [behind, left] of [
    [true, KERN_INVALID_ADDRESS],
    [false, KERN_SUCCESS],
  ] as const) {
    const given = memory(filled(a, pattern(3 * PAGE)), 3 * PAGE, { deallocate: 1 });
    expectCode(a.send(draft({ descriptors: behind ? [given, bad] : [bad, given] })), MACH_SEND_INVALID_RIGHT);
    expectCode(tryGet(a, given.name, 1).code, left);
    free(a, given.name, 3 * PAGE);
  }
  b.expectEmpty(inbox);
  expect(machine.census()).toEqual(before);
});

test("A79 a send that is refused for its header leaves the memory", async () => {
  await using machine = await boot();
  const { a, b, draft } = line(machine);
  const address = filled(a, pattern(PAGE));
  const descriptors = [memory(address, PAGE, { deallocate: 1 })];
  const before = contents(a);
  expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => a.send(draft({ remote: 0x7703, descriptors })));
  expect(contents(a)).toEqual(before);
});

test("A201 A114 no bytes at any address are legal and arrive as size 0, address 0", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const address = filled(a, pattern(PAGE));
  for (const at of [0, 1, address, address + 5, HIGHEST, 0xffffffff]) {
    for (const deallocate of [0, 1]) {
      for (const copy of [0, 1]) {
        const { descriptors } = pass(memory(at, 0, { deallocate, copy }));
        expect(descriptors).toEqual([{ name: 0, count: 0, deallocate: copy, copy, disposition: 0, type: 1 }]);
      }
    }
  }
  expect(regions(b)).toEqual([]);
  expectBytes(get(a, address, PAGE), pattern(PAGE));
});

test("A202 descriptors that overlap are copied independently, in order", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, pass } = lined;
  const bytes = pattern(4 * PAGE);
  const address = filled(a, bytes);
  const { descriptors } = pass(
    memory(address, 3 * PAGE),
    memory(address + PAGE, 3 * PAGE),
    memory(address + PAGE + 5, 10, { copy: 0 }),
    memory(address, 4 * PAGE, { deallocate: 1 }),
  );
  const [first, second, third, last] = descriptors;
  expectBytes(arrived(lined, first), bytes.subarray(0, 3 * PAGE));
  put(b, (first?.name ?? 0) + PAGE, pattern(PAGE, 40));
  expectBytes(arrived(lined, second), bytes.subarray(PAGE));
  expectBytes(arrived(lined, third), bytes.subarray(PAGE + 5, PAGE + 15));
  put(b, second?.name ?? 0, pattern(PAGE, 30));
  expectBytes(arrived(lined, last), bytes);
  expect(regions(a)).toEqual([]);
  release(lined, descriptors);
  expect(regions(b)).toEqual([]);
});

test("A202 what an earlier descriptor takes away is INVALID_MEMORY for a later one, by whole pages", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  const before = machine.census();
  for (const copy of [0, 1]) {
    for (const [from, size, then, length] of [
      [0, 4 * PAGE, 0, 4 * PAGE],
      [0, PAGE, 0, 1],
      [5, 1, 100, 1],
      [PAGE, PAGE, 0, 2 * PAGE],
    ] as const) {
      const address = filled(a, pattern(4 * PAGE));
      const descriptors = [
        memory(address + from, size, { copy, deallocate: 1 }),
        memory(address + then, length, { copy, deallocate: 1 }),
      ];
      expectCode(a.send(draft({ descriptors })), MACH_SEND_INVALID_MEMORY);
      expectCode(tryGet(a, address + from, 1).code, KERN_INVALID_ADDRESS);
      b.expectEmpty(inbox);
      free(a, address, 4 * PAGE);
    }
  }
  expect(machine.census()).toEqual(before);
});

test("A103 A99 a send that timed out gives the memory back at an address of its own; deallocate has taken the old", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft } = line(machine);
  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  const before = machine.census();
  const bytes = pattern(2 * PAGE + 9);
  for (const deallocate of [0, 1]) {
    for (const copy of [0, 1]) {
      const address = filled(a, bytes, 20);
      const msg = build(draft({ descriptors: [memory(address, bytes.length, { deallocate, copy }), memory(0, 0)] }));
      expectCode(a.send(msg), MACH_SEND_TIMED_OUT);
      const [back, none] = parse(msg).descriptors;
      expect(back).toMatchObject({ count: bytes.length, deallocate: copy, copy, type: MACH_MSG_OOL_DESCRIPTOR });
      expect(none).toMatchObject({ name: 0, count: 0 });
      const name = back?.name ?? 0;
      expectBytes(get(a, name, bytes.length), bytes);
      if (deallocate === 0) {
        put(a, address, [1, 2, 3]);
        expectBytes(get(a, name, bytes.length), bytes);
        free(a, address, bytes.length);
      }
      expect(regions(a).length).toBe(1);
      free(a, name, bytes.length);
    }
  }
  expect(regions(a)).toEqual([]);
  expect(machine.census()).toEqual(before);
});

test("A103 a message that was given back can be sent again as it is", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, inbox, draft } = lined;
  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  const address = filled(a, pattern(PAGE));
  const msg = build(draft({ descriptors: [memory(address, PAGE, { deallocate: 1 })] }));
  for (let times = 0; times < 3; times++) expectCode(a.send(msg), MACH_SEND_TIMED_OUT);
  expectCode(b.setQlimit(inbox, 1), KERN_SUCCESS);
  expectCode(a.send(msg), MACH_MSG_SUCCESS);
  const { descriptors } = b.take(inbox);
  expectBytes(arrived(lined, descriptors[0]), pattern(PAGE));
  expect(regions(a)).toEqual([]);
});

test("A117 without room for memory its address is 0 and it is gone; the rest arrives", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, inbox, draft } = lined;
  const port = a.allocate();
  const address = filled(a, pattern(4 * PAGE));
  allocate(b, HIGHEST - LOWEST);
  free(b, 0x1000000, 3 * PAGE);
  const before = machine.census();
  const descriptors = [
    memory(address, 4 * PAGE),
    { name: port, disposition: MACH_MSG_TYPE_MAKE_SEND },
    memory(address, 2 * PAGE),
    memory(address, 2 * PAGE),
    memory(address, PAGE),
  ];
  expectCode(a.send(draft({ descriptors })), MACH_MSG_SUCCESS);
  const { code, message } = b.receive(inbox);
  expectCode(code, MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE);
  const [wide, right, good, second, last] = message.descriptors;
  expect(wide).toMatchObject({ name: 0, count: 4 * PAGE, type: MACH_MSG_OOL_DESCRIPTOR });
  expect(second).toMatchObject({ name: 0, count: 2 * PAGE });
  expect(b.sends(right?.name ?? 0)).toBe(1);
  expectBytes(arrived(lined, good), pattern(4 * PAGE).subarray(0, 2 * PAGE));
  expectBytes(arrived(lined, last), pattern(4 * PAGE).subarray(0, PAGE));
  free(b, 0x1000000, 3 * PAGE);
  expectCode(b.deallocate(right?.name ?? 0), KERN_SUCCESS);
  expect({ ...machine.census(), vmes: 0 }).toEqual({ ...before, vmes: 0 });
});

test("A203 memory of a message that nobody receives is given back: queue destroyed, message refused, too large, cut off", async () => {
  await using machine = await boot();
  const { a, b, inbox, draft, carry } = line(machine);
  const send = (deallocate: number): void => {
    const address = filled(a, pattern(40 * PAGE));
    const descriptors = [memory(address, 40 * PAGE), memory(address + 5, 9 * PAGE, { copy: 0, deallocate })];
    expectCode(a.send(draft({ descriptors })), MACH_MSG_SUCCESS);
    free(a, address, 40 * PAGE);
  };
  const lost = [
    () => expectCode(b.receive(inbox, { size: 40 }).code, MACH_RCV_TOO_LARGE),
    () => {
      const short = new Uint8Array(40);
      expectCode(b.traps.mach_msg(short, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 200, inbox, 0, 0), MACH_RCV_INVALID_DATA);
    },
    () => {
      const count = new Uint32Array(1);
      expectCode(b.traps.mach_msg_receive_many(new Uint8Array(40), 0, 40, inbox, count), MACH_RCV_TOO_LARGE);
    },
    () => {
      expectCode(b.receive(inbox, { size: 40, option: MACH_RCV_LARGE }).code, MACH_RCV_TOO_LARGE);
      b.traps.mach_msg_destroy(build({ descriptors: b.take(inbox).descriptors.slice(0, 1) }));
      free(b, regions(b)[0]?.address ?? 0, 10 * PAGE); // the physical copy: mach_msg_destroy leaves it
    },
  ];
  const work = (end: () => void): void => {
    send(0);
    end();
    send(1);
    end();
  };
  for (const end of lost) work(end);
  const [before, frames] = [machine.census(), a.core.frames_used()];
  for (const end of lost) {
    work(end);
    expect(regions(b)).toEqual([]);
    expect(machine.census()).toEqual(before);
    expect(a.core.frames_used()).toBe(frames);
  }
  send(0);
  send(1);
  expectCode(carry(memory(filled(a, [1]), 1, { deallocate: 1 })), MACH_MSG_SUCCESS);
  expectCode(b.destroy(inbox), KERN_SUCCESS);
  expect(a.core.frames_used()).toBeLessThanOrEqual(frames);
  expect({ ...machine.census(), ports: 0 }).toEqual({ ...before, ports: 0 });
});

test("A203 memory in a message that waits survives its sender, and goes with its receiver", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, inbox, draft } = lined;
  const before = machine.census();
  const bytes = pattern(10 * PAGE);
  const send = (from: Line["a"]): void => {
    const address = filled(from, bytes);
    expectCode(from.send(draft({ descriptors: [memory(address, bytes.length)] })), MACH_MSG_SUCCESS);
  };
  send(a);
  send(a);
  a.task[Symbol.dispose]();
  const { descriptors } = b.take(inbox);
  expectBytes(arrived(lined, descriptors[0]), bytes);
  b.task[Symbol.dispose]();
  const left = machine.census();
  expect([left.objects, left.vmes, left.smallKmsgs]).toEqual([0, 0, before.smallKmsgs]);
});

test("A203 memory goes with a port that goes with a message, however deep", async () => {
  await using machine = await boot();
  const [a, before] = [machine.task(), machine.census()];
  const frames = a.core.frames_used();
  let outer = a.allocate();
  for (let link = 0; link < 500; link++) {
    const next = a.allocate();
    const descriptors = [
      memory(filled(a, pattern(PAGE)), PAGE, { deallocate: 1 }),
      { name: outer, disposition: MACH_MSG_TYPE_MOVE_RECEIVE },
    ];
    const to = { remote: next, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND };
    expectCode(a.send({ ...to, descriptors }), MACH_MSG_SUCCESS);
    outer = next;
  }
  expect(a.core.frames_used()).toBeGreaterThan(frames + 499);
  expectCode(a.destroy(outer), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A204 the receiver gives a region back by its address and size, or a part of it", async () => {
  await using machine = await boot();
  const { a, b, pass } = line(machine);
  const address = filled(a, pattern(5 * PAGE), 50);
  const { descriptors } = pass(memory(address, 5 * PAGE));
  const { name = 0, count = 0 } = descriptors[0] ?? {};
  free(b, name + PAGE, 2 * PAGE);
  expectBytes(get(b, name + 3 * PAGE, PAGE), pattern(5 * PAGE).subarray(3 * PAGE, 4 * PAGE));
  expectCode(tryGet(b, name + PAGE, 1).code, KERN_INVALID_ADDRESS);
  free(b, name, count);
  expect(regions(b)).toEqual([]);
});

test("A214 mach_msg_destroy gives received memory back where its descriptor says deallocate; volatile memory is skipped", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const address = filled(a, pattern(PAGE));
  const code = carry(
    memory(address, PAGE),
    memory(address, PAGE, { copy: 0 }),
    memory(address, PAGE, { type: MACH_MSG_OOL_VOLATILE_DESCRIPTOR }),
    memory(address, 0),
  );
  expectCode(code, MACH_MSG_SUCCESS);
  const { buffer, message } = b.receive(inbox);
  const [virtual, ...kept] = message.descriptors.slice(0, 3).map(({ name }) => name) as [number, number, number];
  b.traps.mach_msg_destroy(buffer);
  expectCode(tryGet(b, virtual, 1).code, KERN_INVALID_ADDRESS);
  for (const name of kept) expectBytes(get(b, name, PAGE), pattern(PAGE));
});

test("A215 mach_msg_destroy of an unsent message takes the memory that it would give away", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [gone, kept] = [filled(a, pattern(2 * PAGE)), filled(a, pattern(PAGE))];
  const descriptors = [memory(gone + 5, PAGE, { deallocate: 1 }), memory(kept, PAGE), memory(0, 9, { deallocate: 1 })];
  a.traps.mach_msg_destroy(build({ descriptors }));
  expect(regions(a)).toMatchObject([{ address: kept, size: PAGE }]);
});

test("A198 memory that may only be read is sent all the same, and received to be written", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, pass } = lined;
  const address = filled(a, pattern(PAGE));
  expectCode(a.traps.vm_protect(a.self, address, PAGE, true, VM_PROT_READ), KERN_SUCCESS);
  const { descriptors } = pass(memory(address, PAGE));
  put(b, descriptors[0]?.name ?? 0, [1]);
  expectBytes(get(a, address, PAGE), pattern(PAGE));
});

test("A198 memory that was never touched arrives as zero; a page of it may be written on either side", async () => {
  await using machine = await boot();
  const lined = line(machine);
  const { a, b, inbox, carry } = lined;
  const address = allocate(a, 1 << 20);
  expectCode(carry(memory(address, 1 << 20), memory(address, 1 << 20, { deallocate: 1 })), MACH_MSG_SUCCESS);
  const { descriptors } = b.take(inbox);
  for (const descriptor of descriptors) expect(arrived(lined, descriptor).some((byte) => byte !== 0)).toBe(false);
  put(b, (descriptors[0]?.name ?? 0) + 5 * PAGE, [1]);
  expect(arrived(lined, descriptors[1]).some((byte) => byte !== 0)).toBe(false);
});
