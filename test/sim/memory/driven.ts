// Which calls the memory test made, and what they answered: no call and no code may be left out.

import { codeName } from "../../../host-ts/abi/codes.gen.ts";

const SHORT = ["KERN_SUCCESS", "KERN_INVALID_ARGUMENT"];
const RANGE = [...SHORT, "KERN_INVALID_ADDRESS", "KERN_PROTECTION_FAILURE"];

/** Codes that each call must have answered. */
const WANTED: Readonly<Record<string, readonly string[]>> = {
  vm_allocate: [...SHORT, "KERN_INVALID_ADDRESS", "KERN_NO_SPACE"],
  vm_deallocate: SHORT,
  vm_protect: RANGE,
  vm_inherit: SHORT,
  vm_region: ["KERN_SUCCESS", "KERN_INVALID_ADDRESS"],
  vm_read: [...RANGE, "KERN_NO_SPACE"],
  vm_read_overwrite: RANGE,
  vm_write: RANGE,
  vm_copy: RANGE,
  vm_lease: RANGE,
  vm_lease_end: SHORT,
  vm_compact: [...SHORT, "KERN_INVALID_ADDRESS", "KERN_RESOURCE_SHORTAGE"],
  mach_make_memory_entry: RANGE,
  vm_map: [...SHORT, "KERN_INVALID_RIGHT", "KERN_INVALID_ADDRESS", "KERN_NO_SPACE"],
  vm_remap: [...RANGE, "KERN_NO_SPACE"],
  task_create_child: ["KERN_SUCCESS"],
  mach_msg_trap: [
    ...["MACH_MSG_SUCCESS", "MACH_SEND_INVALID_MEMORY", "MACH_SEND_INVALID_RIGHT", "MACH_SEND_TIMED_OUT"],
    ...["MACH_RCV_TIMED_OUT", "MACH_RCV_TOO_LARGE", "MACH_RCV_BODY_ERROR"],
  ],
  mach_msg_send_async: ["MACH_MSG_SUCCESS", "MACH_SEND_IN_PROGRESS", "MACH_SEND_INVALID_MEMORY"],
  mach_msg_receive_async: ["MACH_RCV_IN_PROGRESS"],
  mach_msg_cancel: ["KERN_SUCCESS"],
  mach_port_destroy: ["KERN_SUCCESS"],
};

/** Arguments that are options: which of them, and the values that must have been accepted. */
const OPTIONS: Readonly<Record<string, readonly (readonly [number, string, readonly number[]])[]>> = {
  vm_allocate: [[4, "flags", [0, 1]]],
  vm_protect: [
    [4, "set_maximum", [0, 1]],
    [5, "protection", [0, 1, 2, 3, 5, 7]],
  ],
  vm_inherit: [[4, "inheritance", [0, 1, 2]]],
  vm_lease: [[3, "kind", [0, 1]]],
  vm_map: [
    [4, "mask", [0, 0xfff, 0x1fff, 0x3fff, 0xffff]],
    [5, "flags", [0, 1]],
    [8, "copy", [0, 1]],
    [9, "protection", [0, 1, 3, 0x43, 0x47]],
    [11, "inheritance", [0, 1, 2]],
  ],
  vm_remap: [
    [5, "flags", [0, 1]],
    [8, "copy", [0, 1]],
    [9, "inheritance", [0, 1, 2]],
  ],
  task_create_child: [[2, "inherit_memory", [0, 1]]],
};
/** Bits of the permission of a memory entry. */
const PERMISSIONS = [0x40, 0x20000, 0x80000, 0x200000, 0x400000];
/** Type, copy and deallocate of descriptors of memory and of arrays of ports that were sent. */
const DESCRIPTORS = [1, 2, 3].flatMap((type) => [0, 1].flatMap((copy) => [0, 1].map((move) => [type, copy, move])));

/** Of memory in more than one place: wanted as soon as the core has them. */
const PLACES = /^(mach_make_memory_entry|vm_map|vm_remap|task_create_child) /;
const TROUBLE = 0x3e00;

export class Driven {
  /** How often, by call and code. */
  readonly counts = new Map<string, Map<string, number>>();

  readonly #options = new Set<string>();

  option(text: string): void {
    this.#options.add(text);
  }

  count(call: string, code: number, given: readonly number[] = []): void {
    if (code === 0) this.#note(call, given);
    const plain = code >= 0x10000000 ? code & ~TROUBLE : code;
    const isMessage = call.startsWith("mach_msg") && call !== "mach_msg_cancel";
    const name = code === 0 && isMessage ? "MACH_MSG_SUCCESS" : codeName(plain >>> 0);
    const codes = this.counts.get(call) ?? new Map<string, number>();
    this.counts.set(call, codes.set(name, (codes.get(name) ?? 0) + 1));
  }

  #note(call: string, given: readonly number[]): void {
    for (const [index, name] of OPTIONS[call] ?? []) this.option(`${call} ${name} ${given[index]}`);
    if (call !== "mach_make_memory_entry") return;
    for (const bit of PERMISSIONS) if ((given[4] ?? 0) & bit) this.option(`${call} permission ${bit}`);
    if (given[5] !== 0) this.option(`${call} of a parent`);
  }

  /** Calls, codes and options that were never seen. */
  get missing(): string[] {
    const codes = Object.entries(WANTED).flatMap(([call, wanted]) =>
      wanted.filter((code) => !this.counts.get(call)?.has(code)).map((code) => `${call} ${code}`),
    );
    const options = Object.entries(OPTIONS).flatMap(([call, list]) =>
      list.flatMap(([, name, values]) => values.map((value) => `${call} ${name} ${value}`)),
    );
    const bits = PERMISSIONS.map((bit) => `mach_make_memory_entry permission ${bit}`);
    const descriptors = DESCRIPTORS.map((shape) => `descriptor ${shape}`);
    const wanted = [...options, ...bits, ...descriptors, "mach_make_memory_entry of a parent"];
    const missing = [...codes, ...wanted.filter((text) => !this.#options.has(text))];
    return this.counts.has("vm_map") ? missing : missing.filter((text) => !PLACES.test(text));
  }

  toString(): string {
    return [...this.counts]
      .map(([call, codes]) => `${call}: ${[...codes].map(([code, count]) => `${code} ${count}`).join(", ")}`)
      .join("\n");
  }
}
