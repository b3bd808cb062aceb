// Calls on tasks: who am I, making and ending tasks, reply ports, special and registered ports.

import { KERN_SUCCESS, TASK_BOOTSTRAP_PORT, TASK_PORT_REGISTER_MAX } from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { type Out, out, u32, word } from "./arguments.js";

/**
 * The calls of mach/mach_traps.h and mach/task.h that this kernel has.
 *
 * @param task the task that is meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
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
   * Gives a send right to the host's port: the kernel as such, of which there is one.
   *
   * @returns its name, with one more reference; 0 (`MACH_PORT_NULL`) where there is no room for one, the task was terminated, or
   *   the kernel was closed
   * @source XNU osfmk/kern/ipc_host.c mach_host_self
   * @differs Nothing can be asked of it: there are no calls on hosts.
   */
  mach_host_self(): number;
  /**
   * As `mach_host_self`: its name in earlier Machs.
   *
   * @returns as `mach_host_self`
   * @source CMU Mach kern/ipc_host.c host_self
   * @differs Nothing.
   */
  host_self(): number;
  /**
   * Makes a task: an empty space, which begins with the bootstrap port and the registered ports of `task`, its parent.
   *
   * @param inheritMemory not 0: the child begins with the parent's memory, as `vm_inherit` says of each page; 0: with none
   * @param child out, one word: the caller's name for a send right to the child's port, through which it acts on the child
   * @kr KERN_SUCCESS made
   * @kr KERN_RESOURCE_SHORTAGE no memory, or no room for the name; there is no child
   * @source GNU Mach kern/task.c task_create, kern/ipc_tt.c ipc_task_init; A168
   * @differs The child has no thread and gets none: who has its port puts rights into it and takes them out. It has its parent's
   *   quotas, and ends by `task_terminate` alone.
   */
  task_create(task: number, inheritMemory: number, child: Uint32Array): number;
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
   * Makes this thread's special reply port: one that cannot be moved away, for a client that makes one call after the other. The one
   * that the thread had before stays as an ordinary port.
   *
   * @returns the name of a new receive right, with one send right; 0 (`MACH_PORT_NULL`) where there is no room for one, the task was
   *   terminated, or the kernel was closed
   * @source XNU osfmk/kern/ipc_tt.c thread_get_special_reply_port; A210
   * @differs A thread that runs several tasks has one, in the task that asked last. There are no priorities to hand on along it.
   */
  thread_get_special_reply_port(): number;
  /**
   * Gives a send right to one of the task's special ports.
   *
   * @param which `TASK_BOOTSTRAP_PORT` (the naming service), `TASK_KERNEL_PORT` (the task itself) or `TASK_HOST_PORT` (the host)
   * @param port out, one word: the caller's name for it, with one more reference; 0 where the port is not set
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
   * @param port the caller's name of a send right, of which one reference is used up; 0: none
   * @kr KERN_SUCCESS set; the right that was there is given up
   * @kr KERN_INVALID_TASK as for every call; a right for a task that ended meanwhile is used up
   * @kr KERN_NO_ACCESS `TASK_KERNEL_PORT` or `TASK_HOST_PORT`
   * @kr KERN_INVALID_ARGUMENT no such port; `port` is 0xffffffff
   * @kr KERN_INVALID_NAME `port` denotes nothing
   * @kr KERN_INVALID_RIGHT `port` is no send right, or is dead
   * @kr KERN_RESOURCE_SHORTAGE no memory; nothing changed
   * @source XNU osfmk/kern/ipc_tt.c task_set_special_port; A208
   * @differs The other special ports are not built.
   */
  task_set_special_port(task: number, which: number, port: number): number;
  /**
   * As `task_get_special_port` of `TASK_BOOTSTRAP_PORT`.
   *
   * @param port out, one word: the caller's name for it, with one more reference; 0 where the port is not set
   * @codes task_get_special_port !KERN_INVALID_ARGUMENT
   * @source XNU osfmk/mach/task_special_ports.h; A208
   * @differs Nothing.
   */
  task_get_bootstrap_port(task: number, port: Uint32Array): number;
  /**
   * As `task_set_special_port` of `TASK_BOOTSTRAP_PORT`.
   *
   * @param port the caller's name of a send right, of which one reference is used up; 0: none
   * @codes task_set_special_port !KERN_NO_ACCESS
   * @source XNU osfmk/mach/task_special_ports.h; A208
   * @differs Nothing.
   */
  task_set_bootstrap_port(task: number, port: number): number;
  /**
   * Has the task keep up to `TASK_PORT_REGISTER_MAX` (3) send rights, instead of those that it kept. Tasks that it makes later begin
   * with the same.
   *
   * @param ports the caller's names; its own rights stay. 0 for none; a right that died is kept as 0xffffffff
   * @param count the names in `ports`; places behind them are empty
   * @kr KERN_SUCCESS kept
   * @kr KERN_INVALID_ARGUMENT `count` is above 3, or above what `ports` has
   * @kr KERN_INVALID_NAME a name denotes nothing; nothing changed
   * @kr KERN_INVALID_RIGHT a name is no send right; nothing changed
   * @kr KERN_RESOURCE_SHORTAGE no memory; nothing changed
   * @source XNU osfmk/kern/ipc_tt.c mach_ports_register
   * @differs Names and rights that are wrong are told in Mach by the message that carries them.
   */
  mach_ports_register(task: number, ports: Uint32Array, count: number): number;
  /**
   * Gives send rights to the ports that the task keeps.
   *
   * @param ports out: `TASK_PORT_REGISTER_MAX` (3) names of the caller's, each with one more reference; 0 for an empty place,
   *   0xffffffff for a port that died
   * @kr KERN_SUCCESS given
   * @kr KERN_RESOURCE_SHORTAGE no memory, or no room for a name; nothing was given
   * @source XNU osfmk/kern/ipc_tt.c mach_ports_lookup
   * @differs The array is a JavaScript array instead of memory of the caller's, which would be its to give back.
   */
  mach_ports_lookup(task: number, ports: Out<Uint32Array>): number;
  /**
   * Ends the task: every right it has is destroyed as by `mach_port_destroy`, and who waits is told.
   *
   * @kr KERN_SUCCESS ended; afterwards its calls answer `KERN_INVALID_TASK`
   * @source XNU osfmk/kern/task.c task_terminate, osfmk/ipc/ipc_space.c ipc_space_terminate; A168
   * @differs Its threads go on: a JavaScript thread is not the kernel's to end.
   */
  task_terminate(task: number): number;
}

/** Binds the calls to `self`. */
export function machTaskTraps(self: Task): MachTaskTraps {
  const { processor, handle } = self;
  const { core } = processor;

  function getSpecialPort(task: number, which: number, port: Uint32Array): number {
    u32("task", task);
    u32("which", which);
    word("port", port);
    const kr = core.task_get_special_port(handle, task, which);
    if (kr === KERN_SUCCESS) port[0] = processor.out(0);
    return kr;
  }

  function setSpecialPort(task: number, which: number, port: number): number {
    u32("task", task);
    u32("which", which);
    u32("port", port);
    return core.task_set_special_port(handle, task, which, port);
  }

  function hostSelf(): number {
    return core.mach_host_self(handle) >>> 0;
  }

  return {
    mach_task_self() {
      return self.self;
    },
    mach_host_self: hostSelf,
    host_self: hostSelf,
    task_create(task, inheritMemory, child) {
      u32("task", task);
      u32("inheritMemory", inheritMemory);
      word("child", child);
      const kr = core.task_create_child(handle, task, inheritMemory === 0 ? 0 : 1);
      if (kr === KERN_SUCCESS) child[0] = processor.out(0);
      return kr;
    },
    mach_reply_port() {
      return core.mach_reply_port(handle) >>> 0;
    },
    thread_get_special_reply_port() {
      return core.thread_get_special_reply_port(handle) >>> 0;
    },
    task_get_special_port: getSpecialPort,
    task_set_special_port: setSpecialPort,
    task_get_bootstrap_port(task, port) {
      return getSpecialPort(task, TASK_BOOTSTRAP_PORT, port);
    },
    task_set_bootstrap_port(task, port) {
      return setSpecialPort(task, TASK_BOOTSTRAP_PORT, port);
    },
    mach_ports_register(task, ports, count) {
      u32("task", task);
      if (!(ports instanceof Uint32Array)) word("ports", ports);
      u32("count", count);
      const given = count <= ports.length ? count : TASK_PORT_REGISTER_MAX + 1;
      const [first = 0, second = 0, third = 0] = ports;
      return core.mach_ports_register(handle, task, given, first, second, third);
    },
    mach_ports_lookup(task, ports) {
      u32("task", task);
      out("ports", ports);
      const kr = core.mach_ports_lookup(handle, task);
      if (kr !== KERN_SUCCESS) return kr;
      ports.value = Uint32Array.from({ length: TASK_PORT_REGISTER_MAX }, (_, index) => processor.out(index));
      return kr;
    },
    task_terminate(task) {
      u32("task", task);
      return core.task_terminate_target(handle, task);
    },
  };
}
