import { move, Task } from "/dist/browser/index.js";
import { Smoke } from "./interface.mjs";

const task = await Task.self();
const clients = new Map();

await task.bootstrap.serve(Smoke, task.data.service, {
  shout: ({ text }) => ({ loud: text.toUpperCase() }),
  poke: ({ port, id }) => {
    port.trySend({ id });
    port[Symbol.dispose]();
    return {};
  },
  relay: async ({ name, text }) => {
    if (!clients.has(name)) clients.set(name, await task.bootstrap.lookUp(Smoke, name));
    return clients.get(name).sync.shout({ text });
  },
  turn: ({ data }) => {
    data.set(Uint8Array.of(data.bytes(0, 1)[0] + 1));
    return { data: move(data) };
  },
  wait: () => new Promise(() => {}),
  loop: () => {
    for (;;);
  },
  leave: () => {
    self.close();
    return new Promise(() => {});
  },
});
