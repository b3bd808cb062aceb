// A name of every kind of right.

import {
  KERN_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_PORT_RIGHT_PORT_SET,
} from "../../host-ts/abi/codes.gen.ts";
import type { Line } from "./line.js";
import { expectCode, give } from "./space.js";

/** Names in `a` of every kind of right: a living port of b by send and by send-once, own ports, a set, dead names. */
export function kinds({ a, b }: Line): {
  receive: number;
  both: number;
  send: number;
  once: number;
  set: number;
  dead: number;
  deadOnce: number;
} {
  const port = b.allocate();
  const doomed = b.allocate();
  const dead = give(b, doomed, MACH_MSG_TYPE_MAKE_SEND, a);
  const deadOnce = give(b, doomed, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(b.destroy(doomed), KERN_SUCCESS);
  return {
    receive: a.allocate(),
    both: a.allocateWithSend(),
    send: give(b, port, MACH_MSG_TYPE_MAKE_SEND, a),
    once: give(b, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a),
    set: a.allocate(MACH_PORT_RIGHT_PORT_SET),
    dead,
    deadOnce,
  };
}
