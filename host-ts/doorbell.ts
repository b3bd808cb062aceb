// How the event loop learns of completions that other processors put on this processor's list:
//   IDLE   nobody rings: this side is looking, or has nothing pending
//   ARMED  this side sleeps in waitAsync; the next poster rings, once
//   RUNG   somebody posted since
// The poster pushes, then exchanges the bell; this side arms, then looks at the list again. One of
// the two sees the other, so no completion is slept over.
//
// A wake-up from waitAsync costs 50 to 100 us, a turn of the event loop a few. So after each
// completion, and after each new wait, the loop looks once a turn for a while before it arms, as
// long as that paid lately: on one core it settles at never.

import { BELL_ARMED, BELL_IDLE } from "./abi/layout.gen.js";
import * as platform from "#platform";

/** How many completions are taken at once, and for how long before other work gets its turn. */
const BATCH = 256;
const SLICE_MS = 2;
/** How long every turn looks after something happened. */
const EAGER_MS = 0.05;
/** Eager times in a row that found nothing, after which only some are still tried. */
const MISSES_MAX = 8;
/** Without `Atomics.waitAsync`: how often a quiet loop looks. */
const POLL_MS = 1;

interface AsyncWait {
  readonly async: boolean;
  readonly value: Promise<string> | string;
}
type WaitAsync = (cell: Int32Array<SharedArrayBuffer>, index: number, value: number) => AsyncWait;

/** Watches one processor's bell while something is pending. */
export class Doorbell {
  readonly #bell: Int32Array<SharedArrayBuffer>;
  /** Takes up to `max` completions, returns how many there were. */
  readonly #take: (max: number) => number;
  readonly #pending: () => number;
  readonly #waitAsync: WaitAsync | undefined = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;
  /** A turn is scheduled that will look. */
  #polling = false;
  /** A waitAsync is in place; it outlives being disarmed, and is used again. */
  #waiting = false;
  #closed = false;
  #quietSince = 0;
  #misses = 0;

  constructor(bell: Int32Array<SharedArrayBuffer>, pending: () => number, take: (max: number) => number) {
    this.#bell = bell;
    this.#pending = pending;
    this.#take = take;
  }

  /** Called when something became pending. */
  watch(): void {
    if (this.#polling || this.#closed) return;
    if (this.#mayBeEager()) {
      this.#quietSince = performance.now();
      this.#poll();
      // Not when it was rung: the turn must see that.
      Atomics.compareExchange(this.#bell, 0, BELL_ARMED, BELL_IDLE);
    } else if (this.#bell[0] !== BELL_ARMED || !this.#waiting) {
      this.#arm();
    }
  }

  /** Ends the wait that is in place; nothing is looked at any more. */
  close(): void {
    this.#closed = true;
    Atomics.store(this.#bell, 0, BELL_IDLE);
    Atomics.notify(this.#bell, 0);
  }

  readonly #turned = (): void => {
    this.#polling = false;
    this.#look(true);
  };

  readonly #rung = (): void => {
    this.#waiting = false;
    if (!this.#polling) this.#look(false);
  };

  #poll(): void {
    platform.turn(this.#turned);
    this.#polling = true; // not before: there may have been no stack left for the line above
  }

  /** Takes what is there; `eager`: in a turn of its own, not because the bell rang. */
  #look(eager: boolean): void {
    if (this.#closed) return;
    const now = performance.now();
    // IDLE since the last look means that nobody posted: there is nothing to take.
    if (Atomics.exchange(this.#bell, 0, BELL_IDLE) !== BELL_IDLE) {
      let taken = BATCH;
      let found = 0;
      while (taken === BATCH) {
        taken = this.#take(BATCH);
        found += taken;
        if (taken === BATCH && performance.now() >= now + SLICE_MS) {
          this.#poll(); // more may be left; posters stay silent meanwhile
          return;
        }
      }
      if (found > 0) {
        this.#quietSince = now;
        if (eager) this.#misses = 0;
      }
    }
    if (this.#closed || this.#polling || this.#pending() === 0) return;
    if (this.#mayBeEager() && now - this.#quietSince < EAGER_MS) {
      this.#poll();
      return;
    }
    this.#misses++;
    this.#arm();
  }

  #arm(): void {
    Atomics.store(this.#bell, 0, BELL_ARMED);
    if (this.#take(BATCH) > 0) {
      this.#poll();
      return;
    }
    if (this.#waiting || this.#closed || this.#polling) return;
    if (!this.#waitAsync) {
      setTimeout(this.#rung, POLL_MS);
      this.#waiting = true;
      return;
    }
    const wait = this.#waitAsync.call(Atomics, this.#bell, 0, BELL_ARMED);
    if (!wait.async) {
      this.#poll();
      return;
    }
    void (wait.value as Promise<string>).then(this.#rung);
    this.#waiting = true;
  }

  #mayBeEager(): boolean {
    const misses = this.#misses;
    return misses < MISSES_MAX || (misses & (misses - 1)) === 0 || (misses & 511) === 0;
  }
}
