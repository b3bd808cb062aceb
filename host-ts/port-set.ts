// Port sets: receive rights that are received from together.

import { MACH_PORT_RIGHT_PORT_SET } from "./abi/codes.gen.js";
import { check } from "./errors.js";
import type { Message } from "./message.js";
import { messages } from "./messages.js";
import { PortRight } from "./port-right.js";
import { ReceiveRight } from "./receive-right.js";
import { receive, receiveSync, tryReceive, tryReceiveMany } from "./receive.js";
import type { SpaceOwner } from "./space.js";
import { Space } from "./space.js";
import type { SyncWait, Wait } from "./wait.js";

/**
 * A set of ports. Receiving takes a message of any member, members with messages in turn;
 * `message.port` says which. Disposing the set leaves its members alive.
 *
 * @mach MACH_PORT_RIGHT_PORT_SET
 */
export class PortSet extends PortRight implements AsyncIterable<Message> {
  /** @internal Makes a set in the space of `task`. */
  static allocate(task: SpaceOwner, members: Iterable<ReceiveRight> = []): PortSet {
    const space = Space.of(task);
    const { core, handle, self } = space;
    check("mach_port_allocate", core.mach_port_allocate(handle, self, MACH_PORT_RIGHT_PORT_SET));
    const set = new PortSet(space, space.processor.out(0));
    try {
      for (const member of members) set.add(member);
    } catch (error) {
      set[Symbol.dispose]();
      throw error;
    }
    return set;
  }

  /**
   * Adds a member; it may be in other sets too.
   *
   * @throws KernError KERN_ALREADY_IN_SET
   * @mach mach_port_insert_member
   */
  add(member: ReceiveRight): void {
    const { core, handle, self } = this.space;
    const name = this.live("add");
    check("mach_port_insert_member", core.mach_port_insert_member(handle, self, this.#nameOf(member), name));
  }

  /**
   * Takes a member out.
   *
   * @throws KernError KERN_NOT_IN_SET
   * @mach mach_port_extract_member
   */
  remove(member: ReceiveRight): void {
    const { core, handle, self } = this.space;
    const name = this.live("remove");
    check("mach_port_extract_member", core.mach_port_extract_member(handle, self, this.#nameOf(member), name));
  }

  /** See `ReceiveRight.receive`. */
  receive(wait?: Wait): Promise<Message> {
    return receive(this, wait);
  }

  /** See `ReceiveRight.receiveSync`. */
  receiveSync(wait?: SyncWait): Message {
    return receiveSync(this.space, this.live("receiveSync"), wait);
  }

  /** The next message if a member has one. */
  tryReceive(): Message | null {
    return tryReceive(this.space, this.live("tryReceive"));
  }

  /** Up to `max` messages that are there. */
  tryReceiveMany(max: number): Message[] {
    return tryReceiveMany(this.space, this.live("tryReceiveMany"), max);
  }

  /** Messages as they come; each is the reader's to dispose. Ends when the set is disposed. */
  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return messages(this);
  }

  protected override release(name: number): void {
    this.space.deallocate(name);
  }

  #nameOf(member: ReceiveRight): number {
    if (!(member instanceof ReceiveRight)) throw new TypeError("member: expected a ReceiveRight");
    return member.nameIn(this.space);
  }
}
