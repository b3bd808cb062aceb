// Random operations on a map: to make, remove, protect, read, write and copy memory.

import type { Random } from "../random.js";
import {
  INVALID_ADDRESS,
  INVALID_ARGUMENT,
  NO_SPACE,
  type Operation,
  pickBytes,
  pickRange,
  pickSpan,
  pickTarget,
  PROTECTION_FAILURE,
  type Range,
  READ,
  refusal,
  refuse,
  SUCCESS,
  WRITE,
} from "./choices.js";
import { type AddressMap, FIRST, FRESH, LAST, Page, PAGE, pagesFor, pagesIn, spanOf } from "./pages.js";
import { type Actor, must, type Plan, show, type World } from "./world.js";

const at = ({ address, size }: Range) => `${show(address)}, ${show(size)}`;

/** What of a range that is to be read or written is refused. */
export function refusalOf(map: AddressMap, { address, size }: Range, need: number): number {
  if (size === 0) return SUCCESS;
  const span = spanOf(address, size);
  if (span === null) return INVALID_ARGUMENT;
  return refusal(
    pagesIn(span).map((page) => map.at(page)),
    need,
  );
}

export const allocate: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const { map } = target;
  const anywhere = random.chance(55);
  const flags = random.chance(96) ? Number(anywhere) : random.pick([2, 3, 0x80000000]);
  const { start, end } = pickSpan(random, map, 15);
  let range: Range = { address: start * PAGE + random.pick([0, 0, 0, 1, 4095]), size: (end - start) * PAGE };
  if (random.chance(20)) range.size = 1 + random.below(range.size);
  if (random.chance(3)) range = pickRange(random, map, 0);
  if (random.chance(2)) range.address = 0;
  if (random.chance(3)) range.size = random.pick([0, 0x1000000, 0xffffffff, 0xfffff000]);
  const count = Math.ceil(range.size / PAGE);
  const { objects } = world;
  const code = world.call("vm_allocate", actor.handle, name, range.address, range.size, flags);
  const address = code === SUCCESS ? world.told(0) : 0;
  const plan = (): Plan => {
    if (flags > 1) return refuse(INVALID_ARGUMENT);
    if (range.size === 0) return { code: SUCCESS, apply: () => world.expect("the address", address, 0) };
    const span = anywhere ? { start: address / PAGE, end: address / PAGE + count } : spanOf(range.address, range.size);
    if (span === null || range.size > 0xfffff000) return refuse(INVALID_ARGUMENT);
    if (anywhere && !map.hasGap(count)) return refuse(NO_SPACE);
    if (!anywhere && (span.start < FIRST || span.end > LAST)) return refuse(INVALID_ADDRESS);
    if (!anywhere && !map.isFree(span)) return refuse(NO_SPACE);
    const apply = () => {
      world.expect("whether the address is free", map.isFree(span), true);
      world.expect("the address", address, span.start * PAGE);
      const pages = pagesIn(span).map(() => new Page());
      map.put(span.start, pages, FRESH);
    };
    return { code: SUCCESS, apply };
  };
  world.settle(`vm_allocate(${target.serial}, ${at(range)}, ${flags}) = ${show(address)}`, code, plan());
  world.expect("the number of objects, before anybody looked at the memory", world.objects, objects);
};

export const deallocate: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const range = pickRange(random, target.map, 75);
  const code = world.call("vm_deallocate", actor.handle, name, range.address, range.size);
  const span = spanOf(range.address, range.size);
  const plan: Plan =
    span === null && range.size > 0
      ? refuse(INVALID_ARGUMENT)
      : { code: SUCCESS, apply: () => (range.size > 0 && span !== null ? target.map.remove(span) : undefined) };
  world.settle(`vm_deallocate(${target.serial}, ${at(range)})`, code, plan);
};

export const protect: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const range = pickRange(random, target.map, 90);
  const maximum = random.chance(12) ? 1 : 0;
  const usual = maximum === 1 ? [7, 7, 3, 3, 1, 5] : [3, 3, 3, 3, 1, 1, 7, 0, 2];
  const prot = random.chance(96) ? random.pick(usual) : random.pick([4, 5, 6, 8, 0xffffffff]);
  setProtection(world, actor, { target, name, range, maximum, prot });
};

interface Protection {
  target: Actor;
  name: number;
  range: Range;
  maximum: number;
  prot: number;
}

function setProtection(world: World, actor: Actor, { target, name, range, maximum, prot }: Protection): void {
  const code = world.call("vm_protect", actor.handle, name, range.address, range.size, maximum, prot);
  const plan = (): Plan => {
    if (prot > 7) return refuse(INVALID_ARGUMENT);
    if (range.size === 0) return { code: SUCCESS };
    const span = spanOf(range.address, range.size);
    if (span === null) return refuse(INVALID_ARGUMENT);
    const slots = pagesIn(span).map((page) => target.map.at(page));
    for (const slot of slots) {
      if (slot === undefined) return refuse(INVALID_ADDRESS);
      if ((prot & ~slot.max) !== 0) return refuse(PROTECTION_FAILURE);
    }
    const apply = () => {
      for (const slot of target.map.whole(span) ?? []) {
        if (maximum === 0) slot.prot = prot;
        else if (world.mutation === "maximum-is-forgotten") slot.prot &= prot;
        else [slot.max, slot.prot] = [prot, slot.prot & prot];
      }
    };
    return { code: SUCCESS, apply };
  };
  world.settle(`vm_protect(${target.serial}, ${at(range)}, ${maximum}, ${prot})`, code, plan());
}

export const inherit: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const range = pickRange(random, target.map, 75);
  const how = random.chance(95) ? random.pick([0, 1, 1, 2]) : random.pick([3, 4, 0xffffffff]);
  const code = world.call("vm_inherit", actor.handle, name, range.address, range.size, how);
  const plan = (): Plan => {
    if (how > 2) return refuse(INVALID_ARGUMENT);
    if (range.size === 0) return { code: SUCCESS };
    const span = spanOf(range.address, range.size);
    if (span === null) return refuse(INVALID_ARGUMENT);
    const apply = () => {
      for (const page of pagesIn(span)) {
        const slot = target.map.slots.get(page);
        if (slot) slot.inherit = how;
      }
    };
    return { code: SUCCESS, apply };
  };
  world.settle(`vm_inherit(${target.serial}, ${at(range)}, ${how})`, code, plan());
};

/** Looks at one region; all of them are compared now and then. */
export const region: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const { address } = pickRange(random, target.map, 50);
  const code = world.call("vm_region", actor.handle, name, address);
  const told = code === SUCCESS ? [0, 1, 2, 3, 4, 5].map((index) => world.told(index)) : [];
  const wanted = target.map.region(Math.floor(address / PAGE));
  const apply = () => {
    if (wanted === null) return;
    const { start, end, prot, max, inherit: how, shared } = wanted;
    const all = [start * PAGE, (end - start) * PAGE, prot, max, how, Number(shared)];
    world.expect("the region", told.map(show).join(), all.map(show).join());
  };
  const plan = wanted === null ? refuse(INVALID_ADDRESS) : { code: SUCCESS, apply };
  world.settle(`vm_region(${target.serial}, ${show(address)})`, code, plan);
};

export const read: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const range = pickRange(random, target.map, 90);
  const code = world.call("vm_read", actor.handle, name, range.address, range.size);
  const [address, size] = code === SUCCESS ? [world.told(0), world.told(1)] : [0, 0];
  const refused = refusalOf(target.map, range, READ);
  const plan = (): Plan => {
    if (refused !== SUCCESS) return refuse(refused);
    const hasRoom = range.size === 0 || actor.map.hasGap(countOf(range));
    if (!hasRoom) return refuse(NO_SPACE);
    return {
      code: SUCCESS,
      apply: () =>
        arrive(world, actor, { address, size, offset: range.address }, target.map.read(range.address, range.size)),
    };
  };
  world.settle(`vm_read(${target.serial}, ${at(range)}) = ${show(address)}`, code, plan());
};

/** Pages that a range touches. */
export function countOf({ address, size }: Range): number {
  return Math.ceil(((address % PAGE) + size) / PAGE);
}

/** Bytes have come to an address that the kernel chose: it must be free, and at the same offset in its page. */
export function arrive(
  world: World,
  { map }: Actor,
  { address, size, offset }: Range & { offset: number },
  bytes: Uint8Array,
): void {
  world.expect("the size", size, bytes.length);
  if (size === 0) {
    world.expect("the address", address, 0);
    return;
  }
  world.expect("the offset in the page", address % PAGE, offset % PAGE);
  const span = spanOf(address, size) ?? { start: 0, end: 0 };
  world.expect("whether the address is free", span.end > span.start && map.isFree(span), true);
  map.put(span.start, pagesFor(address, bytes), FRESH);
}

/** Calls with a held kmsg of so many bytes. */
function withKmsg(world: World, actor: Actor, size: number, act: (kmsg: number, linear: number) => void): void {
  const { core } = world.agent;
  const kmsg = core.mach_msg_prepare(actor.handle, Math.max(24, size), 0) >>> 0;
  if (kmsg === 0) {
    world.expect("whether a kmsg may be wanting", world.isScarce, true);
    return;
  }
  act(kmsg, world.out(0));
  must("mach_msg_release", core.mach_msg_release(kmsg));
}

export const readOverwrite: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const range = pickRange(random, target.map, 90);
  const short = random.chance(4) && range.size > 24;
  const capacity = range.size > 0x100000 ? 24 : range.size - Number(short);
  withKmsg(world, actor, capacity, (kmsg, linear) => {
    const { objects } = world;
    const code = world.call("vm_read_overwrite", actor.handle, name, range.address, range.size, kmsg);
    const refused = refusalOf(target.map, range, READ);
    const plan = (): Plan => {
      if (refused === INVALID_ARGUMENT || short) return refuse(INVALID_ARGUMENT);
      if (refused !== SUCCESS) return refuse(refused);
      const apply = () => {
        const got = world.machine.bytes.subarray(linear, linear + range.size);
        const same = Buffer.compare(got, target.map.read(range.address, range.size)) === 0;
        world.expect("whether the bytes are right", same, true);
      };
      return { code: SUCCESS, apply };
    };
    world.settle(`vm_read_overwrite(${target.serial}, ${at(range)})`, code, plan());
    world.expect("the number of objects", world.objects, objects);
  });
};

export const write: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const range = pickRange(random, target.map, 92);
  // What was read-only when it was copied or shared is written later.
  if (random.chance(20)) setProtection(world, actor, { target, name, range, maximum: 0, prot: WRITE });
  const isHuge = range.size > 0x100000;
  const data = isHuge ? new Uint8Array(0) : pickBytes(random, range.size);
  withKmsg(world, actor, data.length, (kmsg, linear) => {
    world.machine.bytes.set(data, linear);
    const code = world.call("vm_write", actor.handle, name, range.address, kmsg, range.size);
    const refused = isHuge ? INVALID_ARGUMENT : refusalOf(target.map, range, WRITE);
    const apply = () => target.map.write(range.address, data);
    const plan = refused === SUCCESS ? { code: SUCCESS, apply } : refuse(refused);
    world.settle(`vm_write(${target.serial}, ${at(range)})`, code, plan);
  });
};

/** Writes into the task's own memory, if it may. */
export function writeWords(world: World, actor: Actor, address: number, data: Uint8Array): void {
  withKmsg(world, actor, data.length, (kmsg, linear) => {
    world.machine.bytes.set(data, linear);
    const code = world.call("vm_write", actor.handle, actor.self, address, kmsg, data.length);
    const refused = refusalOf(actor.map, { address, size: data.length }, WRITE);
    const apply = () => actor.map.write(address, data);
    const plan = refused === SUCCESS ? { code: SUCCESS, apply } : refuse(refused);
    world.settle(`vm_write(${actor.serial}, ${show(address)}, ${data.length} bytes)`, code, plan);
  });
}

export const copy: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const { map } = target;
  const from = pickRange(random, map, 92);
  const to = pickDestination(random, map, from);
  const code = world.call("vm_copy", actor.handle, name, from.address, from.size, to.address);
  const plan = (): Plan => {
    const reads = refusalOf(map, from, READ);
    const writes = refusalOf(map, to, WRITE);
    if (reads === INVALID_ARGUMENT || writes === INVALID_ARGUMENT) return refuse(INVALID_ARGUMENT);
    if (reads !== SUCCESS || writes !== SUCCESS) return refuse(reads || writes);
    return { code: SUCCESS, apply: () => map.write(to.address, map.read(from.address, from.size)) };
  };
  world.settle(`vm_copy(${target.serial}, ${at(from)}, ${show(to.address)})`, code, plan());
};

/** Where a copy goes: half of the time with the same offset in the page, now and then over itself. */
function pickDestination(random: Random, map: AddressMap, { address, size }: Range): Range {
  if (random.chance(15)) return { address: (address + random.pick([1, 4, PAGE, 2 * PAGE, -PAGE, 0])) >>> 0, size };
  const { start } = pickSpan(random, map, 92);
  const offset = random.chance(60) ? address % PAGE : random.below(PAGE);
  return { address: start * PAGE + offset, size };
}
