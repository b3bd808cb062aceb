// What a message carries and how its arrival is checked. Every timed message has a running byte in front
// that the other end compares; the untimed check fills whole payloads from a fixed seed, compares every
// byte and folds what arrived into a hash, so that two runs can be seen to have moved the same bytes.

const SEED = 0x6d616368;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The next word of xorshift32. */
function scramble(word) {
  let next = word ^ (word << 13);
  next ^= next >>> 17;
  return next ^ (next << 5);
}

/** The byte at `offset` of message `i`. */
function byteOf(i, offset) {
  return scramble(SEED + i * 65599 + (offset >>> 2)) >>> ((offset & 3) << 3);
}

export class Probe {
  /** `full`: check every byte. `times`: an array of milliseconds to be filled, one for each message. */
  constructor({ full = false, times = null } = {}) {
    this.full = full;
    this.times = times;
    this.hash = 0;
  }

  /** Writes message `i` into `view` from `at` on. */
  fill(view, at, bytes, i) {
    view[at] = i;
    if (this.full) for (let k = 1; k < bytes; k++) view[at + k] = byteOf(i, k);
  }

  /** Compares what arrived with message `i`. */
  check(view, at, bytes, i) {
    if (view[at] !== (i & 255)) throw new Error(`message ${i} arrived as ${view[at]}`);
    if (this.full) this.#compare(view, at, bytes, i);
    if (this.times !== null) this.times[i] = performance.now();
  }

  /** A sum of hashes: answers that overtake each other give the same one. */
  #compare(view, at, bytes, i) {
    let hash = FNV_OFFSET ^ i;
    for (let k = 1; k < bytes; k++) {
      const byte = view[at + k];
      if (byte !== (byteOf(i, k) & 255)) throw new Error(`message ${i} differs at byte ${k}`);
      hash = Math.imul(hash ^ byte, FNV_PRIME);
    }
    this.hash = (this.hash + hash) >>> 0;
  }
}
