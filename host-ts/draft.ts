// A message being built in a kmsg that the kernel gave: header, descriptors and body are written in
// place, and the rights that go with it are noted, so that a send that fails can give them back.

import {
  MACH_MSG_TYPE_COPY_SEND,
  MACH_SEND_INVALID_MEMORY,
  MACH_SEND_INVALID_RIGHT,
  MSGH_BASE_BYTES,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
} from "./abi/codes.gen.js";
import { IpcKmsg_ikm_bytes, KMSG_SMALL_BYTES } from "./abi/layout.gen.js";
import { errorOf } from "./errors.js";
import { Cargo, typeBit } from "./memory/cargo.js";
import type { OutgoingMemory } from "./memory/region.js";
import type { OutgoingRight, Right } from "./right.js";
import { dispositionOf, Moved } from "./right.js";
import type { Space } from "./space.js";

export const HEADER_WORDS: number = MSGH_HEADER_BYTES >>> 2;
export const COMPLEX: number = 0x80000000 | 0;

/** One right that travels with a message. */
interface Passenger {
  /** The word that holds its name, counted from the message's start. */
  readonly word: number;
  readonly disposition: number;
  readonly name: number;
  /** The right's object, emptied meanwhile; null when the right is copied or made. */
  readonly moved: Right | null;
}

/** What a kmsg of the smallest element has room for: every small message takes that much, and can be used again for any other. */
export const SMALL_BYTES: number = KMSG_SMALL_BYTES;
export const SMALL_PORTS: number = 1;

/** A message that is not sent yet. */
export class Draft {
  readonly space: Space;
  /** 0: sent, or given back. */
  kmsg = 0;
  /** Bytes to send. */
  size = 0;
  /** Index of the message's first word in the views. */
  at = 0;
  passengers: Passenger[] | null = null;
  /** What it carries out of line. */
  cargo: Cargo | null = null;
  /** The header's dispositions as they were written. */
  #bits = 0;

  constructor(space: Space) {
    this.space = space;
  }

  /** Takes a kmsg for `size` bytes, header included, and `ports` rights. */
  prepare(size: number, ports: number): void {
    const space = this.space;
    const small = size <= SMALL_BYTES && ports <= SMALL_PORTS;
    if (small && space.spares.length > 0) {
      const spare = space.spares.pop() as number;
      this.kmsg = spare;
      this.size = size;
      this.at = space.views.u32(spare + IpcKmsg_ikm_bytes) >>> 2;
      return;
    }
    const kmsg = small
      ? space.core.mach_msg_prepare(space.handle, SMALL_BYTES, SMALL_PORTS) >>> 0
      : space.core.mach_msg_prepare(space.handle, size, ports) >>> 0;
    const processor = space.processor;
    if (kmsg === 0) throw errorOf("mach_msg_prepare", processor.out(1));
    const address = processor.out(0);
    space.views.reach(address, small ? SMALL_BYTES : size);
    this.kmsg = kmsg;
    this.size = size;
    this.at = address >>> 2;
  }

  /** Takes over a kmsg that was received and has room. */
  adopt(kmsg: number, at: number, size: number): void {
    this.kmsg = kmsg;
    this.size = size;
    this.at = at;
  }

  /** Writes the header; `bits` has the dispositions of destination and reply. */
  header(bits: number, remote: number, local: number, id: number): void {
    const words = this.space.views.i32;
    const at = this.at;
    this.#bits = bits;
    words[at] = bits;
    words[at + 1] = this.size;
    words[at + 2] = remote;
    words[at + 3] = local;
    words[at + 4] = 0;
    words[at + 5] = id;
  }

  /** Writes descriptor `index`; the right is the message's from here on. */
  right(index: number, right: OutgoingRight): void {
    const words = this.space.views.i32;
    const word = (MSGH_BASE_BYTES + index * MSGH_DESCRIPTOR_BYTES) >>> 2;
    const disposition = dispositionOf(right);
    words[this.at + word] = this.embark(word, right, disposition);
    words[this.at + word + 1] = 0;
    words[this.at + word + 2] = disposition << 16;
  }

  /** Writes descriptor `index`; a moved region is the message's from here on. */
  memory(index: number, memory: OutgoingMemory): void {
    this.cargo ??= new Cargo(this.space);
    this.cargo.memory(this.at, (MSGH_BASE_BYTES + index * MSGH_DESCRIPTOR_BYTES) >>> 2, memory);
  }

  /** Writes descriptor `index`: an array of rights, all of which go by `disposition`. */
  array(index: number, disposition: number, rights: readonly Right[]): void {
    this.cargo ??= new Cargo(this.space);
    this.cargo.array(this.at, (MSGH_BASE_BYTES + index * MSGH_DESCRIPTOR_BYTES) >>> 2, disposition, rights);
  }

  /** Notes a right that is named in word `word`; a moved one is emptied until the send failed. */
  embark(word: number, right: OutgoingRight, disposition: number): number {
    const moved = right instanceof Moved;
    const name = (moved ? right.right : right).nameIn(this.space);
    this.note(word, name, disposition, moved ? right.right : null);
    return name;
  }

  note(word: number, name: number, disposition: number, moved: Right | null): void {
    if (moved !== null) moved.give();
    this.passengers ??= [];
    this.passengers.push({ word, disposition, name, moved });
  }

  /** The kernel has it all now. */
  sent(): void {
    this.kmsg = 0;
    this.passengers = null;
    this.cargo = null;
  }

  /** Gives everything back; nothing was asked of the kernel yet, or it refused and changed nothing. */
  discard(): void {
    if (this.passengers !== null) {
      for (const { moved, name } of this.passengers) moved?.takeBack(name);
      this.passengers = null;
    }
    this.cargo?.discard();
    this.cargo = null;
    this.#release();
  }

  /**
   * After a send that failed with `code`: every right is the caller's again. Where Mach received the
   * message back, what had been copied or made is one too many, and says so by its disposition.
   */
  failed(code: number): void {
    if (code === MACH_SEND_INVALID_RIGHT || code === MACH_SEND_INVALID_MEMORY) {
      this.#bodyRefused();
      return;
    }
    const space = this.space;
    const words = space.views.words;
    const at = this.at;
    for (const { word, disposition, moved } of this.passengers ?? []) {
      if (moved !== null) moved.takeBack(words[at + word] as number);
      else if (word > 3 && wasMade(disposition, ((words[at + word + 2] as number) >>> 16) & 0xff)) {
        space.deallocate(words[at + word] as number);
      }
    }
    this.passengers = null;
    const bits = words[at] as number;
    if (wasMade(this.#bits & 0x1f, bits & 0x1f)) space.deallocate(words[at + 2] as number);
    if (wasMade((this.#bits >>> 8) & 0x1f, (bits >>> 8) & 0x1f)) space.deallocate(words[at + 3] as number);
    this.cargo?.failed(at);
    this.cargo = null;
    this.#release();
  }

  /** After a send that failed with `code`, and nobody is to be told: the rights that were to move are released too. */
  lost(code: number): void {
    const moved: (Disposable | null)[] = this.passengers?.map((passenger) => passenger.moved) ?? [];
    if (this.cargo !== null) moved.push(...this.cargo.moved());
    this.failed(code);
    for (const one of moved) one?.[Symbol.dispose]();
  }

  /** Something in the body was not there: what came before it is gone, what came after it is not. */
  #bodyRefused(): void {
    const { core, handle, self, processor } = this.space;
    for (const { moved, name, disposition } of this.passengers ?? []) {
      if (moved === null) continue;
      const kr = core.mach_port_type(handle, self, name);
      if (kr === 0 && (processor.out(0) & typeBit(disposition)) !== 0) moved.takeBack(name);
    }
    this.passengers = null;
    this.cargo?.refused();
    this.cargo = null;
    this.#release();
  }

  #release(): void {
    const kmsg = this.kmsg;
    this.kmsg = 0;
    if (kmsg !== 0) this.space.core.mach_msg_release(kmsg);
  }
}

/** Whether a right that was to be copied or made came back as one that is held. */
function wasMade(sent: number, found: number): boolean {
  return sent >= MACH_MSG_TYPE_COPY_SEND && found < MACH_MSG_TYPE_COPY_SEND;
}
