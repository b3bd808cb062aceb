// Calls that only look (mach/mach_port.h, mach_debug), bound to one task: thin, over traps that other calls have too.

import {
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_TRAILER_MINIMUM_SIZE,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_SEND,
  MACH_RCV_TRAILER_AUDIT,
  MACH_RCV_TRAILER_SHIFT,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { buffer, u32, word } from "./arguments.js";

/** The `mach_port_*` calls that only look. `task` is the name of a task port; 0 codes mean `KERN_SUCCESS`. */
export interface MachPortInfoTraps {
  /**
   * Looks at a message in the queue of a receive right and leaves it there: no number is given out, no right moves.
   *
   * `trailerType` is `MACH_RCV_TRAILER_ELEMENTS(n)`, n 0 to 3. `seqno` holds 0, for the first message, or the number that the wanted one
   * will have; afterwards its number. `size` is the message's bytes without trailer, `id` its `msgh_id`. `trailer` has room for
   * `trailerCount` bytes, at least those of the asked trailer (8, 12, 20, 52); afterwards `trailerCount` says how many were stored.
   *
   * - `KERN_SUCCESS`
   * - `KERN_INVALID_VALUE`: another element, or less room than the trailer takes
   * - `KERN_FAILURE`: no such message is queued
   * - `KERN_INVALID_NAME`: nothing has the name
   * - `KERN_INVALID_RIGHT`: what has the name is no receive right; 0 and 0xffffffff
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_peek (A196; XNU mach_port.c, ipc_mqueue.c)
   */
  mach_port_peek(
    task: number,
    name: number,
    trailerType: number,
    seqno: Uint32Array,
    size: Uint32Array,
    id: Uint32Array,
    trailer: Uint8Array,
    trailerCount: Uint32Array,
  ): number;
}

/** Bytes of the trailer by its element (A130). */
const TRAILER_BYTES = [MACH_MSG_TRAILER_MINIMUM_SIZE, 12, 20, 52] as const;

/** Binds the calls to `self`. */
export function machPortInfoTraps(self: Task): MachPortInfoTraps {
  const { processor, handle } = self;
  const { core } = processor;

  /** What a trap answers whose target `task` is not: KERN_SUCCESS, it is the task's own port. */
  function notOurs(task: number): number {
    return core.mach_port_get_refs(handle, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND);
  }

  return {
    mach_port_peek(task, name, trailerType, seqno, size, id, trailer, trailerCount) {
      u32("task", task);
      u32("name", name);
      u32("trailerType", trailerType);
      word("seqno", seqno);
      word("size", size);
      word("id", id);
      buffer("trailer", trailer);
      word("trailerCount", trailerCount);
      const refused = notOurs(task);
      if (refused !== KERN_SUCCESS) return refused;
      if (name === MACH_PORT_NULL || name === MACH_PORT_DEAD) return KERN_INVALID_RIGHT;
      const element = (trailerType >>> MACH_RCV_TRAILER_SHIFT) & 0xf;
      const bytes = element <= MACH_RCV_TRAILER_AUDIT ? (TRAILER_BYTES[element] as number) : Infinity;
      const room = Math.min(trailer.length, trailerCount[0] as number);
      if (bytes > room) return KERN_INVALID_VALUE;
      const kr = core.mach_port_peek(handle, task, name, seqno[0] as number);
      if (kr !== KERN_SUCCESS) return kr;
      const [number, sender, pid] = [processor.out(0), processor.out(3), processor.out(4)];
      seqno[0] = number;
      size[0] = processor.out(1);
      id[0] = processor.out(2);
      // As ipc_kmsg_add_trailer writes it: type, size, number, security token, audit token.
      const words = new Uint32Array(TRAILER_BYTES[3] / 4);
      words.set([0, bytes, number, sender, pid, sender, sender === 0 ? 0 : pid]);
      trailer.set(new Uint8Array(words.buffer, 0, bytes));
      trailerCount[0] = bytes;
      return kr;
    },
  };
}
