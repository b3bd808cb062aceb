// Holds memory in every way there is, until it is killed: regions of its own and received ones, leases, a moved region that waits in a
// queue, a message that is not read.

import { move, Task } from "mach-ipc";

const task = await Task.self();
const { report } = task.rights;
const { moved } = task.data;
const port = task.allocatePort();
const own = task.memory.allocate(200_000);
own.write(0, 100_000);
own.read(50_000);
const right = port.makeSend();
right.trySend({ memory: [own, move(task.memory.allocate(300_000))] });
report.trySend({ id: 1, rights: [right], memory: [move(task.memory.from(new Uint8Array(moved).fill(3)))] });
const [received] = port.receiveSync().memory;
received.write();
const unread = port.receiveSync();
report.trySend({ id: 2, body: Uint8Array.of(unread.id, received.bytes(0, 1)[0]) });
setInterval(() => {}, 1000);
