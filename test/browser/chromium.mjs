// Finds Chromium, or installs it where that is possible without asking: on Debian, as root.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const CANDIDATES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The path of a browser, or why there is none. */
export function findChromium() {
  const found = CANDIDATES.find((path) => path && existsSync(path));
  if (found) return { path: found };
  if (!existsSync("/etc/debian_version")) return { missing: "Chromium is not installed (set CHROMIUM to its path)" };
  if (process.getuid?.() !== 0) {
    return { missing: "Chromium is not installed: apt-get install --no-install-recommends chromium" };
  }
  try {
    const quietly = { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
    execFileSync("apt-get", ["update", "-qq"], quietly);
    execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "chromium"], quietly);
  } catch (error) {
    return {
      missing: `Chromium could not be installed: ${String(error.stderr ?? error.message)
        .trim()
        .split("\n")
        .at(-1)}`,
    };
  }
  return existsSync("/usr/bin/chromium") ? { path: "/usr/bin/chromium" } : { missing: "apt-get installed no Chromium" };
}
