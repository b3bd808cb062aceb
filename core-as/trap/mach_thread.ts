// Traps on the calling thread: its special reply port.

import { journal_commit } from "../kern/journal";
import { me, my_pid, out_get, processor_special_set } from "../kern/processor";
import { KERN_SUCCESS } from "../abi/kern_return";
import { MACH_PORT_QLIMIT_BASIC, name_index } from "../abi/port";
import { entry_at } from "../ipc/ipc_entry";
import { ip_lock, ip_unlock, port_at } from "../ipc/ipc_port";
import { IpcSpace, is_entry, is_lock, is_unlock } from "../ipc/ipc_space";
import { task_from } from "../task/task";
import { allocate_port } from "./mach_port";
import { trap_enter, trap_leave } from "./trap";

/** A210. Returns: the name of a new port with a receive and a send right; 0 on failure. The thread's former one is like any other now. */
export function thread_get_special_reply_port(handle: u32): u32 {
  if (trap_enter() != KERN_SUCCESS) return 0;
  const task = task_from(handle);
  if (!task) return trap_leave(0);
  is_lock(task);
  const name = task.is_active == 0 ? 0 : special_reply_port(task);
  is_unlock(task);
  return trap_leave(name);
}

/** Conditions: space locked, nothing in the journal. Commits. */
function special_reply_port(space: IpcSpace): u32 {
  if (allocate_port(space, 0, 0, MACH_PORT_QLIMIT_BASIC, 0, 1) != KERN_SUCCESS) return 0;
  const name = out_get(0);
  const entry = entry_at(is_entry(space, name_index(name)));
  const port = port_at(entry.ie_object);
  ip_lock(port);
  port.ip_thread = my_pid();
  journal_commit();
  ip_unlock(port);
  processor_special_set(me().p_pid, entry.ie_object); // the one before is nobody's from here on
  return name;
}
