// The second pass of the optimiser, over every core that ships or is measured against it.

import { node } from "./run.mjs";

const WASM_OPT = "node_modules/binaryen/bin/wasm-opt";

/**
 * Inlines the small helpers: V8 does not inline WebAssembly functions, and a message crosses some sixty (ADR 5). Returns what
 * went wrong, or undefined.
 */
export async function inline(path) {
  const features = ["threads", "bulk-memory", "mutable-globals", "sign-ext", "nontrapping-float-to-int"];
  const sizes = ["-aimfs", "30", "-fimfs", "30", "-ocimfs", "400"];
  const enable = features.map((feature) => `--enable-${feature}`);
  const { code, text: said } = await node([WASM_OPT, ...enable, "-O3", "-s", "1", ...sizes, path, "-o", path]);
  return code === 0 ? undefined : `wasm-opt:\n${said}`;
}
