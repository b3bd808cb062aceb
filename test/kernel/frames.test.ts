// Runs of frames, by way of messages that no element has room for: where they come from, what memory grows by, and that
// nothing free is overlooked.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { type Agent, everywhere, Machine, type Space } from "./machine.ts";

const FRAME = 4096;
/** What a message needs besides its bytes: the trailer, and more. */
const BESIDES = 200;

interface VmTraps {
  vm_allocate(task: number, target: number, address: number, size: number, flags: number): number;
  vm_deallocate(task: number, target: number, address: number, size: number): number;
  vm_lease(task: number, address: number, size: number, kind: number): number;
  vm_lease_end(lease: number): number;
}

/** A message of so many frames, of two at least; 0: there is no room. */
function run(space: Space, frames: number): number {
  return space.agent.core.mach_msg_prepare(space.handle, frames * FRAME - BESIDES, 0) >>> 0;
}

function firstFrame(machine: Machine, kmsg: number): number {
  expect(kmsg).not.toBe(0);
  return (machine.words[(kmsg + layout.IpcKmsg_ikm_bytes) >> 2] as number) / FRAME;
}

function release(agent: Agent, ...kmsgs: number[]): void {
  for (const kmsg of kmsgs) expect(agent.core.mach_msg_release(kmsg)).toBe(0);
}

function pages(machine: Machine): number {
  return machine.words[(layout.HEADER + layout.Header_h_pages) >> 2] as number;
}

/** Takes all that is left in runs of two frames. */
function fill(space: Space): number[] {
  const taken: number[] = [];
  for (const frames of [32, 2])
    for (let kmsg = run(space, frames); kmsg !== 0; kmsg = run(space, frames)) taken.push(kmsg);
  return taken;
}

test("a run is the lowest that has room, and neighbours that are free are one", () => {
  const machine = new Machine();
  const one = machine.agent(1);
  const a = one.task();
  release(one, run(a, 2)); // the slabs that it takes are made
  const take = (frames: number) => {
    const kmsg = run(a, frames);
    return { kmsg, first: firstFrame(machine, kmsg) };
  };
  const [x, y, z] = [take(4), take(8), take(4)] as const;
  expect([y.first, z.first]).toEqual([x.first + 4, x.first + 12]);
  release(one, x.kmsg);
  const w = take(5);
  expect(w.first).toBe(z.first + 4);
  const v = take(3);
  expect(v.first).toBe(x.first);
  release(one, y.kmsg);
  expect(take(9).first).toBe(x.first + 3);
  release(one, v.kmsg);
  expect(take(3).first).toBe(x.first);
});

test("memory grows by what a run lacks, and not for one that can never be", () => {
  const machine = new Machine(256, 64);
  const one = machine.agent(1);
  const a = one.task();
  const kmsg = run(a, 2);
  const tail = pages(machine) * 16 - firstFrame(machine, kmsg) - 2;
  expect(tail).toBeGreaterThan(300);
  expect(run(a, 256 * 16)).toBe(0);
  expect(run(a, tail + 192 * 16 + 1)).toBe(0);
  expect(pages(machine)).toBe(64);
  // Begins at the end of what there is.
  const long = run(a, tail + 40 * 16);
  expect(firstFrame(machine, long)).toBe(firstFrame(machine, kmsg) + 2);
  expect(pages(machine)).toBe(104);
  release(one, long);
  expect(firstFrame(machine, run(a, tail + 192 * 16))).toBe(firstFrame(machine, kmsg) + 2);
  expect(pages(machine)).toBe(256);
});

test("who dies while it frees the only room hides nothing from others", () => {
  const machine = new Machine(64, 64);
  const [one, two, three] = [machine.agent(1), machine.agent(2), machine.agent(3)];
  const [a, b] = [one.task(), two.task()];
  b.on(one); // who dies leaves the message alone
  const kmsg = run(b, 5);
  fill(a);
  const hole = firstFrame(machine, kmsg);
  const places = everywhere(
    machine,
    two,
    () => release(two, kmsg),
    (place) => {
      three.buries(two);
      expect([place, firstFrame(machine, run(a, 5))]).toEqual([place, hole]);
      expect(three.core.kernel_check()).toBe(0);
    },
  );
  expect(places).toBeGreaterThan(20);
});

test("two that want the same run get one each", () => {
  const machine = new Machine(64, 64);
  const [one, two] = [machine.agent(1), machine.agent(2)];
  const [a, b] = [one.task(), two.task()];
  release(one, run(a, 2));
  release(two, run(b, 2));
  machine.save();
  for (let place = 0; ; place++) {
    machine.restore();
    let mine = 0;
    let theirs = 0;
    const came = one.passes(
      place,
      () => {
        mine = run(a, 4);
      },
      () => {
        theirs = run(b, 6);
      },
    );
    if (!came) break;
    const [x, y] = [firstFrame(machine, mine), firstFrame(machine, theirs)];
    expect(x + 4 <= y || y + 6 <= x, `${place}: ${x} and ${y}`).toBe(true);
    expect(one.core.kernel_check()).toBe(0);
  }
});

test("who dies while it frees or takes a memory object's run leaves no frame without an owner", () => {
  const machine = new Machine(64, 64);
  const [one, two, three] = [machine.agent(1), machine.agent(2), machine.agent(3)];
  const [a, b] = [one.task(), two.task()];
  b.on(one);
  const { vm_allocate, vm_deallocate, vm_lease, vm_lease_end } = two.core as unknown as VmTraps;
  const make = () => {
    expect(vm_allocate(b.handle, b.self, 0, 2 * FRAME, codes.VM_FLAGS_ANYWHERE)).toBe(0);
    return two.out(0);
  };
  const touch = (address: number) => {
    expect(vm_lease(b.handle, address, 2 * FRAME, 1)).toBe(0);
    expect(vm_lease_end(two.out(0))).toBe(0);
  };
  touch(make());
  const address = make();
  touch(address);
  fill(a);
  expect(run(a, 2)).toBe(0);
  const used = one.core.frames_used();
  const after = (place: number) => {
    three.buries(two);
    expect([place, three.core.kernel_check()]).toEqual([place, 0]);
  };
  const freed = everywhere(
    machine,
    two,
    () => vm_deallocate(b.handle, b.self, address, 2 * FRAME),
    (place) => {
      after(place);
      const left = one.core.frames_used();
      expect([used - 2, used]).toContain(left);
      if (left === used - 2) expect(run(a, 2)).not.toBe(0);
    },
  );
  expect(freed).toBeGreaterThan(100);
  machine.restore();
  expect(vm_deallocate(b.handle, b.self, address, 2 * FRAME)).toBe(0);
  const again = make();
  const taken = everywhere(
    machine,
    two,
    () => vm_lease(b.handle, again, 2 * FRAME, 1),
    (place) => {
      after(place);
      expect([used - 2, used]).toContain(one.core.frames_used());
    },
    7,
  );
  expect(taken).toBeGreaterThan(100);
});
