// Sends each region back that it gets, changed in its first byte; an id of 1 is answered with a copy, others with the region itself.

import { move, Task } from "mach-ipc";

const task = await Task.self();
const port = await task.bootstrap.checkIn("memory.echo");
try {
  for (;;) {
    const message = port.receiveSync();
    const [region] = message.memory;
    region.set(Uint8Array.of(region.bytes(0, 1)[0] + 1));
    message.respond({ memory: [message.id === 1 ? region : move(region)] });
    region[Symbol.dispose]();
    message[Symbol.dispose]();
  }
} catch (error) {
  if (error.code !== "KERN_TERMINATED") throw error;
}
