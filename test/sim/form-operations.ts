// Random operations in the other forms that calls have: several messages at once, short and long forms of the message call, the
// library's loops, forms of allocation, and what is told of a whole space.

import { setWord, word } from "../lib/message.js";
import * as names from "../lib/oracle-names.js";
import * as ports from "../lib/oracle-ports.js";
import { receive } from "../lib/oracle-receive.js";
import { fits } from "../lib/oracle-rights.js";
import { send } from "../lib/oracle-send.js";
import { DEAD, type Entry } from "../lib/oracle-state.js";
import {
  chooseName,
  compare,
  expectSame,
  isReceive,
  type Operation,
  pickDisposition,
  pickName,
  remember,
} from "./choices.js";
import { checkReceive, draftMessage, isAwaited, pickSource, receiveNow, sendNow } from "./message-operations.js";
import type { Random } from "./random.js";
import { type Actor, hex, showMessage, spell, type World } from "./world.js";

const SLOT = 256;
const ROOM = 700;
const RCV_TIMED_OUT = 0x10004003;
/**
 * Bits of the option that change nothing here: MACH_SEND_OVERRIDE, MACH_SEND_INTERRUPT, MACH_RCV_INTERRUPT, MACH_RCV_VOUCHER,
 * MACH_RCV_SYNC_WAIT, MACH_RCV_SYNC_PEEK.
 */
const IDLE = [0x20, 0x40, 0x400, 0x800, 0x4000, 0x8000] as const;

export const allocateForm: Operation = (world, random, actor) => {
  const right = random.pick([1, 1, 1, 3, 4, 0, 6]);
  const [proto, chooses] = [random.chance(10) ? 7 : 0, random.chance(50)];
  const fresh = chooseName(random, actor, random.below(64));
  const name = new Uint32Array([random.pick([fresh, fresh, fresh, pickName(random, actor), 0, DEAD, 0x100])]);
  const qos = new Uint32Array([(chooses ? 1 : 0) | (random.below(4) << 1), random.word()]);
  const { traps, self, space } = actor;
  const full = proto !== 0 || random.chance(50);
  const code = full
    ? traps.mach_port_allocate_full(self, right, proto, qos, name)
    : traps.mach_port_allocate_qos(self, right, qos, name);
  const given = name[0] ?? 0;
  compare(world, `allocate_full(${right}, ${proto}, ${chooses}, ${hex(given)})`, code, () => {
    if (proto !== 0) return [names.INVALID_VALUE];
    return chooses
      ? names.allocateName(world.oracle, space, right, given)
      : names.allocate(world.oracle, space, right, given);
  });
  if (code === 0) remember(actor, given);
};

export const statusForm: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isReceive);
  const { traps, self, space } = actor;
  if (random.chance(30)) {
    const qlimit = space.entries.get(name)?.receive ? random.pick([1, 2, 3, 1024, 1025]) : 1;
    const code = traps.mach_port_set_qlimit(self, name, qlimit);
    const call = `mach_port_set_qlimit(${hex(name)}, ${qlimit})`;
    return compare(world, call, code, () => ports.setQlimit(world.oracle, space, name, qlimit));
  }
  const told = new Uint32Array(9);
  const code = traps.mach_port_get_receive_status(self, name, told);
  const { codes, status } = ports.receiveStatus(space, name);
  const isDead = (space.entries.get(name)?.deads ?? 0) > 0; // GNU Mach's call says so of a dead name
  compare(world, `get_receive_status(${hex(name)})`, code, () => (isDead ? [names.INVALID_RIGHT] : codes));
  if (status === null) return;
  for (const [index, [field, value]] of Object.entries(status).slice(0, 9).entries()) {
    expectSame(field, told[index], value);
  }
};

export const spaceForm: Operation = (world, random, actor) => {
  const { traps, self, space, born } = actor;
  const [one, two] = [new Uint32Array(1), new Uint32Array(1)];
  if (random.chance(40)) {
    const name = pickName(random, actor);
    const description = { value: "?" };
    const code = traps.mach_port_kobject_description(self, name, one, two, description);
    compare(world, `kobject_description(${hex(name)})`, code, () => ports.kobject(space, name));
    const refused = traps.mach_port_kernel_object(self, name, one, two);
    return expectSame("mach_port_kernel_object", spell(refused), "KERN_NOT_SUPPORTED");
  }
  const info = new Uint32Array(6);
  compare(world, "space_basic_info()", traps.mach_port_space_basic_info(self, info), () => names.ok);
  expectSame("names in use", info[3], space.entries.size + born.size);
  const table = { value: [] as readonly { name: number; type: number; urefs: number }[] };
  compare(world, "space_info()", traps.mach_port_space_info(self, info, table), () => names.ok);
  for (const { name, type, urefs } of table.value) {
    const entry = space.entries.get(name);
    if (born.has(name)) continue;
    if (!entry) throw new Error(`the kernel tells of ${hex(name)}, the oracle has no such name`);
    expectSame(`type of ${hex(name)}`, type, names.typeOf(entry));
    expectSame(`references of ${hex(name)}`, urefs, entry.sends || entry.deads || (entry.once ? 1 : 0));
  }
};

/** Whether a message of this shape is sent at once, whatever becomes of it: there is room, and nobody waits. */
function hasRoom(actor: Actor, bytes: Uint8Array, more = 1): boolean {
  if (bytes.length < 24 || word(bytes, 4) !== bytes.length || bytes.length > SLOT) return false;
  const entry = actor.space.entries.get(word(bytes, 8));
  const port = entry?.port ?? null;
  return port === null || (!isAwaited(entry) && port.senders.length === 0 && port.queue.length + more < port.qlimit);
}

function idle(random: Random): number {
  return random.chance(30) ? random.pick(IDLE) : 0;
}

/** mach_msg_send; and mach_msg_overwrite with a buffer for what does not come. */
export const sendForm: Operation = (world, random, actor) => {
  const bytes = draftMessage(world, random, actor);
  if (!hasRoom(actor, bytes)) return sendNow(world, random, actor);
  const buffer = bytes.slice();
  const { traps, inner, space } = actor;
  const code =
    (random.chance(50)
      ? traps.mach_msg_send(buffer)
      : traps.mach_msg_overwrite(buffer, 0x1 | idle(random), bytes.length, 0, 0, 0, 0, new Uint8Array(24), 0)) >>> 0;
  world.note(`mach_msg_send(${showMessage(bytes)}) -> ${spell(code)}`);
  world.observe();
  const ask = { answer: code, pid: inner.processor.pid, seen: buffer, waiter: null };
  world.answer("mach_msg_send", code, [send(world.oracle, space, bytes, ask).code]);
};

/** mach_msg_receive where a message waits; mach_msg_overwrite into another buffer. */
export const receiveForm: Operation = (world, random, actor) => {
  const name = pickSource(random, actor, true);
  const entry = actor.space.entries.get(name);
  const ready = entry?.set ? [...entry.set.members].some(hasMessage) : hasMessage(entry?.port ?? null);
  const before = new Uint8Array(ROOM).fill(0xee);
  if (ready && random.chance(50)) {
    setWord(before, 4, ROOM);
    setWord(before, 12, name);
    const buffer = before.slice();
    const code = actor.traps.mach_msg_receive(buffer) >>> 0;
    return received(world, actor, { name, option: 0, rcvSize: ROOM, code, buffer, before });
  }
  const buffer = before.slice();
  const option = 0x102 | idle(random);
  const code = actor.traps.mach_msg_overwrite(new Uint8Array(24), option, 0, ROOM, name, 0, 0, buffer, 0) >>> 0;
  received(world, actor, { name, option: 0, rcvSize: ROOM, code, buffer, before });
};

function hasMessage(port: Entry["port"]): boolean {
  return (port?.queue.length ?? 0) > 0;
}

function received(world: World, actor: Actor, got: Parameters<typeof checkReceive>[2]): void {
  world.note(`receive(${hex(got.name)}) -> ${spell(got.code)} ${showMessage(got.buffer)}`);
  world.observe();
  checkReceive(world, actor, got);
}

export const sendMany: Operation = (world, random, actor) => {
  const tried = Array.from({ length: 6 }, () => draftMessage(world, random, actor));
  // What becomes of rights in a message that is destroyed is seen after the call: only the last has any.
  const isPlain = (bytes: Uint8Array) => word(bytes, 0) <= 31 && word(bytes, 12) === 0;
  const drafts = [...tried.slice(1).filter(isPlain).slice(0, random.below(3)), ...tried.slice(0, 1)];
  if (!drafts.every((bytes) => hasRoom(actor, bytes, drafts.length))) return sendNow(world, random, actor);
  const { traps, inner, space } = actor;
  const msgs = new Uint8Array(SLOT * drafts.length);
  for (const [index, bytes] of drafts.entries()) msgs.set(bytes, SLOT * index);
  const sent = new Uint32Array(1);
  const code = traps.mach_msg_send_many(msgs, 0x11 | idle(random), drafts.length, SLOT, 0, sent) >>> 0;
  world.note(`send_many(${drafts.map(showMessage).join("; ")}) -> ${sent[0]} ${spell(code)}`);
  world.observe();
  const done = sent[0] ?? 0;
  for (const [index, bytes] of drafts.slice(0, done + 1).entries()) {
    const answer = index < done ? 0 : code;
    const seen = msgs.slice(SLOT * index, SLOT * index + bytes.length);
    const ask = { answer, pid: inner.processor.pid, seen, waiter: null };
    const wanted = send(world.oracle, space, bytes, ask);
    expectSame(`code of message ${index}`, spell(answer), spell(wanted.code));
  }
  world.answer("mach_msg_send_many", code, [code]);
};

/** Messages that one call received one after another, as single receives. */
function receivedInTurn(world: World, actor: Actor, name: number, messages: readonly Uint8Array[], last: number): void {
  const rcvSize = ROOM;
  for (const [index, bytes] of messages.entries()) {
    const seen = { code: 0, bytes, size: 0 };
    const wanted = receive(world.oracle, actor.space, name, { option: 0, rcvSize, seen, waiter: null });
    expectSame(`code of message ${index}`, spell(0), spell(wanted.code));
    world.checkReceived(`message ${index}`, bytes, 0, wanted, bytes);
  }
  if (last === 0) {
    world.answer("several receives", 0, [0]);
    return;
  }
  const seen = { code: last, bytes: new Uint8Array(0), size: 0 };
  const wanted = receive(world.oracle, actor.space, name, { option: 0, rcvSize, seen, waiter: null });
  world.answer("several receives", last, [wanted.code]);
}

export const receiveMany: Operation = (world, random, actor) => {
  const name = pickSource(random, actor, random.chance(85));
  // Who waits to send is let in, or who waits to receive is served, when the whole call is done.
  if (isContended(actor.space.entries.get(name))) return receiveNow(world, random, actor);
  const slots = 1 + random.below(4);
  const msgs = new Uint8Array(ROOM * slots).fill(0xee);
  const count = new Uint32Array(1);
  const code = actor.traps.mach_msg_receive_many(msgs, 0x2 | idle(random), ROOM, name, count) >>> 0;
  const got = count[0] ?? 0;
  world.note(`receive_many(${hex(name)}, ${slots}) -> ${got} ${spell(code)}`);
  world.observe();
  const messages = Array.from({ length: got }, (_, index) => msgs.slice(ROOM * index, ROOM * (index + 1)));
  receivedInTurn(world, actor, name, messages, got > 0 && got < slots ? RCV_TIMED_OUT : got === 0 ? code : 0);
};

function isContended(entry: Entry | undefined): boolean {
  const members = entry?.set ? [...entry.set.members] : entry?.port ? [entry.port] : [];
  return isAwaited(entry) || members.some((port) => port.senders.length > 0);
}

/** The library's loops, with a server that answers nothing. */
export const serve: Operation = (world, random, actor) => {
  const name = pickSource(random, actor, random.chance(85));
  if (isContended(actor.space.entries.get(name))) return receiveNow(world, random, actor);
  const messages: Uint8Array[] = [];
  const demux = (request: Uint8Array) => {
    messages.push(request.slice());
    return false;
  };
  const once = random.chance(50);
  const { traps } = actor;
  const call = once ? traps.mach_msg_server_once : traps.mach_msg_server;
  const code = call(demux, ROOM, name, 0x100 | idle(random)) >>> 0;
  world.note(`mach_msg_server${once ? "_once" : ""}(${hex(name)}) -> ${messages.length} ${spell(code)}`);
  world.observe();
  receivedInTurn(world, actor, name, messages, code);
};

/** mach_msg_destroy of what could have been received: the reply right and one in the body. */
export const destroyMessage: Operation = (world, random, actor) => {
  const pick = () => {
    const name = pickName(random, actor, (entry) => entry.set === null, 90);
    const entry = actor.space.entries.get(name);
    const moves = [16, 17, 18].filter((move) => entry && (fits(entry, move) || entry.deads > 0));
    return [name, moves.length > 0 ? random.pick(moves) : pickDisposition(random, actor, name)] as const;
  };
  const [reply, body] = [pick(), pick()];
  // Who waits and is told by the first may lose his port to the second.
  if ([reply, body].some(([name]) => isAwaited(actor.space.entries.get(name)))) return receiveNow(world, random, actor);
  const bytes = new Uint8Array(40);
  setWord(bytes, 0, (0x80000000 | (reply[1] <= 18 && reply[1] >= 17 ? reply[1] : 0)) >>> 0);
  setWord(bytes, 4, 40);
  setWord(bytes, 8, reply[0]);
  setWord(bytes, 24, 1);
  setWord(bytes, 28, body[0]);
  setWord(bytes, 36, (body[1] << 16) >>> 0);
  actor.traps.mach_msg_destroy(bytes);
  compare(world, `mach_msg_destroy(${showMessage(bytes)})`, 0, () => {
    if (reply[1] >= 17 && reply[1] <= 18) release(world, actor, reply);
    release(world, actor, body);
    return names.ok;
  });
};

/** Each right goes as if it had been sent and the message destroyed. */
function release(world: World, actor: Actor, [name, disposition]: readonly [number, number]): void {
  const { oracle } = world;
  const { space } = actor;
  if (name === 0 || name === DEAD) return;
  if (disposition === 16) names.modRefs(oracle, space, name, 1, -1);
  else if (disposition === 17 || disposition === 18) names.deallocate(oracle, space, name);
  else if (disposition === 20) {
    const [code] = names.insertRight(oracle, space, name, name, 20);
    if (code === 0) names.deallocate(oracle, space, name);
  } else if (disposition === 21) names.insertRight(oracle, space, name, name, 21);
}

/** How often each is chosen. */
export const FORMS: readonly (readonly [number, Operation])[] = [
  [2, allocateForm],
  [2, statusForm],
  [1, spaceForm],
  [4, sendForm],
  [4, receiveForm],
  [4, sendMany],
  [4, receiveMany],
  [3, serve],
  [2, destroyMessage],
];
