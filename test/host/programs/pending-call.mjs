// A pending call keeps the process alive.

import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
const port = kernel.task.allocatePort();
const right = port.makeSend();
setTimeout(() => port.tryReceive().respond({ id: 7 }), 300).unref();
const reply = await right.call({ id: 1 });
console.log(`answered ${reply.id}`);
reply[Symbol.dispose]();
