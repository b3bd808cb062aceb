// Two workers die at once, one of them holding a port's lock that the burial of the other needs. Prints how often that was
// survived; needs the debug build, which stops the one at a named site.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";
import * as layout from "../../../dist/abi/layout.gen.js";

const ROUNDS = 10;
const bytes = readFileSync(new URL("../../../build/kernel.debug.wasm", import.meta.url));
const kernel = await Kernel.boot({ module: new WebAssembly.Module(bytes) });
const { views } = kernel.task.processor;

/** A task in a worker of which the kernel hears nothing before it is gone. */
function start(file, data) {
  let worker;
  const make = () => {
    worker = new Worker(new URL(`../workers/${file}`, import.meta.url));
    return worker;
  };
  const task = kernel.spawn(make, { name: file, data });
  return { task, end: () => worker.terminate() };
}

let survived = 0;
for (let round = 0; round < ROUNDS; round++) {
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  await kernel.bootstrap.register(`held.${round}`, right);
  const receive = port.receive().catch(() => {}); // a waiter: the sender hands over, with the port locked
  const bystander = start("mortal.mjs", { service: `bystander.${round}` });
  await kernel.bootstrap.lookUp(`bystander.${round}`);
  const words = new Int32Array(new SharedArrayBuffer(16));
  const holder = start("stopped-sender.mjs", {
    to: `held.${round}`,
    shared: words.buffer,
    stopAt: layout.DEBUG_SITE_HAND_OVER,
    warmUp: 0,
    record: layout.PROCESSORS,
    offsets: { size: layout.PROCESSOR_SIZE, locks: layout.Processor_p_locks, stop: layout.Processor_p_debug_stop },
  });
  Atomics.store(words, 3, 1);
  Atomics.notify(words, 3);
  const at = () => layout.PROCESSORS + words[2] * layout.PROCESSOR_SIZE + layout.Processor_p_debug_at;
  while (words[0] === 0 || views.u32(at()) !== layout.DEBUG_SITE_HAND_OVER) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  void bystander.end();
  void holder.end();
  await Promise.all([bystander.task.exited, holder.task.exited]);
  port[Symbol.dispose]();
  right[Symbol.dispose]();
  await receive;
  survived++;
}
console.log(`survived ${survived}`);
await kernel.close();
