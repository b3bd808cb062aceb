// What one task on one thread needs to send and receive: the kernel's calls, the memory's views, the
// receive rights by name, the thread's reply ports. One per Task object; every right holds it.

import { KERN_RESOURCE_SHORTAGE, KERN_SUCCESS, MACH_PORT_RIGHT_RECEIVE } from "./abi/codes.gen.js";
import { IpcKmsg_ikm_capacity, IpcKmsg_ikm_charged, IpcKmsg_ikm_ports_max } from "./abi/layout.gen.js";
import type { Core } from "./core.js";
import { SMALL_BYTES, SMALL_PORTS } from "./draft.js";
import { KernError } from "./errors.js";
import type { Views } from "./memory/views.js";
import { Outbox } from "./outbox.js";
import type { Processor } from "./processor.js";
import type { PendingReceive } from "./receive.js";
import { ReceiveRight } from "./receive-right.js";
import { ReplyPool } from "./reply-pool.js";

/** What a space needs of its task. */
export interface SpaceOwner {
  /** The task handle that every call takes. */
  readonly handle: number;
  /** Name of the task's own port. */
  readonly self: number;
  readonly processor: Processor;
}

const SPARES_MAX = 256;

const spaces: WeakMap<SpaceOwner, Space> = new WeakMap();

/** One task as seen from one thread. */
export class Space {
  readonly processor: Processor;
  readonly core: Core;
  readonly views: Views;
  readonly handle: number;
  readonly self: number;
  /** Receive rights of this task that have an object, by name. */
  readonly receivers: Map<number, ReceiveRight> = new Map();
  /** Asynchronous sends that wait for room, by destination; absent is none. */
  readonly pendingSends: Map<number, number> = new Map();
  /** Records of receives that ended. */
  readonly idleReceives: PendingReceive[] = [];
  /** Received kmsgs of the smallest kind that calls under way will use again; empty when none is. */
  readonly spares: number[] = [];
  readonly outbox: Outbox;
  readonly replies: ReplyPool;
  /**
   * A call over the reply port is under way, or was ended by an exception: a late reply may still come. A store before the trap and
   * one after it, since where the stack is full no call is possible.
   */
  replyPortDirty = false;
  #replyPort = 0;
  /** Whether this task's messages are counted; known when it matters first. */
  #hasQuota: boolean | undefined = undefined;

  /** The space of `task`; made at the first use. */
  static of(task: SpaceOwner): Space {
    let space = spaces.get(task);
    if (space === undefined) {
      space = new Space(task);
      spaces.set(task, space);
    }
    return space;
  }

  private constructor(task: SpaceOwner) {
    this.processor = task.processor;
    this.core = task.processor.core;
    this.views = task.processor.views;
    this.handle = task.handle;
    this.self = task.self;
    this.outbox = new Outbox(this);
    this.replies = new ReplyPool(this);
  }

  /** The receive right called `name`; made when only the kernel knows of it. */
  receiver(name: number): ReceiveRight {
    return this.receivers.get(name) ?? new ReceiveRight(this, name);
  }

  /** This thread's reply port for blocking calls. */
  replyPort(): number {
    if (this.replyPortDirty) this.dropReplyPort();
    if (this.#replyPort === 0) this.#replyPort = this.makeReplyPort();
    return this.#replyPort;
  }

  /** Destroys the reply port, since a late reply might still come to it. */
  dropReplyPort(): void {
    if (this.#replyPort !== 0) this.destroyReceive(this.#replyPort);
    this.#replyPort = 0; // not before: an exception must not make it clean
    this.replyPortDirty = false;
  }

  makeReplyPort(): number {
    const name = this.core.mach_reply_port(this.handle) >>> 0;
    if (name === 0) {
      const kr = this.core.mach_port_type(this.handle, this.self, this.self);
      throw new KernError("mach_reply_port", kr === KERN_SUCCESS ? KERN_RESOURCE_SHORTAGE : kr);
    }
    return name;
  }

  /** Whether a received kmsg can carry another message of `size` bytes and `ports` rights of this task. */
  reusable(kmsg: number, size: number, ports: number): boolean {
    if (this.#hasQuota === undefined) this.#hasQuota = this.#probeQuota();
    if (this.#hasQuota) return false; // what it sends has to be counted
    const views = this.views;
    if (views.u32(kmsg + IpcKmsg_ikm_capacity) < size || views.u32(kmsg + IpcKmsg_ikm_ports_max) < ports) return false;
    return views.u32(kmsg + IpcKmsg_ikm_charged) === 0;
  }

  #probeQuota(): boolean {
    const kmsg = this.core.mach_msg_prepare(this.handle, SMALL_BYTES, SMALL_PORTS) >>> 0;
    if (kmsg === 0) return true;
    const charged = this.views.u32(kmsg + IpcKmsg_ikm_charged) !== 0;
    this.core.mach_msg_release(kmsg);
    return charged;
  }

  /** Gives a received kmsg without rights back, or keeps it for the next call. */
  recycle(kmsg: number): void {
    const keep = this.replies.busy && this.spares.length < SPARES_MAX && this.reusable(kmsg, SMALL_BYTES, SMALL_PORTS);
    if (keep) this.spares.push(kmsg);
    else this.core.mach_msg_release(kmsg);
  }

  /** No call is under way: nothing is kept. */
  releaseSpares(): void {
    while (this.spares.length > 0) this.core.mach_msg_release(this.spares.pop() as number);
  }

  destroyReceive(name: number): void {
    this.core.mach_port_mod_refs(this.handle, this.self, name, MACH_PORT_RIGHT_RECEIVE, -1);
  }

  deallocate(name: number): void {
    this.core.mach_port_deallocate(this.handle, this.self, name);
  }

  /** Before the task ends: pending calls are told, nothing keeps the event loop alive any more. */
  close(): void {
    this.outbox.close();
    this.replies.close();
  }
}
