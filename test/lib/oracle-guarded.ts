// The oracle's guarded ports in messages (A124, A125).

import { setWord, word } from "./message.js";
import { arrive } from "./oracle-rights.js";
import { Mismatch, NULL, type Oracle, type Right, type Space } from "./oracle-state.js";

const GUARDED_PORT = 4;
const RECEIVE = 16;
const [IMMOVABLE, UNGUARDED] = [1, 2];

/** What becomes of a guarded port: the receiver does not know of such, or gets it for good, or it comes back to its sender. */
export type Guards = "destroyed" | "immovable" | "movable";

/** Whether there is a guarded port's descriptor at `offset`, well formed (A74). */
export function isGuardedPort(bytes: Uint8Array, offset: number): boolean {
  const shape = word(bytes, offset + 8);
  return shape >>> 24 === GUARDED_PORT && ((shape >>> 16) & 0xff) === RECEIVE && (shape & 0xffff) <= 3;
}

/** Whether the sender knows the guard, or that there is none; of what is no receive right there is nothing to know. */
export function knowsGuard(space: Space, bytes: Uint8Array, offset: number): boolean {
  const [context, name, flags] = [word(bytes, offset), word(bytes, offset + 4), word(bytes, offset + 8)];
  const entry = space.entries.get(name);
  if (!entry?.receive || entry.port === null) return true;
  return entry.port.guarded ? entry.port.context === context : (flags & UNGUARDED) !== 0 && context === 0;
}

/**
 * A guarded port arrives, or is destroyed. The guard is the kernel's choice. Returns: a right that is to be destroyed when the rest
 * has arrived. Its port is dead from now on, but that is all; if it was to go to a port that is dead, not even that.
 */
export function arriveGuarded(
  oracle: Oracle,
  space: Space,
  right: Right,
  to: { bytes: Uint8Array; seen: Uint8Array; offset: number; guards: Guards },
): Right | null {
  const { bytes, seen, offset, guards } = to;
  const { port, guard: flags = 0 } = right;
  let [name, context] = [NULL, 0];
  const late = guards === "destroyed" && port !== null ? right : null;
  if (late !== null && port !== null) {
    const { pdRequest } = port;
    if (pdRequest === null || (pdRequest.alive && oracle.leadsTo(pdRequest, port))) port.alive = false;
  } else {
    if (port !== null && (flags & IMMOVABLE) !== 0) {
      context = word(seen, offset);
      if (context === 0) throw new Mismatch("a guarded port arrived without a guard");
      port.context = context;
      port.guarded = true;
      port.immovable = guards === "immovable";
    }
    name = arrive(oracle, space, right, word(seen, offset + 4));
  }
  setWord(bytes, offset, context);
  setWord(bytes, offset + 4, name);
  const told = context === 0 ? flags | UNGUARDED : flags & ~UNGUARDED;
  setWord(bytes, offset + 8, told | (RECEIVE << 16) | (GUARDED_PORT << 24));
  return late;
}
