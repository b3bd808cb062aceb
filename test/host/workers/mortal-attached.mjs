// The same, in a worker that spawn() did not make: it joins by an attachment.

import { workerData } from "node:worker_threads";
import { Kernel } from "mach-ipc";
import { mortal } from "./mortal.handlers.mjs";
import { Mortal } from "./mortal.interface.mjs";

const task = await Kernel.attach(workerData.attachment, { name: "attached" });
await task.bootstrap.serve(Mortal, workerData.service, mortal(task));
