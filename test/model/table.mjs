// A set of 64-bit keys, open addressing, grown by doubling.

export class Table {
  constructor(bits = 16) {
    this.size = 0;
    this.#reserve(bits);
  }

  #reserve(bits) {
    this.mask = (1 << bits) - 1;
    this.keys = new Int32Array(2 << bits);
    this.bits = bits;
  }

  /** Adds a key. Returns: whether it was new. */
  add([one, two]) {
    const high = two === 0 && one === 0 ? 1 : one; // 0, 0 marks an empty slot
    if (this.size * 2 > this.mask) this.#grow();
    return this.#insert(high, two);
  }

  #insert(one, two) {
    let slot = (one ^ (two << 7)) & this.mask;
    while (this.keys[slot * 2] !== 0 || this.keys[slot * 2 + 1] !== 0) {
      if (this.keys[slot * 2] === one && this.keys[slot * 2 + 1] === two) return false;
      slot = (slot + 1) & this.mask;
    }
    this.keys[slot * 2] = one;
    this.keys[slot * 2 + 1] = two;
    this.size++;
    return true;
  }

  #grow() {
    const { keys } = this;
    this.size = 0;
    this.#reserve(this.bits + 1);
    for (let at = 0; at < keys.length; at += 2) {
      if (keys[at] !== 0 || keys[at + 1] !== 0) this.#insert(keys[at], keys[at + 1]);
    }
  }
}
