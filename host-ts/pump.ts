// Takes every message of a port or set as it comes, in batches: one trap empties the queue, one
// pending receive waits when it is empty. Reply ports and servers stand on this.
//
// To be woken through the event loop takes 10 us and more, so a pump that found something looks again,
// once a turn, for LINGER_MS before it waits; less and less often where that never pays, as on one core.

import { MACH_IPC_RETRY, MACH_RCV_IN_PROGRESS, MACH_RCV_MSG, MACH_RCV_TIMED_OUT } from "./abi/codes.gen.js";
import { IpcKmsg_ikm_bytes, IpcKmsg_ikm_local_name } from "./abi/layout.gen.js";
import { report, turn } from "#platform";
import { ANY_SIZE, BATCH, delivers } from "./receive.js";
import type { Space } from "./space.js";

/** Full batches in a row before the event loop gets a turn. */
const ROUNDS = 4;
/** How long an empty queue is looked at before a receive waits. */
const LINGER_MS = 0.05;

/** Words of the batch for one message: kmsg, address, port, what went wrong. */
const WORDS = 4;

/** Who takes the messages. */
export interface PumpSink {
  /** Whether a message may come soon. */
  readonly expectant: boolean;
  /** One message; takes the kmsg. `port` is the name it was received with. */
  take(kmsg: number, address: number, port: number): void;
  /** One message that found no room for all of its rights and memory, says `code`; takes the kmsg with what did find room. */
  damaged(kmsg: number, address: number, port: number, code: number): void;
  /** A batch was taken. */
  taken(): void;
  /** Receiving failed for good with this code. */
  ended(code: number): void;
}

/** One pending receive and what it leads to. */
export class Pump {
  readonly #space: Space;
  readonly #name: number;
  readonly #sink: PumpSink;
  /** Whether the pending receive keeps the event loop alive. */
  readonly #hold: boolean;
  readonly #completed: (code: number, kmsg: number) => void;
  readonly #batch: Uint32Array = new Uint32Array(BATCH * WORDS);
  /** What of the batch is still to be taken; some is left only where the sink threw. */
  #next = 0;
  #end = 0;
  #cookie = -1;
  #waiter = 0;
  #stopped = false;
  #taking = false;
  /** Lingering that brought nothing, in a row. */
  #misses = 0;
  #lingerUntil = 0;
  readonly #look: () => void = () => this.#lookAgain();

  constructor(space: Space, name: number, sink: PumpSink, hold: boolean) {
    this.#space = space;
    this.#name = name;
    this.#sink = sink;
    this.#hold = hold;
    this.#completed = (code, kmsg) => {
      this.#cookie = -1;
      this.#wake(code, kmsg);
    };
  }

  /** Begins to receive. */
  start(): void {
    this.#stopped = false;
    this.#arm();
  }

  /** Takes what is there now, unless it is being done. What the sink throws is the caller's; the rest is taken in a turn of its own. */
  poll(): void {
    if (this.#taking || this.#stopped) return;
    try {
      this.#takeBatch(true);
    } catch (error) {
      turn(this.#look);
      throw error;
    }
  }

  /** Ends; a message that was handed over already is still taken. */
  stop(): void {
    this.#stopped = true;
    if (this.#cookie < 0) return;
    if (this.#space.core.mach_msg_cancel(this.#waiter) !== 0) return;
    this.#space.processor.forget(this.#cookie);
    this.#cookie = -1;
  }

  #wake(code: number, kmsg: number): void {
    if (code === 0 || (kmsg !== 0 && delivers(code))) {
      this.#takeOne(kmsg, code);
    } else if (code !== MACH_IPC_RETRY) {
      if (!this.#stopped) this.#sink.ended(code);
      this.#stopped = true;
      return;
    }
    this.#run();
  }

  #run(): void {
    for (let round = 0; round < ROUNDS; round++) {
      if (this.#stopped) return;
      const count = this.#takeBatch();
      if (count < 0) return;
      if (count < BATCH) {
        this.#linger();
        return;
      }
    }
    turn(() => this.#run());
  }

  #linger(): void {
    const misses = this.#misses;
    const pays = misses < 8 || (misses & (misses - 1)) === 0 || (misses & 511) === 0;
    if (!pays) this.#misses++;
    if (!pays || !this.#space.processor.canBlock) {
      this.#arm();
      return;
    }
    this.#lingerUntil = performance.now() + LINGER_MS;
    turn(this.#look);
  }

  #lookAgain(): void {
    if (this.#stopped) return;
    const count = this.#takeBatch();
    if (count < 0) return;
    if (count > 0) {
      this.#misses = 0;
      if (count === BATCH) this.#run();
      else this.#linger();
    } else if (this.#sink.expectant && performance.now() < this.#lingerUntil) {
      turn(this.#look);
    } else {
      if (this.#sink.expectant) this.#misses++;
      this.#arm();
    }
  }

  /** Waits for the next message, or takes those that came meanwhile. */
  #arm(): void {
    if (this.#stopped || this.#cookie >= 0) return;
    const { core, handle, processor } = this.#space;
    const cookie = processor.expect(this.#completed, this.#hold);
    let kr: number;
    try {
      kr = core.mach_msg_receive_async(handle, this.#name, MACH_RCV_MSG, ANY_SIZE, cookie);
    } catch (error) {
      processor.strand(cookie);
      throw error;
    }
    if (kr === MACH_RCV_IN_PROGRESS) {
      this.#cookie = cookie;
      this.#waiter = processor.out(0);
      return;
    }
    processor.forget(cookie);
    // In a turn of its own: whoever floods the port must not keep everything else from running.
    const kmsg = kr === 0 || delivers(kr) ? processor.out(0) : 0;
    turn(() => this.#wake(kr, kmsg));
  }

  #takeOne(kmsg: number, damage: number): void {
    const views = this.#space.views;
    const address = views.u32(kmsg + IpcKmsg_ikm_bytes);
    const port = views.u32(kmsg + IpcKmsg_ikm_local_name);
    views.reach(address, 24);
    views.reach(address, views.u32(address + 4));
    this.#give(kmsg, address, port, damage, false);
    this.#sink.taken();
  }

  /** What the sink throws is no reason to keep the next messages from it. */
  #give(kmsg: number, address: number, port: number, damage: number, polled: boolean): void {
    try {
      if (damage === 0) this.#sink.take(kmsg, address, port);
      else this.#sink.damaged(kmsg, address, port, damage);
    } catch (error) {
      if (polled) throw error;
      report(error);
    }
  }

  /** How many messages there were; negative when receiving failed. */
  #takeBatch(polled = false): number {
    const count = this.#next < this.#end ? (this.#end - this.#next) / WORDS : this.#fetch();
    if (count <= 0) return count;
    const batch = this.#batch;
    this.#taking = true;
    try {
      while (this.#next < this.#end) {
        const j = this.#next;
        this.#next = j + WORDS;
        const damage = batch[j + 3] as number;
        this.#give(batch[j] as number, batch[j + 1] as number, batch[j + 2] as number, damage, polled);
      }
    } finally {
      this.#taking = false;
    }
    this.#sink.taken();
    return count;
  }

  /** Empties the queue into the batch; returns as `#takeBatch`. */
  #fetch(): number {
    const { core, handle, processor, views } = this.#space;
    const kr = core.mach_msg_receive_many(handle, this.#name, MACH_RCV_MSG, BATCH);
    if (kr === MACH_RCV_TIMED_OUT) return 0;
    if (kr !== 0) {
      this.#stopped = true;
      this.#sink.ended(kr);
      return -1;
    }
    const count = processor.out(0);
    const from = processor.batch;
    const batch = this.#batch;
    for (let i = 0, j = 0; i < count; i++, j += WORDS) {
      batch[j] = from[i * 8] as number;
      batch[j + 1] = from[i * 8 + 1] as number;
      batch[j + 2] = from[i * 8 + 6] as number;
      batch[j + 3] = from[i * 8 + 7] as number;
      views.reach(batch[j + 1] as number, from[i * 8 + 2] as number);
    }
    this.#next = 0;
    this.#end = count * WORDS;
    return count;
  }
}
