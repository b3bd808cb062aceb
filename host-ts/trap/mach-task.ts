// Calls on tasks: who am I, reply ports, special ports.

import {
  KERN_INVALID_NAME,
  KERN_SUCCESS,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_SEND_INVALID_DEST,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { u32, word } from "./arguments.js";

/**
 * The calls of mach/mach_traps.h and mach/task.h that this kernel has.
 *
 * @param task the task that is meant, by the name of its port: `mach_task_self()`
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the task was terminated
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of the calling task
 */
export interface MachTaskTraps {
  /**
   * Tells the name of the task's own port.
   *
   * @returns the name; the same at each call, without a new reference
   * @source XNU libsyscall/mach mach_init.c, osfmk/kern/ipc_tt.c mach_task_self
   * @differs Nothing: Mach's library keeps the name as well, and the trap below it adds a reference at each call.
   */
  mach_task_self(): number;
  /**
   * Makes a receive right for replies.
   *
   * @returns the name of a new receive right without send rights; 0 (`MACH_PORT_NULL`) where there is no room for one, the task
   *   was terminated, or the kernel was closed
   * @source XNU osfmk/kern/ipc_tt.c mach_reply_port; A209
   * @differs Nothing.
   */
  mach_reply_port(): number;
  /**
   * Gives a send right to one of the task's special ports.
   *
   * @param which `TASK_BOOTSTRAP_PORT` (the naming service) or `TASK_KERNEL_PORT` (the task itself)
   * @param port out, one word: its name with one more reference; 0 where the port is not set
   * @kr KERN_SUCCESS given
   * @kr KERN_INVALID_ARGUMENT no such port
   * @kr KERN_RESOURCE_SHORTAGE no memory, or no room for its name
   * @source XNU osfmk/kern/ipc_tt.c task_get_special_port; A208
   * @differs The other special ports are not built.
   */
  task_get_special_port(task: number, which: number, port: Uint32Array): number;
  /**
   * Sets one of the task's special ports. Tasks that it makes later begin with the same naming service.
   *
   * @param which `TASK_BOOTSTRAP_PORT`
   * @param port the name of a send right, of which one reference is used up; 0: none
   * @kr KERN_SUCCESS set; the right that was there is given up
   * @kr KERN_INVALID_ARGUMENT no such port, or not one to set; `port` is 0xffffffff
   * @kr KERN_INVALID_NAME `port` denotes nothing
   * @kr KERN_INVALID_RIGHT `port` is no send right, or is dead
   * @kr KERN_RESOURCE_SHORTAGE no memory; nothing changed
   * @source XNU osfmk/kern/ipc_tt.c task_set_special_port; A208
   * @differs The other special ports are not built; XNU answers KERN_NO_ACCESS for the task's own port.
   */
  task_set_special_port(task: number, which: number, port: number): number;
  /**
   * Ends the task: every right it has is destroyed as by `mach_port_destroy`, and who waits is told.
   *
   * @kr KERN_SUCCESS ended; afterwards its calls answer `KERN_INVALID_TASK`
   * @source XNU osfmk/kern/task.c task_terminate, osfmk/ipc/ipc_space.c ipc_space_terminate; A168
   * @differs The thread goes on: a JavaScript thread is not the kernel's to end.
   */
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
      if (kr !== KERN_SUCCESS) return kr === KERN_INVALID_NAME ? MACH_SEND_INVALID_DEST : kr;
      const type = processor.out(0);
      if (task !== self.self || (type & MACH_PORT_TYPE_SEND_RECEIVE) !== MACH_PORT_TYPE_SEND) {
        return MACH_SEND_INVALID_DEST;
      }
      return core.task_terminate(handle);
    },
  };
}
