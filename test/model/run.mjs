// `npm run model`: every scenario through the explorer, two at a time where there are two cores. What is exhaustive, what is
// bounded and by what, is printed and, with --json FILE, written.
//
//   npm run model -- [NAME ...] [--json FILE] [--hours N] [--seed S] [--replay FILE]
//
// A violation ends the run with code 1; its schedule is in build/model/NAME.json, and the command that replays it is printed.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Explorer, Violation } from "./explorer.mjs";
import { replay } from "./replay.mjs";
import { plans, scenarios } from "./scenarios/index.mjs";

const COLUMNS = ["states", "transitions", "ends", "crashStates", "recoveries", "secondCrashes", "seconds"];
const KERNEL = new URL("../../build/kernel.model.wasm", import.meta.url);
const FAILURES = new URL("../../build/model/", import.meta.url);

/** Ends a search whose time is over. */
class TimeOver extends Error {}

/** One search. Returns: the row of the table. */
function search(wasm, { name, crashes, bound, second, seed, ways, until = Infinity }, onTick) {
  const start = performance.now();
  const explorer = new Explorer({
    wasm,
    scenario: scenarios[name],
    crashes,
    bound: bound ?? Infinity,
    second,
    seed,
    onTick(counts) {
      if (Date.now() > until) throw new TimeOver();
      onTick?.(counts);
    },
  });
  let violation;
  let whole = true;
  try {
    if (ways === undefined) explorer.explore();
    else explorer.wander(ways);
  } catch (error) {
    if (error instanceof TimeOver) whole = false;
    else if (error instanceof Violation) violation = error.message;
    else throw error;
  }
  const seconds = Math.round(performance.now() - start) / 1000;
  return {
    name,
    search: ways !== undefined ? "random" : bound === undefined ? "exhaustive" : `bound ${bound}`,
    whole,
    crashes,
    second,
    seed,
    ...explorer.counts,
    seconds,
    violation,
    path: violation && [...explorer.path],
  };
}

/** A violation with as few preemptions as it takes. */
function shrunk(wasm, plan, row) {
  for (let bound = 0; bound < Math.min(4, plan.bound ?? 4); bound++) {
    const smaller = search(wasm, { ...plan, bound, ways: undefined });
    if (smaller.violation !== undefined)
      return { ...row, violation: smaller.violation, path: smaller.path, preemptions: bound };
  }
  return row;
}

function work() {
  parentPort.on("message", (plan) => {
    let told = 0;
    const row = search(workerData.wasm, plan, (counts) => {
      if (Date.now() < told + 500) return;
      told = Date.now();
      parentPort.postMessage({ tick: plan.name, counts });
    });
    parentPort.postMessage({ row: row.violation === undefined ? row : shrunk(workerData.wasm, plan, row) });
  });
}

async function main() {
  const options = {
    json: { type: "string" },
    hours: { type: "string" },
    seed: { type: "string" },
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
  const end = Date.now() + hours * 3600000;
  const rows = [];
  for (let round = 0; round === 0 || Date.now() < end; round++) {
    const todo = plans(hours > 0, round).filter(({ name }) => positionals.length === 0 || positionals.includes(name));
    const shared = { seed: Number(values.seed ?? 1) + round };
    for (const plan of todo) Object.assign(plan, shared, hours > 0 && { until: end });
    for (const row of await all(wasm, todo)) sum(rows, row);
    if (hours === 0 || rows.some((row) => row.violation !== undefined)) break;
  }
  const failed = rows.filter((row) => row.violation !== undefined);
  table(rows);
  for (const row of failed) save(row);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 2)}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** Adds a round's row to that of the rounds before. */
function sum(rows, row) {
  const before = rows.find(({ name, search: how }) => name === row.name && how === row.search);
  if (before === undefined) return void rows.push({ ...row, rounds: 1 });
  for (const key of ["schedules", ...COLUMNS]) before[key] += row[key];
  Object.assign(before, { violation: row.violation, path: row.path, seed: row.seed, whole: before.whole && row.whole });
  before.rounds++;
}

/** Runs the searches on as many threads as there are cores, the longest first. */
function all(wasm, todo) {
  const rows = [];
  const queue = [...todo];
  const workers = Math.min(availableParallelism(), queue.length);
  return new Promise((resolve, reject) => {
    let running = 0;
    const next = (worker) => {
      const plan = queue.shift();
      if (plan !== undefined) return worker.postMessage(plan);
      worker.terminate();
      if (--running === 0) resolve(rows);
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
        rows.push(row);
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
  const line = (cells) =>
    `${cells[0].padEnd(52)}${cells
      .slice(1)
      .map((cell) => String(cell).padStart(14))
      .join("")}`;
  console.log(line(["scenario", "search", ...COLUMNS]));
  for (const row of rows) {
    const how = row.whole ? row.search : `${row.search}, cut`;
    console.log(line([row.name, how, ...COLUMNS.map((column) => row[column])]));
  }
}

function save({ name, violation, path, preemptions, second, seed }) {
  mkdirSync(FAILURES, { recursive: true });
  const file = new URL(`${name.replaceAll(/\W+/g, "-")}.json`, FAILURES);
  writeFileSync(file, `${JSON.stringify({ name, violation, preemptions, second, seed, path })}\n`);
  console.log(`${name}: ${violation}\n  npm run model -- --replay build/model/${file.pathname.split("/").at(-1)}`);
}

if (isMainThread) process.exitCode = await main();
else work();
