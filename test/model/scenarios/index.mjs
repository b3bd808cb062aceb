// The scenarios: what is set up, who does what at the same time, and what must be true at the end beyond the general account
// (audit.mjs). Processors 2, 3 and 4 act; a task that several of them run survives the death of one.

import { notifications } from "./notifications.mjs";
import { queue } from "./queue.mjs";
import { rights } from "./rights.mjs";
import { sets } from "./sets.mjs";
import { tasks } from "./tasks.mjs";

export const scenarios = { ...queue, ...rights, ...sets, ...notifications, ...tasks };

/** Three actors: searched when there are hours, with one more preemption each round. */
const LONG = [
  "2 senders+receiver",
  "send+receive+destroy",
  "call+answer+destroy",
  "2 receivers on a set+send",
  "set insert+send+receive",
  "task end+send+receive",
];

/** What is searched, and how far. `long`: the seconds do not count. `round`: how often all was searched before. */
export function plans(long, round = 0) {
  const pairs = Object.keys(scenarios).filter((name) => !LONG.includes(name));
  const all = pairs.map((name) => ({ name, crashes: true, second: long ? 1 : 256 }));
  if (long) all.push(...LONG.map((name) => ({ name, crashes: true, second: 64, bound: 1 + round, long: true })));
  return all;
}
