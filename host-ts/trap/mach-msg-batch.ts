// Many small messages in one trap. The caller's buffer is cut into slots of equal size, one message
// in each, from its slot's first byte. Not Mach's: Mach has no such call.

import {
  KERN_TERMINATED,
  MACH_MSG_OOL_PORTS_DESCRIPTOR,
  MACH_MSG_PORTS_MAX,
  MACH_MSG_SUCCESS,
  MACH_RCV_INVALID_DATA,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DATA,
  MACH_SEND_MSG_TOO_SMALL,
  MSGH_BASE_BYTES,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
  MSGH_SIZE,
} from "../abi/codes.gen.js";
import { RECEIVE_MANY_MAX, SEND_MANY_MAX } from "../abi/layout.gen.js";
import { NO_KMSG, whyNone } from "../draft.js";
import type { Task } from "../task.js";
import { buffer, u32, word } from "./arguments.js";
import { destroyReceived } from "./destroy.js";
import { type MessageCopier, wordIn } from "./message-copy.js";

/**
 * Batches. Neither call has a send-and-receive form.
 *
 * @param msgs the buffer, cut into slots of equal size with one message each
 * @param option as in `mach_msg`; the bits that choose the halves do not count
 * @param slot_size bytes of a slot, a multiple of 4
 */
export interface MachMsgBatchTraps {
  /**
   * Sends the messages in the first slots of `msgs`, in order, each as long as its own `msgh_size` says. Stops at the first that
   * fails; what a failed send writes back is in that message's slot.
   *
   * @param count messages to send; at most 256 are sent in one call
   * @param timeout how long each may wait for room, in milliseconds, with `MACH_SEND_TIMEOUT`; 0 polls
   * @param sent out, one word: how many were sent
   * @codes mach_msg MACH_SEND_ MACH_IPC_
   * @kr MACH_MSG_SUCCESS all were sent
   * @source None.
   * @differs Mach has no such call. Here it is the way to many small messages: a trap costs more than a message.
   */
  mach_msg_send_many(
    msgs: Uint8Array,
    option: number,
    count: number,
    slot_size: number,
    timeout: number,
    sent: Uint32Array,
  ): number;
  /**
   * Receives what is queued, one message with its trailer in each slot, as many as there are slots, at most 128. Never waits.
   * A message that does not fit its slot is destroyed: its slot gets the header alone, with remote port 0.
   *
   * @param rcv_name the receive right or port set to receive from
   * @param received out, one word: how many were received
   * @kr MACH_MSG_SUCCESS at least one was received
   * @kr MACH_RCV_TIMED_OUT none was there
   * @kr MACH_RCV_INVALID_NAME `rcv_name` is not a receive right or port set
   * @kr MACH_RCV_TOO_LARGE a message did not fit its slot
   * @kr MACH_RCV_INVALID_DATA the buffer has room for no slot, or a slot has none for a header
   * @kr MACH_RCV_HEADER_ERROR as in `mach_msg`, of the last message received
   * @kr MACH_RCV_BODY_ERROR as in `mach_msg`, of the last message received
   * @source None.
   * @differs Mach has no such call. Here it is the way to many small messages: a trap costs more than a message.
   */
  mach_msg_receive_many(
    msgs: Uint8Array,
    option: number,
    slot_size: number,
    rcv_name: number,
    received: Uint32Array,
  ): number;
}

/** Words of one received message in the batch: kmsg, address, bytes, and five that level 1 finds in the trailer. */
const RECEIVED_WORDS = 8;
const CODE_WORD = 7;

/** How many descriptors a message says it has, bounded by what fits. */
export function descriptorsIn(msg: Uint8Array, at: number, size: number): number {
  if (((msg[at + 3] as number) & 0x80) === 0 || size < MSGH_BASE_BYTES) return 0;
  const said = wordIn(msg, at + MSGH_HEADER_BYTES);
  return Math.min(said, Math.floor((size - MSGH_BASE_BYTES) / MSGH_DESCRIPTOR_BYTES));
}

/** How many slots a kmsg needs for the message: one for each descriptor, and for each port of an array. */
export function portSlotsIn(msg: Uint8Array, at: number, size: number): number {
  const descriptors = descriptorsIn(msg, at, size);
  let listed = 0;
  for (let i = 0; i < descriptors; i++) {
    const from = at + MSGH_BASE_BYTES + i * MSGH_DESCRIPTOR_BYTES;
    if (msg[from + 11] === MACH_MSG_OOL_PORTS_DESCRIPTOR) listed += wordIn(msg, from + 4);
  }
  return listed > MACH_MSG_PORTS_MAX ? 0 : descriptors + listed; // too many: refused before slots are counted
}

/** Binds the calls to `self`. */
export function machMsgBatchTraps(self: Task, into: MessageCopier, from: MessageCopier): MachMsgBatchTraps {
  const { processor, handle } = self;
  const { core, outWords: out, batch } = processor;
  const kmsgs = new Uint32Array(SEND_MANY_MAX);

  /** Copies messages into kmsgs until one is refused; returns how many, and why the next was not. */
  function prepare(msgs: Uint8Array, count: number, slot: number): { prepared: number; why: number } {
    for (let i = 0; i < count; i++) {
      const at = i * slot;
      if (at + MSGH_HEADER_BYTES > msgs.length) return { prepared: i, why: MACH_SEND_INVALID_DATA };
      const size = wordIn(msgs, at + MSGH_SIZE);
      if (size < MSGH_HEADER_BYTES || (size & 3) !== 0) return { prepared: i, why: MACH_SEND_MSG_TOO_SMALL };
      if (size > slot || at + size > msgs.length) return { prepared: i, why: MACH_SEND_INVALID_DATA };
      const kmsg = core.mach_msg_prepare(handle, size, portSlotsIn(msgs, at, size)) >>> 0;
      if (kmsg <= NO_KMSG) return { prepared: i, why: whyNone(processor, handle) };
      into.in(msgs, at, size, out[0] as number);
      kmsgs[i] = kmsg;
      batch[i * 2] = kmsg;
      batch[i * 2 + 1] = size;
    }
    return { prepared: count, why: MACH_MSG_SUCCESS };
  }

  return {
    mach_msg_send_many(msgs, option, count, slot_size, timeout, sent) {
      buffer("msgs", msgs);
      u32("option", option);
      u32("count", count);
      u32("slot_size", slot_size);
      u32("timeout", timeout);
      word("sent", sent);
      sent[0] = 0;
      const { prepared, why } = prepare(msgs, Math.min(count, SEND_MANY_MAX), slot_size);
      if (prepared === 0) return why;
      const code = core.mach_msg_send_many(handle, prepared, option, timeout) >>> 0;
      if (code === MACH_MSG_SUCCESS) {
        sent[0] = prepared;
        return why;
      }
      const done = code === KERN_TERMINATED ? 0 : (out[0] as number);
      const bytes = code === KERN_TERMINATED ? 0 : (out[2] as number);
      if (bytes !== 0 && bytes <= slot_size) from.out(out[1] as number, bytes, msgs, done * slot_size);
      for (let i = done; i < prepared; i++) core.mach_msg_release(kmsgs[i] as number);
      sent[0] = done;
      return code;
    },
    mach_msg_receive_many(msgs, option, slot_size, rcv_name, received) {
      buffer("msgs", msgs);
      u32("option", option);
      u32("slot_size", slot_size);
      u32("rcv_name", rcv_name);
      word("received", received);
      received[0] = 0;
      const slots = slot_size < MSGH_HEADER_BYTES ? 0 : Math.floor(msgs.length / slot_size);
      if (slots === 0) return MACH_RCV_INVALID_DATA;
      let code = core.mach_msg_receive_many(handle, rcv_name, option, Math.min(slots, RECEIVE_MANY_MAX)) >>> 0;
      if (code !== MACH_MSG_SUCCESS) return code;
      const count = out[0] as number;
      for (let i = 0; i < count; i++) {
        const address = batch[i * RECEIVED_WORDS + 1] as number;
        const bytes = batch[i * RECEIVED_WORDS + 2] as number;
        if (bytes > slot_size) {
          destroyReceived(self, address);
          from.out(address, MSGH_HEADER_BYTES, msgs, i * slot_size);
          msgs.fill(0, i * slot_size + 8, i * slot_size + 12);
          code = MACH_RCV_TOO_LARGE;
        } else {
          from.out(address, bytes, msgs, i * slot_size);
          const trouble = batch[i * RECEIVED_WORDS + CODE_WORD] as number;
          if (trouble !== 0) code = trouble; // such a message is the last of its batch
        }
        core.mach_msg_release(batch[i * RECEIVED_WORDS] as number);
      }
      received[0] = count;
      return code;
    },
  };
}
