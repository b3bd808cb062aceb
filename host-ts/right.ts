// Rights to send. A send right is copied when it goes into a message, unless `move` gives it away;
// a send-once right is used up by its one message.

import {
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_PORT_RIGHT_SEND,
} from "./abi/codes.gen.js";
import { call, callSync } from "./call.js";
import { check } from "./errors.js";
import { MovedRegion, Region } from "./memory/region.js";
import type { Message } from "./message.js";
import type { Outgoing } from "./outgoing.js";
import { onDead } from "./events.js";
import { deadName, sendPossible } from "./name-watch.js";
import { PortRight } from "./port-right.js";
import { ReceiveRight } from "./receive-right.js";
import { sendAsync, sendOnce, sendSync, trySend } from "./send.js";
import type { Space } from "./space.js";
import type { SyncWait, Wait } from "./wait.js";

/** Any right that a message can carry or a task can hold. */
export type Right = ReceiveRight | SendRight | SendOnceRight;

/** A send right is copied, a moved right is given away. */
export type OutgoingRight = SendRight | Moved;

/**
 * One user reference on a send right.
 *
 * @mach MACH_PORT_RIGHT_SEND
 */
export class SendRight extends PortRight {
  /**
   * Sends, waiting for room in the queue. The rights in `message` are taken on success; on failure
   * every one is still yours.
   *
   * @throws MachMsgError MACH_SEND_TIMED_OUT: no room in time. MACH_SEND_INVALID_DEST: the port died.
   *   MACH_SEND_NO_BUFFER: 16 sends through this right wait already.
   * @mach mach_msg
   */
  send(message: Outgoing, wait?: Wait): Promise<void> {
    return sendAsync(this, message, wait);
  }

  /**
   * Sends, blocking this thread while the queue is full.
   *
   * @throws MachMsgError as `send`. MACH_IPC_WOULD_BLOCK: this thread may not block; use `send`.
   */
  sendSync(message: Outgoing, wait?: SyncWait): void {
    sendSync(this.space, this.live("sendSync"), message, wait);
  }

  /** Sends if there is room; false when the queue is full and nothing was sent: `sendPossible` says when to try again. */
  trySend(message: Outgoing): boolean {
    return trySend(this.space, this.live("trySend"), message);
  }

  /**
   * Resolves when the port's queue has room, at once if it has, and when the port has died: then the next send says so. Whoever else
   * sends may be first, so try in a loop: `while (!right.trySend(message)) await right.sendPossible()`.
   *
   * @throws KernError KERN_ABORTED: this right's name went, with its last reference. The signal's reason when it aborted.
   * @mach MACH_NOTIFY_SEND_POSSIBLE
   */
  sendPossible(options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    return sendPossible(this.space, this.live("sendPossible"), options);
  }

  /**
   * Sends with a reply right made for this call and waits for the reply.
   *
   * @throws MigError MIG_SERVER_DIED: the port is dead, or the reply right was destroyed unused.
   *   MachMsgError MACH_SEND_NO_BUFFER: 8192 calls wait for room in its queue already.
   */
  call(message: Outgoing, wait?: Wait): Promise<Message> {
    return call(this, message, wait);
  }

  /** As `call`, blocking: one trap sends and receives. */
  callSync(message: Outgoing, wait?: SyncWait): Message {
    return callSync(this.space, this.live("callSync"), message, wait);
  }

  /** Another reference on the same right. */
  copy(): SendRight {
    const { core, handle, self } = this.space;
    const name = this.live("copy");
    check("mach_port_mod_refs", core.mach_port_mod_refs(handle, self, name, MACH_PORT_RIGHT_SEND, 1));
    return new SendRight(this.space, name);
  }

  /**
   * Resolves when the port has died; does not keep the event loop alive. Stays pending when this right's name goes first, with its
   * last reference, and when the task or the kernel ends first.
   *
   * @mach MACH_NOTIFY_DEAD_NAME
   */
  get dead(): Promise<void> {
    return deadName(this.space, this.live("dead"));
  }

  /**
   * Calls `listener` once when the port has died, also if it is dead already. Not when this right's name goes first, with its last
   * reference.
   *
   * @returns ends it when disposed
   * @mach MACH_NOTIFY_DEAD_NAME
   */
  onDead(listener: () => void): Disposable {
    return onDead(this.space, this.live("onDead"), listener);
  }

  protected override release(name: number): void {
    this.space.deallocate(name);
  }
}

/**
 * The right to send one message, which never waits for room. Destroyed unused, it tells the
 * port's holder so.
 *
 * @mach MACH_PORT_RIGHT_SEND_ONCE
 */
export class SendOnceRight extends PortRight {
  /** Sends and uses the right up. On failure this and the rights in `message` are still yours. */
  send(message: Outgoing): void {
    sendOnce(this.space, this, message);
  }

  /**
   * Calls `listener` once when the port has died, also if it is dead already. Not when this right was used, moved or disposed.
   *
   * @returns ends it when disposed
   * @mach MACH_NOTIFY_DEAD_NAME
   */
  onDead(listener: () => void): Disposable {
    return onDead(this.space, this.live("onDead"), listener);
  }

  protected override release(name: number): void {
    this.space.deallocate(name);
  }
}

/** A right that is given away by the message it goes into. */
export class Moved {
  readonly right: Right;

  /** @internal */
  constructor(right: Right) {
    this.right = right;
  }
}

/**
 * Marks a right, or a region of memory, to be given away. It stays yours until the message that carries it was sent.
 *
 * @mach MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_MSG_TYPE_MOVE_RECEIVE
 */
export function move<T extends Right | Region>(right: T): T extends Region ? MovedRegion : Moved;
export function move(right: Right | Region): Moved | MovedRegion {
  if (right instanceof Region) return new MovedRegion(right);
  if (!(right instanceof SendRight || right instanceof SendOnceRight || right instanceof ReceiveRight)) {
    throw new TypeError("move: expected a SendRight, SendOnceRight, ReceiveRight or Region");
  }
  return new Moved(right);
}

/** @internal How `right` travels. */
export function dispositionOf(right: OutgoingRight): number {
  if (right instanceof SendRight) return MACH_MSG_TYPE_COPY_SEND;
  if (!(right instanceof Moved)) {
    throw new TypeError("rights: expected a SendRight, or move() of a right");
  }
  if (right.right instanceof ReceiveRight) return MACH_MSG_TYPE_MOVE_RECEIVE;
  return right.right instanceof SendRight ? MACH_MSG_TYPE_MOVE_SEND : MACH_MSG_TYPE_MOVE_SEND_ONCE;
}

/** @internal The object for a right that was received as `disposition`. */
export function rightOf(space: Space, disposition: number, name: number): Right {
  if (disposition === MACH_MSG_TYPE_PORT_SEND) return new SendRight(space, name);
  if (disposition === MACH_MSG_TYPE_PORT_RECEIVE) return new ReceiveRight(space, name);
  return new SendOnceRight(space, name);
}
