// Messages that are to be sent, built in a kmsg from what the program says.
//
// A body of any length travels: Mach's sizes are multiples of 4, so zeros are added, and how many is
// said in the header's voucher field, plain data that Mach carries through (0 from other senders).

import {
  MACH_MSG_SIZE_MAX,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_SEND_TOO_LARGE,
  MSGH_BASE_BYTES,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
} from "./abi/codes.gen.js";
import { COMPLEX, Draft } from "./draft.js";
import { MachMsgError } from "./errors.js";
import type { OutgoingMemory } from "./memory/region.js";
import { fixed } from "./memory/views.js";
import { dispositionOf, type OutgoingRight, SendOnceRight } from "./right.js";
import type { Space } from "./space.js";

/** A message to send. */
export interface Outgoing {
  /** What the message means to its receiver; a signed word, default 0 (in `respond`: the request's + 100). */
  readonly id?: number | undefined;
  /** Bytes to copy, or a function that writes `bodyBytes` bytes in place (zeros before). */
  readonly body?: Uint8Array | ((body: Uint8Array) => void) | undefined;
  /** Length of the body when a function writes it. */
  readonly bodyBytes?: number | undefined;
  readonly rights?: readonly OutgoingRight[] | undefined;
  /** Regions: copied, or given away with `move`. No bytes are copied but those of pages of which only a part goes. */
  readonly memory?: readonly OutgoingMemory[] | undefined;
  /** Where to answer. A send-once right is moved, a send right copied. */
  readonly reply?: OutgoingRight | SendOnceRight | undefined;
}

/**
 * @internal Builds `message` for the port `remote`, answered at `local`, or where the message says.
 * On any error nothing is left behind.
 */
export function draftOf(
  space: Space,
  message: Outgoing,
  remoteType: number,
  remote: number,
  localType: number,
  local: number,
  id: number,
  draft: Draft = new Draft(space),
): Draft {
  if (typeof message !== "object" || message === null) throw new TypeError("message: expected an object");
  const bodyBytes = bodyLength(message);
  if (typeof id !== "number" || (id | 0) !== id) throw new TypeError("message.id: expected a signed 32-bit number");
  const rights = message.rights;
  if (rights !== undefined && !Array.isArray(rights)) throw new TypeError("message.rights: expected an array");
  const memory = message.memory;
  if (memory !== undefined && !Array.isArray(memory)) throw new TypeError("message.memory: expected an array");
  const ports = rights === undefined ? 0 : rights.length;
  const count = memory === undefined ? ports : ports + memory.length;
  const start = count === 0 ? MSGH_HEADER_BYTES : MSGH_BASE_BYTES + count * MSGH_DESCRIPTOR_BYTES;
  const size = start + bodyBytes + (-bodyBytes & 3); // no 32 bits: `bodyBytes` is any number
  if (size > MACH_MSG_SIZE_MAX) throw new MachMsgError("mach_msg", MACH_SEND_TOO_LARGE);
  draft.prepare(size, count);
  try {
    writeBody(draft, message, start, bodyBytes);
    const reply = message.reply;
    const replyType = reply === undefined || localType !== 0 ? localType : replyTypeOf(reply);
    draft.header(remoteType | (replyType << 8) | (count === 0 ? 0 : COMPLEX), remote, local, id);
    if (bodyBytes & 3) space.views.i32[draft.at + 4] = 4 - (bodyBytes & 3);
    if (reply !== undefined && localType === 0) embarkReply(draft, reply, replyType);
    if (count > 0) {
      space.views.i32[draft.at + 6] = count;
      for (let index = 0; index < ports; index++) draft.right(index, rights?.[index] as OutgoingRight);
      for (let index = ports; index < count; index++) draft.memory(index, memory?.[index - ports] as OutgoingMemory);
    }
  } catch (error) {
    draft.discard();
    throw error;
  }
  return draft;
}

function bodyLength(message: Outgoing): number {
  const body = message.body;
  if (body === undefined) {
    if (message.bodyBytes) throw new TypeError("message.bodyBytes: only with a function as body");
    return 0;
  }
  if (body instanceof Uint8Array) return body.length;
  if (typeof body !== "function") throw new TypeError("message.body: expected a Uint8Array or a function");
  const bytes = message.bodyBytes;
  if (typeof bytes !== "number" || !Number.isInteger(bytes) || bytes < 0) {
    throw new TypeError("message.bodyBytes: expected the length of the body that the function writes");
  }
  return bytes;
}

function writeBody(draft: Draft, message: Outgoing, start: number, bodyBytes: number): void {
  if (bodyBytes === 0) return;
  const views = draft.space.views;
  const address = draft.at * 4 + start;
  views.i32[(address + bodyBytes - 1) >>> 2] = 0; // the padding
  const body = message.body;
  if (body instanceof Uint8Array) {
    if (body.length !== bodyBytes) throw new TypeError("message.body: changed while it was copied");
    views.octets.set(fixed(body, bodyBytes), address);
    return;
  }
  const view = views.bytes(address, bodyBytes);
  view.fill(0);
  (body as (body: Uint8Array) => void)(view);
}

function replyTypeOf(reply: OutgoingRight | SendOnceRight): number {
  if (reply instanceof SendOnceRight) return 18;
  const disposition = dispositionOf(reply);
  if (disposition === MACH_MSG_TYPE_PORT_RECEIVE) throw new TypeError("message.reply: expected a right to send");
  return disposition;
}

function embarkReply(draft: Draft, reply: OutgoingRight | SendOnceRight, disposition: number): void {
  const words = draft.space.views.i32;
  if (reply instanceof SendOnceRight) {
    const name = reply.nameIn(draft.space);
    draft.note(3, name, disposition, reply);
    words[draft.at + 3] = name;
  } else {
    words[draft.at + 3] = draft.embark(3, reply, disposition);
  }
}
