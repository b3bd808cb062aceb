// What tests about notifications need: a right to be told about, and what was told.

import { expect } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_NOTIFY_SEND_ONCE,
} from "../../host-ts/abi/codes.gen.ts";
import { type Parsed, word } from "./message.js";
import { expectCode, expectUnchanged, give, type Space } from "./space.js";

export interface Notification {
  id: number;
  /** The name or count, where there is one. */
  value: number;
  message: Parsed;
}

/** Takes a notification that must be there. */
export function told(space: Space, notify: number): Notification {
  const { code, buffer, message } = space.receive(notify);
  expectCode(code, MACH_MSG_SUCCESS);
  return { id: message.id, value: message.size === 36 ? word(buffer, 32) : 0, message };
}

/**
 * The call answers exactly this code, and all that it changes is that the send-once right that it brought is destroyed: the port
 * `at` hears of that, once.
 */
export function expectDropped(wanted: number, spaces: readonly Space[], at: [Space, number], call: () => number): void {
  const [space, notify] = at;
  const { seqno } = space.status(notify);
  expectUnchanged(wanted, spaces, () => {
    const code = call();
    expect(told(space, notify).id).toBe(MACH_NOTIFY_SEND_ONCE);
    expectCode(space.setSeqno(notify, seqno), KERN_SUCCESS);
    return code;
  });
}

/** A new port of `from` and a send right to it in `to`. */
export function sendRight(from: Space, to: Space): { port: number; send: number } {
  const port = from.allocate();
  return { port, send: give(from, port, MACH_MSG_TYPE_MAKE_SEND, to) };
}
