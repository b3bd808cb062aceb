// The random operations and how often each is chosen. An operation is one number, from which everything that it picks
// follows, so that any subsequence can be replayed.

import { array } from "./array-operations.js";
import type { Operation } from "./choices.js";
import { FORMS } from "./form-operations.js";
import { construct, destructOne, guardOne } from "./guard-operations.js";
import { cancelWait, receiveNow, receiveWaiting, sendAndReceive, sendNow, sendWaiting } from "./message-operations.js";
import {
  allocate,
  allocateName,
  deallocate,
  destroy,
  extractRight,
  getInfo,
  getRefs,
  getSrights,
  getStatus,
  getType,
  give,
  insertRight,
  member,
  modRefs,
  peek,
  replyPort,
  specialReplyPort,
  rename,
  request,
  setAttribute,
} from "./name-operations.js";
import { Random } from "./random.js";
import { registeredPorts, specialPort } from "./task-operations.js";
import type { Actor, World } from "./world.js";

const ENTRIES_MAX = 60;

function through(world: World, random: Random, actor: Actor): Actor {
  const by = random.pick(world.actors);
  if (by !== actor) world.note(`by task ${by.space.serial}`);
  return by === actor ? actor : world.through(by, actor);
}

const restart: Operation = (world, random, actor) => {
  if (!random.chance(15)) return receiveNow(world, random, actor);
  world.note("the task ends and another begins");
  world.removeActor(actor, random.pick(world.actors));
  world.addActor();
};

const OPERATIONS: readonly (readonly [number, Operation])[] = [
  [8, allocate],
  [3, allocateName],
  [2, replyPort],
  [2, specialReplyPort],
  [6, insertRight],
  [4, extractRight],
  [5, rename],
  [5, deallocate],
  [3, destroy],
  [8, modRefs],
  [3, getRefs],
  [3, getSrights],
  [3, peek],
  [3, getInfo],
  [3, getType],
  [10, request],
  [5, setAttribute],
  [4, construct],
  [5, destructOne],
  [6, guardOne],
  [3, getStatus],
  [9, member],
  [10, give],
  [24, sendNow],
  [10, sendWaiting],
  [20, receiveNow],
  [8, receiveWaiting],
  [5, sendAndReceive],
  [2, cancelWait],
  [4, array],
  [3, specialPort],
  [4, registeredPorts],
  [1, restart],
  ...FORMS,
];

/** Operations on names alone, which another task may do through the task's port. */
const THROUGH: ReadonlySet<Operation> = new Set([
  ...[
    allocate,
    allocateName,
    insertRight,
    extractRight,
    rename,
    deallocate,
    destroy,
    modRefs,
    getRefs,
    getSrights,
    peek,
  ],
  ...[getInfo, getType, request, setAttribute, getStatus, member, specialPort, registeredPorts],
]);

/** Runs the operation that this number stands for. */
export function step(world: World, operation: number): void {
  const random = new Random(operation);
  const actor = random.pick(world.actors);
  const chosen = random.weighted(OPERATIONS);
  world.begin(actor);
  if (actor.space.entries.size > ENTRIES_MAX && random.chance(60)) destroy(world, random, actor);
  else if (THROUGH.has(chosen) && random.chance(35)) chosen(world, random, through(world, random, actor));
  else chosen(world, random, actor);
}
