// What a codec asks of one field: how much room it takes, what fits in it, how a right travels.

import { ReceiveRight } from "../receive-right.js";
import { Moved, SendOnceRight, SendRight } from "../right.js";
import {
  INT8,
  INT32,
  INT64,
  MAKE_SEND,
  MEMORY,
  RECEIVE,
  SEND,
  SEND_ONCE,
  STRING,
  UINT8,
  UINT16,
  UINT32,
} from "./types.js";

/** An argument of one message. */
export interface Field {
  readonly name: string;
  readonly kind: number;
  readonly maxBytes: number;
  /** What an array has. */
  readonly element: number;
  /** Of what has a descriptor: which one. */
  readonly descriptor: number;
}

/** What the kinds are called in errors. */
export const NAMES: readonly string[] = [
  "an int8",
  "a uint8",
  "an int16",
  "a uint16",
  "an int32",
  "a uint32",
  "a boolean",
  "an int64",
  "a uint64",
  "a string",
  "a Uint8Array",
  "a SendRight, or move() of one",
  "a ReceiveRight",
  "a SendOnceRight, or a ReceiveRight to make one from",
  "move() of a ReceiveRight",
  "a Region, or a range() or move() of one",
  "an array of rights that all travel alike",
];
const LEAST: readonly number[] = [-0x80, 0, -0x8000, 0, -0x80000000, 0];
const MOST: readonly number[] = [0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff];
export const MASKS: readonly number[] = [0xff, 0xff, 0xffff, 0xffff];

export function fits(kind: number, value: number): boolean {
  return Number.isInteger(value) && value >= (LEAST[kind] as number) && value <= (MOST[kind] as number);
}

export function narrow(kind: number, word: number): number {
  if (kind === UINT32) return word >>> 0;
  if (kind === INT32) return word;
  if (kind === UINT8) return word & 0xff;
  if (kind === INT8) return (word << 24) >> 24;
  return kind === UINT16 ? word & 0xffff : (word << 16) >> 16;
}

/** Bytes that the field takes when `length` bytes of a string or of bytes are in it. */
export function bytesOf({ kind }: Field, length: number): number {
  if (kind < INT64 || kind >= MEMORY) return 4;
  if (kind < STRING) return 8;
  if (kind === STRING) return 8 + ((length + 4) & ~3);
  return 4 + ((length + 3) & ~3);
}

/** The disposition by which `value` goes out as `kind`; 0 when it cannot. */
export function travel(kind: number, value: unknown): number {
  const moved = value instanceof Moved ? value.right : null;
  if (kind === SEND) return value instanceof SendRight ? 19 : moved instanceof SendRight ? 17 : 0;
  if (kind === MAKE_SEND) return value instanceof ReceiveRight ? 20 : 0;
  if (kind === RECEIVE) return moved instanceof ReceiveRight ? 16 : 0;
  if (value instanceof ReceiveRight) return 21;
  return value instanceof SendOnceRight || moved instanceof SendOnceRight ? 18 : 0;
}

/** The disposition that `kind` is received with. */
export function arrival(kind: number): number {
  if (kind === RECEIVE) return 16;
  return kind === SEND_ONCE ? 18 : 17;
}

export function sum<T>(all: readonly T[], amount: (one: T) => number): number {
  return all.reduce((total, one) => total + amount(one), 0);
}
