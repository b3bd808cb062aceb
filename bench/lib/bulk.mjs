// What a large payload holds and how it is read. Word k of a payload is a fixed mix of k, but the first word of what is written
// before or after an exchange is a running number, so that stale bytes are seen. Every method's payload is written and read by
// these loops, over one or more pieces (Int32Arrays of whole pages).

export const PAGE_BYTES = 4096;
const PAGE_WORDS = PAGE_BYTES / 4;
const MIX = 0x9e3779b1;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

const contents = new Map();

/** A payload of that size, kept; its first word is 0. */
export function contentOf(bytes) {
  let content = contents.get(bytes);
  if (!content) {
    content = new Int32Array(bytes / 4);
    for (let k = 0; k < content.length; k++) content[k] = Math.imul(k, MIX);
    contents.set(bytes, content);
  }
  return content;
}

/** Copies a whole payload into `pieces`. */
export function copyInto(pieces, content) {
  let at = 0;
  for (const piece of pieces) {
    piece.set(piece.length === content.length ? content : content.subarray(at, at + piece.length));
    at += piece.length;
  }
}

/** Compares every word with `content`, but the first with `number`. Returns a hash of all words, in their order. */
export function compareBytes(pieces, content, number) {
  let hash = FNV_OFFSET | 0;
  let k = 0;
  for (const piece of pieces) {
    for (let i = 0; i < piece.length; i++, k++) {
      const word = piece[i];
      if (word !== (k === 0 ? number : content[k])) throw new Error(`exchange ${number} differs at byte ${4 * k}`);
      hash = Math.imul(hash ^ word, FNV_PRIME);
    }
  }
  if (k !== content.length) throw new Error(`exchange ${number} has ${4 * k} bytes`);
  return hash;
}

/** The sum of all words, each read once; four sums, for one would be bound by its additions. */
function sumPiece(piece) {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < piece.length; i += 4) {
    a = (a + piece[i]) | 0;
    b = (b + piece[i + 1]) | 0;
    c = (c + piece[i + 2]) | 0;
    d = (d + piece[i + 3]) | 0;
  }
  return (a + b + c + d) | 0;
}

export const sumBytes = (pieces) => pieces.reduce((sum, piece) => (sum + sumPiece(piece)) | 0, 0);

/** The sum of the first word of every page. */
export function sumPages(pieces) {
  let sum = 0;
  for (const piece of pieces) {
    for (let i = 0; i < piece.length; i += PAGE_WORDS) sum = (sum + piece[i]) | 0;
  }
  return sum;
}

/** Writes `number` into the first word of every page of `pieces`. */
export function stampPages(pieces, number) {
  for (const piece of pieces) for (let i = 0; i < piece.length; i += PAGE_WORDS) piece[i] = number;
}

/** Which pages are written: runs of them, spread evenly. `part` of 1 is all, in one run. */
export function runsOf(bytes, part) {
  const pages = bytes / PAGE_BYTES;
  if (part === 0) return [];
  if (part === 1) return [{ first: 0, pages }];
  const count = Math.max(1, Math.round(pages * part));
  return Array.from({ length: count }, (_, i) => ({ first: Math.floor((i * pages) / count), pages: 1 }));
}

export const pagesOf = (runs) => runs.reduce((sum, { pages }) => sum + pages, 0);
