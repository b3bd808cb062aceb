// Recurses to the end of its stack inside send, a thousand times, in a task that other threads run too. Half of the time the
// recursion calls send; half of the time send is called first and recurses on its way into the kernel, so that the stack
// ends in kernel code more often.

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

/** How deep `dive` can go. */
function depth() {
  let least = 0;
  let most = 1 << 17;
  while (most - least > 1) {
    const middle = (least + most) >> 1;
    try {
      dive(middle, () => 0);
      least = middle;
    } catch {
      most = middle;
    }
  }
  return least;
}

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
  } catch (error) {
    depthInside = 0;
    if (!(error instanceof RangeError)) others.add(`${error?.name}: ${error?.message}`);
    else if (sending) inside++;
    else outside++;
  }
  depthInside = 0;
}

let deepest = depth();
const NEAR = 150;
/** Depths, from the deepest, at which the stack ended in the kernel, for each way of calling: worth being tried again. */
const good = [[], []];
const enough = () => inside >= overflows && inKernel >= overflows / 50;
for (let round = 0; !enough() && round < overflows * 40; round++) {
  const within = round % 2 === 1;
  const hits = good[round % 2];
  const again = hits.length > 0 && round % 4 < 2;
  const short = again ? hits[Math.floor(round / 4) % hits.length] : Math.floor(round / 2) % NEAR;
  const before = inKernel;
  attempt(round % 3 === 0 ? carrying : plain, Math.max(1, deepest - short), within);
  if (inKernel > before && !hits.includes(short)) hits.push(short);
  if (round % 16 === 15) drain();
  if (round % 256 === 255) deepest = depth(); // optimised code takes less stack
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
