// What the debug and model builds export besides index.ts.

export { kernel_check } from "./trap/kernel_check";
export { pmap_drop, pmap_poke } from "./trap/kernel_check_vm";
export { processor_mark_gone } from "./recover/recover";
