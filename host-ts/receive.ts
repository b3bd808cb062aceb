// Receiving by the name of a port or a set: at once, blocking, or waiting on the event loop.

import {
  MACH_IPC_RETRY,
  MACH_MSG_SIZE_MAX,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_MSG,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TIMEOUT,
  MSGH_HEADER_BYTES,
} from "./abi/codes.gen.js";
import { errorOf } from "./errors.js";
import { Message, messageOf } from "./message.js";
import type { PortRight } from "./port-right.js";
import { rejectLast, resolveLast, unsettled } from "./settle.js";
import type { Space } from "./space.js";
import type { SyncWait, Wait } from "./wait.js";
import { bound, FOREVER, signalOf, timeoutOf } from "./wait.js";

/** A limit that no message exceeds, with room for a trailer. */
export const ANY_SIZE: number = MACH_MSG_SIZE_MAX + 64;
/** Most messages that one trap receives. */
export const BATCH: number = 128;

/** Waiting receives that are kept to be used again. */
const IDLE_MAX = 64;

/** The next message if there is one. */
export function tryReceive(space: Space, name: number): Message | null {
  const kr = space.core.mach_msg_trap(space.handle, 0, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, ANY_SIZE, name, 0, 0);
  if (kr === 0) return received(space);
  if (kr === MACH_RCV_TIMED_OUT) return null;
  throw failed(space, kr, "tryReceive");
}

export function receiveSync(space: Space, name: number, wait?: SyncWait): Message {
  const timeout = timeoutOf(wait);
  const option = timeout === FOREVER ? MACH_RCV_MSG : MACH_RCV_MSG | MACH_RCV_TIMEOUT;
  const kr = space.core.mach_msg_trap(space.handle, 0, option, 0, ANY_SIZE, name, timeout === FOREVER ? 0 : timeout, 0);
  if (kr === 0) return received(space);
  throw failed(space, kr, "receiveSync; the twin that does not block is receive");
}

/** Up to `max` messages that are there. */
export function tryReceiveMany(space: Space, name: number, max: number): Message[] {
  if (typeof max !== "number" || !(max >= 0)) throw new TypeError("max: expected a number of messages");
  const batch = space.processor.batch;
  const messages: Message[] = [];
  while (messages.length < max) {
    const room = Math.min(BATCH, max - messages.length) >>> 0;
    const kr = space.core.mach_msg_receive_many(space.handle, name, MACH_RCV_MSG, room);
    if (kr === MACH_RCV_TIMED_OUT) break;
    if (kr !== 0) {
      if (messages.length > 0) break; // those are the caller's; the error comes again
      throw failed(space, kr, "tryReceiveMany");
    }
    const count = space.processor.out(0);
    let damage = 0;
    for (let index = 0; index < count; index++) {
      const address = batch[index * 8 + 1] as number;
      space.views.reach(address >>> 0, batch[index * 8 + 2] as number);
      messages.push(new Message(space, batch[index * 8] as number, address));
      damage = batch[index * 8 + 7] as number; // the batch ends with the first
    }
    if (damage !== 0) {
      messages.pop()?.[Symbol.dispose]();
      if (messages.length === 0) throw errorOf("mach_msg", damage, "tryReceiveMany");
      break;
    }
    if (count < room) break;
  }
  return messages;
}

/** The next message, waiting on the event loop. */
export function receive(right: PortRight, wait?: Wait): Promise<Message> {
  try {
    const { space } = right;
    const name = right.nameIn(space, "receive");
    const timeout = timeoutOf(wait);
    const signal = signalOf(wait);
    if (signal?.aborted) throw signal.reason;
    const message = tryReceive(space, name);
    if (message !== null) return Promise.resolve(message);
    if (timeout === 0) throw errorOf("mach_msg", MACH_RCV_TIMED_OUT, "receive");
    const promise = unsettled<Message>();
    const pending = space.idleReceives.pop() ?? new PendingReceive(space);
    pending.start(name, timeout, signal, resolveLast as (message: Message) => void, rejectLast);
    return promise;
  } catch (error) {
    return Promise.reject(error);
  }
}

/** A receive that waits on the event loop; used again and again. */
export class PendingReceive {
  readonly #space: Space;
  readonly #done: (code: number, kmsg: number) => void;
  #name = 0;
  #resolve: ((message: Message) => void) | null = null;
  #reject: ((error: unknown) => void) | null = null;
  #cookie = 0;
  #waiter = 0;
  #unbound: (() => void) | null = null;
  /** Time was up or the signal aborted, but a completion was on its way. */
  #expired: { readonly reason: unknown } | null = null;

  constructor(space: Space) {
    this.#space = space;
    this.#done = (code, kmsg) => this.#completed(code, kmsg);
  }

  start(
    name: number,
    timeout: number,
    signal: AbortSignal | null,
    resolve: (message: Message) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#name = name;
    this.#resolve = resolve;
    this.#reject = reject;
    if (!this.#arm()) return;
    this.#unbound = bound(timeout, signal, (aborted) => {
      const reason = aborted === null ? errorOf("mach_msg", MACH_RCV_TIMED_OUT, "receive") : aborted.reason;
      if (this.#space.core.mach_msg_cancel(this.#waiter) !== 0) {
        this.#expired = { reason };
        return;
      }
      this.#space.processor.forget(this.#cookie);
      this.#fail(reason);
    });
  }

  /** True when it waits; else it is settled. */
  #arm(): boolean {
    const space = this.#space;
    const processor = space.processor;
    this.#cookie = processor.expect(this.#done);
    let kr: number;
    try {
      kr = space.core.mach_msg_receive_async(space.handle, this.#name, MACH_RCV_MSG, ANY_SIZE, this.#cookie);
    } catch (error) {
      processor.strand(this.#cookie);
      this.#resolve = discard; // of a receive that failed
      throw error;
    }
    if (kr === MACH_RCV_IN_PROGRESS) {
      this.#waiter = processor.out(0);
      return true;
    }
    processor.forget(this.#cookie);
    if (kr === 0) this.#succeed(received(space));
    else this.#fail(failed(space, kr, "receive"));
    return false;
  }

  #completed(code: number, kmsg: number): void {
    const space = this.#space;
    if (code === 0) {
      this.#succeed(messageOf(space, kmsg));
      return;
    }
    if (code !== MACH_IPC_RETRY) {
      if (kmsg !== 0) messageOf(space, kmsg)[Symbol.dispose]();
      this.#fail(errorOf("mach_msg", code, "receive"));
      return;
    }
    try {
      const message = tryReceive(space, this.#name);
      if (message !== null) this.#succeed(message);
      else if (this.#expired !== null) this.#fail(this.#expired.reason);
      else this.#arm();
    } catch (error) {
      this.#fail(error);
    }
  }

  #succeed(message: Message): void {
    const resolve = this.#resolve;
    this.#end();
    resolve?.(message);
  }

  #fail(error: unknown): void {
    const reject = this.#reject;
    this.#end();
    reject?.(error);
  }

  #end(): void {
    this.#unbound?.();
    this.#unbound = null;
    this.#resolve = null;
    this.#reject = null;
    this.#expired = null;
    if (this.#space.idleReceives.length < IDLE_MAX) this.#space.idleReceives.push(this);
  }
}

function discard(message: Message): void {
  message[Symbol.dispose]();
}

/** The message that the last trap received. */
export function received(space: Space): Message {
  const processor = space.processor;
  const kmsg = processor.out(0);
  const address = processor.out(1);
  space.views.reach(address, Math.max(processor.out(2), MSGH_HEADER_BYTES));
  return new Message(space, kmsg, address);
}

/** The error for a receive that failed; what it delivered nevertheless is released. */
export function failed(space: Space, kr: number, detail: string): Error {
  if ((kr & 0x4000) !== 0 && kr !== MACH_RCV_TIMED_OUT && space.processor.out(0) !== 0 && delivers(kr)) {
    received(space)[Symbol.dispose]();
  }
  return errorOf("mach_msg", kr, detail);
}

/** HEADER_ERROR and BODY_ERROR deliver what could be translated. */
export function delivers(kr: number): boolean {
  const base = kr & ~0x3e00;
  return base === 0x1000400b || base === 0x1000400c;
}
