// Clients: a method for each routine of an interface, over one send right.

import {
  KERN_INVALID_NAME,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_SEND_MSG,
  MACH_SEND_TIMEOUT,
  MIG_REPLY_MISMATCH,
  MIG_TYPE_ERROR,
} from "../abi/codes.gen.js";
import { CALL_BITS, callError, exchange, startCall } from "../call.js";
import { Draft } from "../draft.js";
import { errorOf, KernError, MigError } from "../errors.js";
import { releaseMemory, releaseReceived } from "../message.js";
import type { SendRight } from "../right.js";
import { sendDraft } from "../send.js";
import type { Space } from "../space.js";
import { FOREVER, signalOf, type SyncWait, timeoutOf, type Wait } from "../wait.js";
import { Codec, ERROR_REPLY_BYTES, type Values } from "./codec.js";
import type { AnyRoutine, Client, Routines, Subsystem } from "./define.js";

const NOTHING: Values = Object.freeze({});

/** A routine, ready to be called. */
interface Stub {
  readonly id: number;
  readonly request: Codec;
  /** Null: a simpleroutine. */
  readonly reply: Codec | null;
}

const compiled: WeakMap<object, ReadonlyMap<string, Stub>> = new WeakMap();

/**
 * Makes the client of `subsystem` over `right`, which it owns from here on.
 *
 * Its methods throw or reject with MigError MIG_SERVER_DIED when the server is gone; MIG_ARRAY_TOO_LARGE
 * for an argument over its bound; MIG_BAD_ID, MIG_BAD_ARGUMENTS, MIG_TYPE_ERROR, MIG_REPLY_MISMATCH when
 * the two sides disagree; whatever code the server answered.
 */
export function connect<S>(subsystem: Subsystem<S>, right: SendRight): Client<S> {
  const client: Record<PropertyKey, unknown> = {};
  const sync: Record<string, unknown> = {};
  for (const [name, stub] of stubsOf(subsystem as unknown as Subsystem<Routines>)) {
    client[name] = asyncMethod(right, stub);
    sync[name] = syncMethod(right, stub);
  }
  client.sync = Object.freeze(sync);
  client[Symbol.dispose] = () => right[Symbol.dispose]();
  // Each method was made from the routine of the same name.
  return Object.freeze(client) as unknown as Client<S>;
}

function stubsOf(subsystem: Subsystem<Routines>): ReadonlyMap<string, Stub> {
  let stubs = compiled.get(subsystem);
  if (stubs === undefined) {
    stubs = new Map(
      Object.entries(subsystem.routines).map(([name, routine], index): [string, Stub] => {
        return [name, compile(`${subsystem.name}.${name}`, subsystem.base + index, routine)];
      }),
    );
    compiled.set(subsystem, stubs);
  }
  return stubs;
}

function compile(label: string, id: number, routine: AnyRoutine): Stub {
  return {
    id,
    request: new Codec(label, routine.input, false),
    reply: routine.oneWay ? null : new Codec(label, routine.output, true),
  };
}

function asyncMethod(right: SendRight, stub: Stub): (args?: Values, wait?: Wait) => Promise<unknown> {
  const { space } = right;
  const { id, request, reply } = stub;
  if (reply === null) {
    return async (args, wait) => {
      const timeout = timeoutOf(wait);
      const signal = signalOf(wait);
      signal?.throwIfAborted();
      try {
        const name = right.nameIn(space);
        const draft = request.encode(new Draft(space), MACH_MSG_TYPE_COPY_SEND, name, 0, id, valuesOf(request, args));
        space.outbox.flush();
        await sendDraft(draft, name, timeout, signal);
      } catch (error) {
        throw error instanceof KernError ? callError(error) : error;
      }
    };
  }
  const make = (draft: Draft, to: number, port: number, args: Values): void => {
    request.encode(draft, CALL_BITS, to, port, id, valuesOf(request, args));
  };
  const read = (target: Space, words: Int32Array, at: number, kmsg: number): Values => {
    return readReply(target, reply, id, words, at, kmsg);
  };
  return (args = NOTHING, wait) => {
    if (right.disposed) return Promise.reject(new KernError(request.label, KERN_INVALID_NAME));
    return startCall(space, right.name, wait, make, args, read);
  };
}

function syncMethod(right: SendRight, stub: Stub): (args?: Values, wait?: SyncWait) => unknown {
  const { space } = right;
  const { id, request, reply } = stub;
  if (reply === null) {
    return (args, wait) => {
      const timeout = timeoutOf(wait);
      const bits = MACH_MSG_TYPE_COPY_SEND;
      const draft = request.encode(new Draft(space), bits, right.nameIn(space), 0, id, valuesOf(request, args));
      space.outbox.flush();
      const option = timeout === FOREVER ? MACH_SEND_MSG : MACH_SEND_MSG | MACH_SEND_TIMEOUT;
      const bound = timeout === FOREVER ? 0 : timeout;
      const kr = space.core.mach_msg_trap(space.handle, draft.kmsg, option, draft.size, 0, 0, bound, 0);
      if (kr === 0) return;
      draft.failed(kr);
      throw callError(errorOf("mach_msg", kr, request.label));
    };
  }
  return (args, wait) => {
    const timeout = timeoutOf(wait);
    const values = valuesOf(request, args);
    const draft = request.encode(new Draft(space), CALL_BITS, right.nameIn(space), space.replyPort(), id, values);
    const kmsg = exchange(space, draft, timeout);
    return readReply(space, reply, id, space.views.i32, space.processor.out(1) >>> 2, kmsg);
  };
}

function valuesOf(request: Codec, args: Values | undefined): Values {
  if (args === undefined) return NOTHING;
  if (typeof args !== "object" || args === null)
    throw new TypeError(`${request.label}: expected the arguments by name`);
  return args;
}

/** Reads a reply and releases it; its rights too when it is malformed. */
function readReply(space: Space, reply: Codec, id: number, words: Int32Array, at: number, kmsg: number): Values {
  const result = decodeReply(space, reply, id, words, at);
  if (typeof result !== "number") {
    space.recycle(kmsg);
    return result;
  }
  releaseMemory(space, at);
  releaseReceived(space, kmsg, at, true, true);
  throw new MigError(reply.label, result);
}

function decodeReply(space: Space, reply: Codec, id: number, words: Int32Array, at: number): Values | number {
  if (words[at + 5] !== id + 100) return MIG_REPLY_MISMATCH;
  if (words[at + 2] !== 0) return MIG_TYPE_ERROR;
  const simple = (words[at] as number) >= 0;
  const size = words[at + 1] as number;
  const code = simple && size >= ERROR_REPLY_BYTES ? (words[at + 8] as number) : 0;
  if (code !== 0 && size === ERROR_REPLY_BYTES) return code;
  const values = reply.decode(space, words, at);
  if (typeof values === "number") return MIG_TYPE_ERROR;
  return code === 0 ? values : code;
}
