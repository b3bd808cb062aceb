// Loaded before a suite (NODE_OPTIONS), in its workers too: gives every kernel the number of the mutant that it is, and notes
// which mutants' places it comes by where COVER names a file for that.

import { appendFileSync } from "node:fs";

const { MUTANT = "0", COVER } = process.env;
const seen = new Set();

function cover(number) {
  if (seen.has(number)) return;
  seen.add(number);
  appendFileSync(COVER, `${number}\n`);
}

const more = (imports) => ({
  ...imports,
  env: { ...imports?.env, mutant: Number(MUTANT) },
  cover: { cover },
});

const { Instance, instantiate } = WebAssembly;
WebAssembly.Instance = function instance(module, imports) {
  return new Instance(module, more(imports));
};
WebAssembly.instantiate = (module, imports) => instantiate(module, more(imports));
