// Calls Phoenix until told to stop, blocking and not; each call is answered or rejected with MIG_SERVER_DIED.

import { Task } from "mach-ipc";
import { Phoenix, STOP } from "./phoenix.interface.mjs";

const task = await Task.self();
const { service, words, blocking } = task.data;
const phoenix = await task.bootstrap.lookUp(Phoenix, service);
const BOUND = { timeout: 20_000 };
const count = { answered: 0, died: 0, wrong: [] };

async function calls(routine) {
  for (let n = 0; Atomics.load(words, STOP) === 0; n++) {
    try {
      const reply = blocking ? phoenix.sync[routine]({ n }, BOUND) : await phoenix[routine]({ n }, BOUND);
      if (reply.n === n + 1) count.answered++;
      else count.wrong.push(`${n}: ${reply.n}`);
    } catch (error) {
      if (error.code === "MIG_SERVER_DIED") count.died++;
      else count.wrong.push(String(error.stack ?? error));
    }
  }
}

await Promise.all((blocking ? ["ping"] : ["ping", "later", "ping", "later"]).map(calls));
task.rights.report.sendSync({ body: new TextEncoder().encode(JSON.stringify(count)) });
task[Symbol.dispose]();
