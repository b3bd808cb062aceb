// The suites against a mutant: a copy of the package and its tests below build/answers/tree, whose kernels hold all mutants. Which one
// they are says the environment, so that nothing is compiled for one.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { files, root } from "../../../../scripts/lib/run.mjs";
import { compile } from "../compile.mjs";
import { FOLDER } from "./generate.mjs";

const TREE = join(root, "build/answers/tree");
const VITEST = join(root, "node_modules/vitest/vitest.mjs");
const PRELOAD = new URL("preload.mjs", import.meta.url);
/** Beside the suites of the calls: those of a program's calls, which take long to start. */
const SUITES =
  /^test\/((spec|sim|traces|kernel)\/.*|host\/(lock-free|kernel|right|receive-right|message|send)\.test)\.(test|spec)?\.?ts$/;
const TESTS = /\.(test|spec)\.ts$/;

export const suites = files("test", TESTS).filter((path) => SUITES.test(path));

/** Makes the tree. Its kernels: all mutants; those that count, for `cover`. */
export async function prepare() {
  rmSync(TREE, { recursive: true, force: true });
  mkdirSync(join(TREE, "build"), { recursive: true });
  for (const name of ["dist", "host-ts", "test", "package.json", "vitest.config.ts", "asconfig.json", "scripts"])
    cpSync(join(root, name), join(TREE, name), { recursive: true });
  for (const name of ["tsconfig.json", "tsconfig.base.json", "tsconfig.test.json"])
    if (existsSync(join(root, name))) cpSync(join(root, name), join(TREE, name));
  symlinkSync(join(root, "node_modules"), join(TREE, "node_modules"));
  await kernels("all", []);
  await kernels("counting", ["MUTANT_COVER=1"]);
}

async function kernels(kind, uses) {
  mkdirSync(join(TREE, kind), { recursive: true });
  await compile("release", `build/answers/tree/${kind}/release.wasm`, uses, FOLDER);
  await compile("debug", `build/answers/tree/${kind}/debug.wasm`, uses, FOLDER);
}

/** The kernels that the tree's tests find from now on. */
export function choose(kind) {
  cpSync(join(TREE, kind, "release.wasm"), join(TREE, "dist/kernel.wasm"));
  cpSync(join(TREE, kind, "debug.wasm"), join(TREE, "build/kernel.debug.wasm"));
  rmSync(join(TREE, "build/crash"), { recursive: true, force: true });
}

/** Runs suites until one fails. Returns the file that did and what it said, or undefined. */
export function fails(paths, { mutant = 0, limit = 120, ops, cover } = {}) {
  const args = [VITEST, "run", "--root", TREE, "--bail", "1", "--reporter", "dot", "--maxWorkers", "1", "--no-isolate"];
  const env = { ...process.env, NO_COLOR: "1", NODE_OPTIONS: `--import ${PRELOAD}`, MUTANT: String(mutant) };
  if (ops !== undefined) env.OPS = String(ops);
  if (cover !== undefined) env.COVER = cover;
  try {
    const options = {
      cwd: TREE,
      env,
      timeout: Math.ceil(limit * 1000),
      killSignal: "SIGKILL",
      encoding: "utf8",
      stdio: "pipe",
    };
    execFileSync(process.execPath, [...args, ...paths], options);
    return undefined;
  } catch (error) {
    const said = `${error.stdout ?? ""}${error.stderr ?? ""}`;
    const file = /FAIL\s+(\S+\.ts)/.exec(said)?.[1];
    if (file === undefined && !/Unhandled|Error/.test(said) && error.code !== "ETIMEDOUT") throw error;
    const late = error.code === "ETIMEDOUT";
    const found = late ? "does not end" : (/FAIL\s+\S+\.ts > (.*)/.exec(said)?.[1] ?? "fails");
    return { file: file ?? paths[0], found, late };
  }
}

/** For each suite its seconds and the mutants that it comes by. Throws if one fails without a mutant. */
export function measure(said) {
  const cache = join(root, "build/answers/reach.json");
  choose("counting");
  const measured = {};
  for (const path of suites) {
    const cover = join(TREE, "cover.txt");
    writeFileSync(cover, "");
    const start = performance.now();
    const failed = fails([path], { cover, ops: path.includes("/sim/") ? 20_000 : undefined });
    if (failed !== undefined) throw new Error(`${failed.file} fails without a mutant: ${failed.found}`);
    const reach = [...new Set(readFileSync(cover, "utf8").split("\n").filter(Boolean).map(Number))];
    measured[path] = { seconds: (performance.now() - start) / 1000, reach };
    said(`${path}: ${reach.length} places, ${measured[path].seconds.toFixed(1)} s\n`);
  }
  writeFileSync(`${cache}.new`, JSON.stringify(measured));
  renameSync(`${cache}.new`, cache);
  choose("all");
  return measured;
}
