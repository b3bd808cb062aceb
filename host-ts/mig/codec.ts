// Requests and replies of one routine, in Mach's layout (32-bit, packed to 4):
//
//   header 24 | [ports: count 4, descriptors 12 each] | [NDR 8] | [RetCode 4, simple replies] | fields
//
// All that has a descriptor comes first, in the order of the declaration, then all else; what is out of
// line has its count there. Fields are written and read in the kmsg, in place.

import { KERN_RESOURCE_SHORTAGE, MIG_ARRAY_TOO_LARGE, MIG_BAD_ARGUMENTS, MIG_TYPE_ERROR } from "../abi/codes.gen.js";
import { COMPLEX, type Draft } from "../draft.js";
import { MigError } from "../errors.js";
import { fixed } from "../memory/views.js";
import { Moved, rightOf, type SendRight } from "../right.js";
import type { Message } from "../message.js";
import type { Space } from "../space.js";
import { countFits, fitsField, type Load, loadInto, loadOf, namesOf, unload } from "./out-of-line.js";
import { readText, writeText } from "./text.js";
import { arrival, bytesOf, type Field, fits, MASKS, NAMES, narrow, sum, travel } from "./fields.js";
import { ARRAY, BOOL, BYTES, type Fields, INT32, INT64, MEMORY, SEND, STRING, UINT32 } from "./types.js";

/** Values by name. */
export type Values = Record<string, unknown>;

/** The layout of a scalar of this machine's kind: little endian, ASCII, IEEE. */
const NDR_LOW = 0;
const NDR_HIGH = 1;
/** Bytes of the message that says that a call failed. */
export const ERROR_REPLY_BYTES: number = 36;

const NO_LOADS: readonly Load[] = [];
const NO_NAMES: readonly Uint32Array[] = [];

/** One direction of a routine. */
export class Codec {
  /** For errors: `Subsystem.routine`. */
  readonly label: string;
  readonly #ports: readonly Field[];
  readonly #inline: readonly Field[];
  readonly #complex: boolean;
  readonly #outOfLine: boolean;
  readonly #ndr: boolean;
  readonly #retCode: boolean;
  /** Words before the fields. */
  readonly #head: number;
  readonly #least: number;
  readonly #most: number;

  constructor(label: string, fields: Fields, reply: boolean) {
    let descriptors = 0;
    const all = Object.entries(fields).map(([name, { kind, maxBytes, element = 0 }]): Field => {
      return { name, kind, maxBytes, element, descriptor: kind >= SEND ? descriptors++ : 0 };
    });
    this.label = label;
    this.#ports = all.filter(({ kind }) => kind >= SEND);
    this.#inline = all.filter(({ kind }) => kind < SEND || kind >= MEMORY);
    this.#outOfLine = all.some(({ kind }) => kind >= MEMORY);
    this.#complex = this.#ports.length > 0;
    this.#retCode = reply && !this.#complex;
    this.#ndr = this.#retCode || this.#inline.length > 0;
    this.#head = 6 + (this.#complex ? 1 + 3 * this.#ports.length : 0) + (this.#ndr ? 2 : 0) + (this.#retCode ? 1 : 0);
    this.#least = this.#head * 4 + sum(this.#inline, (field) => bytesOf(field, 0));
    this.#most = this.#head * 4 + sum(this.#inline, (field) => bytesOf(field, field.maxBytes));
  }

  /**
   * Builds the message in `draft`. On an error nothing is left behind and every right is the caller's
   * still.
   *
   * @param host a request that was read; when it has room, its kmsg becomes that of the message
   */
  encode(
    draft: Draft,
    bits: number,
    remote: number,
    local: number,
    id: number,
    values: Values,
    host: Message | null = null,
  ): Draft {
    const space = draft.space;
    const inline = this.#inline;
    const loads = this.#outOfLine ? this.#load(values) : NO_LOADS;
    let room = this.#head * 4;
    for (let i = 0; i < inline.length; i++) room += this.#room(inline[i] as Field, values);
    const slots = sum(loads, ({ rights }) => rights.length) + this.#ports.length; // of rights, and one each of descriptors
    if (host !== null && space.reusable(host.kmsg, room, slots)) {
      const at = host.start();
      draft.adopt(host.surrender(), at, room);
    } else {
      draft.prepare(room, slots);
    }
    try {
      draft.size = (this.#write(draft, values, loads) - draft.at) << 2;
      draft.header(this.#complex ? bits | COMPLEX : bits, remote, local, id);
      if (this.#complex) this.#embark(draft, values, loads);
    } catch (error) {
      draft.discard();
      throw error;
    }
    return draft;
  }

  /**
   * Checks the message whose first word is `at`, and reads it.
   *
   * @returns the values; a MIG code when it is malformed, nothing having been taken from it
   */
  decode(space: Space, words: Int32Array, at: number): Values | number {
    const complex = (words[at] as number) < 0;
    const size = words[at + 1] as number;
    if (complex !== this.#complex) return MIG_BAD_ARGUMENTS;
    if (complex && words[at + 6] !== this.#ports.length) return MIG_BAD_ARGUMENTS;
    if (size < this.#least || size > this.#most || (size & 3) !== 0) return MIG_BAD_ARGUMENTS;
    if (complex && !this.#portsFit(words, at)) return MIG_TYPE_ERROR;
    const values: Values = {};
    const wrong = this.#read(space, words, at, at + (size >>> 2), values);
    if (wrong !== 0) return wrong;
    if (!complex) return values;
    const names = this.#outOfLine ? namesOf(space, this.#ports, words, at) : NO_NAMES;
    if (names === null) return KERN_RESOURCE_SHORTAGE;
    this.#disembark(space, words, at, values, names);
    return values;
  }

  /** Most bytes that the field can take with this value, which is checked. */
  #room(field: Field, values: Values): number {
    const kind = field.kind;
    if (kind < INT64 || kind >= MEMORY) return 4;
    if (kind < STRING) return 8;
    const value = values[field.name];
    if (kind === STRING) {
      if (typeof value !== "string") throw this.#wrong(field, "a string");
      if (value.length > field.maxBytes) throw this.#tooLarge(field);
      return bytesOf(field, value.length * 3);
    }
    if (!(value instanceof Uint8Array)) throw this.#wrong(field, "a Uint8Array");
    if (value.length > field.maxBytes) throw this.#tooLarge(field);
    return bytesOf(field, value.length);
  }

  /**
   * Writes all but the header and the rights; returns the word behind. There is room for the values as
   * they were, which may be others by now: they are the program's own objects.
   */
  #write(draft: Draft, values: Values, loads: readonly Load[]): number {
    const views = draft.space.views;
    const words = views.i32;
    const end = draft.at + (draft.size >>> 2);
    let word = draft.at + 6;
    if (this.#complex) word += 1 + 3 * this.#ports.length;
    if (this.#ndr) {
      words[word++] = NDR_LOW;
      words[word++] = NDR_HIGH;
    }
    if (this.#retCode) words[word++] = 0;
    const inline = this.#inline;
    for (let i = 0; i < inline.length; i++) {
      const field = inline[i] as Field;
      const kind = field.kind;
      if (kind >= MEMORY) {
        words[word++] = (loads[field.descriptor] as Load).count;
        continue;
      }
      const value = values[field.name];
      if (kind < BOOL) {
        if (typeof value !== "number" || !fits(kind, value)) throw this.#wrong(field, NAMES[kind] as string);
        words[word++] = kind === UINT32 || kind === INT32 ? value : value & (MASKS[kind] as number);
      } else if (kind === BOOL) {
        if (typeof value !== "boolean") throw this.#wrong(field, "a boolean");
        words[word++] = value ? 1 : 0;
      } else if (kind < STRING) {
        const whole = BigInt.asUintN(64, this.#wide(field, value));
        words[word++] = Number(whole & 0xffffffffn);
        words[word++] = Number(whole >> 32n);
      } else if (kind === STRING) {
        if (typeof value !== "string" || word + (bytesOf(field, value.length * 3) >>> 2) > end) {
          throw this.#wrong(field, "a string that stays the same");
        }
        word = this.#writeString(draft, word, field, value);
      } else {
        const bytes = value as Uint8Array;
        const length = bytes.length;
        const behind = word + (bytesOf(field, length) >>> 2);
        if (!(bytes instanceof Uint8Array) || behind > end) {
          throw this.#wrong(field, "a Uint8Array that stays the same");
        }
        words[word++] = length;
        if (behind > word) words[behind - 1] = 0;
        views.octets.set(fixed(bytes, length), word * 4);
        word = behind;
      }
    }
    return word;
  }

  #writeString(draft: Draft, word: number, field: Field, text: string): number {
    const views = draft.space.views;
    const words = views.i32;
    const bytes = writeText(views.octets, (word + 2) * 4, text);
    if (bytes < 0) throw this.#wrong(field, "a string without NUL");
    if (bytes > field.maxBytes) throw this.#tooLarge(field);
    words[word] = 0;
    words[word + 1] = bytes + 1;
    const start = (word + 2) * 4;
    const end = word + 2 + ((bytes + 4) >>> 2);
    for (let i = start + bytes; i < end * 4; i++) views.octets[i] = 0;
    return end;
  }

  #wide(field: Field, value: unknown): bigint {
    const wide = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    const clamped =
      typeof wide !== "bigint" ? null : field.kind === INT64 ? BigInt.asIntN(64, wide) : BigInt.asUintN(64, wide);
    if (clamped === null || clamped !== wide) throw this.#wrong(field, field.kind === INT64 ? "an int64" : "a uint64");
    return clamped;
  }

  /** What goes out of line, by its descriptor. */
  #load(values: Values): Load[] {
    const loads: Load[] = [];
    for (const field of this.#ports) {
      if (field.kind < MEMORY) continue;
      const load = loadOf(field, values[field.name]);
      if (load === null) throw this.#wrong(field, NAMES[field.kind] as string);
      if (load.count > field.maxBytes) throw this.#tooLarge(field);
      loads[field.descriptor] = load;
    }
    return loads;
  }

  /** Writes the descriptors; from here on the rights are the message's. */
  #embark(draft: Draft, values: Values, loads: readonly Load[]): void {
    const words = draft.space.views.i32;
    const ports = this.#ports;
    words[draft.at + 6] = ports.length;
    for (let i = 0; i < ports.length; i++) {
      const field = ports[i] as Field;
      if (field.kind >= MEMORY) {
        loadInto(draft, i, loads[i] as Load);
        continue;
      }
      const value = values[field.name];
      const disposition = travel(field.kind, value);
      if (disposition === 0) throw this.#wrong(field, NAMES[field.kind] as string);
      const right = (value instanceof Moved ? value.right : value) as SendRight;
      const name = right.nameIn(draft.space);
      const word = 7 + i * 3;
      words[draft.at + word] = name;
      words[draft.at + word + 1] = 0;
      words[draft.at + word + 2] = disposition << 16;
      draft.note(word, name, disposition, disposition < 19 ? right : null);
    }
  }

  #portsFit(words: Int32Array, at: number): boolean {
    const ports = this.#ports;
    for (let i = 0; i < ports.length; i++) {
      const word = words[at + 9 + i * 3] as number;
      const field = ports[i] as Field;
      if (field.kind >= MEMORY) {
        if (!fitsField(field, word)) return false;
      } else if (word >>> 24 !== 0 || word >>> 16 !== arrival(field.kind)) {
        return false;
      }
    }
    return true;
  }

  #disembark(space: Space, words: Int32Array, at: number, values: Values, names: readonly Uint32Array[]): void {
    const ports = this.#ports;
    for (let i = 0; i < ports.length; i++) {
      const field = ports[i] as Field;
      const word = at + 7 + i * 3;
      values[field.name] =
        field.kind >= MEMORY
          ? unload(space, field, words, word, names[i])
          : rightOf(space, arrival(field.kind), (words[word] as number) >>> 0);
    }
  }

  /** Reads the fields up to `end`; a code when they do not fill it exactly or are malformed. */
  #read(space: Space, words: Int32Array, at: number, end: number, values: Values): number {
    let word = at + this.#head;
    const octets = space.views.octets;
    const inline = this.#inline;
    for (let i = 0; i < inline.length; i++) {
      if (word >= end) return MIG_BAD_ARGUMENTS;
      const field = inline[i] as Field;
      const kind = field.kind;
      const first = words[word] as number;
      if (kind >= MEMORY) {
        if (!countFits(field, words, at + 7 + field.descriptor * 3, first >>> 0)) return MIG_TYPE_ERROR;
        word++;
      } else if (kind < BOOL) {
        values[field.name] = narrow(kind, first);
        word++;
      } else if (kind === BOOL) {
        values[field.name] = first !== 0;
        word++;
      } else if (word + 2 > end && kind !== BYTES) {
        return MIG_BAD_ARGUMENTS;
      } else if (kind < STRING) {
        const high = words[word + 1] as number;
        values[field.name] = (BigInt(kind === INT64 ? high : high >>> 0) << 32n) | BigInt(first >>> 0);
        word += 2;
      } else if (kind === STRING) {
        const count = (words[word + 1] as number) >>> 0;
        const start = (word + 2) * 4;
        if (count === 0 || count > field.maxBytes + 1 || start + count > end * 4) return MIG_BAD_ARGUMENTS;
        if (octets[start + count - 1] !== 0) return MIG_BAD_ARGUMENTS;
        const text = readText(octets, start, count - 1);
        if (text === null) return MIG_BAD_ARGUMENTS;
        values[field.name] = text;
        word += 2 + ((count + 3) >>> 2);
      } else {
        const count = first >>> 0;
        const start = (word + 1) * 4;
        if (count > field.maxBytes || start + count > end * 4) return MIG_BAD_ARGUMENTS;
        values[field.name] = octets.slice(start, start + count);
        word += 1 + ((count + 3) >>> 2);
      }
    }
    return word === end ? 0 : MIG_BAD_ARGUMENTS;
  }

  #wrong(field: Field, expected: string): TypeError {
    return new TypeError(`${this.label}: ${field.name}: expected ${expected}`);
  }

  #tooLarge(field: Field): MigError {
    return new MigError(
      this.label,
      MIG_ARRAY_TOO_LARGE,
      `${field.name}: more than ${field.maxBytes}${field.kind === ARRAY ? "" : " bytes"}`,
    );
  }
}
