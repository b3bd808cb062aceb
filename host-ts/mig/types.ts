// The types that an interface is made of. A type is data: what it is on the wire, and, for the
// compiler alone, what a program gives (In) and what it gets (Out).
//
//   8, 16, 32 bits, bool   one word                 64 bits   two words, not aligned further
//   string                 offset 0, count, bytes and NUL, zeros to 4      (c_string[*:maxBytes + 1])
//   bytes                  count, bytes, zeros to 4                        (array[*:maxBytes] of byte)
//   rights                 a port descriptor each, before everything else
//   memory, arrays         a descriptor each among those, and a count in their place among the others

import type { OutgoingMemory, Region } from "../memory/region.js";
import type { ReceiveRight } from "../receive-right.js";
import type { Moved, OutgoingRight, Right, SendOnceRight, SendRight } from "../right.js";

export const INT8 = 0;
export const UINT8 = 1;
export const INT16 = 2;
export const UINT16 = 3;
export const INT32 = 4;
export const UINT32 = 5;
export const BOOL = 6;
export const INT64 = 7;
export const UINT64 = 8;
export const STRING = 9;
export const BYTES = 10;
export const SEND = 11;
export const MAKE_SEND = 12;
export const SEND_ONCE = 13;
export const RECEIVE = 14;
export const MEMORY = 15;
export const ARRAY = 16;

/** More than an address space holds. */
const MOST_MEMORY = 0xffffffff;
/** What one message carries at most. */
const MOST_RIGHTS = 16383;

/** One type of argument. */
export interface WireType<In, Out> {
  readonly kind: number;
  /** Most bytes of a string, of bytes or of memory, most rights of an array; else 0. */
  readonly maxBytes: number;
  /** What an array has; else absent. */
  readonly element?: number;
  /** What callers give; never there. */
  readonly in?: In;
  /** What comes out; never there. */
  readonly out?: Out;
}

/** A number of at most 32 bits, a boolean, a bigint of 64. */
export type Scalar<T> = WireType<T, T>;

/** Any type. */
export type AnyType = WireType<unknown, unknown>;
/** Arguments by name, in their order on the wire. */
export type Fields = Readonly<Record<string, AnyType>>;

/** What a program passes for `F`. */
export type Given<F> = { readonly [K in keyof F]: F[K] extends WireType<infer In, unknown> ? In : never };
/** What a program gets for `F`. */
export type Got<F> = { readonly [K in keyof F]: F[K] extends WireType<unknown, infer Out> ? Out : never };

function type<In, Out>(kind: number, maxBytes = 0): WireType<In, Out> {
  return Object.freeze({ kind, maxBytes });
}

function bounded<In, Out>(kind: number, maxBytes: number): WireType<In, Out> {
  if (!Number.isInteger(maxBytes) || maxBytes < 0 || maxBytes > 0x2000000) {
    throw new TypeError("maxBytes: expected a whole number up to 32 MiB");
  }
  return type(kind, maxBytes);
}

function memory(maxBytes: number = MOST_MEMORY): WireType<OutgoingMemory, Region> {
  if (!Number.isInteger(maxBytes) || maxBytes < 0 || maxBytes > MOST_MEMORY) {
    throw new TypeError("maxBytes: expected a whole number of bytes");
  }
  return type(MEMORY, maxBytes);
}

function array<In, Out>(element: WireType<In, Out>, maxCount: number): WireType<readonly In[], readonly Out[]> {
  const kind = element?.kind;
  if (!(kind >= SEND && kind <= RECEIVE)) throw new TypeError("array: expected a type of rights, such as t.send");
  if (!Number.isInteger(maxCount) || maxCount < 0 || maxCount > MOST_RIGHTS) {
    throw new TypeError(`maxCount: expected a whole number up to ${MOST_RIGHTS}`);
  }
  return Object.freeze({ kind: ARRAY, maxBytes: maxCount, element: kind });
}

/** The types of arguments. */
export const t: {
  readonly int8: Scalar<number>;
  readonly uint8: Scalar<number>;
  readonly int16: Scalar<number>;
  readonly uint16: Scalar<number>;
  readonly int32: Scalar<number>;
  readonly uint32: Scalar<number>;
  readonly int64: Scalar<bigint>;
  readonly uint64: Scalar<bigint>;
  readonly bool: Scalar<boolean>;
  /** UTF-8 of at most `maxBytes` bytes, no NUL among them. */
  string(maxBytes: number): Scalar<string>;
  /** At most `maxBytes` bytes; arrive as a copy. */
  bytes(maxBytes: number): Scalar<Uint8Array>;
  /** A send right: copied, or moved with `move`. */
  readonly send: WireType<OutgoingRight, SendRight>;
  /** A send right made from the receive right that is passed, which stays. */
  readonly makeSend: WireType<ReceiveRight, SendRight>;
  /** A send-once right: given away; or made from the receive right that is passed. */
  readonly sendOnce: WireType<SendOnceRight | Moved | ReceiveRight, SendOnceRight>;
  /** A receive right, passed with `move`. */
  readonly receive: WireType<Moved, ReceiveRight>;
  /**
   * Memory out of line, at most `maxBytes` bytes: a region or a range of one is copied, without copying its pages; with `move` it is given
   * away. Arrives as a region.
   */
  memory(maxBytes?: number): WireType<OutgoingMemory, Region>;
  /** At most `maxCount` rights of one type, out of line. Those of one array all travel alike: copied, moved or made. */
  array<In, Out extends Right>(element: WireType<In, Out>, maxCount: number): WireType<readonly In[], readonly Out[]>;
} = Object.freeze({
  int8: type<number, number>(INT8),
  uint8: type<number, number>(UINT8),
  int16: type<number, number>(INT16),
  uint16: type<number, number>(UINT16),
  int32: type<number, number>(INT32),
  uint32: type<number, number>(UINT32),
  int64: type<bigint, bigint>(INT64),
  uint64: type<bigint, bigint>(UINT64),
  bool: type<boolean, boolean>(BOOL),
  string: (maxBytes: number) => bounded<string, string>(STRING, maxBytes),
  bytes: (maxBytes: number) => bounded<Uint8Array, Uint8Array>(BYTES, maxBytes),
  send: type<OutgoingRight, SendRight>(SEND),
  makeSend: type<ReceiveRight, SendRight>(MAKE_SEND),
  sendOnce: type<SendOnceRight | Moved | ReceiveRight, SendOnceRight>(SEND_ONCE),
  receive: type<Moved, ReceiveRight>(RECEIVE),
  memory,
  array,
});
