// Messages that were received: read where they lie in the kernel's memory until they are disposed.
// Those that are to be sent are made in outgoing.ts.

import {
  KERN_INVALID_NAME,
  MACH_MSG_OOL_DESCRIPTOR,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_OOL_VOLATILE_DESCRIPTOR,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_PORT_TYPE_RECEIVE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_REPLY,
  MACH_SEND_MSG,
  MACH_SEND_TIMEOUT,
  MSGH_BASE_BYTES,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
} from "./abi/codes.gen.js";
import {
  IpcKmsg_ikm_bytes,
  IpcKmsg_ikm_sender_processor,
  IpcKmsg_ikm_sender_task,
  IpcKmsg_ikm_seqno,
} from "./abi/layout.gen.js";
import type { Outgoing } from "./outgoing.js";
import { draftOf } from "./outgoing.js";
import { errorOf, KernError, MachMsgError } from "./errors.js";
import { deallocate, Region } from "./memory/region.js";
import { notificationOf, type PortNotification } from "./notification-kinds.js";
import { isPort } from "./port-right.js";
import type { ReceiveRight } from "./receive-right.js";
import { type Right, rightOf, type SendOnceRight, type SendRight } from "./right.js";
import type { Space } from "./space.js";
import { namesIn } from "./trap/vm-bytes.js";

/** Who sent a message, as the kernel knows. */
export interface Sender {
  /** Serial number of the task; 0: the kernel. */
  readonly task: number;
  readonly processor: number;
}

const NO_RIGHTS: readonly Right[] = Object.freeze([]);
const NO_MEMORY: readonly Region[] = Object.freeze([]);

/**
 * A message that was received. `body` is a view that ends with the message. Reading `rights`, `memory`
 * or `reply` takes them out: they are the reader's then. What was not taken out is released with the
 * message.
 *
 * @mach mach_msg_header_t
 */
export class Message implements Disposable {
  readonly #space: Space;
  #kmsg: number;
  /** Index of the first word in the views. */
  readonly #at: number;
  #rights: readonly Right[] | null = null;
  #memory: readonly Region[] | null = null;
  #reply: SendOnceRight | SendRight | null | undefined = undefined;

  /** @internal Takes over a kmsg that this processor holds. */
  constructor(space: Space, kmsg: number, address: number) {
    this.#space = space;
    this.#kmsg = kmsg;
    this.#at = address >>> 2;
  }

  get id(): number {
    return this.#words("id")[this.#at + 5] as number;
  }

  /** The port's own count of messages received before this one. */
  get seqno(): number {
    return this.#field(IpcKmsg_ikm_seqno);
  }

  /** The right it was received with; one that refuses all use when it was moved or disposed meanwhile. */
  get port(): ReceiveRight {
    const space = this.#space;
    const name = (this.#words("port")[this.#at + 3] as number) >>> 0;
    const known = space.receivers.get(name);
    if (known !== undefined) return known;
    const right = space.receiver(name);
    if (!receives(space, name)) right.give();
    return right;
  }

  get sender(): Sender {
    return {
      task: this.#field(IpcKmsg_ikm_sender_task),
      processor: this.#field(IpcKmsg_ikm_sender_processor),
    };
  }

  /** What the kernel tells; null for a message that a task sent, whatever its id. */
  get notification(): PortNotification | null {
    if (this.#field(IpcKmsg_ikm_sender_task) !== 0) return null;
    const value = this.#space.views.u32((this.#at + 8) * 4);
    return notificationOf(this.id, value, () => this.rights[0]);
  }

  /** The bytes after header and rights, in place. */
  get body(): Uint8Array {
    const words = this.#words("body");
    const start = bodyStart(words, this.#at);
    const size = words[this.#at + 1] as number;
    const padding = words[this.#at + 4] as number;
    const bytes = size - start;
    const length = padding > 0 && padding < 4 && padding <= bytes ? bytes - padding : bytes;
    return this.#space.views.bytes(this.#at * 4 + start, length);
  }

  /** The rights it carried, in order, those of arrays too; a right whose port is dead refuses all use. */
  get rights(): readonly Right[] {
    if (this.#rights !== null) return this.#rights;
    const words = this.#words("rights");
    if (portCount(words, this.#at) === 0) {
      this.#rights = NO_RIGHTS;
      return NO_RIGHTS;
    }
    const rights: Right[] = [];
    eachRight(this.#space, words, this.#at, (name, disposition) => {
      rights.push(rightOf(this.#space, disposition, name));
    });
    this.#rights = rights;
    return rights;
  }

  /** The regions it carried, in order: memory of this task, which no other sees. */
  get memory(): readonly Region[] {
    if (this.#memory !== null) return this.#memory;
    const words = this.#words("memory");
    const regions: Region[] = [];
    eachRegion(words, this.#at, (address, size) => regions.push(new Region(this.#space, address, size)));
    this.#memory = regions.length === 0 ? NO_MEMORY : regions;
    return this.#memory;
  }

  /** Where to answer, if the sender wants an answer. */
  get reply(): SendOnceRight | SendRight | null {
    if (this.#reply !== undefined) return this.#reply;
    const words = this.#words("reply");
    const disposition = (words[this.#at] as number) & 0x1f;
    const name = (words[this.#at + 2] as number) >>> 0;
    // What is no receive right and no send right is a send-once right.
    this.#reply = name === 0 ? null : (rightOf(this.#space, disposition, name) as SendRight | SendOnceRight);
    return this.#reply;
  }

  /**
   * Answers through the reply right, never waiting; the right is used up. An answer to somebody who is dead by now is destroyed
   * with the rights in it, as by `mach_msg_server`: it would be, had it been queued a moment before.
   *
   * @throws MachMsgError MACH_SEND_INVALID_REPLY: no answer is wanted. KernError KERN_INVALID_NAME: it
   *   was given already.
   */
  respond(message: Outgoing): void {
    const words = this.#words("respond");
    const name = (words[this.#at + 2] as number) >>> 0;
    const disposition = (words[this.#at] as number) & 0x1f;
    const id = message.id ?? (words[this.#at + 5] as number) + 100;
    if (name === 0) throw new MachMsgError("Message.respond", MACH_SEND_INVALID_REPLY);
    const space = this.#space;
    const taken = this.#reply;
    if (taken === null) throw new KernError("Message.respond", KERN_INVALID_NAME);
    const reply = taken ?? (rightOf(space, disposition, name) as SendRight | SendOnceRight);
    const draft = draftOf(space, message, disposition, reply.nameIn(space), 0, 0, id);
    draft.note(2, reply.name, disposition, reply);
    this.#reply = reply;
    const kr = space.core.mach_msg_trap(
      space.handle,
      draft.kmsg,
      MACH_SEND_MSG | MACH_SEND_TIMEOUT,
      draft.size,
      0,
      0,
      0,
      0,
    );
    if (kr === 0) return;
    if (kr === MACH_SEND_INVALID_DEST) {
      draft.lost(kr);
      return;
    }
    draft.failed(kr);
    if (taken === undefined) {
      this.#reply = undefined; // still the message's, under the name that it has now
      words[this.#at + 2] = reply.disposed ? 0 : reply.give();
    }
    throw errorOf("mach_msg", kr, "respond");
  }

  /** Releases the message with everything that was not taken out. Idempotent; never throws. */
  [Symbol.dispose](): void {
    const kmsg = this.#kmsg;
    if (kmsg === 0) return;
    this.#kmsg = 0;
    try {
      if (this.#memory === null) releaseMemory(this.#space, this.#at);
      releaseReceived(this.#space, kmsg, this.#at, this.#reply === undefined, this.#rights === null);
    } catch {
      // The kernel is gone, and with it the message.
    }
  }

  /** @internal For decoders: the kmsg's first word; throws after dispose. */
  start(): number {
    this.#words("body");
    return this.#at;
  }

  /** @internal Gives the kmsg away, which the caller releases or sends; nothing else is released. */
  surrender(): number {
    const kmsg = this.#kmsg;
    this.#kmsg = 0;
    return kmsg;
  }

  /** @internal */
  get kmsg(): number {
    return this.#kmsg;
  }

  /** @internal The decoder made objects of all that is in the body, or the sender of the reply right. */
  taken(body: boolean, reply: boolean): void {
    if (body) {
      this.#rights = NO_RIGHTS;
      this.#memory = NO_MEMORY;
    }
    if (reply) this.#reply = null;
  }

  /** @internal Name of the reply right, which stays the message's; 0: none. */
  get replyName(): number {
    return (this.#words("reply")[this.#at + 2] as number) >>> 0;
  }

  /** True once the message was released. */
  get disposed(): boolean {
    return this.#kmsg === 0;
  }

  /** @internal Whether somebody took the reply right, or used it. */
  get replyTaken(): boolean {
    return this.#reply !== undefined;
  }

  #words(operation: string): Int32Array {
    if (this.#kmsg === 0) throw new KernError(`Message.${operation}`, KERN_INVALID_NAME, "the message was disposed");
    return this.#space.views.i32;
  }

  #field(offset: number): number {
    this.#words("seqno");
    return this.#space.views.u32(this.#kmsg + offset);
  }
}

/** Whether the name is a receive right, of which only the kernel knew. */
function receives({ core, handle, self, processor }: Space, name: number): boolean {
  return core.mach_port_type(handle, self, name) === 0 && (processor.out(0) & MACH_PORT_TYPE_RECEIVE) !== 0;
}

/** @internal A message that completed without the address of its bytes at hand. */
export function messageOf(space: Space, kmsg: number): Message {
  const address = space.views.u32(kmsg + IpcKmsg_ikm_bytes);
  space.views.reach(address, MSGH_HEADER_BYTES);
  space.views.reach(address, space.views.u32(address + 4));
  return new Message(space, kmsg, address);
}

/** @internal Number of rights in the body of the message at word `at`. */
export function portCount(words: Int32Array, at: number): number {
  return (words[at] as number) < 0 ? (words[at + 6] as number) : 0;
}

/** @internal Gives a received kmsg back, with the reply right and the rights in its body or without. */
export function releaseReceived(space: Space, kmsg: number, at: number, reply: boolean, rights: boolean): void {
  const words = space.views.i32;
  if (reply) {
    const name = (words[at + 2] as number) >>> 0;
    if (isPort(name)) space.deallocate(name);
  }
  if (rights) releaseBody(space, words, at);
  releaseArrays(space, words, at);
  space.core.mach_msg_release(kmsg);
}

/** @internal Releases the rights that descriptors name by dispositions which mean that they are held. */
export function releaseBody(space: Space, words: Int32Array, at: number): void {
  eachRight(space, words, at, (name, disposition) => {
    if (!isPort(name) || disposition > 18) return;
    if (disposition === MACH_MSG_TYPE_PORT_RECEIVE) space.destroyReceive(name);
    else space.deallocate(name);
  });
}

/** Calls `take` for each right that a descriptor or an array of the message names. */
function eachRight(
  space: Space,
  words: Int32Array,
  at: number,
  take: (name: number, disposition: number) => void,
): void {
  const count = portCount(words, at);
  for (let index = 0; index < count; index++) {
    const word = at + 7 + index * 3;
    const name = (words[word] as number) >>> 0;
    const shape = words[word + 2] as number;
    const disposition = (shape >>> 16) & 0xff;
    const type = shape >>> 24;
    if (isMemoryType(type)) continue;
    if (type !== MACH_MSG_OOL_PORTS_DESCRIPTOR) take(name, disposition);
    else for (const one of namesIn(space, name, words[word + 1] as number)) take(one, disposition);
  }
}

/** Calls `take` for each stretch of memory that a descriptor names; one that found no room has address 0, and is none. */
function eachRegion(words: Int32Array, at: number, take: (address: number, size: number) => void): void {
  const count = portCount(words, at);
  for (let index = 0; index < count; index++) {
    const word = at + 7 + index * 3;
    if (!isMemoryType((words[word + 2] as number) >>> 24)) continue;
    const address = (words[word] as number) >>> 0;
    take(address, address === 0 ? 0 : (words[word + 1] as number) >>> 0);
  }
}

function isMemoryType(type: number): boolean {
  return type === MACH_MSG_OOL_DESCRIPTOR || type === MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
}

/** @internal Releases the memory that descriptors of the message at word `at` name. */
export function releaseMemory(space: Space, at: number): void {
  eachRegion(space.views.i32, at, (address, size) => deallocate(space, address, size));
}

function releaseArrays(space: Space, words: Int32Array, at: number): void {
  const count = portCount(words, at);
  for (let index = 0; index < count; index++) {
    const word = at + 7 + index * 3;
    if ((words[word + 2] as number) >>> 24 !== MACH_MSG_OOL_PORTS_DESCRIPTOR) continue;
    const bytes = (words[word + 1] as number) * 4;
    space.core.vm_deallocate(space.handle, space.self, (words[word] as number) >>> 0, bytes);
  }
}

function bodyStart(words: Int32Array, at: number): number {
  if ((words[at] as number) >= 0) return MSGH_HEADER_BYTES;
  return MSGH_BASE_BYTES + MSGH_DESCRIPTOR_BYTES * (words[at + 6] as number);
}
