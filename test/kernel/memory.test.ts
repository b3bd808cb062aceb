// Memory that grows, that does not, and that ends in the midst of a call.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { expectKr, Machine } from "./machine.ts";
import { exhaust } from "./scarce.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const DEAD = codes.MACH_PORT_RIGHT_DEAD_NAME;
const FRAME = 4096;
const PAGE = 65536;

function pair(maximum?: number, initial?: number, told?: number) {
  const machine = new Machine(maximum, initial, { told });
  const [one, two] = [machine.agent(1), machine.agent(2)];
  return { machine, one, two, a: one.task(), b: two.task() };
}

describe("memory grows", () => {
  test("by as many pages as a message needs", () => {
    const { machine, one, a } = pair(1024, 48);
    const pages = () => machine.memory.buffer.byteLength / PAGE;
    const grown = (frames: number) => {
      const before = pages();
      expect(one.core.mach_msg_prepare(a.handle, frames * FRAME - 200, 0)).not.toBe(0);
      return pages() - before;
    };
    grown(1024); // begins where the memory that there was is free, and leaves less than a page
    for (const frames of [1024, 1025, 1039, 1040, 1041]) {
      const growth = grown(frames);
      expect(growth).toBeGreaterThanOrEqual(Math.ceil((frames - 15) / 16));
      expect(growth).toBeLessThanOrEqual(Math.ceil(frames / 16));
    }
  });

  test("no further than the runtime lets it, whatever the kernel was told", () => {
    const { one, a } = pair(80, 64, 256);
    const free = exhaust(a);
    expect(one.core.mach_msg_prepare(a.handle, 24, 0)).toBe(0);
    expectKr(one.out(1), codes.MACH_SEND_NO_BUFFER);
    free();
    expect(one.core.mach_msg_prepare(a.handle, 24, 0)).not.toBe(0);
    expect(one.core.kernel_check()).toBe(0);
  });
});

describe("when memory is used up", () => {
  test("a name far from all others is refused", () => {
    const { one, a } = pair(96, 64);
    const port = a.allocate();
    const free = exhaust(a);
    a.destroy(port);
    const far = ((1 << 18) << 8) | 3;
    for (const right of [codes.MACH_PORT_RIGHT_RECEIVE, DEAD]) {
      expectKr(one.core.mach_port_allocate_name(a.handle, a.self, right, far), codes.KERN_NO_SPACE);
      expect(a.type(far)).toBe(0);
    }
    free();
    expectKr(one.core.mach_port_allocate_name(a.handle, a.self, DEAD, far), codes.KERN_SUCCESS);
    expect(one.core.kernel_check()).toBe(0);
  });

  test("a right for another task whose hash is full is refused, and ends", () => {
    const { machine, one, two, a, b } = pair();
    const nameOfA = a.give(a.self, COPY, b);
    // With the task port three quarters of the smallest hash.
    for (let n = 0; n < 767; n++) b.give(b.allocate(), MAKE, a);
    const port = b.allocate();
    const spare = b.prepare({}).kmsg;
    const [freeB, freeA] = [exhaust(b), exhaust(a)];
    expectKr(two.core.mach_msg_release(spare), codes.KERN_SUCCESS); // what carries the right
    const fresh = (1000 << 8) | 3; // in a chunk that is there
    const code = two.core.mach_port_insert_right(b.handle, nameOfA, fresh, port, MAKE);
    expectKr(code, codes.KERN_RESOURCE_SHORTAGE);
    expect(a.type(fresh)).toBe(0);
    freeA();
    freeB();
    for (const space of [a, b]) space.terminate();
    expect(machine.census(one)).toEqual({});
    expect(one.core.kernel_check()).toBe(0);
  });

  test("a guarded right that finds no name says so, and ends", () => {
    const { machine, one, two, a, b } = pair(96, 64);
    const inbox = b.allocate();
    const out = b.give(inbox, MAKE, a);
    const port = a.allocate();
    const descriptors = [
      {
        name: port,
        disposition: codes.MACH_MSG_TYPE_MOVE_RECEIVE,
        type: codes.MACH_MSG_GUARDED_PORT_DESCRIPTOR,
        flags: codes.MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE | codes.MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
      },
    ];
    expectKr(a.send({ remote: out, remoteDisposition: codes.MACH_MSG_TYPE_MOVE_SEND, descriptors }), 0);
    const [freeB, freeA] = [exhaust(b), exhaust(a)];
    while (two.core.mach_port_allocate(b.handle, b.self, DEAD) === 0);
    const option = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT | codes.MACH_RCV_GUARDED_DESC;
    const code = two.core.mach_msg_trap(b.handle, 0, option, 0, 4096, inbox, 0, 0) >>> 0;
    expectKr(code, codes.MACH_RCV_BODY_ERROR | codes.MACH_MSG_IPC_SPACE);
    two.core.mach_msg_release(two.out(0));
    freeA();
    freeB();
    for (const space of [a, b]) space.terminate();
    expect(machine.census(one)).toEqual({});
    expect(one.core.kernel_check()).toBe(0);
  });
});

test("what a quota of messages refuses is not counted", () => {
  const one = new Machine(96, 64).agent(1);
  const a = one.task(4000);
  const prepare = () => one.core.mach_msg_prepare(a.handle, 24, 0) >>> 0;
  const made: number[] = [];
  for (let kmsg = prepare(); kmsg !== 0; kmsg = prepare()) made.push(kmsg);
  expectKr(one.out(1), codes.MACH_SEND_NO_BUFFER);
  expect(made.length).toBeGreaterThan(2);
  for (let turn = 0; turn < 20; turn++) {
    expect(prepare()).toBe(0);
    expectKr(one.core.mach_msg_release(made.pop() as number), codes.KERN_SUCCESS);
    made.push(prepare());
    expect(made.at(-1)).not.toBe(0);
  }
  expect(prepare()).toBe(0);
});
