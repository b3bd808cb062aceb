// The suites against one mutant at a time: a copy of the package and its tests below build/mutants/tree, whose kernels, the shipped
// one and the one for debugging, are that mutant.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../scripts/lib/run.mjs";
import { compile, settle } from "./compile.mjs";

const TREE = join(root, "build/mutants/tree");
const VITEST = join(root, "node_modules/vitest/vitest.mjs");
/** The files that find most in the least time come first. */
const FILES = [
  ["test/kernel/death.test.ts", "test/kernel/close.test.ts", "test/host/death.test.ts"],
  ["test/spec", "test/sim"],
  ["test/kernel/crash.test.ts", "test/host/lock-free.test.ts", "test/host/kernel.test.ts"],
];
const LIMIT = 240;

function tree() {
  rmSync(TREE, { recursive: true, force: true });
  mkdirSync(join(TREE, "build"), { recursive: true });
  for (const name of ["dist", "host-ts", "test", "package.json", "vitest.config.ts", "asconfig.json", "scripts"])
    cpSync(join(root, name), join(TREE, name), { recursive: true });
  for (const name of ["tsconfig.json", "tsconfig.base.json", "tsconfig.test.json"])
    if (existsSync(join(root, name))) cpSync(join(root, name), join(TREE, name));
  symlinkSync(join(root, "node_modules"), join(TREE, "node_modules"));
}

/** Runs suites until one fails. Returns: the file that did, or undefined. */
function fails(paths) {
  const args = [VITEST, "run", "--root", TREE, "--bail", "1", "--reporter", "dot", ...paths];
  try {
    execFileSync(process.execPath, args, {
      cwd: TREE,
      env: { ...process.env, NO_COLOR: "1" },
      timeout: LIMIT * 1000,
      encoding: "utf8",
      stdio: "pipe",
    });
    return undefined;
  } catch (error) {
    const said = `${error.stdout ?? ""}${error.stderr ?? ""}`;
    const file = /FAIL\s+(\S+\.ts)/.exec(said)?.[1];
    const late = error.code === "ETIMEDOUT";
    return {
      file: file ?? `${paths[0]}.ts`,
      found: late ? "time-out" : (/Error: (.*)/.exec(said)?.[1] ?? "fails"),
      late,
    };
  }
}

async function kernels(mutant) {
  settle(mutant);
  await Promise.all([
    compile("release", "build/mutants/tree/dist/kernel.wasm"),
    compile("debug", "build/mutants/tree/build/kernel.debug.wasm"),
  ]);
}

/** Tries the suites on the mutants that no scenario caught. */
export async function suites(mutants) {
  if (mutants.length === 0) return;
  tree();
  await kernels(0);
  const bare = FILES.map(fails).find((end) => end !== undefined);
  if (bare !== undefined) throw new Error(`${bare.file} fails without a mutant: ${bare.found}`);
  for (const mutant of mutants) {
    await kernels(mutant.number);
    for (const paths of FILES) {
      const end = fails(paths);
      if (end === undefined) continue;
      mutant.by = end.file;
      mutant.found = end.found;
      if (end.late) mutant.late = `${end.file}: time-out`;
      break;
    }
    process.stderr.write(`${mutant.number} ${mutant.name}: ${mutant.by ?? "survives"}\n`);
  }
}
