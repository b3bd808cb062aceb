// The example of a server with state per client (examples/sessions): freed once when the client is gone, never under a client that
// has just been given a right again (A144), however it ends.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { Sessions } from "../../examples/sessions/sessions.mjs";
import { until } from "./lib.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const main = new URL("../../examples/sessions/main.mjs", import.meta.url).pathname;

test("A144 a session that is handed out again while its end is on the way is kept, and freed once in the end", async () => {
  await using kernel = await Kernel.boot();
  const freed: unknown[] = [];
  const sessions = new Sessions(kernel.task, (name: number, state: unknown) => freed.push([name, state]));
  let begun = 0;
  const open = () => sessions.open(1, () => ++begun);
  open()[Symbol.dispose](); // the notification is queued, and nobody has read it
  const again = open();
  for (let turns = 0; turns < 20; turns++) await turn();
  expect([begun, sessions.size, freed]).toEqual([1, 1, []]);
  again[Symbol.dispose]();
  await until(() => freed.length > 0);
  expect([sessions.size, freed]).toEqual([0, [[1, 1]]]);
  open()[Symbol.dispose](); // who comes later begins anew
  await until(() => freed.length > 1);
  expect([begun, sessions.size]).toEqual([2, 0]);
});

test("A144 many sessions given up and asked for at every moment are freed as often as they began", async () => {
  await using kernel = await Kernel.boot();
  let begun = 0;
  let freed = 0;
  const held = new Set<number>();
  const sessions = new Sessions(kernel.task, (name: number) => {
    if (held.has(name)) throw new Error(`session ${name} was freed under its client`);
    freed++;
  });
  for (let round = 0; round < 2000; round++) {
    const name = round % 5;
    held.add(name);
    const right = sessions.open(name, () => ++begun);
    if (round % 7 === 0) await turn();
    else if (round % 3 === 0) await null;
    expect(sessions.size).toBeGreaterThan(0);
    held.delete(name);
    right[Symbol.dispose]();
    if (round % 11 === 0) await turn();
  }
  await until(() => sessions.size === 0);
  expect(begun).toBeGreaterThan(5);
  expect(freed).toBe(begun);
});

test("clients that dispose, exit or are killed leave no session behind", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, "50"], { timeout: 25_000 });
  expect(stdout).toMatch(/^3 clients, 150 rights handed out, \d+ sessions freed, 0 left\n$/);
});
