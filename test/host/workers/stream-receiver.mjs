// Receives what stream-sender.mjs sends and checks every message; reports the first that is not the expected one.

import { Task } from "mach-ipc";

const task = await Task.self();
const { name, senders, rightEvery, mode } = task.data;
const port = await task.bootstrap.checkIn(name);
const next = new Array(senders).fill(0);
let seqno = 0;
let rights = 0;
let ended = 0;

function take(message) {
  if (message.seqno !== seqno) throw new Error(`seqno ${message.seqno} where ${seqno} was due`);
  seqno++;
  if (message.id === 3) {
    ended++;
  } else {
    const { body } = message;
    const words = new Uint32Array(body.buffer, body.byteOffset, 2);
    const [sender, n] = words;
    if (body.length !== 8 || next[sender] !== n)
      throw new Error(`sender ${sender}: ${n} where ${next[sender]} was due`);
    next[sender]++;
    const carried = message.rights.length;
    if (carried !== (n % rightEvery === 0 ? 1 : 0)) throw new Error(`sender ${sender}: ${n} carries ${carried} rights`);
    if (carried > 0) {
      const right = message.rights[0];
      if (!right.trySend({ id: 2 })) throw new Error(`sender ${sender}: no room for a token`);
      right[Symbol.dispose]();
      rights++;
    }
  }
  message[Symbol.dispose]();
}

let error = "";
try {
  while (ended < senders) {
    if (mode === "blocking") {
      take(port.receiveSync());
    } else if (mode === "batches") {
      const messages = port.tryReceiveMany(64);
      if (messages.length === 0) take(port.receiveSync());
      else for (const message of messages) take(message);
    } else {
      take(await port.receive());
    }
  }
} catch (reason) {
  error = String(reason.stack ?? reason);
}
const more = error === "" && port.tryReceive() !== null;
task.rights.report.sendSync({
  body: new TextEncoder().encode(JSON.stringify({ name, next, seqno, rights, more, error })),
});
