// `npm run answers`: is every answer and every count of the core looked at by a test? One at a time, each constant that is answered is
// replaced by another, each change of a count dropped or turned round; the suites that come by it must fail.
//
//   npm run answers -- [--json FILE] [--again FILE] [--only N[,N...]] [--file TEXT] [--in TEXT[,TEXT...]] [--blind] [--learn] [--list] [--suites]
//
// `--again`: only those that survived in an earlier run's --json FILE. `--file`: those in files whose path has the text. `--in`: the
// suites whose path has one of the texts alone; `--blind`: on every mutant, whether they come by it or not. `--list`: says what the mutants are. `--suites`: without the explorer, which looks at
// what only deaths and races come by. Where a mutant was caught before is tried first: catches.json, which `--learn` brings up to date.
// At least 95 % must be caught, and survivors.json must explain each of the others, and nothing else.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { generate } from "./generate.mjs";
import { measure, prepare, Searcher, suitesIn } from "./suites.mjs";

const SURVIVORS = new URL("survivors.json", import.meta.url);
const CATCHES = new URL("catches.json", import.meta.url);
const EXPLORER = new URL("../run.mjs", import.meta.url);
const LEFT = new URL("../../../../build/answers/left.json", import.meta.url);
const FOUND = new URL("../../../../build/answers/found.json", import.meta.url);
const ENOUGH = 0.95;
/** Suites that take longer than so many seconds are tried on what is left by the others. */
const LONG = 2.5;
/** A suite may take so many times as long as without a mutant, and so many seconds more. */
const SLACK = { times: 10, seconds: 12 };

const RECOVERY = /^(recover|kern)\/| \w*(settle|recover|undo|inherit)/;

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    again: { type: "string" },
    only: { type: "string" },
    file: { type: "string" },
    in: { type: "string" },
    blind: { type: "boolean" },
    learn: { type: "boolean" },
    list: { type: "boolean" },
    suites: { type: "boolean" },
  },
});

const same = (a, b) => a.file === b.file && a.name === b.name && a.text === b.text && a.kind === b.kind;
const load = (url) => (existsSync(url) ? JSON.parse(readFileSync(url, "utf8")) : []);
const say = (text) => process.stderr.write(text);

function drop(list, item) {
  if (list.includes(item)) list.splice(list.indexOf(item), 1);
}

/** Tries the suites on each mutant, those first that caught most of its function's and file's in the least time. */
async function hunt(mutants, measured, isLong) {
  const known = load(CATCHES);
  const hits = new Map();
  const count = (path, place) => hits.get(`${path} ${place}`) ?? 0;
  const rate = (path, { file, name }) =>
    (8 * count(path, `${file} ${name}`) + count(path, file) + 0.1) / (measured[path].seconds + 0.05);
  const queue = mutants.filter(({ by }) => by === undefined);
  let tried = 0;
  async function search() {
    const searcher = new Searcher();
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const all = Object.keys(measured).filter((path) => measured[path].reach.has(mutant.number));
      mutant.reached = all.length;
      const reached = all.filter((path) => measured[path].seconds > LONG === isLong);
      // Deaths at every access take long, and only recovery answers to them.
      if (!RECOVERY.test(`${mutant.file} ${mutant.name}`)) drop(reached, "test/kernel/crash.test.ts");
      const before = known.find((each) => same(each, mutant))?.in;
      reached.sort((a, b) => Number(b === before) - Number(a === before) || rate(b, mutant) - rate(a, mutant));
      for (const path of reached) {
        const limit = SLACK.seconds + SLACK.times * measured[path].seconds;
        const { failed } = await searcher.run(path, mutant.number, limit);
        if (failed === undefined) continue;
        Object.assign(mutant, { by: failed.file, found: failed.found });
        for (const place of [mutant.file, `${mutant.file} ${mutant.name}`])
          hits.set(`${path} ${place}`, count(path, place) + 1);
        break;
      }
      const caught = mutants.filter(({ by }) => by !== undefined).length;
      say(
        `${++tried} of ${tried + queue.length}, ${caught} caught: ${mutant.number} ${mutant.name}: ${mutant.by ?? "survives"}: ${mutant.found}\n`,
      );
      if (values.json !== undefined) write(mutants);
    }
    searcher.end();
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, search));
}

/** What only deaths and races come by: the explorer's scenarios (../run.mjs). */
function explore(mutants) {
  const left = mutants.filter(({ by }) => by === undefined);
  if (left.length === 0) return;
  writeFileSync(LEFT, JSON.stringify(left));
  const options = ["--answers", "--explorer", "--again", fileURLToPath(LEFT), "--json", fileURLToPath(FOUND)];
  rmSync(FOUND, { force: true });
  const run = spawnSync(process.execPath, ["--stack-size=60000", fileURLToPath(EXPLORER), ...options, "--stage", "3"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (run.status !== 0) throw new Error("the explorer failed");
  for (const { by, found, ...mutant } of load(FOUND)) {
    if (by !== undefined) Object.assign(left.find((each) => same(each, mutant)) ?? {}, { by, found });
  }
}

function write(mutants) {
  writeFileSync(values.json, `${JSON.stringify(mutants, null, 1)}\n`);
}

/** Notes where mutants were caught. */
function learn(mutants, all) {
  const catches = load(CATCHES).filter((each) => all.some((mutant) => same(mutant, each)));
  for (const { file, name, kind, text, by } of mutants) {
    if (by === undefined) continue;
    const known = catches.find((each) => same(each, { file, name, kind, text }));
    if (known === undefined) catches.push({ file, name, kind, text, in: by });
    else known.in = by;
  }
  const key = ({ file, name, text, kind }) => [file, name, text, kind].join("\n");
  catches.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  writeFileSync(CATCHES, `[\n${catches.map((each) => `  ${JSON.stringify(each)}`).join(",\n")}\n]\n`);
}

function table(mutants) {
  const groups = [...new Set(mutants.map((each) => each.class))].sort();
  const line = (cells) => console.log(cells.map((cell, at) => String(cell)[at ? "padStart" : "padEnd"](12)).join(""));
  line(["class", "mutants", "caught", "survive", "percent"]);
  for (const group of [...groups, "all"]) {
    const own = mutants.filter((each) => group === "all" || each.class === group);
    const caught = own.filter(({ by }) => by !== undefined).length;
    line([group, own.length, caught, own.length - caught, ((100 * caught) / own.length).toFixed(1)]);
  }
}

/** Prints the survivors. Returns: whether enough are caught, each of the others is explained, and nothing else is. */
function explain(mutants, isAll) {
  const known = load(SURVIVORS);
  const survivors = mutants.filter(({ by }) => by === undefined);
  const open = survivors.filter((mutant) => !known.some((each) => same(each, mutant)));
  for (const { number, class: group, kind, file, line, name, text, reached } of open)
    console.log(
      `survives: ${number} ${group}/${kind} core-as/${file}:${line} ${name}: ${text}${reached ? "" : " (not reached)"}`,
    );
  const wrong = isAll ? known.filter((each) => !survivors.some((mutant) => same(each, mutant))) : [];
  for (const { file, name, kind, text } of wrong)
    console.log(`explained, and caught or gone: core-as/${file} ${name}: ${kind} ${text}`);
  console.log(`${survivors.length} survivors, ${open.length} not explained`);
  const enough = !isAll || survivors.length <= mutants.length * (1 - ENOUGH);
  return enough && open.length === 0 && wrong.length === 0;
}

const mutants = generate();
const only = values.only?.split(",").map(Number);
const before = values.again && load(values.again).filter(({ by }) => by === undefined);
const chosen = mutants.filter(
  (each) =>
    (only?.includes(each.number) ?? true) &&
    (before?.some((other) => same(each, other)) ?? true) &&
    (values.file === undefined || each.file.includes(values.file)),
);
if (values.list) {
  for (const { number, class: group, kind, file, line, name, text } of chosen)
    console.log(`${number} ${group}/${kind} core-as/${file}:${line} ${name}: ${text}`);
} else {
  await prepare();
  const measured = await measure(suitesIn(values.in?.split(",")), say, values.blind);
  await hunt(chosen, measured, false);
  await hunt(chosen, measured, true);
  if (!values.suites) explore(chosen);
  table(chosen);
  if (values.learn) learn(chosen, mutants);
  if (values.json !== undefined) write(chosen);
  process.exitCode = explain(chosen, chosen.length === mutants.length) ? 0 : 1;
}
