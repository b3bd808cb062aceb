// `mach-ipc/traps`: level 1. Mach's calls under their own names, arguments in Mach's order. A
// program written against Mach's headers finds here what it expects; see the root entry for the
// level that people use.

import type { Task } from "./task.js";
import { type MachLibraryTraps, machLibraryTraps } from "./trap/library.js";
import { type MachMsgTraps, machMsgTraps } from "./trap/mach-msg.js";
import { type MachPortTraps, machPortTraps } from "./trap/mach-port.js";
import { type MachPortFormsTraps, machPortFormsTraps } from "./trap/mach-port-forms.js";
import { type MachPortGuardTraps, machPortGuardTraps } from "./trap/mach-port-guard.js";
import { type MachPortInfoTraps, machPortInfoTraps } from "./trap/mach-port-info.js";
import { type MachTaskTraps, machTaskTraps } from "./trap/mach-task.js";
import { type VmTraps, vmTraps } from "./trap/vm.js";

export * from "./abi/codes.gen.js";
export type { Out } from "./trap/arguments.js";
export type { Demux, MachLibraryTraps } from "./trap/library.js";
export type { MachMsgTraps } from "./trap/mach-msg.js";
export type { MachPortTraps } from "./trap/mach-port.js";
export type { MachPortFormsTraps } from "./trap/mach-port-forms.js";
export type { MachPortGuardTraps } from "./trap/mach-port-guard.js";
export type { MachPortInfoTraps, SpaceName } from "./trap/mach-port-info.js";
export type { MachTaskTraps } from "./trap/mach-task.js";
export type { VmTraps } from "./trap/vm.js";
export type { VmRegionInfo } from "./trap/vm-pages.js";

/** Every call of level 1. */
export type Traps = MachTaskTraps &
  MachMsgTraps &
  MachPortTraps &
  MachPortFormsTraps &
  MachPortGuardTraps &
  MachPortInfoTraps &
  VmTraps &
  MachLibraryTraps;

const bound = new WeakMap<Task, Traps>();

/**
 * Mach's calls bound to a task: names mean its space.
 *
 * Return codes are returned, never thrown; a wrong JavaScript type is a `TypeError` naming the
 * argument. A pointer to a word is a `Uint32Array`, an array out is `{ value }`, a message lies in a
 * `Uint8Array`, from its first byte.
 *
 * @example
 * const mach = traps(task);
 * const name = new Uint32Array(1);
 * mach.mach_port_allocate(mach.mach_task_self(), MACH_PORT_RIGHT_RECEIVE, name); // 0, KERN_SUCCESS
 */
export function traps(task: Task): Traps {
  let calls = bound.get(task);
  if (!calls) {
    const messages = machMsgTraps(task);
    calls = {
      ...machTaskTraps(task),
      ...messages,
      ...machPortTraps(task),
      ...machPortFormsTraps(task),
      ...machPortGuardTraps(task),
      ...machPortInfoTraps(task),
      ...vmTraps(task),
      ...machLibraryTraps(task, messages),
    };
    bound.set(task, calls);
  }
  return calls;
}
