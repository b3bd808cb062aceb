// What is changed in an answer or a count: which constants are codes and what stands in their place, which sums are counts.

import { text } from "../../../../scripts/lib/run.mjs";

const numbers = new Map(
  [...text("host-ts/abi/codes.gen.ts").matchAll(/^export const (\w+) = (-?\w+)( as const)?;/gm)].map(
    ([, name, value]) => [name, Number(value)],
  ),
);

/** Codes that a program takes for one another first. */
const NEAR = {
  KERN_SUCCESS: "KERN_FAILURE",
  KERN_FAILURE: "KERN_INVALID_ARGUMENT",
  KERN_INVALID_NAME: "KERN_INVALID_RIGHT",
  KERN_INVALID_RIGHT: "KERN_INVALID_NAME",
  KERN_INVALID_VALUE: "KERN_INVALID_ARGUMENT",
  KERN_INVALID_ARGUMENT: "KERN_INVALID_VALUE",
  KERN_ALREADY_IN_SET: "KERN_NOT_IN_SET",
  KERN_NOT_IN_SET: "KERN_ALREADY_IN_SET",
  KERN_NAME_EXISTS: "KERN_RIGHT_EXISTS",
  KERN_RIGHT_EXISTS: "KERN_NAME_EXISTS",
  KERN_NO_SPACE: "KERN_RESOURCE_SHORTAGE",
  KERN_RESOURCE_SHORTAGE: "KERN_NO_SPACE",
  MACH_MSG_SUCCESS: "MACH_SEND_INVALID_DATA",
  MACH_MSG_IPC_SPACE: "MACH_MSG_IPC_KERNEL",
  MACH_MSG_IPC_KERNEL: "MACH_MSG_IPC_SPACE",
  MACH_MSG_VM_SPACE: "MACH_MSG_VM_KERNEL",
  MACH_MSG_VM_KERNEL: "MACH_MSG_VM_SPACE",
  MACH_SEND_INVALID_DEST: "MACH_SEND_INVALID_RIGHT",
  MACH_SEND_INVALID_RIGHT: "MACH_SEND_INVALID_DEST",
  MACH_RCV_INVALID_NAME: "MACH_RCV_INVALID_DATA",
};

/** Another code for each. A code of the message call is told from its options by its number. */
export function nearCode(name) {
  const known = NEAR[name];
  if (known !== undefined) return known;
  const value = numbers.get(name);
  if (value === undefined) return undefined;
  if (/^KERN_/.test(name)) return "KERN_FAILURE";
  if (/^MACH_SEND_/.test(name) && value >= 0x10000000)
    return name === "MACH_SEND_INVALID_DATA" ? "MACH_SEND_INVALID_TYPE" : "MACH_SEND_INVALID_DATA";
  if (/^MACH_RCV_/.test(name) && value >= 0x10004000)
    return name === "MACH_RCV_INVALID_DATA" ? "MACH_RCV_INVALID_NAME" : "MACH_RCV_INVALID_DATA";
  return undefined;
}

export const numberOf = (name) => numbers.get(name);
export const isSuccess = (name) => name === "KERN_SUCCESS" || name === "MACH_MSG_SUCCESS";
/** Bits that are added to a code: there is no code without them that is success. */
export const isBits = (name) => /^MACH_MSG_(IPC|VM)_/.test(name);

/** What counts something, as the left side of a sum or the target of an assignment. */
export const COUNTED =
  /(srights|sorights|mscount|seqno|urefs\b|urefs\(.*\)|_count|is_ports|is_entries|hash_used|_serial\w*|magazine, 4\)|\bbox|used_at|sends|sent|got|done|listed|\blive|taken|used|written|ports|\bcount|ikm_cursor)$/;
/** Functions that find out how long to spin: whatever they say, only time is lost. */
export const TIME_ALONE = /^(spin_\w+|processor_spin)$/;
/** Loops' own variables, what is only for debugging, and what only time depends on (how often a spin found nothing). */
export const NOT_COUNTED =
  /^(me\(\)\.p_spin_misses|index|slot|at|to|slab|turn|pid|word|rank|looked|frame|start|sp|me\(\)\.p_locks|element)$/;
