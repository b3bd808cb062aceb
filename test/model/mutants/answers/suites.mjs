// The suites against a mutant: a copy of the package and its tests below build/answers/tree, whose kernels hold all mutants; and
// processes that run them (search.mjs).

import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { files, root } from "../../../../scripts/lib/run.mjs";
import { compile } from "../compile.mjs";
import { FOLDER } from "./generate.mjs";

const TREE = join(root, "build/answers/tree");
const KERNELS = new URL("kernels.mjs", import.meta.url);
const SEARCH = new URL("search.mjs", import.meta.url);
const TESTS = /\.(test|spec)\.ts$/;
/** Those of the calls, and those of the classes that are a call each. */
const SUITES =
  /^test\/((spec|sim|traces|kernel)\/|host\/(right|receive-right|message|send|port-set|kernel|task-port)\.)/;
/** A process is made anew after so many mutants: what a broken kernel leaves behind adds up. */
const MUTANTS_MAX = 60;
/** So that a suite of random operations takes no longer than others. */
const LESS = { OPS: "12000" };
/** Wants more runs than there is time for, to have made every call. */
const TOO_LONG = "test/sim/fuzz.test.ts";

/** The suites whose path has one of the texts. */
export const suitesIn = (texts) =>
  files("test", TESTS).filter(
    (path) => SUITES.test(path) && path !== TOO_LONG && (texts?.some((text) => path.includes(text)) ?? true),
  );

/** Makes the tree. Its kernels: all mutants; those that count, for `measure`. */
export async function prepare() {
  rmSync(TREE, { recursive: true, force: true });
  mkdirSync(join(TREE, "build"), { recursive: true });
  for (const name of ["dist", "host-ts", "test", "package.json", "scripts"])
    cpSync(join(root, name), join(TREE, name), { recursive: true });
  for (const name of ["tsconfig.json", "tsconfig.base.json", "tsconfig.test.json"])
    if (existsSync(join(root, name))) cpSync(join(root, name), join(TREE, name));
  symlinkSync(join(root, "node_modules"), join(TREE, "node_modules"));
  await kernels("counting", ["MUTANT_COVER=1"]);
  await kernels("all", []);
}

async function kernels(kind, uses) {
  mkdirSync(join(TREE, kind), { recursive: true });
  await compile("release", `build/answers/tree/${kind}/release.wasm`, uses, FOLDER);
  await compile("debug", `build/answers/tree/${kind}/debug.wasm`, uses, FOLDER);
}

/** The kernels that the tree's tests find from now on. */
function choose(kind) {
  cpSync(join(TREE, kind, "release.wasm"), join(TREE, "dist/kernel.wasm"));
  cpSync(join(TREE, kind, "debug.wasm"), join(TREE, "build/kernel.debug.wasm"));
  rmSync(join(TREE, "build/crash"), { recursive: true, force: true });
}

/** A process that runs suites, made anew when it had to be ended. */
export class Searcher {
  #child;
  #answer;
  #mutants = new Set();
  #notes = join(TREE, `notes-${randomUUID()}`);

  async #begin() {
    this.#mutants.clear();

    const child = fork(SEARCH, [TREE], {
      cwd: TREE,
      env: { ...process.env, ...LESS, NO_COLOR: "1", MUTANT_NOTES: this.#notes, NODE_OPTIONS: `--import ${KERNELS}` },
      stdio: ["ignore", "ignore", process.env.ANSWERS_DEBUG ? "inherit" : "ignore", "ipc"],
    });
    this.#child = child;
    child.on("message", (answer) => this.#answer?.(answer));
    child.on("exit", () => this.#answer?.({ gone: true }));
    await this.#next(60);
  }

  /** What the process says next; undefined after `limit` seconds, and then it is ended. */
  #next(limit) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answer?.(undefined), limit * 1000);
      this.#answer = (answer) => {
        clearTimeout(timer);
        this.#answer = undefined;
        if (answer === undefined || answer.gone) this.end();
        resolve(answer);
      };
    });
  }

  end() {
    this.#child?.removeAllListeners();
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  /** Runs one suite against a mutant. Returns `{ failed: { file, found } | undefined, seconds, reach }`. */
  async run(path, mutant, limit) {
    if (this.#mutants.size > MUTANTS_MAX) this.end();
    if (this.#child === undefined) await this.#begin();
    this.#mutants.add(mutant);
    this.#child.send({ path, mutant });
    const answer = await this.#next(limit);
    if (answer?.broke !== undefined) throw new Error(`${path}: ${answer.broke}`);
    if (answer === undefined) return { failed: { file: path, found: "does not end" } };
    return answer.gone ? { failed: { file: path, found: "ends the process" } } : answer;
  }
}

/** For each suite its seconds and the mutants that it comes by: all, if `isBlind`. Throws if one fails without a mutant. */
export async function measure(suites, said, isBlind) {
  const measured = {};
  choose("counting");
  const counting = new Searcher();
  for (const path of isBlind ? [] : suites) {
    said(`${path}\n`);
    const { failed, reach } = await counting.run(path, 0, 300);
    if (failed !== undefined) throw new Error(`${failed.file} fails without a mutant: ${failed.found}`);
    measured[path] = { reach: new Set(reach), seconds: 0 };
  }
  counting.end();
  choose("all");
  const bare = new Searcher();
  for (const path of suites) {
    const { failed, seconds } = await bare.run(path, 0, 300);
    if (failed !== undefined) throw new Error(`${failed.file} fails without a mutant: ${failed.found}`);
    measured[path] ??= { reach: { has: () => true, size: "all" } };
    measured[path].seconds = seconds;
    said(`${path}: ${measured[path].reach.size} places, ${seconds.toFixed(2)} s\n`);
  }
  bare.end();
  return measured;
}
