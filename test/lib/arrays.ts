// Arrays of ports as a task makes and reads them.

import { KERN_SUCCESS, MACH_MSG_OOL_PORTS_DESCRIPTOR } from "../../host-ts/abi/codes.gen.ts";
import type { PortDescriptor } from "./message.js";
import { expectCode, type Space } from "./space.js";

/** Makes an array of these names; gives its address. */
export function arrayOf({ traps }: Space, names: readonly number[]): number {
  const address = new Uint32Array(1);
  expectCode(traps.mach_port_array_allocate(Uint32Array.from(names), address), KERN_SUCCESS);
  return address[0] ?? 0;
}

/** A descriptor for all names of an array. */
export function inArray(address: number, count: number, disposition: number, deallocate = 0): PortDescriptor {
  return { name: address, count, disposition, deallocate, type: MACH_MSG_OOL_PORTS_DESCRIPTOR };
}

/** A descriptor for an array of these names, made for it and freed by the send. */
export function inNewArray(space: Space, names: readonly number[], disposition: number): PortDescriptor {
  return inArray(arrayOf(space, names), names.length, disposition, 1);
}

/** The names of an array, which stays. */
export function namesAt({ traps }: Space, address: number): number[] {
  const names = { value: new Uint32Array(0) };
  expectCode(traps.mach_port_array_read(address, names), KERN_SUCCESS);
  return [...names.value];
}

/** The names of a received array, which is freed. */
export function unpack(space: Space, descriptor: PortDescriptor | undefined): number[] {
  const address = descriptor?.name ?? 0;
  const names = namesAt(space, address);
  expectCode(space.traps.mach_port_array_deallocate(address), KERN_SUCCESS);
  return names;
}
