// Calls on names and ports alone, with every kind of right, and their refusals: the explorer dies after each of their writes.

import * as codes from "../../../dist/abi/codes.gen.js";
import { detach, kernelTrap, receive, send, trap } from "../world.mjs";

const { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE } = codes;
const { MACH_MSG_TYPE_MOVE_RECEIVE, MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE } = codes;

const UNKNOWN = 0x00007703;
const FREE = 0x00020003;

const solo = (pid, program) => ({ actors: [{ pid, program }], destroys: true, moves: true });

/** What mach_port_extract_right is in the core: a task hands a right to itself. */
const extract = ({ handle }, name, disposition) => kernelTrap("task_insert_right", handle, name, disposition, handle);

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

  /** A right of every kind gets another name; a chunk of the table is made for it. */
  renames(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.allocate(task);
    const both = world.right({ task, name: world.allocate(task) });
    const set = world.set(task, { name: port });
    const theirs = world.allocate(other);
    const sends = world.right({ task: other, name: theirs }, task);
    const once = world.right({ task: other, name: theirs }, task, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    const dead = world.allocate(task, codes.MACH_PORT_RIGHT_DEAD_NAME);
    for (const name of [sends, both, once]) world.request(task, name, codes.MACH_NOTIFY_DEAD_NAME, port);
    const names = [port, both, set, sends, once, dead];
    return solo(2, [
      ...names.map((name, at) => trap(task, "mach_port_rename", name, FREE + at * 256)),
      trap(task, "mach_port_rename", FREE, FREE + 256), // in use
      trap(task, "mach_port_rename", UNKNOWN, FREE + 0x800),
      trap(task, "mach_port_rename", FREE, 0x40000003),
      trap(task, "mach_port_rename", FREE, port),
      kernelTrap("mach_port_destroy", other.handle, other.self, theirs),
      trap(task, "mach_port_rename", FREE + 3 * 256, FREE + 0x900), // dead by now
      receive(task, port),
    ]);
  },

  "rename+receive"(world) {
    const task = world.task(2, 3);
    const client = world.task(4);
    const port = world.port(task);
    const to = world.right(port, client);
    world.sendNow(client, 4, world.message(client, 4, { to }));
    return {
      actors: [
        { pid: 2, program: [trap(task, "mach_port_rename", port.name, FREE)] },
        { pid: 3, program: [receive(task, port.name, 0)] },
      ],
      destroys: true,
    };
  },

  "rename+death of its port"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const told = world.allocate(task);
    const port = world.allocate(other);
    const name = world.right({ task: other, name: port }, task);
    world.request(task, name, codes.MACH_NOTIFY_DEAD_NAME, told);
    return {
      actors: [
        { pid: 2, program: [trap(task, "mach_port_rename", name, FREE)] },
        { pid: 3, program: [trap(other, "mach_port_destroy", port)] },
      ],
      destroys: true,
    };
  },

  "rename+send"(world) {
    const task = world.task(2, 3);
    const server = world.task(4);
    const port = world.port(server);
    const to = world.right(port, task);
    return {
      actors: [
        { pid: 2, program: [trap(task, "mach_port_rename", to, FREE)] },
        { pid: 3, program: [send(task, world.message(task, 3, { to }))] },
      ],
      destroys: true,
    };
  },

  /** A queue that is looked at: what is published goes to the list. */
  peeks(world) {
    const task = world.task(2, 4);
    const port = world.port(task);
    const set = world.set(task, port);
    world.right(port);
    const messages = [1, 2].map(() => world.message(task, 2, { to: port.name }));
    for (const message of messages) world.sendNow(task, 2, message);
    return solo(2, [
      trap(task, "mach_port_peek", port.name, 0),
      trap(task, "mach_port_peek", port.name, 1),
      trap(task, "mach_port_peek", port.name, 7),
      trap(task, "mach_port_peek", set, 0),
      trap(task, "mach_port_peek", UNKNOWN, 0),
      receive(task, set),
      trap(task, "mach_port_peek", port.name, 1),
      receive(task, port.name),
    ]);
  },

  /** Somebody waits for the message: it is his. */
  "peek+send to one who waits"(world) {
    const task = world.task(2, 3, 4);
    const port = world.port(task);
    const to = world.right(port);
    const loop = world.pending(task, 3, port.name);
    return {
      actors: [
        { pid: 2, program: [trap(task, "mach_port_peek", port.name, 0)] },
        { pid: 4, program: [send(task, world.message(task, 4, { to }))] },
      ],
      loops: [loop],
    };
  },

  /** The thread's special reply port, and another in its place; the first can be moved from then on. */
  "special reply port"(world) {
    const task = world.task(2, 4);
    const get = kernelTrap("thread_get_special_reply_port", task.handle);
    return solo(2, [get, get]);
  },

  /** Who has one leaves. */
  "special reply port of one who leaves"(world) {
    const task = world.task(2, 4);
    return { ...solo(2, [kernelTrap("thread_get_special_reply_port", task.handle), detach()]), unaccounted: true };
  },
};
