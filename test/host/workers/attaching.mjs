// Joins a kernel when it is told to: once, or again and again, and then says what became of that.

import { parentPort } from "node:worker_threads";
import { Kernel } from "mach-ipc";

parentPort.on("message", async ({ attachment, times }) => {
  parentPort.postMessage("begun");
  const results = new Set();
  for (let time = 0; time < times; time++) {
    try {
      const task = await Kernel.attach(attachment, { name: "attaching" });
      results.add("attached");
      if (times > 1) task[Symbol.dispose]();
    } catch (error) {
      results.add(error.code);
    }
  }
  parentPort.postMessage([...results]);
});
parentPort.postMessage("loaded");
