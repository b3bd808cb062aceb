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
  mach_msg_trap: [
    ...["MACH_MSG_SUCCESS", "MACH_SEND_INVALID_MEMORY", "MACH_SEND_INVALID_RIGHT", "MACH_SEND_TIMED_OUT"],
    ...["MACH_RCV_TIMED_OUT", "MACH_RCV_TOO_LARGE", "MACH_RCV_BODY_ERROR"],
  ],
  mach_msg_send_async: ["MACH_MSG_SUCCESS", "MACH_SEND_IN_PROGRESS", "MACH_SEND_INVALID_MEMORY"],
  mach_msg_receive_async: ["MACH_RCV_IN_PROGRESS"],
  mach_msg_cancel: ["KERN_SUCCESS"],
  mach_port_destroy: ["KERN_SUCCESS"],
};

const TROUBLE = 0x3e00;

export class Driven {
  /** How often, by call and code. */
  readonly counts = new Map<string, Map<string, number>>();

  count(call: string, code: number): void {
    const plain = code >= 0x10000000 ? code & ~TROUBLE : code;
    const isMessage = call.startsWith("mach_msg") && call !== "mach_msg_cancel";
    const name = code === 0 && isMessage ? "MACH_MSG_SUCCESS" : codeName(plain >>> 0);
    const codes = this.counts.get(call) ?? new Map<string, number>();
    this.counts.set(call, codes.set(name, (codes.get(name) ?? 0) + 1));
  }

  /** Calls and codes that were never seen. */
  get missing(): string[] {
    return Object.entries(WANTED).flatMap(([call, codes]) =>
      codes.filter((code) => !this.counts.get(call)?.has(code)).map((code) => `${call} ${code}`),
    );
  }

  toString(): string {
    return [...this.counts]
      .map(([call, codes]) => `${call}: ${[...codes].map(([code, count]) => `${code} ${count}`).join(", ")}`)
      .join("\n");
  }
}
