// What a call of a space answers: a port's status, a received message, a send or receive that may wait.

import { type Parsed, parse } from "./message.js";

export interface Status {
  pset: number;
  seqno: number;
  mscount: number;
  qlimit: number;
  msgcount: number;
  sorights: number;
  srights: number;
  pdrequest: number;
  nsrequest: number;
  flags: number;
}

export interface Received {
  code: number;
  /** The caller's whole buffer after the call. */
  buffer: Uint8Array;
  message: Parsed;
}

/** An asynchronous send or receive: `code` is the answer at once, then the one of its completion. */
export interface Pending {
  code: number;
  readonly waiter: number;
  completed: boolean;
  bytes: Uint8Array;
  /** Bytes needed, where the message was too large. */
  size: number;
  readonly message: Parsed;
}

export interface ReceiveOptions {
  option?: number;
  size?: number;
}

/** The cookies of waits that are pending. */
export const cookies: WeakMap<Pending, number> = new WeakMap();

export function emptyPending(): Pending {
  return {
    code: 0,
    waiter: 0,
    completed: false,
    bytes: new Uint8Array(0),
    size: 0,
    get message(): Parsed {
      return parse(this.bytes);
    },
  };
}
