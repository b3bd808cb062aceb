// The memory of a kernel and the module that runs on it: what every agent shares, and whether this
// build may touch it.

import {
  HEADER,
  HEADER_MAGIC,
  Header_h_hash,
  Header_h_layout,
  Header_h_magic,
  LAYOUT_VERSION,
} from "../abi/layout.gen.js";
import type { Views } from "../memory/views.js";
import { buildHash, VERSION } from "../version.js";

/** What an agent needs to attach; structured-cloneable. */
export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly version: string;
}

/** An instance of the module for the agent whose record is at `record`. */
export async function instantiate(kernelMemory: KernelMemory, record: number): Promise<WebAssembly.Exports> {
  const processor = new WebAssembly.Global({ value: "i32", mutable: false }, record);
  const env = { memory: kernelMemory.memory, processor, now: (): number => performance.now() };
  const instance = await WebAssembly.instantiate(kernelMemory.module, { env });
  return instance.exports;
}

/** Why this build must not touch that memory; empty if it may. */
export function reasonsToRefuse(views: Views, { version }: KernelMemory): string[] {
  const reasons: string[] = [];
  if (version !== VERSION) reasons.push(`the kernel is of mach-ipc ${version}, this thread loaded ${VERSION}`);
  if (views.u32(HEADER + Header_h_magic) !== HEADER_MAGIC >>> 0) reasons.push("the memory holds no kernel");
  else if (views.u32(HEADER + Header_h_layout) !== LAYOUT_VERSION)
    reasons.push("its memory layout has another version");
  else if (views.u32(HEADER + Header_h_hash) !== buildHash()) reasons.push("it was built from other sources");
  return reasons;
}
