// Other forms of calls that mach-port.ts has: those of XNU with a quality of service, and GNU Mach's for single attributes. Bound to
// one task.

import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_LIMITS_INFO_COUNT,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RECEIVE_STATUS_COUNT,
  MACH_PORT_RIGHT_SEND,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { u32, word } from "./arguments.js";

/**
 * Other forms of calls. A quality of service is two words, of which only bit 0 of the first means something here.
 *
 * @param task the task whose names are meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
 */
export interface MachPortFormsTraps {
  /**
   * As `mach_port_allocate`, or as `mach_port_allocate_name` where the quality of service says so.
   *
   * @param right what to make: `MACH_PORT_RIGHT_RECEIVE`, `MACH_PORT_RIGHT_PORT_SET` or `MACH_PORT_RIGHT_DEAD_NAME`
   * @param proto would be a subsystem of the kernel's: 0
   * @param qos bit 0 of the first word: the caller chooses the name
   * @param name one word, out: the new name; in, where the caller chooses it
   * @kr KERN_INVALID_VALUE `proto` is not 0; another kind of right; the chosen name cannot be a name
   * @codes mach_port_allocate
   * @codes mach_port_allocate_name
   * @source XNU osfmk/ipc/mach_port.c mach_port_allocate_full; A6 to A9
   * @differs The rest of `qos` is ignored: there are no preallocated messages.
   */
  mach_port_allocate_full(task: number, right: number, proto: number, qos: Uint32Array, name: Uint32Array): number;
  /**
   * As `mach_port_allocate_full` without `proto`.
   *
   * @param right what to make: `MACH_PORT_RIGHT_RECEIVE`, `MACH_PORT_RIGHT_PORT_SET` or `MACH_PORT_RIGHT_DEAD_NAME`
   * @param qos bit 0 of the first word: the caller chooses the name
   * @param name one word, out: the new name; in, where the caller chooses it
   * @codes mach_port_allocate_full
   * @source XNU osfmk/ipc/mach_port.c mach_port_allocate_qos; A6 to A9
   * @differs As `mach_port_allocate_full`.
   */
  mach_port_allocate_qos(task: number, right: number, qos: Uint32Array, name: Uint32Array): number;
  /**
   * Tells how a port stands, as `mach_port_get_attributes` with `MACH_PORT_RECEIVE_STATUS`.
   *
   * @param name the receive right
   * @param status out: nine words, those of the attribute but for the flags; as many as there is room for
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; a dead name; 0 or 0xffffffff
   * @source GNU Mach ipc/mach_port.c mach_port_get_receive_status; A183, A194
   * @differs The first word is 1 or 0, as XNU has it: in a set or not. GNU Mach tells the set's name.
   */
  mach_port_get_receive_status(task: number, name: number, status: Uint32Array): number;
  /**
   * Sets a port's queue limit, as `mach_port_set_attributes` with `MACH_PORT_LIMITS_INFO`.
   *
   * @param name the receive right
   * @param qlimit the queue limit, 0 to 1024 messages
   * @kr KERN_SUCCESS set
   * @kr KERN_INVALID_VALUE more than 1024
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @source GNU Mach ipc/mach_port.c mach_port_set_qlimit; A87, A93
   * @differs GNU Mach allows 16 messages at most; here, as in XNU, 1024.
   */
  mach_port_set_qlimit(task: number, name: number, qlimit: number): number;
}

/** Bit of the first word of a quality of service: the caller chooses the name. */
const QOS_NAME = 1;
/** Words of GNU Mach's status: all but the flags. */
const STATUS_WORDS = MACH_PORT_RECEIVE_STATUS_COUNT - 1;

/** Binds the calls to `self`. */
export function machPortFormsTraps(self: Task): MachPortFormsTraps {
  const { processor, handle } = self;
  const { core } = processor;

  function allocate(task: number, right: number, qos: Uint32Array, name: Uint32Array): number {
    u32("task", task);
    u32("right", right);
    word("qos", qos);
    word("name", name);
    if ((qos[0] as number) & QOS_NAME) return core.mach_port_allocate_name(handle, task, right, name[0] as number);
    const kr = core.mach_port_allocate(handle, task, right);
    if (kr === KERN_SUCCESS) name[0] = processor.out(0);
    return kr;
  }

  return {
    mach_port_allocate_full(task, right, proto, qos, name) {
      u32("proto", proto);
      if (proto === MACH_PORT_NULL) return allocate(task, right, qos, name);
      u32("task", task);
      const refused = core.mach_port_get_refs(handle, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND);
      return refused === KERN_SUCCESS ? KERN_INVALID_VALUE : refused;
    },
    mach_port_allocate_qos: allocate,
    mach_port_get_receive_status(task, name, status) {
      u32("task", task);
      u32("name", name);
      word("status", status);
      const count = MACH_PORT_RECEIVE_STATUS_COUNT;
      const kr = core.mach_port_get_attributes(handle, task, name, MACH_PORT_RECEIVE_STATUS, count);
      if (kr === KERN_INVALID_NAME && core.mach_port_type(handle, task, name) === KERN_SUCCESS)
        return KERN_INVALID_RIGHT; // dead
      if (kr !== KERN_SUCCESS) return kr;
      for (let i = 0; i < Math.min(STATUS_WORDS, status.length); i++) status[i] = processor.out(i);
      return kr;
    },
    mach_port_set_qlimit(task, name, qlimit) {
      u32("task", task);
      u32("name", name);
      u32("qlimit", qlimit);
      const count = MACH_PORT_LIMITS_INFO_COUNT;
      return core.mach_port_set_attributes(handle, task, name, MACH_PORT_LIMITS_INFO, qlimit, count);
    },
  };
}
