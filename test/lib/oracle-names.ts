// The oracle's calls on names (mach_port_*): each answers the code that the assertions want, or several where they leave
// it open, and changes the state where the call succeeds, or where it was refused with a right in its hand.

import {
  COPY_SEND,
  DEAD,
  Entry,
  MAKE_SEND,
  MAKE_SEND_ONCE,
  NULL,
  ONCE,
  type Oracle,
  Port,
  PortSet,
  RECEIVE,
  type Right,
  SEND,
  type Space,
  UREFS_MAX,
} from "./oracle-state.js";
import { arrive, fits, take } from "./oracle-rights.js";

const SUCCESS = 0;
const NO_SPACE = 3;
const FAILURE = 5;
export const INVALID_ARGUMENT = 4;
const NAME_EXISTS = 13;
export const INVALID_NAME = 15;
export const INVALID_RIGHT = 17;
export const INVALID_VALUE = 18;
export const INVALID_CAPABILITY = 20;
const RIGHT_EXISTS = 21;

const [R_SEND, R_RECEIVE, R_SEND_ONCE, R_PORT_SET, R_DEAD_NAME] = [0, 1, 2, 3, 4];

/** Names that a space has room for; this kernel's choice. */
const TABLE_ENTRIES_MAX = 4_194_304;

/** Codes that may be answered; the first is the usual one. */
export type Codes = readonly number[];

export const ok: Codes = [SUCCESS];

export function isNull(name: number): boolean {
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

/** A210: the thread that all of a simulation's tasks share has one such port; the one before is an ordinary port. */
export function specialReplyPort(oracle: Oracle, space: Space, name: number): Codes {
  const codes = allocate(oracle, space, R_RECEIVE, name);
  const entry = space.entries.get(name);
  if (!entry?.port) return codes;
  entry.sends = 1;
  entry.port.srights = 1;
  entry.port.mscount = 1;
  if (oracle.special !== null) oracle.special.isSpecial = false;
  entry.port.isSpecial = true;
  oracle.special = entry.port;
  return codes;
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

/** A15. */
export function rename(space: Space, name: number, to: number): Codes {
  const codes = chosenName(space, to);
  if (codes[0] !== SUCCESS) return codes;
  const entry = isNull(name) ? undefined : space.entries.get(name);
  if (!entry) return [INVALID_NAME];
  space.entries.delete(name);
  space.entries.set(to, Object.assign(new Entry(to), entry, { name: to }));
  return ok;
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
  if (right !== R_RECEIVE) oracle.destroyEntry(space, entry);
  else if (entry.port?.guarded) return [INVALID_RIGHT];
  else dropReceive(oracle, space, entry);
  return ok;
}

/** The receive right goes; send references stay (A37, A38). */
export function dropReceive(oracle: Oracle, space: Space, entry: Entry): void {
  const { port } = entry;
  if (port === null) return;
  entry.receive = false;
  if (entry.sends === 0) {
    entry.port = null;
    oracle.remove(space, entry);
  }
  oracle.destroyReceive(port);
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
  if (entry.receive && entry.port?.guarded) return [INVALID_RIGHT];
  oracle.destroyEntry(space, entry);
  return ok;
}

/** A66 to A68. A right that was taken out is destroyed when it cannot be put under the name. */
export function insertRight(
  oracle: Oracle,
  space: Space,
  name: number,
  poly: number,
  disposition: number,
  caller = space,
): Codes {
  if (disposition < RECEIVE || disposition > MAKE_SEND_ONCE) return [INVALID_VALUE];
  if (isNull(poly)) return [isNull(name) ? INVALID_VALUE : INVALID_CAPABILITY];
  const source = caller.entries.get(poly);
  if (!source) return [INVALID_NAME];
  if (source.deads > 0) {
    const carried = disposition === SEND || disposition === ONCE || disposition === COPY_SEND;
    const made = caller === space && name === poly && disposition === MAKE_SEND;
    if (!carried) return [made ? INVALID_CAPABILITY : INVALID_RIGHT];
    take(oracle, caller, source, disposition);
    return [isNull(name) ? INVALID_VALUE : INVALID_CAPABILITY];
  }
  if (!fits(source, disposition)) return [misfit(source, disposition)];
  const right = take(oracle, caller, source, disposition);
  const codes = place(oracle, space, right, name);
  if (codes[0] !== SUCCESS) oracle.release(right);
  return codes;
}

/** What is said of a right that is not there, or that cannot be moved (A57). */
function misfit(source: Entry, disposition: number): number {
  return disposition === RECEIVE && source.receive ? INVALID_CAPABILITY : INVALID_RIGHT;
}

/** A69: as if the task had sent the right to the caller. `chosen` is the name that the kernel gave it. */
export function extractRight(
  oracle: Oracle,
  space: Space,
  ask: { name: number; disposition: number; chosen: number },
  caller = space,
): { codes: Codes; name: number; type: number } {
  const { name, disposition } = ask;
  const refused = (code: number) => ({ codes: [code], name: 0, type: 0 });
  if (disposition < RECEIVE || disposition > MAKE_SEND_ONCE) return refused(INVALID_VALUE);
  const source = isNull(name) ? undefined : space.entries.get(name);
  if (!source) return refused(INVALID_NAME);
  const carried = disposition === SEND || disposition === ONCE || disposition === COPY_SEND;
  if (source.deads > 0 ? !carried : !fits(source, disposition)) return refused(misfit(source, disposition));
  const right = take(oracle, space, source, disposition);
  return { codes: ok, name: arrive(oracle, caller, right, ask.chosen), type: right.type };
}

function place(oracle: Oracle, space: Space, right: Right, name: number): Codes {
  const holder = right.type === ONCE || right.port === null ? null : oracle.entryOf(space, right.port);
  if (isNull(name)) return [INVALID_VALUE];
  if (holder !== null && holder.name !== name) return [RIGHT_EXISTS];
  if (holder === null) {
    const codes = chosenName(space, name);
    if (codes[0] !== SUCCESS) return codes;
  }
  arrive(oracle, space, right, name);
  return ok;
}
