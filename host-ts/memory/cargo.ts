// What a message carries out of line, until it is sent: regions, and arrays of names that were put into memory for it. A send that
// fails gives regions back where the kernel says that they are now, and unmakes the arrays.

import {
  KERN_SUCCESS,
  MACH_MSG_OOL_DESCRIPTOR,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  VM_FLAGS_ANYWHERE,
} from "../abi/codes.gen.js";
import { memoryErrorOf } from "../errors.js";
import type { Right } from "../right.js";
import type { Space } from "../space.js";
import { fill, leaseOf, wordsAt, WRITE } from "./lease.js";
import { deallocate, isMemory, MovedRegion, type OutgoingMemory, RegionRange } from "./region.js";

const DEALLOCATE = 1;
const VIRTUAL_COPY = 1 << 8;

interface Item {
  /** Word of the descriptor, counted from the message's start. */
  readonly word: number;
  readonly address: number;
  readonly size: number;
  /** The region that is given away. */
  readonly moved: MovedRegion | null;
  /** Of an array: the rights that it names. */
  readonly names: Names | null;
}

interface Names {
  readonly rights: readonly Right[];
  readonly names: Uint32Array<ArrayBuffer>;
  readonly disposition: number;
}

/** The descriptors of one message that have addresses. */
export class Cargo {
  readonly #space: Space;
  readonly #items: Item[] = [];

  constructor(space: Space) {
    this.#space = space;
  }

  /** Writes the descriptor at word `at + word`; a moved region is the message's from here on. */
  memory(at: number, word: number, memory: OutgoingMemory): void {
    if (!isMemory(memory)) throw new TypeError("memory: expected a Region, a range() or move() of one");
    const moved = memory instanceof MovedRegion ? memory : null;
    const part = memory instanceof RegionRange ? memory : null;
    const region = moved?.region ?? part?.region ?? (memory as MovedRegion["region"]);
    const size = memory.size;
    const address = size === 0 ? 0 : region.addressIn(this.#space) + (part?.offset ?? 0);
    if (size === 0) region.addressIn(this.#space);
    if (moved !== null) region.give();
    this.#items.push({ word, address, size, moved, names: null });
    const shape = (moved === null ? 0 : DEALLOCATE) | VIRTUAL_COPY | (MACH_MSG_OOL_DESCRIPTOR << 24);
    this.#describe(at + word, address, size, shape);
  }

  /** Writes the descriptor of an array of `rights`, all of which go by `disposition`; those that move are the message's then. */
  array(at: number, word: number, disposition: number, rights: readonly Right[]): void {
    const names = Uint32Array.from(rights, (right) => right.nameIn(this.#space));
    const address = this.#store(new Uint8Array(names.buffer));
    if (moves(disposition)) this.#give(rights, names, address);
    this.#items.push({ word, address, size: names.byteLength, moved: null, names: { rights, names, disposition } });
    const shape = DEALLOCATE | VIRTUAL_COPY | (disposition << 16) | (MACH_MSG_OOL_PORTS_DESCRIPTOR << 24);
    this.#describe(at + word, address, rights.length, shape);
  }

  /** Everything is the caller's again: nothing was asked of the kernel, or it changed nothing. */
  discard(): void {
    for (const { address, size, moved, names } of this.#items) {
      moved?.region.takeBack(address);
      if (names === null) continue;
      if (moves(names.disposition)) takeBack(names.rights, names.names);
      deallocate(this.#space, address, size);
    }
  }

  /** The message was refused as it was, or was received back: what is in the descriptors says where everything is. */
  failed(at: number): void {
    const words = this.#space.views.words;
    for (const { word, size, moved, names } of this.#items) {
      const now = words[at + word] as number;
      const shape = words[at + word + 2] as number;
      if (now === 0 && size > 0) continue; // there was no room for it any more
      if (names !== null) this.#unmake(names, now, (shape >>> 16) & 0xff);
      else if (moved !== null) moved.region.takeBack(now);
      else if ((shape & 0xff) !== 0) deallocate(this.#space, now, size); // a copy, which came back as memory that is held
    }
  }

  /** The kernel found something wrong on the way: what it had taken by then is gone, the rest is not. */
  refused(): void {
    const { core, handle, self, processor } = this.#space;
    for (const { address, size, moved, names } of this.#items) {
      const there =
        size === 0 || (core.vm_region(handle, self, address) === KERN_SUCCESS && processor.out(0) <= address);
      if (there) moved?.region.takeBack(address);
      else if (moved !== null) deallocate(this.#space, address, size); // the kernel may have stopped in the midst of it
      if (names === null) continue;
      if (there) deallocate(this.#space, address, size);
      if (moves(names.disposition)) this.#takeHeld(names);
    }
  }

  /** What is given away, if the send comes to nothing and nobody is to have it back. */
  moved(): Disposable[] {
    return this.#items.flatMap(({ moved, names }): Disposable[] => {
      if (moved !== null) return [moved.region];
      return names !== null && moves(names.disposition) ? [...names.rights] : [];
    });
  }

  /** Gives all the rights of an array that is at `address`, or none. */
  #give(rights: readonly Right[], names: Uint32Array, address: number): void {
    const given: Right[] = [];
    try {
      for (const right of rights) {
        right.give();
        given.push(right);
      }
    } catch (error) {
      takeBack(given, names);
      deallocate(this.#space, address, names.byteLength);
      throw error;
    }
  }

  #describe(word: number, address: number, count: number, shape: number): void {
    const words = this.#space.views.i32;
    words[word] = address;
    words[word + 1] = count;
    words[word + 2] = shape;
  }

  #store(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    const { core, handle, self, processor } = this.#space;
    const kr = core.vm_allocate(handle, self, 0, bytes.length, VM_FLAGS_ANYWHERE);
    if (kr !== KERN_SUCCESS) throw memoryErrorOf("vm_allocate", kr);
    const address = processor.out(0);
    try {
      const lease = leaseOf(this.#space, address, bytes.length, WRITE, "vm_allocate");
      fill(lease.chunks, bytes);
      lease[Symbol.dispose]();
    } catch (error) {
      deallocate(this.#space, address, bytes.length);
      throw error;
    }
    return address;
  }

  #unmake({ rights, names, disposition }: Names, now: number, found: number): void {
    const moved = moves(disposition);
    // Copied rights that come back as held ones are one too many each.
    const held = moved || found !== disposition ? wordsAt(this.#space, now, names.length) : null;
    deallocate(this.#space, now, names.byteLength);
    if (moved) takeBack(rights, held ?? names);
    else for (const name of held ?? []) this.#space.deallocate(name);
  }

  #takeHeld({ rights, names, disposition }: Names): void {
    const { core, handle, self, processor } = this.#space;
    rights.forEach((right, index) => {
      const name = names[index] as number;
      const kr = core.mach_port_type(handle, self, name);
      if (kr === KERN_SUCCESS && (processor.out(0) & typeBit(disposition)) !== 0) right.takeBack(name);
    });
  }
}

/** The type of right that a name has which moves by `disposition`. */
export function typeBit(disposition: number): number {
  if (disposition === MACH_MSG_TYPE_MOVE_RECEIVE) return MACH_PORT_TYPE_RECEIVE;
  if (disposition === MACH_MSG_TYPE_MOVE_SEND) return MACH_PORT_TYPE_SEND;
  return disposition === MACH_MSG_TYPE_MOVE_SEND_ONCE ? MACH_PORT_TYPE_SEND_ONCE : 0;
}

function moves(disposition: number): boolean {
  return disposition < MACH_MSG_TYPE_COPY_SEND;
}

function takeBack(rights: readonly Right[], names: Uint32Array): void {
  rights.forEach((right, index) => {
    right.takeBack(names[index] as number);
  });
}
