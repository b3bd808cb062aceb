// Serves Phoenix as a persistent service; the next life goes on with what is queued.

import { Task } from "mach-ipc";
import { LIVES, Phoenix, STALLED } from "./phoenix.interface.mjs";

const task = await Task.self();
const { service, words } = task.data;
const life = Atomics.add(words, LIVES, 1) + 1;
const turn = () => new Promise((resolve) => setImmediate(resolve));
await task.bootstrap.serve(
  Phoenix,
  service,
  {
    ping: ({ n }) => ({ n: n + 1, life }),
    later: async ({ n }) => {
      for (let turns = 0; turns < n % 4; turns++) await turn();
      return { n: n + 1, life };
    },
    stall: () => {
      Atomics.add(words, STALLED, 1);
      for (;;);
    },
    exit: ({ code }) => process.exit(code),
    fail: () => {
      setImmediate(() => {
        throw new Error("on purpose");
      });
    },
  },
  { persistent: true },
);
