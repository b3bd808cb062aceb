// Compiles the mutated core: for the explorer, as an import says which mutant it is; and for the suites, one mutant at a time.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inline } from "../../../scripts/lib/inline.mjs";
import { instrument } from "../../../scripts/lib/instrument.mjs";
import { node, root, text } from "../../../scripts/lib/run.mjs";
import { FOLDER } from "./generate.mjs";

const ASC = "node_modules/assemblyscript/bin/asc.js";
const FINISH = { release: inline, model: instrument };

/** Compiles one target of asconfig.json from the copy. `uses`: constants to define; `folder`: where the copy is. */
export async function compile(target, outFile, uses = [], folder = FOLDER) {
  const config = JSON.parse(text("asconfig.json"));
  const { outFile: _, use = [], ...rest } = config.targets[target];
  const entries = ["index.ts", ...(target === "release" ? [] : ["debug.ts"])].map((name) => `${folder}/${name}`);
  const options = { ...config.options, ...rest };
  const flags = ["--config", "none", "--outFile", `${outFile}.new`];
  for (const [name, value] of Object.entries(options)) {
    if (value === true) flags.push(`--${name}`);
    else if (Array.isArray(value)) for (const each of value) flags.push(`--${name}`, String(each));
    else if (value !== false) flags.push(`--${name}`, String(value));
  }
  for (const each of [...use, ...uses]) flags.push("--use", each);
  mkdirSync(join(root, "build/mutants"), { recursive: true });
  const { code, text: said } = await node([ASC, ...entries, ...flags]);
  if (code !== 0) throw new Error(`asc, target ${target}:\n${said}`);
  const failed = await FINISH[target]?.(`${outFile}.new`);
  if (failed) throw new Error(failed);
  renameSync(join(root, `${outFile}.new`), join(root, outFile));
}

/** Makes the copy one mutant for good. */
export function settle(number) {
  const env = text("core-as/kern/env.ts");
  writeFileSync(join(root, FOLDER, "kern/env.ts"), `${env}\nexport const mutant: u32 = ${number};\n`);
}
