// A thread that will be killed: joins, and plays the role that it was given until it is.

import { parentPort } from "node:worker_threads";
import { Task } from "mach-ipc";
import { PROCESSORS, PROCESSOR_SIZE, Processor_p_dawdle } from "../../dist/abi/layout.gen.js";
import { ID, Ledger, NOTE, words } from "./protocol.mjs";
import { roles } from "./roles/index.mjs";

const task = await Task.self();
const { role, incarnation, slot, seed, dawdle, share, crew } = task.data;
const ledger = Ledger.of(share);
const { processor } = task;
processor.views.setU32(PROCESSORS + processor.pid * PROCESSOR_SIZE + Processor_p_dawdle, dawdle);

/** What a role is given. */
const life = {
  task,
  incarnation,
  slot,
  crew,
  ledger,
  random: generator(seed),
  alarm: (text) => parentPort.postMessage({ alarm: `${role} ${incarnation}: ${text}` }),
  ready: () => parentPort.postMessage({ ready: incarnation }),
  /** Looked at in every loop: this thread may be told to end itself. */
  step() {
    ledger.add(incarnation, NOTE.PROGRESS);
    const how = ledger.note(incarnation, NOTE.DIE);
    if (how === 1) process.exit(3);
    if (how === 2) throw new Error("on purpose");
  },
};

const desk = task.rights.desk;
const joined = await desk.call({ id: ID.JOIN, body: words(incarnation) });
await roles[role](life, joined);

/** mulberry32: a number from 0 to 1. */
function generator(state) {
  let at = state;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let t = Math.imul(at ^ (at >>> 15), 1 | at);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
