// A thread that never enters the kernel. It ends the process when the run makes no progress, for the main thread may be the
// one that hangs.

import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { Memory } from "./records.mjs";
import { RUN } from "./protocol.mjs";

const { memory, run, patienceMs } = workerData;
const beats = new Int32Array(run);
const records = new Memory(memory);
let last = -1;
let since = performance.now();

setInterval(() => {
  const beat = Atomics.load(beats, RUN.HEARTBEAT);
  const now = performance.now();
  if (beat !== last) {
    last = beat;
    since = now;
    return;
  }
  if (now - since < patienceMs) return;
  writeSync(2, `\nno progress for ${patienceMs} ms; panic site 0x${records.panic.toString(16)}; processors:\n`);
  for (const processor of records.processors()) writeSync(2, `  ${JSON.stringify(processor)}\n`);
  process.kill(process.pid, "SIGKILL");
}, 500);
