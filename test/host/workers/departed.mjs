// Sends and receives, leaves the kernel by disposing its task, and tries again. Posts what it was told, and whether any of
// it is in the kernel's memory.

import { parentPort } from "node:worker_threads";
import { Task } from "mach-ipc";
import { MACH_RCV_MSG, MACH_SEND_MSG, MACH_SEND_TIMEOUT, traps } from "mach-ipc/traps";

const task = await Task.self();
const mach = traps(task);
const port = task.allocatePort();
const right = port.makeSend();
const to = task.rights.to;
const message = new Uint8Array(256);
const words = new Uint32Array(message.buffer);
function fill(id) {
  message.fill(0);
  words.set([19, 28, right.name, 0, 0, id, 0x55555555]);
}
for (let n = 0; n < 100; n++) {
  fill(n);
  const kr = mach.mach_msg(message, MACH_SEND_MSG | MACH_RCV_MSG, 28, 256, port.name, 0, 0);
  if (kr !== 0) throw new Error(`mach_msg: ${kr}`);
}
right.trySend({ id: 1 });
port.tryReceive()[Symbol.dispose]();

const LATE = 0x12345678;
fill(LATE);
const batch = message.slice();
const sent = new Uint32Array(1);
const { processor } = task;
task[Symbol.dispose]();
const told = {
  level1: mach.mach_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, 28, 0, 0, 0, 0),
  batch: mach.mach_msg_send_many(batch, MACH_SEND_TIMEOUT, 1, 256, 0, sent),
  trySend: "sent",
  call: await to.call({ id: LATE }).then(
    () => "answered",
    (error) => error.code,
  ),
};
try {
  to.trySend({ id: LATE, body: Uint8Array.of(1, 2, 3, 4) });
} catch (error) {
  told.trySend = error.code;
}
told.written = processor.views.words.includes(LATE);
parentPort.postMessage(told);
