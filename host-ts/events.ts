// Notifications as events: listeners on rights, each a Disposable that ends it. None keeps the event loop alive. A listener runs
// in a turn of the event loop of its own: what it throws is nobody else's, and messages that came before the notification, which
// promises carry to their reader, are there before it.

import { KERN_RESOURCE_SHORTAGE, MACH_NOTIFY_NO_SENDERS } from "./abi/codes.gen.js";
import { KernError } from "./errors.js";
import { deadName } from "./name-watch.js";
import { makeSendCountOf, NotificationRequest, portDestroyed } from "./notification.js";
import type { ReceiveRight } from "./receive-right.js";
import type { Space } from "./space.js";
import { report, turn } from "#platform";

/**
 * Nobody can send to the port any more.
 *
 * @mach mach_no_senders_notification_t
 */
export interface NoSendersEvent {
  /** Send rights made until then, since the receive right came here. Fewer than were handed out: newer ones are under way. */
  readonly makeSendCount: number;
}

/**
 * Whoever held the receive right let go of it, and it came back, with the messages in its queue.
 *
 * @mach mach_port_destroyed_notification_t
 */
export interface PortDestroyedEvent {
  readonly right: ReceiveRight;
}

class Subscription<E> implements Disposable {
  readonly #listener: (event: E) => void;
  readonly #unheard: (event: E) => void;
  #request: NotificationRequest | null = null;
  #ended = false;

  /** @param unheard gets an event that comes after the end */
  constructor(listener: (event: E) => void, unheard: (event: E) => void = () => {}) {
    if (typeof listener !== "function") throw new TypeError("listener: expected a function");
    this.#listener = listener;
    this.#unheard = unheard;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The request that is armed for it now. */
  armed(request: NotificationRequest | null): void {
    this.#request = request;
  }

  tell(event: E): void {
    turn(() => (this.#ended ? this.#unheard : this.#listener)(event));
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    const request = this.#request;
    this.#request = null;
    try {
      request?.cancel();
    } catch {
      // The kernel is gone, and with it the request.
    }
  }
}

/** See `SendRight.onDead`. */
export function onDead(space: Space, name: number, listener: () => void): Disposable {
  const subscription = new Subscription<undefined>(listener);
  deadName(space, name).then(() => subscription.tell(undefined));
  return subscription;
}

/** See `ReceiveRight.onNoSenders`. */
export function onNoSenders(
  space: Space,
  name: number,
  listener: (event: NoSendersEvent) => void,
  since: number,
): Disposable {
  makeSendCountOf(since);
  const subscription = new Subscription(listener);

  function arm(sync: number): void {
    const told = (id: number, _kmsg: number, at: number): void => {
      subscription.armed(null);
      if (id !== MACH_NOTIFY_NO_SENDERS || subscription.ended) return;
      const makeSendCount = space.views.words[at + 8] as number;
      subscription.tell({ makeSendCount });
      armAgain(makeSendCount + 1);
    };
    const ended = (): void => subscription.armed(null);
    const options = { sync, hold: false };
    subscription.armed(new NotificationRequest(space, name, MACH_NOTIFY_NO_SENDERS, options, told, ended));
  }

  function armAgain(sync: number): void {
    try {
      arm(sync); // told at once where newer rights came and went already
    } catch (error) {
      // The receive right was moved or disposed meanwhile: there is nobody to tell any more.
      if (!(error instanceof KernError) || error.kr === KERN_RESOURCE_SHORTAGE) report(error);
    }
  }

  arm(since);
  return subscription;
}

/** See `ReceiveRight.onPortDestroyed`. */
export function onPortDestroyed(space: Space, name: number, listener: (event: PortDestroyedEvent) => void): Disposable {
  const subscription = new Subscription(listener, ({ right }) => right[Symbol.dispose]());
  const told = (right: ReceiveRight | null): void => {
    subscription.armed(null);
    if (right !== null) subscription.tell({ right });
  };
  subscription.armed(portDestroyed(space, name, told));
  return subscription;
}
