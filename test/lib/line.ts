// Two tasks and a port between them: `a` holds a send right (outbox) to a port of `b` (inbox).

import { MACH_MSG_SUCCESS, MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND } from "../../host-ts/abi/codes.gen.ts";
import type { Machine } from "./boot.js";
import type { Draft, Parsed, PortDescriptor } from "./message.js";
import { expectCode, give, type Space } from "./space.js";

export interface Line {
  a: Space;
  b: Space;
  outbox: number;
  inbox: number;
  /** A sound message from a to b with some of it replaced. */
  draft(change?: Draft): Draft;
  /** Sends it, and it must succeed. */
  post(change?: Draft): void;
  /** Sends rights from a to b; the answer of the send. */
  carry(...descriptors: PortDescriptor[]): number;
  /** Sends rights from a to b and gives what arrived. */
  pass(...descriptors: PortDescriptor[]): Parsed;
}

export function line(machine: Machine): Line {
  const [a, b] = [machine.task(), machine.task()];
  const inbox = b.allocate();
  const outbox = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND, a);
  const draft = (change: Draft = {}): Draft => ({
    remote: outbox,
    remoteDisposition: MACH_MSG_TYPE_COPY_SEND,
    ...change,
  });
  const carry = (...descriptors: PortDescriptor[]) => a.send(draft({ descriptors }));
  return {
    a,
    b,
    outbox,
    inbox,
    draft,
    post: (change) => expectCode(a.send(draft(change)), MACH_MSG_SUCCESS),
    carry,
    pass(...descriptors) {
      expectCode(carry(...descriptors), MACH_MSG_SUCCESS);
      return b.take(inbox);
    },
  };
}
