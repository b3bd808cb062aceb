// Starts a worker by itself and terminates it when told; the kernel hears of that death from nobody but the runtime.

import { Worker } from "node:worker_threads";
import { Task } from "mach-ipc";
import { Killer, Mortal } from "./mortal.interface.mjs";

const task = await Task.self();
const { service, victim, attachment } = task.data;
const worker = new Worker(new URL("./mortal-attached.mjs", import.meta.url), {
  workerData: { attachment, service: victim },
});
await task.bootstrap.lookUp(Mortal, victim);
await task.bootstrap.serve(Killer, service, {
  kill: ({ ms }) => {
    setTimeout(() => worker.terminate(), ms);
  },
});
