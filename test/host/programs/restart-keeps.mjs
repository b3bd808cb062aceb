// A restart that is due keeps the process alive; after close() nothing does.

import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
const make = () => new Worker("process.exit(3)", { eval: true });
let seen = 0;
const short = kernel.spawn(make, {
  name: "short",
  restart: { delay: 20, limit: 2, onRestart: () => seen++ },
});
console.log((await short.exited).code, seen);
const long = await new Promise((resolve) => {
  const task = kernel.spawn(make, { name: "long", restart: { delay: 3_600_000, onRestart: () => resolve(task) } });
});
long.exited.then(({ reason }) => console.log(reason));
await kernel.close();
console.log(`timers: ${process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length}`);
