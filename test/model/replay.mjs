// Replays a schedule file: what each processor did, by function, from one switch to the next, and where it ended.

import { Explorer, Violation } from "./explorer.mjs";

/** Returns: 1 if the violation is still there, 0 if it is gone. */
export function replay({ wasm, scenario, path, seed = 1, violation }) {
  const second = String(path.at(-1)).startsWith("second") ? 1 : 0;
  const explorer = new Explorer({ wasm, scenario, seed, second });
  explorer.machine.traces = true;
  Error.stackTraceLimit = 40;
  try {
    explorer.follow(path, (text) => console.log(text));
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    console.log(`violation: ${error.message}`);
    return 1;
  }
  console.log(`no violation any more; it was: ${violation}`);
  return 0;
}
