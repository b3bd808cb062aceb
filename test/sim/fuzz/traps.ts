// The traps that the fuzz test drives: every function that the core exports, with the names of its parameters as host-ts/core.ts
// declares them. A new trap is driven without a word here, if its parameters have names that values.ts knows.

import { readFileSync } from "node:fs";

export interface Trap {
  readonly name: string;
  readonly parameters: readonly string[];
}

/** What is left out, and why. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  kernel_boot: "once, in empty memory",
  kernel_check: "is called after each step",
  kernel_terminate: "ends everything: after the last step",
  processor_attach: "the first trap of an agent, which the host makes",
  processor_detach: "the last trap of an agent",
  processor_mark_gone: "a part of processor_gone",
  pmap_poke: "breaks what kernel_check looks at",
};

const MEMBER = /^ {2}(\w+)\(([^)]*)\): number;/gm;

/** The declared traps: a line a trap, or its parameters a line each. */
function declared(): Map<string, readonly string[]> {
  const source = readFileSync(new URL("../../../host-ts/core.ts", import.meta.url), "utf8");
  return new Map(
    [...source.matchAll(MEMBER)].map(([, name = "", parameters = ""]) => [
      name,
      [...parameters.matchAll(/(\w+)\??: number/g)].map(([, parameter = ""]) => parameter),
    ]),
  );
}

/** Every trap that the module exports and that is not left out. Throws if host-ts/core.ts does not declare one. */
export function trapsOf(module: WebAssembly.Module): Trap[] {
  const known = declared();
  return WebAssembly.Module.exports(module)
    .filter(({ kind, name }) => kind === "function" && LEFT_OUT[name] === undefined)
    .map(({ name }) => {
      const parameters = known.get(name);
      if (parameters === undefined) throw new Error(`host-ts/core.ts does not declare ${name}`);
      return { name, parameters };
    });
}
