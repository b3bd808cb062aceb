// The oracle's sends: checks in order, copyin, the queue limit, pseudo-receive, and the end of a wait.

import { COMPLEX, setWord, word } from "./message.js";
import { arraySent, listed } from "./oracle-arrays.js";
import { isGuardedPort, knowsGuard } from "./oracle-guarded.js";
import { arrive, drop, fits, plain, take, writeRest } from "./oracle-rights.js";
import {
  COPY_SEND,
  DEAD,
  Kmsg,
  MAKE_SEND_ONCE,
  NULL,
  ONCE,
  type Oracle,
  type Port,
  RECEIVE,
  type Right,
  SEND,
  type Space,
  type Waiter,
} from "./oracle-state.js";

const [OOL, OOL_PORTS, OOL_VOLATILE] = [1, 2, 3];
const SEND_NOTIFY = 0x80;
const SUCCESS = 0;
const SEND_IN_PROGRESS = 0x10000001;
const SEND_INVALID_DEST = 0x10000003;
const SEND_TIMED_OUT = 0x10000004;
const SEND_INVALID_VOUCHER = 0x10000005;
const SEND_MSG_TOO_SMALL = 0x10000008;
const SEND_INVALID_REPLY = 0x10000009;
const SEND_INVALID_RIGHT = 0x1000000a;
const SEND_INVALID_MEMORY = 0x1000000c;
const SEND_TOO_LARGE = 0x1000000e;
const SEND_INVALID_TYPE = 0x1000000f;
const SEND_INVALID_HEADER = 0x10000010;

/** What is wrong with the header before any look-up (A76, A77), or 0. */
function validateHeader(bytes: Uint8Array): number {
  const bits = word(bytes, 0);
  const [remoteDisposition, localDisposition, voucherDisposition] = [bits & 31, (bits >>> 8) & 31, (bits >>> 16) & 31];
  const [remote, local, voucher] = [word(bytes, 8), word(bytes, 12), word(bytes, 16)];
  const anySend = (disposition: number) => disposition >= SEND && disposition <= MAKE_SEND_ONCE;
  if ((bits & ~0x801f1f1f) !== 0) return SEND_INVALID_HEADER;
  if (localDisposition === 0 ? local !== NULL : !anySend(localDisposition)) return SEND_INVALID_HEADER;
  if (voucherDisposition !== 0 && voucherDisposition !== SEND && voucherDisposition !== COPY_SEND) {
    return SEND_INVALID_VOUCHER;
  }
  if (!anySend(remoteDisposition)) return SEND_INVALID_HEADER;
  if (remote === NULL || remote === DEAD) return SEND_INVALID_DEST;
  if (remote === local && (remoteDisposition === ONCE || localDisposition === ONCE)) return SEND_INVALID_DEST;
  if (voucherDisposition !== 0 && voucher !== NULL && voucher === local) return SEND_INVALID_REPLY;
  return voucherDisposition !== 0 && voucher !== NULL ? SEND_INVALID_VOUCHER : SUCCESS;
}

interface CopyIn {
  code: number;
  kmsg: Kmsg | null;
}

/** A70 to A80. `answer` is what the kernel said, for the one choice that A86 leaves. */
function copyin(oracle: Oracle, space: Space, bytes: Uint8Array, answer: number, pid: number): CopyIn {
  const refused = (code: number): CopyIn => ({ code, kmsg: null });
  const size = bytes.length;
  if (size < 24 || size % 4 !== 0) return refused(SEND_MSG_TOO_SMALL);
  const bits = word(bytes, 0);
  const complex = (bits & COMPLEX) !== 0;
  const count = complex && size >= 28 ? word(bytes, 24) : 0;
  if (complex && (size < 28 || count > Math.floor((size - 28) / 12))) return refused(SEND_MSG_TOO_SMALL);
  for (let index = 0; index < count; index++) {
    const type = bytes[28 + 12 * index + 11] ?? 0;
    const isMemory = type === OOL || type === OOL_VOLATILE;
    if (isMemory && (bytes[28 + 12 * index + 9] ?? 0) <= 1) throw new Error("the oracle knows nothing of memory");
    if (type !== 0 && type !== OOL_PORTS && !isGuardedPort(bytes, 28 + 12 * index)) return refused(SEND_INVALID_TYPE);
  }
  if (listed(bytes, count) === null) return refused(SEND_TOO_LARGE);
  const [remoteDisposition, localDisposition] = [bits & 31, (bits >>> 8) & 31];
  const [remote, local] = [word(bytes, 8), word(bytes, 12)];
  const dest = space.entries.get(remote);
  const movesTwice = remote === local && remoteDisposition === SEND && localDisposition === SEND;
  const invalid = validateHeader(bytes);
  // Too few references for two moves may be told with the look-up of the destination or before that of the voucher.
  const isToldEarly = movesTwice && (dest?.sends ?? 0) < 2 && answer === SEND_INVALID_DEST;
  if (invalid === SEND_INVALID_VOUCHER && isToldEarly) return refused(SEND_INVALID_DEST);
  if (invalid !== SUCCESS) return refused(invalid);
  const swallowed =
    dest?.lazyOnce === true && dest.deads === 1 && remoteDisposition === ONCE && answer !== SEND_INVALID_DEST;
  if (!dest || !(swallowed || fits(dest, remoteDisposition))) return refused(SEND_INVALID_DEST);
  if (movesTwice && dest.sends < 2) return refused(SEND_INVALID_DEST);
  const source = local === NULL || local === DEAD ? null : space.entries.get(local);
  if (source === undefined) return refused(SEND_INVALID_REPLY);
  const carriesDead = source !== null && source.deads > 0 && localDisposition <= COPY_SEND;
  if (source !== null && !carriesDead && !fits(source, localDisposition)) return refused(SEND_INVALID_REPLY);

  const kmsg = new Kmsg();
  kmsg.complex = complex;
  kmsg.id = word(bytes, 20) | 0;
  kmsg.voucher = word(bytes, 16);
  kmsg.size = size;
  kmsg.data = bytes.slice(complex ? 28 + 12 * count : 24);
  kmsg.sender = [space.serial, pid];
  const takeReply = (): void => {
    kmsg.reply = source === null ? plain(local, localDisposition) : take(oracle, space, source, localDisposition);
  };
  if (localDisposition === COPY_SEND) takeReply();
  kmsg.dest = take(oracle, space, dest, remoteDisposition);
  if (localDisposition !== COPY_SEND) takeReply();
  for (let index = 0; index < count; index++) {
    const code = copyinDescriptor(oracle, space, kmsg, bytes, index);
    if (code === SUCCESS) continue;
    oracle.destroyKmsg(kmsg);
    return refused(code);
  }
  return { code: SUCCESS, kmsg };
}

/** One descriptor: a right, or an array of them. */
function copyinDescriptor(oracle: Oracle, space: Space, kmsg: Kmsg, bytes: Uint8Array, index: number): number {
  const offset = 28 + 12 * index;
  const disposition = bytes[offset + 10] ?? 0;
  if (isGuardedPort(bytes, offset)) {
    if (!knowsGuard(space, bytes, offset)) return SEND_INVALID_RIGHT;
    const right = copyinRight(oracle, space, kmsg, word(bytes, offset + 4), RECEIVE);
    if (right !== null) kmsg.descriptors.push({ ...right, guard: word(bytes, offset + 8) & 3 });
    return right === null ? SEND_INVALID_RIGHT : SUCCESS;
  }
  const isArray = bytes[offset + 11] === OOL_PORTS;
  const { names, done } = isArray
    ? (arraySent(oracle, space, bytes, offset) ?? { names: null, done: null })
    : { names: [word(bytes, offset)], done: () => {} };
  if (names === null) return SEND_INVALID_MEMORY;
  if (isArray) kmsg.arrays.set(index, { count: names.length, type: plain(NULL, disposition).type });
  done();
  for (const name of names) {
    const right = copyinRight(oracle, space, kmsg, name, disposition);
    if (right === null) return SEND_INVALID_RIGHT;
    kmsg.descriptors.push(right);
  }
  return SUCCESS;
}

/** A58 to A60, A169, A170; null: INVALID_RIGHT. */
function copyinRight(oracle: Oracle, space: Space, kmsg: Kmsg, name: number, disposition: number): Right | null {
  if (name === NULL || name === DEAD) return plain(name, disposition);
  const entry = space.entries.get(name);
  if (!entry || disposition < RECEIVE || disposition > MAKE_SEND_ONCE) return null;
  const carriesDead = entry.deads > 0 && disposition >= SEND && disposition <= COPY_SEND;
  if (!carriesDead && !fits(entry, disposition)) return null;
  const right = take(oracle, space, entry, disposition);
  if (right.type === RECEIVE && right.port !== null) {
    if (oracle.leadsTo(kmsg.dest.port, right.port)) kmsg.circular = true;
    else right.port.carrier = kmsg;
  }
  return right;
}

/** What the caller's buffer holds after a send that failed (A99 to A104). */
function pseudoReceive(oracle: Oracle, space: Space, kmsg: Kmsg, seen: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(kmsg.size);
  setWord(bytes, 8, arrive(oracle, space, kmsg.dest, word(seen, 8)));
  setWord(bytes, 12, arrive(oracle, space, kmsg.reply, word(seen, 12)));
  writeRest(oracle, space, kmsg, bytes, seen, kmsg.dest.type | (kmsg.reply.type << 8), "movable");
  return bytes;
}

/** A send. `seen` is the caller's buffer afterwards; a waiter makes it wait instead of timing out. */
export function send(
  oracle: Oracle,
  space: Space,
  bytes: Uint8Array,
  ask: { option?: number; answer: number; pid: number; seen: Uint8Array; waiter: ((kmsg: Kmsg) => Waiter) | null },
): { code: number; buffer: Uint8Array | null } {
  const { code, kmsg } = copyin(oracle, space, bytes, ask.answer, ask.pid);
  if (kmsg === null) return { code, buffer: null };
  const { port, type } = kmsg.dest;
  if (port === null || !port.alive || kmsg.circular) {
    oracle.destroyKmsg(kmsg);
    oracle.flush();
    return { code: SUCCESS, buffer: null };
  }
  if (type === SEND && isFull(oracle, port, ask.answer)) {
    // A152; the name may be gone.
    const entry = ((ask.option ?? 0) & SEND_NOTIFY) !== 0 ? oracle.entryOf(space, port) : null;
    if (entry?.possible === "asked") entry.possible = "armed";
    if (ask.waiter === null) return { code: SEND_TIMED_OUT, buffer: pseudoReceive(oracle, space, kmsg, ask.seen) };
    port.senders.push(ask.waiter(kmsg));
    return { code: SEND_IN_PROGRESS, buffer: null };
  }
  oracle.enqueue(port, kmsg);
  oracle.flush();
  return { code: SUCCESS, buffer: null };
}

/** A88. Whether a notification of this very operation counts already is not laid down. */
function isFull(oracle: Oracle, port: Port, answer: number): boolean {
  const limit = oracle.mutation === "queue-one-longer" ? port.qlimit + 1 : port.qlimit;
  if (port.queue.length < limit) return false;
  const before = port.queue.filter((kmsg) => kmsg.batch !== oracle.now).length;
  return before >= limit || answer !== SUCCESS;
}

/** A wait is given up: a sender gets its message back (A96). */
export function cancel(oracle: Oracle, waiter: Waiter, seen: Uint8Array): Uint8Array | null {
  for (const space of oracle.spaces) {
    for (const { port, set } of space.entries.values()) {
      for (const list of [port?.senders, port?.receivers, set?.receivers]) drop(list, waiter);
    }
  }
  if (waiter.kmsg === null) return null;
  drop(waiter.kmsg.dest.port?.senders, waiter);
  return pseudoReceive(oracle, waiter.space, waiter.kmsg, seen);
}
