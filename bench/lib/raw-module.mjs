// Compiles raw.ts, when it or this file is newer than what was compiled, and lays out the memory of its baselines.
import { mkdir, readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../", import.meta.url));
const source = fileURLToPath(new URL("../raw.ts", import.meta.url));
const binary = fileURLToPath(new URL("../build/raw.wasm", import.meta.url));

const flags = "-O3 --noAssert --runtime stub --importMemory --sharedMemory --use abort=";
const memoryFlags = "--initialMemory 2048 --maximumMemory 2048 --enable threads --enable simd";

/** Bytes of shared memory that each method has for itself. */
export const regionBytes = 4 << 20;

export async function compileRaw() {
  const age = async (file) => (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
  const newest = Math.max(await age(source), await age(fileURLToPath(import.meta.url)));
  if ((await age(binary)) < newest) {
    const asc = await import("assemblyscript/asc");
    await mkdir(new URL("../build/", import.meta.url), { recursive: true });
    const options = `${flags} ${memoryFlags}`.split(" ");
    const { error, stderr } = await asc.main(["raw.ts", "--baseDir", folder, "-o", "build/raw.wasm", ...options], {});
    if (error) throw new Error(`asc refuses bench/raw.ts: ${error.message}\n${stderr}`);
  }
  return WebAssembly.compile(await readFile(binary));
}

/** 128 MiB of address space; only what is touched is ever backed by memory. */
export const rawMemory = () => new WebAssembly.Memory({ initial: 2048, maximum: 2048, shared: true });
