// Checks of JavaScript types before a trap: a wrong type is a TypeError that names the argument, the
// only thing that level 1 throws. Values are the kernel's business.

/** An array that a call returns: it stores a new one in `value`. */
export interface Out<T> {
  value: T;
}

/** Checks an unsigned word: a name, a size, an option. */
export function u32(argument: string, value: number): void {
  if (value >>> 0 !== value) refuse(argument, "an integer of 0 to 4294967295", value);
}

/** Checks a signed word. */
export function i32(argument: string, value: number): void {
  if ((value | 0) !== value) refuse(argument, "an integer of 32 bits", value);
}

/** Checks a truth value. */
export function flag(argument: string, value: boolean): void {
  if (typeof value !== "boolean") refuse(argument, "true or false", value);
}

/** Checks a pointer to a word. */
export function word(argument: string, value: Uint32Array): void {
  if (!(value instanceof Uint32Array) || value.length < 1)
    refuse(argument, "a Uint32Array of at least one word", value);
}

/** Checks an out array. */
export function out(argument: string, value: Out<unknown>): void {
  if (typeof value !== "object" || value === null) refuse(argument, "an object with a member `value`", value);
}

/** Checks a message buffer. */
export function buffer(argument: string, value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) refuse(argument, "a Uint8Array", value);
}

function refuse(argument: string, wanted: string, value: unknown): never {
  const shown = typeof value === "object" || typeof value === "function" ? typeof value : String(value);
  throw new TypeError(`${argument} must be ${wanted}, not ${shown}`);
}
