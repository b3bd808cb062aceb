// Calls alone, on objects that were used: words that are 0 elsewhere have a value here, so that it is seen who forgets to put it back.

import * as codes from "../../../dist/abi/codes.gen.js";
import { kernelTrap, receive, send, trap } from "../world.mjs";

const { MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MOVE_RECEIVE } = codes;
const { MACH_PORT_RIGHT_DEAD_NAME, MACH_PORT_RIGHT_SEND } = codes;

const solo = (pid, program) => ({ actors: [{ pid, program }], destroys: true });

/** The port's counters and its context have a value. */
function use(world, { pid, handle, self }, name) {
  for (const what of ["seqno", "mscount", "context"]) world.expect(pid, `mach_port_set_${what}`, handle, self, name, 5);
}

const ask = (name, id, to, sync = 0) => [
  "mach_port_request_notification",
  name,
  id,
  sync,
  to,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
];

export const words = {
  /** A port that was used travels. */
  "a used port in a message"(world) {
    const task = world.task(2, 4);
    const port = world.port(task);
    world.right(port);
    const carried = world.allocate(task);
    use(world, task, carried);
    const rights = [[carried, MACH_MSG_TYPE_MOVE_RECEIVE]];
    const message = world.message(task, 2, { to: port.name, rights });
    return solo(2, [send(task, message), receive(task, port.name)]);
  },

  /** A port that was used is sent where its destruction was asked for. */
  "a used port, destroyed"(world) {
    const task = world.task(2, 4);
    const told = world.allocate(task);
    const port = world.allocate(task);
    world.request(task, port, codes.MACH_NOTIFY_PORT_DESTROYED, told);
    use(world, task, port);
    return solo(2, [trap(task, "mach_port_destroy", port), receive(task, told)]);
  },

  /** A reverse hash with used slots is made larger, a second time. */
  "larger table of names"(world) {
    const task = world.task(2, 4);
    const names = Array.from({ length: 14 }, () => world.allocate(task));
    for (const name of names.slice(0, 11)) world.right({ task, name });
    return solo(2, [
      ...names.slice(2, 6).map((name) => trap(task, "mach_port_mod_refs", name, MACH_PORT_RIGHT_SEND, -1)),
      ...names.slice(11).map((name) => trap(task, "mach_port_insert_right", name, name, MACH_MSG_TYPE_MAKE_SEND)),
      ...names.slice(2, 6).map((name) => trap(task, "mach_port_insert_right", name, name, MACH_MSG_TYPE_MAKE_SEND)),
    ]);
  },

  /** One request of a name takes the place of another, to another port; then the name is dead already. */
  "requests to others"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.port(other);
    const name = world.right(port, task);
    const told = [world.allocate(task), world.allocate(task)];
    const id = codes.MACH_NOTIFY_DEAD_NAME;
    return solo(2, [
      trap(task, ...ask(name, id, told[0])),
      trap(task, ...ask(name, id, told[1])),
      trap(task, ...ask(name, id, 0)),
      kernelTrap("mach_port_destroy", other.handle, other.self, port.name),
      trap(task, ...ask(name, id, told[0], 1)),
      receive(task, told[0]),
    ]);
  },

  /** A port dies whose last sender somebody waits for. */
  "a request that is dropped"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const told = world.allocate(task);
    const port = world.allocate(task);
    world.right({ task, name: port }, other);
    world.request(task, port, codes.MACH_NOTIFY_NO_SENDERS, told);
    return solo(2, [trap(task, "mach_port_destroy", port), receive(task, told)]);
  },

  /** The last send right of a port is in the message that is taken from it. */
  "receive of the last send right"(world) {
    const task = world.task(2, 4);
    const told = world.allocate(task);
    const port = world.port(task);
    world.right(port);
    world.request(task, port.name, codes.MACH_NOTIFY_NO_SENDERS, told);
    const disposition = codes.MACH_MSG_TYPE_MOVE_SEND;
    world.sendNow(task, 2, world.message(task, 2, { to: port.name, disposition }));
    return solo(2, [receive(task, port.name), receive(task, told)]);
  },

  /** The table grows, and the right is refused after that. */
  "refusal after growth"(world) {
    const task = world.task(2, 4);
    const names = Array.from({ length: 7 }, () => world.allocate(task));
    for (const name of names.slice(0, 5)) world.right({ task, name }); // and the task's own
    const free = 0x00003003;
    return solo(2, [
      trap(task, "mach_port_insert_right", free, names[6], MACH_MSG_TYPE_MAKE_SEND),
      trap(task, "mach_port_insert_right", names[6], names[6], MACH_MSG_TYPE_MAKE_SEND),
    ]);
  },

  "release of a send-once right+destroy of its port"(world) {
    const server = world.task(3);
    const client = world.task(2, 4);
    const port = world.port(server);
    const once = world.right(port, client, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    return {
      actors: [
        { pid: 2, program: [trap(client, "mach_port_deallocate", once)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      destroys: true,
    };
  },

  /** Freed slots are used again, those with a successor on the free list too. */
  "names of freed slots"(world) {
    const task = world.task(2, 4);
    const names = [];
    while (names.length === 0 || names.at(-1) >>> 8 < 255) names.push(world.allocate(task, MACH_PORT_RIGHT_DEAD_NAME));
    for (const name of names.slice(3, 6)) world.expect(2, "mach_port_deallocate", task.handle, task.self, name);
    const allocate = trap(task, "mach_port_allocate", MACH_PORT_RIGHT_DEAD_NAME);
    return solo(2, [allocate, allocate, trap(task, "mach_port_deallocate", names[8]), allocate, allocate]);
  },
};
