// The stack ends in a thread's first asynchronous waits. Prints what it can still do afterwards, each time with a new kernel.

import { Kernel } from "mach-ipc";

const ROUNDS = 12;
process.on("unhandledRejection", () => {}); // of promises that there was no stack left to catch

function within(promise, ms) {
  const done = promise.then(
    () => "ok",
    (error) => error.message,
  );
  return Promise.race([done, new Promise((resolve) => setTimeout(resolve, ms, "hangs"))]);
}

async function answered(port, right) {
  const reply = right.call({ id: 2 });
  const message = await port.receive();
  message.respond({});
  message[Symbol.dispose]();
  (await reply)[Symbol.dispose]();
}

const found = new Set();
for (let round = 0; round < ROUNDS; round++) {
  const kernel = await Kernel.boot({ maximumBytes: 4 << 20 });
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const other = kernel.createTask({ name: "other" });
  const otherPort = other.allocatePort();
  const otherRight = otherPort.makeSend();
  let left = 40;
  const down = (...words) => {
    try {
      down(...words);
    } catch {}
    if (left-- <= 0) return;
    try {
      right.call({ id: 1 }, { timeout: 50 }).catch(() => {});
    } catch {}
  };
  try {
    down(...new Array(round % 7).fill(0));
  } catch {}
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (;;) {
    const message = port.tryReceive();
    if (message === null) break;
    message[Symbol.dispose]();
  }
  setTimeout(() => otherRight.trySend({ id: 1 }), 5);
  found.add(`receive ${await within(otherPort.receive(), 2000)}`);
  found.add(`call ${await within(answered(port, right), 2000)}`);
  found.add(`call of another task ${await within(answered(otherPort, otherRight), 2000)}`);
  await kernel.close();
}
console.log([...found].join(", "));
process.exit();
