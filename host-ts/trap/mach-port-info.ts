// Calls that only look (mach/mach_port.h, mach_debug), bound to one task: thin, over traps that other calls have too.

import {
  IKOT_HOST,
  IKOT_TASK,
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
  MACH_RCV_TRAILER_AUDIT,
  MACH_RCV_TRAILER_SHIFT,
} from "../abi/codes.gen.js";
import { SPACE_DIRS } from "../abi/layout.gen.js";
import type { Task } from "../task.js";
import { buffer, type Out, out, u32, word } from "./arguments.js";

/**
 * Calls that only look: at a queue, at what is behind a name, at the table of names.
 *
 * @param task the task whose names are meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
 */
export interface MachPortInfoTraps {
  /**
   * Looks at a message in the queue of a port and leaves it there: no number is given out, no right moves.
   *
   * @param name the receive right
   * @param trailerType `MACH_RCV_TRAILER_ELEMENTS(n)`, n 0 to 3: which trailer to store
   * @param seqno one word, in: 0 for the first message, or the number that the wanted one will have; out: its number
   * @param size out, one word: the message's bytes, without trailer
   * @param id out, one word: its `msgh_id`
   * @param trailer out: the trailer that a receive would give
   * @param trailerCount one word, in: the bytes that `trailer` has room for; out: the bytes stored, 8, 12, 20 or 52
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_VALUE another element, or less room than the trailer takes; looked at before the name
   * @kr KERN_FAILURE no such message is queued
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff, looked at first
   * @source XNU osfmk/ipc/mach_port.c mach_port_peek, ipc_mqueue.c ipc_mqueue_peek; A196
   * @differs Nothing.
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
   * Tells how many dead-name requests are armed on a port.
   *
   * @param name the receive right
   * @param total out, one word: the size of the table of requests
   * @param used out, one word: the requests in it
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_NAME the name denotes nothing, or is dead; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT not a receive right
   * @source XNU osfmk/ipc/mach_debug.c mach_port_dnrequest_info; A197
   * @differs The requests are a list, so that `total` is what `used` is.
   */
  mach_port_dnrequest_info(task: number, name: number, total: Uint32Array, used: Uint32Array): number;
  /**
   * Tells what kind of kernel object is behind a port.
   *
   * @param name a send or receive right
   * @param objectType out, one word: `IKOT_TASK`, `IKOT_HOST`, or `IKOT_NONE` for a port of any task's
   * @param objectAddress out, one word: 0
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT not a send or receive right
   * @source XNU osfmk/ipc/mach_debug.c mach_port_kobject; A197
   * @differs There are no other kernel objects, and no address is ever told.
   */
  mach_port_kobject(task: number, name: number, objectType: Uint32Array, objectAddress: Uint32Array): number;
  /**
   * As `mach_port_kobject`, with a description.
   *
   * @param name a send or receive right
   * @param objectType out, one word: `IKOT_TASK`, `IKOT_HOST`, or `IKOT_NONE` for a port of any task's
   * @param objectAddress out, one word: 0
   * @param description out: `task` and the task's serial number, `host`, or the empty string
   * @codes mach_port_kobject
   * @source XNU osfmk/ipc/mach_debug.c mach_port_kobject_description; A197
   * @differs As `mach_port_kobject`.
   */
  mach_port_kobject_description(
    task: number,
    name: number,
    objectType: Uint32Array,
    objectAddress: Uint32Array,
    description: Out<string>,
  ): number;
  /**
   * Refuses: `mach_port_kobject` is the call.
   *
   * @param name not looked at
   * @param objectType left as it is
   * @param objectAddress left as it is
   * @kr KERN_NOT_SUPPORTED always
   * @source XNU osfmk/ipc/mach_debug.c mach_port_kernel_object
   * @differs Nothing from XNU, where it is obsolete; GNU Mach tells the object's type and address.
   */
  mach_port_kernel_object(task: number, name: number, objectType: Uint32Array, objectAddress: Uint32Array): number;
  /**
   * Counts the task's table of names.
   *
   * @param info out, six words: mask of the generation, size and next size of the table, names in use, two zeros; as many as
   *   there is room for
   * @kr KERN_SUCCESS told
   * @kr KERN_RESOURCE_SHORTAGE no memory for the list of names
   * @source XNU osfmk/ipc/mach_debug.c mach_port_space_basic_info; A197
   * @differs The size is the most that the table grows to: it does not move when it grows.
   */
  mach_port_space_basic_info(task: number, info: Uint32Array): number;
  /**
   * Lists the whole table of names. Names that others change meanwhile may be there or not.
   *
   * @param info out: the first four words of `mach_port_space_basic_info`
   * @param table out: each name with its type, as `mach_port_type` tells it, and its references
   * @kr KERN_SUCCESS listed
   * @kr KERN_RESOURCE_SHORTAGE no memory for the list
   * @source XNU osfmk/ipc/mach_debug.c mach_port_space_info; A197
   * @differs The tree that XNU has not used for long is left out.
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

  /** What a trap answers for this target: KERN_SUCCESS, it is a task's port. */
  function refusal(task: number): number {
    return core.mach_port_get_refs(handle, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND);
  }

  function kobject(task: number, name: number, objectType: Uint32Array, objectAddress: Uint32Array): number {
    u32("task", task);
    u32("name", name);
    word("objectType", objectType);
    word("objectAddress", objectAddress);
    const kr = core.mach_port_kobject(handle, task, name);
    if (kr !== KERN_SUCCESS) return kr;
    objectType[0] = processor.out(0);
    objectAddress[0] = 0;
    return kr;
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

  /** What was just told of a kernel object. */
  function describe(kind: number): string {
    if (kind === IKOT_TASK) return `task ${processor.out(1)}`;
    return kind === IKOT_HOST ? "host" : "";
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
      if (kr === KERN_SUCCESS) description.value = describe(objectType[0] as number);
      return kr;
    },
    mach_port_kernel_object(task, name) {
      u32("task", task);
      u32("name", name);
      const refused = refusal(task);
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
      const refused = refusal(task);
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
