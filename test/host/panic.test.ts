// Goal: when the kernel panics, whoever waits is told. Method: a program of its own, since what is not told would hang.

import { expect, test } from "vitest";
import { output } from "./lib.js";

test("a panic ends every wait: sends, calls, receives and notifications", async () => {
  expect(await output("panic.mjs")).toBe("KERN_TERMINATED");
}, 90_000);
