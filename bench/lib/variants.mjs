// The kernels of `discipline`: the shipped one, and what the same source gives without the parts that
// exist only for crashes. Compiled when a file of the core is newer than what was compiled.
import { mkdir, readFile, rename } from "node:fs/promises";
import { inline } from "../../scripts/lib/inline.mjs";
import { files, fresh, node, root, stampAt } from "../../scripts/lib/run.mjs";

const ASC = "node_modules/assemblyscript/bin/asc.js";

/** Name, and the value of KERN_BARE: a sum of the parts that are left out (core-as/kern/bare.ts). */
export const kernels = {
  shipped: 0,
  "without all": 15,
  "without undo log": 1,
  "without held list": 2,
  "without state word": 4,
  "without owner words": 8,
};

const fileOf = (parts) => (parts === 0 ? "dist/kernel.wasm" : `bench/build/kernel.bare${parts}.wasm`);

/** Brings the kernels that are not shipped up to date. */
export async function compileVariants() {
  await mkdir(new URL("../build/", import.meta.url), { recursive: true });
  for (const parts of Object.values(kernels)) if (parts !== 0) await compile(parts);
}

async function compile(parts) {
  const outFile = fileOf(parts);
  const stamp = `${outFile}.stamp`;
  const inputs = [...files("core-as", /\.ts$/), "asconfig.json", "scripts/lib/inline.mjs"];
  if (fresh(stamp, inputs, [outFile])) return;
  const since = new Date();
  const temporary = `${outFile}.${process.pid}`;
  const flags = ["--target", "release", "--use", `KERN_BARE=${parts}`, "--outFile", temporary];
  const { code, text } = await node([ASC, ...flags]);
  const problem = code === 0 ? await inline(temporary) : text;
  if (problem) throw new Error(`KERN_BARE=${parts}: ${problem}`);
  await rename(`${root}/${temporary}`, `${root}/${outFile}`);
  stampAt(stamp, inputs, since);
}

export async function moduleOf(kernel) {
  return WebAssembly.compile(await readFile(`${root}/${fileOf(kernels[kernel])}`));
}
