// A process that runs suites against one mutant after another: test files are loaded once, by vite, and their tests run again for each
// until one fails. Its parent ends it when a mutant does not come to an end.

import { become, seen } from "./kernels.mjs";
import { fileURLToPath } from "node:url";
import { createServer, createServerModuleRunner } from "vite";

const [tree] = process.argv.slice(2);
const TEST_MS = 20_000;
const SHIM = fileURLToPath(new URL("vitest.mjs", import.meta.url));

const ENTRIES = { "mach-ipc": "index", "mach-ipc/traps": "traps", "mach-ipc/mig": "mig" };
const PACKAGE = new Map();
for (const [id, name] of Object.entries(ENTRIES)) PACKAGE.set(id, await import(`${tree}/dist/${name}.js`));
globalThis.ofPackage = PACKAGE;

console.log = () => {}; // what suites measure

const server = await createServer({
  root: tree,
  configFile: false,
  logLevel: "error",
  oxc: { target: "node20" },
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
  optimizeDeps: { noDiscovery: true },
  resolve: {
    alias: [
      { find: "#platform", replacement: `${tree}/host-ts/platform/node.ts` },
      { find: /^vitest$/, replacement: SHIM },
    ],
  },
  plugins: [
    {
      name: "suites",
      enforce: "pre",
      // The package is loaded by Node itself, from its build, as its users load it.
      resolveId: (id) => (PACKAGE.has(id) ? `\0${id}` : undefined),
      load(id) {
        const names = PACKAGE.get(id.slice(1));
        if (names === undefined) return undefined;
        return `export const { ${Object.keys(names).join(", ")} } = globalThis.ofPackage.get("${id.slice(1)}");`;
      },
    },
  ],
});
const runner = createServerModuleRunner(server.environments.ssr, { hmr: false });
const { collect } = await runner.import(SHIM);

let unhandled;
process.on("unhandledRejection", (error) => (unhandled = error));
process.on("uncaughtException", (error) => (unhandled = error));

const loaded = new Map();
async function suite(path) {
  if (!loaded.has(path)) loaded.set(path, await collect(() => runner.import(`${tree}/${path}`)));
  return loaded.get(path);
}

async function attempt(run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("does not end")), TEST_MS);
  });
  try {
    await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs the tests of one file. Returns what failed, or undefined. */
async function fails(path) {
  const { tests, before, after, all } = await suite(path);
  for (const { name, run } of tests) {
    unhandled = undefined;
    try {
      for (const each of [...all.splice(0), ...before]) await attempt(each);
      await attempt(run);
      for (const each of after) await attempt(each);
      await new Promise((resolve) => setImmediate(resolve));
      if (unhandled !== undefined) throw unhandled;
    } catch (error) {
      return { file: path, found: `${name}: ${String(error?.message ?? error).split("\n")[0]}` };
    }
  }
  return undefined;
}

process.on("message", async ({ mutant, path }) => {
  // Loaded without a mutant: what a file makes once belongs to all.
  become(0);
  try {
    await suite(path);
    become(mutant);
    const start = performance.now();
    const failed = await fails(path);
    process.send({ failed, seconds: (performance.now() - start) / 1000, reach: seen() });
  } catch (error) {
    process.send({ broke: String(error?.stack ?? error) });
  }
});
process.send({ ready: true });
