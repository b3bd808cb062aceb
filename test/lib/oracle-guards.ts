// The oracle's calls on guards, and those that make and end a port in one step.

import { allocate, dropReceive, INVALID_ARGUMENT, INVALID_NAME, INVALID_RIGHT, INVALID_VALUE } from "./oracle-names.js";
import { isNull, ok, type Codes } from "./oracle-names.js";
import { type Oracle, type Port, type Space, UREFS_MAX } from "./oracle-state.js";

const DENIED = 53;
const [STRICT, IMMOVABLE] = [1, 2];
const KINDS = [0x400, 0x800, 0x1000, 0x4000, 0x8000];

/** A186 to A188; `name` is the kernel's choice. */
export function construct(
  oracle: Oracle,
  space: Space,
  ask: { flags: number; qlimit: number; context: number; name: number },
): Codes {
  const { flags, qlimit, context, name } = ask;
  if (flags > 0xffff || KINDS.filter((kind) => flags & kind).length > 1) return [INVALID_ARGUMENT];
  if (flags & 0xe00) return [DENIED];
  if (flags & 2 && qlimit > 1024) return [INVALID_VALUE];
  allocate(oracle, space, 1, name);
  const entry = space.entries.get(name);
  const port = entry?.port;
  if (!entry || !port) return ok;
  port.context = context;
  port.guarded = (flags & 1) !== 0;
  port.strict = (flags & 0x21) === 0x21;
  port.immovable = (flags & 0x1080) !== 0;
  if (flags & 2) port.qlimit = qlimit;
  if (flags & 0x10) {
    entry.sends = 1;
    port.srights = 1;
    port.mscount = 1;
  }
  return ok;
}

/** A192. */
export function destruct(oracle: Oracle, space: Space, name: number, srdelta: number, guard: number): Codes {
  const entry = isNull(name) ? undefined : space.entries.get(name);
  if (!entry) return [INVALID_NAME];
  const { port } = entry;
  if (!entry.receive || port === null || (srdelta !== 0 && entry.sends === 0)) return [INVALID_RIGHT];
  if (srdelta > 0) return [INVALID_VALUE];
  if (port.guarded && port.context !== guard) return [INVALID_ARGUMENT];
  if (-srdelta > entry.sends) return [INVALID_VALUE];
  const pegged = entry.sends === UREFS_MAX && srdelta !== -UREFS_MAX;
  if (srdelta !== 0 && !pegged) oracle.dropSend(space, entry, -srdelta);
  dropReceive(oracle, space, entry);
  return ok;
}

/** The port of a receive right, or what is wrong with the name; what is wrong with 0 and 0xffffffff is the caller's to say. */
function receiveOf(space: Space, name: number, none: number): { port: Port | null; codes: Codes } {
  const entry = isNull(name) ? undefined : space.entries.get(name);
  if (!entry) return { port: null, codes: [isNull(name) ? none : INVALID_NAME] };
  return entry.receive ? { port: entry.port, codes: ok } : { port: null, codes: [INVALID_RIGHT] };
}

/** A189. */
export function guard(space: Space, name: number, word: number, flags: number): Codes {
  const { port, codes } = receiveOf(space, name, INVALID_NAME);
  if (port === null) return codes;
  if (port.context !== 0) return [INVALID_ARGUMENT];
  port.context = word;
  port.guarded = true;
  port.strict = (flags & STRICT) !== 0;
  if (flags & IMMOVABLE) port.immovable = true;
  return ok;
}

/** A190. */
export function unguard(space: Space, name: number, word: number): Codes {
  const { port, codes } = receiveOf(space, name, INVALID_NAME);
  if (port === null) return codes;
  if (!port.guarded || port.context !== word) return [INVALID_ARGUMENT];
  port.context = 0;
  port.guarded = false;
  port.strict = false;
  return ok;
}

/** A190. */
export function swapGuard(space: Space, name: number, old: number, word: number): Codes {
  const { port, codes } = receiveOf(space, name, INVALID_NAME);
  if (port === null) return codes;
  if (!port.guarded || port.strict || port.context !== old) return [INVALID_ARGUMENT];
  port.context = word;
  return ok;
}

/** What assert_attributes says of a guard. */
export function assertGuard(space: Space, name: number, word: number): Codes {
  const { port, codes } = receiveOf(space, name, INVALID_RIGHT);
  if (port === null) return codes;
  return port.guarded && port.strict && port.context === word ? ok : [INVALID_ARGUMENT];
}
