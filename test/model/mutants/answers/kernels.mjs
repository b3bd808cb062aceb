// Gives every kernel of this thread and its workers the number of the mutant that it is, and notes which mutants' places are come by.
// Loaded first of all; in workers it is what NODE_OPTIONS says.

import { isMainThread } from "node:worker_threads";

/** The mutant that kernels are from now on. Workers take it from the environment that they are started with. */
export const now = { mutant: Number(process.env.MUTANT ?? 0), seen: new Set() };

const more = (imports) => ({
  ...imports,
  env: { ...imports?.env, mutant: now.mutant },
  cover: { cover: (number) => now.seen.add(number) },
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
  if (isMainThread) process.env.MUTANT = String(mutant);
}
