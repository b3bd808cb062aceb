// Calls made in one turn go out together: one trap sends what was put in since. Where a queue is full
// its calls wait their turn behind one pending send; calls to other ports pass them.

import {
  KERN_TERMINATED,
  MACH_SEND_MSG,
  MACH_SEND_NO_BUFFER,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
} from "./abi/codes.gen.js";
import type { Draft } from "./draft.js";
import { errorOf } from "./errors.js";
import { PendingSend } from "./send.js";
import type { Space } from "./space.js";
import { FOREVER } from "./wait.js";

/** Calls that may wait for room in one queue at a time: whoever never awaits them must not fill the memory. */
const WAITING_MAX = 8192;
/** Messages that one trap sends. */
const BATCH = 64;

/** A message in the outbox and who made it. */
export interface Parcel {
  readonly draft: Draft;
  /** Name of the destination. */
  readonly to: number;
  /** It was not sent, and everything in it was given back. */
  unsent(error: unknown): void;
}

/** The outbox of one task on one thread. */
export class Outbox {
  readonly #space: Space;
  #parcels: Parcel[] = [];
  /** Parcels behind one that waits for room, by destination. */
  readonly #waiting: Map<number, Parcel[]> = new Map();
  readonly #sending: Map<Parcel, PendingSend> = new Map();
  readonly #flush: () => void = () => {
    try {
      this.flush();
    } catch (error) {
      this.#abandon(error);
    }
  };
  #scheduled = false;

  constructor(space: Space) {
    this.#space = space;
  }

  /** Sends the parcel soon, after those put in before. */
  put(parcel: Parcel): void {
    if (this.#waiting.size > 0) {
      const queue = this.#waiting.get(parcel.to);
      if (queue !== undefined) {
        if (queue.length < WAITING_MAX) queue.push(parcel);
        else refuse(parcel);
        return;
      }
    }
    this.#parcels.push(parcel);
    if (this.#parcels.length >= BATCH) {
      this.flush();
    } else if (!this.#scheduled) {
      queueMicrotask(this.#flush);
      this.#scheduled = true; // not before: there may have been no stack left for the line above
    }
  }

  /** The parcel's maker gave up: takes the message back, unless it was sent. */
  withdraw(parcel: Parcel, reason: unknown): void {
    const sending = this.#sending.get(parcel);
    if (sending !== undefined) {
      sending.cancel(reason);
    } else if (parcel.draft.kmsg !== 0) {
      parcel.draft.discard();
      const queue = this.#waiting.get(parcel.to);
      const at = queue?.indexOf(parcel) ?? -1;
      if (at >= 0) queue?.splice(at, 1);
    }
  }

  /** Sends what is there now. */
  flush(): void {
    this.#scheduled = false;
    if (this.#parcels.length === 0) return;
    const parcels = this.#parcels;
    this.#parcels = [];
    let from = 0;
    try {
      while (from < parcels.length) from = this.#sendSome(parcels, from);
    } catch (error) {
      // The stack is full, or the kernel is gone: a later flush tries again what was not sent.
      if (this.#parcels.length === 0) this.#parcels = parcels;
      throw error;
    }
  }

  /** The kernel is gone: nobody will ever send these. */
  #abandon(error: unknown): void {
    const parcels = this.#parcels;
    this.#parcels = [];
    for (const parcel of parcels) if (parcel.draft.kmsg !== 0) parcel.unsent(error);
  }

  /** Takes everything back; the makers are told by whoever closes. */
  close(): void {
    const waiting = [...this.#parcels, ...[...this.#waiting.values()].flat()];
    this.#parcels = [];
    this.#waiting.clear();
    for (const { draft } of waiting) draft.discard();
    for (const send of [...this.#sending.values()]) send.cancel(errorOf("mach_msg", KERN_TERMINATED));
  }

  /** Sends a batch from `from` on; returns where to go on. */
  #sendSome(parcels: Parcel[], from: number): number {
    const { core, handle, processor } = this.#space;
    const batch = processor.batch;
    const sent: Parcel[] = [];
    let next = from;
    while (next < parcels.length && sent.length < BATCH) {
      const parcel = parcels[next++] as Parcel;
      if (parcel.draft.kmsg === 0) continue; // withdrawn
      if (this.#waiting.size > 0 && this.#queueBehind(parcel)) continue;
      batch[sent.length * 2] = parcel.draft.kmsg;
      batch[sent.length * 2 + 1] = parcel.draft.size;
      sent.push(parcel);
    }
    if (sent.length === 0) return next;
    const kr = core.mach_msg_send_many(handle, sent.length, MACH_SEND_MSG | MACH_SEND_TIMEOUT, 0);
    const count = kr === 0 ? sent.length : kr === KERN_TERMINATED ? 0 : processor.out(0);
    for (let i = 0; i < count; i++) (sent[i] as Parcel).draft.sent();
    if (kr === 0) return next;
    const refused = sent[count] as Parcel;
    if (kr === MACH_SEND_TIMED_OUT) {
      this.#wait(refused);
    } else {
      refused.draft.failed(kr);
      refused.unsent(errorOf("mach_msg", kr, "call"));
    }
    // Those behind it were not tried.
    const rest = sent.slice(count + 1);
    if (rest.length === 0) return next;
    parcels.splice(from, next - from, ...rest);
    return from;
  }

  #queueBehind(parcel: Parcel): boolean {
    const queue = this.#waiting.get(parcel.to);
    queue?.push(parcel);
    return queue !== undefined;
  }

  /** Waits for room for `parcel`; what comes after it to the same port waits behind it. */
  #wait(parcel: Parcel): void {
    if (!this.#waiting.has(parcel.to)) this.#waiting.set(parcel.to, []);
    const send = new PendingSend(parcel.draft, parcel.to, (error) => {
      this.#sending.delete(parcel);
      if (error === null) parcel.draft.sent();
      else parcel.unsent(error);
      this.#next(parcel.to);
    });
    this.#sending.set(parcel, send);
    send.start(FOREVER, null);
  }

  /** Room came, or the first in line gave up: the others are tried again. */
  #next(to: number): void {
    const queue = this.#waiting.get(to);
    this.#waiting.delete(to);
    if (queue === undefined || queue.length === 0) return;
    this.#parcels.push(...queue);
    this.flush();
  }
}

function refuse(parcel: Parcel): void {
  parcel.draft.discard();
  parcel.unsent(errorOf("mach_msg", MACH_SEND_NO_BUFFER, `${WAITING_MAX} calls through this right wait already`));
}
