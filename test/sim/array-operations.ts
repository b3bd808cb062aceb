// Random arrays of ports in memory: made to be sent, read, and freed.

import { VM_FLAGS_ANYWHERE } from "../../host-ts/abi/codes.gen.ts";
import type { PortDescriptor } from "../lib/message.js";
import { compare, expectSame, isPort, type Operation, pickDisposition, pickName } from "./choices.js";
import type { Random } from "./random.js";
import { type Actor, hex, type World } from "./world.js";

const SUCCESS = 0;
const INVALID_ADDRESS = 1;
const INVALID_ARGUMENT = 4;
/** The last page is no task's; a range that ends with it is taken for one that wraps. */
const LAST = 0xfffff000;
const ARRAYS_MAX = 20;
const OOL_PORTS = 2;
/** Nothing is ever mapped there. */
const NOWHERE = [0, 4, 0xf0000000, 0xffffeffc] as const;

/** Makes an array on both sides. */
function make(world: World, { traps, self, space }: Actor, names: readonly number[]): number {
  if (names.length === 0) return 0;
  const address = new Uint32Array(1);
  const bytes = new Uint8Array(Uint32Array.from(names).buffer);
  const code = traps.vm_allocate(self, address, bytes.length, VM_FLAGS_ANYWHERE);
  const array = address[0] ?? 0;
  compare(world, `vm_allocate(${bytes.length}) = ${hex(array)}`, code, () => [SUCCESS]);
  expectSame("whether the memory is new", space.arrays.has(array) || array % 4096 !== 0, false);
  compare(world, `vm_write(${hex(array)}, ${names.map(hex)})`, traps.vm_write(self, array, bytes), () => [SUCCESS]);
  space.arrays.set(array, names);
  return array;
}

/** An array that there is, or an address where nothing is. Not one with a name that belongs to the world, if it is to be sent. */
function pickArray(random: Random, { space, born }: Actor, sends: boolean): number {
  const arrays = [...space.arrays].flatMap(([address, names]) =>
    sends && names.some((name) => born.has(name)) ? [] : [address],
  );
  return arrays.length > 0 && random.chance(85) ? random.pick(arrays) : random.pick(NOWHERE);
}

/** A descriptor for rights that mostly can be sent together, in a new array or in one that was sent or received before. */
export function draftArray(world: World, random: Random, actor: Actor): PortDescriptor {
  const first = pickName(random, actor, isPort, 88);
  const disposition = pickDisposition(random, actor, first, 92);
  const deallocate = random.chance(70) ? 1 : 0;
  const copy = random.pick([0, 1, 2]);
  if (random.chance(15)) {
    const name = pickArray(random, actor, true);
    const held = actor.space.arrays.get(name)?.length ?? 0;
    const count = random.chance(80) ? held : random.pick([0, 1, 3, 8, 20]);
    return { name, count, disposition, deallocate, copy, type: OOL_PORTS };
  }
  const more = Array.from({ length: random.pick([0, 0, 1, 1, 2, 4]) }, () => {
    if (random.chance(40)) return first;
    const name = pickName(random, actor, isPort, 88);
    return pickDisposition(random, actor, name, 100) === disposition ? name : random.pick([first, 0, 0xffffffff]);
  });
  const names = random.chance(95) ? [first, ...more] : [];
  return { name: make(world, actor, names), count: names.length, disposition, deallocate, copy, type: OOL_PORTS };
}

/** Reads an array or frees one. */
export const array: Operation = (world, random, actor) => {
  const { traps, self, space } = actor;
  const address = pickArray(random, actor, false);
  const names = space.arrays.get(address);
  const bytes = new Uint8Array(4 * (names?.length ?? 1));
  const wraps = address >= LAST;
  if (space.arrays.size <= ARRAYS_MAX && random.chance(50)) {
    const code = traps.vm_read_overwrite(self, address, bytes.length, bytes, new Uint32Array(1));
    compare(world, `vm_read_overwrite(${hex(address)})`, code, () => [
      names ? SUCCESS : wraps ? INVALID_ARGUMENT : INVALID_ADDRESS,
    ]);
    if (names) expectSame("the array", String([...new Uint32Array(bytes.buffer)]), String(names));
    return;
  }
  const code = traps.vm_deallocate(self, address, bytes.length);
  compare(world, `vm_deallocate(${hex(address)})`, code, () => [wraps ? INVALID_ARGUMENT : SUCCESS]);
  space.arrays.delete(address);
};
