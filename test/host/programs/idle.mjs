// An idle kernel, with the naming service running and a right held, does not keep the process alive.

import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
await kernel.bootstrap.list();
const right = kernel.task.allocatePort().makeSend();
right.dead; // told one day, perhaps
console.log("idle");
