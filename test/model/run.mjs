// `npm run model`: every scenario through the explorer, two at a time where there are two cores. What is exhaustive, what is
// bounded and by what, is printed and, with --json FILE, written.
//
//   npm run model -- [NAME ...] [--json FILE] [--hours N] [--seed S] [--mutant N] [--replay FILE]
//
// A violation ends the run with code 1; its schedule is in build/model/NAME.json, and the command that replays it is printed.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Explorer, Violation } from "./explorer.mjs";
import { replay } from "./replay.mjs";
import { plans, scenarios } from "./scenarios/index.mjs";

const KERNEL = new URL("../../build/kernel.model.wasm", import.meta.url);
const FAILURES = new URL("../../build/model/", import.meta.url);

/** One search. Returns: the row of the table. */
function search(wasm, { name, crashes, bound, second, mutant }, onTick) {
  const start = performance.now();
  const explorer = new Explorer({
    wasm,
    scenario: scenarios[name],
    crashes,
    bound: bound ?? Infinity,
    second,
    mutant,
    onTick,
  });
  let violation;
  try {
    explorer.explore();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error.message;
  }
  const seconds = Math.round(performance.now() - start) / 1000;
  return {
    name,
    bound: bound ?? null,
    crashes,
    second,
    ...explorer.counts,
    seconds,
    violation,
    path: violation && [...explorer.path],
  };
}

/** A violation with as few preemptions as it takes. */
function shrunk(wasm, plan, row) {
  for (let bound = 0; bound < Math.min(4, plan.bound ?? 4); bound++) {
    const smaller = search(wasm, { ...plan, bound });
    if (smaller.violation !== undefined)
      return { ...row, violation: smaller.violation, path: smaller.path, preemptions: bound };
  }
  return row;
}

function work() {
  parentPort.on("message", (plan) => {
    const row = search(workerData.wasm, plan, (counts) => parentPort.postMessage({ tick: plan.name, counts }));
    parentPort.postMessage({ row: row.violation === undefined ? row : shrunk(workerData.wasm, plan, row) });
  });
}

async function main() {
  const options = {
    json: { type: "string" },
    hours: { type: "string" },
    seed: { type: "string" },
    mutant: { type: "string" },
    replay: { type: "string" },
  };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const unknown = positionals.find((name) => !(name in scenarios));
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown}`);
  const wasm = new WebAssembly.Module(readFileSync(KERNEL));
  if (values.replay !== undefined) {
    const failure = JSON.parse(readFileSync(values.replay, "utf8"));
    return replay({ wasm, scenario: scenarios[failure.name], ...failure });
  }
  const hours = Number(values.hours ?? 0);
  if (!(hours >= 0)) throw new Error("--hours takes a number");
  const todo = plans(hours > 0).filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  for (const plan of todo) plan.mutant = Number(values.mutant ?? 0);
  const rows = await all(wasm, todo);
  const failed = rows.filter((row) => row.violation !== undefined);
  table(rows);
  for (const row of failed) save(row, values.mutant);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 2)}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** Runs the searches on as many threads as there are cores, the longest first. */
function all(wasm, todo) {
  const rows = new Map();
  const queue = [...todo];
  const workers = Math.min(availableParallelism(), queue.length);
  return new Promise((resolve, reject) => {
    let running = 0;
    const next = (worker) => {
      const plan = queue.shift();
      if (plan !== undefined) return worker.postMessage(plan);
      worker.terminate();
      if (--running === 0) resolve(todo.map((each) => rows.get(each.name)));
    };
    for (let index = 0; index < workers; index++) {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { wasm },
        resourceLimits: { stackSizeMb: 64 },
      });
      running++;
      worker.on("error", reject);
      worker.on("message", ({ tick, counts, row }) => {
        if (tick !== undefined) return progress(tick, counts);
        rows.set(row.name, row);
        next(worker);
      });
      next(worker);
    }
  });
}

function progress(name, counts) {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\x1b[K${name}: ${counts.states} states, ${counts.recoveries} recoveries`);
}

function table(rows) {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const columns = ["states", "transitions", "ends", "crashStates", "recoveries", "secondCrashes", "seconds"];
  const line = (cells) =>
    `${cells[0].padEnd(34)}${cells
      .slice(1)
      .map((cell) => String(cell).padStart(15))
      .join("")}`;
  console.log(line(["scenario", "search", ...columns]));
  for (const row of rows) {
    const how = row.bound === null ? "exhaustive" : `bound ${row.bound}`;
    console.log(line([row.name, how, ...columns.map((column) => row[column])]));
  }
}

function save({ name, violation, path, preemptions, second }, mutant) {
  mkdirSync(FAILURES, { recursive: true });
  const file = new URL(`${name.replaceAll(/\W+/g, "-")}.json`, FAILURES);
  writeFileSync(
    file,
    `${JSON.stringify({ name, violation, preemptions, second, mutant: Number(mutant ?? 0), path })}\n`,
  );
  console.log(`${name}: ${violation}\n  npm run model -- --replay build/model/${file.pathname.split("/").at(-1)}`);
}

if (isMainThread) process.exitCode = await main();
else work();
