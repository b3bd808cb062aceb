// Counting words: used alike by the workers, by the single thread and by the job over postMessage.

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Adds the words of `text` (UTF-8) to `counts`. A word is a run of letters, in lower case. */
export function count(text, counts) {
  for (const [word] of decoder.decode(text).matchAll(/\p{L}+/gu)) {
    const key = word.toLowerCase();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Counts as bytes: lines of "word count". */
export function encode(counts) {
  const lines = [];
  for (const [word, times] of counts) lines.push(`${word} ${times}\n`);
  return encoder.encode(lines.join(""));
}

/** Adds what `encode` wrote to `total`. */
export function merge(bytes, total) {
  for (const line of decoder.decode(bytes).split("\n")) {
    if (line === "") continue;
    const space = line.lastIndexOf(" ");
    const word = line.slice(0, space);
    total.set(word, (total.get(word) ?? 0) + Number(line.slice(space + 1)));
  }
  return total;
}

/** True if both count the same words equally often. */
export function equal(a, b) {
  if (a.size !== b.size) return false;
  for (const [word, times] of a) if (b.get(word) !== times) return false;
  return true;
}

/** Number of words counted. */
export function sum(counts) {
  let words = 0;
  for (const times of counts.values()) words += times;
  return words;
}
