// Whose turn it is, in two words of shared memory: a call and its answer, a value each way. Who waits spins for as long as
// a thread of the kernel does (some 50 us), and then sleeps: the peers of a blocking call get its wake-up.

const CALL = 0;
const ANSWER = 32; // a cache line of its own
const VALUE = 48;
const SPINS = 4000;

export const turnBytes = 256;

export class Turns {
  #words;
  #turn = 0;

  constructor(storage) {
    this.#words = new Int32Array(storage);
  }

  /** Lets the other side go on, and waits for its answer. */
  call() {
    this.#pass(CALL, ++this.#turn);
    this.#await(ANSWER, this.#turn);
    return this.#words[VALUE];
  }

  /** Waits for a call. */
  take() {
    this.#await(CALL, ++this.#turn);
  }

  answer(value) {
    this.#words[VALUE] = value;
    this.#pass(ANSWER, this.#turn);
  }

  #pass(word, turn) {
    Atomics.store(this.#words, word, turn);
    Atomics.notify(this.#words, word, 1);
  }

  #await(word, turn) {
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(this.#words, word) === turn) return;
    while (Atomics.load(this.#words, word) !== turn) Atomics.wait(this.#words, word, turn - 1);
  }
}
