// Runs the smoke pages in headless Chromium: `node test/browser/run.mjs`. Needs the built package.
//
// The last line counts: "browser: N passed, N failed, N skipped". Without a browser every check is skipped, by name.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "./chromium.mjs";
import { checks as isolatedChecks } from "./pages/isolated.names.mjs";
import { checks as plainChecks } from "./pages/plain.names.mjs";
import { serve } from "./server.mjs";

const PAGES = [
  { page: "isolated", isolated: true, checks: isolatedChecks },
  { page: "plain", isolated: false, checks: plainChecks },
];
const PATIENCE_MS = 60_000;
const count = { passed: 0, failed: 0, skipped: 0 };

function report(outcome, page, name, detail) {
  count[outcome]++;
  console.log(
    `  ${outcome.padEnd(7)} ${page}: ${name}${detail ? `\n          ${detail.replaceAll("\n", "\n          ")}` : ""}`,
  );
}

/** Opens a page and reports every check that it should have made. */
async function run(context, { page: name, isolated, checks }) {
  const { server, origin } = await serve({ isolated });
  const page = await context.newPage();
  const noise = [];
  page.on("pageerror", (error) => noise.push(String(error.stack ?? error)));
  page.on("console", (message) => noise.push(message.text()));
  page.on("requestfailed", (request) => noise.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => response.status() >= 400 && noise.push(`${response.status()} ${response.url()}`));
  try {
    await page.goto(`${origin}/test/browser/pages/${name}.html`);
    const ended = await page
      .waitForFunction(() => globalThis.ended === true, null, { timeout: PATIENCE_MS })
      .then(
        () => true,
        () => false,
      );
    const results = await page.evaluate(() => globalThis.results ?? []);
    for (const check of checks) {
      const result = results.find((candidate) => candidate.name === check);
      if (result?.ok) report("passed", name, check);
      else
        report("failed", name, check, result?.error ?? (ended ? "the page did not make this check" : "the page hangs"));
    }
    if (results.filter(({ ok }) => ok).length < checks.length && noise.length > 0)
      console.log(`  the page said:\n    ${noise.join("\n    ")}`);
  } finally {
    await page.close();
    server.close();
    server.closeAllConnections();
  }
}

async function main() {
  const { path, missing } = findChromium();
  if (missing) {
    console.log(`  ${missing}`);
    for (const { page, checks } of PAGES) for (const check of checks) report("skipped", page, check);
    return;
  }
  const here = fileURLToPath(new URL(".", import.meta.url));
  if (!existsSync(join(here, "node_modules", "playwright-core"))) {
    // A shell finds npm on every system (npm.cmd on Windows).
    execFileSync("npm ci --no-audit --no-fund", { cwd: here, shell: true, stdio: ["ignore", "ignore", "inherit"] });
  }
  const { chromium } = await import("playwright-core");
  const profile = mkdtempSync(join(tmpdir(), "mach-ipc-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: path,
    headless: true,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  try {
    for (const page of PAGES) await run(context, page);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

await main();
console.log(`browser: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 ? 1 : 0;
