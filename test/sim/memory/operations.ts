// The random operations on memory and how often each is chosen. An operation is one number, from which everything that it picks
// follows, so that any subsequence can be replayed.

import { codeName } from "../../../host-ts/abi/codes.gen.ts";
import { Random } from "../random.js";
import { type Operation, runEnd } from "./choices.js";
import { child, dropEntry, endChild, giveUpEntry, makeEntry, map, remap } from "./entry-operations.js";
import { compact, endLease, giveBack, takeLease, writeLease } from "./lease-operations.js";
import { checkLeases } from "./leases.js";
import {
  cancel,
  carry,
  drain,
  giveUp,
  kill,
  receive,
  receiveWaiting,
  renewPort,
  send,
  sendWaiting,
} from "./message-operations.js";
import { PAGE } from "./pages.js";
import { allocate, copy, deallocate, inherit, protect, read, readOverwrite, region, write } from "./vm-operations.js";
import { type Actor, must, PLENTY, SHORTAGE, type World } from "./world.js";

/** Ends a task, by itself or by another, with messages, leases and waits of its own; another begins. */
const restart: Operation = (world, random, actor) => {
  if (!random.chance(20)) return receive(world, random, actor);
  endTask(world, random.chance(50) ? actor : random.pick(world.actors), actor);
  world.addActor(world.setting.quota);
};

export function endTask(world: World, by: Actor, actor: Actor): void {
  for (const each of [...world.children]) if (each.handle === actor.handle) endChild(world, actor, each);
  const { agent } = world;
  for (const [cookie, wait] of [...world.waits]) if (wait.actor === actor) giveUp(world, cookie);
  world.agent = agent;
  const code =
    by === actor
      ? world.call("task_terminate", actor.handle)
      : world.call("task_terminate_target", by.handle, by.names.get(actor.control) ?? 0);
  world.settle(`task ${actor.serial} ends`, code, { code: 0 });
  world.actors.splice(world.actors.indexOf(actor), 1);
  actor.control.dead = true;
  kill(world, actor.port);
}

/** A processor's thread is gone. The first one stays, for the rest of the test. */
const die: Operation = (world, random, actor) => {
  const [, ...others] = world.agents;
  if (others.length === 0 || !random.chance(30)) return takeLease(world, random, actor);
  const dead = random.pick(others);
  for (const [cookie, { agent }] of [...world.waits]) if (agent === dead) giveUp(world, cookie);
  drain(world);
  world.note(`processor ${dead.pid} is gone, with ${world.leases.filter(({ agent }) => agent === dead).length} leases`);
  world.replace(dead);
};

/** Makes room in a map that is nearly full. */
const clear: Operation = (world, random, actor) => {
  const known = actor.map.mapped;
  const start = random.pick(known);
  const end = Math.min(runEnd(actor.map, start), start + 40);
  const code = world.call("vm_deallocate", actor.handle, actor.self, start * PAGE, (end - start) * PAGE);
  world.settle(`room in the map of ${actor.serial}`, code, { code: 0, apply: () => actor.map.remove({ start, end }) });
};

function clearAll(world: World, { handle, self, map: { window, slots } }: Actor): void {
  const { start, end } = window;
  const code = world.call("vm_deallocate", handle, self, start * PAGE, (end - start) * PAGE);
  world.settle("all memory is given up", code, { code: 0, apply: () => slots.clear() });
}

/**
 * A task that has nothing may take as much as its quota allows, and no page more; and as much again when it has sent that to another,
 * who then may take no page.
 */
function checkQuota(world: World, actor: Actor, other: Actor): void {
  const { quota } = world.setting;
  const { window } = actor.map;
  const from = window.start * PAGE;
  const size = quota * PAGE;
  if (world.setting.memory < PLENTY || quota === 0 || quota >= window.end - window.start) return;
  const take = (who: Actor, address: number, bytes: number) => {
    const code = world.call("vm_lease", who.handle, address, bytes, 1);
    if (code === 0) must("vm_lease_end", world.call("vm_lease_end", world.out(0)));
    return codeName(code);
  };
  for (let turn = 0; turn < 2; turn++) {
    must("vm_allocate", world.call("vm_allocate", actor.handle, actor.self, from, size + PAGE, 0));
    world.expect("the code of a lease of all", take(actor, from, size), "KERN_SUCCESS");
    world.expect("the code of one page more", take(actor, from + size, 1), codeName(SHORTAGE));
    if (turn === 0) {
      must("vm_deallocate", world.call("vm_deallocate", actor.handle, actor.self, from + size, PAGE));
      carry(world, actor, other, { address: from, size });
      must("vm_allocate", world.call("vm_allocate", other.handle, other.self, from + size, PAGE, 0));
      world.expect("the code of who received", take(other, from + size, 1), codeName(SHORTAGE));
    }
    clearAll(world, actor);
  }
  clearAll(world, other);
}

const OPERATIONS: readonly (readonly [number, Operation])[] = [
  [12, allocate],
  [9, deallocate],
  [6, protect],
  [3, inherit],
  [3, region],
  [7, read],
  [6, readOverwrite],
  [12, write],
  [7, copy],
  [6, takeLease],
  [6, writeLease],
  [5, endLease],
  [3, compact],
  [14, send],
  [4, sendWaiting],
  [13, receive],
  [3, receiveWaiting],
  [1, cancel],
  [1, renewPort],
  [6, makeEntry],
  [2, dropEntry],
  [8, map],
  [6, remap],
  [3, child],
  [2, restart],
  [2, die],
];

/** Operations that make ports and tasks, for which there must be memory. */
const MAKERS: ReadonlySet<Operation> = new Set([makeEntry, child, renewPort, restart]);

/** Operations on memory in more than one place, for which the core must have the calls. */
const PLACES: ReadonlySet<Operation> = new Set([makeEntry, dropEntry, map, remap, child]);

/** What is done instead of what cannot be. */
function possible(world: World, operation: Operation): Operation {
  if (!world.has("vm_map") && PLACES.has(operation)) return allocate;
  return world.setting.memory < PLENTY && MAKERS.has(operation) ? deallocate : operation;
}

/** Runs the operation that this number stands for. */
export function step(world: World, operation: number): void {
  const random = new Random(operation);
  const actor = random.pick(world.actors);
  world.begin(random.pick(world.agents));
  const { start, end } = actor.map.window;
  const isNearlyFull = actor.map.slots.size > (end - start) * 0.93;
  const picked = random.weighted(OPERATIONS);
  const chosen = possible(world, picked);
  if (isNearlyFull && random.chance(50)) clear(world, random, actor);
  else chosen(world, random, actor);
  drain(world);
  checkLeases(world);
}

/** Ends everything: nothing may be left. */
export function endAll(world: World): void {
  while (world.leases.length > 0) giveBack(world, 0);
  for (const cookie of [...world.waits.keys()]) giveUp(world, cookie);
  for (const actor of world.actors) renewPort(world, new Random(0), actor);
  for (const each of [...world.children]) endChild(world, world.actors[0] as Actor, each);
  for (const entry of [...world.entries]) giveUpEntry(world, entry);
  for (const actor of world.actors) clearAll(world, actor);
  const [one, two] = world.actors;
  if (one !== undefined && two !== undefined) checkQuota(world, one, two);
  for (const actor of [...world.actors]) {
    endTask(world, actor, actor);
    drain(world);
  }
}
