// What the explorer (test/model) runs: the model build with every access recorded and every verb a place to stop.

import { ENABLE } from "./inline.mjs";
import { fresh, node, stampAt } from "./run.mjs";

const WASM_OPT = "node_modules/binaryen/bin/wasm-opt";
const WASM_AS = "node_modules/binaryen/bin/wasm-as";
const RECORDER = "test/model/recorder.wat";
const STAMP = "build/recorder.stamp";
const OUTPUT = "build/recorder.wasm";

/** Instruments a module in place. Returns what went wrong, or undefined. */
export async function instrument(path) {
  const passes = ["--instrument-memory", "--asyncify", "--pass-arg=asyncify-imports@env.sched", "-O2"];
  const { code, text } = await node([WASM_OPT, ...ENABLE, "-g", path, ...passes, "-o", path]);
  return code === 0 ? undefined : `wasm-opt, instrumenting:\n${text}`;
}

/** Assembles the recorder. Returns what went wrong, or undefined. */
export async function recorder() {
  const since = new Date();
  if (fresh(STAMP, [RECORDER], [OUTPUT])) return undefined;
  const { code, text } = await node([WASM_AS, ...ENABLE, RECORDER, "-o", OUTPUT]);
  if (code !== 0) return `wasm-as:\n${text}`;
  stampAt(STAMP, [RECORDER], since);
  return undefined;
}
