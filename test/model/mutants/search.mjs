// The thread that searches: one mutant in one scenario at a time; or no mutant, to learn how long a scenario takes and which
// mutants' places it reaches.

import { parentPort, workerData } from "node:worker_threads";
import { AUDITOR } from "../audit.mjs";
import { Violation } from "../violation.mjs";
import { Explorer } from "../explorer.mjs";
import { scenarios } from "./scenarios.mjs";

const { model, cover: counting } = workerData;

/** What ended a search: undefined, it found nothing. */
function search(wasm, { scenario, mutant, second, bound, races, crashes = true }, begins) {
  try {
    const explorer = new Explorer({ wasm, scenario: scenarios[scenario], mutant, second, bound, crashes });
    if (!races) explorer.onRace = () => {};
    begins?.(explorer.machine);
    explorer.explore();
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error.message;
    if (error instanceof RangeError) throw error; // the search's own stack
    return `${error.name}: ${error.message}`; // the set-up, or the audit, does not work any more
  }
}

/** Numbers of the mutants whose places the scenario's actors, or those who bury them, come by; not its set-up nor the audit. */
function reached(task) {
  const places = new Set();
  let machine;
  const { Instance } = WebAssembly;
  // The counting build has one import more than the machine gives.
  const cover = (number) => {
    if (machine !== undefined && machine.current.pid !== AUDITOR) places.add(number);
  };
  WebAssembly.Instance = function instance(module, imports) {
    return new Instance(module, { ...imports, cover: { cover } });
  };
  const begins = (explored) => {
    machine = explored;
  };
  try {
    // Calls from WebAssembly cost: the ways with a preemption without deaths, and every death on those without one.
    search(counting, { ...task, crashes: false, bound: 1 }, begins);
    machine = undefined;
    search(counting, { ...task, bound: 0, second: 0 }, begins);
    return [...places];
  } finally {
    WebAssembly.Instance = Instance;
  }
}

parentPort.on("message", (task) => {
  const start = performance.now();
  const found = search(model, task);
  const seconds = (performance.now() - start) / 1000;
  parentPort.postMessage({
    found,
    seconds,
    places: task.mutant === 0 && !task.bare ? reached({ ...task, races: false }) : [],
  });
});
