// Notifications: the kernel's word that a port died or that nobody can send to it any more. Each
// request has a reply port of its own, since a no-senders notification does not name the port.

import {
  KERN_ABORTED,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
} from "./abi/codes.gen.js";
import { check, errorOf, type KernError } from "./errors.js";
import { isPort } from "./port-right.js";
import type { ReceiveRight } from "./receive-right.js";
import type { ReplyTaker } from "./reply-pool.js";
import type { Space } from "./space.js";
import { signalOf } from "./wait.js";
import { turn } from "#platform";

/** The latest request of each kind for each name: an earlier one is not there any more to be disarmed. */
const latest: WeakMap<Space, Map<number, NotificationRequest>> = new WeakMap();

function latestOf(space: Space): Map<number, NotificationRequest> {
  const known = latest.get(space);
  if (known !== undefined) return known;
  const made = new Map<number, NotificationRequest>();
  latest.set(space, made);
  return made;
}

/** A request that is armed. */
export class NotificationRequest implements ReplyTaker {
  readonly #space: Space;
  readonly #name: number;
  readonly #id: number;
  readonly #hold: boolean;
  readonly #told: (id: number, kmsg: number, at: number) => void;
  readonly #failed: (error: KernError) => void;
  readonly keepsPort: boolean = false;
  #port = 0;

  /**
   * Arms it.
   *
   * @param told gets the notification's id and where it lies; the kmsg is released afterwards
   */
  constructor(
    space: Space,
    name: number,
    id: number,
    options: { sync: number; hold: boolean },
    told: (id: number, kmsg: number, at: number) => void,
    failed: (error: KernError) => void,
  ) {
    this.#space = space;
    this.#name = name;
    this.#id = id;
    this.#hold = options.hold;
    this.#told = told;
    this.#failed = failed;
    this.#port = space.replies.open(this);
    if (this.#hold) space.replies.hold();
    const { core, handle, self, processor } = space;
    const kr = core.mach_port_request_notification(
      handle,
      self,
      name,
      id,
      options.sync,
      this.#port,
      MACH_MSG_TYPE_MAKE_SEND_ONCE,
    );
    if (kr !== 0) {
      space.replies.drop(this.#port); // the refused right was made for it, and its end may be told there
      this.#settled();
    }
    check("mach_port_request_notification", kr);
    if (this.#port !== 0) latestOf(space).set(this.#key, this);
    const previous = processor.out(0);
    if (isPort(previous)) space.deallocate(previous);
  }

  reply(kmsg: number, address: number): void {
    this.#settled();
    const at = address >>> 2;
    this.#told(this.#space.views.i32[at + 5] as number, kmsg, at);
    this.#space.core.mach_msg_release(kmsg);
  }

  failed(error: KernError): void {
    try {
      this.#settled();
    } finally {
      this.#failed(error); // also where the kernel has panicked, and throws
    }
  }

  /** Disarms it; nobody is told. */
  cancel(): void {
    if (this.#port === 0) return;
    const { core, handle, self, processor, replies } = this.#space;
    replies.drop(this.#port);
    const replaced = latestOf(this.#space).get(this.#key) !== this;
    this.#settled();
    if (replaced) return; // what is armed now is another's
    const kr = core.mach_port_request_notification(
      handle,
      self,
      this.#name,
      this.#id,
      0,
      0,
      MACH_MSG_TYPE_MAKE_SEND_ONCE,
    );
    if (kr === 0 && isPort(processor.out(0))) this.#space.deallocate(processor.out(0));
  }

  get #key(): number {
    return this.#name * 256 + this.#id;
  }

  #settled(): void {
    this.#port = 0;
    const requests = latestOf(this.#space);
    if (requests.get(this.#key) === this) requests.delete(this.#key);
    if (this.#hold) this.#space.replies.release();
  }
}

/** Calls `told` once: true when the port died, false when the name went away first or the task ends. */
export function watchDeath(space: Space, name: number, told: (dead: boolean) => void): NotificationRequest {
  return new NotificationRequest(
    space,
    name,
    MACH_NOTIFY_DEAD_NAME,
    { sync: 1, hold: false },
    (id) => {
      // The notification holds one reference on the name.
      if (id === MACH_NOTIFY_DEAD_NAME) space.deallocate(name);
      told(id === MACH_NOTIFY_DEAD_NAME);
    },
    () => told(false),
  );
}

/** Checks `since`, a word of the kernel. */
export function makeSendCountOf(since: number): number {
  if (since >>> 0 !== since) throw new TypeError("since: expected a make-send count");
  return since;
}

/** See `ReceiveRight.noSenders`. */
export function noSenders(
  right: ReceiveRight,
  options?: { readonly since?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<{ makeSendCount: number }> {
  return new Promise((resolve, reject) => {
    const { space, name } = right;
    const since = makeSendCountOf(options?.since ?? 0);
    const signal = signalOf(options);
    if (signal?.aborted) throw signal.reason;
    const aborted = (): void => {
      request.cancel();
      reject(signal?.reason);
    };
    const request = new NotificationRequest(
      space,
      name,
      MACH_NOTIFY_NO_SENDERS,
      { sync: since, hold: true },
      (id, _kmsg, at) => {
        signal?.removeEventListener("abort", aborted);
        if (id === MACH_NOTIFY_NO_SENDERS) {
          const makeSendCount = space.views.words[at + 8] as number;
          turn(() => resolve({ makeSendCount })); // after the messages that came before it
        } else reject(errorOf("noSenders", KERN_ABORTED, "the port was destroyed, or asked again"));
      },
      (error) => {
        signal?.removeEventListener("abort", aborted);
        reject(error);
      },
    );
    signal?.addEventListener("abort", aborted);
  });
}

/**
 * Asks for the receive right back when its holder lets go of it, wherever it is then.
 *
 * @param told gets the right; null when the request ended without it
 * @mach MACH_NOTIFY_PORT_DESTROYED
 */
export function portDestroyed(
  space: Space,
  name: number,
  told: (right: ReceiveRight | null) => void,
): NotificationRequest {
  return new NotificationRequest(
    space,
    name,
    MACH_NOTIFY_PORT_DESTROYED,
    { sync: 0, hold: false },
    (id, _kmsg, at) => {
      if (id !== MACH_NOTIFY_PORT_DESTROYED) {
        told(null);
        return;
      }
      const right = space.views.words[at + 7] as number;
      told(isPort(right) ? space.receiver(right) : null);
    },
    () => told(null),
  );
}
