// What Mach's own library builds above the message call: destroying a message, and the loop of a server.

import {
  KERN_SUCCESS,
  MACH_MSG_MASK,
  MACH_MSG_SIZE_MAX,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSGH_BITS_COMPLEX,
  MACH_MSGH_BITS_REMOTE_MASK,
  MACH_RCV_LARGE,
  MACH_RCV_MSG,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_MSG,
  MACH_SEND_TIMED_OUT,
  MACH_SEND_TIMEOUT,
  MAX_TRAILER_SIZE,
  MIG_NO_REPLY,
  MSGH_BITS,
  MSGH_HEADER_BYTES,
  MSGH_REMOTE_PORT,
  MSGH_SIZE,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { buffer, u32 } from "./arguments.js";
import { destroyMessage } from "./destroy.js";
import type { MachMsgTraps } from "./mach-msg.js";
import { descriptorsIn } from "./mach-msg-batch.js";
import { setWordIn, wordIn } from "./message-copy.js";

/**
 * Turns a request into a reply: writes header and body of `reply`, and takes what it wants of the rights in `request`. What it
 * returns (whether it knew the request) is for itself: the loop goes by the reply, as in Mach.
 */
export type Demux = (request: Uint8Array, reply: Uint8Array) => boolean;

/**
 * Mach's library above the message call.
 *
 * @param demux what turns a request into a reply; a reply without destination, or with return code `MIG_NO_REPLY`, is not sent
 * @param max_size bytes of the largest request and of the largest reply, without trailer
 * @param rcv_name the receive right or port set to receive requests from
 * @param options for receiving: with `MACH_RCV_LARGE` the buffer grows for larger requests; with `MACH_RCV_TIMEOUT` it polls
 */
export interface MachLibraryTraps {
  /**
   * Releases every right that a message names, but not its local port. A received message gives up what came; one that was not
   * sent is treated as if it had been sent and destroyed: of `MACH_MSG_TYPE_COPY_SEND` nothing comes, a send right is made and
   * dropped (the make-send count grows, no-senders may be told), a send-once right is made and destroyed, which its port is
   * told. Memory and arrays of ports are given back where the descriptor says `deallocate`; volatile memory is not. A guarded port is
   * unguarded first, with its context, unless its flags say that it is not guarded.
   *
   * @param msg the message, from its first byte; its `msgh_bits` and descriptors count
   * @returns nothing
   * @source XNU libsyscall/mach/mach_msg.c mach_msg_destroy, mach_msg_destroy_port; A214, A215
   * @differs Nothing.
   */
  mach_msg_destroy(msg: Uint8Array): void;
  /**
   * Serves for ever: receives a request, has it answered, sends the reply and receives the next in one call. A request whose
   * reply says that it failed is destroyed, but for its reply right; a reply that cannot be delivered is destroyed. A reply to a
   * send right (instead of a send-once right) is not waited with.
   *
   * @codes mach_msg MACH_RCV_ MACH_IPC_ KERN_RESOURCE_SHORTAGE
   * @codes mach_msg MACH_SEND_ !MACH_SEND_INVALID_DEST !MACH_SEND_TIMED_OUT
   * @kr KERN_TERMINATED the kernel was closed
   * @kr KERN_INVALID_TASK the task was terminated
   * @kr MACH_RCV_TIMED_OUT with `MACH_RCV_TIMEOUT`: every request that was there is served
   * @source XNU libsyscall/mach/mach_msg.c mach_msg_server; A212
   * @differs The reply buffer is zeroed before each request, so that a reply that nobody wrote is not sent. A server for an event
   *   loop is `serve` of level 2.
   */
  mach_msg_server(demux: Demux, max_size: number, rcv_name: number, options: number): number;
  /**
   * As `mach_msg_server`, for one request.
   *
   * @codes mach_msg MACH_RCV_ MACH_IPC_ KERN_RESOURCE_SHORTAGE
   * @codes mach_msg MACH_SEND_
   * @kr MACH_MSG_SUCCESS one request was served, with a reply or without
   * @kr KERN_TERMINATED the kernel was closed
   * @kr KERN_INVALID_TASK the task was terminated
   * @kr MACH_SEND_INVALID_DEST who asked is gone; the reply was destroyed
   * @kr MACH_SEND_TIMED_OUT the queue of who asked is full; the reply was destroyed
   * @kr MACH_RCV_TIMED_OUT with `MACH_RCV_TIMEOUT`: no request was there
   * @source XNU libsyscall/mach/mach_msg.c mach_msg_server_once; A212
   * @differs As `mach_msg_server`.
   */
  mach_msg_server_once(demux: Demux, max_size: number, rcv_name: number, options: number): number;
}

/** Where MIG's error reply has its return code, and how long that makes it. */
const RETCODE = 32;
const ERROR_REPLY_BYTES = RETCODE + 4;

/** One server's buffers. */
class Loop {
  readonly #task: Task;
  readonly #mach: MachMsgTraps;
  readonly #demux: Demux;
  readonly #name: number;
  readonly #options: number;
  #request: Uint8Array;
  readonly #reply: Uint8Array;

  constructor(task: Task, mach: MachMsgTraps, demux: Demux, max: number, name: number, options: number) {
    this.#task = task;
    this.#mach = mach;
    this.#demux = demux;
    this.#name = name;
    this.#options = (options | MACH_RCV_MSG) & ~MACH_SEND_MSG;
    // No message is larger than MACH_MSG_SIZE_MAX, however much room there is.
    const size = roundUp(Math.min(Math.max(max, ERROR_REPLY_BYTES), MACH_MSG_SIZE_MAX) + MAX_TRAILER_SIZE);
    this.#request = new Uint8Array(size);
    this.#reply = new Uint8Array(size);
  }

  /** Receives; larger messages too if the options say so. Sends the reply first if `send` is not 0. */
  receive(send: number): number {
    const reply = this.#reply;
    const bytes = send === 0 ? 0 : wordIn(reply, MSGH_SIZE);
    let code = this.#exchange(this.#options | send, bytes);
    while (code === MACH_RCV_TOO_LARGE && (this.#options & MACH_RCV_LARGE) !== 0) {
      this.#request = new Uint8Array(roundUp(wordIn(this.#request, MSGH_SIZE) + MAX_TRAILER_SIZE));
      code = this.#exchange(this.#options, 0);
    }
    return code;
  }

  #exchange(option: number, bytes: number): number {
    const request = this.#request;
    return this.#mach.mach_msg_overwrite(this.#reply, option, bytes, request.length, this.#name, 0, 0, request, 0);
  }

  /** Has the request answered. Gives the options with which to send the reply; 0 if there is none to send. */
  answer(): number {
    const [request, reply] = [this.#request, this.#reply];
    reply.fill(0);
    this.#demux(request, reply);
    const bits = wordIn(reply, MSGH_BITS);
    if ((bits & MACH_MSGH_BITS_COMPLEX) === 0) {
      const kr = wordIn(reply, MSGH_SIZE) < ERROR_REPLY_BYTES ? KERN_SUCCESS : wordIn(reply, RETCODE) | 0;
      if (kr === MIG_NO_REPLY) setWordIn(reply, MSGH_REMOTE_PORT, 0);
      else if (kr !== KERN_SUCCESS) this.#destroyRequest();
    }
    if (wordIn(reply, MSGH_REMOTE_PORT) === 0) {
      if ((bits & MACH_MSGH_BITS_COMPLEX) !== 0) this.destroyReply();
      return 0;
    }
    const once = (bits & MACH_MSGH_BITS_REMOTE_MASK) === MACH_MSG_TYPE_MOVE_SEND_ONCE;
    return once ? MACH_SEND_MSG : MACH_SEND_MSG | MACH_SEND_TIMEOUT;
  }

  sendReply(send: number): number {
    const reply = this.#reply;
    return this.#mach.mach_msg(reply, send, wordIn(reply, MSGH_SIZE), 0, 0, 0, 0);
  }

  destroyReply(): void {
    this.#mach_msg_destroy(this.#reply);
  }

  /** The reply right is in the reply by now. */
  #destroyRequest(): void {
    const request = this.#request;
    if ((wordIn(request, MSGH_BITS) & MACH_MSGH_BITS_COMPLEX) === 0) return;
    setWordIn(request, MSGH_REMOTE_PORT, 0);
    this.#mach_msg_destroy(request);
  }

  #mach_msg_destroy(msg: Uint8Array): void {
    destroyMessage(this.#task, descriptorsIn(msg, 0, msg.length), (offset) => wordIn(msg, offset));
  }
}

/** Binds the library to `self` and its message calls. */
export function machLibraryTraps(self: Task, mach: MachMsgTraps): MachLibraryTraps {
  function loop(demux: Demux, max: number, name: number, options: number): Loop {
    if (typeof demux !== "function") throw new TypeError(`demux must be a function, not ${typeof demux}`);
    u32("max_size", max);
    u32("rcv_name", name);
    u32("options", options);
    return new Loop(self, mach, demux, max, name, options);
  }

  return {
    mach_msg_destroy(msg) {
      buffer("msg", msg);
      if (msg.length < MSGH_HEADER_BYTES) return;
      destroyMessage(self, descriptorsIn(msg, 0, msg.length), (offset) => wordIn(msg, offset));
    },
    mach_msg_server(demux, max_size, rcv_name, options) {
      const server = loop(demux, max_size, rcv_name, options);
      let send = 0;
      while (true) {
        const code = server.receive(send);
        send = 0;
        if (undeliverable(code)) server.destroyReply();
        else if (code !== MACH_MSG_SUCCESS) return code;
        else send = server.answer();
      }
    },
    mach_msg_server_once(demux, max_size, rcv_name, options) {
      const server = loop(demux, max_size, rcv_name, options);
      const code = server.receive(0);
      if (code !== MACH_MSG_SUCCESS) return code;
      const send = server.answer();
      if (send === 0) return MACH_MSG_SUCCESS;
      const sent = server.sendReply(send);
      if (undeliverable(sent)) server.destroyReply();
      return sent;
    },
  };
}

/** Whether the reply cannot go to who asked; its rights are in it, as sent or as they came back. */
function undeliverable(code: number): boolean {
  const plain = code & ~MACH_MSG_MASK;
  return plain === MACH_SEND_INVALID_DEST || plain === MACH_SEND_TIMED_OUT;
}

function roundUp(bytes: number): number {
  return (bytes + 3) & ~3;
}
