// Reports what it is told when it asks for more memory than it may have.

import { Task } from "mach-ipc";

const task = await Task.self();
const within = task.memory.allocate(60 * 4096);
try {
  task.memory.allocate(5 * 4096);
} catch (error) {
  task.rights.report.trySend({ body: new TextEncoder().encode(error.code), memory: [within] });
}
