// A thread that is never killed: calls the servers and floods the sets of those that are, blocking, until the run stops.
// Posts what became of its calls.

import { parentPort } from "node:worker_threads";
import { Task } from "mach-ipc";
import { Caller } from "./caller.mjs";
import { Oracle } from "./interface.mjs";
import { DEATH, ID, Ledger, migName, rpcName, SET_MEMBERS, setName, words } from "./protocol.mjs";

const CALLS = 200;
const task = await Task.self();
const { number, slots, share } = task.data;
const ledger = Ledger.of(share);
const alarm = (text) => parentPort.postMessage({ alarm: `survivor ${number}: ${text}` });
const caller = new Caller(-number, alarm);
const reply = task.allocatePort();
let session = 0;
let sends = 0;
let refused = 0;

async function lookUp(...what) {
  try {
    return await task.bootstrap.lookUp(...what, { timeout: 200 });
  } catch (error) {
    if (error.code !== "MACH_RCV_TIMED_OUT") alarm(`lookUp: ${error.stack}`);
    return null;
  }
}

async function flood(slot) {
  const right = await lookUp(setName(slot, session % SET_MEMBERS));
  if (right === null) return;
  session++;
  try {
    for (let n = 0; n < CALLS && !ledger.stopped; n++) {
      right.sendSync({ id: ID.NUMBERED, body: words(-number, session, n) });
      sends++;
    }
  } catch (error) {
    refused++;
    if (!DEATH.has(error.code)) alarm(`sendSync: ${error.stack}`);
  }
  right[Symbol.dispose]();
}

async function converse(slot, turn) {
  const found = turn % 2 === 0 ? await lookUp(rpcName(slot)) : await lookUp(Oracle, migName(slot));
  if (found === null) return;
  for (let i = 0; i < CALLS && !ledger.stopped; i++) {
    if (
      turn % 2 === 1
        ? !caller.askSync(found)
        : i % 2 === 0
          ? !caller.callSync(found)
          : !caller.trap(task, found.name, reply.name)
    )
      break;
  }
  found[Symbol.dispose]();
}

for (let turn = 0; !ledger.stopped; turn++) {
  const slot = turn % slots;
  if (turn % 3 === 2) await flood(slot);
  else await converse(slot, turn % 3);
}
const { asked, answered, failed } = caller;
parentPort.postMessage({ report: { number, asked, answered, failed, sends, refused } });
