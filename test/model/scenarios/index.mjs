// The scenarios: what is set up, who does what at the same time, and what must be true at the end beyond the general account
// (audit.mjs). Processors 2, 3 and 4 act; a task that several of them run survives the death of one.

import { arrays } from "./arrays.mjs";
import { guardedPorts, guards } from "./guards.mjs";
import { memory } from "./memory.mjs";
import { copies } from "./memory-copies.mjs";
import { maps } from "./memory-maps.mjs";
import { regions } from "./memory-messages.mjs";
import { notifications } from "./notifications.mjs";
import { queue } from "./queue.mjs";
import { rights } from "./rights.mjs";
import { sets } from "./sets.mjs";
import { targets } from "./targets.mjs";
import { tasks } from "./tasks.mjs";

export const scenarios = {
  ...queue,
  ...rights,
  ...sets,
  ...notifications,
  ...tasks,
  ...targets,
  ...memory,
  ...arrays,
  ...guards,
  ...guardedPorts,
  ...maps,
  ...regions,
  ...copies,
};

/** Pairs of memory that are searched to the end; the others have too many states, for they lock much and look for frames. */
const WHOLE = [
  "protect+write",
  "fault+deallocate of its neighbour",
  "lease+deallocate",
  "end of a write lease+copy",
  "move of memory+deallocate",
  "move of memory+write",
  "move of memory+end of a lease of it",
  "copy of memory+write",
  "copy of memory+deallocate",
  "copy of a part of a page+write",
];
const PART = Object.keys({ ...maps, ...regions, ...copies }).filter((name) => !WHOLE.includes(name));

/** Preemptions of pairs that are not searched to the end: two searches for frames that contend have too many states. */
const BOUNDS = { "run+run": 2, "task made+its parent's end": 1, ...Object.fromEntries(PART.map((name) => [name, 1])) };

/** The longest, which begin first. */
const HEAVY = [
  "slab+slab",
  "call+answer",
  "task end+receive",
  "task end+send",
  "task made+its parent's end",
  "request in another task+its end",
  "receive right into another task+its end",
  "send to a full queue+destroy",
  "condemn+send",
  "condemn+receive",
];

/** Three actors, or four operations: searched when there are hours, with one more preemption each round, and on random ways. */
const LONG = [
  "2 sends+2 receives",
  "2 senders+receiver",
  "send+receive+destroy",
  "call+answer+destroy",
  "2 receivers on a set+send",
  "set insert+send+receive",
  "task end+send+receive",
  "condemn+send+receive",
];

/** What is searched, and how far. `long`: the seconds do not count. `round`: how often all was searched before. */
export function plans(long, round = 0) {
  const pairs = Object.keys(scenarios).filter((name) => !LONG.includes(name));
  const weight = (name) => (HEAVY.includes(name) ? HEAVY.indexOf(name) : HEAVY.length);
  pairs.sort((a, b) => weight(a) - weight(b));
  const bound = (name) => BOUNDS[name] && BOUNDS[name] + (long ? round + 1 : 0);
  const all = pairs.map((name) => ({ name, crashes: true, bound: bound(name), second: long ? 1 : 1024 }));
  if (!long) return all;
  const triples = LONG.map((name) => ({ name, crashes: true, second: 64, long }));
  const walks = triples.map((plan) => ({ ...plan, ways: 2000 }));
  return [...triples.map((plan) => ({ ...plan, bound: 1 + round })), ...walks, ...all];
}
