// Serves Failing, in a task that its spawner made or that it makes itself; notes the moment at which it begins to die.

import { workerData } from "node:worker_threads";
import { Kernel, Task } from "mach-ipc";
import { Failing } from "./failure.interface.mjs";

const task = workerData?.attachment
  ? await Kernel.attach(workerData.attachment, { name: "victim" })
  : await Task.self();
const { service, stamps } = task.data ?? workerData;
const never = new Promise(() => {});
const dies = () => {
  stamps[0] = process.hrtime.bigint();
};

await task.bootstrap.serve(Failing, service, {
  ping: ({ n }) => ({ n: n + 1 }),
  exit: () => {
    dies();
    process.exit(3);
  },
  throw: () => {
    setImmediate(() => {
      dies();
      throw new Error("on purpose");
    });
    return never;
  },
  terminate: () => never,
});
