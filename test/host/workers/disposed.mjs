// Disposes its task and uses what it had; reports the codes, and whether memory was written that is no longer its own.

import { parentPort } from "node:worker_threads";
import { Task } from "mach-ipc";

const task = await Task.self();
const { to } = task.rights;
const port = task.allocatePort();
const own = port.makeSend();
const { processor } = task;
own.trySend({ id: 1 });
port.tryReceive()[Symbol.dispose]();
task[Symbol.dispose]();
// Where a call would write that takes the last result for its own.
const at = processor.out(0) >>> 2;
const words = () => [...processor.views.words.subarray(at, at + 16)].join();
const before = words();

const codes = {};
for (const [name, use] of Object.entries({
  trySend: () => to.trySend({ id: 3, body: new Uint8Array(24).fill(255) }),
  callSync: () => to.callSync({ id: 4 }),
  makeSendOnce: () => port.makeSendOnce(),
  receive: () => port.tryReceive(),
})) {
  try {
    codes[name] = String(use());
  } catch (error) {
    codes[name] = error.code;
  }
}
parentPort.postMessage({ codes, written: words() !== before });
