// An idle kernel, with the naming service running, a right held and listeners on it, does not keep the process alive.

import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
await kernel.bootstrap.list();
const port = kernel.task.allocatePort();
const right = port.makeSend();
right.dead; // told one day, perhaps
right.onDead(() => {});
port.onNoSenders(() => {});
port.onPortDestroyed(() => {});
console.log("idle");
