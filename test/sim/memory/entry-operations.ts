// Random operations on memory in more than one place: memory entries, what is mapped of them and of other tasks, and children.

import type { Random } from "../random.js";
import {
  INVALID_ADDRESS,
  INVALID_ARGUMENT,
  NO_SPACE,
  type Operation,
  pickRange,
  pickTarget,
  PROTECTION_FAILURE,
  type Range,
  READ,
  refusal,
  refuse,
  SUCCESS,
} from "./choices.js";
import { type AddressMap, FIRST, LAST, Page, PAGE, pagesIn, type Slot, type Span, spanOf } from "./pages.js";
import { type Actor, type Entry, memoryOf, type Plan, SHORTAGE, show, type World } from "./world.js";

const INVALID_RIGHT = 17;
const MASK = 0x40;
const CREATE = 0x20000;
const REUSE = 0x80000;
const COPY = 0x200000;
const SHARE = 0x400000;
const ENTRIES_MAX = 5;
const CHILDREN_MAX = 2;

/** What of `asked` is allowed, or null: more is asked than there is. */
function allowed(asked: number, limit: number): number | null {
  const prot = asked & 7;
  return (prot & ~limit) !== 0 && (asked & MASK) === 0 ? null : prot & limit;
}

function both(slots: readonly Slot[], of: "prot" | "max"): number {
  return slots.reduce((bits, slot) => bits & slot[of], 7);
}

/** Pages as they are, which from now on are shared on purpose. */
function share(world: World, slots: readonly Slot[]): Page[] {
  for (const slot of slots) slot.shared = true;
  return slots.map(({ page }) => (world.mutation === "share-copies" ? page.copy() : page));
}

interface Made {
  size: number;
  pages: Page[];
  prot: number;
  isCopy: boolean;
  /** The entry itself, which was used again. */
  same?: Entry;
}

/** What the model says of a new entry of a range of a map. */
function ofMemory(world: World, map: AddressMap, span: Span, permission: number): number | (() => Made) {
  const size = (span.end - span.start) * PAGE;
  const prot = permission & 7;
  if (permission & CREATE) return () => ({ size, pages: pagesIn(span).map(() => new Page()), prot, isCopy: false });
  if (span.start < FIRST) return INVALID_ADDRESS;
  const slots = map.whole(span);
  if (slots === null) return INVALID_ADDRESS;
  const isCopy = (permission & COPY) !== 0;
  const most = isCopy ? prot : allowed(permission, both(slots, "prot"));
  if (most === null || refusal(slots, READ) !== SUCCESS) return PROTECTION_FAILURE;
  return () => ({
    size,
    pages: isCopy ? slots.map(({ page }) => page.copy()) : share(world, slots),
    prot: most,
    isCopy,
  });
}

/** What the model says of a new entry of a part of another. */
function ofParent(parent: Entry | undefined, span: Span, permission: number): number | (() => Made) {
  if (parent === undefined || parent.isCopy || span.end > parent.pages.length) return INVALID_ARGUMENT;
  if ((permission & (CREATE | COPY)) !== 0) return INVALID_ARGUMENT;
  const prot = allowed(permission, parent.prot);
  if (prot === null) return PROTECTION_FAILURE;
  const pages = parent.pages.slice(span.start, span.end);
  const isSame = (permission & REUSE) !== 0 && pages.length === parent.pages.length && prot === parent.prot;
  const made = { size: pages.length * PAGE, pages, prot, isCopy: false };
  return () => (isSame ? { ...made, same: parent } : made);
}

/** The name of an entry, of something else, or of nothing. */
function pickEntry(world: World, random: Random, actor: Actor): { entry: Entry | undefined; name: number } {
  if (world.entries.length === 0 || random.chance(5)) {
    return {
      entry: undefined,
      name: random.pick([actor.self, actor.names.get(actor.port) ?? 0, 0xfffff703, 0xffffffff]),
    };
  }
  const entry = random.pick(world.entries);
  return { entry, name: actor.names.get(entry.port) ?? 0 };
}

export const makeEntry: Operation = (world, random, actor) => {
  if (world.entries.length >= ENTRIES_MAX) return dropEntry(world, random, actor);
  const { target, name } = pickTarget(world, random, actor);
  const isPart = random.chance(25);
  const { entry: parent, name: parentName } = isPart ? pickEntry(world, random, actor) : { entry: undefined, name: 0 };
  const kind = random.pick([0, CREATE, COPY, COPY, SHARE, SHARE, SHARE]);
  const odd = random.chance(4) ? random.pick([8, CREATE | COPY, 0x100, COPY | SHARE]) : 0;
  const prot = random.pick([3, 3, 3, 1, 7, 0]) | (random.chance(15) ? MASK : 0);
  const permission = (prot | (random.chance(15) ? REUSE : 0) | kind | odd) >>> 0;
  const range = isPart ? pickPart(random, parent) : pickRange(random, target.map, 92);
  const { address, size } = range;
  const code = world.call("mach_make_memory_entry", actor.handle, name, size, address, permission, parentName);
  const [told, made] = code === SUCCESS ? [world.told(0), world.told(1)] : [0, 0];
  const span = spanOf(address, size);
  const kinds = [CREATE, COPY, SHARE].filter((bit) => (permission & bit) !== 0).length;
  const isOdd = (permission & ~(7 | MASK | CREATE | REUSE | COPY | SHARE)) !== 0 || kinds > 1;
  const plan = (): Plan => {
    if (isOdd || size === 0 || span === null) return refuse(INVALID_ARGUMENT);
    const found = isPart ? ofParent(parent, span, permission) : ofMemory(world, target.map, span, permission);
    if (typeof found === "number") return refuse(found);
    return {
      code: SUCCESS,
      apply: () => {
        const { same, ...rest } = found();
        world.expect("the size of the entry", told, rest.size);
        if (same === undefined) world.adoptEntry(actor, made, rest);
        else world.expect("the name of the entry", show(made), show(parentName));
      },
    };
  };
  const call = `make_memory_entry(${target.serial}, ${show(size)}, ${show(address)}, ${show(permission)}, ${show(parentName)}) = ${show(made)}`;
  world.settle(call, code, plan());
  if (code === SHORTAGE) lookWhatIsShared(world, target, span);
};

/** A part of an entry, mostly one that there is. */
function pickPart(random: Random, entry: Entry | undefined): Range {
  const count = entry?.pages.length ?? 4;
  if (random.chance(30)) return { address: 0, size: count * PAGE };
  const start = random.below(count);
  const address = start * PAGE + random.pick([0, 0, 0, 1, 4095]);
  return { address, size: 1 + random.below((count - start) * PAGE + (random.chance(10) ? PAGE : 0)) };
}

/** Gives the names of an entry up, if no message carries one; what is mapped of it stays. */
export const dropEntry: Operation = (world, random, actor) => {
  const carried = world.carried();
  const droppable = world.entries.filter(({ port }) => !carried.has(port));
  if (droppable.length === 0) return makeOrMap(world, random, actor);
  giveUpEntry(world, random.pick(droppable));
};

/** All names of an entry go. */
export function giveUpEntry(world: World, entry: Entry): void {
  for (const each of world.actors) {
    const code = world.call("mach_port_destroy", each.handle, each.self, each.names.get(entry.port) ?? 0);
    world.settle(`a name of an entry of ${entry.pages.length} pages is given up by ${each.serial}`, code, {
      code: SUCCESS,
    });
    each.names.delete(entry.port);
  }
  entry.port.dead = true;
  world.entries.splice(world.entries.indexOf(entry), 1);
}

const makeOrMap: Operation = (world, random, actor) => {
  if (world.entries.length < ENTRIES_MAX) makeEntry(world, random, actor);
  else map(world, random, actor);
};

/** Where something is to be mapped. */
interface Place {
  address: number;
  mask: number;
  flags: number;
  inherit: number;
}

function pickPlace(random: Random, { window, slots }: AddressMap, size: number): Place {
  const flags = random.chance(96) ? Number(random.chance(70)) : random.pick([2, 0x80000001]);
  const mask = random.chance(85) ? 0 : random.pick([0xfff, 0x1fff, 0x3fff, 0xffff, 5, 0x7fffffff]);
  const inherit = random.chance(96) ? random.pick([0, 1, 1, 2]) : 3;
  const count = Math.ceil(size / PAGE);
  const free = pagesIn(window).filter((page) => !slots.has(page) && page + count <= window.end);
  const page = free.length > 0 && random.chance(80) ? random.pick(free) : window.start;
  const address = random.chance(97) ? page * PAGE + random.pick([0, 0, 0, 1]) : random.pick([0, 0xfffff000]);
  return { address, mask, flags, inherit };
}

/** What is refused of a place for its shape. */
function refusalOfPlace({ address, mask, flags, inherit }: Place, size: number): number {
  if (flags > 1 || size === 0 || inherit > 2) return INVALID_ARGUMENT;
  if ((mask & (mask + 1)) !== 0) return INVALID_ARGUMENT;
  if (spanOf(flags === 1 ? 0 : address, size) === null) return INVALID_ARGUMENT;
  return flags === 0 && address < PAGE ? INVALID_ADDRESS : SUCCESS;
}

/** The kernel chose well. */
function expectPlace(world: World, map: AddressMap, { mask }: Place, span: Span): void {
  const align = Math.max(1, (mask >>> 12) + 1);
  world.expect(`whether ${show(span.start * PAGE)} is free`, map.isFree(span), true);
  world.expect("the alignment", span.start % align, 0);
}

/** Sharing that was refused half way may have marked pages as shared: the model looks which. */
function lookWhatIsShared(world: World, { handle, self, map }: Actor, span: Span | null): void {
  if (span === null) return;
  for (const page of pagesIn(span)) {
    const slot = map.slots.get(page);
    const code = slot === undefined ? NO_SPACE : memoryOf(world.agent).vm_region(handle, self, page * PAGE);
    if (slot !== undefined && code === SUCCESS && world.out(5) === 1) slot.shared = true;
  }
}

/** Where the pages go: null, there is no room. */
function spanAt(map: AddressMap, place: Place, address: number, count: number): Span | null {
  const { flags, mask } = place;
  if (flags === 1) {
    const align = Math.max(1, (mask >>> 12) + 1);
    if (!map.hasGap(count, align)) return null;
    const start = address / PAGE;
    return { start, end: start + count };
  }
  const start = Math.floor(place.address / PAGE);
  if ((start & (mask >>> 12)) !== 0) return null;
  const span = { start, end: start + count };
  if (span.end > LAST || !map.isFree(span)) return null;
  return span;
}

export const map: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const isNew = random.chance(20);
  const { entry, name: object } = isNew ? { entry: undefined, name: 0 } : pickEntry(world, random, actor);
  const { address: offset, size } = isNew ? pickRange(random, target.map, 40) : pickPart(random, entry);
  const place = pickPlace(random, target.map, size + (offset % PAGE));
  const { address, mask, flags, inherit } = place;
  const copy = random.chance(35) ? 1 : 0;
  const usual = [
    [3, 3],
    [3, 7],
    [1, 1],
    [1, 3],
    [1, 7],
    [0, 3],
    [3 | MASK, 7 | MASK],
    [7 | MASK, 7 | MASK],
  ] as const;
  const [cur, max] = random.chance(96)
    ? random.pick(usual)
    : random.pick([
        [3, 1],
        [8, 8],
        [1, 0x80],
      ] as const);
  const given = [address, size, mask, flags, object, offset, copy, cur, max, inherit];
  const code = world.call("vm_map", actor.handle, name, ...given);
  const got = code === SUCCESS ? world.told(0) : 0;
  const part = spanOf(object === 0 ? 0 : offset, size);
  const plan = (): Plan => {
    const refused = refusalOfPlace(place, size);
    if (refused !== SUCCESS) return refuse(refused);
    if (((cur | max) & ~(7 | MASK)) !== 0 || part === null) return refuse(INVALID_ARGUMENT);
    if (object !== 0 && (entry === undefined || part.end > entry.pages.length)) return refuse(INVALID_ARGUMENT);
    const limit = entry?.prot ?? 7;
    const [prot, most] = [allowed(cur, limit), allowed(max, limit)];
    if (prot === null || most === null) return refuse(INVALID_RIGHT);
    if ((prot & ~most) !== 0) return refuse(INVALID_ARGUMENT);
    const span = spanAt(target.map, place, got, part.end - part.start);
    if (span === null) return refuse(NO_SPACE);
    const apply = () => {
      world.expect("the address", show(got), show(span.start * PAGE));
      if (flags === 1) expectPlace(world, target.map, place, span);
      const isCopy = copy !== 0 || entry?.isCopy === true;
      const all = entry?.pages.slice(part.start, part.end) ?? pagesIn(part).map(() => new Page());
      const pages = isCopy ? all.map((page) => page.copy()) : all;
      target.map.put(span.start, pages, { prot, max: most, inherit, shared: entry !== undefined && !isCopy });
    };
    return { code: SUCCESS, apply };
  };
  world.settle(`vm_map(${target.serial}, ${given.map(show).join(", ")}) = ${show(got)}`, code, plan());
};

export const remap: Operation = (world, random, actor) => {
  const { target, name } = pickTarget(world, random, actor);
  const { target: source, name: sourceName } = pickTarget(world, random, actor);
  const range = pickRange(random, source.map, 93);
  const place = pickPlace(random, target.map, range.size + (range.address % PAGE));
  const { address, mask, flags, inherit } = place;
  const copy = random.chance(40) ? 1 : 0;
  const given = [address, range.size, mask, flags, sourceName, range.address, copy, inherit];
  const code = world.call("vm_remap", actor.handle, name, ...given);
  const got = code === SUCCESS ? [0, 1, 2].map((index) => world.told(index)) : [0, 0, 0];
  const part = spanOf(range.address, range.size);
  const plan = (): Plan => {
    const refused = refusalOfPlace(place, range.size);
    if (refused !== SUCCESS) return refuse(refused);
    if (part === null) return refuse(INVALID_ARGUMENT);
    const slots = source.map.whole(part);
    if (slots === null || part.start < FIRST) return refuse(INVALID_ADDRESS);
    if (refusal(slots, READ) !== SUCCESS) return refuse(PROTECTION_FAILURE);
    const span = spanAt(target.map, place, got[0] ?? 0, part.end - part.start);
    const [prot, max] = [both(slots, "prot"), both(slots, "max")];
    if (span === null) return refuse(NO_SPACE);
    const apply = () => {
      world.expect(
        "the address and protections",
        got.map(show).join(),
        [span.start * PAGE, prot, max].map(show).join(),
      );
      if (flags === 1) expectPlace(world, target.map, place, span);
      const pages = copy === 0 ? share(world, slots) : slots.map(({ page }) => page.copy());
      target.map.put(span.start, pages, { prot, max, inherit, shared: copy === 0 });
    };
    return { code: SUCCESS, apply };
  };
  world.settle(`vm_remap(${target.serial}, ${given.map(show).join(", ")}) = ${got.map(show).join()}`, code, plan());
  if (copy === 0 && code === SHORTAGE) lookWhatIsShared(world, source, part);
};

/** A child, with what its parent's memory says that it inherits; or the end of one. */
export const child: Operation = (world, random, actor) => {
  const { children } = world;
  if (children.length >= CHILDREN_MAX || (children.length > 0 && random.chance(40))) {
    endChild(world, actor, random.pick(children));
    return;
  }
  const { target, name } = pickTarget(world, random, actor);
  const inherits = random.chance(85);
  const code = world.call("task_create_child", actor.handle, name, Number(inherits));
  const made = code === SUCCESS ? world.told(0) : 0;
  const apply = () => world.adoptChild(actor, made, inherits ? inherited(target.map) : null);
  world.settle(`task_create_child(${target.serial}, ${inherits}) = ${show(made)}`, code, { code: SUCCESS, apply });
  if (code === SHORTAGE) lookWhatIsShared(world, target, target.map.window);
};

function inherited(map: AddressMap): Map<number, Slot> {
  const slots = new Map<number, Slot>();
  for (const [page, slot] of map.slots) {
    if (slot.inherit === 2) continue;
    if (slot.inherit === 0) slot.shared = true;
    slots.set(page, slot.inherit === 0 ? { ...slot } : { ...slot, page: slot.page.copy(), shared: false });
  }
  return slots;
}

export function endChild(world: World, by: Actor, ended: Actor): void {
  const code = world.call("task_terminate_target", by.handle, by.names.get(ended.control) ?? 0);
  world.settle(`child ${ended.serial} ends`, code, { code: SUCCESS });
  world.children.splice(world.children.indexOf(ended), 1);
  ended.control.dead = true;
}
