// Maps memory that was shared with it, adds 1000 to its first word, and stays.

import { Task } from "mach-ipc";

const task = await Task.self();
const { memory, report } = task.rights;
const region = task.memory.map(memory, 4096);
const lease = region.write();
const counter = new Int32Array(lease.bytes.buffer, lease.bytes.byteOffset, 1);
report.trySend({ id: 1 });
for (let i = 0; i < 1000; i++) Atomics.add(counter, 0, 1);
report.trySend({ id: 2 });
setInterval(() => {}, 1000);
