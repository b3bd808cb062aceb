// Random arrays of ports: made to be sent, read, and freed.

import type { PortDescriptor } from "../lib/message.js";
import { compare, expectSame, isPort, type Operation, pickDisposition, pickName } from "./choices.js";
import type { Random } from "./random.js";
import { type Actor, hex, type World } from "./world.js";

const SUCCESS = 0;
const INVALID_ADDRESS = 1;
const ARRAYS_MAX = 20;
const OOL_PORTS = 2;

/** Makes an array on both sides. */
function make(world: World, actor: Actor, names: readonly number[]): number {
  const address = new Uint32Array(1);
  const code = actor.traps.mach_port_array_allocate(Uint32Array.from(names), address);
  const array = address[0] ?? 0;
  compare(world, `array_allocate(${names.map(hex)}) = ${hex(array)}`, code, () => [SUCCESS]);
  if (names.length > 0) world.oracle.arrays.set(array, names);
  return array;
}

/** An array that there is, or an address that may be none. Not one with a name that belongs to the world in the sender's space. */
function pickArray(world: World, random: Random, sender?: Actor): number {
  const arrays = [...world.oracle.arrays].flatMap(([address, names]) =>
    names.some((name) => sender?.born.has(name)) ? [] : [address],
  );
  return arrays.length > 0 && random.chance(85) ? random.pick(arrays) : random.pick([0, 1, 0x7703, 0xffffffc0]);
}

/** A descriptor for rights that mostly can be sent together, in a new array or in one that was sent or received before. */
export function draftArray(world: World, random: Random, actor: Actor): PortDescriptor {
  const first = pickName(random, actor, isPort, 88);
  const disposition = pickDisposition(random, actor, first, 92);
  const deallocate = random.chance(70) ? 1 : 0;
  const copy = random.pick([0, 1, 2]);
  if (random.chance(15)) {
    const name = pickArray(world, random, actor);
    const held = world.oracle.arrays.get(name)?.length ?? 0;
    const count = random.chance(80) ? held : random.below(9);
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
  const { arrays } = world.oracle;
  const address = pickArray(world, random);
  const names = arrays.get(address);
  const wanted = names !== undefined || address === 0 ? SUCCESS : INVALID_ADDRESS;
  if (arrays.size <= ARRAYS_MAX && random.chance(50)) {
    const seen = { value: new Uint32Array(0) };
    const code = actor.traps.mach_port_array_read(address, seen);
    compare(world, `array_read(${hex(address)})`, code, () => [wanted]);
    expectSame("the array", String([...seen.value]), String(names ?? []));
    return;
  }
  const code = actor.traps.mach_port_array_deallocate(address);
  compare(world, `array_deallocate(${hex(address)})`, code, () => [wanted]);
  arrays.delete(address);
};
