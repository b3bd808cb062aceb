// Enforces everything that does not need a kernel to run, cheapest first; stops at the first step that fails.

import { fail, files, node } from "./lib/run.mjs";

const tsc = "node_modules/typescript/bin/tsc";
const generated = ["gen-abi", ["scripts/gen-abi.mjs", "--check"]];
const steps = [
  ["lint", ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "--no-errors-on-unmatched"]],
  ["tidy", ["scripts/tidy.mjs"]],
  // A build writes the generated files anew; where nobody would commit them, they must be right before.
  ...(process.env.CI ? [generated] : []),
  ["build", ["scripts/build.mjs"]],
  ...(process.env.CI ? [] : [generated]),
  ["reference", ["scripts/reference.mjs", "--check"]],
  ["types", [tsc, "-p", "tsconfig.browser.json"]],
  ...(files("test", /\.ts$/).length > 0 ? [["types of tests", [tsc, "-p", "tsconfig.test.json"]]] : []),
  ["shape", ["scripts/wasm-shape.mjs"]],
];

const only = process.argv.slice(2);
for (const [name, args] of steps) {
  if (only.length > 0 && !only.includes(name)) continue;
  const start = performance.now();
  const { code, text } = await node(args);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)\n`);
  if (code !== 0) fail(text);
  if (name === "shape") process.stdout.write(text);
}
