// Calls on names and ports alone, with every kind of right, and their refusals: the explorer dies after each of their writes.

import * as codes from "../../../dist/abi/codes.gen.js";
import { kernelTrap, receive, trap } from "../world.mjs";

const { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE } = codes;
const { MACH_MSG_TYPE_MOVE_RECEIVE, MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE } = codes;

const UNKNOWN = 0x00007703;

const solo = (pid, program) => ({ actors: [{ pid, program }], destroys: true, moves: true });

/** What mach_port_extract_right is in the core: a task hands a right to itself. */
const extract = ({ handle }, name, disposition) =>
  kernelTrap("task_insert_right", handle, name, disposition, handle);

export const calls = {
  "rights extracted"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.allocate(task);
    const once = world.right({ task: other, name: world.allocate(other) }, task, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    return solo(2, [
      extract(task, port, MACH_MSG_TYPE_MAKE_SEND),
      extract(task, port, MACH_MSG_TYPE_COPY_SEND),
      extract(task, port, MACH_MSG_TYPE_MOVE_SEND),
      extract(task, port, MACH_MSG_TYPE_MAKE_SEND_ONCE),
      extract(task, port, MACH_MSG_TYPE_MOVE_RECEIVE),
      extract(task, once, MACH_MSG_TYPE_MOVE_SEND_ONCE),
    ]);
  },

  "rights extracted of a dead port"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.allocate(other);
    const name = world.right({ task: other, name: port }, task);
    const once = world.right({ task: other, name: port }, task, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    return solo(2, [
      kernelTrap("mach_port_destroy", other.handle, other.self, port),
      extract(task, name, MACH_MSG_TYPE_COPY_SEND),
      extract(task, name, MACH_MSG_TYPE_MOVE_SEND),
      extract(task, once, MACH_MSG_TYPE_MOVE_SEND_ONCE),
      extract(task, once, MACH_MSG_TYPE_MOVE_SEND_ONCE),
      extract(task, UNKNOWN, MACH_MSG_TYPE_MOVE_SEND),
      extract(task, task.self, MACH_MSG_TYPE_MAKE_SEND),
      extract(task, task.self, 22),
    ]);
  },

  /** The last send right is moved: somebody waits for the end of it. */
  "last send right extracted"(world) {
    const task = world.task(2, 4);
    const told = world.allocate(task);
    const port = world.allocate(task);
    world.right({ task, name: port });
    world.request(task, port, codes.MACH_NOTIFY_NO_SENDERS, told);
    world.request(task, port, codes.MACH_NOTIFY_DEAD_NAME, told);
    return solo(2, [
      extract(task, port, MACH_MSG_TYPE_MOVE_RECEIVE),
      extract(task, port, MACH_MSG_TYPE_MOVE_SEND),
      trap(task, "mach_port_mod_refs", port, codes.MACH_PORT_RIGHT_SEND, -1),
      receive(task, told),
    ]);
  },
};
