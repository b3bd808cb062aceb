// What a replay compared and what it did not, counted: each operation is counted once, by its kind and, where something of it was not
// compared, by the reason.

export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #parts = new Map<string, number>();

  /** Code, outputs and both name spaces were equal. */
  compared(op: string): void {
    this.#count(op, "compared");
  }

  /** Equal but for what a tag allows. */
  masked(op: string, reason: string): void {
    this.#count(op, `masked: ${reason}`);
  }

  /** Differs, as is known; both name spaces were equal. */
  known(op: string, reason: string): void {
    this.#count(op, `known: ${reason}`);
  }

  /** Not done, or the one that ended the sequence: the states are different. */
  ended(op: string, reason: string): void {
    this.#count(op, `ended: ${reason}`);
  }

  /** A part of an otherwise compared operation that is not compared. */
  part(reason: string): void {
    this.#parts.set(reason, (this.#parts.get(reason) ?? 0) + 1);
  }

  /** Operations of a state, by the beginning of its name; of one kind or of all. */
  total(state: string): number {
    let total = 0;
    for (const counts of this.#counts.values()) {
      for (const [name, count] of counts) if (name.startsWith(state)) total += count;
    }
    return total;
  }

  /** A line for each kind of operation. */
  table(): string {
    const lines = [...this.#counts].sort().map(([op, counts]) => {
      const texts = [...counts].sort().map(([state, count]) => `${state} ${count}`);
      return `${op}: ${texts.join(", ")}`;
    });
    return [...lines, `parts: ${this.#reasons(this.#parts)}`].join("\n");
  }

  /** All in one line. */
  summary(): string {
    const states = new Map<string, number>();
    for (const counts of this.#counts.values()) {
      for (const [state, count] of counts) states.set(state, (states.get(state) ?? 0) + count);
    }
    return `${this.total("")} operations: ${this.#reasons(states)}; parts not compared: ${this.#reasons(this.#parts)}`;
  }

  #reasons(counts: ReadonlyMap<string, number>): string {
    return [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(", ");
  }

  #count(op: string, state: string): void {
    const counts = this.#counts.get(op) ?? new Map<string, number>();
    this.#counts.set(op, counts.set(state, (counts.get(state) ?? 0) + 1));
  }
}
