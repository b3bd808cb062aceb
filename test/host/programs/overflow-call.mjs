// The stack ends again and again inside blocking calls. Prints how many of the calls that came back, then and afterwards, got the
// answer of another call.

import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
kernel.spawn(() => new Worker(new URL("../workers/echo.mjs", import.meta.url)), {
  name: "echo",
  data: { service: "echo" },
});
const right = await kernel.bootstrap.lookUp("echo");
let asked = 0;
let wrong = 0;

function call() {
  const number = ++asked;
  const message = right.callSync({ body: new Uint8Array(new Uint32Array([number]).buffer) }, { timeout: 1000 });
  const answer = new Uint32Array(message.body.slice().buffer, 0, 1)[0];
  message[Symbol.dispose]();
  if (answer !== number) wrong++;
}

/** Calls at every depth, from the end of the stack upwards. */
function deep(...pad) {
  let left = 25;
  const down = (...words) => {
    try {
      down(...words);
    } catch {}
    if (left-- <= 0) return;
    try {
      call();
    } catch {}
  };
  down(...pad);
}

for (let round = 0; round < 100; round++) {
  try {
    deep(...new Array(round % 13).fill(0));
  } catch {}
  call();
}
for (let after = 0; after < 50; after++) call();
console.log(`${wrong} wrong`);
await kernel.close();
