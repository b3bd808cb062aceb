// The oracle's rights on their way: taken out of a space by disposition, arriving in another under a name, and written into
// a message's bytes.

import { COMPLEX, setWord, word } from "./message.js";
import { arriveGuarded, type Guards } from "./oracle-guarded.js";
import { arriveArray } from "./oracle-arrays.js";
import {
  COPY_SEND,
  DEAD,
  type Entry,
  type Kmsg,
  MAKE_SEND,
  MAKE_SEND_ONCE,
  NULL,
  ONCE,
  type Oracle,
  RECEIVE,
  type Right,
  SEND,
  type Space,
  UREFS_MAX,
  type Waiter,
} from "./oracle-state.js";

/** Whether the right is there, but does not leave its space (A57). */
function stays({ port, receive }: Entry, disposition: number): boolean {
  return disposition === RECEIVE && receive && port !== null && (port.immovable || port.isSpecial);
}

/** Whether the entry has a living right for the disposition (A50 to A55), one that may be moved (A57). */
export function fits(entry: Entry, disposition: number): boolean {
  if (entry.port === null || stays(entry, disposition)) return false;
  if (disposition === RECEIVE || disposition === MAKE_SEND || disposition === MAKE_SEND_ONCE) return entry.receive;
  if (disposition === ONCE) return entry.once;
  return (disposition === SEND || disposition === COPY_SEND) && entry.sends > 0;
}

/** Takes the right that a disposition names out of an entry that has it (A50 to A58). */
export function take(oracle: Oracle, space: Space, entry: Entry, disposition: number): Right {
  const type = disposition === RECEIVE ? RECEIVE : disposition === ONCE || disposition === MAKE_SEND_ONCE ? ONCE : SEND;
  const { port } = entry;
  if (port === null) {
    if (disposition !== COPY_SEND && entry.deads < UREFS_MAX && --entry.deads === 0) oracle.remove(space, entry);
    return { port: null, value: DEAD, type };
  }
  const right = { port, value: NULL, type };
  if (disposition === MAKE_SEND) {
    if (oracle.mutation !== "make-send-uncounted") port.mscount = (port.mscount + 1) >>> 0;
    port.srights++;
  } else if (disposition === MAKE_SEND_ONCE) {
    port.sorights++;
  } else if (disposition === COPY_SEND && oracle.mutation !== "copy-send-moves") {
    port.srights++;
  } else if (disposition === ONCE) {
    entry.port = null;
    oracle.remove(space, entry);
  } else if (disposition === RECEIVE) {
    entry.receive = false;
    if (entry.sends === 0) {
      entry.port = null;
      oracle.remove(space, entry);
    }
    oracle.clearReceiver(port);
  } else if (entry.sends === UREFS_MAX || --entry.sends > 0) {
    port.srights++;
  } else if (!entry.receive) {
    entry.port = null;
    oracle.remove(space, entry);
  }
  return right;
}

/** A right arrives in a space and gets a name: its own or the one that the kernel chose (A41 to A47). */
export function arrive(oracle: Oracle, space: Space, right: Right, chosen: number): number {
  const { port, type } = right;
  if (port === null) return right.value;
  if (!port.alive) return DEAD;
  const held = type === ONCE ? null : oracle.entryOf(space, port);
  const entry = held ?? oracle.claim(space, chosen);
  entry.port = port;
  if (type === ONCE) entry.once = true;
  if (type === RECEIVE) {
    entry.receive = true;
    port.carrier = null;
    port.receiver = space;
  }
  if (type === SEND) {
    if (entry.sends > 0) {
      entry.sends = Math.min(UREFS_MAX, entry.sends + 1);
      port.srights--;
    } else {
      entry.sends = 1;
    }
  }
  return entry.name;
}

/** A name that is no right: it goes through as it is (A59, A64). */
export function plain(value: number, disposition: number): Right {
  if (disposition < RECEIVE || disposition > MAKE_SEND_ONCE) return { port: null, value, type: 0 };
  const once = disposition === ONCE || disposition === MAKE_SEND_ONCE;
  return { port: null, value, type: disposition === RECEIVE ? RECEIVE : once ? ONCE : SEND };
}

/** Everything but the two ports of the header. */
export function writeRest(
  oracle: Oracle,
  space: Space,
  kmsg: Kmsg,
  bytes: Uint8Array,
  seen: Uint8Array,
  types: number,
  guards: Guards,
): void {
  setWord(bytes, 0, (types | (kmsg.complex ? COMPLEX : 0)) >>> 0);
  setWord(bytes, 4, kmsg.size);
  setWord(bytes, 16, kmsg.voucher);
  setWord(bytes, 20, kmsg.id >>> 0);
  const late: Right[] = [];
  let offset = 28;
  for (let from = 0; from < kmsg.descriptors.length || kmsg.arrays.has((offset - 28) / 12); offset += 12) {
    const array = kmsg.arrays.get((offset - 28) / 12);
    if (array) {
      const rights = kmsg.descriptors.slice(from, from + array.count);
      arriveArray(oracle, space, rights, array, { bytes, seen, offset });
      from += array.count;
      continue;
    }
    const right = kmsg.descriptors[from++] as Right;
    if (right.guard !== undefined) {
      const last = arriveGuarded(oracle, space, right, { bytes, seen, offset, guards });
      if (last !== null) late.push(last);
      continue;
    }
    setWord(bytes, offset, arrive(oracle, space, right, word(seen, offset)));
    setWord(bytes, offset + 8, right.type << 16);
  }
  if (kmsg.complex) setWord(bytes, 24, (offset - 28) / 12);
  bytes.set(kmsg.data, kmsg.complex ? offset : 24);
  for (const right of late) oracle.release(right);
}

/** Takes a waiter off a list. */
export function drop(list: Waiter[] | undefined, waiter: Waiter): void {
  const index = list?.indexOf(waiter) ?? -1;
  if (index >= 0) list?.splice(index, 1);
}
