// mach_msg and its kin, bound to one task. A message lies in the caller's buffer; it is copied into
// a kmsg that the kernel lends, and out of the one that it delivers. Nothing is allocated for a
// small message.

import {
  MACH_MSG_SIZE_MAX,
  MACH_MSG_SUCCESS,
  MACH_RCV_INVALID_DATA,
  MACH_RCV_LARGE,
  MACH_RCV_LARGE_IDENTITY,
  MACH_RCV_MSG,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DATA,
  MACH_SEND_MSG,
  MACH_SEND_MSG_TOO_SMALL,
  MACH_SEND_TOO_LARGE,
  MSGH_HEADER_BYTES,
  MSGH_LOCAL_PORT,
  MSGH_SIZE,
} from "../abi/codes.gen.js";
import { IpcKmsg_ikm_capacity, IpcKmsg_ikm_charged } from "../abi/layout.gen.js";
import type { Task } from "../task.js";
import { buffer, u32 } from "./arguments.js";
import { destroyReceived } from "./destroy.js";
import { MessageCopier, setWordIn, wordIn } from "./message-copy.js";
import { type MachMsgBatchTraps, machMsgBatchTraps, portSlotsIn } from "./mach-msg-batch.js";

/**
 * The message call and its short forms. Times are milliseconds, sizes are bytes.
 *
 * @param msg the buffer, from its first byte: a header of 24 bytes, then what `descriptor_count` says, then data
 * @param option bits: `MACH_SEND_MSG`, `MACH_RCV_MSG`: which halves; `MACH_SEND_TIMEOUT`, `MACH_RCV_TIMEOUT`: `timeout` counts;
 *   `MACH_RCV_GUARDED_DESC`: guarded port descriptors are understood; `MACH_RCV_LARGE`: a message that is too large stays queued;
 *   `MACH_RCV_LARGE_IDENTITY`: and `msgh_local_port` says of which port; bits 24 to 27, `MACH_RCV_TRAILER_*`: how long a trailer;
 *   `MACH_SEND_NOTIFY`: where there is no room, the send-possible request of the destination's name is armed
 *   (`mach_port_request_notification`). Others have no effect: so `MACH_SEND_OVERRIDE`, `MACH_SEND_ALWAYS`, `MACH_SEND_TRAILER`,
 *   `MACH_MSG_STRICT_REPLY`, `MACH_RCV_VOUCHER`, `MACH_RCV_SYNC_WAIT`
 * @param send_size bytes to send, a multiple of 4; the header's own `msgh_size` does not count
 * @param rcv_size bytes that may be received, the trailer (8 at least) included
 * @param rcv_name the receive right or port set to receive from
 * @param timeout how long each half may wait, with `MACH_SEND_TIMEOUT` and `MACH_RCV_TIMEOUT`; 0 polls; without them for ever
 * @param notify ignored
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the task was terminated
 */
export interface MachMsgTraps extends MachMsgBatchTraps {
  /**
   * Sends the message in `msg`, then receives one into it; either half alone as `option` says. There is no receive if the send
   * failed.
   *
   * Refused before its destination was found good, a message is left as it is. When the body is bad, the rights of
   * the header and of the body up to the bad one are used up. When there is no room in time the message is written back to `msg`, its rights with the dispositions
   * with which to send it again.
   *
   * Out-of-line memory goes as it is at this moment, without being moved: a page is copied when one side writes to it. With
   * `deallocate` it is taken from the sender. It arrives as new memory of the receiver's, to be given back by `vm_deallocate`; so does
   * an array of ports, whose names are words in memory.
   *
   * A guarded port descriptor brings a receive right that is guarded by the address of the message, which its context tells, and
   * cannot be moved, if its sender asked for that by `MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE`; else one that is not guarded, and
   * `MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND` says so. Without `MACH_RCV_GUARDED_DESC` the right is destroyed, and the name is 0.
   *
   * @kr MACH_MSG_SUCCESS done; of a send also when the port died meanwhile: the message was destroyed with it
   * @kr MACH_SEND_MSG_TOO_SMALL `send_size` is below 24 or not a multiple of 4, or the descriptors do not fit in it
   * @kr MACH_SEND_TOO_LARGE `send_size` is above 50331584; more than 16383 ports in one message
   * @kr MACH_SEND_INVALID_DATA `msg` is shorter than `send_size`
   * @kr MACH_SEND_INVALID_TYPE a descriptor is malformed, or of a type that is not built
   * @kr MACH_SEND_INVALID_HEADER bits of no meaning; a reply name without disposition; a disposition that cannot stand there
   * @kr MACH_SEND_INVALID_VOUCHER a voucher disposition other than 0, 17 and 19, or a voucher: there are none
   * @kr MACH_SEND_INVALID_DEST the destination is 0, dead, unknown, or lacks the right that its disposition needs
   * @kr MACH_SEND_INVALID_REPLY the reply name is unknown, or lacks the right that its disposition needs
   * @kr MACH_SEND_INVALID_RIGHT a name in the body is unknown or lacks the right, or its disposition is none; a receive right that
   *   cannot be moved; the context of a guarded port descriptor is not the guard, or the port is not guarded and the descriptor's
   *   flags or context say otherwise
   * @kr MACH_SEND_INVALID_MEMORY out-of-line memory, or an array of ports in it, is not there or may not be read; an earlier
   *   descriptor of the message took it away
   * @kr MACH_SEND_TIMED_OUT no room in the queue in time; the message was written back
   * @kr MACH_SEND_NO_BUFFER no memory, the task's quota is used up, or 65534 messages are queued; the
   *   message was written back, if its rights had been taken
   * @kr MACH_RCV_INVALID_NAME `rcv_name` is not a receive right or port set
   * @kr MACH_RCV_TIMED_OUT no message in time
   * @kr MACH_RCV_TOO_LARGE the message and its trailer are larger than `rcv_size`. With `MACH_RCV_LARGE` it stays queued, and
   *   `msgh_size` says what it needs, without trailer; else it is destroyed, and a bare header comes
   * @kr MACH_RCV_PORT_DIED the port or set died while this waited
   * @kr MACH_RCV_PORT_CHANGED the receive right was moved away while this waited
   * @kr MACH_RCV_INVALID_DATA the buffer is shorter than said; the message is lost
   * @kr MACH_RCV_HEADER_ERROR no room for the name of the reply right; a bare header comes, the rest is destroyed
   * @kr MACH_RCV_BODY_ERROR no room for a name of the body, or no room or quota for memory: its name or address is 0 there
   * @kr KERN_RESOURCE_SHORTAGE no memory to wait with
   * @kr MACH_IPC_WOULD_BLOCK this thread may not block; with timeout 0 it may ask
   * @source XNU osfmk/ipc/mach_msg.c mach_msg_overwrite_trap, ipc_kmsg.c, ipc_mqueue.c; A48 to A133
   * @differs A buffer has no address here: that of a guarded port is the kernel's own for the message. There are no interrupts, so MACH_SEND_INTERRUPTED and MACH_RCV_INTERRUPTED do not come. MACH_IPC_WOULD_BLOCK is not Mach's: browsers have a thread that must not wait. A reply name that is dead is taken, as in the Mach of the books.
   */
  mach_msg(
    msg: Uint8Array,
    option: number,
    send_size: number,
    rcv_size: number,
    rcv_name: number,
    timeout: number,
    notify: number,
  ): number;
  /**
   * As `mach_msg`, receiving into a buffer of its own.
   *
   * @param rcv_msg the buffer to receive into; null: `msg`
   * @param rcv_limit ignored, as in Mach
   * @codes mach_msg
   * @source XNU osfmk/ipc/mach_msg.c mach_msg_overwrite_trap; A118
   * @differs As `mach_msg`.
   */
  mach_msg_overwrite(
    msg: Uint8Array,
    option: number,
    send_size: number,
    rcv_size: number,
    rcv_name: number,
    timeout: number,
    notify: number,
    rcv_msg: Uint8Array | null,
    rcv_limit: number,
  ): number;
  /**
   * Sends the message in `msg`, as long as its header's `msgh_size` says. Waits for room for ever.
   *
   * @codes mach_msg MACH_SEND_ MACH_IPC_ !MACH_SEND_TIMED_OUT
   * @kr MACH_MSG_SUCCESS sent
   * @source XNU libsyscall/mach/mach_msg.c mach_msg_send
   * @differs As `mach_msg`.
   */
  mach_msg_send(msg: Uint8Array): number;
  /**
   * Receives from the header's `msgh_local_port` into `msg`, up to the header's `msgh_size`. Waits for ever.
   *
   * @codes mach_msg MACH_RCV_ MACH_IPC_ KERN_RESOURCE_SHORTAGE !MACH_RCV_TIMED_OUT
   * @kr MACH_MSG_SUCCESS received
   * @source XNU libsyscall/mach/mach_msg.c mach_msg_receive
   * @differs As `mach_msg`.
   */
  mach_msg_receive(msg: Uint8Array): number;
}

/** Messages received in a row after which a kmsg is kept for the next. */
const LONG_RUN = 64;

/** Codes of the send half; above them are those of the receive half. */
const SEND_CODES = 0x10000000;
const RECEIVE_CODES = 0x10004000;

/** Binds the calls to `self`. */
export function machMsgTraps(self: Task): MachMsgTraps {
  const { processor, handle } = self;
  const { core, outWords: out } = processor;
  const sent = new MessageCopier(processor.views);
  const received = new MessageCopier(processor.views);
  const { views } = processor;
  // Another one once this thread has left the kernel, and what it held is no longer its own.
  const prepare = core.mach_msg_prepare;
  // In a long run of messages a received kmsg is kept and carries the next one that is sent: two traps
  // fewer a message. It is given back as soon as a call does not succeed.
  let run = 0;
  let spare = 0;
  let spareAddress = 0;
  let spareCapacity = 0;

  function message(
    msg: Uint8Array,
    option: number,
    send_size: number,
    rcv_size: number,
    rcv_name: number,
    timeout: number,
    notify: number,
    rcv_msg: Uint8Array,
  ): number {
    if (processor.orphan !== 0) processor.releaseOrphan();
    let kmsg = 0;
    try {
      if ((option & MACH_SEND_MSG) !== 0) {
        if (send_size < MSGH_HEADER_BYTES || (send_size & 3) !== 0) return MACH_SEND_MSG_TOO_SMALL;
        if (send_size > MACH_MSG_SIZE_MAX) return MACH_SEND_TOO_LARGE;
        if (send_size > msg.length) return MACH_SEND_INVALID_DATA;
        const complex = ((msg[3] as number) & 0x80) !== 0;
        if (send_size <= spareCapacity && !complex && core.mach_msg_prepare === prepare) {
          kmsg = spare;
          spare = 0;
          spareCapacity = 0;
          sent.in(msg, 0, send_size, spareAddress);
        } else {
          kmsg = core.mach_msg_prepare(handle, send_size, complex ? portSlotsIn(msg, 0, send_size) : 0) >>> 0;
          if (kmsg === 0) return processor.out(1); // not of `out`: this thread may have left the kernel
          sent.in(msg, 0, send_size, out[0] as number);
        }
      }
      const code = core.mach_msg_trap(handle, kmsg, option, send_size, rcv_size, rcv_name, timeout, notify);
      if (code !== MACH_MSG_SUCCESS) {
        const kr = failed(code, kmsg, msg, option, rcv_size, rcv_msg);
        run = 0;
        if (spare !== 0) dropSpare();
        return kr;
      }
      return (option & MACH_RCV_MSG) !== 0 ? delivered(code, rcv_msg) : code;
    } catch (error) {
      // No call here either: the stack may be exhausted. The next message gives the kmsg back.
      if (kmsg !== 0) processor.orphan = kmsg;
      throw error;
    }
  }

  /** Copies out what the receive half delivered, and gives the kmsg back. */
  function delivered(code: number, rcv_msg: Uint8Array): number {
    const kmsg = out[0] as number;
    if (kmsg === 0) return code;
    const address = out[1] as number;
    const bytes = out[2] as number;
    if (bytes > rcv_msg.length) {
      destroyReceived(self, address);
      core.mach_msg_release(kmsg);
      return MACH_RCV_INVALID_DATA;
    }
    received.out(address, bytes, rcv_msg, 0);
    if (++run > LONG_RUN && spare === 0 && !self.bounded && views.u32(kmsg + IpcKmsg_ikm_charged) === 0) {
      keepSpare(kmsg, address); // not one that counts as its sender's until it is released
    } else {
      core.mach_msg_release(kmsg);
    }
    return code;
  }

  function keepSpare(kmsg: number, address: number): void {
    spare = kmsg;
    spareAddress = address;
    spareCapacity = views.u32(kmsg + IpcKmsg_ikm_capacity);
  }

  function dropSpare(): void {
    const kmsg = spare;
    spare = 0;
    spareCapacity = 0;
    core.mach_msg_release(kmsg);
  }

  function failed(
    code: number,
    kmsg: number,
    msg: Uint8Array,
    option: number,
    rcv_size: number,
    rcv_msg: Uint8Array,
  ): number {
    const kr = code >>> 0;
    if (kmsg !== 0 && (kr < RECEIVE_CODES || out[0] === kmsg)) {
      // The send half failed: the kmsg is still ours, and holds what is to be written back, if anything.
      const bytes = kr >= SEND_CODES ? (out[2] as number) : 0;
      if (bytes !== 0 && bytes <= msg.length) sent.out(out[1] as number, bytes, msg, 0);
      core.mach_msg_release(kmsg);
      return kr;
    }
    if (kr < RECEIVE_CODES) return kr;
    if (kr === MACH_RCV_TOO_LARGE && (option & MACH_RCV_LARGE) !== 0) return tooLarge(kr, option, rcv_size, rcv_msg);
    return delivered(kr, rcv_msg);
  }

  /** The message stays queued: only its size, and on request its port's name, are written. */
  function tooLarge(kr: number, option: number, rcv_size: number, rcv_msg: Uint8Array): number {
    const identity = (option & MACH_RCV_LARGE_IDENTITY) !== 0 && rcv_size >= MSGH_LOCAL_PORT + 4;
    const touched = identity ? MSGH_LOCAL_PORT + 4 : rcv_size >= MSGH_SIZE + 4 ? MSGH_SIZE + 4 : 0;
    if (touched > rcv_msg.length) return MACH_RCV_INVALID_DATA;
    if (touched !== 0) setWordIn(rcv_msg, MSGH_SIZE, out[3] as number);
    if (identity) setWordIn(rcv_msg, MSGH_LOCAL_PORT, out[6] as number);
    return kr;
  }

  return {
    mach_msg(msg, option, send_size, rcv_size, rcv_name, timeout, notify) {
      buffer("msg", msg);
      u32("option", option);
      u32("send_size", send_size);
      u32("rcv_size", rcv_size);
      u32("rcv_name", rcv_name);
      u32("timeout", timeout);
      u32("notify", notify);
      return message(msg, option, send_size, rcv_size, rcv_name, timeout, notify, msg);
    },
    mach_msg_overwrite(msg, option, send_size, rcv_size, rcv_name, timeout, notify, rcv_msg, rcv_limit) {
      buffer("msg", msg);
      u32("option", option);
      u32("send_size", send_size);
      u32("rcv_size", rcv_size);
      u32("rcv_name", rcv_name);
      u32("timeout", timeout);
      u32("notify", notify);
      if (rcv_msg !== null) buffer("rcv_msg", rcv_msg);
      u32("rcv_limit", rcv_limit);
      return message(msg, option, send_size, rcv_size, rcv_name, timeout, notify, rcv_msg ?? msg);
    },
    mach_msg_send(msg) {
      buffer("msg", msg);
      if (msg.length < MSGH_HEADER_BYTES) return MACH_SEND_INVALID_DATA;
      return message(msg, MACH_SEND_MSG, wordIn(msg, MSGH_SIZE), 0, 0, 0, 0, msg);
    },
    mach_msg_receive(msg) {
      buffer("msg", msg);
      if (msg.length < MSGH_HEADER_BYTES) return MACH_RCV_INVALID_DATA;
      return message(msg, MACH_RCV_MSG, 0, wordIn(msg, MSGH_SIZE), wordIn(msg, MSGH_LOCAL_PORT), 0, 0, msg);
    },
    ...machMsgBatchTraps(self, sent, received),
  };
}
