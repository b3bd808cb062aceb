// Random calls on guards: each on the kernel, then on the oracle.

import { assertGuard, destruct, guard, swapGuard, tryConstruct, unguard } from "../lib/guards.js";
import type { PortDescriptor } from "../lib/message.js";
import * as oracle from "../lib/oracle-guards.js";
import { compare, isReceive, type Operation, pickName, remember } from "./choices.js";
import type { Random } from "./random.js";
import { type Actor, hex } from "./world.js";

const FLAGS = [
  0, 0x1, 0x1, 0x21, 0x81, 0xa1, 0x10, 0x11, 0x12, 0x80, 0x1000, 0x20, 0x2000, 0x400, 0x9000, 0x10000,
] as const;

/** Few words, so that they are often the right ones. */
const word = (random: Random) => random.pick([0, 0, 1, 1, 2, 0xffffffff]);

export const construct: Operation = (world, random, actor) => {
  const flags = random.pick(FLAGS);
  const [qlimit, context] = [random.pick([0, 1, 5, 1024, 1025]), word(random)];
  const { code, name } = tryConstruct(actor, flags, { qlimit, context });
  const ask = { flags, qlimit, context, name };
  compare(world, `construct(${JSON.stringify(ask)})`, code, () => oracle.construct(world.oracle, actor.space, ask));
  if (code === 0) remember(actor, name);
};

export const destructOne: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isReceive, 90);
  const entry = actor.space.entries.get(name);
  const sends = entry?.sends ?? 0;
  const srdelta = random.pick([0, 0, -1, -sends, -sends, 1 - sends, -sends - 1, 1]);
  const known = random.chance(60) ? (entry?.port?.context ?? 0) : word(random);
  const code = destruct(actor, name, srdelta, known);
  compare(world, `destruct(${hex(name)}, ${srdelta}, ${known})`, code, () =>
    oracle.destruct(world.oracle, actor.space, name, srdelta, known),
  );
};

export const guardOne: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isReceive, 90);
  const { space } = actor;
  const context = space.entries.get(name)?.port?.context ?? 0;
  const [known, fresh] = [random.chance(70) ? context : word(random), word(random)];
  switch (random.below(5)) {
    case 0:
    case 1: {
      const flags = random.pick([0, 0, 1, 2, 3, 4]);
      const plain = flags < 2 && random.chance(50);
      const { traps, self } = actor;
      const code = plain ? traps.mach_port_guard(self, name, fresh, flags) : guard(actor, name, fresh, flags);
      return compare(world, `guard(${hex(name)}, ${fresh}, ${flags})`, code, () =>
        oracle.guard(space, name, fresh, flags),
      );
    }
    case 2:
      return compare(world, `unguard(${hex(name)}, ${known})`, unguard(actor, name, known), () =>
        oracle.unguard(space, name, known),
      );
    case 3:
      return compare(world, `swap_guard(${hex(name)}, ${known}, ${fresh})`, swapGuard(actor, name, known, fresh), () =>
        oracle.swapGuard(space, name, known, fresh),
      );
    default:
      return compare(world, `assert_guard(${hex(name)}, ${known})`, assertGuard(actor, name, known), () =>
        oracle.assertGuard(space, name, known),
      );
  }
};

/** A guarded port's descriptor, mostly one that the sender may use. */
export function draftGuarded(random: Random, actor: Actor): PortDescriptor {
  const name = pickName(random, actor, (entry) => entry.receive && entry.port?.immovable === false, 90);
  const port = actor.space.entries.get(name)?.port;
  const context = port?.guarded && random.chance(85) ? port.context : random.pick([0, 0, 0, 1]);
  const flags = random.chance(85)
    ? port?.guarded
      ? random.pick([0, 1, 1, 3])
      : random.pick([2, 3, 3])
    : random.below(4);
  return { name, disposition: random.chance(97) ? 16 : 17, type: 4, context, flags };
}
