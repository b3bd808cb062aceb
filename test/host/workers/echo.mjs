// Answers every message with its own body, blocking, until the kernel is closed.

import { Task } from "mach-ipc";

const task = await Task.self();
const port = await task.bootstrap.checkIn(task.data.service);
try {
  for (;;) {
    const message = port.receiveSync();
    message.respond({ body: message.body });
    message[Symbol.dispose]();
  }
} catch (error) {
  if (error.code !== "KERN_TERMINATED") throw error;
}
