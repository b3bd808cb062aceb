// Enforces what neither the linter nor the compiler can see:
//   1 `atomic.` stands in core-as/sync/atomics.ts alone       2 no strings, `new`, `!`, assert, module-level let in the core
//   3 the core's rooms import downward only                    4 sites are unique and in step with ORDERING.md
//   5 a core function that leaves its file says Conditions / Consumes / Returns, unless it is a one-sentence helper
// and: files of at most 400 lines, but for tests, which are tables; no paths of one machine in the tree.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, files, root, text } from "./lib/run.mjs";

const LINES_MAX = 400;
/** A function of at most this many lines whose doc is one sentence needs no block. */
const HELPER_LINES_MAX = 12;
const RANK = { abi: 0, sync: 1, kern: 2, vm: 3, ipc: 3, task: 4, recover: 5, trap: 6 };
const ORDERING = "core-as/sync/ORDERING.md";
const MACHINE_PATHS = new RegExp(["/(work|farm)/", "/home/\\w", "/Users/\\w", "/tmp/[a-z]+[._/]"].join("|"));

const problems = [];
const say = (path, line, message) => problems.push(`${path}:${line}: ${message}`);

/** The source with comments and import lines blanked out, line for line. */
function bare(source) {
  const blank = (found) => found.replace(/[^\n]/g, " ");
  return source
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/\/\/[^\n]*/g, blank)
    .replace(/\boffsetof<\w+>\("\w+"\)/g, blank)
    .replace(/^(?:import|export) [^;]*? from "[^"]*";/gm, blank);
}

function eachLine(source, visit) {
  source.split("\n").forEach((line, index) => {
    visit(line, index + 1);
  });
}

function words(path, code) {
  const refused = [
    [/["'`]/, "a string: it becomes a data segment; use a code or a site number"],
    [/\bnew\s+\w/, "`new`: it needs the managed heap; take an element from a zone"],
    [/[\w)\]]!(?![=\w])/, "`!`: it adds a check and a string; test, bind to a const, use"],
    [/\bassert\s*\(/, "`assert`: use kassert(cond, site)"],
    [/^(export )?(let|var)\b/, "a module-level variable: it would be one per instance; use a word of shared memory"],
  ];
  eachLine(code, (line, at) => {
    if (/\batomic\./.test(line) && path !== "core-as/sync/atomics.ts")
      say(path, at, "`atomic.`: use a verb of sync/atomics.ts");
    if (/\bERROR\(|^@external\(/.test(line)) return; // texts for the compiler
    for (const [pattern, why] of refused) if (pattern.test(line)) say(path, at, why);
  });
}

function arrows(path, source) {
  const room = path.split("/")[1];
  eachLine(source, (line, at) => {
    const target = /^(?:import|export|\}).* from "(\.[^"]+)"/.exec(line)?.[1];
    if (target === undefined || !(room in RANK)) return;
    const other = target.startsWith("../") ? target.split("/")[1] : room;
    if (RANK[other] > RANK[room]) say(path, at, `${room} may not import from ${other}: imports point downward`);
    if (room === "ipc" && other === "vm" && !target.endsWith("/vm_copy"))
      say(path, at, "ipc calls vm through vm_copy alone");
    if (room === "vm" && other === "ipc") say(path, at, "vm may not import from ipc");
  });
}

/** Assertion sites must be unique; atomic sites must have their row. */
const assertions = new Map();
const atomicSites = new Map();
function sites(path, source, code) {
  eachLine(code, (line, at) => {
    for (const [, site] of line.matchAll(/\b(?:kassert|kdebug)\(.*,\s*(0x[0-9a-f]+)\)/gi)) {
      const number = Number(site);
      if (assertions.has(number))
        say(path, at, `site ${site} is taken by ${assertions.get(number)}; take the next free one`);
      assertions.set(number, `${path}:${at}`);
    }
  });
  eachLine(source, (line, at) => {
    for (const [, list] of line.matchAll(/\/\/.*?\[((?:S\d+[a-z]?(?:,\s*)?)+)\]/g)) {
      for (const site of list.split(/,\s*/)) if (!atomicSites.has(site)) atomicSites.set(site, `${path}:${at}`);
    }
  });
}

function ordering() {
  const rows = existsSync(join(root, ORDERING)) ? text(ORDERING) : "";
  const listed = new Set([...rows.matchAll(/^\|\s*(S\d+[a-z]?)\s*\|/gm)].map((found) => found[1]));
  for (const [site, where] of atomicSites) {
    if (!listed.has(site)) problems.push(`${where}: atomic site ${site} has no row in ${ORDERING}`);
  }
  for (const site of listed)
    if (!atomicSites.has(site)) problems.push(`${ORDERING}: row ${site} names a site that no code marks`);
}

/** Each exported function of some size has its contract above it. */
function contracts(path, source) {
  if (/^core-as\/(abi|sync)\//.test(path)) return;
  for (const found of source.matchAll(
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n(?:\/\/[^\n]*\n|@[^\n]*\n)*)?^export function (\w+)\(/gm,
  )) {
    const begin = found.index + found[0].length;
    const end = source.indexOf("\n}\n", begin);
    const length = source.slice(begin, end).split("\n").length;
    const doc = found[1] ?? "";
    if (/\b(Conditions|Consumes|Returns):/.test(doc) || length <= HELPER_LINES_MAX) continue;
    const at = source.slice(0, source.indexOf(`export function ${found[2]}(`)).split("\n").length;
    say(path, at, `${found[2]} needs its Conditions / Consumes / Returns block`);
  }
}

for (const path of files("core-as", /(?<!\.d)\.ts$/)) {
  const source = text(path);
  const code = bare(source);
  words(path, code);
  arrows(path, source);
  sites(path, source, code);
  contracts(path, source);
}
ordering();

const trees = ["core-as", "host-ts", "test", "bench", "scripts", "examples", "docs", ".ci"];
const tracked = trees.flatMap((tree) => files(tree, /\.(ts|mjs|js|md|json)$|^run$/));
for (const path of [...tracked, ...files(".", /^[\w.-]+\.(md|json|ts)$/).filter((name) => !name.includes("/"))]) {
  const source = text(path);
  const lines = source.split("\n").length - 1;
  if (/\.(ts|mjs)$/.test(path) && !/^test\/|\.gen\.ts$/.test(path) && lines > LINES_MAX)
    say(path, lines, `more than ${LINES_MAX} lines: split it`);
  if (path === "scripts/tidy.mjs" || path.startsWith("bench/results/")) continue;
  eachLine(source, (line, at) => {
    if (MACHINE_PATHS.test(line)) say(path, at, "a path of one machine");
  });
}
if (problems.length > 0) fail(`${problems.join("\n")}\n${problems.length} to tidy`);
