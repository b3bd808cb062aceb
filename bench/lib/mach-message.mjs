// What level 1's methods share: Mach's numbers, a message in a buffer, and how both sides meet.
import { machTraps } from "./kernel.mjs";

export const MACH_SEND_MSG = 1;
export const MACH_RCV_MSG = 2;
export const MACH_RCV_TIMED_OUT = 0x10004003;
export const MOVE_SEND_ONCE = 18;
export const COPY_SEND = 19;
export const MAKE_SEND = 20;
export const MAKE_SEND_ONCE = 21;
export const HEADER = 24;
export const TRAILER = 8;

const words = { bits: 0, size: 1, remote: 2, local: 3, voucher: 4, id: 5 };

/** The names of the header's words. */
export const WORD = words;

/** Room for `slots` messages of `bytes`, each with its trailer. */
export function messages(bytes, slots = 1) {
  const slot = HEADER + bytes + TRAILER;
  const buffer = new Uint8Array(slot * slots);
  return { buffer, words: new Uint32Array(buffer.buffer), size: HEADER + bytes, slot };
}

/** Writes a header at word `at`. */
export function address(into, at, { bits, size, remote, local }) {
  into[at + words.bits] = bits;
  into[at + words.size] = size;
  into[at + words.remote] = remote;
  into[at + words.local] = local;
  into[at + words.voucher] = 0;
  into[at + words.id] = 0;
}

export function expectSuccess(code, trap) {
  if (code !== 0) throw new Error(`${trap} answers 0x${(code >>> 0).toString(16)}`);
}

/** The server checks a port in, a client looks it up; from then on both use names. */
export async function link({ task, region, role }) {
  const { traps } = await machTraps();
  const service = `bench.${region}`;
  const { bootstrap } = task;
  const right = await (role === "client" ? bootstrap.lookUp(service) : bootstrap.checkIn(service));
  return { name: right.name, trap: traps(task), close: () => right[Symbol.dispose]() };
}
