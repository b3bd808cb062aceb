// Goal: a burial that needs a lock which another dead thread holds goes on, since the watcher marks that one too, be it a worker or
// the reaper. Method: programs of their own, for they would hang: somebody dies who was stopped, or slowed down, with the lock.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

async function output(program: string): Promise<string> {
  const path = fileURLToPath(new URL(`./programs/${program}`, import.meta.url));
  const run = promisify(execFile)(process.execPath, [path], { timeout: 60_000, killSignal: "SIGKILL" });
  return (await run).stdout.trim();
}

test("two deaths at once, one of them with a lock that the other's burial needs", async () => {
  expect(await output("two-deaths.mjs")).toBe("survived 10");
}, 90_000);

test("the reaper ends with the kernel in the middle of a burial that the closing thread waits for", async () => {
  expect(await output("reaper-dies.mjs")).toBe("survived 5");
}, 90_000);
