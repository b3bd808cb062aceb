// Random messages: sent and received at once, or by somebody who waits.

import { build, type Draft, word } from "../lib/message.js";
import { receive } from "../lib/oracle-receive.js";
import { fits } from "../lib/oracle-rights.js";
import { send } from "../lib/oracle-send.js";
import type { Entry } from "../lib/oracle-state.js";
import { draftArray } from "./array-operations.js";
import { isFull, isPort, isWaitable, type Operation, pickDisposition, pickName } from "./choices.js";
import { draftGuarded } from "./guard-operations.js";
import type { Random } from "./random.js";
import { type Actor, hex, showMessage, spell, type World } from "./world.js";

const WAITS_MAX = 12;
const TRAILERS = [0, 1, 2, 3, 4, 7] as const;
/** MACH_RCV_GUARDED_DESC. */
const GUARDED_DESC = 0x1000;

/** A message, mostly sound, with at most one thing wrong on purpose. */
export function draftMessage(world: World, random: Random, actor: Actor, wantsFull = false): Uint8Array {
  const canBeSentTo = (entry: Entry) => isPort(entry) && (entry.receive || entry.sends > 0 || entry.once);
  const remote = pickName(random, actor, wantsFull ? isFull : canBeSentTo, 90);
  const draft: Draft = {
    remote,
    remoteDisposition: pickDestination(random, actor, remote),
    id: world.operations,
    voucher: random.chance(10) ? 0xabcd0000 + random.below(9) : 0,
    data: new Uint8Array(4 * random.pick([0, 0, 0, 1, 2, 5, 16])).fill(world.operations & 0xff),
  };
  if (random.chance(40)) {
    draft.local = random.chance(10) ? remote : pickName(random, actor, isPort, 85);
    draft.localDisposition = pickReply(random, actor, draft.local);
  }
  if (random.chance(55)) {
    draft.descriptors = Array.from({ length: random.pick([0, 1, 1, 1, 2, 3]) }, () => {
      if (random.chance(20)) return draftArray(world, random, actor);
      if (random.chance(12)) return draftGuarded(random, actor);
      const name = pickName(random, actor, isPort, 88);
      return { name, disposition: pickDisposition(random, actor, name, 92) };
    });
  }
  if (!random.chance(8)) return build(draft);
  return spoil(random, draft);
}

function pickDestination(random: Random, actor: Actor, name: number): number {
  const entry = actor.space.entries.get(name);
  const good = [17, 18, 19, 20, 21].filter((disposition) => entry && fits(entry, disposition));
  return good.length > 0 && random.chance(95)
    ? random.pick(good)
    : random.chance(15)
      ? random.pick([16, 22, 0])
      : random.pick([17, 18, 19, 20, 21]);
}

function pickReply(random: Random, actor: Actor, name: number): number {
  const disposition = pickDisposition(random, actor, name, 97);
  const isSend = disposition >= 17 && disposition <= 21;
  return isSend || random.chance(10) ? disposition : random.pick([17, 18, 19, 20, 21]);
}

/** One fault of form. */
function spoil(random: Random, draft: Draft): Uint8Array {
  switch (random.below(6)) {
    case 0:
      return build(draft).subarray(0, random.pick([0, 4, 20]));
    case 1:
      return new Uint8Array([...build(draft), 0, 0]);
    case 2:
      return build({
        ...draft,
        bits: (random.pick([0x40000000, 0x80, 0x2000]) | (draft.remoteDisposition ?? 0)) >>> 0,
      });
    case 3:
      return build({ ...draft, voucherDisposition: random.pick([1, 18, 20]) });
    case 4:
      return build({ ...draft, voucherDisposition: random.pick([17, 19]), voucher: 0x7703 });
    default: {
      const { remote = 0, remoteDisposition = 0, id = 0 } = draft;
      const type = random.pick([1, 2, 3, 4, 5, 200]);
      const bad = { name: 0, disposition: 16, type, copy: 2, count: type === 2 ? random.pick([1, 16384]) : 0 };
      return build({ remote, remoteDisposition, id, descriptors: [bad] });
    }
  }
}

export const sendNow: Operation = (world, random, actor) => {
  const option = random.chance(50) ? 0x91 : 0x11;
  const bytes = draftMessage(world, random, actor, option === 0x91 && random.chance(40));
  const buffer = bytes.slice();
  const code = actor.traps.mach_msg(buffer, option, bytes.length, 0, 0, 0, 0) >>> 0;
  world.note(`send(${showMessage(bytes)}, ${hex(option)}) -> ${spell(code)}`);
  world.observe();
  const { pid } = actor.inner.processor;
  const wanted = send(world.oracle, actor.space, bytes, { option, answer: code, pid, seen: buffer, waiter: null });
  world.answer("mach_msg(SEND)", code, [wanted.code]);
  const expected = { code: wanted.code, bytes: wanted.buffer, words: null, size: 0 };
  if (code !== 0x1000000a) world.checkReceived("the buffer after a send", buffer, 0, expected, bytes);
};

export const sendWaiting: Operation = (world, random, actor) => {
  if (world.waits.size >= WAITS_MAX) return sendNow(world, random, actor);
  let bytes = draftMessage(world, random, actor, random.chance(50));
  if (bytes.length < 24 || bytes.length % 4 !== 0) bytes = build({ remote: 0, remoteDisposition: 17 });
  world.sendPending(actor, bytes);
};

function receiveOptions(random: Random, wantsHeader: boolean): { option: number; rcvSize: number } {
  const element = random.pick(TRAILERS);
  const trailer = [8, 12, 20, 52, 56, 64, 64, 64][element] ?? 64;
  const large = random.chance(15) ? (random.chance(50) ? 0xc : 0x4) : 0;
  let rcvSize = 600;
  if (random.chance(15)) rcvSize = 24 + trailer + 4 * random.below(12);
  if (large !== 0 && random.chance(40)) rcvSize = 4 * random.below(20);
  if (large === 0 && !wantsHeader && random.chance(3)) rcvSize = 4 * random.below(8);
  const guarded = random.chance(60) ? GUARDED_DESC : 0;
  return { option: (element << 24) | large | guarded, rcvSize };
}

/** A name to receive from: where a message waits, if that is wanted. */
export function pickSource(random: Random, actor: Actor, hasMessage: boolean): number {
  const ready = (entry: Entry) =>
    entry.set ? [...entry.set.members].some(({ queue }) => queue.length > 0) : (entry.port?.queue.length ?? 0) > 0;
  const canMakeRoom = (entry: Entry) => entry.receive && isFull(entry);
  const wanted = random.chance(30) && [...actor.space.entries.values()].some(canMakeRoom) ? canMakeRoom : ready;
  return pickName(random, actor, (entry) => isWaitable(entry) && (!hasMessage || wanted(entry)), 92);
}

export const receiveNow: Operation = (world, random, actor) => {
  const name = pickSource(random, actor, random.chance(85));
  // Of a message that is lost without a word it must be plain which one it was.
  const isPlain = actor.space.entries.get(name)?.port?.queue.length === 1;
  const { option, rcvSize } = receiveOptions(random, !isPlain);
  const before = new Uint8Array(rcvSize).fill(0xee);
  const buffer = before.slice();
  const code = actor.traps.mach_msg(buffer, 0x102 | option, 0, rcvSize, name, 0, 0) >>> 0;
  world.note(`receive(${hex(name)}, ${hex(option)}, ${rcvSize}) -> ${spell(code)} ${showMessage(buffer)}`);
  world.observe();
  checkReceive(world, actor, { name, option, rcvSize, code, buffer, before });
};

export function checkReceive(
  world: World,
  actor: Actor,
  got: { name: number; option: number; rcvSize: number; code: number; buffer: Uint8Array; before: Uint8Array },
): void {
  const { name, option, rcvSize, code, buffer, before } = got;
  const isLarge = code === 0x10004004 && (option & 4) !== 0 && rcvSize >= 8;
  const size = isLarge ? new DataView(buffer.buffer).getUint32(4, true) : 0;
  const seen = { code, bytes: buffer, size };
  const wanted = receive(world.oracle, actor.space, name, { option, rcvSize, seen, waiter: null });
  world.answer("mach_msg(RCV)", code, [wanted.code]);
  world.checkReceived("the buffer after a receive", buffer, option, wanted, before);
}

export function isAwaited(entry: Entry | undefined): boolean {
  const places = [entry?.set, entry?.port, ...(entry?.port?.sets ?? [])];
  return places.some((place) => (place?.receivers.length ?? 0) > 0);
}

export const sendAndReceive: Operation = (world, random, actor) => {
  const bytes = draftMessage(world, random, actor);
  const name = pickSource(random, actor, random.chance(70));
  // Who waits gets what comes when completions are delivered, which is after the receive of this call.
  const { entries } = actor.space;
  if (isAwaited(entries.get(word(bytes, 8))) || isAwaited(entries.get(name))) return;
  const option = ((random.pick(TRAILERS) << 24) | (random.chance(60) ? GUARDED_DESC : 0)) >>> 0;
  const before = new Uint8Array(600).fill(0xee);
  before.set(bytes);
  const buffer = before.slice();
  const code = actor.traps.mach_msg(buffer, (0x113 | option) >>> 0, bytes.length, 600, name, 0, 0) >>> 0;
  world.note(`send(${showMessage(bytes)}) and receive(${hex(name)}) -> ${spell(code)}`);
  world.observe();
  const sent = code >= 0x10004000 ? 0 : code;
  const { pid } = actor.inner.processor;
  const wanted = send(world.oracle, actor.space, bytes, { answer: sent, pid, seen: buffer, waiter: null });
  if (wanted.code !== 0) {
    world.answer("mach_msg(SEND|RCV)", code, [wanted.code]);
    const expected = { code: wanted.code, bytes: wanted.buffer, words: null, size: 0 };
    if (code !== 0x1000000a) world.checkReceived("the buffer after a send", buffer, 0, expected, before);
    return;
  }
  checkReceive(world, actor, { name, option, rcvSize: 600, code, buffer, before });
};

export const receiveWaiting: Operation = (world, random, actor) => {
  const name = pickSource(random, actor, random.chance(20));
  if (world.waits.size >= WAITS_MAX) return receiveNow(world, random, actor);
  const { option, rcvSize } = receiveOptions(random, true);
  world.receivePending(actor, { name, option, rcvSize });
};

export const cancelWait: Operation = (world, random, actor) => {
  const waits = [...world.waits.values()];
  if (waits.length === 0) return receiveNow(world, random, actor);
  world.cancel(random.pick(waits));
};
