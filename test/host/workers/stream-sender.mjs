// Sends numbered messages to every receiver in turn; every 64th carries a right to a port of this task, which the
// receiver uses once. Reports when all rights came back and nobody can send here any more.

import { Task } from "mach-ipc";

const task = await Task.self();
const { sender, receivers, each, rightEvery } = task.data;
const tally = task.allocatePort();
const right = tally.makeSend();
let tokens = 0;

function count(message) {
  if (message.id !== 2) throw new Error(`sender ${sender}: a token with id ${message.id}`);
  message[Symbol.dispose]();
  tokens++;
}

const outs = [];
for (const name of receivers) outs.push(await task.bootstrap.lookUp(name));
const body = new Uint8Array(8);
const words = new Uint32Array(body.buffer);
words[0] = sender;
const plain = { id: 1, body };
const carrying = { id: 1, body, rights: [right] };
let wanted = 0;
for (let n = 0; n < each; n++) {
  words[1] = n;
  const withRight = n % rightEvery === 0;
  for (const out of outs) out.sendSync(withRight ? carrying : plain);
  if (withRight) {
    wanted += outs.length;
    for (const token of tally.tryReceiveMany(1024)) count(token);
  }
}
for (const out of outs) out.sendSync({ id: 3 });
while (tokens < wanted) count(tally.receiveSync({ timeout: 60_000 }));

right[Symbol.dispose]();
const { makeSendCount } = await tally.noSenders();
const left = tally.tryReceive() === null ? 0 : 1;
task.rights.report.sendSync({
  body: new TextEncoder().encode(JSON.stringify({ sender, tokens, wanted, makeSendCount, left })),
});
