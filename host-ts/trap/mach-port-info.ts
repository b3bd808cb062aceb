// Calls that only look (mach/mach_port.h, mach_debug), bound to one task: thin, over traps that other calls have too.

import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_NOT_SUPPORTED,
  KERN_SUCCESS,
  MACH_MSG_TRAILER_MINIMUM_SIZE,
  MACH_PORT_DEAD,
  MACH_PORT_DNREQUESTS_SIZE,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_RCV_TRAILER_AUDIT,
  MACH_RCV_TRAILER_SHIFT,
} from "../abi/codes.gen.js";
import { SPACE_DIRS, Task_t_serial } from "../abi/layout.gen.js";
import type { Task } from "../task.js";
import { buffer, type Out, out, u32, word } from "./arguments.js";

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
  /**
   * Stores how many dead-name requests are armed on the port of a receive right. They are a list, so the size of the table is the number
   * in use.
   *
   * - `KERN_SUCCESS`
   * - `KERN_INVALID_NAME`: nothing has the name, or it is a dead name; 0 and 0xffffffff are no names
   * - `KERN_INVALID_RIGHT`: what has the name is no receive right
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_dnrequest_info (A197; XNU and GNU Mach mach_debug.c)
   */
  mach_port_dnrequest_info(task: number, name: number, total: Uint32Array, used: Uint32Array): number;
  /**
   * Stores what kind of kernel object is behind a send or receive right: 2 for the task's own port, 0 (none) for any other. The address
   * is always 0. The port of another task reads 0 too.
   *
   * - `KERN_SUCCESS`
   * - `KERN_INVALID_NAME`: nothing has the name; 0 and 0xffffffff are no names
   * - `KERN_INVALID_RIGHT`: what has the name is no send or receive right
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_kobject (A197; XNU mach_debug.c)
   */
  mach_port_kobject(task: number, name: number, objectType: Uint32Array, objectAddress: Uint32Array): number;
  /**
   * As `mach_port_kobject`, with a description: `task` and its serial number, or the empty string. Codes are the same.
   *
   * @mach mach_port_kobject_description (A197; XNU mach_debug.c)
   */
  mach_port_kobject_description(
    task: number,
    name: number,
    objectType: Uint32Array,
    objectAddress: Uint32Array,
    description: Out<string>,
  ): number;
  /**
   * - `KERN_NOT_SUPPORTED`: always, as XNU has it; `mach_port_kobject` is the call
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_kernel_object (XNU mach_debug.c)
   */
  mach_port_kernel_object(task: number, name: number, objectType: Uint32Array, objectAddress: Uint32Array): number;
  /**
   * Counts of the task's table of names, 6 words: mask of the generation, size and next size of the table, names in use, two zeros. The
   * size is the most that the table grows to; it does not move.
   *
   * - `KERN_SUCCESS`
   * - `KERN_RESOURCE_SHORTAGE`: memory is exhausted
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_space_basic_info (A197; XNU mach_debug.c)
   */
  mach_port_space_basic_info(task: number, info: Uint32Array): number;
  /**
   * The whole table of names: each with its type, as `mach_port_type` has it, and its references. `info` is as in
   * `mach_port_space_basic_info`, 4 words of it. Names that others change meanwhile may be there or not.
   *
   * - as `mach_port_space_basic_info`
   *
   * @mach mach_port_space_info (A197; XNU mach_debug.c; its tree is never used and not returned)
   */
  mach_port_space_info(task: number, info: Uint32Array, table: Out<readonly SpaceName[]>): number;
}

/** A name in `mach_port_space_info`. */
export interface SpaceName {
  readonly name: number;
  readonly type: number;
  /** Send, send-once or dead-name references; 0 for a receive right alone and for a set. */
  readonly urefs: number;
}

/** The kind of kernel object that a task's own port is. */
const IKOT_TASK = 2;
const GENERATION_MASK = 0xff;
/** Slots of the table (SPACE_DIRS directories of 1024 chunks of 256). */
const TABLE_SIZE = SPACE_DIRS * 1024 * 256;

/** Rights that have references. */
const COUNTED = [
  [MACH_PORT_TYPE_SEND, MACH_PORT_RIGHT_SEND],
  [MACH_PORT_TYPE_SEND_ONCE, MACH_PORT_RIGHT_SEND_ONCE],
  [MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_RIGHT_DEAD_NAME],
] as const;

/** Bytes of the trailer by its element (A130). */
const TRAILER_BYTES = [MACH_MSG_TRAILER_MINIMUM_SIZE, 12, 20, 52] as const;

/** Binds the calls to `self`. */
export function machPortInfoTraps(self: Task): MachPortInfoTraps {
  const { processor, handle } = self;
  const { core, views } = processor;

  /** What a trap answers whose target `task` is not: KERN_SUCCESS, it is the task's own port. */
  function notOurs(task: number): number {
    return core.mach_port_get_refs(handle, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND);
  }

  /** The kind of object behind `name`, or (below 0) the complement of a code. */
  function kindOf(task: number, name: number): number {
    const kr = core.mach_port_type(handle, task, name);
    if (kr !== KERN_SUCCESS) return ~kr;
    if (name === MACH_PORT_DEAD) return ~KERN_INVALID_NAME;
    if ((processor.out(0) & MACH_PORT_TYPE_SEND_RECEIVE) === 0) return ~KERN_INVALID_RIGHT;
    return name === self.self ? IKOT_TASK : 0;
  }

  /** The first word behind the task's space; the element has the address that the handle has above its low bits. */
  function serial(): number {
    return views.u32(((handle & ~63) >>> 0) + Task_t_serial);
  }

  function kobject(task: number, name: number, objectType: Uint32Array, objectAddress: Uint32Array): number {
    u32("task", task);
    u32("name", name);
    word("objectType", objectType);
    word("objectAddress", objectAddress);
    const kind = kindOf(task, name);
    if (kind < 0) return ~kind;
    objectType[0] = kind;
    objectAddress[0] = 0;
    return KERN_SUCCESS;
  }

  /** Names and types of the space, in one array each. */
  function list(task: number): { kr: number; names: Uint32Array; types: Uint32Array } {
    const kr = core.mach_port_names(handle, task);
    if (kr !== KERN_SUCCESS) return { kr, names: new Uint32Array(), types: new Uint32Array() };
    const [kmsg, at, count] = [processor.out(0), processor.out(1), processor.out(2)];
    const names = views.copyWords(at, count);
    const types = views.copyWords(at + 4 * count, count);
    if (kmsg !== 0) core.mach_msg_release(kmsg);
    return { kr, names, types };
  }

  return {
    mach_port_dnrequest_info(task, name, total, used) {
      u32("task", task);
      u32("name", name);
      word("total", total);
      word("used", used);
      const kr = core.mach_port_get_attributes(handle, task, name, MACH_PORT_DNREQUESTS_SIZE, 1);
      if (kr !== KERN_SUCCESS) return kr;
      if (name === MACH_PORT_NULL || name === MACH_PORT_DEAD) return KERN_INVALID_NAME;
      total[0] = processor.out(0);
      used[0] = processor.out(0);
      return kr;
    },
    mach_port_kobject: kobject,
    mach_port_kobject_description(task, name, objectType, objectAddress, description) {
      out("description", description);
      const kr = kobject(task, name, objectType, objectAddress);
      if (kr === KERN_SUCCESS) description.value = objectType[0] === IKOT_TASK ? `task ${serial()}` : "";
      return kr;
    },
    mach_port_kernel_object(task, name) {
      u32("task", task);
      u32("name", name);
      const refused = notOurs(task);
      return refused === KERN_SUCCESS ? KERN_NOT_SUPPORTED : refused;
    },
    mach_port_space_basic_info(task, info) {
      u32("task", task);
      word("info", info);
      const { kr, names } = list(task);
      if (kr === KERN_SUCCESS)
        info.set([GENERATION_MASK, TABLE_SIZE, TABLE_SIZE, names.length, 0, 0].slice(0, info.length));
      return kr;
    },
    mach_port_space_info(task, info, table) {
      u32("task", task);
      word("info", info);
      out("table", table);
      const { kr, names, types } = list(task);
      if (kr !== KERN_SUCCESS) return kr;
      info.set([GENERATION_MASK, TABLE_SIZE, TABLE_SIZE, names.length].slice(0, info.length));
      table.value = Array.from(names, (name, index) => {
        const type = types[index] as number;
        const right = COUNTED.find(([bit]) => (type & bit) !== 0)?.[1];
        const known = right !== undefined && core.mach_port_get_refs(handle, task, name, right) === KERN_SUCCESS;
        return { name, type, urefs: known ? processor.out(0) : 0 };
      });
      return kr;
    },
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
