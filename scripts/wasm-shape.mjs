// Enforces what the kernel's binary may contain. Data segments and mutable globals are per instance: a second thread
// would overwrite the first or see a kernel of its own. A start function would run once per thread. Prints the sizes and
// holds them below the limits.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail, root } from "./lib/run.mjs";

const KIB = 1024;
const RAW_MAX = 80 * KIB; // ADR 12
const GZIP_MAX = 28 * KIB;
const IMPORTS = new Set(["env.memory", "env.processor", "env.now"]);
const SECTION = { global: 6, start: 8, data: 11, dataCount: 12 };

/** The bodies of the module's sections by id. */
function sections(binary) {
  const found = new Map();
  for (let at = 8; at < binary.length; ) {
    const id = binary[at];
    const [size, begin] = leb(binary, at + 1);
    found.set(id, binary.subarray(begin, begin + size));
    at = begin + size;
  }
  return found;
}

function leb(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value >>> 0, at];
  }
}

/** Counts the mutable ones among the globals that the module defines. */
function mutableGlobals(body) {
  const END = 0x0b;
  let [left, at] = leb(body, 0);
  let mutable = 0;
  while (left-- > 0) {
    const type = body[at];
    if (body[at + 1] === 1) mutable++;
    // The initial value is a constant: an opcode, its operand, end.
    at += 3;
    if (type === 0x7d) at += 4;
    else if (type === 0x7c) at += 8;
    else [, at] = leb(body, at);
    if (body[at++] !== END) return Number.NaN;
  }
  return mutable;
}

/** What is wrong with the binary at `path`. */
function faults(path, allowed) {
  const binary = readFileSync(join(root, path));
  const found = sections(binary);
  const wrong = [];
  if (found.has(SECTION.data) || found.has(SECTION.dataCount)) {
    wrong.push("has a data section: a string, `assert` with a text, `!` or static data is in the core");
  }
  if (found.has(SECTION.start)) wrong.push("has a start function: a module-level initialiser is not a constant");
  const globals = found.get(SECTION.global);
  if (globals && mutableGlobals(globals) !== 0) wrong.push("has a mutable global: a module-level `let` is in the core");
  const module = new WebAssembly.Module(binary);
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    if (!allowed.has(`${from}.${name}`)) wrong.push(`imports ${from}.${name}; allowed are ${[...allowed].join(", ")}`);
  }
  for (const { name, kind } of WebAssembly.Module.exports(module)) {
    if (kind !== "function") wrong.push(`exports the ${kind} ${name}; only functions may leave core-as/index.ts`);
  }
  return { binary, wrong: wrong.map((text) => `${path} ${text}`) };
}

const problems = [];
for (const [path, allowed] of [
  ["dist/kernel.wasm", IMPORTS],
  ["build/kernel.debug.wasm", IMPORTS],
]) {
  if (!existsSync(join(root, path))) fail(`${path} is not there: run \`npm run build\` first.`);
  const { binary, wrong } = faults(path, allowed);
  problems.push(...wrong);
  if (path !== "dist/kernel.wasm") continue;
  const gzip = gzipSync(binary, { level: 9 }).length;
  const size = (bytes, max) => `${(bytes / KIB).toFixed(1)} of ${max / KIB} KiB`;
  process.stdout.write(`${path}: ${size(binary.length, RAW_MAX)}, gzip ${size(gzip, GZIP_MAX)}\n`);
  if (binary.length > RAW_MAX || gzip > GZIP_MAX) problems.push(`${path} is larger than promised`);
}
if (problems.length > 0) fail(problems.join("\n"));
