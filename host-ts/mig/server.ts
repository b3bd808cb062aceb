// Servers: one port, the routines of an interface, and the loop between them. Requests are taken in
// batches and answered in batches. A malformed request gets a MIG error, and everything it carried is
// released; so it is when the handler fails. What a handler that succeeds was given is the handler's.

import { report } from "#platform";
import { KERN_RESOURCE_SHORTAGE, MIG_BAD_ID, MIG_REMOTE_ERROR } from "../abi/codes.gen.js";
import { Draft } from "../draft.js";
import { KernError } from "../errors.js";
import { MovedRegion } from "../memory/region.js";
import { Message } from "../message.js";
import { isPort } from "../port-right.js";
import { Pump, type PumpSink } from "../pump.js";
import type { ReceiveRight } from "../receive-right.js";
import { Moved } from "../right.js";
import type { Space } from "../space.js";
import { Codec, ERROR_REPLY_BYTES, type Values } from "./codec.js";
import type { Handlers, Routines, Subsystem } from "./define.js";
import { Replies } from "./replies.js";

/** How a server behaves. */
export interface ServeOptions {
  /**
   * Told of what a handler threw that is no KernError, or why its results cannot be sent; the caller gets
   * MIG_REMOTE_ERROR. Default: it is printed with `console.error`. What it throws is an uncaught error.
   */
  readonly onError?: ((error: unknown, routine: string) => void) | undefined;
}

type AnyHandler = (args: Values, message: Message) => unknown;

interface Entry {
  readonly label: string;
  readonly request: Codec;
  readonly reply: Codec | null;
  readonly handler: AnyHandler;
}

/** A service that runs; disposing it destroys its port. */
export class Server implements Disposable {
  readonly #receive: ReceiveRight;
  readonly #pump: Pump;

  /** @internal */
  constructor(receive: ReceiveRight, pump: Pump) {
    this.#receive = receive;
    this.#pump = pump;
  }

  /** The port that it serves. */
  get port(): ReceiveRight {
    return this.#receive;
  }

  /** Stops serving and destroys the port. Idempotent; never throws. */
  [Symbol.dispose](): void {
    this.#pump.stop();
    this.#receive[Symbol.dispose]();
  }
}

/**
 * Serves `subsystem` on the port of `receive`, which the server owns from here on.
 *
 * A handler answers with its results, or a promise of them. A KernError that it throws is answered
 * with its code, anything else with MIG_REMOTE_ERROR. A handler that takes `message.reply`, or uses
 * `message.respond`, answers itself, whenever it likes; its results are ignored.
 */
export function serve<S>(
  receive: ReceiveRight,
  subsystem: Subsystem<S>,
  handlers: Handlers<S>,
  options: ServeOptions = {},
): Server {
  const space = receive.space;
  const loop = new Loop(
    space,
    subsystem as unknown as Subsystem<Routines>,
    handlers as Record<string, unknown>,
    options,
  );
  const pump = new Pump(space, receive.nameIn(space), loop, true);
  pump.start();
  return new Server(receive, pump);
}

class Loop implements PumpSink {
  readonly expectant: boolean = true;
  readonly #space: Space;
  readonly #base: number;
  readonly #entries: readonly Entry[];
  readonly #onError: (error: unknown, routine: string) => void;
  readonly #replies: Replies;

  constructor(space: Space, subsystem: Subsystem<Routines>, handlers: Record<string, unknown>, options: ServeOptions) {
    this.#space = space;
    this.#base = subsystem.base;
    this.#onError = options.onError ?? printError;
    this.#replies = new Replies(space);
    this.#entries = Object.entries(subsystem.routines).map(([name, routine]): Entry => {
      const label = `${subsystem.name}.${name}`;
      const handler = handlers[name];
      if (typeof handler !== "function") throw new TypeError(`${label}: expected a handler`);
      return {
        label,
        request: new Codec(label, routine.input, false),
        reply: routine.oneWay ? null : new Codec(label, routine.output, true),
        handler: handler.bind(handlers) as AnyHandler,
      };
    });
  }

  take(kmsg: number, address: number): void {
    const space = this.#space;
    const words = space.views.i32;
    const at = address >>> 2;
    const message = new Message(space, kmsg, address);
    const entry = this.#entries[(words[at + 5] as number) - this.#base];
    if (entry === undefined) {
      this.#refuse(message, MIG_BAD_ID);
      return;
    }
    const args = entry.request.decode(space, words, at);
    if (typeof args === "number") {
      this.#refuse(message, args);
      return;
    }
    message.taken(true, false);
    let result: unknown;
    let later: Promise<unknown> | null;
    try {
      result = entry.handler(args, message);
      later = isThenable(result) ? Promise.resolve(result) : null;
    } catch (error) {
      this.#failed(entry, message, args, error);
      return;
    }
    if (later === null) {
      this.#answer(entry, message, args, result);
      return;
    }
    this.#replies.late(
      later.then(
        (value) => this.#answer(entry, message, args, value),
        (error) => this.#failed(entry, message, args, error),
      ),
    );
  }

  damaged(kmsg: number, address: number): void {
    this.#refuse(new Message(this.#space, kmsg, address), KERN_RESOURCE_SHORTAGE);
  }

  taken(): void {
    this.#replies.flush();
  }

  ended(_code: number): void {
    this.#replies.flush();
  }

  #answer(entry: Entry, message: Message, args: Values, result: unknown): void {
    if (entry.reply === null || message.replyTaken || message.disposed) {
      message[Symbol.dispose]();
      return;
    }
    const values = (result ?? {}) as Values;
    const to = replyOf(this.#space, message);
    if (to === null) {
      disposeMoved(values);
      message[Symbol.dispose]();
      return;
    }
    let draft: Draft;
    try {
      if (typeof values !== "object") throw new TypeError(`${entry.label}: expected the results by name`);
      draft = entry.reply.encode(new Draft(this.#space), to.type, to.name, 0, to.id + 100, values, message);
    } catch (error) {
      this.#failed(entry, message, args, error, to);
      disposeMoved(values);
      return;
    }
    message.taken(false, true);
    message[Symbol.dispose]();
    this.#replies.put(draft);
  }

  #failed(entry: Entry, message: Message, args: Values, error: unknown, to = this.#wanted(message)): void {
    for (const value of Object.values(args).flat()) disposeRight(value);
    const expected = error instanceof KernError && error.kr !== 0;
    this.#refuse(message, expected ? error.kr : MIG_REMOTE_ERROR, to);
    if (expected) return;
    try {
      this.#onError(error, entry.label);
    } catch (thrown) {
      report(thrown);
    }
  }

  /** Where an answer is wanted still. */
  #wanted(message: Message): ReplyTo | null {
    return message.replyTaken || message.disposed ? null : replyOf(this.#space, message);
  }

  /**
   * Answers with a code alone, if an answer is wanted, and releases the request with all rights in it. The
   * request may be gone, its kmsg used for a reply that came to nothing: `to` is still owed an answer.
   */
  #refuse(message: Message, code: number, to = this.#wanted(message)): void {
    if (to !== null) {
      message.taken(false, true);
      const draft = this.#bare(to, code);
      if (draft !== null) this.#replies.put(draft);
      else this.#space.deallocate(to.name); // its destruction tells the caller
    }
    message[Symbol.dispose]();
  }

  /** A reply of a code alone; null when there is no memory for it. */
  #bare(to: ReplyTo, code: number): Draft | null {
    const draft = new Draft(this.#space);
    try {
      draft.prepare(ERROR_REPLY_BYTES, 0);
    } catch {
      return null;
    }
    draft.header(to.type, to.name, 0, to.id + 100);
    const words = this.#space.views.i32;
    words[draft.at + 6] = 0;
    words[draft.at + 7] = 1;
    words[draft.at + 8] = code;
    return draft;
  }
}

interface ReplyTo {
  readonly type: number;
  readonly name: number;
  readonly id: number;
}

/** Where the message wants its answer; null: nowhere. */
function replyOf(space: Space, message: Message): ReplyTo | null {
  const words = space.views.i32;
  const at = message.start();
  const name = (words[at + 2] as number) >>> 0;
  if (!isPort(name)) return null;
  return { type: (words[at] as number) & 0x1f, name, id: words[at + 5] as number };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Results that nobody gets: what was to be given away is released. */
function disposeMoved(values: unknown): void {
  if (typeof values !== "object" || values === null) return;
  for (const name of Object.keys(values)) {
    try {
      for (const value of [(values as Values)[name]].flat()) {
        if (value instanceof Moved) value.right[Symbol.dispose]();
        else if (value instanceof MovedRegion) value.region[Symbol.dispose]();
      }
    } catch {
      // A getter of the handler's, which has failed already.
    }
  }
}

function disposeRight(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  (value as Partial<Disposable>)[Symbol.dispose]?.();
}

function printError(error: unknown, routine: string): void {
  console.error(`mach-ipc: the handler of ${routine} failed:`, error);
}
