// Calls on guards (mach/mach_port.h), bound to one task: thin, as mach-port.ts.

import {
  KERN_FAILURE,
  KERN_INVALID_ARGUMENT,
  KERN_SUCCESS,
  MACH_PORT_GUARD_INFO,
  MACH_PORT_GUARD_INFO_COUNT,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_SEND,
  MPG_STRICT,
} from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { i32, u32, word } from "./arguments.js";

/**
 * Ports made and ended in one step, and guards: a word that whoever destroys a guarded port must know. It is the port's context.
 * Where Mach also raises an exception on a thread that does not know it, here the code is all.
 *
 * @param task the task whose names are meant, by the name of its port: `mach_task_self()`
 * @param name the receive right
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the task was terminated
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of the calling task
 */
export interface MachPortGuardTraps {
  /**
   * Makes a port with all that it is to have.
   *
   * @param options `mach_port_options_t`, six words of which two are read, as many as there are: the flags, and the queue limit in
   *   messages. Flags: `MPO_QLIMIT` the queue limit counts; `MPO_INSERT_SEND_RIGHT` with a send right that was made of it, under the
   *   same name; `MPO_CONTEXT_AS_GUARD` guarded with the context, `MPO_STRICT` strictly then; `MPO_IMMOVABLE_RECEIVE` and
   *   `MPO_REPLY_PORT` the receive right cannot be moved
   * @param context the port's context, 0 to 4294967295
   * @param name out, one word: the name of the new receive right
   * @kr KERN_SUCCESS made
   * @kr KERN_INVALID_ARGUMENT a flag that there is not, or two kinds of port at once
   * @kr KERN_DENIED `MPO_SERVICE_PORT`, `MPO_CONNECTION_PORT` or `MPO_TG_BLOCK_TRACKING`
   * @kr KERN_INVALID_VALUE a queue limit of more than 1024
   * @kr KERN_NO_SPACE the task has no room for another name
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the task's quota of ports is used up
   * @source XNU osfmk/ipc/mach_port.c mach_port_construct; A186 to A188, A57
   * @differs Flags on importance, filters, exceptions and the enforcement of replies are taken and mean nothing. XNU gives the
   *   kinds that are denied here to launchd and the window server; there are none here.
   */
  mach_port_construct(task: number, options: Uint32Array, context: number, name: Uint32Array): number;
  /**
   * Ends a port in one step: its receive right, guarded or not, and references of the send right under the same name. The send
   * references go first, so that a no-senders request is told if they were the last; those that are left become dead names.
   *
   * @param srdelta how many send references go, as a number not above 0
   * @param guard the port's guard; of a port without one it does not matter
   * @kr KERN_SUCCESS ended
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT no receive right; or `srdelta` is not 0 and the name has no send right
   * @kr KERN_INVALID_VALUE `srdelta` is above 0, or there are not so many references
   * @kr KERN_INVALID_ARGUMENT the port is guarded, and not with `guard`
   * @source XNU osfmk/ipc/mach_port.c mach_port_destruct, ipc_right.c ipc_right_destruct; A192
   * @differs Nothing but the exception.
   */
  mach_port_destruct(task: number, name: number, srdelta: number, guard: number): number;
  /**
   * Guards a port, as `mach_port_guard_with_flags` with `MPG_STRICT` or without flags.
   *
   * @param guard the guard, 0 to 4294967295
   * @param strict not 0: the guard is not shown as the context, and is changed by `mach_port_unguard` alone
   * @codes mach_port_guard_with_flags
   * @source XNU osfmk/ipc/mach_port.c mach_port_guard; A189
   * @differs Nothing but the exception.
   */
  mach_port_guard(task: number, name: number, guard: number, strict: number): number;
  /**
   * Guards a port that has no context: `mach_port_destroy` and `mach_port_mod_refs` refuse from now on to destroy it,
   * `mach_port_destruct` wants the guard. A guard does not outlive the task, nor a move of the receive right.
   *
   * @param guard the guard, 0 to 4294967295
   * @param flags `MPG_STRICT`: it is not shown as the context, and changed by `mach_port_unguard` alone; `MPG_IMMOVABLE_RECEIVE`:
   *   the receive right cannot be moved, also when the guard is gone
   * @kr KERN_SUCCESS guarded
   * @kr KERN_INVALID_ARGUMENT the port has a context that is not 0, its guard or another word
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT not a receive right
   * @source XNU osfmk/ipc/mach_port.c mach_port_guard_with_flags, mach_port_guard_locked; A189, A191
   * @differs Nothing but the exception. Flags are 64 bits in XNU, of which it has two, as here.
   */
  mach_port_guard_with_flags(task: number, name: number, guard: number, flags: number): number;
  /**
   * Takes a port's guard away, and its context with it.
   *
   * @param guard the port's guard
   * @kr KERN_SUCCESS not guarded any more
   * @kr KERN_INVALID_ARGUMENT not guarded, or not with `guard`
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT not a receive right
   * @source XNU osfmk/ipc/mach_port.c mach_port_unguard; A190
   * @differs Nothing but the exception.
   */
  mach_port_unguard(task: number, name: number, guard: number): number;
  /**
   * Gives a port another guard.
   *
   * @param oldGuard the guard that it has
   * @param newGuard the guard that it gets
   * @kr KERN_SUCCESS changed
   * @kr KERN_INVALID_ARGUMENT not guarded, not with `oldGuard`, or strictly
   * @kr KERN_INVALID_NAME the name denotes nothing; 0 or 0xffffffff
   * @kr KERN_INVALID_RIGHT not a receive right
   * @source XNU osfmk/ipc/mach_port.c mach_port_swap_guard; A190
   * @differs Nothing but the exception.
   */
  mach_port_swap_guard(task: number, name: number, oldGuard: number, newGuard: number): number;
  /**
   * Asks whether a port is strictly guarded, and with this guard.
   *
   * @param flavor `MACH_PORT_GUARD_INFO`
   * @param info two words: the guard, and 0
   * @param count the words in `info`
   * @kr KERN_SUCCESS it is
   * @kr KERN_INVALID_ARGUMENT it is not; another flavour, looked at first
   * @kr KERN_FAILURE `count` is below 2; looked at before the name
   * @kr KERN_INVALID_NAME the name denotes nothing
   * @kr KERN_INVALID_RIGHT not a receive right; 0 or 0xffffffff
   * @source XNU osfmk/ipc/mach_port.c mach_port_assert_attributes
   * @differs Nothing but the exception, which ends the program in XNU.
   */
  mach_port_assert_attributes(task: number, name: number, flavor: number, info: Uint32Array, count: number): number;
}

/** Binds the calls to `self`, in whose space every name means what it means. */
export function machPortGuardTraps(self: Task): MachPortGuardTraps {
  const { processor, handle } = self;
  const { core } = processor;

  function guardPort(task: number, name: number, guard: number, flags: number): number {
    u32("task", task);
    u32("name", name);
    u32("guard", guard);
    return core.mach_port_guard_with_flags(handle, task, name, guard, flags);
  }

  return {
    mach_port_construct(task, options, context, name) {
      u32("task", task);
      word("options", options);
      u32("context", context);
      word("name", name);
      const [flags = 0, qlimit = 0] = options;
      const kr = core.mach_port_construct(handle, task, flags, qlimit, context);
      if (kr === KERN_SUCCESS) name[0] = processor.out(0);
      return kr;
    },
    mach_port_destruct(task, name, srdelta, guard) {
      u32("task", task);
      u32("name", name);
      i32("srdelta", srdelta);
      u32("guard", guard);
      return core.mach_port_destruct(handle, task, name, srdelta, guard);
    },
    mach_port_guard(task, name, guard, strict) {
      u32("strict", strict);
      return guardPort(task, name, guard, strict === 0 ? 0 : MPG_STRICT);
    },
    mach_port_guard_with_flags(task, name, guard, flags) {
      u32("flags", flags);
      return guardPort(task, name, guard, flags);
    },
    mach_port_unguard(task, name, guard) {
      u32("task", task);
      u32("name", name);
      u32("guard", guard);
      return core.mach_port_unguard(handle, task, name, guard);
    },
    mach_port_swap_guard(task, name, oldGuard, newGuard) {
      u32("task", task);
      u32("name", name);
      u32("oldGuard", oldGuard);
      u32("newGuard", newGuard);
      return core.mach_port_swap_guard(handle, task, name, oldGuard, newGuard);
    },
    mach_port_assert_attributes(task, name, flavor, info, count) {
      u32("task", task);
      u32("name", name);
      u32("flavor", flavor);
      if (!(info instanceof Uint32Array)) word("info", info);
      u32("count", count);
      const known = flavor === MACH_PORT_GUARD_INFO;
      if (!known || Math.min(count, info.length) < MACH_PORT_GUARD_INFO_COUNT) {
        const refused = core.mach_port_get_refs(handle, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND);
        if (refused !== KERN_SUCCESS) return refused;
        return known ? KERN_FAILURE : KERN_INVALID_ARGUMENT;
      }
      const [guard = 0, high = 0] = info;
      return core.mach_port_assert_attributes(handle, task, name, guard, high);
    },
  };
}
