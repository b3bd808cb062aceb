// Joins a kernel and sends one message to a service.

import { workerData } from "node:worker_threads";
import { Kernel } from "mach-ipc";

const task = await Kernel.attach(workerData, { name: "sender" });
const right = await task.bootstrap.lookUp("heard");
await right.send({ id: 7 });
