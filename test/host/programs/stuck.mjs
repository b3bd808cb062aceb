// A worker that does not end by itself.

import { Task } from "mach-ipc";

const task = await Task.self();
const { how } = task.data;
const port = await task.bootstrap.checkIn(`stuck.${how}`);
if (how === "blocked") port.receiveSync();
else if (how === "awaiting") await port.receive();
else for (;;);
