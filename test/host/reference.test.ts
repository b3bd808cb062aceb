// The reference (docs/reference) has a page for every call that a program finds, and no other.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { traps } from "mach-ipc/traps";

const folder = new URL("../../docs/reference/", import.meta.url);

test("every call of level 1 has its page with codes or a result, source and difference, and is in the index", async () => {
  await using kernel = await Kernel.boot();
  const calls = Object.keys(traps(kernel.task)).sort();
  const pages = readdirSync(folder).filter((name) => name !== "README.md");
  expect(pages.sort()).toEqual(calls.map((call) => `${call}.md`));
  const index = readFileSync(new URL("README.md", folder), "utf8");
  for (const call of calls) {
    expect(index).toContain(`[${call}](${call}.md)`);
    const page = readFileSync(new URL(`${call}.md`, folder), "utf8");
    expect(page).toContain(`mach.${call}(`);
    expect(page).toMatch(/\n\| code \| \| when \||\n\*\*Returns\*\* \w/);
    expect(page).toMatch(/\n\*\*In Mach\*\* \w/);
    expect(page).toMatch(/\n\*\*Differs\*\* \w/);
  }
});
