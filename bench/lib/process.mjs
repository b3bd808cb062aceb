// A stage's process: which cores it gets, how it is started there, what it sends back.
import { spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { summary } from "./statistics.mjs";

const child = fileURLToPath(new URL("./child.mjs", import.meta.url));

/** Cores this process may use, by taskset's list; null where there is no taskset. */
function allowedCores() {
  if (process.platform !== "linux") return null;
  const { status, stdout } = spawnSync("taskset", ["-cp", String(process.pid)], { encoding: "utf8" });
  if (status !== 0) return null;
  const list = stdout.trim().split(": ").at(-1);
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

const allowed = allowedCores();

/** The cores of a stage, or null, with the reason in `skipped`. */
export function coresFor({ name, placement }, skipped, question) {
  const skip = (why) => {
    skipped.push(`${question}/${name}: ${why}`);
    return null;
  };
  if (placement === "one core") {
    return allowed ? allowed.slice(0, 1) : skip("one core by affinity needs Linux and taskset");
  }
  if (allowed) return allowed.length > 1 ? allowed.slice(0, 2) : skip("needs two cores");
  return availableParallelism() > 1 ? [0, 1] : skip("needs two cores");
}

/** Runs a stage in a child of its own, on one core from its start if that is its placement. */
function runStage(job) {
  const alone = job.cores.length === 1;
  const command = alone ? "taskset" : process.execPath;
  const prefix = alone ? ["-c", String(job.cores[0]), process.execPath] : [];
  const stdio = ["ignore", "inherit", "inherit", "ipc"];
  const running = spawn(command, [...prefix, ...process.execArgv, child], {
    stdio,
    serialization: "advanced",
  });
  running.send(job);
  return new Promise((resolve, reject) => {
    let outcome;
    running.once("message", (message) => {
      outcome = message;
    });
    running.once("error", reject);
    running.once("exit", (code, signal) => {
      if (outcome) return resolve(outcome);
      reject(new Error(`${job.question}/${job.stage} ended with ${signal ?? code}`));
    });
  });
}

/** Runs a stage in `launches` children, one after the other; their rounds are the rounds of one measurement. */
export async function runLaunches(job, launches) {
  const outcome = await runStage(job);
  for (let launch = 1; launch < launches; launch++) {
    const { results } = await runStage(job);
    for (const [name, { rounds, extras }] of Object.entries(results)) {
      const all = outcome.results[name];
      all.rounds.push(...rounds);
      all.extras.push(...extras);
      Object.assign(all, summary(all.rounds));
    }
  }
  return outcome;
}
