// Goal: a kernel keeps a process alive as long as something is awaited, and no longer. Method: programs in ./programs, each
// a process of its own that must end by itself.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** What a program prints; rejects when it fails or does not end. */
async function run(program: string): Promise<string[]> {
  const path = fileURLToPath(new URL(`./programs/${program}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path], { timeout: 20_000, killSignal: "SIGKILL" });
  return stdout.trim().split("\n");
}

test("an idle kernel does not keep the process alive", async () => {
  expect(await run("idle.mjs")).toEqual(["idle"]);
});

test("a pending receive keeps the process alive", async () => {
  expect(await run("pending-receive.mjs")).toEqual(["received 42"]);
});

test("a pending call keeps the process alive", async () => {
  expect(await run("pending-call.mjs")).toEqual(["answered 7"]);
});

test("close wakes who waits, ends who was spawned and leaves nothing running", async () => {
  expect(await run("close.mjs")).toEqual(["KERN_TERMINATED", "3", "left: 0"]);
});
