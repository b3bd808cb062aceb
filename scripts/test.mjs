// `npm test`: the checks, the suites, the matrix, the packed tarball, the browser's smoke test, the explorer, a chaos run, each bench
// once. Arguments go to vitest and leave out the rest: `npm test -- test/spec/names.spec.ts` builds and runs that file.

import { node } from "./lib/run.mjs";

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
  await must(["test/matrix/run.mjs", "--quiet"]); // every code of every call, every assertion
  await must(["test/pack/run.mjs"]);
  await must(["test/browser/run.mjs"]);
  await must(["test/model/run.mjs"]); // every interleaving and every death of the scenarios
  await must(["test/chaos/run.mjs"]); // 300 workers killed at random
  await must(["bench/run.mjs", "--quick"]); // small parameters: no bench rots
}
