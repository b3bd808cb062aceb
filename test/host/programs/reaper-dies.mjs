// The kernel is closed, which ends the reaper, while the reaper buries a worker and this thread is about to: it must not wait for
// the reaper's lock for ever. Prints how often that was survived; needs the debug build, in which the reaper can be slowed down.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";
import * as layout from "../../../dist/abi/layout.gen.js";

const ROUNDS = 5;
const REAPER = 2; // the record that is claimed after the booting thread's
const record = layout.PROCESSORS + REAPER * layout.PROCESSOR_SIZE;
const bytes = readFileSync(new URL("../../../build/kernel.debug.wasm", import.meta.url));
const module = new WebAssembly.Module(bytes);

let survived = 0;
for (let round = 0; round < ROUNDS; round++) {
  const kernel = await Kernel.boot({ module });
  const { views } = kernel.task.processor;
  let worker;
  const make = () => {
    worker = new Worker(new URL("../workers/mortal.mjs", import.meta.url));
    return worker;
  };
  kernel.spawn(make, { name: "mortal", data: { service: "mortal" } });
  await kernel.bootstrap.lookUp("mortal");
  views.setU32(record + layout.Processor_p_dawdle, 10_000_000);
  void worker.terminate();
  // From here on this thread is busy, and does not learn that the worker is gone.
  const burial = () => views.u32(record + layout.Processor_p_held);
  const until = performance.now() + 10_000;
  while (burial() === 0 || views.u32(burial()) !== REAPER) {
    if (performance.now() > until) throw new Error("the reaper does not bury");
  }
  await kernel.close();
  survived++;
}
console.log(`survived ${survived}`);
