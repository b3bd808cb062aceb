// One stage of one question, in a process of its own, so that its affinity is its own. Told what to do
// by run.mjs over the process's channel, which gets back what was measured.
import { measure } from "./measure.mjs";
import { Stage } from "./stage.mjs";
import { moduleOf } from "./variants.mjs";

/** Baselines may stand in several cases: every method is measured once, by `last` those behind all others that others should not follow. */
function methodsOf(cases, available) {
  const methods = new Map();
  for (const { method, baselines } of cases) {
    for (const one of [method, ...baselines]) {
      if (!one.needs || available.includes(one.needs)) methods.set(one.name, one);
    }
  }
  return [...methods.values()].sort((one, other) => (one.last ?? 0) - (other.last ?? 0));
}

/** One set of threads for each kernel that is compared, by its name; most questions have one, without a name. */
async function openStages(methods, { clients, cores, maximumBytes }) {
  const withKernel = methods.some(({ needs }) => needs === "kernel");
  const stages = new Map();
  for (const { kernel } of methods) {
    if (stages.has(kernel)) continue;
    const module = kernel ? await moduleOf(kernel) : undefined;
    stages.set(kernel, await Stage.open({ clients, withKernel, cores, kernel: module, maximumBytes }));
  }
  return stages;
}

async function runStage({ question, stage: name, cores, available, parameters }) {
  const { stages } = await import(`../${question}.mjs`);
  const { clients, cases, maximumBytes, roundsMax = Infinity } = stages.find((stage) => stage.name === name);
  const methods = methodsOf(cases, available);
  const opened = await openStages(methods, { clients, cores, maximumBytes });
  const rounds = Math.min(parameters.rounds, roundsMax);
  const results = await measure(({ kernel }) => opened.get(kernel), methods, { ...parameters, rounds });
  for (const stage of opened.values()) await stage.end();
  const pinning = [...opened.values()].flatMap((stage) => stage.pinning);
  process.send({ results: Object.fromEntries(results), pinning });
  process.disconnect();
}

process.once("message", (job) => {
  runStage(job).catch((error) => {
    console.error(`${job.question}/${job.stage}:`, error);
    process.exit(1); // workers may be blocked
  });
});
