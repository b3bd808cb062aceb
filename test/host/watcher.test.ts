// Goal: a burial that needs a lock which another dead thread holds goes on, since the watcher marks that one too. Method: a
// program of its own, for it would hang: workers die in pairs, one of them stopped inside the kernel with a port locked.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("two deaths at once, one of them with a lock that the other's burial needs", async () => {
  const path = fileURLToPath(new URL("./programs/two-deaths.mjs", import.meta.url));
  const run = promisify(execFile)(process.execPath, [path], { timeout: 60_000, killSignal: "SIGKILL" });
  expect((await run).stdout.trim()).toBe("survived 10");
}, 90_000);
