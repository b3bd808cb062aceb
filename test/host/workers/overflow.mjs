// Recurses to the end of its stack inside send until that was inside the kernel a thousand times, in a task that other threads run
// too. Half of the time the recursion calls send; half of the time send recurses on its way into the kernel.

import { workerData } from "node:worker_threads";
import { Kernel, Task } from "mach-ipc";

const own = await Kernel.attach(workerData.attachment, { name: "overflow" });
// The other task's space, on this thread's processor.
own.processor.core.task_attach(workerData.handle);
const shared = new Task({ name: "shared", processor: own.processor, handle: workerData.handle });

const { overflows, stateAt, faulted } = workerData;
const port = shared.allocatePort();
const right = port.makeSend();
const carrying = { id: 5, body: new Uint8Array(40), rights: [right, right] };
const plain = { id: 6, body: new Uint8Array(40) };
const { core, views } = own.processor;
const state = views.cell(stateAt + own.processor.pid * workerData.recordBytes);

let sending = false;
let inKernel = 0;
let depthInside = 0;
const traps = { mach_msg_trap: core.mach_msg_trap, mach_msg_prepare: core.mach_msg_prepare };

/** Goes `quiet` calls deep, then calls. */
function dive(quiet, call) {
  return quiet > 0 ? dive(quiet - 1, call) : call();
}

function counted(trap) {
  return (a, b, c, d, e, f, g, h) => {
    try {
      if (depthInside > 0) return dive(depthInside, () => trap(a, b, c, d, e, f, g, h));
      return trap(a, b, c, d, e, f, g, h);
    } catch (error) {
      if (state[0] === faulted) inKernel++; // calls nothing: there may be no stack left
      throw error;
    }
  };
}
for (const name of Object.keys(traps)) core[name] = counted(traps[name]);

let inside = 0;
let outside = 0;
let attempts = 0;
const others = new Set();

function drain() {
  for (const message of port.tryReceiveMany(1024)) {
    if (message.id !== 5 && message.id !== 6) others.add(`a message with id ${message.id}`);
    message[Symbol.dispose]();
  }
}

/** Sends at that depth. Returns whether the stack sufficed. */
function attempt(message, quiet, within) {
  attempts++;
  sending = false;
  depthInside = within ? quiet : 0;
  const send = () => {
    sending = true;
    right.trySend(message);
    sending = false;
  };
  try {
    if (within) send();
    else dive(quiet, send);
    return true;
  } catch (error) {
    if (!(error instanceof RangeError)) others.add(`${error?.name}: ${error?.message}`);
    else if (sending) inside++;
    else outside++;
    return false;
  } finally {
    depthInside = 0;
  }
}

/**
 * How deep to go for the stack to end in the kernel, for each way of calling. Code that is optimised takes less stack, so it is
 * sought all the time: deeper after a success, less deep after an end before the kernel. The step halves when the outcome
 * changes and doubles when it has been the same for long; after an end in the kernel, a little to either side.
 */
const ways = [0, 1].map(() => ({ quiet: 1, step: 4096, sufficed: true, same: 0 }));

for (let round = 0; inKernel < overflows && round < overflows * 40; round++) {
  const way = ways[round % 2];
  const before = inKernel;
  const sufficed = attempt(round % 3 === 0 ? carrying : plain, way.quiet, round % 2 === 1);
  if (inKernel > before) way.quiet += (round % 15) - 7;
  else {
    way.same = sufficed === way.sufficed ? way.same + 1 : 0;
    if (way.same === 0) way.step = Math.max(1, way.step >> 1);
    else if (way.same % 8 === 0) way.step *= 2;
    way.sufficed = sufficed;
    way.quiet += sufficed ? way.step : -way.step;
  }
  way.quiet = Math.max(1, way.quiet);
  if (round % 16 === 15) drain();
}
Object.assign(core, traps);
drain();

// Afterwards this thread works as before.
for (let n = 0; n < 1000; n++) {
  right.sendSync({ id: n });
  const message = port.receiveSync({ timeout: 20_000 });
  if (message.id !== n) others.add(`after it: id ${message.id} where ${n} was due`);
  message[Symbol.dispose]();
}
const report = await own.bootstrap.lookUp("overflow.report");
const result = { inside, inKernel, outside, attempts, others: [...others] };
report.sendSync({ body: new TextEncoder().encode(JSON.stringify(result)) });
