// The oracle's calls on tasks: special ports and registered ports (A208). `caller` is whose names are meant.

import { type Codes, INVALID_ARGUMENT, INVALID_NAME, INVALID_RIGHT, isNull, ok } from "./oracle-names.js";
import { arrive, fits, take } from "./oracle-rights.js";
import { COPY_SEND, DEAD, NOTHING, NULL, type Oracle, type Right, SEND, type Space } from "./oracle-state.js";

/** Places of the registered ports in `kept`, behind the bootstrap port. */
const REGISTERED = [1, 2, 3] as const;

/** Sets the bootstrap port: a reference of the caller's is used up. */
export function setBootstrap(oracle: Oracle, space: Space, caller: Space, name: number): Codes {
  if (name === DEAD) return [INVALID_ARGUMENT];
  if (name === NULL) {
    keep(oracle, space, 0, NOTHING);
    return ok;
  }
  const source = caller.entries.get(name);
  if (!source) return [INVALID_NAME];
  if (!fits(source, SEND)) return [INVALID_RIGHT];
  keep(oracle, space, 0, take(oracle, caller, source, SEND));
  return ok;
}

/** Gives the caller what is at one of the places. `chosen` is the name that the kernel gave it. Returns: the name. */
export function copyOut(oracle: Oracle, space: Space, caller: Space, place: number, chosen: number): number {
  const right = space.kept[place] ?? NOTHING;
  if (right.port === null) return right.value;
  if (!right.port.alive) return DEAD;
  right.port.srights++;
  return arrive(oracle, caller, { ...right, type: SEND }, chosen);
}

/** Registers ports: the caller's rights stay. A dead one is kept as such. */
export function register(oracle: Oracle, space: Space, caller: Space, names: readonly number[]): Codes {
  if (names.length > REGISTERED.length) return [INVALID_ARGUMENT];
  for (const name of names) {
    const source = caller.entries.get(name);
    if (isNull(name)) continue;
    if (!source) return [INVALID_NAME];
    if (source.deads === 0 && !fits(source, COPY_SEND)) return [INVALID_RIGHT];
  }
  const rights = REGISTERED.map((_, index) => {
    const name = names[index] ?? NULL;
    const source = caller.entries.get(name);
    if (source) return take(oracle, caller, source, COPY_SEND);
    return name === DEAD ? { port: null, value: DEAD, type: SEND } : NOTHING;
  });
  for (const [index, right] of rights.entries()) keep(oracle, space, 1 + index, right);
  return ok;
}

/** The names of the registered ports; `chosen` are those that the kernel gave. */
export function lookUp(oracle: Oracle, space: Space, caller: Space, chosen: readonly number[]): number[] {
  return REGISTERED.map((place, index) => copyOut(oracle, space, caller, place, chosen[index] ?? 0));
}

function keep(oracle: Oracle, space: Space, place: number, right: Right): void {
  const before = space.kept[place] ?? NOTHING;
  space.kept[place] = right;
  oracle.release(before);
}
