// Sending through a right: at once, blocking, or waiting on the event loop. What waits is bounded per
// right, so that a sender who never awaits cannot fill the memory.

import {
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_SEND_IN_PROGRESS,
  MACH_SEND_MSG,
  MACH_SEND_NO_BUFFER,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
} from "./abi/codes.gen.js";
import type { Draft } from "./draft.js";
import { errorOf, MachMsgError } from "./errors.js";
import type { Outgoing } from "./outgoing.js";
import { draftOf } from "./outgoing.js";
import type { PortRight } from "./port-right.js";
import type { SendOnceRight } from "./right.js";
import type { Space } from "./space.js";
import type { SyncWait, Wait } from "./wait.js";
import { bound, FOREVER, signalOf, timeoutOf } from "./wait.js";

/** Asynchronous sends that may wait for room in one queue at a time, per right. */
export const PENDING_SENDS_MAX: number = 16;

const SENT: Promise<void> = Promise.resolve();

export function trySend(space: Space, name: number, message: Outgoing): boolean {
  const draft = draftTo(space, name, message);
  const kr = sendNow(draft);
  if (kr === 0) return true;
  draft.failed(kr);
  if (kr === MACH_SEND_TIMED_OUT) return false;
  throw errorOf("mach_msg", kr, "trySend");
}

export function sendSync(space: Space, name: number, message: Outgoing, wait?: SyncWait): void {
  const timeout = timeoutOf(wait);
  const draft = draftTo(space, name, message);
  const option = timeout === FOREVER ? MACH_SEND_MSG : MACH_SEND_MSG | MACH_SEND_TIMEOUT;
  const kr = space.core.mach_msg_trap(
    space.handle,
    draft.kmsg,
    option,
    draft.size,
    0,
    0,
    timeout === FOREVER ? 0 : timeout,
    0,
  );
  if (kr === 0) return;
  draft.failed(kr);
  const twin = kr === MACH_SEND_NO_BUFFER ? "" : "; the twin that does not block is send";
  throw errorOf("mach_msg", kr, `sendSync${twin}`);
}

export function sendOnce(space: Space, right: SendOnceRight, message: Outgoing): void {
  const name = right.nameIn(space);
  const draft = draftOf(space, message, MACH_MSG_TYPE_MOVE_SEND_ONCE, name, 0, 0, message.id ?? 0);
  if (right.disposed) {
    draft.discard();
    right.nameIn(space);
  }
  draft.note(2, name, MACH_MSG_TYPE_MOVE_SEND_ONCE, right);
  const kr = sendNow(draft);
  if (kr === 0) return;
  draft.failed(kr);
  throw errorOf("mach_msg", kr, "send");
}

export function sendAsync(right: PortRight, message: Outgoing, wait?: Wait): Promise<void> {
  try {
    const { space } = right;
    return startSend(space, right.nameIn(space), message, wait);
  } catch (error) {
    return Promise.reject(error);
  }
}

function startSend(space: Space, name: number, message: Outgoing, wait: Wait | undefined): Promise<void> {
  const timeout = timeoutOf(wait);
  const signal = signalOf(wait);
  if (signal?.aborted) throw signal.reason;
  const draft = draftTo(space, name, message);
  if (signal?.aborted) {
    draft.discard();
    throw signal.reason; // by the user's code that wrote the body
  }
  return sendDraft(draft, name, timeout, signal);
}

/** Sends `draft` to `name`, waiting as long as asked. Takes the draft. */
export function sendDraft(draft: Draft, name: number, timeout: number, signal: AbortSignal | null): Promise<void> {
  const space = draft.space;
  const pending = space.pendingSends.size === 0 ? 0 : (space.pendingSends.get(name) ?? 0);
  if (pending >= PENDING_SENDS_MAX) {
    draft.discard();
    throw new MachMsgError(
      "mach_msg",
      MACH_SEND_NO_BUFFER,
      `${PENDING_SENDS_MAX} sends through this right wait already`,
    );
  }
  if (pending === 0) {
    const kr = sendNow(draft);
    if (kr === 0) return SENT;
    if (kr !== MACH_SEND_TIMED_OUT || timeout === 0) {
      draft.failed(kr);
      throw errorOf("mach_msg", kr, "send");
    }
    // The message was received again with rights that can be moved: it goes out again as it is.
  }
  return new Promise((resolve, reject) => {
    const send = new PendingSend(draft, name, (error) => (error === null ? resolve() : reject(error)));
    send.start(timeout, signal);
  });
}

/** A send that waits on the event loop. */
export class PendingSend {
  readonly #draft: Draft;
  readonly #name: number;
  readonly #done: (error: unknown) => void;
  #cookie = 0;
  #waiter = 0;
  #unbound: (() => void) | null = null;

  /** `done` is told once: null when sent. */
  constructor(draft: Draft, name: number, done: (error: unknown) => void) {
    this.#draft = draft;
    this.#name = name;
    this.#done = done;
  }

  start(timeout: number, signal: AbortSignal | null): void {
    const { space, kmsg, size } = this.#draft;
    const processor = space.processor;
    this.#cookie = processor.expect((code) => this.#completed(code));
    let kr: number;
    try {
      kr = space.core.mach_msg_send_async(space.handle, kmsg, MACH_SEND_MSG, size, this.#cookie);
    } catch (error) {
      processor.strand(this.#cookie);
      throw error;
    }
    if (kr !== MACH_SEND_IN_PROGRESS) {
      processor.forget(this.#cookie);
      this.#settle(kr, kr === 0 ? null : errorOf("mach_msg", kr, "send"));
      return;
    }
    this.#waiter = processor.out(0);
    space.pendingSends.set(this.#name, (space.pendingSends.get(this.#name) ?? 0) + 1);
    this.#unbound = bound(timeout, signal, (aborted) => {
      this.cancel(aborted === null ? errorOf("mach_msg", MACH_SEND_TIMED_OUT, "send") : aborted.reason);
    });
  }

  /** Takes the message back, unless it was sent meanwhile. */
  cancel(reason: unknown): void {
    const space = this.#draft.space;
    if (space.core.mach_msg_cancel(this.#waiter) !== 0) return; // its completion is on its way
    space.processor.forget(this.#cookie);
    this.#ended();
    this.#settle(MACH_SEND_TIMED_OUT, reason);
  }

  #completed(code: number): void {
    this.#ended();
    this.#settle(code, code === 0 ? null : errorOf("mach_msg", code, "send"));
  }

  /** Gives back what was not sent, and tells; also where the kernel has panicked, and takes nothing back. */
  #settle(code: number, error: unknown): void {
    try {
      if (code !== 0) this.#draft.failed(code);
    } finally {
      this.#done(error);
    }
  }

  #ended(): void {
    this.#unbound?.();
    const pending = this.#draft.space.pendingSends;
    const left = (pending.get(this.#name) ?? 1) - 1;
    if (left === 0) pending.delete(this.#name);
    else pending.set(this.#name, left);
  }
}

function draftTo(space: Space, name: number, message: Outgoing): Draft {
  if (typeof message !== "object" || message === null) throw new TypeError("message: expected an object");
  const draft = draftOf(space, message, MACH_MSG_TYPE_COPY_SEND, name, 0, 0, message.id ?? 0);
  space.outbox.flush(); // calls made before this send go out before it
  return draft;
}

function sendNow(draft: Draft): number {
  const space = draft.space;
  return space.core.mach_msg_trap(space.handle, draft.kmsg, MACH_SEND_MSG | MACH_SEND_TIMEOUT, draft.size, 0, 0, 0, 0);
}
