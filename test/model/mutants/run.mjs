// `npm run mutants`: is every piece of the protocol needed, and is it seen when it is missing? One at a time, each note, wake, kick,
// owner, step of recovery is dropped, each publication made too early; the explorer's scenarios, and then the suites, must notice.
//
//   npm run mutants -- [--json FILE] [--again FILE] [--only N[,N...]] [--class NAME] [--stage N] [--explorer] [--in NAME[,NAME...]] [--learn]
//
// `--again`: only those that survived in an earlier run's --json FILE. `--stage`: so many rounds, each searches further.
// `--explorer`: no suites. `--in`: these scenarios alone, whether they come by the mutant or not, and no suites. Where a mutant was
// caught before is tried first: catches.json, which `--learn` brings up to date. A survivor that survivors.json explains is no failure; one that it does not is, and so is an explanation
// of a mutant that is caught. `--answers`: the mutants of answers/generate.mjs instead, for answers/run.mjs; `--in` then means those of
// the scenarios that come by the mutant.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { scenarios } from "./scenarios.mjs";
import { compile } from "./compile.mjs";
import { FOLDER as ANSWERS, generate as generateAnswers } from "./answers/generate.mjs";
import { FOLDER, generate } from "./generate.mjs";
import { suites } from "./suites.mjs";

const BUILD = new URL("../../../build/mutants/", import.meta.url);
const SURVIVORS = new URL("survivors.json", import.meta.url);
const CATCHES = new URL("catches.json", import.meta.url);
const TIMES = new URL("times.json", BUILD);
/** A search may take so many times as long as without a mutant, and so many seconds more. */
const SLACK = { times: 6, seconds: 20 };
/**
 * How far, for what is left of the stage before: the ways without a preemption, which show every store without a note; deaths on
 * them, in the scenarios that find most; all ways with two preemptions; deaths on the ways with one, and with two.
 */
const STAGES = [
  { crashes: false, bound: 0, second: 0, tries: 100 },
  { bound: 0, second: 512, tries: 8 },
  { crashes: false, bound: 2, second: 0, tries: 30 },
  { bound: 1, second: 64, tries: 12 },
  { bound: 2, second: 16, tries: 6 },
];

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    again: { type: "string" },
    only: { type: "string" },
    class: { type: "string" },
    stage: { type: "string" },
    explorer: { type: "boolean" },
    in: { type: "string" },
    learn: { type: "boolean" },
    answers: { type: "boolean" },
  },
});

/** Says how far it is, to somebody who looks. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(text);
}

/** A thread that searches, made anew when it had to be ended. */
class Searcher {
  constructor(modules) {
    this.modules = modules;
    this.#begin();
  }

  #begin() {
    /** Scenarios that were seen to find nothing without a mutant, in this very thread. */
    this.trusted = new Set();
    const worker = new Worker(new URL("search.mjs", import.meta.url), {
      workerData: this.modules,
      resourceLimits: { stackSizeMb: 64 },
    });
    worker.on("message", (answer) => this.answer?.(answer));
    worker.on("error", (error) => this.#again({ found: `${error.name}: ${error.message}`, broke: true, seconds: 0 }));
    this.worker = worker;
  }

  #again(answer) {
    this.worker.removeAllListeners("error").on("error", () => {});
    this.worker.terminate();
    this.#begin();
    this.answer?.(answer);
  }

  /** Resolves with the search's answer, or with "time-out". */
  search(task, limit) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#again({ found: "time-out", late: true, seconds: limit }), limit * 1000);
      this.answer = (answer) => {
        clearTimeout(timer);
        this.answer = undefined;
        resolve(answer);
      };
      this.worker.postMessage(task);
    });
  }

  end() {
    return this.worker.terminate();
  }
}

const threads = Math.min(2, availableParallelism());

/** Runs `work(searcher, item)` over all items on all threads. */
async function over(items, modules, work) {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const searcher = new Searcher(modules);
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(searcher, item);
      await searcher.end();
    }),
  );
}

const module = (name) => new WebAssembly.Module(readFileSync(new URL(name, BUILD)));

/**
 * For each scenario its seconds, for each mutant the scenarios that come by it; and which scenarios have races without any mutant:
 * there a race tells nothing.
 */
async function measure(modules, mutants, names) {
  const all = values.in !== undefined && !values.answers;
  const seconds = {};
  const racy = new Set();
  const reach = new Map(mutants.map(({ number }) => [number, []]));
  await over(names, modules, async (searcher, scenario) => {
    const task = {
      scenario,
      mutant: 0,
      bare: all,
      bound: STAGES[0].bound,
      second: STAGES[0].second,
    };
    let answer = await searcher.search({ ...task, races: true }, 600);
    if (answer.found?.startsWith("race")) {
      racy.add(scenario);
      answer = await searcher.search({ ...task, races: false }, 600);
    }
    if (answer.found !== undefined) throw new Error(`${scenario}, without a mutant: ${answer.found}`);
    seconds[scenario] = answer.seconds;
    const places = all ? mutants.map(({ number }) => number) : answer.places;
    for (const number of places) reach.get(number).push(scenario);
    progress(`${scenario}: ${answer.seconds} s${racy.has(scenario) ? ", racy" : ""}\n`);
  });
  return { seconds, reach, racy };
}

/** A catch counts only if the same thread finds nothing in the same scenario without a mutant: the tests may be changed meanwhile. */
async function trust(searcher, task) {
  const key = `${task.scenario} ${task.bound} ${task.crashes}`;
  if (searcher.trusted.has(key)) return;
  const { found } = await searcher.search({ ...task, bare: true }, 600);
  if (found !== undefined) throw new Error(`${task.scenario} fails without a mutant: ${found}`);
  searcher.trusted.add(key);
}

/** Searches for each mutant, in the scenario first that caught most of its kind in the least time. */
async function explore(modules, mutants, { seconds, reach, racy }, stage) {
  const caught = {};
  const rate = (scenario, { class: group, file }) => {
    const { hits = 0, tries = 0 } = caught[`${scenario} ${group}`] ?? {};
    const near = caught[`${scenario} ${file}`] ?? { hits: 0, tries: 0 };
    return (hits + 3 * near.hits + 1) / (tries + 3 * near.tries + 2) / (seconds[scenario] + 0.3);
  };
  if (mutants.length === 0) return;
  const slower = [1, 1, 8, 8, 40][stage];
  const { tries, ...depth } = STAGES[stage];
  let done = 0;
  await over(mutants, modules, async (searcher, mutant) => {
    const todo = [...reach.get(mutant.number)];
    for (let tried = 0; todo.length > 0 && tried < tries; tried++) {
      todo.sort((a, b) => rate(b, mutant) - rate(a, mutant));
      const scenario = todo.shift();
      const limit = seconds[scenario] * SLACK.times * slower + SLACK.seconds;
      const task = { scenario, mutant: mutant.number, races: !racy.has(scenario), ...depth };
      const answer = await searcher.search(task, limit);
      for (const kind of [mutant.class, mutant.file]) {
        caught[`${scenario} ${kind}`] ??= { hits: 0, tries: 0 };
        const tally = caught[`${scenario} ${kind}`];
        tally.tries++;
        if (answer.found !== undefined) tally.hits++;
      }
      if (answer.found === undefined) continue;
      if (answer.broke || answer.late) {
        mutant.late = `${scenario}: ${answer.found}`;
        continue; // a search that is only slow proves nothing
      }
      await trust(searcher, { ...task, mutant: 0 });
      Object.assign(mutant, { by: scenario, found: answer.found, stage });
      break;
    }
    progress(`\r\x1b[K${++done} of ${mutants.length}, ${mutants.filter(({ by }) => by).length} caught`);
    if (done % 20 === 0) writeFileSync(new URL(`state-${stage}.json`, BUILD), JSON.stringify(mutants, null, 1));
  });
  progress("\n");
  writeFileSync(new URL(`state-${stage}.json`, BUILD), JSON.stringify(mutants, null, 1));
}

/** Tries each mutant where it was caught before. */
async function again(modules, mutants, { seconds, racy }) {
  const catches = JSON.parse(readFileSync(CATCHES, "utf8"));
  await over(mutants, modules, async (searcher, mutant) => {
    const known = catches.find((each) => same(each, mutant));
    if (known === undefined || seconds[known.in] === undefined) return;
    const { tries, ...depth } = STAGES[known.stage];
    const task = { scenario: known.in, mutant: mutant.number, races: !racy.has(known.in), ...depth };
    const { found, late, broke } = await searcher.search(task, 120);
    if (found === undefined || late || broke) return;
    await trust(searcher, { ...task, mutant: 0 });
    Object.assign(mutant, { by: known.in, found, stage: known.stage });
    progress(`\r\x1b[K${mutants.filter(({ by }) => by).length} of ${mutants.length} caught where they were before`);
  });
  progress("\n");
}

/** Notes where mutants were caught. */
function learn(mutants) {
  const catches = JSON.parse(readFileSync(CATCHES, "utf8"));
  for (const { file, name, kind, text, by, stage } of mutants) {
    if (stage === undefined) continue;
    const known = catches.find((each) => same(each, { file, name, kind, text }));
    if (known === undefined) catches.push({ file, name, kind, text, in: by, stage });
    else Object.assign(known, { in: by, stage });
  }
  catches.sort((a, b) => (a.file + a.name + a.text < b.file + b.name + b.text ? -1 : 1));
  const lines = catches.map((each) => `  ${JSON.stringify(each)}`);
  writeFileSync(CATCHES, `[\n${lines.join(",\n")}\n]\n`);
}

function table(mutants) {
  const groups = [...new Set(mutants.map((each) => each.class))].sort();
  const line = (cells) => console.log(cells.map((cell, at) => String(cell)[at ? "padStart" : "padEnd"](12)).join(""));
  line(["class", "mutants", "explorer", "suites", "survive", "caught"]);
  for (const group of [...groups, "all"]) {
    const own = mutants.filter((each) => group === "all" || each.class === group);
    const by = own.filter(({ by }) => by !== undefined);
    const suite = by.filter(({ by }) => by.includes(".ts")).length;
    const percent = `${((100 * by.length) / own.length).toFixed(1)} %`;
    line([group, own.length, by.length - suite, suite, own.length - by.length, percent]);
  }
  const catches = new Map();
  for (const { by } of mutants) if (by) catches.set(by, (catches.get(by) ?? 0) + 1);
  for (const [by, count] of [...catches].sort((a, b) => b[1] - a[1]))
    console.log(`${String(count).padStart(6)}  ${by}`);
}

const same = (a, b) => a.file === b.file && a.name === b.name && a.text === b.text && (a.kind ?? b.kind) === b.kind;

/** Prints the survivors. Returns: whether each is explained, and nothing else is. */
function explain(mutants, all) {
  const known = JSON.parse(readFileSync(SURVIVORS, "utf8"));
  const survivors = mutants.filter(({ by }) => by === undefined);
  const open = survivors.filter((mutant) => !known.some((each) => same(each, mutant)));
  for (const { number, class: group, kind, file, line, name, text, reached } of open)
    console.log(
      `survives: ${number} ${group}/${kind} core-as/${file}:${line} ${name}: ${text}${reached ? "" : " (not reached)"}`,
    );
  const late = survivors.filter((each) => each.late);
  for (const { number, file, line, text, late: where } of late)
    console.log(`cut short: ${number} core-as/${file}:${line} ${text} in ${where}`);
  const wrong = all ? known.filter((each) => !survivors.some((mutant) => same(each, mutant))) : [];
  for (const { file, name, text } of wrong)
    console.log(`explained, and caught or gone: core-as/${file} ${name}: ${text}`);
  const end = open.length === 0 ? "all explained" : `${open.length} not explained`;
  console.log(`${survivors.length} survivors, ${end}`);
  return open.length === 0 && wrong.length === 0;
}

mkdirSync(BUILD, { recursive: true });
const mutants = values.answers ? generateAnswers() : generate();
const [folder, prefix] = values.answers ? [ANSWERS, "answers-"] : [FOLDER, ""];
await Promise.all([
  compile("model", `build/mutants/${prefix}model.wasm`, [], folder),
  compile("model", `build/mutants/${prefix}cover.wasm`, ["MUTANT_COVER=1"], folder),
]);
const modules = { model: module(`${prefix}model.wasm`), cover: module(`${prefix}cover.wasm`) };
const before = values.again && JSON.parse(readFileSync(values.again, "utf8")).filter(({ by }) => by === undefined);
const only = values.only?.split(",").map(Number);
const chosen = mutants.filter(
  (each) =>
    (only?.includes(each.number) ?? true) &&
    (before?.some((other) => same(each, other)) ?? true) &&
    (values.class === undefined || values.class === each.class),
);
const reach = await measure(modules, mutants, values.in?.split(",") ?? Object.keys(scenarios));
if (values.in === undefined)
  writeFileSync(TIMES, JSON.stringify({ seconds: reach.seconds, reach: [...reach.reach], racy: [...reach.racy] }));
for (const mutant of chosen) mutant.reached = reach.reach.get(mutant.number).length;
await again(modules, chosen, reach);
for (let stage = 0; stage < Number(values.stage ?? STAGES.length); stage++) {
  const left = chosen.filter(({ by }) => by === undefined);
  await explore(modules, left, reach, stage);
}
if (!values.explorer && values.in === undefined) await suites(chosen.filter(({ by }) => by === undefined));
table(chosen);
if (values.learn && !values.answers) learn(chosen);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(chosen, null, 1)}\n`);
// Who asked for the mutants of answers (answers/run.mjs) says what is left of them.
if (values.answers) process.exit(0);
process.exitCode = explain(chosen, chosen.length === mutants.length && !values.explorer && values.in === undefined)
  ? 0
  : 1;
