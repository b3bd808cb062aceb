// The oracle's calls on names (mach_port_*): each answers the code that the assertions want, or several where they leave
// it open, and changes the state only where the call succeeds.

import {
  DEAD,
  DEAD_NAME,
  type Entry,
  MAKE_SEND,
  MAKE_SEND_ONCE,
  Mismatch,
  NO_SENDERS,
  NULL,
  ONCE,
  type Oracle,
  Port,
  PORT_DESTROYED,
  PortSet,
  RECEIVE,
  SEND,
  type Space,
  UREFS_MAX,
} from "./oracle-state.js";
import { arrive, fits, take } from "./oracle-rights.js";

const SUCCESS = 0;
const NO_SPACE = 3;
const FAILURE = 5;
const INVALID_ARGUMENT = 4;
const ALREADY_IN_SET = 11;
const NOT_IN_SET = 12;
const NAME_EXISTS = 13;
const INVALID_NAME = 15;
const INVALID_RIGHT = 17;
const INVALID_VALUE = 18;
const INVALID_CAPABILITY = 20;
const RIGHT_EXISTS = 21;

const [R_SEND, R_RECEIVE, R_SEND_ONCE, R_PORT_SET, R_DEAD_NAME] = [0, 1, 2, 3, 4];

/** Names that a space has room for; this kernel's choice. */
const TABLE_ENTRIES_MAX = 4_194_304;

/** Codes that may be answered; the first is the usual one. */
export type Codes = readonly number[];

const ok: Codes = [SUCCESS];

function isNull(name: number): boolean {
  return name === NULL || name === DEAD;
}

export function typeOf(entry: Entry): number {
  let type = 0;
  if (entry.sends > 0) type |= 0x10000;
  if (entry.receive) type |= 0x20000;
  if (entry.once) type |= 0x40000;
  if (entry.set !== null) type |= 0x80000;
  if (entry.deads > 0) type |= 0x100000;
  if (entry.request !== null) type |= 0x80000000;
  return type >>> 0;
}

export function refsOf(entry: Entry, right: number): number {
  if (right === R_SEND) return entry.sends;
  if (right === R_RECEIVE) return entry.receive ? 1 : 0;
  if (right === R_SEND_ONCE) return entry.once ? 1 : 0;
  if (right === R_PORT_SET) return entry.set === null ? 0 : 1;
  return right === R_DEAD_NAME ? entry.deads : 0;
}

/** A6 to A8; `name` is the kernel's choice. */
export function allocate(oracle: Oracle, space: Space, right: number, name: number): Codes {
  if (right !== R_RECEIVE && right !== R_PORT_SET && right !== R_DEAD_NAME) return [INVALID_VALUE];
  const entry = oracle.claim(space, name);
  if (right === R_DEAD_NAME) entry.deads = 1;
  if (right === R_PORT_SET) entry.set = new PortSet();
  if (right === R_RECEIVE) {
    entry.receive = true;
    entry.port = new Port();
    entry.port.receiver = space;
  }
  return ok;
}

/** Whether a caller may choose this name (A9, D12). */
function chosenName(space: Space, name: number): Codes {
  if (isNull(name) || (name & 3) !== 3) return [INVALID_VALUE];
  if (space.entries.has(name)) return [NAME_EXISTS];
  if (name >>> 8 === 0) return [FAILURE];
  if (name >>> 8 >= TABLE_ENTRIES_MAX) return [NO_SPACE];
  for (const taken of space.entries.keys()) if (taken >>> 8 === name >>> 8) return [FAILURE];
  return ok;
}

export function allocateName(oracle: Oracle, space: Space, right: number, name: number): Codes {
  if (right !== R_RECEIVE && right !== R_PORT_SET && right !== R_DEAD_NAME) return [INVALID_VALUE];
  const codes = chosenName(space, name);
  return codes[0] === SUCCESS ? allocate(oracle, space, right, name) : codes;
}

/** A17, A18. */
export function getRefs(space: Space, name: number, right: number): { codes: Codes; refs: number } {
  if (right >= 6) return { codes: [INVALID_VALUE], refs: 0 };
  if (isNull(name)) {
    const known = right === R_SEND || right === R_SEND_ONCE;
    return known ? { codes: ok, refs: 1 } : { codes: [INVALID_NAME], refs: 0 };
  }
  const entry = space.entries.get(name);
  return entry ? { codes: ok, refs: refsOf(entry, right) } : { codes: [INVALID_NAME], refs: 0 };
}

/** A19 to A30. */
export function modRefs(oracle: Oracle, space: Space, name: number, right: number, delta: number): Codes {
  if (right >= 6) return [INVALID_VALUE];
  if (isNull(name)) return right === R_SEND || right === R_SEND_ONCE ? ok : [INVALID_NAME];
  const entry = space.entries.get(name);
  if (!entry) return [INVALID_NAME];
  if (right === 5 || refsOf(entry, right) === 0) return [INVALID_RIGHT];
  if (right === R_SEND || right === R_DEAD_NAME) {
    const refs = refsOf(entry, right);
    if (Math.abs(delta) > UREFS_MAX) return [INVALID_VALUE];
    if (refs === UREFS_MAX && delta !== -UREFS_MAX) return ok;
    if (refs + delta < 0) return [INVALID_VALUE];
    const wanted = Math.min(UREFS_MAX, refs + delta);
    if (right === R_DEAD_NAME) {
      entry.deads = wanted;
      if (wanted === 0) oracle.remove(space, entry);
    } else if (wanted < refs) {
      oracle.dropSend(space, entry, refs - wanted);
    } else {
      entry.sends = wanted;
    }
    return ok;
  }
  if (delta !== 0 && delta !== -1) return [INVALID_VALUE];
  if (delta === 0) return ok;
  if (right === R_RECEIVE && entry.port !== null) {
    const { port } = entry;
    entry.receive = false;
    if (entry.sends > 0) {
      entry.receive = false;
    } else {
      entry.port = null;
      oracle.remove(space, entry);
    }
    oracle.destroyReceive(port);
    return ok;
  }
  oracle.destroyEntry(space, entry);
  return ok;
}

/** A33, A34. */
export function deallocate(oracle: Oracle, space: Space, name: number): Codes {
  if (isNull(name)) return ok;
  const entry = space.entries.get(name);
  if (!entry) return [INVALID_NAME];
  if (entry.sends > 0) {
    if (entry.sends < UREFS_MAX) oracle.dropSend(space, entry, 1);
    return ok;
  }
  if (entry.deads > 0) {
    if (entry.deads < UREFS_MAX && --entry.deads === 0) oracle.remove(space, entry);
    return ok;
  }
  if (entry.receive) return [INVALID_RIGHT];
  oracle.destroyEntry(space, entry);
  return ok;
}

export function destroy(oracle: Oracle, space: Space, name: number): Codes {
  if (isNull(name)) return ok;
  const entry = space.entries.get(name);
  if (!entry) return [INVALID_NAME];
  oracle.destroyEntry(space, entry);
  return ok;
}

/** A66 to A68. */
export function insertRight(oracle: Oracle, space: Space, name: number, poly: number, disposition: number): Codes {
  if (disposition < RECEIVE || disposition > MAKE_SEND_ONCE) return [INVALID_VALUE];
  // Where the name is bad too, either may be told.
  const named: Codes = isNull(name) || (name & 3) !== 3 ? [INVALID_VALUE] : [];
  if (isNull(poly)) return [INVALID_CAPABILITY, ...named];
  const source = space.entries.get(poly);
  if (!source) return [INVALID_NAME, ...named];
  if (source.deads > 0)
    return disposition === MAKE_SEND ? [INVALID_CAPABILITY, ...named] : [INVALID_CAPABILITY, INVALID_RIGHT, ...named];
  if (!fits(source, disposition) || source.port === null) return [INVALID_RIGHT, ...named];
  const { port } = source;
  const type = disposition === RECEIVE ? RECEIVE : disposition === ONCE || disposition === MAKE_SEND_ONCE ? ONCE : SEND;
  const target = space.entries.get(name);
  // What the source still holds of the port once the right was taken out of it.
  const leaves =
    (disposition === SEND && source.sends === 1 && !source.receive) ||
    (disposition === RECEIVE && source.sends === 0) ||
    disposition === ONCE;
  const holder = type === ONCE || leaves ? null : oracle.entryOf(space, port);
  if (type === ONCE || holder === null) {
    const reused = leaves && target === source;
    const codes = reused ? ok : chosenName(space, name);
    if (codes[0] !== SUCCESS) return codes;
  } else if (holder !== target) {
    if (isNull(name) || (name & 3) !== 3) return [INVALID_VALUE, RIGHT_EXISTS];
    return [RIGHT_EXISTS];
  }
  const right = take(oracle, space, source, disposition);
  const entry = holder ?? oracle.claim(space, name);
  entry.port = port;
  if (type === RECEIVE) {
    entry.receive = true;
    port.receiver = space;
  } else if (type === ONCE) {
    entry.once = true;
  } else {
    if (entry.sends > 0) {
      entry.sends = Math.min(UREFS_MAX, entry.sends + 1);
      oracle.releaseSend(port);
    } else {
      entry.sends = 1;
    }
  }
  if (right.port !== port) throw new Mismatch("the oracle took another right than it checked");
  return ok;
}

/** A137 to A149, A154. `previous` is the name that the kernel gave the previous right. */
export function request(
  oracle: Oracle,
  space: Space,
  ask: { name: number; msgid: number; sync: number; notify: number; disposition: number; previous: number },
): { codes: Codes; previous: number } {
  const { name, msgid, sync } = ask;
  const source = space.entries.get(ask.notify);
  const entry = space.entries.get(name);
  // Where several things are wrong any of them may be told.
  const wrong: number[] = [];
  if (msgid !== PORT_DESTROYED && msgid !== NO_SENDERS && msgid !== DEAD_NAME) wrong.push(INVALID_VALUE);
  if (ask.notify === DEAD || (source && source.deads > 0)) wrong.push(INVALID_CAPABILITY);
  if (msgid === PORT_DESTROYED && sync !== 0) wrong.push(INVALID_VALUE);
  if (isNull(name)) wrong.push(msgid === DEAD_NAME ? INVALID_ARGUMENT : INVALID_RIGHT);
  else if (!entry) wrong.push(INVALID_NAME);
  else if (msgid === DEAD_NAME ? entry.set !== null : !entry.receive) wrong.push(INVALID_RIGHT);
  else if (entry.deads > 0 && (sync === 0 || ask.notify === NULL)) wrong.push(INVALID_ARGUMENT);
  if (wrong.length > 0 || !entry) return { codes: wrong, previous: 0 };
  const armed = source && ask.notify !== NULL ? take(oracle, space, source, ask.disposition).port : null;
  let before: Port | null = null;
  if (msgid === DEAD_NAME) {
    before = entry.request;
    if (entry.deads === 0) {
      entry.request = armed;
    } else if (armed !== null) {
      entry.deads = Math.min(UREFS_MAX, entry.deads + 1);
      oracle.notify(armed, DEAD_NAME, name);
    }
  } else if (entry.port !== null) {
    const { port } = entry;
    if (msgid === PORT_DESTROYED) {
      before = port.pdRequest;
      port.pdRequest = armed;
    } else {
      before = port.nsRequest;
      port.nsRequest = null;
      if (armed !== null && port.srights === 0 && sync <= port.mscount) oracle.notify(armed, NO_SENDERS, port.mscount);
      else port.nsRequest = armed;
    }
  }
  if (before === null) return { codes: ok, previous: NULL };
  if (!before.alive) return { codes: ok, previous: DEAD };
  const fresh = oracle.claim(space, ask.previous);
  fresh.port = before;
  fresh.once = true;
  return { codes: ok, previous: ask.previous };
}

/** The entry of a receive right, or the codes of what is wrong with the name. */
function receiveOf(space: Space, name: number): { port: Port | null; codes: Codes } {
  if (isNull(name)) return { port: null, codes: [INVALID_RIGHT, INVALID_NAME] };
  const entry = space.entries.get(name);
  if (!entry) return { port: null, codes: [INVALID_NAME] };
  if (entry.deads > 0) return { port: null, codes: [INVALID_RIGHT, INVALID_NAME] };
  return entry.receive ? { port: entry.port, codes: ok } : { port: null, codes: [INVALID_RIGHT] };
}

export interface Status {
  pset: number;
  seqno: number;
  mscount: number;
  qlimit: number;
  msgcount: number;
  sorights: number;
  srights: number;
  pdrequest: number;
  nsrequest: number;
  flags: number;
}

export function statusOf(port: Port): Status {
  return {
    pset: port.sets.size > 0 ? 1 : 0,
    seqno: port.seqno,
    mscount: port.mscount,
    qlimit: port.qlimit,
    msgcount: port.queue.length,
    sorights: port.sorights,
    srights: port.srights > 0 ? 1 : 0,
    pdrequest: port.pdRequest === null ? 0 : 1,
    nsrequest: port.nsRequest === null ? 0 : 1,
    flags: 0,
  };
}

/** A195. */
export function receiveStatus(space: Space, name: number): { codes: Codes; status: Status | null } {
  if (isNull(name)) return { codes: [INVALID_RIGHT], status: null };
  const entry = space.entries.get(name);
  if (!entry || entry.deads > 0) return { codes: [INVALID_NAME], status: null };
  if (!entry.receive || entry.port === null) return { codes: [INVALID_RIGHT], status: null };
  return { codes: ok, status: statusOf(entry.port) };
}

/** A87, A93. */
export function setQlimit(oracle: Oracle, space: Space, name: number, qlimit: number): Codes {
  const { port, codes } = receiveOf(space, name);
  if (qlimit > 1024) return port === null ? [...codes, INVALID_VALUE] : [INVALID_VALUE];
  if (port === null) return codes;
  let extra = qlimit - port.qlimit;
  port.qlimit = qlimit;
  for (;;) {
    const waiter = port.senders[0];
    if (!waiter?.kmsg) break;
    const room = port.queue.length < qlimit;
    if (!room && !(extra > 0 && oracle.seen.get(waiter.id)?.code === 0)) break;
    extra--;
    port.senders.shift();
    oracle.complete(waiter, 0);
    oracle.enqueue(port, waiter.kmsg);
  }
  return ok;
}

export function setSeqno(space: Space, name: number, seqno: number): Codes {
  const { port, codes } = receiveOf(space, name);
  if (port !== null) port.seqno = seqno;
  return codes;
}

export function setMscount(space: Space, name: number, mscount: number): Codes {
  const { port, codes } = receiveOf(space, name);
  if (port !== null) port.mscount = mscount;
  return codes;
}

export function setContext(space: Space, name: number, context: number): Codes {
  const { port, codes } = receiveOf(space, name);
  if (port !== null) port.context = context;
  return codes;
}

export function getContext(space: Space, name: number): { codes: Codes; context: number } {
  const { port, codes } = receiveOf(space, name);
  return { codes, context: port?.context ?? 0 };
}

function setOf(space: Space, name: number): { set: PortSet | null; codes: Codes } {
  if (isNull(name)) return { set: null, codes: [INVALID_RIGHT] };
  const entry = space.entries.get(name);
  if (!entry) return { set: null, codes: [INVALID_NAME] };
  return entry.set ? { set: entry.set, codes: ok } : { set: null, codes: [INVALID_RIGHT] };
}

/** Both names of a membership call; where both are wrong either complaint will do. */
function pairOf(space: Space, name: number, pset: number): { port: Port; set: PortSet } | Codes {
  const member = receiveOf(space, name);
  const group = setOf(space, pset);
  if (member.port !== null && group.set !== null) return { port: member.port, set: group.set };
  return [...(member.port === null ? member.codes : []), ...(group.set === null ? group.codes : [])];
}

function isPair(pair: { port: Port; set: PortSet } | Codes): pair is { port: Port; set: PortSet } {
  return "port" in pair;
}

/** A174, A177. */
export function insertMember(oracle: Oracle, space: Space, name: number, pset: number): Codes {
  const pair = pairOf(space, name, pset);
  if (!isPair(pair)) return pair;
  if (pair.set.members.has(pair.port)) return [ALREADY_IN_SET];
  oracle.joinSet(pair.port, pair.set);
  return ok;
}

/** A175. */
export function extractMember(oracle: Oracle, space: Space, name: number, pset: number): Codes {
  const pair = pairOf(space, name, pset);
  if (!isPair(pair)) return pair;
  if (!pair.set.members.has(pair.port)) return [NOT_IN_SET];
  oracle.leaveSet(pair.port, pair.set);
  return ok;
}

/** A176. */
export function moveMember(oracle: Oracle, space: Space, member: number, after: number): Codes {
  if (after === NULL) {
    const { port, codes } = receiveOf(space, member);
    if (port === null) return codes;
    if (port.sets.size === 0) return [NOT_IN_SET];
    oracle.leaveSets(port);
    return ok;
  }
  const pair = pairOf(space, member, after);
  if (!isPair(pair)) return pair;
  oracle.leaveSets(pair.port);
  oracle.joinSet(pair.port, pair.set);
  return ok;
}

/** A182. */
export function setStatus(oracle: Oracle, space: Space, name: number): { codes: Codes; members: number[] } {
  if (isNull(name)) return { codes: [INVALID_RIGHT, INVALID_NAME], members: [] };
  const { set, codes } = setOf(space, name);
  if (set === null) return { codes, members: [] };
  const members = [...set.members].map((port) => oracle.entryOf(space, port)?.name ?? 0);
  return { codes, members: members.sort((a, b) => a - b) };
}

/** What task_insert_right does: a right of one task arrives in another. `name` is the kernel's choice. */
export function give(
  oracle: Oracle,
  from: Space,
  ask: { name: number; disposition: number; to: Space; chosen: number },
): { codes: Codes; name: number } {
  const source = from.entries.get(ask.name);
  if (!source || !fits(source, ask.disposition) || source.port === null) {
    throw new Mismatch("only rights that the task holds are given");
  }
  const right = take(oracle, from, source, ask.disposition);
  return { codes: ok, name: arrive(oracle, ask.to, right, ask.chosen) };
}
