// Sends and stops for good at a site of the debug build's send: reports its lock count just before, then stops.

import { Task } from "mach-ipc";

const task = await Task.self();
const { record, stopAt, warmUp, offsets, withRight } = task.data;
const { views } = task.processor;
const out = await task.bootstrap.lookUp(task.data.to);
const message = { id: 1, body: new Uint8Array(64) };
for (let n = 0; n < warmUp; n++) out.sendSync(message);
const words = new Int32Array(task.data.shared);
Atomics.wait(words, 3, 0); // until the receiver has taken all that and waits again
const address = record + task.processor.pid * offsets.size;
words[1] = views.u32(address + offsets.locks);
words[2] = task.processor.pid;
views.setU32(address + offsets.stop, stopAt);
Atomics.store(words, 0, 1);
Atomics.notify(words, 0);
out.trySend({ id: 2, body: new Uint8Array(64), ...(withRight ? { rights: [out] } : {}) });
Atomics.store(words, 0, 2); // not reached when it stopped
