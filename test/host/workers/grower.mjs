// Makes the kernel's memory grow, step by step: queues ever more messages, and frees them all, again and again.

import { Task } from "mach-ipc";

const task = await Task.self();
const { bytes, messages } = task.data;
const port = task.allocatePort();
const right = port.makeSend();
let sent = 0;
let refused = "";
for (let n = 0; n < messages; n++) {
  try {
    if (!right.trySend({ id: n, bodyBytes: bytes, body: (body) => body.fill(n & 0xff) })) throw new Error("no room");
    sent++;
  } catch (error) {
    refused = error.code ?? String(error);
    break;
  }
}
let wrong = 0;
for (let n = 0; n < sent; n++) {
  const message = port.tryReceive();
  const { body } = message;
  if (message.id !== n || body.length !== bytes || body[0] !== (n & 0xff) || body[bytes - 1] !== (n & 0xff)) wrong++;
  message[Symbol.dispose]();
}
task.rights.report.sendSync({ body: new TextEncoder().encode(JSON.stringify({ sent, refused, wrong })) });
