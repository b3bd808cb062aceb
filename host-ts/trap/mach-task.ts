// Calls on tasks: who am I, reply ports, special ports.

import {
  KERN_SUCCESS,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_SEND_INVALID_DEST,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { u32, word } from "./arguments.js";

/** The calls of mach/mach_traps.h and mach/task.h that this kernel has. */
export interface MachTaskTraps {
  /** The name of the task's own port; the same at each call, as Mach's library caches it. */
  mach_task_self(): number;
  /** A new receive right, or 0 (`MACH_PORT_NULL`) where there is no room for one. */
  mach_reply_port(): number;
  task_get_special_port(task: number, which: number, port: Uint32Array): number;
  task_set_special_port(task: number, which: number, port: number): number;
  /** Destroys every right of the task. Afterwards its traps answer `KERN_INVALID_TASK`. */
  task_terminate(task: number): number;
}

/** Binds the calls to `self`. */
export function machTaskTraps(self: Task): MachTaskTraps {
  const { processor, handle } = self;
  const { core } = processor;
  return {
    mach_task_self() {
      return self.self;
    },
    mach_reply_port() {
      return core.mach_reply_port(handle) >>> 0;
    },
    task_get_special_port(task, which, port) {
      u32("task", task);
      u32("which", which);
      word("port", port);
      const kr = core.task_get_special_port(handle, task, which);
      if (kr === KERN_SUCCESS) port[0] = processor.out(0);
      return kr;
    },
    task_set_special_port(task, which, port) {
      u32("task", task);
      u32("which", which);
      u32("port", port);
      return core.task_set_special_port(handle, task, which, port);
    },
    task_terminate(task) {
      u32("task", task);
      const kr = core.mach_port_type(handle, self.self, task);
      if (kr !== KERN_SUCCESS) return MACH_SEND_INVALID_DEST;
      const type = processor.out(0);
      if (task !== self.self || (type & MACH_PORT_TYPE_SEND_RECEIVE) !== MACH_PORT_TYPE_SEND) {
        return MACH_SEND_INVALID_DEST;
      }
      return core.task_terminate(handle);
    },
  };
}
