// Arrays of port names for messages, bound to one task: what a descriptor of type MACH_MSG_OOL_PORTS_DESCRIPTOR has for an
// address, as long as tasks have no memory of their own in the kernel.

import { KERN_SUCCESS } from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { type Out, out, u32, word } from "./arguments.js";

/**
 * Arrays of port names. The kernel keeps them; they belong to the thread that made or received them, and are freed with it.
 *
 * @param address the array, as a descriptor has it; 0 is an array of none
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the task was terminated
 */
export interface MachPortArrayTraps {
  /**
   * Makes an array of names, to be sent by a descriptor with its address, a count and one disposition for all. A send leaves the
   * array as it is, for the next; with `deallocate` 1 in the descriptor it is freed as soon as it was looked at.
   *
   * @param names the names, at most 16383; they are not looked at before they are sent
   * @param address out, one word: the array; 0 for no names
   * @kr KERN_SUCCESS made
   * @kr KERN_INVALID_ARGUMENT more than 16383
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the task's quota of message bytes is used up
   * @source None; in Mach the array lies in the task's memory: vm_allocate, vm_write
   * @differs Mach has no such call. It stands in until there are address maps.
   */
  mach_port_array_allocate(names: Uint32Array, address: Uint32Array): number;
  /**
   * Reads an array. A received one has as many names as its descriptor counts.
   *
   * @param names out: the names
   * @kr KERN_SUCCESS read
   * @kr KERN_INVALID_ADDRESS not an array that this thread holds
   * @source None; in Mach the array lies in the task's memory: vm_read; A113
   * @differs Mach has no such call. It stands in until there are address maps.
   */
  mach_port_array_read(address: number, names: Out<Uint32Array>): number;
  /**
   * Frees an array. The rights that it names are not given up.
   *
   * @kr KERN_SUCCESS freed
   * @kr KERN_INVALID_ADDRESS not an array that this thread holds
   * @source None; in Mach the array lies in the task's memory: vm_deallocate; A113
   * @differs Mach has no such call. It stands in until there are address maps.
   */
  mach_port_array_deallocate(address: number): number;
}

/** The first `count` names of an array; fewer if it has no more, none if this thread holds no such array. */
export function namesIn(
  { processor, handle }: Pick<Task, "processor" | "handle">,
  address: number,
  count: number,
): Uint32Array {
  if (processor.core.mach_port_array_look(handle, address) !== KERN_SUCCESS) return new Uint32Array(0);
  return processor.views.copyWords(processor.out(1), Math.min(count, processor.out(0)));
}

/** Binds the calls to `self`. */
export function machPortArrayTraps(self: Task): MachPortArrayTraps {
  const { processor, handle } = self;
  const { core, views } = processor;
  return {
    mach_port_array_allocate(names, address) {
      if (!(names instanceof Uint32Array)) throw new TypeError(`names must be a Uint32Array, not ${typeof names}`);
      word("address", address);
      const kr = core.mach_port_array_allocate(handle, names.length);
      if (kr !== KERN_SUCCESS) return kr;
      address[0] = processor.out(0);
      if (names.length > 0) views.wordsAt(processor.out(1), names.length).set(names);
      return kr;
    },
    mach_port_array_read(address, names) {
      u32("address", address);
      out("names", names);
      const kr = core.mach_port_array_look(handle, address);
      if (kr === KERN_SUCCESS) names.value = views.copyWords(processor.out(1), processor.out(0));
      return kr;
    },
    mach_port_array_deallocate(address) {
      u32("address", address);
      const kr = core.mach_port_array_look(handle, address);
      if (kr !== KERN_SUCCESS || address === 0) return kr;
      return core.mach_port_array_deallocate(address);
    },
  };
}
