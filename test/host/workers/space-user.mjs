// Uses the space of a task that other threads use too: makes ports, sends rights through them, destroys them. Stops when
// told, and reports how many rounds it made and how long the longest took.

import { workerData } from "node:worker_threads";
import { Kernel, Task } from "mach-ipc";

const own = await Kernel.attach(workerData.attachment, { name: "space user" });
own.processor.core.task_attach(workerData.handle);
const shared = new Task({ name: "shared", processor: own.processor, handle: workerData.handle });
const stop = new Int32Array(workerData.stop);

let rounds = 0;
let longestMs = 0;
let error = "";
Atomics.store(stop, 1, 1); // under way
try {
  while (Atomics.load(stop, 0) === 0) {
    const begun = performance.now();
    const port = shared.allocatePort();
    const right = port.makeSend();
    right.sendSync({ id: rounds, rights: [right] });
    const message = port.receiveSync({ timeout: 20_000 });
    if (message.id !== rounds || message.rights.length !== 1) throw new Error(`round ${rounds}: got ${message.id}`);
    message.rights[0][Symbol.dispose]();
    message[Symbol.dispose]();
    right[Symbol.dispose]();
    port[Symbol.dispose]();
    rounds++;
    longestMs = Math.max(longestMs, performance.now() - begun);
  }
} catch (reason) {
  error = String(reason.stack ?? reason);
}
const report = await own.bootstrap.lookUp("user.report");
report.sendSync({ body: new TextEncoder().encode(JSON.stringify({ rounds, longestMs, error })) });
