// A worker of the harness: opens methods by name and runs them when told. Which thread is which role is
// decided by the question; every method of a question runs in the same threads, on the same cores.
import { readlinkSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { lanes } from "./lanes.mjs";
import { Probe } from "./probe.mjs";

const { control, role, index, module, memory, withKernel } = workerData;
const raw = new WebAssembly.Instance(module, { env: { memory } }).exports;
const gate = new Int32Array(memory.buffer, 0, 1);
const methods = new Map();

/** One clock for all threads; a double is exact enough. */
const nanoseconds = () => Number(process.hrtime.bigint());

let joining;
/** This worker's task, if the question boots a kernel. */
const task = () => {
  joining ??= withKernel ? import("./kernel.mjs").then(({ join }) => join()) : Promise.resolve(null);
  return joining;
};

const operations = {
  /** The kernel's number for this thread, by which taskset pins it; null where there is no /proc. */
  async thread() {
    await task();
    try {
      return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    } catch {
      return null;
    }
  },

  async open({ method, ports, region, storage }) {
    const file = await import(`../methods/${method.file}.mjs`);
    const context = { ...method.options, name: method.name, role, index, ports, region, storage };
    Object.assign(context, { raw, memory, task: await task() });
    const { bytes, window = 1 } = context;
    const opened = await file[method.make](context);
    if (opened.call) opened.run = lanes(opened, { window, bytes });
    methods.set(method.name, opened);
  },

  async close({ name }) {
    await methods.get(name).close?.();
    methods.delete(name);
  },

  /** Servers are ready before clients start; clients start together, when the gate opens. */
  async run({ name, count, full, timed, turn }, ready) {
    const { run } = methods.get(name);
    const times = timed ? new Float64Array(count) : null;
    const probe = new Probe({ full, times });
    ready();
    if (role === "client") while (Atomics.load(gate, 0) < turn) Atomics.wait(gate, 0, turn - 1);
    const start = nanoseconds();
    const extra = await run(count, probe);
    const end = nanoseconds();
    return { start, end, hash: probe.hash, times, extra };
  },
};

control.on("message", async ({ id, operation, ...detail }) => {
  try {
    const ready = () => control.postMessage({ id, ready: true });
    control.postMessage({ id, value: await operations[operation](detail, ready) });
  } catch (error) {
    control.postMessage({ id, error });
  }
});
