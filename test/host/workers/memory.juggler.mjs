// Does everything that can be done with memory, over and over, until it is killed: with what it is sent, and with its own.

import { move, Task } from "mach-ipc";

const task = await Task.self();
const { back } = task.rights;
const port = task.allocatePort({ qlimit: 8 });
back.trySend({ id: 1, rights: [port.makeSend()] });
const own = port.makeSend();
for (let round = 0; ; round++) {
  const region = task.memory.allocate(1 + ((round * 7919) % 100_000));
  const lease = region.write(0, region.size >>> 1);
  lease.chunks[0].fill(round);
  own.trySend({ memory: [region, region.range(region.size >>> 2), move(region)] });
  lease[Symbol.dispose]();
  for (const message of port.tryReceiveMany(4)) {
    const [first, ...others] = message.memory;
    const view = first?.read();
    for (const other of others) other.set(new Uint8Array(other.size & 7).fill(round));
    const memory = others.map((other, index) => (index % 2 === 0 ? move(other) : other));
    back.trySend({ id: 2, memory });
    view?.[Symbol.dispose]();
    for (const each of message.memory) each[Symbol.dispose]();
    message[Symbol.dispose]();
  }
}
