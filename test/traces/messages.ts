// A recorded message in untyped Mach, and back. Rights become port descriptors, those of an out-of-line array too; inline data is a word
// with its size and the bytes. Out-of-line memory is left out: the kernel has none yet.

import * as codes from "../../host-ts/abi/codes.gen.ts";
import { build, HEADER, type Parsed, parse, setWord, trailerElements, word } from "../lib/message.js";
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

function carriesRights(item: Item): boolean {
  return item.t === "port" || item.t === "ool_ports";
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

export function encode(args: Arguments, names: Names): Uint8Array {
  const items = args.items ?? [];
  const descriptors = items
    .filter(carriesRights)
    .flatMap((item) => (item.names ?? []).map((name) => ({ name: names.raw(name), disposition: item.disp ?? 0 })));
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

/** The body in the shape of the recorded one; what the recorded one has no place for is kept as `rest`. */
function decodeBody(message: Parsed, expected: readonly Item[]): { body: unknown[]; rest: unknown[] } {
  const descriptors = [...message.descriptors];
  let data = message.data;
  const body = expected.map((item) => {
    if (carriesRights(item)) {
      const some = descriptors.splice(0, item.names?.length ?? 0);
      return { t: item.t, disp: some[0]?.disposition ?? item.disp, names: some.map(({ name }) => name) };
    }
    if (item.t === "ool") return item;
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

function decode(message: Parsed, expected: RecordedMessage): Record<string, unknown> {
  const { body, rest } = decodeBody(message, expected.body ?? []);
  return { ...decodeHeader(message), body: [...body, ...rest] };
}

export function send(space: Space, args: Arguments, names: Names, returned: RecordedMessage | undefined): Answer {
  const bytes = encode(args, names);
  const kr = space.send(bytes);
  const timedOut = kr === codes.MACH_SEND_TIMED_OUT;
  return { kr, out: timedOut && returned ? { returned: decode(parse(bytes), returned) } : {} };
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
    const msg = decode(message, expected.msg ?? ({} as RecordedMessage));
    return { kr, out: { msg: { ...msg, seqno: message.trailer.seqno } } };
  }
  if (kr !== codes.MACH_RCV_TOO_LARGE) return { kr, out: {} };
  if (args.large) return { kr, out: { size: message.size } };
  return { kr, out: { header: { ...decodeHeader(message), seqno: message.trailer.seqno } } };
}
