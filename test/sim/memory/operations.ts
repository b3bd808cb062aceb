// The random operations on memory and how often each is chosen. An operation is one number, from which everything that it picks
// follows, so that any subsequence can be replayed.

import { codeName } from "../../../host-ts/abi/codes.gen.ts";
import { Random } from "../random.js";
import { type Operation, runEnd } from "./choices.js";
import { compact, endLease, giveBack, takeLease, writeLease } from "./lease-operations.js";
import { checkLeases } from "./leases.js";
import {
  cancel,
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
import { type Actor, must, SHORTAGE, type World } from "./world.js";

/** Ends a task, by itself or by another, with messages, leases and waits of its own; another begins. */
const restart: Operation = (world, random, actor) => {
  if (!random.chance(20)) return receive(world, random, actor);
  endTask(world, random.chance(50) ? actor : random.pick(world.actors), actor);
  world.addActor(world.setting.quota);
};

export function endTask(world: World, by: Actor, actor: Actor): void {
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

/** Makes room in a map that is nearly full. */
const clear: Operation = (world, random, actor) => {
  const { map } = actor;
  const known = map.mapped;
  const start = random.pick(known);
  const end = Math.min(runEnd(map, start), start + 40);
  const code = world.call("vm_deallocate", actor.handle, actor.self, start * PAGE, (end - start) * PAGE);
  world.settle(`room in the map of ${actor.serial}`, code, { code: 0, apply: () => map.remove({ start, end }) });
};

function clearAll(world: World, { handle, self, map }: Actor): void {
  const { start, end } = map.window;
  const code = world.call("vm_deallocate", handle, self, start * PAGE, (end - start) * PAGE);
  world.settle("all memory is given up", code, { code: 0, apply: () => map.slots.clear() });
}

/** A task that has nothing may take as much as its quota allows, and no page more. */
function checkQuota(world: World, actor: Actor): void {
  const { quota } = world.setting;
  const { handle, self, map } = actor;
  if (quota === 0 || quota >= map.window.end - map.window.start) return;
  const size = quota * PAGE;
  must("vm_allocate", world.call("vm_allocate", handle, self, map.window.start * PAGE, size + PAGE, 0));
  must("a lease of the quota", world.call("vm_lease", handle, map.window.start * PAGE, size, 1));
  const id = world.out(0);
  world.expect("the size of the lease", world.told(2), size);
  const more = world.call("vm_lease", handle, map.window.start * PAGE + size, 1, 1);
  world.expect("the code of one page more", codeName(more), codeName(SHORTAGE));
  must("vm_lease_end", world.call("vm_lease_end", id));
  clearAll(world, actor);
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
  [2, restart],
];

/** Runs the operation that this number stands for. */
export function step(world: World, operation: number): void {
  const random = new Random(operation);
  const actor = random.pick(world.actors);
  world.begin(random.pick(world.agents));
  const { start, end } = actor.map.window;
  const isNearlyFull = actor.map.slots.size > (end - start) * 0.93;
  const chosen = random.weighted(OPERATIONS);
  if (isNearlyFull && random.chance(50)) clear(world, random, actor);
  else chosen(world, random, actor);
  drain(world);
  checkLeases(world);
}

/** Ends everything: nothing may be left. */
export function endAll(world: World): void {
  while (world.leases.length > 0) giveBack(world, 0);
  for (const cookie of [...world.waits.keys()]) giveUp(world, cookie);
  for (const actor of world.actors) {
    renewPort(world, new Random(0), actor);
    clearAll(world, actor);
  }
  for (const actor of world.actors) checkQuota(world, actor);
  for (const actor of [...world.actors]) {
    endTask(world, actor, actor);
    drain(world);
  }
}
