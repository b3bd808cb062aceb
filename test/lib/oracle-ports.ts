// The oracle's calls on ports and sets: requests, attributes, membership, and a right given to another task.

import {
  INVALID_ARGUMENT,
  INVALID_CAPABILITY,
  INVALID_NAME,
  INVALID_RIGHT,
  INVALID_VALUE,
  isNull,
  ok,
  type Codes,
} from "./oracle-names.js";
import { arrive, fits, take } from "./oracle-rights.js";
import {
  DEAD,
  DEAD_NAME,
  type Entry,
  type Kmsg,
  Mismatch,
  NO_SENDERS,
  NULL,
  type Oracle,
  type Port,
  PORT_DESTROYED,
  type PortSet,
  SEND_POSSIBLE,
  type Space,
  UREFS_MAX,
} from "./oracle-state.js";

const FAILURE = 5;
const ALREADY_IN_SET = 11;
const NOT_IN_SET = 12;

/** A137 to A149, A154. `previous` is the name that the kernel gave the previous right. */
export function request(
  oracle: Oracle,
  space: Space,
  ask: { name: number; msgid: number; sync: number; notify: number; disposition: number; previous: number },
  caller = space,
): { codes: Codes; previous: number } {
  const { name, msgid, sync } = ask;
  const refused = (...codes: number[]) => ({ codes, previous: 0 });
  if (ask.notify === DEAD) return refused(INVALID_CAPABILITY);
  const source = caller.entries.get(ask.notify);
  const notify = source && ask.notify !== NULL ? take(oracle, caller, source, ask.disposition) : null;
  if (notify !== null && notify.port === null) return refused(INVALID_CAPABILITY);
  const entry = space.entries.get(name);
  // Where several things are wrong any of them may be told.
  const wrong: number[] = [];
  const named = msgid === DEAD_NAME || msgid === SEND_POSSIBLE;
  if (msgid !== PORT_DESTROYED && msgid !== NO_SENDERS && !named) wrong.push(INVALID_VALUE);
  if (msgid === PORT_DESTROYED && sync !== 0) wrong.push(INVALID_VALUE);
  if (msgid === PORT_DESTROYED && entry?.receive && entry.port?.isSpecial) wrong.push(INVALID_RIGHT);
  const tells = ask.notify !== NULL && (sync !== 0 || msgid === SEND_POSSIBLE);
  if (isNull(name)) wrong.push(named ? INVALID_ARGUMENT : INVALID_RIGHT);
  else if (!entry) wrong.push(INVALID_NAME);
  else if (named ? entry.set !== null : !entry.receive) wrong.push(INVALID_RIGHT);
  else if (entry.deads > 0 && !tells) wrong.push(INVALID_ARGUMENT);
  if (wrong.length > 0 || !entry) {
    if (notify !== null) oracle.release(notify);
    return refused(...wrong);
  }
  const armed = notify?.port ?? null;
  let before: Port | null = null;
  if (named) {
    before = entry.request;
    if (entry.deads === 0) {
      arm(oracle, entry, armed, msgid === SEND_POSSIBLE ? (sync !== 0 ? "armed" : "asked") : "no");
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
  const fresh = oracle.claim(caller, ask.previous);
  fresh.port = before;
  fresh.once = true;
  return { codes: ok, previous: ask.previous };
}

/** A147, A151: what a name asks for replaces what it asked for before; where there is room already, that is told at once. */
function arm(oracle: Oracle, entry: Entry, notify: Port | null, possible: Entry["possible"]): void {
  const { port } = entry;
  entry.request = notify;
  entry.possible = notify === null ? "no" : possible;
  // Notifications of this very operation come after it.
  const queued = port?.queue.filter(({ batch }) => batch !== oracle.now).length ?? 0;
  const room = entry.once || (port !== null && queued < port.qlimit && port.senders.length === 0);
  if (entry.possible !== "armed" || notify === null || !room) return;
  entry.request = null;
  entry.possible = "no";
  oracle.notify(notify, SEND_POSSIBLE, entry.name);
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
    flags: port.guarded ? 2 | (port.strict ? 4 : 0) | (port.immovable ? 0x40 : 0) : 0,
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

/** A32: names and messages that hold send rights. */
export function srights(space: Space, name: number): { codes: Codes; srights: number } {
  const { codes } = receiveStatus(space, name);
  if (isNull(name)) return { codes: [INVALID_NAME], srights: 0 };
  return { codes, srights: space.entries.get(name)?.port?.srights ?? 0 };
}

/** A197: armed dead-name requests of all names of the port. */
export function requestCount(oracle: Oracle, space: Space, name: number): { codes: Codes; count: number } {
  const { codes } = srights(space, name);
  const port = space.entries.get(name)?.port ?? null;
  const entries = oracle.spaces.flatMap(({ entries: all }) => [...all.values()]);
  return { codes, count: entries.filter((entry) => entry.port === port && entry.request !== null).length };
}

/** A197: an object is behind send and receive rights; none of those that the simulator has is the kernel's. */
export function kobject(space: Space, name: number): Codes {
  const entry = isNull(name) ? undefined : space.entries.get(name);
  if (!entry) return [INVALID_NAME];
  return entry.receive || entry.sends > 0 ? ok : [INVALID_RIGHT];
}

/** A196: `kmsg` is the message that is to be seen, with its number. */
export function peek(space: Space, name: number, seqno: number): { codes: Codes; kmsg: Kmsg | null; seqno: number } {
  if (isNull(name)) return { codes: [INVALID_RIGHT], kmsg: null, seqno };
  const { port, codes } = receiveOf(space, name);
  if (port === null) return { codes, kmsg: null, seqno };
  const index = seqno === 0 ? 0 : (seqno - port.seqno) >>> 0;
  const kmsg = port.queue[index] ?? null;
  return { codes: kmsg === null ? [FAILURE] : ok, kmsg, seqno: (port.seqno + index) >>> 0 };
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
  oracle.checkRoom(port);
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

/** A191: but of a strictly guarded port. */
export function setContext(space: Space, name: number, context: number): Codes {
  const { port, codes } = receiveOf(space, name);
  if (port?.strict) return [INVALID_ARGUMENT];
  if (port !== null) port.context = context;
  return codes;
}

export function getContext(space: Space, name: number): { codes: Codes; context: number } {
  const { port, codes } = receiveOf(space, name);
  return { codes, context: port === null || port.strict ? 0 : port.context };
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
