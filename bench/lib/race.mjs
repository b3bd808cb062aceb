// Who got how far when the first sender's last message arrived.

export class Race {
  #counts;
  #goal;
  #left;
  #first = null;

  constructor(senders, goal) {
    this.#counts = new Uint32Array(senders);
    this.#goal = goal;
    this.#left = senders * goal;
  }

  /** Counts a message of `sender`; returns how many came from it before. */
  count(sender) {
    const before = this.#counts[sender]++;
    this.#left--;
    if (before + 1 === this.#goal && this.#first === null) this.#first = this.#counts.slice();
    return before;
  }

  get over() {
    return this.#left === 0;
  }

  /** `fairness`: the slowest sender's share of the fastest one's; none at all counts as one message. */
  get result() {
    return { fairness: Math.max(1, Math.min(...this.#first)) / this.#goal, counts: [...this.#first] };
  }
}
