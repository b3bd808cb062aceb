// Indexes real text with worker tasks: `npm start -- [FILE...] [--kill]`.
//
// A coordinator maps the text once, finds its workers by name, deals ranges of pages out to them by typed calls over Mach
// ports, and merges what they count. The same job runs on a single thread, which must come to the same result, and over postMessage.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { indexWithPorts } from "./index/coordinator.mjs";
import { PIECE_BYTES } from "./index/interface.mjs";
import { indexWithPostMessage } from "./index/post-message.mjs";
import { cut, defaultFiles, read } from "./index/text.mjs";
import { count, equal, sum } from "./index/words.mjs";

const USAGE = "usage: npm start -- [FILE...] [--kill]   (--kill: one worker is terminated half way)";

async function main() {
  let options;
  try {
    options = parseArgs({ allowPositionals: true, options: { kill: { type: "boolean" }, help: { type: "boolean" } } });
  } catch (error) {
    return fail(2, `${error.message}\n${USAGE}`);
  }
  if (options.values.help) return console.log(USAGE);

  const files = options.positionals.length > 0 ? options.positionals : defaultFiles();
  let pieces;
  let texts;
  try {
    texts = files.map((path) => ({ path, text: read(path) }));
    pieces = cut(texts, PIECE_BYTES);
  } catch (error) {
    return fail(2, error.message);
  }
  const bytes = texts.reduce((total, { text }) => total + text.length, 0);
  const workers = Math.max(2, Math.min(4, availableParallelism()));
  console.log(`${files.length} files, ${(bytes / 1e6).toFixed(1)} MB, ${pieces.length} pieces, ${workers} workers`);

  const alone = new Map();
  const begun = performance.now();
  for (const { text } of texts) count(text, alone);
  const aloneMs = performance.now() - begun;

  const posted = await indexWithPostMessage(pieces, { workers, progress: bar("postMessage") });
  const ports = await indexWithPorts(pieces, {
    workers,
    kill: options.values.kill ?? false,
    progress: bar("mach-ipc"),
  });

  console.log("\nmost frequent words");
  const frequent = [...alone].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 10);
  for (const [word] of frequent) console.log(`  ${String(ports.total.get(word) ?? 0).padStart(8)} ${word}`);

  console.log("\n                 start      work   words    different");
  row("one thread", 0, aloneMs, alone);
  row("postMessage", posted.startMs, posted.workMs, posted.total);
  row("mach-ipc", ports.startMs, ports.workMs, ports.total);
  console.log(`\npieces by worker: ${ports.shares.join(", ")}`);
  if (ports.killed) console.log(`${ports.killed} was terminated: ${ports.again} pieces were dealt out again`);

  if (!equal(alone, ports.total)) return fail(1, "mach-ipc: the totals differ from those of one thread");
  if (!equal(alone, posted.total)) return fail(1, "postMessage: the totals differ from those of one thread");
  if (options.values.kill && pieces.length > 0 && !ports.killed) return fail(1, "--kill: no worker was terminated");
  console.log("the totals agree");
}

function row(name, startMs, workMs, counts) {
  const ms = (value) => `${value.toFixed(0)} ms`.padStart(10);
  console.log(
    `${name.padEnd(12)}${ms(startMs)}${ms(workMs)} ${String(sum(counts)).padStart(8)} ${String(counts.size).padStart(8)}`,
  );
}

/** Draws progress, on a terminal only. */
function bar(title) {
  if (!process.stderr.isTTY) return () => {};
  return (done, all) => {
    const width = 32;
    const filled = Math.round((done / all) * width);
    process.stderr.write(`\r${title.padEnd(12)} [${"#".repeat(filled)}${".".repeat(width - filled)}] ${done}/${all}`);
    if (done === all) process.stderr.write("\r\x1b[K");
  };
}

function fail(code, message) {
  console.error(message);
  process.exitCode = code;
}

await main();
