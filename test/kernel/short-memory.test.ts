// Calls on memory when memory is short: of nothing there is any left but a few of each thing that a call may want. The call succeeds, or says
// so and changes nothing.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { expectKr, plainModule, type Space } from "./machine.ts";
import { AT, bytesAt, type Call, onAny, onOwn, PAGE, PAGES, type Setting, setting } from "./memory-calls.ts";
import { exhaust } from "./scarce.ts";

/** What is given back at the most: entries of address maps, objects with a frame and an entry each, small messages. */
const MOST = { entries: 6, objects: 6, messages: 1 };
type Rest = typeof MOST;

/** A page of new memory; 0: there is none. */
function allocate({ agent, handle, self }: Space): number {
  const code = agent.core.vm_allocate(handle, self, 0, PAGE, codes.VM_FLAGS_ANYWHERE);
  return code === codes.KERN_SUCCESS ? agent.out(0) : 0;
}

/** Takes all memory. Returns: gives some of it back. */
function starve(space: Space): (rest: Rest) => void {
  const { agent, handle, self } = space;
  const { core } = agent;
  const message = () => core.mach_msg_prepare(handle, 24, 0) >>> 0;
  const messages = Array.from({ length: MOST.messages }, message);
  const byte = message();
  const objects: number[] = [];
  const entries: number[] = [];
  for (let at = allocate(space); at !== 0; at = allocate(space)) {
    if (core.vm_write(handle, self, at, byte, 1) !== codes.KERN_SUCCESS) break;
    objects.push(at);
  }
  exhaust(space);
  for (let at = allocate(space); at !== 0; at = allocate(space)) entries.push(at);
  const middle = objects.length >> 1; // where their frames lie together
  return (rest) => {
    for (const kmsg of messages.slice(0, rest.messages)) expectKr(core.mach_msg_release(kmsg), codes.KERN_SUCCESS);
    for (const at of [...entries.slice(0, rest.entries), ...objects.slice(middle, middle + rest.objects)])
      expectKr(core.vm_deallocate(handle, self, at, PAGE), codes.KERN_SUCCESS);
  };
}

/** The attributes of each page of a's memory, and its bytes. Whether a page is shared on purpose is not undone. */
function contents({ a, kmsg }: Setting): string {
  const { agent, handle, self } = a;
  const pages: string[] = [];
  for (let at = 0; agent.core.vm_region(handle, self, at) === codes.KERN_SUCCESS; ) {
    const [start, size, ...attributes] = [0, 1, 2, 3, 4].map((index) => agent.out(index)) as [number, number];
    for (at = start; at < start + size; at += PAGE) pages.push(`${at} ${attributes}`);
  }
  return `${pages} ${Buffer.from(bytesAt(a, kmsg, AT, PAGES * PAGE)).toString("latin1")}`;
}

const all = { ...onAny, ...onOwn };
/** What needs nothing. */
const LOOKS = ["vm_region", "vm_read_overwrite"];

test.each(Object.keys(all))("%s", { timeout: 60_000 }, (name) => {
  const world = setting("a", { module: plainModule(), told: 66 });
  const { machine, one } = world;
  const giveBack = starve(one.task());
  machine.save();
  const seen = new Set<string>();
  const attempt = (rest: Rest) => {
    machine.restore();
    giveBack(rest);
    const before = contents(world);
    const code = (all[name] as Call).act(world) >>> 0;
    seen.add(codes.codeName(code));
    if (code !== codes.KERN_SUCCESS) expect(contents(world), JSON.stringify(rest)).toBe(before);
    expect(one.core.kernel_check(), JSON.stringify(rest)).toBe(0);
  };
  for (let messages = 0; messages <= MOST.messages; messages++)
    for (let objects = 0; objects <= MOST.objects; objects++)
      for (let entries = 0; entries <= MOST.entries; entries++) attempt({ messages, objects, entries });
  const wanted = ["KERN_RESOURCE_SHORTAGE", "KERN_SUCCESS"];
  expect([...seen].sort()).toEqual(LOOKS.includes(name) ? wanted.slice(1) : wanted);
});
