// A set of 64-bit keys with a number each, open addressing, grown by doubling.

export class Table {
  constructor(bits = 16) {
    this.size = 0;
    this.#reserve(bits);
  }

  #reserve(bits) {
    this.mask = (1 << bits) - 1;
    this.bits = bits;
    this.keys = new Int32Array(2 << bits);
    this.values = new Float64Array(1 << bits);
  }

  /** Adds a key. Returns: whether it was new. */
  add([one, two]) {
    if (this.size * 2 > this.mask) this.#grow();
    const slot = this.#find(one, two);
    if (this.keys[slot * 2] !== 0 || this.keys[slot * 2 + 1] !== 0) return false;
    this.#put(slot, one, two, 0);
    return true;
  }

  /** The number of a key that is in the set. */
  get([one, two]) {
    return this.values[this.#find(one, two)];
  }

  set([one, two], value) {
    this.values[this.#find(one, two)] = value;
  }

  /** The slot of the key, or the free one where it belongs. */
  #find(one, two) {
    const first = one === 0 && two === 0 ? 1 : one; // 0, 0 marks a free slot
    let slot = (one ^ (two << 7)) & this.mask;
    while (this.keys[slot * 2] !== 0 || this.keys[slot * 2 + 1] !== 0) {
      if (this.keys[slot * 2] === first && this.keys[slot * 2 + 1] === two) return slot;
      slot = (slot + 1) & this.mask;
    }
    return slot;
  }

  #put(slot, one, two, value) {
    this.keys[slot * 2] = one === 0 && two === 0 ? 1 : one;
    this.keys[slot * 2 + 1] = two;
    this.values[slot] = value;
    this.size++;
  }

  #grow() {
    const { keys, values } = this;
    this.size = 0;
    this.#reserve(this.bits + 1);
    for (let at = 0; at < values.length; at++) {
      const [one, two] = [keys[at * 2], keys[at * 2 + 1]];
      if (one !== 0 || two !== 0) this.#put(this.#find(one, two), one, two, values[at]);
    }
  }
}
