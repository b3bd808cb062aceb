// Calls on memory when memory is short: of nothing there is any left but a few of each thing that a call may want. The call succeeds, or says
// so and changes nothing.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, plainModule, type Space } from "./machine.ts";
import {
  AT,
  bytesAt,
  type Call,
  inArrays,
  inMessages,
  onAny,
  onOwn,
  PAGE,
  PAGES,
  type Setting,
  setting,
} from "./memory-calls.ts";
import { exhaust } from "./scarce.ts";

const RW = codes.VM_PROT_DEFAULT;

/** What is given back: entries of address maps, objects with a frame each, small messages, ports. */
interface Rest {
  entries: number;
  objects: number;
  messages: number;
  ports: number;
  /** No two of the frames lie together. */
  apart?: boolean;
}
const RESTS: Rest[] = [{ entries: 8, objects: 6, messages: 0, ports: 1 }];
for (let entries = 0; entries <= 8; entries++) {
  RESTS.push({ entries, objects: 6, messages: 1, ports: 0 });
  for (const objects of [0, 1, 2, 4, 6]) RESTS.push({ entries, objects, messages: 1, ports: 1 });
}

/** A page of new memory; 0: there is none. */
function allocate({ agent, handle, self }: Space): number {
  const code = agent.core.vm_allocate(handle, self, 0, PAGE, codes.VM_FLAGS_ANYWHERE);
  return code === codes.KERN_SUCCESS ? agent.out(0) : 0;
}

/** Takes all memory. Returns: gives some of it back. */
function starve(space: Space): (rest: Rest) => void {
  const { agent, handle, self } = space;
  const { core } = agent;
  const [spare, byte] = [0, 0].map(() => core.mach_msg_prepare(handle, 24, 0) >>> 0) as [number, number];
  const port = (right: number) => {
    const code = core.mach_port_allocate(handle, self, right);
    return code === codes.KERN_SUCCESS ? agent.out(0) : 0;
  };
  // So that there are more names than ports.
  for (const name of Array.from({ length: 700 }, () => port(codes.MACH_PORT_RIGHT_DEAD_NAME))) space.destroy(name);
  const objects: number[] = [];
  const entries: number[] = [];
  for (let at = allocate(space); at !== 0; at = allocate(space)) {
    if (core.vm_write(handle, self, at, byte, 1) !== codes.KERN_SUCCESS) break;
    objects.push(at);
  }
  exhaust(space);
  let last = 0;
  for (let name = port(codes.MACH_PORT_RIGHT_RECEIVE); name !== 0; name = port(codes.MACH_PORT_RIGHT_RECEIVE))
    last = name;
  for (let at = allocate(space); at !== 0; at = allocate(space)) entries.push(at);
  const middle = objects.length >> 1; // where their frames lie together
  return (rest) => {
    if (rest.messages > 0) expectKr(core.mach_msg_release(spare), codes.KERN_SUCCESS);
    if (rest.ports > 0) space.destroy(last);
    const step = rest.apart ? 2 : 1;
    const back = Array.from({ length: rest.objects }, (_, index) => objects[middle + index * step] as number);
    for (const at of back) expectKr(core.vm_deallocate(handle, self, at, PAGE), codes.KERN_SUCCESS);
    for (const _ of back) expect(allocate(space)).not.toBe(0); // the entries that they had
    for (const at of entries.slice(0, rest.entries)) expectKr(core.vm_deallocate(handle, self, at, PAGE), 0);
  };
}

/** The attributes of each page of a's memory, and its bytes. Whether a page is shared on purpose is not undone. */
function contents({ a, aside }: Setting): string {
  const { agent, handle, self } = a;
  const pages: string[] = [];
  for (let at = 0; agent.core.vm_region(handle, self, at) === codes.KERN_SUCCESS; ) {
    const [start, size, ...attributes] = [0, 1, 2, 3, 4].map((index) => agent.out(index)) as [number, number];
    for (at = start; at < start + size; at += PAGE) pages.push(`${at} ${attributes}`);
  }
  return `${pages} ${Buffer.from(bytesAt(a, aside, AT, PAGES * PAGE)).toString("latin1")}`;
}

const all: Record<string, Call> = {
  ...onAny,
  ...onOwn,
  ...inMessages,
  ...inArrays,
  "vm_compact of whole entries": { act: ({ one, a }) => one.core.vm_compact(a.handle, AT + 2 * PAGE, 3 * PAGE) },
};
/** What needs nothing. */
const LOOKS = ["vm_region", "vm_read_overwrite"];

test.each(Object.keys(all))("%s", { timeout: 60_000 }, (name) => {
  const world = setting("a", { module: plainModule(), told: 66 });
  const { machine, one } = world;
  const giveBack = starve(one.task());
  machine.save();
  const record = (one.record + layout.Processor_p_out) >> 2;
  const seen = new Set<number>();
  for (const rest of RESTS) {
    machine.restore();
    giveBack(rest);
    const before = contents(world);
    machine.words.fill(0, record, record + 4);
    const { act, gives = [], shows } = all[name] as Call;
    const code = act(world) >>> 0;
    const out = gives.map((index) => one.out(index));
    if (code === codes.KERN_SUCCESS) expect(out, JSON.stringify(rest)).not.toContain(0);
    if (code === codes.KERN_SUCCESS && shows) expect(shows(world, out), JSON.stringify(rest)).toBe(true);
    seen.add(code);
    const same = code !== codes.KERN_SUCCESS || name.startsWith("vm_compact");
    if (same) expect(contents(world), JSON.stringify(rest)).toBe(before);
    expect(one.core.kernel_check(), JSON.stringify(rest)).toBe(0);
    expect(machine.words.subarray(0, 16), "where a null points to").toEqual(new Uint32Array(16));
  }
  const { short = codes.KERN_RESOURCE_SHORTAGE } = all[name] as Call;
  const wanted = LOOKS.includes(name) ? [codes.KERN_SUCCESS] : [codes.KERN_SUCCESS, short];
  expect([...seen].sort()).toEqual(wanted.sort()); // to the bits that say what there was no room for
});

test("what must be copied is copied in pieces where no two frames lie together", () => {
  const world = setting("a", { module: plainModule(), told: 66 });
  const { one, a, aside } = world;
  const { core } = one;
  expectKr(core.vm_lease(a.handle, AT, 2 * PAGE, 1), codes.KERN_SUCCESS);
  starve(one.task())({ entries: 8, objects: 6, messages: 1, ports: 1, apart: true });
  expectKr(core.vm_read(a.handle, a.self, AT, 2 * PAGE), codes.KERN_SUCCESS);
  const copy = one.out(0);
  expectKr(core.vm_compact(a.handle, copy, 2 * PAGE), codes.KERN_RESOURCE_SHORTAGE);
  expect(bytesAt(a, aside, copy, 2 * PAGE)).toEqual(new Uint8Array(2 * PAGE).fill(1));
  expect(core.kernel_check()).toBe(0);
});

test("memory is found where there is none for a page table", () => {
  const world = setting("a", { module: plainModule() });
  const { machine, one, three, a } = world;
  expectKr(one.core.mach_make_memory_entry(a.handle, a.self, PAGE, AT + 3 * PAGE, codes.MAP_MEM_VM_SHARE | RW, 0), 0);
  const late = three.task();
  const entry = a.give(one.out(1), codes.MACH_MSG_TYPE_MOVE_SEND, late);
  expectKr(three.core.vm_map(late.handle, late.self, AT, PAGE, 0, 0, entry, 0, 0, RW, RW, 0), codes.KERN_SUCCESS);
  const kmsg = three.core.mach_msg_prepare(late.handle, PAGE, 0) >>> 0;
  exhaust(late);
  for (let turn = 0; turn < 2; turn++) expect(bytesAt(late, kmsg, AT, PAGE)).toEqual(new Uint8Array(PAGE).fill(1));
  expect(machine.bytes.subarray(0, 64)).toEqual(new Uint8Array(64)); // where a null points to
  expect(one.core.kernel_check()).toBe(0);
});
