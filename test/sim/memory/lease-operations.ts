// Random operations on leases: views are taken, written through, and given back long after what they show was given up.

import {
  INVALID_ADDRESS,
  INVALID_ARGUMENT,
  type Operation,
  pickBytes,
  pickRange,
  READ,
  refuse,
  SUCCESS,
  WRITE,
} from "./choices.js";
import { isLeased, lease, writeThrough } from "./leases.js";
import { PAGE, pagesIn, spanOf } from "./pages.js";
import { type Plan, SHORTAGE, show, type World } from "./world.js";
import { refusalOf } from "./vm-operations.js";

const LEASES_MAX = 8;

export const takeLease: Operation = (world, random, actor) => {
  if (world.leases.length >= LEASES_MAX) return endLease(world, random, actor);
  const { map, handle } = actor;
  const range = pickRange(random, map, 95);
  const kind = random.chance(96) ? random.below(2) : random.pick([2, 0xffffffff]);
  const code = world.call("vm_lease", handle, range.address, range.size, kind);
  const [id, linear] = [world.out(0), world.out(1)];
  const size = code === SUCCESS ? world.told(2) : 0;
  const plan = (): Plan => {
    if (kind > 1 || range.size === 0 || spanOf(range.address, range.size) === null) return refuse(INVALID_ARGUMENT);
    const need = kind === 1 ? WRITE : READ;
    const refused = refusalOf(map, { address: range.address, size: 1 }, need); // the rest is asked for again
    if (refused !== SUCCESS) return refuse(refused);
    const apply = () => {
      const end = range.address + size;
      const isPiece = size > 0 && (size === range.size || (size < range.size && end % PAGE === 0));
      world.expect(`whether ${show(size)} bytes are a piece`, isPiece, true);
      world.expect("whether the piece may be leased", refusalOf(map, { address: range.address, size }, need), SUCCESS);
      world.expect("whether the lease has a number", id !== 0 && world.leases.every((other) => other.id !== id), true);
      world.expect("the offset in the frame", linear % PAGE, range.address % PAGE);
      const made = { id, agent: world.agent, writes: kind === 1, linear, size };
      world.leases.push(lease(made, range.address, (page) => map.at(page)?.page));
    };
    return { code: SUCCESS, apply };
  };
  const call = `vm_lease(${actor.serial}, ${show(range.address)}, ${show(range.size)}, ${kind}) = ${show(id)}, ${show(size)} bytes`;
  world.settle(call, code, plan());
};

export const writeLease: Operation = (world, random, actor) => {
  const writers = world.leases.filter(({ writes }) => writes);
  if (writers.length === 0) return takeLease(world, random, actor);
  const chosen = random.pick(writers);
  const from = random.below(chosen.size);
  const data = pickBytes(random, 1 + random.below(Math.min(chosen.size - from, random.pick([8, 300, 9000]))));
  world.note(`${data.length} bytes are written at ${from} of lease ${show(chosen.id)}`);
  writeThrough(world, chosen, from, data);
};

export const endLease: Operation = (world, random, actor) => {
  if (world.leases.length === 0 || random.chance(5)) {
    const stale = random.pick([0, 1, actor.handle, random.word(), 0xffffffff]);
    const foreign = world.leases.find(({ agent }) => agent !== world.agent);
    const id = foreign !== undefined && random.chance(50) ? foreign.id : stale;
    if (world.leases.some((known) => known.id === id && known.agent === world.agent)) return;
    const code = world.call("vm_lease_end", id);
    world.settle(`vm_lease_end(${show(id)})`, code, refuse(INVALID_ARGUMENT));
    return;
  }
  giveBack(world, random.below(world.leases.length));
};

/** Ends a lease, on its own processor. */
export function giveBack(world: World, index: number): void {
  const [ended] = world.leases.splice(index, 1);
  if (ended === undefined) return;
  world.agent = ended.agent;
  const code = world.call("vm_lease_end", ended.id);
  world.settle(`vm_lease_end(${show(ended.id)})`, code, { code: SUCCESS });
}

/** Asks for a range in one piece; what of it is leased stays where it is. */
export const compact: Operation = (world, random, actor) => {
  const { map, handle, serial } = actor;
  const range = pickRange(random, map, 95);
  const code = world.call("vm_compact", handle, range.address, range.size);
  const span = spanOf(range.address, range.size);
  const scarce: number[] = [SHORTAGE];
  const plan = (): Plan => {
    if (span === null || range.size === 0) return refuse(INVALID_ARGUMENT);
    const slots = pagesIn(span).map((page) => map.at(page));
    if (slots.includes(undefined)) return refuse(INVALID_ADDRESS);
    const [first] = slots;
    // Which of two reasons is told depends on what comes first; other pages of the same object may be leased.
    if (code === SHORTAGE && world.leases.length > 0) return refuse(code);
    for (const slot of slots) {
      if (slot?.shared || slot?.prot !== first?.prot || slot?.max !== first?.max || slot?.inherit !== first?.inherit)
        return refuse(INVALID_ARGUMENT);
    }
    if (code === SUCCESS) return { code }; // what lies together stays, leased or not: looked at below
    return { code: slots.some((slot) => slot && isLeased(world, slot.page)) ? SHORTAGE : SUCCESS };
  };
  const done = world.settle(`vm_compact(${serial}, ${show(range.address)}, ${show(range.size)})`, code, plan(), scarce);
  if (!done || span === null || range.size === 0) return;
  // Now one lease has all of it.
  if (((map.at(span.start)?.prot ?? 0) & READ) === 0 || world.isScarce) return;
  const again = world.call("vm_lease", handle, range.address, range.size, 0);
  world.expect("the lease of what is compact", again, SUCCESS);
  const id = world.out(0);
  world.expect("its size", world.told(2), range.size);
  world.expect("its end", world.call("vm_lease_end", id), SUCCESS);
};
