// The main thread is blocked from before a worker begins to join its kernel until that worker's message comes.

import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
const port = await kernel.bootstrap.checkIn("heard");
new Worker(new URL("../workers/attached-sender.mjs", import.meta.url), { workerData: kernel.attachment });
const message = port.receiveSync({ timeout: 20_000 });
console.log(message.id === 7 ? "heard" : "another");
message[Symbol.dispose]();
await kernel.close();
process.exit();
