// The right to receive from a port: there is one per port, and it can only be moved.

import {
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_PORT_QLIMIT_MAX,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RECEIVE_STATUS_COUNT,
  MACH_PORT_STATUS_FLAG_GUARDED,
  MPG_IMMOVABLE_RECEIVE,
  MPG_STRICT,
  MPO_CONTEXT_AS_GUARD,
  MPO_QLIMIT,
} from "./abi/codes.gen.js";
import { check } from "./errors.js";
import { type NoSendersEvent, onNoSenders, onPortDestroyed, type PortDestroyedEvent } from "./events.js";
import { messages } from "./messages.js";
import type { Message } from "./message.js";
import { noSenders } from "./notification.js";
import { PortRight } from "./port-right.js";
import { receive, receiveSync, tryReceive, tryReceiveMany } from "./receive.js";
import { SendOnceRight, SendRight } from "./right.js";
import { makeSendOnce } from "./send-once.js";
import type { SpaceOwner } from "./space.js";
import { Space } from "./space.js";
import type { SyncWait, Wait } from "./wait.js";

function checkGuard(guard: number): void {
  if (guard >>> 0 !== guard) throw new TypeError("guard: expected a whole number below 2 ** 32");
}

/** How a port is made. */
export interface PortOptions {
  /** Messages that may wait in the queue before senders wait; default and most 1024. */
  readonly qlimit?: number | undefined;
  /** Guards the port; see `ReceiveRight.guard`. */
  readonly guard?: number | undefined;
}

/** How a port is guarded. */
export interface GuardOptions {
  /** The guard is not shown as the port's context, and `unguard` alone changes it. */
  readonly strict?: boolean | undefined;
  /** The receive right cannot be moved any more, also when the guard is gone. */
  readonly immovable?: boolean | undefined;
}

/**
 * A port as its receiver sees it.
 *
 * @mach mach_port_status
 */
export interface PortStatus {
  readonly seqno: number;
  readonly makeSendCount: number;
  readonly qlimit: number;
  /** Messages in the queue. */
  readonly messages: number;
  readonly sendOnceRights: number;
  /** Whether any send right exists. */
  readonly senders: boolean;
  readonly inSet: boolean;
  readonly portDestroyedRequested: boolean;
  readonly noSendersRequested: boolean;
  readonly guarded: boolean;
}

/**
 * The right to receive from a port; disposing it destroys the port.
 *
 * @mach MACH_PORT_RIGHT_RECEIVE
 */
export class ReceiveRight extends PortRight implements AsyncIterable<Message> {
  /** @internal Makes a port in the space of `task`. */
  static allocate(task: SpaceOwner, options?: PortOptions): ReceiveRight {
    const qlimit = options?.qlimit ?? MACH_PORT_QLIMIT_MAX;
    if (typeof qlimit !== "number" || !Number.isInteger(qlimit) || qlimit < 0) {
      throw new TypeError("qlimit: expected a whole number");
    }
    const space = Space.of(task);
    const guard = options?.guard;
    if (guard !== undefined) checkGuard(guard);
    const { core, handle, self } = space;
    const flags = guard === undefined ? MPO_QLIMIT : MPO_QLIMIT | MPO_CONTEXT_AS_GUARD;
    check(
      "mach_port_construct",
      core.mach_port_construct(handle, self, flags, Math.min(qlimit, 0xffffffff), guard ?? 0),
    );
    const right = new ReceiveRight(space, space.processor.out(0));
    right.#guard = guard ?? 0;
    return right;
  }

  /** The guard that this object knows of; of a port without one it does not matter. */
  #guard = 0;

  /** @internal */
  constructor(space: Space, name: number) {
    super(space, name);
    space.receivers.set(name, this);
  }

  /**
   * A new send right to this port.
   *
   * @mach MACH_MSG_TYPE_MAKE_SEND
   */
  makeSend(): SendRight {
    const { core, handle, self } = this.space;
    const name = this.live("makeSend");
    check("mach_port_insert_right", core.mach_port_insert_right(handle, self, name, name, MACH_MSG_TYPE_MAKE_SEND));
    return new SendRight(this.space, name);
  }

  /**
   * A new send-once right to this port.
   *
   * @mach MACH_MSG_TYPE_MAKE_SEND_ONCE
   */
  makeSendOnce(): SendOnceRight {
    return new SendOnceRight(this.space, makeSendOnce(this.space, this.live("makeSendOnce")));
  }

  /**
   * Waits for the next message. A message that was handed over already is delivered even when time
   * is up or the signal aborts.
   *
   * @throws MachMsgError MACH_RCV_TIMED_OUT; MACH_RCV_PORT_DIED, MACH_RCV_PORT_CHANGED: destroyed or
   *   moved while waiting. The signal's reason when it aborted.
   * @mach mach_msg
   */
  receive(wait?: Wait): Promise<Message> {
    return receive(this, wait);
  }

  /**
   * Waits for the next message, blocking this thread.
   *
   * @throws MachMsgError as `receive`. MACH_IPC_WOULD_BLOCK: this thread may not block; use `receive`.
   */
  receiveSync(wait?: SyncWait): Message {
    return receiveSync(this.space, this.live("receiveSync"), wait);
  }

  /** The next message if there is one. */
  tryReceive(): Message | null {
    return tryReceive(this.space, this.live("tryReceive"));
  }

  /** Up to `max` messages that are there, in one trap per 128. */
  tryReceiveMany(max: number): Message[] {
    return tryReceiveMany(this.space, this.live("tryReceiveMany"), max);
  }

  /** Messages as they come; each is the reader's to dispose. Ends when the port is disposed. Leaves out what finds no room here. */
  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return messages(this);
  }

  /**
   * Resolves when no send right is left; at once if there is none and fewer than `since` (default 0)
   * were not made. A later call replaces an earlier one, which rejects with KERN_ABORTED.
   *
   * @mach MACH_NOTIFY_NO_SENDERS
   */
  noSenders(options?: {
    readonly since?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  }): Promise<{ makeSendCount: number }> {
    return noSenders(this, options);
  }

  /**
   * Calls `listener` each time that no send right is left; at once if there is none and fewer than `since` (default 0) were not
   * made. A server that hands out send rights counts them, and believes an event only if its `makeSendCount` is not below that
   * count: otherwise one that it handed out since is on its way, and another event will come.
   *
   * One request per port, as in Mach: a later `onNoSenders` or `noSenders` ends an earlier one. It ends with the receive right.
   *
   * @returns ends it when disposed
   * @mach MACH_NOTIFY_NO_SENDERS
   */
  onNoSenders(
    listener: (event: NoSendersEvent) => void,
    options?: { readonly since?: number | undefined },
  ): Disposable {
    return onNoSenders(this.space, this.live("onNoSenders"), listener, options?.since ?? 0);
  }

  /**
   * Before the right is moved away: calls `listener` once with the receive right, when whoever has it then lets go of it, by
   * disposing it or by its death. Its queue and its senders are what they were. A later `onPortDestroyed` ends an earlier one;
   * disposed before the right comes back, the port dies with its holder after all.
   *
   * @returns ends it when disposed
   * @mach MACH_NOTIFY_PORT_DESTROYED
   */
  onPortDestroyed(listener: (event: PortDestroyedEvent) => void): Disposable {
    return onPortDestroyed(this.space, this.live("onPortDestroyed"), listener);
  }

  /**
   * Guards the port: by its name alone, through `mach-ipc/traps`, it cannot be destroyed any more. This object knows the guard, so
   * that disposing it still does. A guard is gone when the right is moved.
   *
   * @param guard any word, 0 to 4294967295
   * @throws KernError KERN_INVALID_ARGUMENT: it has a guard or another context already
   * @mach mach_port_guard_with_flags
   */
  guard(guard: number, options: GuardOptions = {}): void {
    checkGuard(guard);
    const { core, handle, self } = this.space;
    const flags = (options.strict ? MPG_STRICT : 0) | (options.immovable ? MPG_IMMOVABLE_RECEIVE : 0);
    const name = this.live("guard");
    check("mach_port_guard_with_flags", core.mach_port_guard_with_flags(handle, self, name, guard, flags));
    this.#guard = guard;
  }

  /**
   * Takes the guard away.
   *
   * @throws KernError KERN_INVALID_ARGUMENT: not guarded, or not with `guard`
   * @mach mach_port_unguard
   */
  unguard(guard: number): void {
    checkGuard(guard);
    const { core, handle, self } = this.space;
    check("mach_port_unguard", core.mach_port_unguard(handle, self, this.live("unguard"), guard));
  }

  /**
   * How the port stands now.
   *
   * @mach mach_port_get_attributes
   */
  status(): PortStatus {
    const { core, handle, self, processor } = this.space;
    check(
      "mach_port_get_attributes",
      core.mach_port_get_attributes(
        handle,
        self,
        this.live("status"),
        MACH_PORT_RECEIVE_STATUS,
        MACH_PORT_RECEIVE_STATUS_COUNT,
      ),
    );
    return {
      inSet: processor.out(0) !== 0,
      seqno: processor.out(1),
      makeSendCount: processor.out(2),
      qlimit: processor.out(3),
      messages: processor.out(4),
      sendOnceRights: processor.out(5),
      senders: processor.out(6) !== 0,
      portDestroyedRequested: processor.out(7) !== 0,
      noSendersRequested: processor.out(8) !== 0,
      guarded: (processor.out(9) & MACH_PORT_STATUS_FLAG_GUARDED) !== 0,
    };
  }

  protected override release(name: number): void {
    const { core, handle, self } = this.space;
    core.mach_port_destruct(handle, self, name, 0, this.#guard);
  }

  protected override given(name: number): void {
    if (this.space.receivers.get(name) === this) this.space.receivers.delete(name);
  }

  protected override taken(name: number): void {
    this.space.receivers.set(name, this);
  }
}
