// The naming service. It learns of deaths by notification: of a port by its dead name, of a
// persistent service's server by the receive right that comes back.

import {
  BOOTSTRAP_NAME_IN_USE,
  BOOTSTRAP_SERVICE_ACTIVE,
  BOOTSTRAP_UNKNOWN_SERVICE,
  KERN_ABORTED,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_CAPABILITY,
  MACH_PORT_TYPE_SEND,
} from "../abi/codes.gen.js";
import * as platform from "#platform";
import { KernError } from "../errors.js";
import type { Message } from "../message.js";
import { serve, type Server } from "../mig/server.js";
import { deadName } from "../name-watch.js";
import { portDestroyed, watchDeath } from "../notification.js";
import { isPort } from "../port-right.js";
import { ReceiveRight } from "../receive-right.js";
import { move, type Moved, type OutgoingRight, type SendRight } from "../right.js";
import { Space, type SpaceOwner } from "../space.js";
import { bootstrapSubsystem } from "./bootstrap.defs.js";

/** A name that is known. */
interface Service {
  readonly name: string;
  readonly send: SendRight;
  /** The receive right, while nobody has checked in. */
  receive: ReceiveRight | null;
  /** Whether the receive right comes back when its holder dies. */
  persistent: boolean;
}

/** What a check-in is answered with. */
interface CheckedIn {
  readonly receive: Moved;
}

/** What a look-up is answered with. */
interface Found {
  readonly right: OutgoingRight;
}

/** A look-up that waits for a check-in. */
interface Waiter {
  found(service: Service): void;
  failed(error: unknown): void;
}

/** Serves the naming service of a kernel on `receive`, which it owns from here on. */
export function serveBootstrap(task: SpaceOwner, receive: ReceiveRight): Server {
  const names = new Names(task);
  return serve(receive, bootstrapSubsystem, {
    check_in: ({ name, persistent }) => names.checkIn(name, persistent),
    register: ({ name, right }) => names.register(name, right),
    look_up: ({ name, wait }, message) => names.lookUp(name, wait, message),
    unregister: ({ name }) => names.unregister(name),
    next: ({ after }) => ({ name: names.next(after) }),
  });
}

class Names {
  readonly #task: SpaceOwner;
  readonly #space: Space;
  readonly #services: Map<string, Service> = new Map();
  readonly #waiters: Map<string, Set<Waiter>> = new Map();

  constructor(task: SpaceOwner) {
    this.#task = task;
    this.#space = Space.of(task);
  }

  checkIn(name: string, persistent: boolean): CheckedIn | Promise<CheckedIn> {
    const service = this.#alive(name);
    if (service === undefined || service.receive !== null || !service.persistent)
      return this.#checkIn(name, persistent);
    return this.#checkInLater(name, persistent);
  }

  /**
   * Its server may be dead and the port on its way back: in the queue, in a completion, or in the hand of
   * a turn that is due. After two turns it is in none of these.
   */
  async #checkInLater(name: string, persistent: boolean): Promise<CheckedIn> {
    for (let turns = 0; turns < 2; turns++) {
      await new Promise<void>((resolve) => platform.turn(resolve));
      this.#space.processor.drain();
      this.#space.replies.poll();
    }
    return this.#checkIn(name, persistent);
  }

  #checkIn(name: string, persistent: boolean): CheckedIn {
    const service = this.#alive(name) ?? this.#make(name);
    const receive = service.receive;
    if (receive === null) throw refusal(BOOTSTRAP_SERVICE_ACTIVE, name);
    if (persistent) {
      portDestroyed(this.#space, receive.name, (right) => this.#cameBack(service, right));
    }
    service.receive = null;
    service.persistent = persistent;
    this.#found(service);
    return { receive: move(receive) };
  }

  register(name: string, right: SendRight): void {
    if (name === "") throw refusal(KERN_INVALID_ARGUMENT, name);
    if (this.#alive(name) !== undefined) throw refusal(BOOTSTRAP_NAME_IN_USE, name);
    if (!this.#lives(right)) throw refusal(KERN_INVALID_CAPABILITY, name);
    const service: Service = { name, send: right, receive: null, persistent: false };
    this.#add(service);
    this.#found(service);
  }

  lookUp(name: string, wait: boolean, message: Message): Found | Promise<Found> {
    const service = this.#alive(name);
    if (service !== undefined) return { right: service.send };
    if (!wait || name === "") throw refusal(BOOTSTRAP_UNKNOWN_SERVICE, name);
    const reply = message.replyName;
    if (!isPort(reply)) throw refusal(KERN_ABORTED, name); // nobody waits any more
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        found: (found) => resolve({ right: ownReference(found.send) }),
        failed: reject,
      };
      const waiters = this.#waiters.get(name) ?? new Set();
      this.#waiters.set(name, waiters);
      waiters.add(waiter);
      // Whoever gives up destroys its reply port: nothing is kept for it then.
      watchDeath(this.#space, reply, (dead) => {
        if (!dead || !waiters.delete(waiter)) return;
        if (waiters.size === 0 && this.#waiters.get(name) === waiters) this.#waiters.delete(name);
        waiter.failed(refusal(KERN_ABORTED, name));
      });
    });
  }

  unregister(name: string): void {
    const service = this.#alive(name);
    if (service === undefined) throw refusal(BOOTSTRAP_UNKNOWN_SERVICE, name);
    this.#remove(service);
  }

  /** The first name after `after`; empty when there is none. */
  next(after: string): string {
    let first = "";
    for (const name of this.#services.keys()) {
      if (name > after && (first === "" || name < first)) first = name;
    }
    return first;
  }

  #make(name: string): Service {
    if (name === "") throw refusal(KERN_INVALID_ARGUMENT, name);
    const receive = ReceiveRight.allocate(this.#task);
    const service: Service = { name, send: receive.makeSend(), receive, persistent: false };
    this.#add(service);
    return service;
  }

  #add(service: Service): void {
    this.#services.set(service.name, service);
    void deadName(this.#space, service.send.name).then(() => this.#remove(service));
  }

  #remove(service: Service): void {
    if (this.#services.get(service.name) === service) this.#services.delete(service.name);
    service.send[Symbol.dispose]();
    this.#space.replies.poll(); // the request for its death ended with the right
    service.receive?.[Symbol.dispose]();
  }

  /** A persistent service's server died, or let go. */
  #cameBack(service: Service, right: ReceiveRight | null): void {
    if (right === null) return;
    if (this.#services.get(service.name) === service) service.receive = right;
    else right[Symbol.dispose]();
  }

  #found(service: Service): void {
    const waiters = this.#waiters.get(service.name);
    if (waiters === undefined) return;
    this.#waiters.delete(service.name);
    for (const waiter of waiters) waiter.found(service);
    waiters.clear();
  }

  /** The service, unless its port died and the notification is still on its way. */
  #alive(name: string): Service | undefined {
    const service = this.#services.get(name);
    if (service === undefined || this.#lives(service.send)) return service;
    this.#remove(service);
    return undefined;
  }

  #lives(right: SendRight): boolean {
    const { core, handle, self, processor } = this.#space;
    if (!isPort(right.name)) return false;
    return core.mach_port_type(handle, self, right.name) === 0 && (processor.out(0) & MACH_PORT_TYPE_SEND) !== 0;
  }
}

/** A reference for an answer that is written later: the service may be unregistered by then. */
function ownReference(right: SendRight): OutgoingRight {
  try {
    return move(right.copy());
  } catch {
    return right; // dead meanwhile: whoever asked is told so
  }
}

function refusal(code: number, name: string): KernError {
  return new KernError("bootstrap", code, JSON.stringify(name));
}
