// What a result depends on beside the code that is measured.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

function git(...words) {
  const { status, stdout } = spawnSync("git", words, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

function versionOf(name) {
  try {
    const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    return JSON.parse(readFileSync(file, "utf8")).version;
  } catch {
    return null;
  }
}

export function environment(parameters) {
  const cpus = os.cpus();
  return {
    commit: git("rev-parse", "HEAD"),
    changed: git("status", "--porcelain") !== "",
    date: new Date().toISOString(),
    cpu: cpus[0]?.model ?? null,
    cores: cpus.length,
    load: os.loadavg(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    versions: {
      node: process.version,
      v8: process.versions.v8,
      comlink: versionOf("comlink"),
      "ringbuf.js": versionOf("ringbuf.js"),
    },
    flags: { node: process.execArgv, NODE_OPTIONS: process.env.NODE_OPTIONS ?? "" },
    parameters,
    method:
      "value: third-fastest round (fairness: median round); ratio: value / baselineValue; " +
      "methods take turns within one process and the same pinned threads; a round starts with an " +
      "untimed eighth; payloads from a fixed seed, checked whole before, and during timing by one byte, or by the sum of what is read",
  };
}
