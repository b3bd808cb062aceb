// A recorded message in untyped Mach, and back. Rights become port descriptors, those of an out-of-line array an array; inline data is
// a word with its size and the bytes; out-of-line memory is in pages of its own.

import * as codes from "../../host-ts/abi/codes.gen.ts";
import { arrayOf, inArray, unpack } from "../lib/arrays.js";
import { filled, free, get, memory, tryGet } from "../lib/memory.js";
import {
  build,
  HEADER,
  type Parsed,
  parse,
  type PortDescriptor,
  setWord,
  trailerElements,
  word,
} from "../lib/message.js";
import type { Space } from "../lib/space.js";
import type { Names } from "./names.js";
import type { Arguments, Item, RecordedMessage } from "./recorded.js";

/** Bytes of the receive buffer: the largest recorded body has 2000 bytes inline, and descriptors; one too large would differ. */
const BIG = 4096;
const TRAILER = 12;

export interface Answer {
  kr: number;
  /** In the shape of what was recorded, names as numbers. */
  out: Record<string, unknown>;
}

/** The item's descriptors, with its array or memory made. */
function descriptorsOf(space: Space, item: Item, names: Names): PortDescriptor[] {
  const raw = (item.names ?? []).map((name) => names.raw(name));
  const disposition = item.disp ?? 0;
  if (item.t === "port") return raw.map((name) => ({ name, disposition }));
  if (item.t === "ool") {
    const size = item.size ?? 0;
    const address = size === 0 ? 0 : filled(space, pattern(item.fill ?? 0, size));
    return [memory(address, size, { deallocate: item.dealloc ?? 0 })];
  }
  if (item.t !== "ool_ports") return [];
  return [inArray(arrayOf(space, raw), raw.length, disposition, item.dealloc ?? 0)];
}

/** Byte i of a recorded data item. */
function pattern(fill: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (fill + 7 * index) & 255);
}

/** FNV-1a of the bytes, as the recorder wrote it. */
function checksum(bytes: Uint8Array): string {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return (sum >>> 0).toString(16).padStart(8, "0");
}

function encode(args: Arguments, names: Names, descriptors: readonly PortDescriptor[]): Uint8Array {
  const items = args.items ?? [];
  const data = items.find((item) => item.t === "data");
  let bytes: Uint8Array | undefined;
  if (data) {
    const size = data.size ?? 0;
    bytes = new Uint8Array(4 + ((size + 3) & ~3));
    setWord(bytes, 0, size);
    bytes.set(pattern(data.fill ?? 0, size), 4);
  }
  return build({
    remote: names.raw(args.remote ?? "null"),
    remoteDisposition: args.rdisp ?? 0,
    local: names.raw(args.local ?? "null"),
    localDisposition: args.ldisp ?? 0,
    id: args.id ?? 0,
    descriptors,
    complex: items.some((item) => item.t !== "data"),
    ...(bytes ? { data: bytes } : {}),
  });
}

/** The body in the shape of the recorded one, its arrays and memory freed; what the recorded one has no place for is kept as `rest`. */
function decodeBody(space: Space, message: Parsed, expected: readonly Item[]): { body: unknown[]; rest: unknown[] } {
  const descriptors = [...message.descriptors];
  let data = message.data;
  const body = expected.map((item) => {
    if (item.t === "ool_ports") {
      const array = descriptors.shift();
      return { t: "ool_ports", disp: array?.disposition, names: unpack(space, array) };
    }
    if (item.t === "port") {
      const some = descriptors.splice(0, item.names?.length ?? 0);
      return { t: item.t, disp: some[0]?.disposition ?? item.disp, names: some.map(({ name }) => name) };
    }
    if (item.t === "ool") {
      const { name = 0, count = 0 } = descriptors.shift() ?? {};
      const bytes = get(space, name, count);
      free(space, name, count);
      return { t: "ool", size: count, sum: checksum(bytes) };
    }
    if (item.t === "data") {
      const size = data.length < 4 ? 0 : word(data, 0);
      const bytes = data.slice(4, 4 + size);
      data = data.slice(4 + ((size + 3) & ~3));
      return { t: "data", size, sum: checksum(bytes) };
    }
    const value = data.length < 12 ? -1 : word(data, 8); // behind the NDR record
    data = data.slice(12);
    return item.t === "name" ? { t: "name", name: value } : { t: "int", v: value };
  });
  const rest = [...descriptors, ...(data.length > 0 ? [{ bytes: [...data] }] : [])];
  return { body, rest };
}

function decodeHeader(message: Parsed): Record<string, unknown> {
  return {
    rdisp: message.remoteType,
    ldisp: message.localType,
    complex: message.complex ? 1 : 0,
    remote: message.remote,
    local: message.local,
    id: message.id,
  };
}

function decode(space: Space, message: Parsed, expected: RecordedMessage): Record<string, unknown> {
  const { body, rest } = decodeBody(space, message, expected.body ?? []);
  return { ...decodeHeader(message), body: [...body, ...rest] };
}

/** Whether the sender had an array's or item's memory still, which is freed. */
function freed(space: Space, address: number, size: number): 0 | 1 {
  const { code } = tryGet(space, address, size);
  free(space, address, size);
  return code === codes.KERN_SUCCESS ? 1 : 0;
}

export function send(space: Space, args: Arguments, names: Names, returned: RecordedMessage | undefined): Answer {
  const items = (args.items ?? []).map((item) => ({ ...item, made: descriptorsOf(space, item, names) }));
  const bytes = encode(
    args,
    names,
    items.flatMap(({ made }) => made),
  );
  const kr = space.send(bytes);
  const timedOut = kr === codes.MACH_SEND_TIMED_OUT;
  const out: Record<string, unknown> = {};
  // What came back may lie where the sender's array or memory was.
  if (timedOut && returned) out.returned = decode(space, parse(bytes), returned);
  const regions = items.filter(({ t, size, names: some }) => (t === "ool" ? size : t === "ool_ports" && some?.length));
  if (regions.length > 0) {
    out.ool_still_mapped = regions.map(({ t, made: [{ name = 0, count = 0 } = {}] }) =>
      freed(space, name, t === "ool" ? count : count * 4),
    );
  }
  return { kr, out };
}

export function receive(
  space: Space,
  name: number,
  args: Arguments,
  expected: { msg?: RecordedMessage; header?: RecordedMessage },
): Answer {
  const size = args.rcv_size === "header" ? HEADER + TRAILER : BIG;
  const option = trailerElements(1) | (args.large ? codes.MACH_RCV_LARGE : 0);
  const { code: kr, message } = space.receive(name, { option, size });
  if (kr === codes.MACH_MSG_SUCCESS) {
    const msg = decode(space, message, expected.msg ?? ({} as RecordedMessage));
    return { kr, out: { msg: { ...msg, seqno: message.trailer.seqno } } };
  }
  if (kr !== codes.MACH_RCV_TOO_LARGE) return { kr, out: {} };
  if (args.large) return { kr, out: { size: message.size } };
  return { kr, out: { header: { ...decodeHeader(message), seqno: message.trailer.seqno } } };
}
