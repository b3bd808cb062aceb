// Remote procedure calls: a request that carries a send-once right, and the wait for what comes back
// to it. A server that dies, or drops the right, answers too: with a send-once notification.

import {
  KERN_TERMINATED,
  MACH_IPC_WOULD_BLOCK,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_RCV_MSG,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TIMEOUT,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_MSG,
  MACH_SEND_TIMEOUT,
  MIG_SERVER_DIED,
  MSGH_HEADER_BYTES,
} from "./abi/codes.gen.js";
import { IpcKmsg_ikm_sender_task } from "./abi/layout.gen.js";
import { Draft } from "./draft.js";
import { errorOf, KernError, MigError } from "./errors.js";
import type { Outgoing } from "./outgoing.js";
import { Message } from "./message.js";
import { draftOf } from "./outgoing.js";
import type { Parcel } from "./outbox.js";
import type { PortRight } from "./port-right.js";
import { IDLE_MAX, type ReplyTaker } from "./reply-pool.js";
import { ANY_SIZE, received } from "./receive.js";
import { rejectLast, resolveLast, unsettled } from "./settle.js";
import type { Space } from "./space.js";
import type { SyncWait, Wait } from "./wait.js";
import { bound, FOREVER, signalOf, timeoutOf } from "./wait.js";

/** Header bits of a request: the destination copied, a send-once right made for the reply. */
export const CALL_BITS: number = MACH_MSG_TYPE_COPY_SEND | (MACH_MSG_TYPE_MAKE_SEND_ONCE << 8);

export function call(right: PortRight, message: Outgoing, wait?: Wait): Promise<Message> {
  try {
    const { space } = right;
    refuseReply(message);
    return startCall(space, right.nameIn(space, "call"), wait, draftCall, message, readMessage);
  } catch (error) {
    return Promise.reject(error);
  }
}

export function callSync(space: Space, name: number, message: Outgoing, wait?: SyncWait): Message {
  refuseReply(message);
  const timeout = timeoutOf(wait);
  const draft = new Draft(space);
  draftCall(draft, name, space.replyPort(), message);
  const kmsg = exchange(space, draft, timeout);
  return new Message(space, kmsg, space.processor.out(1));
}

/** What a failed blocking call is told beside the code. */
const BLOCKED = "callSync; the twin that does not block is call";

/** Makes the reply of a call of its bytes; takes the kmsg, also when it throws. */
export type ReplyReader<T> = (space: Space, words: Int32Array, at: number, kmsg: number) => T;

/** Builds the request that `argument` says, to `to` and answered at `port`. */
export type RequestMaker<A> = (draft: Draft, to: number, port: number, argument: A) => void;

/** Starts a call that is answered on the event loop. A send-once notification is no reply. */
export function startCall<T, A>(
  space: Space,
  to: number,
  wait: Wait | undefined,
  make: RequestMaker<A>,
  argument: A,
  read: ReplyReader<T>,
): Promise<T> {
  const promise = unsettled<T>();
  const resolve = resolveLast as (value: unknown) => void;
  const reject = rejectLast;
  try {
    const timeout = wait === undefined ? FOREVER : timeoutOf(wait);
    const signal = wait === undefined ? null : signalOf(wait);
    signal?.throwIfAborted();
    const call = space.replies.idleCalls.pop() ?? new PendingCall(space);
    call.start(to, resolve, reject, read);
    call.send(make, argument, timeout, signal);
  } catch (error) {
    reject(error);
  }
  return promise;
}

function readMessage(space: Space, _words: Int32Array, at: number, kmsg: number): Message {
  return new Message(space, kmsg, at * 4);
}

const nobody = (): void => {};

/** A call under way, with its reply port and its draft; used again after a reply, never after a failure. */
export class PendingCall implements ReplyTaker, Parcel {
  readonly keepsPort: boolean = true;
  readonly draft: Draft;
  to = 0;
  readonly #space: Space;
  readonly #port: number;
  #resolve: (value: unknown) => void = nobody;
  #reject: (error: unknown) => void = nobody;
  #read: ReplyReader<unknown> = readMessage;
  #unbound: (() => void) | null = null;
  /** Something is awaited. */
  #open = false;

  constructor(space: Space) {
    this.#space = space;
    this.draft = new Draft(space);
    this.#port = space.replies.open(this);
  }

  start(
    to: number,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    read: ReplyReader<unknown>,
  ): void {
    this.to = to;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#read = read;
  }

  send<A>(make: RequestMaker<A>, argument: A, timeout: number, signal: AbortSignal | null): void {
    const space = this.#space;
    try {
      make(this.draft, this.to, this.#port, argument);
      if (signal?.aborted) {
        this.draft.discard();
        throw signal.reason; // by the user's code that wrote the body
      }
    } catch (error) {
      this.#idle();
      throw error;
    }
    this.#open = true;
    space.replies.hold();
    if (timeout !== FOREVER || signal !== null) {
      this.#unbound = bound(timeout, signal, (aborted) => {
        this.#giveUp(aborted === null ? errorOf("mach_msg", MACH_RCV_TIMED_OUT, "call") : aborted.reason);
      });
    }
    space.outbox.put(this);
  }

  reply(kmsg: number, address: number): void {
    const space = this.#space;
    const words = space.views.i32;
    const at = address >>> 2;
    const resolve = this.#resolve;
    const reject = this.#reject;
    const read = this.#read;
    this.#close();
    // A send that waited for room may be told of its success after the reply: then the draft is not free.
    if (this.draft.kmsg === 0) this.#idle();
    else space.replies.drop(this.#port);
    if (isServerDied(words, at, kmsg)) {
      space.core.mach_msg_release(kmsg);
      reject(serverDied());
      return;
    }
    try {
      resolve(read(space, words, at, kmsg));
    } catch (error) {
      reject(error);
    }
  }

  failed(error: KernError): void {
    if (!this.#open) return;
    this.#reject(error);
    this.#close();
  }

  unsent(error: unknown): void {
    if (!this.#open) return;
    this.#fail(error instanceof KernError ? callError(error) : error);
  }

  #giveUp(reason: unknown): void {
    if (!this.#open) return;
    this.#fail(reason);
    this.#space.outbox.withdraw(this, reason);
  }

  #fail(error: unknown): void {
    this.#reject(error); // first: a kernel that panicked throws in what follows
    this.#space.replies.drop(this.#port);
    this.#close();
  }

  #close(): void {
    this.#open = false;
    if (this.#unbound !== null) {
      this.#unbound();
      this.#unbound = null;
    }
    this.#space.replies.release();
  }

  #idle(): void {
    const { replies } = this.#space;
    this.#resolve = nobody;
    this.#reject = nobody;
    if (replies.idleCalls.length < IDLE_MAX) replies.idleCalls.push(this);
    else replies.drop(this.#port);
  }
}

/**
 * Sends a request and blocks for its reply, in one trap. Takes the draft; its reply port is the thread's.
 *
 * @returns the reply's kmsg; the address of its bytes is result 1 of the last trap.
 */
export function exchange(space: Space, draft: Draft, timeout: number): number {
  if (!space.processor.canBlock) {
    draft.discard();
    throw errorOf("mach_msg", MACH_IPC_WOULD_BLOCK, BLOCKED);
  }
  space.outbox.flush();
  const bounded = timeout !== FOREVER;
  const option = bounded
    ? MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT
    : MACH_SEND_MSG | MACH_RCV_MSG;
  const port = space.replyPort();
  space.replyPortDirty = true;
  const kr = space.core.mach_msg_trap(
    space.handle,
    draft.kmsg,
    option,
    draft.size,
    ANY_SIZE,
    port,
    bounded ? timeout : 0,
    0,
  );
  if (kr !== 0) throw exchangeFailed(space, draft, kr);
  space.replyPortDirty = false;
  const processor = space.processor;
  const kmsg = processor.out(0);
  const address = processor.out(1);
  space.views.reach(address, Math.max(processor.out(2), MSGH_HEADER_BYTES));
  if (isServerDied(space.views.i32, address >>> 2, kmsg)) {
    space.core.mach_msg_release(kmsg);
    throw serverDied();
  }
  return kmsg;
}

function exchangeFailed(space: Space, draft: Draft, kr: number): Error {
  if (kr === MACH_IPC_WOULD_BLOCK || kr === KERN_TERMINATED || (kr & 0x4000) === 0) {
    draft.failed(kr);
  } else if (space.processor.out(0) !== 0 && kr !== MACH_RCV_TIMED_OUT) {
    received(space)[Symbol.dispose]();
  }
  space.dropReplyPort(); // a late reply may still come to it
  return callError(errorOf("mach_msg", kr, BLOCKED));
}

function draftCall(draft: Draft, name: number, port: number, message: Outgoing): void {
  const id = message.id ?? 0;
  draftOf(draft.space, message, MACH_MSG_TYPE_COPY_SEND, name, MACH_MSG_TYPE_MAKE_SEND_ONCE, port, id, draft);
}

function refuseReply(message: Outgoing): void {
  if (typeof message !== "object" || message === null) throw new TypeError("message: expected an object");
  if (message.reply !== undefined) throw new TypeError("message.reply: a call makes its own reply right");
}

/** A port that is dead already is a server that died. */
export function callError(error: KernError): KernError {
  if (error.kr !== MACH_SEND_INVALID_DEST) return error;
  return new MigError("mach_msg", MIG_SERVER_DIED, undefined, { cause: error });
}

/** Whether the message says that the reply right was destroyed unused, and is the kernel's. */
function isServerDied(words: Int32Array, at: number, kmsg: number): boolean {
  if (words[at + 5] !== MACH_NOTIFY_SEND_ONCE || words[at + 1] !== MSGH_HEADER_BYTES) return false;
  return words[(kmsg + IpcKmsg_ikm_sender_task) >>> 2] === 0;
}

export function serverDied(): MigError {
  return new MigError("mach_msg", MIG_SERVER_DIED);
}
