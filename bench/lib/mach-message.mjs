// What level 1's methods share: Mach's numbers, a message in a buffer, and how both sides meet.
import { machTraps } from "./kernel.mjs";

export const MACH_SEND_MSG = 1;
export const MACH_RCV_MSG = 2;
export const MACH_RCV_TIMED_OUT = 0x10004003;
export const MOVE_SEND_ONCE = 18;
export const COPY_SEND = 19;
export const MAKE_SEND = 20;
export const MAKE_SEND_ONCE = 21;
const MACH_PORT_RIGHT_RECEIVE = 1;
const MACH_PORT_LIMITS_INFO = 1;
const QLIMIT = 1024;
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

/** A port of this thread's own that it may send to, with a queue of 1024. Returns its name. */
export function ownPort(trap) {
  const out = new Uint32Array(1);
  const self = trap.mach_task_self();
  expectSuccess(trap.mach_port_allocate(self, MACH_PORT_RIGHT_RECEIVE, out), "allocate");
  const name = out[0];
  expectSuccess(trap.mach_port_insert_right(self, name, name, MAKE_SEND), "insert_right");
  const limits = new Uint32Array([QLIMIT]);
  const limited = trap.mach_port_set_attributes(self, name, MACH_PORT_LIMITS_INFO, limits, 1);
  expectSuccess(limited, "set_attributes");
  return name;
}
