// For the matrix (test/matrix): notes which code each call of level 1 answered in which test. Does nothing unless MATRIX names a
// folder to write to.

import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import type { Traps } from "mach-ipc/traps";
import { MACH_IPC_RETRY } from "../../host-ts/abi/codes.gen.ts";

const folder = process.env.MATRIX;
const seen = new Set<string>();

if (folder !== undefined) {
  afterAll(() => {
    mkdirSync(folder, { recursive: true });
    if (seen.size > 0) appendFileSync(join(folder, `${process.pid}.jsonl`), `${[...seen].join("\n")}\n`);
    seen.clear();
  });
}

/** Notes an answer, also one that came later: of the same call's form for event loops. */
export function note(call: string, code: number): void {
  if (folder === undefined || code === MACH_IPC_RETRY) return; // a completion that says: look again
  const { currentTestName, testPath } = expect.getState();
  seen.add(JSON.stringify({ call, code: code >>> 0, test: currentTestName ?? "", path: testPath ?? "" }));
}

/** The calls, noted when the matrix is made. */
export function recorded(calls: Traps): Traps {
  if (folder === undefined) return calls;
  const noted = Object.entries(calls).map(([name, call]) => [
    name,
    (...given: unknown[]): unknown => {
      const answer = (call as (...all: unknown[]) => unknown)(...given);
      if (typeof answer === "number") note(name, answer);
      return answer;
    },
  ]);
  return Object.fromEntries(noted) as Traps;
}
