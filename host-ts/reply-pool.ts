// Reply ports of one task on one thread. All are members of one set with one pending receive, so that
// a call costs no waiter; what comes in is told apart by the port. A port whose call failed, timed
// out or was aborted is destroyed, never used again: a late reply would go to the wrong call.

import { KERN_TERMINATED, MACH_PORT_RIGHT_PORT_SET } from "./abi/codes.gen.js";
import type { PendingCall } from "./call.js";
import { check, errorOf, KernelPanic, type KernError } from "./errors.js";
import { messageOf } from "./message.js";
import { Pump, type PumpSink } from "./pump.js";
import type { Space } from "./space.js";
import { report } from "#platform";

/** What waits for a message at a reply port. */
export interface ReplyTaker {
  /** Whether the port stays this taker's after a message. */
  readonly keepsPort: boolean;
  /** The message that came; takes the kmsg. */
  reply(kmsg: number, address: number): void;
  /** None will come. */
  failed(error: KernError): void;
}

/** Ports that are kept when nobody uses them. */
export const IDLE_MAX: number = 1024;

/** The pool. */
export class ReplyPool implements PumpSink {
  readonly #space: Space;
  readonly #idle: number[] = [];
  /** Calls that ended, with their ports. */
  readonly idleCalls: PendingCall[] = [];
  readonly #takers: Map<number, ReplyTaker> = new Map();
  #set = 0;
  #pump: Pump | null = null;
  /** Its receive was armed: the stack may have ended before. */
  #started = false;
  /** Takers that keep the event loop alive. */
  #held = 0;

  constructor(space: Space) {
    this.#space = space;
  }

  /** More calls are under way. */
  get busy(): boolean {
    return this.#held > 0;
  }

  get expectant(): boolean {
    return this.#held > 0;
  }

  /** A port for one message, or for as long as the taker keeps it. */
  open(taker: ReplyTaker): number {
    if (!this.#started) this.#start();
    else if (this.#idle.length === 0) this.poll(); // some may be free already
    const port = this.#idle.pop() ?? this.#make();
    this.#takers.set(port, taker);
    return port;
  }

  /** Keeps the event loop alive until the matching `release`. */
  hold(): void {
    if (this.#held++ === 0) this.#space.processor.hold();
  }

  /** The taker has what it waited for, or gave up. */
  release(): void {
    if (--this.#held > 0) return;
    this.#space.processor.release();
    if (this.#space.spares.length > 0) this.#space.releaseSpares();
  }

  /** Takes what came already, without waiting to be told. */
  poll(): void {
    this.#pump?.poll();
  }

  /** Destroys the port: nothing is awaited there any more. */
  drop(port: number): void {
    if (this.#takers.delete(port)) this.#space.destroyReceive(port);
  }

  /** The port of a message that was never sent goes back. */
  unused(port: number): void {
    if (this.#takers.delete(port)) this.#idle.push(port);
  }

  close(): void {
    this.#pump?.stop();
    this.#pump = null;
    this.#started = false;
    this.ended(KERN_TERMINATED);
  }

  take(kmsg: number, address: number, port: number): void {
    const taker = this.#takers.get(port);
    if (taker === undefined) {
      messageOf(this.#space, kmsg)[Symbol.dispose]();
      return;
    }
    if (!taker.keepsPort) {
      this.#takers.delete(port);
      if (this.#idle.length < IDLE_MAX) this.#idle.push(port);
      else this.#space.destroyReceive(port);
    }
    taker.reply(kmsg, address);
  }

  damaged(kmsg: number, _address: number, port: number, code: number): void {
    messageOf(this.#space, kmsg)[Symbol.dispose]();
    const taker = this.#takers.get(port);
    this.drop(port);
    taker?.failed(errorOf("mach_msg", code, "there is no room for what the reply carries"));
  }

  taken(): void {}

  ended(code: number): void {
    const takers = [...this.#takers.values()];
    this.#takers.clear();
    this.#idle.length = 0;
    this.idleCalls.length = 0;
    const error = errorOf("mach_msg", code, "reply port");
    for (const taker of takers) {
      try {
        taker.failed(error);
      } catch (failure) {
        if (!(failure instanceof KernelPanic)) report(failure);
      }
    }
  }

  #start(): void {
    const space = this.#space;
    const { core, handle, self } = space;
    if (this.#pump === null) {
      check("mach_port_allocate", core.mach_port_allocate(handle, self, MACH_PORT_RIGHT_PORT_SET));
      this.#set = space.processor.out(0);
      this.#pump = new Pump(space, this.#set, this, false);
    }
    this.#pump.start();
    this.#started = true;
  }

  #make(): number {
    const space = this.#space;
    const port = space.makeReplyPort();
    const kr = space.core.mach_port_insert_member(space.handle, space.self, port, this.#set);
    if (kr !== 0) space.destroyReceive(port);
    check("mach_port_insert_member", kr);
    return port;
  }
}
