// The text to index, and its cut into pieces.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The files to index when none is named: every declaration and every page of documentation (*.d.ts, *.md) of the
 * packages that `npm ci` installs, some 10 MB, mostly English comments. The order is that of the paths.
 */
export function defaultFiles() {
  const found = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && /\.(d\.[cm]?ts|md)$/.test(entry.name)) found.push(path);
    }
  };
  walk(fileURLToPath(new URL("../../node_modules", import.meta.url)));
  return found.sort();
}

/** The bytes of a file, in memory of this thread. */
export function read(path) {
  return new Uint8Array(readFileSync(path));
}

/** Cuts texts into pieces of at most `limit` bytes, between words. Small texts share a piece. */
export function cut(texts, limit) {
  const pieces = [];
  let gathered = [];
  let bytes = 0;
  const flush = () => {
    if (bytes > 0) pieces.push(join8(gathered, bytes));
    gathered = [];
    bytes = 0;
  };
  for (const { path, text } of texts) {
    let from = 0;
    while (from < text.length) {
      const to = text.length - from < limit ? text.length : lastBreak(path, text, from, from + limit);
      if (bytes + (to - from) + 1 > limit) flush();
      gathered.push(text.subarray(from, to));
      bytes += to - from + 1; // a line break between texts
      from = to;
    }
  }
  flush();
  return pieces;
}

/** The last place in text[from, to) with a byte before it that belongs to no word. */
function lastBreak(path, text, from, to) {
  for (let end = to - 1; end > from; end--) {
    const before = text[end - 1];
    if (before < 0x41 || (before > 0x5a && before < 0x61) || (before > 0x7a && before < 0x80)) return end;
  }
  throw new Error(`${path}: ${to - from} bytes without a break between words: is this text?`);
}

function join8(parts, bytes) {
  const joined = new Uint8Array(bytes).fill(0x0a);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length + 1;
  }
  return joined;
}
