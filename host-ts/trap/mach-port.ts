// Calls on names and rights (mach/mach_port.h), bound to one task. Thin: check JavaScript types,
// trap, store the out words on success.

import {
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_MSG_TYPE_PORT_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_DENAP_RECEIVER,
  MACH_PORT_DNREQUESTS_SIZE,
  MACH_PORT_DNREQUESTS_SIZE_COUNT,
  MACH_PORT_IMPORTANCE_RECEIVER,
  MACH_PORT_INFO_EXT,
  MACH_PORT_INFO_EXT_COUNT,
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RECEIVE_STATUS_COUNT,
  MACH_PORT_SERVICE_THROTTLED,
  MACH_PORT_SERVICE_THROTTLED_COUNT,
  MACH_PORT_TEMPOWNER,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { i32, out, u32, word } from "./arguments.js";
import type { PortNameTraps } from "./port-names.js";
import type { PortRightTraps } from "./port-rights.js";
import type { PortSetTraps } from "./port-sets.js";
import type { PortStatusTraps } from "./port-status.js";

/**
 * The `mach_port_*` calls. The right that comes with `mach_port_insert_right` and `mach_port_request_notification` is gone, also
 * when the call is refused for another reason: it is destroyed then.
 *
 * @param task the task whose names are meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
 */
export interface MachPortTraps extends PortNameTraps, PortRightTraps, PortStatusTraps, PortSetTraps {}

/** The word behind those of a receive status: its send rights. */
const SRIGHTS_OUT = MACH_PORT_RECEIVE_STATUS_COUNT;
/** The last word of the results holds how many words an attribute has. */
const COUNT_OUT = 15;

/** Flavours that are told by the receive status, with the words that they take. */
const BEYOND_STATUS: ReadonlyMap<number, number> = new Map([
  [MACH_PORT_INFO_EXT, MACH_PORT_INFO_EXT_COUNT],
  [MACH_PORT_SERVICE_THROTTLED, MACH_PORT_SERVICE_THROTTLED_COUNT],
]);
/** Flavours that nothing is set by, with the words that they want. */
const IGNORED: ReadonlyMap<number, number> = new Map([
  [MACH_PORT_DNREQUESTS_SIZE, MACH_PORT_DNREQUESTS_SIZE_COUNT],
  [MACH_PORT_TEMPOWNER, 0],
  [MACH_PORT_IMPORTANCE_RECEIVER, 0],
  [MACH_PORT_DENAP_RECEIVER, 0],
  [MACH_PORT_SERVICE_THROTTLED, 0],
]);

/** The type in which a right that is sent with `disposition` is received. */
function received(disposition: number): number {
  if (disposition === MACH_MSG_TYPE_MOVE_RECEIVE) return MACH_MSG_TYPE_PORT_RECEIVE;
  const once = disposition === MACH_MSG_TYPE_MOVE_SEND_ONCE || disposition === MACH_MSG_TYPE_MAKE_SEND_ONCE;
  return once ? MACH_MSG_TYPE_PORT_SEND_ONCE : MACH_MSG_TYPE_PORT_SEND;
}

function isNoName(name: number): boolean {
  return name === MACH_PORT_NULL || name === MACH_PORT_DEAD;
}

/** Binds the calls to `self`, in whose space every name means what it means. */
export function machPortTraps(self: Task): MachPortTraps {
  const { processor, handle } = self;
  const { core, views } = processor;

  /** Stores the first result in `into` if the call succeeded. */
  function result(kr: number, into: Uint32Array): number {
    if (kr === KERN_SUCCESS) into[0] = processor.out(0);
    return kr;
  }

  /** Stores the first `words` results in `info`. */
  function store(info: Uint32Array, count: Uint32Array, words: number): number {
    for (let i = 0; i < words; i++) info[i] = processor.out(i);
    count[0] = words;
    return KERN_SUCCESS;
  }

  /** Takes an array out of the message that the kernel put it in. */
  function array(part: number): Uint32Array {
    const count = processor.out(2);
    return views.copyWords(processor.out(1) + part * count * 4, count);
  }

  function releaseArrays(): void {
    const kmsg = processor.out(0);
    if (kmsg !== 0) core.mach_msg_release(kmsg);
  }

  return {
    mach_port_allocate(task, right, name) {
      u32("task", task);
      u32("right", right);
      word("name", name);
      return result(core.mach_port_allocate(handle, task, right), name);
    },
    mach_port_allocate_name(task, right, name) {
      u32("task", task);
      u32("right", right);
      u32("name", name);
      return core.mach_port_allocate_name(handle, task, right, name);
    },
    mach_port_insert_right(task, name, poly, polyPoly) {
      u32("task", task);
      u32("name", name);
      u32("poly", poly);
      u32("polyPoly", polyPoly);
      return core.mach_port_insert_right(handle, task, name, poly, polyPoly);
    },
    mach_port_extract_right(task, name, msgtName, poly, polyPoly) {
      u32("task", task);
      u32("name", name);
      u32("msgtName", msgtName);
      word("poly", poly);
      word("polyPoly", polyPoly);
      const kr = result(core.mach_port_extract_right(handle, task, name, msgtName), poly);
      if (kr === KERN_SUCCESS) polyPoly[0] = received(msgtName);
      return kr;
    },
    mach_port_deallocate(task, name) {
      u32("task", task);
      u32("name", name);
      return core.mach_port_deallocate(handle, task, name);
    },
    mach_port_destroy(task, name) {
      u32("task", task);
      u32("name", name);
      return core.mach_port_destroy(handle, task, name);
    },
    mach_port_mod_refs(task, name, right, delta) {
      u32("task", task);
      u32("name", name);
      u32("right", right);
      i32("delta", delta);
      return core.mach_port_mod_refs(handle, task, name, right, delta);
    },
    mach_port_get_refs(task, name, right, refs) {
      u32("task", task);
      u32("name", name);
      u32("right", right);
      word("refs", refs);
      return result(core.mach_port_get_refs(handle, task, name, right), refs);
    },
    mach_port_type(task, name, ptype) {
      u32("task", task);
      u32("name", name);
      word("ptype", ptype);
      return result(core.mach_port_type(handle, task, name), ptype);
    },
    mach_port_rename(task, oldName, newName) {
      u32("task", task);
      u32("oldName", oldName);
      u32("newName", newName);
      return core.mach_port_rename(handle, task, oldName, newName);
    },
    mach_port_names(task, names, types) {
      u32("task", task);
      out("names", names);
      out("types", types);
      const kr = core.mach_port_names(handle, task);
      if (kr !== KERN_SUCCESS) return kr;
      names.value = array(0);
      types.value = array(1);
      releaseArrays();
      return kr;
    },
    mach_port_request_notification(task, name, msgid, sync, notify, notifyPoly, previous) {
      u32("task", task);
      u32("name", name);
      u32("msgid", msgid);
      u32("sync", sync);
      u32("notify", notify);
      u32("notifyPoly", notifyPoly);
      word("previous", previous);
      return result(core.mach_port_request_notification(handle, task, name, msgid, sync, notify, notifyPoly), previous);
    },
    mach_port_get_attributes(task, name, flavor, info, count) {
      u32("task", task);
      u32("name", name);
      u32("flavor", flavor);
      if (!(info instanceof Uint32Array)) word("info", info);
      word("count", count);
      const room = Math.min(count[0] as number, info.length);
      const needed = BEYOND_STATUS.get(flavor);
      if (needed === undefined) {
        const kr = core.mach_port_get_attributes(handle, task, name, flavor, room);
        return kr === KERN_SUCCESS ? store(info, count, Math.min(processor.out(COUNT_OUT), room)) : kr;
      }
      const status = room < needed ? 0 : MACH_PORT_RECEIVE_STATUS_COUNT;
      const kr = core.mach_port_get_attributes(handle, task, name, MACH_PORT_RECEIVE_STATUS, status);
      if (kr !== KERN_SUCCESS) return kr;
      if (flavor === MACH_PORT_SERVICE_THROTTLED) return KERN_INVALID_CAPABILITY;
      info.fill(0, status, needed); // nobody's importance is raised
      store(info, count, status);
      count[0] = needed;
      return kr;
    },
    mach_port_get_srights(task, name, srights) {
      u32("task", task);
      u32("name", name);
      word("srights", srights);
      const kr = core.mach_port_get_attributes(handle, task, name, MACH_PORT_RECEIVE_STATUS, SRIGHTS_OUT + 1);
      if (kr === KERN_SUCCESS) srights[0] = processor.out(SRIGHTS_OUT);
      return kr === KERN_INVALID_RIGHT && isNoName(name) ? KERN_INVALID_NAME : kr;
    },
    mach_port_set_attributes(task, name, flavor, info, count) {
      u32("task", task);
      u32("name", name);
      u32("flavor", flavor);
      if (!(info instanceof Uint32Array)) word("info", info);
      u32("count", count);
      const words = Math.min(count, info.length);
      const ignored = IGNORED.get(flavor);
      if (ignored !== undefined && words >= ignored) {
        // A call that only looks whether the name is a receive right.
        const kr = core.mach_port_get_context(handle, task, name);
        return kr === KERN_SUCCESS && flavor === MACH_PORT_SERVICE_THROTTLED ? KERN_INVALID_CAPABILITY : kr;
      }
      const value = flavor === MACH_PORT_LIMITS_INFO && words > 0 ? (info[0] as number) : 0;
      const which = ignored === undefined ? flavor : MACH_PORT_LIMITS_INFO; // with no word: there is a word too few
      return core.mach_port_set_attributes(handle, task, name, which, value, words);
    },
    mach_port_set_seqno(task, name, seqno) {
      u32("task", task);
      u32("name", name);
      u32("seqno", seqno);
      return core.mach_port_set_seqno(handle, task, name, seqno);
    },
    mach_port_set_mscount(task, name, mscount) {
      u32("task", task);
      u32("name", name);
      u32("mscount", mscount);
      return core.mach_port_set_mscount(handle, task, name, mscount);
    },
    mach_port_get_context(task, name, context) {
      u32("task", task);
      u32("name", name);
      word("context", context);
      return result(core.mach_port_get_context(handle, task, name), context);
    },
    mach_port_set_context(task, name, context) {
      u32("task", task);
      u32("name", name);
      u32("context", context);
      return core.mach_port_set_context(handle, task, name, context);
    },
    mach_port_move_member(task, member, after) {
      u32("task", task);
      u32("member", member);
      u32("after", after);
      return core.mach_port_move_member(handle, task, member, after);
    },
    mach_port_insert_member(task, name, pset) {
      u32("task", task);
      u32("name", name);
      u32("pset", pset);
      return core.mach_port_insert_member(handle, task, name, pset);
    },
    mach_port_extract_member(task, name, pset) {
      u32("task", task);
      u32("name", name);
      u32("pset", pset);
      return core.mach_port_extract_member(handle, task, name, pset);
    },
    mach_port_get_set_status(task, name, members) {
      u32("task", task);
      u32("name", name);
      out("members", members);
      const kr = core.mach_port_get_set_status(handle, task, name);
      if (kr !== KERN_SUCCESS) return kr;
      members.value = array(0);
      releaseArrays();
      return kr;
    },
  };
}
