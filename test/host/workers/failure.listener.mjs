// Starts victims by itself and only listens for their end: what the runtime tells, as early as it tells anybody. Terminates
// a victim when asked to, some time later, when the call is under way.

import { parentPort, Worker } from "node:worker_threads";

const LATER_MS = 20;

parentPort.on("message", ({ attachment, service, stamps, terminate }) => {
  const worker = new Worker(new URL("./failure.victim.mjs", import.meta.url), {
    workerData: { attachment, service, stamps },
    stderr: true,
  });
  worker.on("error", () => {});
  worker.on("exit", () => {
    stamps[1] = process.hrtime.bigint();
    Atomics.store(stamps, 2, 1n);
  });
  if (!terminate) return;
  const asked = setInterval(() => {
    if (Atomics.load(stamps, 3) === 0n) return;
    clearInterval(asked);
    setTimeout(() => {
      stamps[0] = process.hrtime.bigint();
      void worker.terminate();
    }, LATER_MS);
  }, 1);
});
