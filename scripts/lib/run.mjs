// What the scripts share: the project's root, running a program, and how old a set of files is.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs node with `args`; resolves with its exit code and everything it printed. */
export function node(args, { inherit = false, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env,
      stdio: ["ignore", inherit ? "inherit" : "pipe", inherit ? "inherit" : "pipe"],
    });
    let text = "";
    child.stdout?.on("data", (chunk) => (text += chunk));
    child.stderr?.on("data", (chunk) => (text += chunk));
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({ code: code ?? 1, text: signal ? `${text}killed by ${signal}\n` : text }),
    );
  });
}

/** Files below `folder` whose name matches, as paths from the root with forward slashes. */
export function files(folder, pattern) {
  let found;
  try {
    found = readdirSync(join(root, folder), { withFileTypes: true, recursive: true });
  } catch {
    return [];
  }
  return found
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join("/"),
    )
    .filter((path) => !path.includes("node_modules/"))
    .sort();
}

export function text(path) {
  return readFileSync(join(root, path), "utf8");
}

function modified(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** True if all of `outputs` exist and `stamp` was set for this list of inputs after each was last changed. */
export function fresh(stamp, inputs, outputs) {
  if (!outputs.every((path) => modified(path) > 0) || modified(stamp) === 0) return false;
  return text(stamp) === inputs.join("\n") && inputs.every((path) => modified(path) <= modified(stamp));
}

/** Notes that what is made of `inputs` is as new as `since`, when the making began. */
export function stampAt(stamp, inputs, since) {
  writeFileSync(join(root, stamp), inputs.join("\n"));
  utimesSync(join(root, stamp), since, since);
}

/** Prints `message` and ends with a failure. */
export function fail(message) {
  process.stderr.write(`${message.trimEnd()}\n`);
  process.exit(1);
}
