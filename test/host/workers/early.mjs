// Answers what it is posted, but listens only once it has its task.

import { parentPort } from "node:worker_threads";
import { Task } from "mach-ipc";

await Task.self();
parentPort.on("message", (message) => parentPort.postMessage(message));
