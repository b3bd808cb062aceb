// `npm test`: the checks, the suites, the browser's smoke test. Arguments go to vitest and leave out the rest:
// `npm test -- test/spec/names.spec.ts` builds and runs that file.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { node, root } from "./lib/run.mjs";

async function must(args) {
  const { code } = await node(args, { inherit: true });
  if (code !== 0) process.exit(code);
}

const chosen = process.argv.slice(2);
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...chosen];
if (chosen.length > 0) {
  await must(["scripts/build.mjs"]);
  await must(vitest);
} else {
  await must(["scripts/check.mjs"]);
  await must(vitest);
  const browser = "test/browser/run.mjs";
  if (existsSync(join(root, browser))) await must([browser]);
}
