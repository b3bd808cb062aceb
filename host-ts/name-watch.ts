// What is awaited of the port behind a name: its death, and room in its queue. A name has one request in the kernel for both
// (mach_port_request_notification): while somebody waits for room it is send-possible, which tells of death too; else dead-name.

import { KERN_ABORTED, MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_SEND_POSSIBLE } from "./abi/codes.gen.js";
import { errorOf, type KernError } from "./errors.js";
import { NotificationRequest } from "./notification.js";
import { isPort } from "./port-right.js";
import type { Space } from "./space.js";
import { signalOf } from "./wait.js";

/** Tells somebody who waits for room: null, there is some, or the port died. */
type RoomTeller = (error: unknown) => void;

class NameWatch {
  readonly #space: Space;
  readonly #name: number;
  readonly #rooms: Set<RoomTeller> = new Set();
  #dead: Promise<void> | null = null;
  #tellDead: () => void = () => {};
  #request: NotificationRequest | null = null;
  #asked = 0;

  constructor(space: Space, name: number) {
    this.#space = space;
    this.#name = name;
  }

  get dead(): Promise<void> {
    if (this.#dead === null) {
      if (this.#request === null) this.#ask(MACH_NOTIFY_DEAD_NAME);
      this.#dead = new Promise((resolve) => {
        this.#tellDead = resolve;
      });
    }
    return this.#dead;
  }

  awaitRoom(teller: RoomTeller): void {
    if (this.#asked !== MACH_NOTIFY_SEND_POSSIBLE) this.#ask(MACH_NOTIFY_SEND_POSSIBLE);
    this.#rooms.add(teller);
  }

  forgetRoom(teller: RoomTeller): void {
    this.#rooms.delete(teller);
    if (this.#rooms.size > 0 || this.#dead !== null) return;
    this.#request?.cancel();
    this.#end();
  }

  /** Told at once if it is so already: whoever was refused before is not forgotten. */
  #ask(id: number): void {
    const told = (what: number): void => {
      if (what === MACH_NOTIFY_DEAD_NAME) this.#space.deallocate(this.#name); // the notification's reference
      if (this.#request === request) this.#told(what);
    };
    const failed = (error: KernError): void => {
      if (this.#request === request) this.#gone(error);
    };
    const request = new NotificationRequest(this.#space, this.#name, id, { sync: 1, hold: false }, told, failed);
    this.#request = request; // the one before was replaced: what it is told is not for us any more
    this.#asked = id;
    watchesOf(this.#space).set(this.#name, this);
  }

  #told(what: number): void {
    if (what !== MACH_NOTIFY_DEAD_NAME && what !== MACH_NOTIFY_SEND_POSSIBLE) {
      this.#gone(errorOf("sendPossible", KERN_ABORTED, "the right went away, or was asked about by other means"));
      return;
    }
    this.#request = null;
    this.#asked = 0;
    if (what === MACH_NOTIFY_DEAD_NAME) {
      this.#tellDead();
      this.#dead = null;
    }
    this.#tellRooms(null);
    this.#settle();
  }

  /** Nothing will come any more: who waits for death waits for ever. */
  #gone(error: KernError): void {
    this.#dead = null;
    this.#tellRooms(error);
    this.#end();
  }

  #tellRooms(error: KernError | null): void {
    const tellers = [...this.#rooms];
    this.#rooms.clear();
    for (const tell of tellers) tell(error);
  }

  /** Asks for what is still awaited, or ends. */
  #settle(): void {
    if (this.#request !== null) return;
    if (this.#dead === null) {
      this.#end();
      return;
    }
    try {
      this.#ask(MACH_NOTIFY_DEAD_NAME);
    } catch {
      this.#end(); // the right was moved or disposed meanwhile
    }
  }

  #end(): void {
    this.#request = null;
    this.#asked = 0;
    const watches = watchesOf(this.#space);
    if (watches.get(this.#name) === this) watches.delete(this.#name);
  }
}

const watched: WeakMap<Space, Map<number, NameWatch>> = new WeakMap();

function watchesOf(space: Space): Map<number, NameWatch> {
  let watches = watched.get(space);
  if (watches === undefined) {
    watches = new Map();
    watched.set(space, watches);
  }
  return watches;
}

/** The watch of the name; it is listed once it has asked. */
function watchOf(space: Space, name: number): NameWatch {
  return watchesOf(space).get(name) ?? new NameWatch(space, name);
}

/** Resolves when the port that `name` denotes has died. */
export function deadName(space: Space, name: number): Promise<void> {
  return isPort(name) ? watchOf(space, name).dead : Promise.resolve();
}

/** See `SendRight.sendPossible`. */
export function sendPossible(
  space: Space,
  name: number,
  options?: { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const signal = signalOf(options);
    if (signal?.aborted) throw signal.reason;
    const watch = watchOf(space, name);
    const teller: RoomTeller = (error) => {
      signal?.removeEventListener("abort", aborted);
      space.replies.release();
      if (error === null) resolve();
      else reject(error);
    };
    const aborted = (): void => {
      watch.forgetRoom(teller);
      teller(signal?.reason);
    };
    watch.awaitRoom(teller);
    space.replies.hold();
    signal?.addEventListener("abort", aborted);
  });
}
