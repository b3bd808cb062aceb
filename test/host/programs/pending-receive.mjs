// A pending receive keeps the process alive: the timer that sends the message does not.

import { Kernel } from "mach-ipc";

const kernel = await Kernel.boot();
const port = kernel.task.allocatePort();
const right = port.makeSend();
setTimeout(() => right.trySend({ id: 42 }), 300).unref();
const message = await port.receive();
console.log(`received ${message.id}`);
message[Symbol.dispose]();
