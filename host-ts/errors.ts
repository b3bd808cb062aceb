// The errors that this package throws. Each family is a class; which error it is stands in `code`.
// Codes and their spelling come from the core (abi/codes.gen.ts), nothing is typed twice.

import { codeName, KERN_INVALID_TASK, KERN_TERMINATED } from "./abi/codes.gen.js";

/**
 * A call answered with a code other than `KERN_SUCCESS`.
 *
 * @mach kern_return_t
 */
export class KernError extends Error {
  override readonly name: string = "KernError";
  /** The code as the kernel returned it. */
  readonly kr: number;
  /** Its spelling in Mach, e.g. `"KERN_INVALID_NAME"`; stable, safe to switch on. */
  readonly code: string;
  /** The call that answered so, e.g. `"mach_port_deallocate"`. */
  readonly trap: string;

  constructor(trap: string, kr: number, detail?: string, options?: ErrorOptions) {
    const code = codeName(kr >>> 0);
    const number = kr >>> 0 >= 0x10000000 ? `0x${(kr >>> 0).toString(16)}` : String(kr);
    super(`${trap}: ${code} (${number})${detail ? `: ${detail}` : ""}`, options);
    this.trap = trap;
    this.kr = kr >>> 0 >= 0x10000000 ? kr >>> 0 : kr;
    this.code = code;
  }
}

/**
 * A send or a receive failed.
 *
 * @mach mach_msg_return_t
 */
export class MachMsgError extends KernError {
  override readonly name: string = "MachMsgError";
}

/**
 * A call over an interface failed: the message was malformed, the routine unknown, or the server
 * died (`MIG_SERVER_DIED`).
 *
 * @mach mig_errors.h
 */
export class MigError extends KernError {
  override readonly name: string = "MigError";
}

/**
 * A region or a lease was used after its end (`KERN_INVALID_ADDRESS`), or there is no memory for it (`KERN_RESOURCE_SHORTAGE`,
 * `KERN_NO_SPACE`).
 *
 * @mach kern_return_t of the vm_ calls
 */
export class MemoryError extends KernError {
  override readonly name: string = "MemoryError";
}

/**
 * The kernel found its memory corrupt and stopped for good; every call gets this error, and what was waiting ends with
 * `KERN_TERMINATED`.
 * Not recoverable: boot another kernel.
 */
export class KernelPanic extends Error {
  override readonly name: string = "KernelPanic";
  /** File number and place in the core, as listed in `core-as/kern/panic.ts`. */
  readonly site: number;

  constructor(site: number, options?: ErrorOptions) {
    super(`the kernel panicked at site 0x${(site >>> 0).toString(16).padStart(4, "0")}`, options);
    this.site = site >>> 0;
  }
}

/** The code as a number to compare with constants: message codes unsigned, all others as they are. */
export function codeOf(kr: number): number {
  return kr >>> 0 >= 0x10000000 && kr >>> 0 < 0x20000000 ? kr >>> 0 : kr;
}

/** Throws the `KernError` of `trap` unless `kr` is `KERN_SUCCESS`. */
export function check(trap: string, kr: number): void {
  if (kr !== 0) throw errorOf(trap, kr);
}

/** The error of the right family for `kr`. */
export function errorOf(trap: string, kr: number, detail?: string): KernError {
  const code = kr >>> 0;
  if (code >= 0x10000000 && code < 0x10010000) return new MachMsgError(trap, kr, detail);
  return new KernError(trap, kr, detail);
}

/** The error of a call on memory: what every call can answer is no matter of memory. */
export function memoryErrorOf(trap: string, kr: number, detail?: string): KernError {
  if (kr === KERN_TERMINATED || kr === KERN_INVALID_TASK) return new KernError(trap, kr, detail);
  return new MemoryError(trap, kr, detail);
}
