// Builds what ships and what the tests need, and only what is older than its inputs:
//   core-as  -> dist/kernel.wasm, build/kernel.debug.wasm, build/kernel.model.wasm
//   core-as  -> host-ts/abi/*.gen.ts (gen-abi.mjs)
//   host-ts  -> dist/**, and dist/browser/**: the same modules bound to the browser's platform, for import maps do not
//               reach into workers, so that no bare specifier may be left there
// Enforces that a warning of asc is an error, and that no file without a source is left in dist to be shipped.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { inline } from "./lib/inline.mjs";
import { fail, files, fresh, node, root, stampAt, text } from "./lib/run.mjs";

const ASC = "node_modules/assemblyscript/bin/asc.js";
const TSC = "node_modules/typescript/bin/tsc";
const HOST_STAMP = "build/host.stamp";
/** Modules that have no business in a browser. */
const NODE_ONLY = /^(platform\/node|cli\/.*)$/;
const ABI_STAMP = "build/abi.stamp";

const core = [...files("core-as", /\.ts$/), "asconfig.json", "node_modules/assemblyscript/package.json"];
const config = JSON.parse(text("asconfig.json"));
const verbose = process.argv.includes("--verbose");

/** Compiles one target to a temporary file and moves it into place, so that nobody loads half a kernel. */
async function kernel(target) {
  const { outFile } = config.targets[target];
  const stamp = `build/${target}.stamp`;
  const since = new Date();
  if (fresh(stamp, core, [outFile])) return undefined;
  rmSync(join(root, stamp), { force: true });
  mkdirSync(join(root, dirname(outFile)), { recursive: true });
  const temporary = `build/${target}.${process.pid}.wasm`;
  const entries = target === "release" ? [] : ["core-as/debug.ts"]; // added to those of asconfig.json
  const { code, text: said } = await node([ASC, ...entries, "--target", target, "--outFile", temporary]);
  if (code !== 0) return `asc, target ${target}:\n${said}`;
  const inlined = target === "release" ? await inline(temporary) : undefined;
  if (inlined) return inlined;
  renameSync(join(root, temporary), join(root, outFile));
  if (/\bWARNING\b/.test(said)) return `asc, target ${target}; warnings are errors:\n${said}`;
  stampAt(stamp, core, since);
  return undefined;
}

/** Generates what the host knows of the core. */
async function abi() {
  const inputs = [...core, "scripts/gen-abi.mjs"];
  const since = new Date();
  if (fresh(ABI_STAMP, inputs, ["host-ts/abi/codes.gen.ts", "host-ts/abi/layout.gen.ts"])) return undefined;
  const { code, text: said } = await node(["scripts/gen-abi.mjs"]);
  if (code !== 0) return `gen-abi:\n${said}`;
  stampAt(ABI_STAMP, inputs, since);
  return undefined;
}

/** Type-checks host-ts and emits it for both platforms. */
async function host() {
  const sources = files("host-ts", /\.ts$/);
  const inputs = [...sources, "tsconfig.json", "tsconfig.base.json", "scripts/build.mjs"];
  const modules = sources.filter((path) => !path.endsWith(".d.ts")).map((path) => path.slice("host-ts/".length, -3));
  const forBrowsers = modules.filter((name) => !NODE_ONLY.test(name));
  const since = new Date();
  const shipped = [
    ...modules.map((name) => `dist/${name}.js`),
    ...forBrowsers.map((name) => `dist/browser/${name}.js`),
  ];
  if (fresh(HOST_STAMP, inputs, shipped)) return undefined;

  rmSync(join(root, HOST_STAMP), { force: true });
  const { code, text: said } = await node([TSC, "-p", "tsconfig.json"]);
  const bare = forBrowsers.filter((name) => !bindToBrowser(name));
  prune(new Set(modules.map((name) => `dist/${name}`)), new Set(forBrowsers.map((name) => `dist/browser/${name}`)));
  if (code !== 0) return `tsc:\n${said}`;
  if (bare.length > 0) return `host-ts/${bare[0]}.ts imports a bare specifier: only host-ts/platform/node.ts may`;
  stampAt(HOST_STAMP, inputs, since);
  return undefined;
}

/** Writes a module to dist/browser. False if it imports what a browser cannot resolve without an import map. */
function bindToBrowser(name) {
  const emitted = join(root, `dist/${name}.js`);
  if (!existsSync(emitted)) return true; // tsc said why
  const target = `dist/browser/${name}.js`;
  const platform = relative(dirname(target), "dist/browser/platform/browser.js").replaceAll("\\", "/");
  const bound = readFileSync(emitted, "utf8")
    .replaceAll('"#platform"', `"${platform.startsWith(".") ? platform : `./${platform}`}"`)
    .replaceAll('"../kernel.wasm"', '"../../kernel.wasm"');
  mkdirSync(join(root, dirname(target)), { recursive: true });
  writeFileSync(join(root, target), bound);
  return !/^(import|export) ([^;"]* from )?"[^.]/m.test(bound);
}

/** Removes from dist what no source makes any more. */
function prune(...emitted) {
  for (const path of files("dist", /\.(js|d\.ts)$/)) {
    const name = path.replace(/(\.d\.ts|\.js)$/, "");
    if (!emitted.some((names) => names.has(name))) rmSync(join(root, path));
  }
}

async function step(name, work) {
  const start = performance.now();
  const tick = process.stdout.isTTY && setTimeout(() => process.stdout.write(`${name} ...\n`), 2000);
  const problem = await work();
  if (tick) clearTimeout(tick);
  if (verbose) process.stdout.write(`${name}: ${Math.round(performance.now() - start)} ms\n`);
  return problem;
}

mkdirSync(join(root, "build"), { recursive: true });
const problems = await Promise.all([
  ...Object.keys(config.targets).map((target) => step(`core (${target})`, () => kernel(target))),
  step("host", async () => (await abi()) ?? host()),
]);
const found = problems.filter((problem) => problem !== undefined);
if (found.length > 0) fail(found.join("\n"));
