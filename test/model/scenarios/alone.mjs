// Calls made alone: every write of theirs is a place to die. Only the mutants need them (test/model/mutants), for what such a call
// leaves is the same whatever others do.

import * as codes from "../../../dist/abi/codes.gen.js";
import { kernelTrap, receive, send, trap } from "../world.mjs";

const { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE } = codes;
const { MACH_MSG_TYPE_MOVE_RECEIVE, MACH_MSG_TYPE_MOVE_SEND } = codes;
const { MACH_PORT_RIGHT_DEAD_NAME, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_SEND } = codes;

/** Calls of one task, one after the other; `name` of a step keeps out 0 for later steps, which get all that was kept. */
function program(task, steps) {
  return steps.map(({ call }) => {
    return {
      call: (coroutine) => {
        const [trapName, ...args] = call(coroutine.results);
        return [trapName, task.handle, task.self, ...args];
      },
      keep: (code, { pid }, machine) => (code === 0 ? machine.out(pid, 0) : code),
    };
  });
}

const step = (call) => ({ call });

/** One actor. */
const solo = (pid, operations) => ({ actors: [{ pid, program: operations }], destroys: true });

export const alone = {
  /** Names come and go. */
  names(world) {
    const task = world.task(2, 4);
    const dead = world.allocate(task, MACH_PORT_RIGHT_DEAD_NAME);
    const operations = program(task, [
      step(() => ["mach_port_allocate", MACH_PORT_RIGHT_RECEIVE]),
      step(() => ["mach_port_allocate", MACH_PORT_RIGHT_PORT_SET]),
      step(() => ["mach_port_allocate_name", MACH_PORT_RIGHT_DEAD_NAME, 0x00003003]),
      step(() => ["mach_port_mod_refs", dead, MACH_PORT_RIGHT_DEAD_NAME, 2]),
      step(() => ["mach_port_deallocate", dead]),
      step(([port]) => ["mach_port_destroy", port]),
      step(([, set]) => ["mach_port_destroy", set]),
      step(() => ["mach_port_destroy", dead]),
    ]);
    return solo(2, operations);
  },

  /** A freed name's slot is used again. */
  "names again"(world) {
    const task = world.task(2, 4);
    const names = [];
    while (names.length === 0 || names.at(-1) >>> 8 < 255) names.push(world.allocate(task, MACH_PORT_RIGHT_DEAD_NAME));
    const operations = program(task, [
      step(() => ["mach_port_deallocate", names[4]]),
      step(() => ["mach_port_deallocate", names[7]]),
      step(() => ["mach_port_allocate_name", MACH_PORT_RIGHT_DEAD_NAME, names[4] + 8]),
      step(() => ["mach_port_allocate", MACH_PORT_RIGHT_DEAD_NAME]),
      step(() => ["mach_port_allocate", MACH_PORT_RIGHT_RECEIVE]),
      step(() => ["mach_port_deallocate", names[4] + 8]),
    ]);
    return solo(2, operations);
  },

  /** References of one port's rights. */
  references(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.port(task);
    const mine = world.right(world.port(other), task);
    const operations = program(task, [
      step(() => ["mach_port_insert_right", port.name, port.name, MACH_MSG_TYPE_MAKE_SEND]),
      step(() => ["mach_port_insert_right", 0x00003003, port.name, MACH_MSG_TYPE_MAKE_SEND_ONCE]),
      step(() => ["mach_port_mod_refs", port.name, MACH_PORT_RIGHT_SEND, 2]),
      step(() => ["mach_port_mod_refs", port.name, MACH_PORT_RIGHT_SEND, -1]),
      step(() => ["mach_port_insert_right", mine, mine, MACH_MSG_TYPE_COPY_SEND]),
      step(() => ["mach_port_deallocate", 0x00003003]),
      step(() => ["mach_port_destroy", port.name]),
      step(() => ["mach_port_deallocate", mine]),
      step(() => ["mach_port_deallocate", mine]),
    ]);
    return solo(2, operations);
  },

  /** A port dies under the send rights of two tasks, one of which asked to be told. */
  "dead names"(world) {
    const server = world.task(3, 4);
    const client = world.task(2, 4);
    const port = world.port(server);
    const first = world.right(port, client);
    const second = world.right(port, client, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    const told = { name: world.allocate(client) };
    const ask = (name) => [
      "mach_port_request_notification",
      name,
      codes.MACH_NOTIFY_DEAD_NAME,
      0,
      told.name,
      MACH_MSG_TYPE_MAKE_SEND_ONCE,
    ];
    return {
      actors: [
        {
          pid: 2,
          program: program(client, [
            step(() => ask(first)),
            step(() => ask(second)),
            step(() => ["mach_port_type", first]),
            step(() => ["mach_port_deallocate", first]),
            step(() => ["mach_port_deallocate", second]),
          ]),
        },
      ],
      destroys: true,
    };
  },

  /** Requests that a port grants: no senders, and its own destruction; each changed once, then granted. */
  requests(world) {
    const task = world.task(2, 4);
    const port = world.port(task);
    const told = { name: world.allocate(task) };
    world.right(port);
    const ask = (id) => ["mach_port_request_notification", port.name, id, 1, told.name, MACH_MSG_TYPE_MAKE_SEND_ONCE];
    const operations = program(task, [
      step(() => ask(codes.MACH_NOTIFY_NO_SENDERS)),
      step(() => ask(codes.MACH_NOTIFY_NO_SENDERS)),
      step(() => ask(codes.MACH_NOTIFY_PORT_DESTROYED)),
      step(() => ask(codes.MACH_NOTIFY_PORT_DESTROYED)),
      step(() => ["mach_port_mod_refs", port.name, MACH_PORT_RIGHT_SEND, -1]),
      step(() => ["mach_port_destroy", port.name]),
    ]);
    return solo(2, operations);
  },

  /** Requests on several names of one port; the ones in the middle and at the end go first. */
  "requests of three"(world) {
    const server = world.task(4);
    const port = world.port(server);
    const tasks = [world.task(2, 4), world.task(3), world.task(1)];
    const rights = tasks.map((task) => world.right(port, task));
    tasks.forEach((task, at) => {
      const told = { name: world.allocate(task) };
      const id = codes.MACH_NOTIFY_DEAD_NAME;
      const args = [task.handle, task.self, rights[at], id, 0, told.name, MACH_MSG_TYPE_MAKE_SEND_ONCE];
      world.expect(task.pid, "mach_port_request_notification", ...args);
    });
    return {
      actors: [
        { pid: 2, program: [trap(tasks[0], "mach_port_deallocate", rights[0])] },
        { pid: 3, program: [trap(tasks[1], "mach_port_deallocate", rights[1])] },
      ],
      destroys: true,
    };
  },

  /** Memberships of one port. */
  members(world) {
    const task = world.task(2, 4);
    const port = world.port(task);
    const other = world.port(task);
    world.right(port);
    const sets = [world.set(task, other), world.set(task), world.set(task)];
    world.sendNow(task, 2, world.message(task, 2, { to: port.name }));
    const operations = program(task, [
      step(() => ["mach_port_insert_member", port.name, sets[0]]),
      step(() => ["mach_port_insert_member", port.name, sets[1]]),
      step(() => ["mach_port_move_member", port.name, sets[2]]),
      step(() => ["mach_port_insert_member", other.name, sets[2]]),
      step(() => ["mach_port_extract_member", port.name, sets[2]]),
      step(() => ["mach_port_insert_member", port.name, sets[0]]),
      step(() => ["mach_port_destroy", other.name]),
      step(() => ["mach_port_destroy", sets[0]]),
    ]);
    return { ...solo(2, operations), destroys: true };
  },

  /** Rights of every kind in a message, sent and received by one. */
  "rights in a message"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.port(task);
    const carried = world.port(task);
    const foreign = [world.right(world.port(other), task), world.right(world.port(other), task)];
    world.right(port);
    const message = world.message(task, 2, {
      to: port.name,
      reply: port.name,
      replyDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE,
      rights: [
        [foreign[0], MACH_MSG_TYPE_MOVE_SEND],
        [foreign[1], MACH_MSG_TYPE_COPY_SEND],
        [port.name, MACH_MSG_TYPE_MAKE_SEND],
        [carried.name, MACH_MSG_TYPE_MOVE_RECEIVE],
      ],
    });
    world.ports = world.ports.filter((each) => each !== carried);
    return { ...solo(2, [send(task, message), receive(task, port.name)]), destroys: true };
  },

  /** The same rights, and the message is destroyed with the port. */
  "rights in a message, destroyed"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.port(task);
    const carried = world.port(task);
    const foreign = world.right(world.port(other), task);
    world.right(port);
    const message = world.message(task, 2, {
      to: port.name,
      reply: foreign,
      replyDisposition: MACH_MSG_TYPE_COPY_SEND,
      rights: [
        [foreign, MACH_MSG_TYPE_MOVE_SEND],
        [carried.name, MACH_MSG_TYPE_MOVE_RECEIVE],
        [port.name, MACH_MSG_TYPE_MAKE_SEND_ONCE],
      ],
    });
    world.ports = world.ports.filter((each) => each !== carried);
    return solo(2, [send(task, message), trap(task, "mach_port_destroy", port.name)]);
  },

  /** A task is given rights, and ended. */
  "a child's life"(world) {
    const task = world.task(2, 4);
    const child = world.task(3);
    const port = world.port(task);
    world.right(port);
    const own = world.allocate(task);
    const { handle } = task;
    return solo(2, [
      trap(task, "task_set_special_port", codes.TASK_BOOTSTRAP_PORT, port.name),
      trap(task, "task_get_special_port", codes.TASK_BOOTSTRAP_PORT),
      kernelTrap("mach_task_self", handle),
      kernelTrap("task_insert_right", handle, own, MACH_MSG_TYPE_MAKE_SEND, child.handle),
      kernelTrap("task_insert_right", handle, own, MACH_MSG_TYPE_MOVE_RECEIVE, child.handle),
      kernelTrap("task_terminate", child.handle),
    ]);
  },

  /** The first send right of a space makes its table. */
  "table of names"(world) {
    const { machine } = world;
    world.expect(2, "task_create", 0, 0, 0);
    const fresh = machine.out(2, 0);
    for (const pid of [2, 4]) world.expect(pid, "task_attach", fresh);
    world.tasks.push({ handle: fresh, pid: 2, pids: [2, 4] });
    return solo(2, [kernelTrap("mach_task_self", fresh), kernelTrap("mach_task_self", fresh)]);
  },

  /** Two members with messages; a receiver has room for less; who is in the middle of the ring leaves. */
  "ready members"(world) {
    const task = world.task(2, 4);
    const ports = [world.port(task), world.port(task), world.port(task)];
    const set = world.set(task, ...ports);
    for (const { name } of ports) {
      world.right({ task, name });
      world.sendNow(task, 2, world.message(task, 2, { to: name }));
    }
    world.sendNow(task, 2, world.message(task, 2, { to: ports[0].name }));
    const option = codes.MACH_RCV_MSG | codes.MACH_RCV_LARGE;
    return {
      actors: [
        {
          pid: 2,
          program: [
            { call: () => ["mach_msg_trap", task.handle, 0, option, 0, 8, set, 0, 0] },
            receive(task, set),
            trap(task, "mach_port_extract_member", ports[2].name, set),
            trap(task, "mach_port_extract_member", ports[0].name, set),
            receive(task, set),
          ],
        },
      ],
    };
  },

  /** A notification finds the port dead that it was to go to. */
  "notification to a dead port"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.allocate(task);
    const told = world.allocate(task);
    const id = codes.MACH_NOTIFY_NO_SENDERS;
    world.right({ task, name: port });
    const once = world.right({ task, name: told }, other, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    const ask = ["mach_port_request_notification", task.handle, task.self, port, id, 1, told];
    world.expect(2, ...ask, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    return solo(2, [
      trap(task, "mach_port_destroy", told),
      trap(task, "mach_port_mod_refs", port, MACH_PORT_RIGHT_SEND, -1),
      kernelTrap("mach_port_deallocate", other.handle, other.self, once),
    ]);
  },

  /** A receive right goes and its send right stays; rights with two references and dead names travel. */
  "rights that stay"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.port(task);
    world.right(port);
    const gone = world.allocate(task);
    world.right({ task, name: gone });
    const twice = world.right(world.port(other), task);
    world.expect(2, "mach_port_mod_refs", task.handle, task.self, twice, MACH_PORT_RIGHT_SEND, 1);
    const dead = world.allocate(task, MACH_PORT_RIGHT_DEAD_NAME);
    world.expect(2, "mach_port_mod_refs", task.handle, task.self, dead, MACH_PORT_RIGHT_DEAD_NAME, 1);
    const rights = [
      [twice, MACH_MSG_TYPE_MOVE_SEND],
      [dead, MACH_MSG_TYPE_MOVE_SEND],
    ];
    const message = world.message(task, 2, { to: port.name, rights });
    return solo(2, [
      trap(task, "mach_port_mod_refs", gone, MACH_PORT_RIGHT_RECEIVE, -1),
      send(task, message),
      receive(task, port.name),
    ]);
  },

  attributes(world) {
    const task = world.task(2, 4);
    const port = world.port(task);
    const names = trap(task, "mach_port_names");
    const keep = (_code, { pid }, machine) => machine.out(pid, 0);
    return solo(2, [
      trap(task, "mach_port_set_seqno", port.name, 7),
      trap(task, "mach_port_set_mscount", port.name, 7),
      trap(task, "mach_port_set_context", port.name, 7),
      { ...names, keep },
      { call: ({ results }) => ["mach_msg_release", results.at(-1)] },
    ]);
  },

  /** A child has its parent's bootstrap port. */
  "a child is born"(world) {
    const { machine } = world;
    const task = world.task(2, 4);
    const port = world.port(task);
    world.right(port);
    world.expect(2, "task_set_special_port", task.handle, task.self, codes.TASK_BOOTSTRAP_PORT, port.name);
    world.expect(2, "task_create", 0, 0, 0);
    const first = machine.out(2, 0);
    const serial = machine.out(2, 1);
    world.expect(2, "task_terminate", first);
    // The same element with the next number: so that the account can end it, whoever died before he had told its handle.
    world.tasks.push({ handle: ((first & ~63) | ((serial + 1) & 63)) >>> 0, pid: 2, pids: [] });
    return solo(2, [kernelTrap("task_create", task.handle, 0, 0)]);
  },
};
