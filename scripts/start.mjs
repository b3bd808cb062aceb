// `npm start -- ARGUMENTS`: builds, quietly, and runs the example program on the arguments.

import { node } from "./lib/run.mjs";

const built = await node(["scripts/build.mjs"], { inherit: true });
if (built.code !== 0) process.exit(built.code);
const { code } = await node(["examples/main.mjs", ...process.argv.slice(2)], { inherit: true });
process.exit(code);
