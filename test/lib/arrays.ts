// Arrays of ports as a task makes and reads them: names in its memory, a word each.

import { MACH_MSG_OOL_PORTS_DESCRIPTOR } from "../../host-ts/abi/codes.gen.ts";
import { filled, free, get } from "./memory.js";
import type { PortDescriptor } from "./message.js";
import type { Space } from "./space.js";

type Memory = Pick<Space, "traps" | "self">;

/** Makes an array of these names, in pages of its own; gives its address. */
export function arrayOf(space: Memory, names: readonly number[]): number {
  return names.length === 0 ? 0 : filled(space, new Uint8Array(Uint32Array.from(names).buffer));
}

/** A descriptor for all names of an array. */
export function inArray(address: number, count: number, disposition: number, deallocate = 0): PortDescriptor {
  return { name: address, count, disposition, deallocate, type: MACH_MSG_OOL_PORTS_DESCRIPTOR };
}

/** A descriptor for an array of these names, made for it and freed by the send. */
export function inNewArray(space: Memory, names: readonly number[], disposition: number): PortDescriptor {
  return inArray(arrayOf(space, names), names.length, disposition, 1);
}

/** The names of an array, which stays. */
export function namesAt(space: Memory, address: number, count: number): number[] {
  return [...new Uint32Array(get(space, address, count * 4).buffer)];
}

/** The names of a received array, which is freed. */
export function unpack(space: Memory, descriptor: PortDescriptor | undefined): number[] {
  const { name = 0, count = 0 } = descriptor ?? {};
  const names = namesAt(space, name, count);
  free(space, name, count * 4);
  return names;
}
