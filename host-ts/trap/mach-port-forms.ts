// Other forms of calls that mach-port.ts has: those of XNU with a quality of service, and GNU Mach's for single attributes. Bound to
// one task.

import {
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

/** Other forms of `mach_port_*` calls. `task` is the name of a task port; 0 codes mean `KERN_SUCCESS`. */
export interface MachPortFormsTraps {
  /**
   * As `mach_port_allocate`; with bit 0 of `qos[0]` (`name`) as `mach_port_allocate_name` with the name in `name`. All else in `qos`, two
   * words, is ignored. `proto` would be a subsystem of the kernel's.
   *
   * - those of `mach_port_allocate` or `mach_port_allocate_name`
   * - `KERN_INVALID_VALUE`: `proto` is not 0
   *
   * @mach mach_port_allocate_full (A6 to A9; XNU mach_port.c)
   */
  mach_port_allocate_full(task: number, right: number, proto: number, qos: Uint32Array, name: Uint32Array): number;
  /**
   * As `mach_port_allocate_full` without `proto`.
   *
   * @mach mach_port_allocate_qos (A6 to A9; XNU mach_port.c)
   */
  mach_port_allocate_qos(task: number, right: number, qos: Uint32Array, name: Uint32Array): number;
  /**
   * Stores the status of a receive right, 9 words: whether it is in a set (1 or 0, as XNU has it; GNU Mach gave the set's name), number of
   * the next message, make-send count, queue limit, messages, send-once rights, whether there are send rights, whether a port-destroyed and
   * a no-senders request is armed.
   *
   * - those of `mach_port_get_attributes` with `MACH_PORT_RECEIVE_STATUS`
   *
   * @mach mach_port_get_receive_status (A183, A194; GNU Mach mach_port.c)
   */
  mach_port_get_receive_status(task: number, name: number, status: Uint32Array): number;
  /**
   * Changes the queue limit, a number of messages, 0 to 1024 (GNU Mach: to 16).
   *
   * - those of `mach_port_set_attributes` with `MACH_PORT_LIMITS_INFO`
   *
   * @mach mach_port_set_qlimit (A87, A93; GNU Mach mach_port.c)
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
