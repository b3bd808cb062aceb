// Ports as async iterables.

import {
  KERN_INVALID_NAME,
  MACH_RCV_INVALID_NAME,
  MACH_RCV_PORT_CHANGED,
  MACH_RCV_PORT_DIED,
} from "./abi/codes.gen.js";
import { KernError } from "./errors.js";
import type { Message } from "./message.js";
import { delivers } from "./receive.js";
import { turn } from "#platform";

/** What can be iterated. */
export interface MessageSource {
  readonly disposed: boolean;
  receive(wait: { signal: AbortSignal }): Promise<Message>;
  tryReceive(): Message | null;
}

/** How many messages are handed out in a row before the event loop gets a turn. */
const TURN = 256;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Messages of `source` as they come. Takes one message at a time out of the queue, so that leaving
 * the loop leaves all others there. Ends when the source is disposed, moved or destroyed. Messages that
 * find no room here for what they carry are left out.
 */
export function messages(source: MessageSource): AsyncIterator<Message> {
  return new MessageIterator(source);
}

class MessageIterator implements AsyncIterableIterator<Message> {
  readonly #source: MessageSource;
  readonly #abort: AbortController = new AbortController();
  #inRow = 0;
  #ended = false;

  constructor(source: MessageSource) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<Message>> {
    if (this.#ended || this.#source.disposed) return Promise.resolve(END);
    if (++this.#inRow >= TURN) {
      this.#inRow = 0;
      return new Promise<void>((resolve) => turn(resolve)).then(() => this.next());
    }
    try {
      const message = this.#source.tryReceive();
      if (message !== null) return Promise.resolve({ done: false, value: message });
    } catch (error) {
      return this.#failed(error);
    }
    return this.#source.receive({ signal: this.#abort.signal }).then(
      (value): IteratorResult<Message> => ({ done: false, value }),
      (error) => this.#failed(error),
    );
  }

  return(): Promise<IteratorResult<Message>> {
    this.#ended = true;
    this.#abort.abort();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this;
  }

  #failed(error: unknown): Promise<IteratorResult<Message>> {
    // A message whose rights or memory found no room is gone; its sender is told so by the end of its reply right.
    if (!this.#ended && error instanceof KernError && delivers(error.kr)) return this.next();
    const ended = this.#ended || isEnd(error);
    this.#ended = true;
    return ended ? Promise.resolve(END) : Promise.reject(error);
  }
}

function isEnd(error: unknown): boolean {
  if (!(error instanceof KernError)) return false;
  return (
    error.kr === MACH_RCV_PORT_DIED ||
    error.kr === MACH_RCV_PORT_CHANGED ||
    error.kr === MACH_RCV_INVALID_NAME ||
    error.kr === KERN_INVALID_NAME
  );
}
