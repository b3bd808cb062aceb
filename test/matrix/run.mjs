// The matrix: which test shows each code of each call, and which each assertion A1 to A216. `npm run matrix`
//
// A cell of the first half is filled by a test in which the call answered that code, and whose text names the code; one of the
// second by a test that has the assertion in its title. Fails on an empty cell that empty.mjs does not list with its reason, on a
// listed cell that is filled, on an answer that the call's documentation does not name, and on a call of Mach's that is neither
// built nor listed (contract.mjs). `--quiet` prints the sums alone.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { calls, codeNumbers } from "../../scripts/lib/calls.mjs";
import { fail, files, node, root, text } from "../../scripts/lib/run.mjs";
import { contract, notBuilt } from "./contract.mjs";
import { emptyAssertions, emptyCodes } from "./empty.mjs";

const ASSERTIONS = 216;
const FOLDER = "build/matrix";
const quiet = process.argv.includes("--quiet");
const problems = [];

const print = (line) => quiet || process.stdout.write(line);

const numbers = codeNumbers();
const numberOf = (code) => Number(numbers.get(code)) >>> 0;

/** Every test: `{ path, title, body }`. */
function tests() {
  return files("test", /\.(spec|test)\.ts$/).flatMap((path) => {
    const source = text(path);
    const found = [...source.matchAll(/^ *test(?:\.\w+)*(?:\([^\n]*\))?\(\s*(["'`])((?:(?!\1).)*)\1/gm)];
    return found.map((match, index) => ({
      path,
      title: match[2],
      body: source.slice(match.index, found[index + 1]?.index ?? source.length),
    }));
  });
}

/** Runs the suites that drive level 1 and reads what was noted: call and code -> tests. */
async function answers() {
  rmSync(join(root, FOLDER), { recursive: true, force: true });
  const suites = ["test/spec"];
  const env = { ...process.env, MATRIX: join(root, FOLDER) };
  const run = await node(["node_modules/vitest/vitest.mjs", "run", "--reporter=dot", ...suites], { env });
  if (run.code !== 0) fail(`${run.text}\nthe suites fail`);
  const answered = new Map();
  for (const file of readdirSync(join(root, FOLDER))) {
    for (const line of readFileSync(join(root, FOLDER, file), "utf8")
      .trim()
      .split("\n")) {
      const { call, code, test, path } = JSON.parse(line);
      // Mach's codes of messages say in these bits what was short; ours (0x1000fe..) have none.
      const plain = code >>> 16 === 0x1000 && (code & 0xfe00) !== 0xfe00 ? code & ~0x3e00 : code;
      const key = `${call} ${plain}`;
      if (!answered.has(key)) answered.set(key, []);
      answered.get(key).push({ path: relative(root, path).replaceAll("\\", "/"), title: test });
    }
  }
  return answered;
}

const show = ({ path, title }) => `${path}: ${title}`;
const more = (found) => (found.length > 1 ? ` (+${found.length - 1})` : "");

function codesByTest(list, all, answered) {
  let filled = 0;
  const empty = [];
  const used = new Set();
  for (const { call, codes, own } of list) {
    if (codes.size > 0) print(`\n${call}\n`);
    for (const code of codes.keys()) {
      const key = `${call} ${code}`;
      const named = (answered.get(`${call} ${numberOf(code)}`) ?? []).filter((shown) => {
        const test = all.find(({ path, title }) => path === shown.path && title === shown.title);
        return test !== undefined && (numberOf(code) === 0 || new RegExp(`\\b${code}\\b`).test(test.body));
      });
      const reason = emptyCodes[key] ?? emptyCodes[`* ${code}`];
      if (named.length > 0) {
        filled++;
        print(`  ${code.padEnd(26)} ${show(named[0])}${more(named)}\n`);
        if (emptyCodes[key] !== undefined) problems.push(`${key} is listed as empty, but ${show(named[0])} shows it`);
      } else if (!own.has(code)) {
        print(`  ${code.padEnd(26)} the same code path as the call that it is taken from\n`);
      } else if (reason === undefined) {
        problems.push(`${key} is shown by no test`);
      } else {
        used.add(emptyCodes[key] === undefined ? `* ${code}` : key);
        empty.push(`${key}: ${reason}`);
        print(`  ${code.padEnd(26)} EMPTY: ${reason}\n`);
      }
    }
  }
  for (const key of Object.keys(emptyCodes)) {
    if (!used.has(key) && !problems.some((line) => line.startsWith(`${key} `)))
      problems.push(`${key} is listed, but is no empty cell`);
  }
  return { filled, empty };
}

/** Answers that were given, and that the documentation of the call does not name. */
function undocumented(list, answered) {
  for (const { call, codes, returns } of list) {
    const known = new Set([...codes.keys()].map(numberOf));
    for (const [key, found] of answered) {
      const [name, code] = key.split(" ");
      if (name !== call || returns !== "" || known.has(Number(code))) continue;
      problems.push(`${call} answered ${Number(code)} in ${show(found[0])}, which its documentation does not name`);
    }
  }
}

/** The assertions that a title names: "A7", "A7 to A9". */
function assertionsIn(title) {
  return [...title.matchAll(/\bA(\d+)(?: to A(\d+))?\b/g)].flatMap(([, from, to]) =>
    Array.from({ length: Number(to ?? from) - Number(from) + 1 }, (_, index) => Number(from) + index),
  );
}

function assertionsByTest(all) {
  const empty = [];
  let filled = 0;
  print("\nassertions\n");
  for (let number = 1; number <= ASSERTIONS; number++) {
    const name = `A${number}`;
    const shown = all.filter(({ title }) => assertionsIn(title).includes(number));
    const reason = emptyAssertions[name];
    if (shown.length > 0) {
      filled++;
      print(`  ${name.padEnd(5)} ${show(shown[0])}${more(shown)}\n`);
      if (reason !== undefined) problems.push(`${name} is listed as empty, but ${show(shown[0])} shows it`);
    } else if (reason === undefined) {
      problems.push(`${name} is shown by no test`);
    } else {
      empty.push(`${name}: ${reason}`);
      print(`  ${name.padEnd(5)} EMPTY: ${reason}\n`);
    }
  }
  return { filled, empty };
}

function callsByContract(list) {
  const built = new Set(list.map(({ call }) => call));
  for (const call of contract) {
    if (built.has(call) && notBuilt[call]) problems.push(`${call} is built, but listed as not built`);
    if (!built.has(call) && !notBuilt[call]) problems.push(`${call} is neither built nor listed as not built`);
  }
  const missing = Object.entries(notBuilt).map(([call, reason]) => `${call}: ${reason}`);
  print(`\ncalls that are not built\n  ${missing.join("\n  ")}\n`);
}

const list = calls();
const all = tests();
const answered = await answers();
const codes = codesByTest(list, all, answered);
undocumented(list, answered);
const assertions = assertionsByTest(all);
callsByContract(list);
print(`\nempty cells\n  ${[...codes.empty, ...assertions.empty].join("\n  ")}\n`);
process.stdout.write(
  `\n${list.length} calls; ${codes.filled} cells of calls and codes filled, ${codes.empty.length} listed as empty; ` +
    `${assertions.filled} of ${ASSERTIONS} assertions shown, ${assertions.empty.length} listed as empty\n`,
);
if (problems.length > 0) fail(`${problems.join("\n")}\n${problems.length} to mend`);
