// Packs the package, installs the tarball in an empty folder and runs there, with plain Node, what README.md prints: its code
// blocks are the files of the example. `node test/pack/run.mjs`; needs the built package.
//
// In README.md each file of the example is a block of JavaScript whose first line is a comment with the file's name; the
// block of shell commands behind them has `npm install mach-ipc` and `node FILE`; a block of text behind that is what it prints.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const count = { passed: 0, failed: 0 };

function check(name, body) {
  try {
    body();
    count.passed++;
    console.log(`  passed  ${name}`);
  } catch (error) {
    count.failed++;
    console.log(
      `  failed  ${name}\n          ${String(error.stderr || error.message || error).replaceAll("\n", "\n          ")}`,
    );
  }
}

function same(actual, expected) {
  if (actual !== expected) throw new Error(`expected\n${expected}\nbut got\n${actual}`);
}

/** A shell finds npm on every system (npm.cmd on Windows). */
function npm(command, cwd) {
  return execFileSync(`npm ${command}`, { cwd, shell: true, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function node(args, cwd) {
  return execFileSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** The code blocks of a page: language and text. */
function blocks(markdown) {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({ language, text }));
}

const folder = mkdtempSync(join(tmpdir(), "mach-ipc-pack-"));
try {
  const [packed] = JSON.parse(npm(`pack --ignore-scripts --json --pack-destination "${folder}"`, ROOT));
  const tarball = join(folder, packed.filename);
  const { exports, version, name } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

  check("the tarball has what is shipped and nothing else", () => {
    const strangers = packed.files
      .map(({ path }) => path)
      .filter((path) => !/^(dist\/.*\.(js|d\.ts|wasm)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path));
    same(strangers.join("\n"), "");
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
      if (!packed.files.some(({ path }) => path === file)) throw new Error(`${file} is missing`);
    }
  });

  check("it installs in an empty folder, alone", () => {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
    npm(`install --no-audit --no-fund --offline "./${packed.filename}"`, folder);
    const installed = readdirSync(join(folder, "node_modules")).filter((entry) => !entry.startsWith("."));
    same(installed.join(), name);
    same(JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8")).version, version);
  });

  check("every entry can be imported and has its types", () => {
    const entries = Object.keys(exports).map((entry) => name + entry.slice(1));
    const modules = entries.filter((entry) => !/\.(wasm|json)$/.test(entry));
    writeFileSync(
      join(folder, "entries.mjs"),
      `${modules.map((entry) => `await import(${JSON.stringify(entry)});\n`).join("")}` +
        `for (const entry of ${JSON.stringify(entries)}) import.meta.resolve(entry);\nconsole.log("all");\n`,
    );
    same(node(["entries.mjs"], folder).trim(), "all");
    for (const targets of Object.values(exports)) {
      for (const path of typeof targets === "string" ? [targets] : Object.values(targets)) {
        if (!existsSync(join(folder, "node_modules", name, path))) throw new Error(`${path} is missing`);
      }
    }
  });

  const page = blocks(readFileSync(join(ROOT, "README.md"), "utf8"));
  const files = new Map();
  for (const { language, text } of page) {
    const file = /^(?:js|javascript|mjs)$/.test(language) && /^\/\/ (\S+\.m?js)\b/.exec(text)?.[1];
    if (file) files.set(file, text);
  }
  const commandsAt = page.findIndex(
    ({ language, text }) => /^(sh|bash|shell|console)$/.test(language) && /^(\$ )?node \S+\.m?js/m.test(text),
  );

  check("README.md prints the files of an example and the command that runs it", () => {
    if (files.size === 0) throw new Error("no block of JavaScript begins with a comment that names its file");
    if (commandsAt < 0) throw new Error("no block of shell commands has `node FILE`");
  });

  check("the example of README.md runs as printed", () => {
    for (const [file, text] of files) writeFileSync(join(folder, file), text);
    const command = /^(?:\$ )?node (\S+\.m?js)/m.exec(page[commandsAt].text)[1];
    const printed = node([command], folder);
    const next = page[commandsAt + 1];
    if (next && /^(text|txt)?$/.test(next.language)) same(printed.trim(), next.text.trim());
    else if (!/HELLO[\s\S]*HELLO/.test(printed)) throw new Error(`it prints\n${printed}`);
  });
  if (!existsSync(tarball)) throw new Error(`${tarball} is gone`);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
console.log(`pack: ${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;
