// Gives every kernel of this thread and its workers the number of the mutant that it is, and notes which mutants' places are come by.
// Loaded first of all; in workers it is what NODE_OPTIONS says.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/** Where workers note what they come by: most are ended before they could say so. */
const NOTES = process.env.MUTANT_NOTES;

/** The mutant that kernels are from now on. Workers take it from the environment that they are started with. */
export const now = { mutant: Number(process.env.MUTANT ?? 0), seen: new Set() };

function cover(number) {
  if (now.seen.has(number)) return;
  now.seen.add(number);
  if (!isMainThread && NOTES) appendFileSync(NOTES, `${number}\n`);
}

/** What this thread and its workers came by since `become`. */
export function seen() {
  if (!NOTES || !existsSync(NOTES)) return [...now.seen];
  return [...new Set([...now.seen, ...readFileSync(NOTES, "utf8").split("\n").filter(Boolean).map(Number)])];
}

const more = (imports) => ({
  ...imports,
  env: { ...imports?.env, mutant: now.mutant },
  cover: { cover },
});

const { Instance, instantiate } = WebAssembly;
WebAssembly.Instance = function instance(module, imports) {
  return new Instance(module, more(imports));
};
WebAssembly.instantiate = (module, imports) => instantiate(module, more(imports));

/** Kernels are this mutant. */
export function become(mutant) {
  now.mutant = mutant;
  now.seen.clear();
  if (!isMainThread) return;
  process.env.MUTANT = String(mutant);
  if (NOTES) writeFileSync(NOTES, "");
}
