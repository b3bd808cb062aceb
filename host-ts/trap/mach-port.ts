// Calls on names and rights (mach/mach_port.h), bound to one task. Thin: check JavaScript types,
// trap, store the out words on success.

import {
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
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RECEIVE_STATUS_COUNT,
  MACH_PORT_RIGHT_SEND,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { i32, type Out, out, u32, word } from "./arguments.js";

/**
 * The `mach_port_*` calls. `task` is the name of a task port; 0 codes mean `KERN_SUCCESS`. The right that comes with
 * `mach_port_insert_right` and `mach_port_request_notification` is gone, also when the call is refused for another reason: it is
 * destroyed then.
 */
export interface MachPortTraps {
  mach_port_allocate(task: number, right: number, name: Uint32Array): number;
  mach_port_allocate_name(task: number, right: number, name: number): number;
  mach_port_insert_right(task: number, name: number, poly: number, polyPoly: number): number;
  /**
   * Takes a right out of the space as if the task had sent it to itself: `poly` is the caller's own name for it (send and receive rights
   * of one port share one, a send-once right has a new one), `polyPoly` its type as received, 16 to 18. A right that died is
   * `MACH_PORT_DEAD`.
   *
   * - `KERN_SUCCESS`
   * - `KERN_INVALID_VALUE`: `msgtName` is not a disposition, 16 to 21
   * - `KERN_INVALID_NAME`: nothing has the name; 0 and 0xffffffff are no names
   * - `KERN_INVALID_RIGHT`: what has the name lacks the right
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `KERN_RESOURCE_SHORTAGE`: no memory or no room for a name; a right that was taken is destroyed
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_extract_right (A69; XNU mach_port.c)
   */
  mach_port_extract_right(
    task: number,
    name: number,
    msgtName: number,
    poly: Uint32Array,
    polyPoly: Uint32Array,
  ): number;
  mach_port_deallocate(task: number, name: number): number;
  mach_port_destroy(task: number, name: number): number;
  mach_port_mod_refs(task: number, name: number, right: number, delta: number): number;
  mach_port_get_refs(task: number, name: number, right: number, refs: Uint32Array): number;
  mach_port_type(task: number, name: number, ptype: Uint32Array): number;
  /**
   * Gives what `oldName` denotes the name `newName`, with all its references; an armed dead-name request is told with the new name. A
   * thread that waits on a port goes on; one that waits on a set is told `MACH_RCV_INVALID_NAME` when a member has a message. Rights of
   * `mach-ipc`, and `mach_task_self()`, keep the name that they had: what they hold must not be renamed.
   *
   * - `KERN_SUCCESS`
   * - `KERN_INVALID_VALUE`: `newName` can be no name: 0, 0xffffffff, or its two low bits are not 1 (D12)
   * - `KERN_NAME_EXISTS`: `newName` is in use, also if it is `oldName`
   * - `KERN_FAILURE`: the index of `newName` is 0, or in use under another generation
   * - `KERN_NO_SPACE`: the index of `newName` is beyond the table, 4194303, or memory is exhausted
   * - `KERN_INVALID_NAME`: nothing has `oldName`
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * Refusals change nothing. Of two things wrong the one with `newName` is told, as in GNU Mach; XNU has no such call.
   *
   * @mach mach_port_rename (A15; GNU Mach ipc_object_rename, ipc_right_rename)
   */
  mach_port_rename(task: number, oldName: number, newName: number): number;
  mach_port_names(task: number, names: Out<Uint32Array>, types: Out<Uint32Array>): number;
  mach_port_request_notification(
    task: number,
    name: number,
    msgid: number,
    sync: number,
    notify: number,
    notifyPoly: number,
    previous: Uint32Array,
  ): number;
  /** `count` holds how many words `info` has room for, and afterwards how many were stored. */
  mach_port_get_attributes(task: number, name: number, flavor: number, info: Uint32Array, count: Uint32Array): number;
  /**
   * Stores the number of send rights in existence for the port: names with send rights, however many references each has, and rights in
   * messages, also those that are queued on the port itself.
   *
   * - `KERN_SUCCESS`
   * - `KERN_INVALID_NAME`: nothing has the name, or it is a dead name; 0 and 0xffffffff are no names
   * - `KERN_INVALID_RIGHT`: what has the name is no receive right
   * - `KERN_INVALID_TASK`: the calling task has ended
   * - `MACH_SEND_INVALID_DEST`: `task` is not the task's own port
   *
   * @mach mach_port_get_srights (A32, A197; XNU and GNU Mach mach_debug.c)
   */
  mach_port_get_srights(task: number, name: number, srights: Uint32Array): number;
  mach_port_set_attributes(task: number, name: number, flavor: number, info: Uint32Array, count: number): number;
  mach_port_set_seqno(task: number, name: number, seqno: number): number;
  mach_port_set_mscount(task: number, name: number, mscount: number): number;
  mach_port_get_context(task: number, name: number, context: Uint32Array): number;
  mach_port_set_context(task: number, name: number, context: number): number;
  mach_port_move_member(task: number, member: number, after: number): number;
  mach_port_insert_member(task: number, name: number, pset: number): number;
  mach_port_extract_member(task: number, name: number, pset: number): number;
  mach_port_get_set_status(task: number, name: number, members: Out<Uint32Array>): number;
}

/** The word behind those of a receive status: its send rights. */
const SRIGHTS_OUT = MACH_PORT_RECEIVE_STATUS_COUNT;
/** The last word of the results holds how many words an attribute has. */
const COUNT_OUT = 15;

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

  /** Takes an array out of the message that the kernel put it in. */
  function array(part: number): Uint32Array {
    const count = processor.out(2);
    return views.copyWords(processor.out(1) + part * count * 4, count);
  }

  function releaseArrays(): void {
    const kmsg = processor.out(0);
    if (kmsg !== 0) core.mach_msg_release(kmsg);
  }

  /** What a trap answers whose target `task` is not: KERN_SUCCESS, it is the task's own port. */
  function notOurs(task: number): number {
    return core.mach_port_get_refs(handle, task, 0, MACH_PORT_RIGHT_SEND);
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
      // Only names of the caller's own space are reached, so its own port is the only target.
      const refused = notOurs(task);
      if (refused !== KERN_SUCCESS) return refused;
      const kr = result(core.task_insert_right(handle, name, msgtName, handle), poly);
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
      const kr = core.mach_port_get_attributes(handle, task, name, flavor, room);
      if (kr !== KERN_SUCCESS) return kr;
      const words = Math.min(processor.out(COUNT_OUT), room);
      for (let i = 0; i < words; i++) info[i] = processor.out(i);
      count[0] = words;
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
      const value = flavor === MACH_PORT_LIMITS_INFO && words > 0 ? (info[0] as number) : 0;
      return core.mach_port_set_attributes(handle, task, name, flavor, value, words);
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
