// close() wakes blocked threads, ends what was spawned and leaves nothing running.

import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
const tasks = ["blocked", "looping", "awaiting"].map((how) =>
  kernel.spawn(() => new Worker(new URL("./stuck.mjs", import.meta.url)), { name: how, data: { how } }),
);
for (const { name } of tasks) await kernel.bootstrap.lookUp(`stuck.${name}`);
const waiting = kernel.task
  .allocatePort()
  .receive()
  .catch((error) => error.code);
await kernel.close();
await kernel.close();
const ends = await Promise.all(tasks.map((task) => task.exited));
console.log(await waiting);
console.log(ends.length);
const workers = process.getActiveResourcesInfo().filter((kind) => /worker|message/i.test(kind));
console.log(`left: ${workers.length}`);
