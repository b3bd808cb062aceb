// The oracle's receives: which message, for whom, whether it fits, and what it looks like to the receiver.

import { setWord, word } from "./message.js";
import { arrive, drop, writeRest } from "./oracle-rights.js";
import {
  DEAD_NAME,
  type Kmsg,
  Mismatch,
  type Mutation,
  NO_SENDERS,
  Oracle,
  PORT_DELETED,
  type Port,
  type PortSet,
  RCV_TOO_LARGE,
  SEND,
  SEND_ONCE,
  type Seen,
  type Space,
  type Waiter,
} from "./oracle-state.js";

const SUCCESS = 0;
const RCV_IN_PROGRESS = 0x10004001;
const RCV_INVALID_NAME = 0x10004002;
const RCV_TIMED_OUT = 0x10004003;
const RCV_LARGE = 0x4;
const RCV_LARGE_IDENTITY = 0x8;
const RCV_GUARDED_DESC = 0x1000;

/** A130, A132. */
export function trailerSize(option: number): number {
  return [8, 12, 20, 52, 56][(option >>> 24) & 15] ?? 64;
}

/** The messages that may be first: those of one operation are in no laid-down order if notifications are among them. */
function heads(port: Port): Kmsg[] {
  const found: Kmsg[] = [];
  for (const kmsg of port.queue) {
    if (!found.every((other) => other.batch === kmsg.batch && (other.kernel || kmsg.kernel))) break;
    found.push(kmsg);
  }
  return found;
}

interface Variant {
  id: number;
  size: number;
}

/** What a message may turn out to be: in a cascade the order of deaths decides between kinds of notification. */
function variants(kmsg: Kmsg): Variant[] {
  const { id, size } = kmsg;
  if (kmsg.loose && (id === NO_SENDERS || id === SEND_ONCE)) {
    return [
      { id: NO_SENDERS, size: 36 },
      { id: SEND_ONCE, size: 24 },
    ];
  }
  if (kmsg.loose && (id === PORT_DELETED || id === DEAD_NAME)) {
    return [
      { id: PORT_DELETED, size: 36 },
      { id: DEAD_NAME, size: 36 },
    ];
  }
  return [{ id, size }];
}

interface Buffer {
  option: number;
  rcvSize: number;
}

/** What the message must have been for the kernel's answer; null: it cannot be this message. */
function variantSeen(kmsg: Kmsg, buffer: Buffer, seen: Seen): Variant | null {
  const found = variants(kmsg).find(({ id, size }) => {
    const large = buffer.rcvSize < size + trailerSize(buffer.option);
    if (seen.code === RCV_TOO_LARGE) return large && isToldLarge(kmsg, { id, size }, buffer, seen);
    if (seen.code !== SUCCESS || large || (word(seen.bytes, 20) | 0) !== id) return false;
    const counted = kmsg.kernel && size === 36 && !(kmsg.loose && id === NO_SENDERS);
    return !counted || word(seen.bytes, 32) === kmsg.value;
  });
  return found ?? null;
}

/** Whether what a receiver was told of a message that is too large can be about this one. */
function isToldLarge(kmsg: Kmsg, { id, size }: Variant, { option, rcvSize }: Buffer, seen: Seen): boolean {
  if ((option & RCV_LARGE) !== 0) return seen.size === 0 || seen.size === size;
  const hasHeader = rcvSize >= 24 + trailerSize(option);
  return !hasHeader || !kmsg.kernel || (word(seen.bytes, 20) | 0) === id;
}

/** The message at the head of the queue that the kernel's answer fits, if any. */
function pick(port: Port, buffer: Buffer, seen: Seen): Kmsg | null {
  const found = heads(port);
  const exact = found.find((kmsg) => variantSeen({ ...kmsg, loose: false }, buffer, seen) !== null);
  if (exact) return exact;
  for (const kmsg of found) {
    const variant = variantSeen(kmsg, buffer, seen);
    if (variant === null) continue;
    if (variant.id === NO_SENDERS) kmsg.value = word(seen.bytes, 32);
    return Object.assign(kmsg, variant);
  }
  return null;
}

/** Takes a message out of its queue; a waiting sender gets the slot (A92). Gives the sequence number. */
function dequeue(oracle: Oracle, port: Port, kmsg: Kmsg): number {
  const { seqno } = port;
  port.queue.splice(port.queue.indexOf(kmsg), 1);
  port.seqno = (seqno + 1) >>> 0;
  const waiter = port.senders[0];
  if (waiter?.kmsg) {
    const room = port.queue.length < port.qlimit;
    if (room || oracle.seen.get(waiter.id)?.code === SUCCESS) {
      port.senders.shift();
      oracle.complete(waiter, SUCCESS);
      waiter.kmsg.batch = oracle.now;
      port.queue.push(waiter.kmsg);
    }
  }
  oracle.checkRoom(port);
  return seqno;
}

/** The destination right ends with the receive (A108). */
function consumeDest(oracle: Oracle, kmsg: Kmsg): void {
  const { port, type } = kmsg.dest;
  if (port === null || !port.alive) return;
  if (type === SEND) oracle.releaseSend(port);
  else port.sorights--;
}

/** A received message as bytes, trailer and all (A107 to A115, A129 to A133). */
function copyout(oracle: Oracle, space: Space, port: Port, kmsg: Kmsg, option: number, seen: Uint8Array): Uint8Array {
  const seqno = dequeue(oracle, port, kmsg);
  const bytes = new Uint8Array(kmsg.size + trailerSize(option));
  setWord(bytes, 8, arrive(oracle, space, kmsg.reply, word(seen, 8)));
  setWord(bytes, 12, oracle.entryOf(space, port)?.name ?? 0);
  const guards = (option & RCV_GUARDED_DESC) === 0 ? "destroyed" : "immovable";
  writeRest(oracle, space, kmsg, bytes, seen, kmsg.reply.type | (kmsg.dest.type << 8), guards);
  if (kmsg.kernel && kmsg.size === 36) {
    bytes.set(seen.subarray(24, 32), 24);
    setWord(bytes, 32, kmsg.value);
  }
  writeTrailer(bytes, option, { seqno, kmsg, context: port.context });
  consumeDest(oracle, kmsg);
  return bytes;
}

function writeTrailer(bytes: Uint8Array, option: number, of: { seqno: number; kmsg: Kmsg; context: number }): void {
  const size = trailerSize(option);
  const at = bytes.length - size;
  const { sender, kernel } = of.kmsg;
  const fields = [0, size, of.seqno, sender[0], sender[1], kernel ? 0 : sender[0], kernel ? 0 : sender[1]];
  for (const [index, field] of fields.entries()) if (index * 4 < size) setWord(bytes, at + index * 4, field);
  if (size >= 56) setWord(bytes, at + 52, of.context);
}

export interface Received {
  code: number;
  /** What is written from the buffer's start; null: nothing. */
  bytes: Uint8Array | null;
  /** Offsets of the only words that are laid down; null: all of `bytes`. */
  words: readonly number[] | null;
  /** Size of a message that stays because it is too large. */
  size: number;
}

/** One receive from a port that has a message (A119 to A122). */
function receiveFrom(
  oracle: Oracle,
  space: Space,
  port: Port,
  kmsg: Kmsg,
  ask: { option: number; rcvSize: number; seen: Uint8Array },
): Received {
  const { option, rcvSize, seen } = ask;
  const local = oracle.entryOf(space, port)?.name ?? 0;
  if (rcvSize >= kmsg.size + trailerSize(option)) {
    return { code: SUCCESS, bytes: copyout(oracle, space, port, kmsg, option, seen), words: null, size: 0 };
  }
  const bytes = new Uint8Array(24);
  setWord(bytes, 4, kmsg.size);
  setWord(bytes, 12, local);
  if ((option & RCV_LARGE) !== 0) {
    const words: number[] = rcvSize >= 8 ? [4] : [];
    if ((option & RCV_LARGE_IDENTITY) !== 0 && rcvSize >= 16) words.push(12);
    return { code: RCV_TOO_LARGE, bytes, words, size: kmsg.size };
  }
  dequeue(oracle, port, kmsg);
  oracle.cascade++;
  for (const right of [kmsg.reply, ...kmsg.descriptors]) oracle.release(right);
  oracle.cascade--;
  consumeDest(oracle, kmsg);
  const words = rcvSize >= 24 + trailerSize(option) ? [8, 12] : [];
  return { code: RCV_TOO_LARGE, bytes, words, size: 0 };
}

/** A179: a member that was served goes behind the others that were ready all the time. */
function checkFairness(oracle: Oracle, set: PortSet, port: Port): void {
  const last = set.servedAt.get(port) ?? -1;
  for (const other of set.members) {
    if (other === port || other.queue.length === 0) continue;
    const ready = set.readySince.get(other) ?? oracle.now;
    if (ready < last) throw new Mismatch("a member of a set was served twice while another had been ready");
  }
}

function served(oracle: Oracle, port: Port, through: PortSet | null): void {
  for (const set of port.sets) {
    if (set === through) set.servedAt.set(port, oracle.now);
    else set.servedAt.delete(port);
    set.readySince.set(port, oracle.now + 1);
  }
}

/** A receive that polls, or waits if it is given a waiter. `seen` is what the kernel did. */
export function receive(
  oracle: Oracle,
  space: Space,
  name: number,
  ask: { option: number; rcvSize: number; seen: Seen; waiter: (() => Waiter) | null },
): Received {
  const entry = space.entries.get(name);
  if (!entry || !(entry.receive || entry.set)) return { code: RCV_INVALID_NAME, bytes: null, words: null, size: 0 };
  const ports = [...(entry.set?.members ?? [entry.port as Port])].filter(({ queue }) => queue.length > 0);
  const { seen } = ask;
  const named = ports.filter((port) => oracle.entryOf(space, port)?.name === word(seen.bytes, 12));
  const port = [...named, ...ports].find((candidate) => pick(candidate, ask, seen) !== null) ?? ports[0];
  if (!port) {
    if (ask.waiter === null) return { code: RCV_TIMED_OUT, bytes: null, words: null, size: 0 };
    (entry.set ?? (entry.port as Port)).receivers.push(ask.waiter());
    return { code: RCV_IN_PROGRESS, bytes: null, words: null, size: 0 };
  }
  const kmsg = pick(port, ask, seen);
  if (kmsg === null) throw new Mismatch(`the kernel answered 0x${seen.code.toString(16)} where ${show(port)} waits`);
  const received = receiveFrom(oracle, space, port, kmsg, { ...ask, seen: seen.bytes });
  const taken = !port.queue.includes(kmsg);
  if (entry.set && taken) checkFairness(oracle, entry.set, port);
  served(oracle, port, taken ? entry.set : null);
  oracle.flush();
  return received;
}

/** Hands queued messages to whoever waits at the port or at its sets (A95, A123, A177, A178). */
function settle(oracle: Oracle, port: Port, onlySeen: boolean): void {
  while (port.queue.length > 0) {
    const lists = [port.receivers, ...[...port.sets].map((set) => set.receivers)];
    const waiters = lists.flat();
    if (waiters.length === 0) return;
    const found = match(oracle, port, waiters);
    // Whoever was given something else, from another member of a set, waits no longer.
    if (found === null && (onlySeen || waiters.every(({ id }) => oracle.seen.has(id)))) return;
    if (found === null) throw new Mismatch(`${show(port)} waits and the kernel gave it to nobody who waits for it`);
    const { waiter, kmsg } = found;
    for (const list of lists) drop(list, waiter);
    const seen = oracle.seen.get(waiter.id)?.bytes ?? new Uint8Array(0);
    const ask = { option: waiter.option, rcvSize: waiter.rcvSize, seen };
    oracle.completions.push({ waiter, ...receiveFrom(oracle, waiter.space, port, kmsg, ask) });
    served(oracle, port, null);
  }
}

/** Who got what, by what the kernel was seen to do; null: nobody. Sequence numbers tell who was first, where they show. */
function match(oracle: Oracle, port: Port, waiters: readonly Waiter[]): { waiter: Waiter; kmsg: Kmsg } | null {
  const hasTurn = (waiter: Waiter, seen: Seen): boolean => {
    if (seen.code !== SUCCESS || trailerSize(waiter.option) < 12) return true;
    return word(seen.bytes, word(seen.bytes, 4) + 8) === port.seqno;
  };
  // Who was told of a message and left it there was told before another took it.
  const leaves = ({ id, option }: Waiter) => (option & RCV_LARGE) !== 0 && oracle.seen.get(id)?.code === RCV_TOO_LARGE;
  const order = [...waiters.filter(leaves), ...waiters.filter((waiter) => !leaves(waiter))];
  for (const inTurn of [true, false]) {
    for (const waiter of order) {
      const seen = oracle.seen.get(waiter.id);
      if (!seen || (inTurn && !hasTurn(waiter, seen))) continue;
      const kmsg = pick(port, waiter, seen);
      if (kmsg !== null) return { waiter, kmsg };
    }
  }
  return null;
}

function show(port: Port): string {
  return heads(port)
    .map(({ id, size }) => `a message with id ${id} of ${size} bytes`)
    .join(" or ");
}

/** An oracle whose queues hand their messages over. */
export function createOracle(mutation: Mutation | null): Oracle {
  const oracle = new Oracle(mutation);
  oracle.settle = (port, onlySeen) => settle(oracle, port, onlySeen);
  return oracle;
}
