// What a random operation picks: names of the wanted kind, dispositions that fit, now and then something else; and how
// its answers are compared.

import { fits } from "../lib/oracle-rights.js";
import type { Codes } from "../lib/oracle-names.js";
import { DEAD, type Entry } from "../lib/oracle-state.js";
import type { Random } from "./random.js";
import { type Actor, spell, type World } from "./world.js";

export type Operation = (world: World, random: Random, actor: Actor) => void;

export const DISPOSITIONS = [16, 17, 18, 19, 20, 21] as const;

export const isPort = (entry: Entry) => entry.port !== null;
export const isReceive = (entry: Entry) => entry.receive;
export const isSet = (entry: Entry) => entry.set !== null;
export const isWaitable = (entry: Entry) => entry.receive || entry.set !== null;

/** A name of the task, of the wanted kind where there is one, sometimes any other, sometimes none at all. */
export function pickName(
  random: Random,
  actor: Actor,
  wanted: (entry: Entry) => boolean = () => true,
  exact = 80,
): number {
  const entries = [...actor.space.entries.values()];
  if (random.chance(exact)) {
    const found = entries.filter(wanted);
    if (found.length > 0) return random.pick(found).name;
  }
  if (entries.length > 0 && random.chance(70)) return random.pick(entries).name;
  const { stale, space } = actor;
  const gone = stale.filter((name) => !space.entries.has(name));
  if (gone.length > 0 && random.chance(70)) return random.pick(gone);
  return random.pick([0, DEAD, 0x7703, 0xfffff703]);
}

/** A name that the caller may choose, in one of sixty slots; none of a slot that the world has a name in, of which the oracle knows nothing. */
export function chooseName(random: Random, actor: Actor, generation = 0): number {
  const slots = Array.from({ length: 60 }, (_, index) => 2000 + index);
  const taken = new Set([...actor.born].map((name) => name >>> 8));
  const slot = random.pick(slots.filter((each) => !taken.has(each)));
  return ((slot << 8) | (generation << 2) | 3) >>> 0;
}

/** A disposition that the entry has a right for, sometimes any. */
export function pickDisposition(random: Random, actor: Actor, name: number, exact = 85): number {
  const entry = actor.space.entries.get(name);
  const good = DISPOSITIONS.filter((disposition) => {
    if (!entry) return false;
    if (entry.deads > 0) return disposition >= 17 && disposition <= 19;
    return fits(entry, disposition);
  });
  if (good.length > 0 && random.chance(exact)) return random.pick(good);
  return random.pick([...DISPOSITIONS, 22, 0]);
}

export function remember(actor: Actor, name: number): void {
  actor.stale.push(name);
  if (actor.stale.length > 30) actor.stale.shift();
}

/** Runs a call on names on both sides. */
export function compare(world: World, call: string, code: number, run: () => Codes): void {
  world.note(`${call} -> ${spell(code)}`);
  world.observe();
  world.answer(call, code, run());
}

export function expectSame(what: string, got: unknown, wanted: unknown): void {
  if (got !== wanted) throw new Error(`${what}: the kernel has ${String(got)}, the oracle ${String(wanted)}`);
}

/** Whether a message to it would have to wait for room. */
export function isFull({ port, sends, receive }: Entry): boolean {
  return port !== null && (sends > 0 || receive) && port.queue.length >= port.qlimit;
}
