// What messages carry, in the model: bytes as they were when they were sent, and ports.

import type { Agent } from "../../kernel/machine.js";
import { READ, refusal } from "./choices.js";
import { type Descriptor, OOL_PORTS, OOL_VOLATILE, OOL, PORT } from "./message.js";
import { FRESH, PAGE, pagesFor, pagesIn, spanOf } from "./pages.js";
import { type Actor, Mismatch, type Message, type Port, show, type World } from "./world.js";

export const NONE = 0;
export const DEAD = 0xffffffff;

/** A port, no port, or a dead one. */
type Right = Port | typeof NONE | typeof DEAD;

export type Item =
  | {
      readonly type: typeof OOL | typeof OOL_VOLATILE;
      readonly copy: number;
      readonly skip: number;
      readonly bytes: Uint8Array;
    }
  | { readonly type: typeof OOL_PORTS; readonly rights: readonly Right[] }
  | { readonly type: typeof PORT; readonly right: Right };

export function rightsOf(item: Item): readonly Right[] {
  if (item.type === PORT) return [item.right];
  return item.type === OOL_PORTS ? item.rights : [];
}

/** A send that waits for room. */
export interface PendingSend {
  readonly actor: Actor;
  readonly agent: Agent;
  readonly waiter: number;
  readonly cookie: number;
  readonly message: Message;
}

const INVALID_RIGHT = 0x1000000a;
const INVALID_MEMORY = 0x1000000c;

export interface Copyin {
  code: number;
  items: Item[];
  /** Pages that are gone, also when the message was refused. */
  gone: Set<number>;
}

/** Copies descriptors in, one after the other: what an earlier one takes away, a later one does not find. */
export function copyin({ map, names }: Actor, descriptors: readonly Descriptor[]): Copyin {
  const items: Item[] = [];
  const gone = new Set<number>();
  const rightOf = (name: number): Right | undefined => {
    if (name === NONE || name === DEAD) return name;
    for (const [port, known] of names) if (known === name) return port.dead ? DEAD : port;
    return undefined;
  };
  for (const { type, address, size, deallocate, copy } of descriptors) {
    const length = type === OOL_PORTS ? size * 4 : size;
    if (type === PORT) {
      const right = rightOf(address);
      if (right === undefined) return { code: INVALID_RIGHT, items, gone };
      items.push({ type, right });
      continue;
    }
    const span = length === 0 ? { start: 0, end: 0 } : spanOf(address, length);
    const slots =
      span === null ? [undefined] : pagesIn(span).map((page) => (gone.has(page) ? undefined : map.at(page)));
    if (span === null || refusal(slots, READ) !== 0) return { code: INVALID_MEMORY, items, gone };
    const bytes = map.read(address, length);
    if (deallocate !== 0) for (const page of pagesIn(span)) gone.add(page);
    if (type === OOL_PORTS) {
      const words = new DataView(bytes.buffer);
      const rights = Array.from({ length: size }, (_, index) => rightOf(words.getUint32(index * 4, true)));
      if (rights.includes(undefined)) return { code: INVALID_RIGHT, items, gone };
      items.push({ type, rights: rights as Right[] });
    } else if (type === OOL || type === OOL_VOLATILE) {
      items.push({ type, copy, skip: address % PAGE, bytes });
    }
  }
  return { code: 0, items, gone };
}

/** Whether the receiver's map can take the item. */
function hasRoom({ map }: Actor, item: Item): boolean {
  if (item.type === PORT) return true;
  const length = item.type === OOL_PORTS ? item.rights.length * 4 : item.bytes.length;
  if (length === 0) return true;
  if (item.type === OOL_PORTS) return map.hasGap(Math.ceil(length / PAGE));
  return map.hasGap(Math.ceil((item.skip + length) / PAGE));
}

/**
 * Compares what a task was given with what the message carries, and gives it that in the model.
 *
 * Returns: whether something found no room.
 */
export function copyout(world: World, actor: Actor, got: readonly Descriptor[], items: readonly Item[]): boolean {
  world.expect("the number of descriptors", got.length, items.length);
  let trouble = false;
  for (const [index, item] of items.entries()) {
    const found = got[index] as Descriptor;
    world.expect("the type of a descriptor", found.type, item.type);
    if (item.type === PORT) {
      world.expect("the name of a port", show(found.address), show(nameFor(actor, item.right)));
      continue;
    }
    const isArray = item.type === OOL_PORTS;
    const bytes = isArray ? namesFor(actor, item.rights) : item.bytes;
    world.expect("the copy flag", found.copy, isArray ? 1 : item.copy);
    world.expect("the deallocate flag", found.deallocate, isArray ? 1 : Number(item.copy === 1));
    if (isArray) world.expect("the disposition", found.disposition, 17);
    world.answers.push(found.address);
    const fits = hasRoom(actor, item);
    const isLost = found.address === 0 && bytes.length > 0;
    if (isLost && (!fits || world.isScarce)) {
      trouble = true;
      continue;
    }
    world.expect("the size", found.size, isArray ? item.rights.length : bytes.length);
    if (bytes.length === 0) {
      world.expect("the address of nothing", found.address, 0);
      continue;
    }
    if (!fits || isLost)
      throw new Mismatch(`${bytes.length} bytes arrive at ${show(found.address)}, there is ${fits ? "" : "no "}room`);
    if (!isArray) world.expect("the offset in the page", found.address % PAGE, item.skip);
    const span = spanOf(found.address, bytes.length) ?? { start: 0, end: 0 };
    world.expect(`whether ${show(found.address)} is free`, span.end > span.start && actor.map.isFree(span), true);
    actor.map.put(span.start, pagesFor(found.address, bytes), FRESH);
  }
  return trouble;
}

function nameFor({ names }: Actor, right: Right): number {
  if (typeof right === "number") return right;
  return right.dead ? DEAD : (names.get(right) ?? NONE);
}

function namesFor(actor: Actor, rights: readonly Right[]): Uint8Array {
  const bytes = new Uint8Array(rights.length * 4);
  const words = new DataView(bytes.buffer);
  for (const [index, right] of rights.entries()) words.setUint32(index * 4, nameFor(actor, right), true);
  return bytes;
}

/** Writes words into mapped memory. */
export function wordsOf(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const words = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) words.setUint32(index * 4, value, true);
  return bytes;
}
