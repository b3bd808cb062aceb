// What an interface is: a name, a first message id, and routines in order. From this one value come
// the client's type, the server's type and the codec.

import type { Message } from "../message.js";
import type { Wait, SyncWait } from "../wait.js";
import type { Fields, Given, Got } from "./types.js";

/** A routine that answers. */
export interface Routine<I, O> {
  readonly oneWay: false;
  readonly input: I;
  readonly output: O;
}

/** A routine that does not answer. */
export interface SimpleRoutine<I> {
  readonly oneWay: true;
  readonly input: I;
  readonly output: Readonly<Record<never, never>>;
}

/** Either. */
export type AnyRoutine = Routine<Fields, Fields> | SimpleRoutine<Fields>;
/** Routines by name, in the order of their ids. */
export type Routines = Readonly<Record<string, AnyRoutine>>;

/** An interface; `S` are its routines. */
export interface Subsystem<S> {
  readonly name: string;
  /** Message id of the first routine; replies have the request's id + 100. */
  readonly base: number;
  readonly routines: S;
}

type Parameters<I, W> = keyof I extends never ? [args?: Given<I>, wait?: W] : [args: Given<I>, wait?: W];

/** An asynchronous method. */
export type AsyncMethod<R> =
  R extends Routine<infer I, infer O>
    ? (...parameters: Parameters<I, Wait>) => Promise<Got<O>>
    : R extends SimpleRoutine<infer I>
      ? (...parameters: Parameters<I, Wait>) => Promise<void>
      : never;
/** Its twin that blocks. */
export type SyncMethod<R> =
  R extends Routine<infer I, infer O>
    ? (...parameters: Parameters<I, SyncWait>) => Got<O>
    : R extends SimpleRoutine<infer I>
      ? (...parameters: Parameters<I, SyncWait>) => void
      : never;

/**
 * Calls over an interface: `client.name(args, wait?)` answers with a promise, or, of a
 * simpleroutine, resolves once the request is queued; `client.sync.name(args, wait?)` blocks.
 * Disposing it releases the send right.
 */
export type Client<S> = ClientOf<RoutinesOf<S>>;
type ClientOf<S> = { readonly [K in keyof S]: AsyncMethod<S[K]> } & {
  readonly sync: { readonly [K in keyof S]: SyncMethod<S[K]> };
} & Disposable;
/** `Client` and `Handlers` take an interface's type or that of its routines. */
type RoutinesOf<S> = S extends Subsystem<infer R> ? R : S;

/** A routine's implementation; the message is the request, released once it was answered. */
export type Handler<R> =
  R extends Routine<infer I, infer O>
    ? (args: Got<I>, message: Message) => Result<O> | Promise<Result<O>>
    : R extends SimpleRoutine<infer I>
      ? (args: Got<I>, message: Message) => void | Promise<void>
      : never;
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without results may return nothing
type Result<O> = keyof O extends never ? Given<O> | void : Given<O>;

/** An implementation of each routine. */
export type Handlers<S> = HandlersOf<RoutinesOf<S>>;
type HandlersOf<S> = { readonly [K in keyof S]: Handler<S[K]> };

/** Names that a client needs for itself, or that would make it something else (`await` calls `then`). */
const RESERVED: readonly string[] = ["sync", "then", "constructor", "__proto__"];

/**
 * A routine: takes `input`, answers with `output`.
 *
 * @mach routine
 */
export function routine<const I extends Fields, const O extends Fields>(input: I, output: O): Routine<I, O> {
  return Object.freeze({ oneWay: false, input: checkFields(input), output: checkFields(output) });
}

/**
 * A routine without an answer.
 *
 * @mach simpleroutine
 */
export function simpleroutine<const I extends Fields>(input: I): SimpleRoutine<I> {
  return Object.freeze({ oneWay: true, input: checkFields(input), output: Object.freeze({}) });
}

/**
 * Defines an interface. Ids go up from `base` in the order of the routines.
 *
 * @throws TypeError a name that is reserved or that JavaScript would put out of order
 * @mach subsystem
 */
export function defineSubsystem<const S extends Routines>(definition: {
  readonly name: string;
  readonly base: number;
  readonly routines: S;
}): Subsystem<S> {
  const { name, base, routines } = definition;
  if (typeof name !== "string") throw new TypeError("name: expected a string");
  if (!Number.isInteger(base) || base < 0 || base > 0x7fff0000) throw new TypeError("base: expected a message id");
  for (const [key, value] of Object.entries(routines)) {
    checkName(key);
    if (typeof value !== "object" || value === null || typeof value.oneWay !== "boolean") {
      throw new TypeError(`${name}.${key}: expected routine() or simpleroutine()`);
    }
  }
  return Object.freeze({ name, base, routines: Object.freeze({ ...routines }) });
}

function checkFields<F extends Fields>(fields: F): F {
  if (typeof fields !== "object" || fields === null) throw new TypeError("routine: expected arguments by name");
  for (const [name, type] of Object.entries(fields)) {
    if (name === "__proto__" || isIndex(name)) throw new TypeError(`argument name: ${name} cannot be one`);
    if (typeof type !== "object" || type === null || typeof type.kind !== "number") {
      throw new TypeError(`${name}: expected a type, such as t.uint32`);
    }
  }
  return Object.freeze({ ...fields });
}

function checkName(name: string): void {
  if (RESERVED.includes(name) || isIndex(name)) throw new TypeError(`routine name: ${name} cannot be one`);
}

/** JavaScript puts such keys first, whatever their place in the source. */
function isIndex(name: string): boolean {
  return /^\d+$/.test(name);
}
