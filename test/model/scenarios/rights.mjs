// Rights that move: copied while they are released, receive rights in messages, names taken and freed by two threads.

import * as codes from "../../../dist/abi/codes.gen.js";
import { refuse } from "../violation.mjs";
import { answer, certain, exactly } from "../checks.mjs";
import { receive, send, trap } from "../world.mjs";

const { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MOVE_RECEIVE } = codes;

/** A server on 4 with a port that asked for no-senders, a client on 2, 3 and 4 with the only send right. */
function watched(world) {
  const server = world.task(4);
  const client = world.task(2, 3, 4);
  world.warm(client, 2);
  world.warm(client, 3);
  const into = world.port(server);
  const port = world.port(server);
  const told = world.port(server);
  const right = world.right(port, client);
  world.request(server, port.name, codes.MACH_NOTIFY_NO_SENDERS, told.name);
  return { server, client, port, into, told, right };
}

/** A port on 2 and 4 whose receive right a message carries to a task on 3 and 4. */
function moving(world) {
  const server = world.task(3, 4);
  const owner = world.task(2, 4);
  world.warm(server, 3);
  world.warm(owner, 2);
  const into = world.port(server);
  const port = world.port(owner);
  const message = world.message(owner, 2, {
    to: world.right(into, owner),
    rights: [[port.name, MACH_MSG_TYPE_MOVE_RECEIVE]],
  });
  return { server, owner, into, port, message };
}

export const rights = {
  /** The right goes into a message's body while its name loses the last reference. */
  "copy of a right+last release"(world) {
    const { client, into, told, right } = watched(world);
    const message = world.message(client, 2, {
      to: world.right(into, client),
      rights: [[right, MACH_MSG_TYPE_COPY_SEND]],
    });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(client, "mach_port_deallocate", right)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_RIGHT);
        answer(end, 3, 0, codes.KERN_SUCCESS);
        // a right that arrived is the server's own now
        if (certain(end)) exactly(end, codes.MACH_NOTIFY_NO_SENDERS, end.result(2) === 0 ? 0 : 1, told);
        else exactly(end, codes.MACH_NOTIFY_NO_SENDERS, [0, 1], told);
      },
    };
  },

  /** The right is the destination's, which a queued message holds without having counted it. */
  "copy of a destination+last release"(world) {
    const { client, told, right } = watched(world);
    const message = world.message(client, 2, { to: right });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(client, "mach_port_deallocate", right)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST);
        exactly(end, codes.MACH_NOTIFY_NO_SENDERS, certain(end) ? 1 : [0, 1], told);
      },
    };
  },

  "move of a receive right+send"(world) {
    const { owner, port, message } = moving(world);
    const client = world.task(3);
    const other = world.message(client, 3, { to: world.right(port, client) });
    return {
      moves: true,
      actors: [
        { pid: 2, program: [send(owner, message)] },
        { pid: 3, program: [send(client, other)] },
      ],
      check(end) {
        if (!certain(end)) return; // with its carrier the right dies
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS);
        answer(end, 3, 0, codes.MACH_MSG_SUCCESS);
      },
    };
  },

  "move of a receive right+receive"(world) {
    const { message, owner, port } = moving(world);
    world.attach(owner, 3);
    return {
      moves: true,
      actors: [
        { pid: 2, program: [send(owner, message)] },
        { pid: 3, program: [receive(owner, port.name)] },
      ],
      sleeps: 0,
      check(end) {
        answer(end, 3, 0, codes.MACH_RCV_PORT_CHANGED, codes.MACH_RCV_INVALID_NAME);
      },
    };
  },

  "move of a receive right+destroy of the destination"(world) {
    const { server, owner, into, message } = moving(world);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(owner, message)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", into.name)] },
      ],
      check: (end) => answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST),
    };
  },

  /** Each of two ports is sent to the other: one of the messages would close the circle. */
  "rights that cross"(world) {
    const [a, b] = [world.task(2, 4), world.task(3, 4)];
    world.warm(a, 2);
    world.warm(b, 3);
    const [p, q] = [world.port(a), world.port(b)];
    const carry = (task, port, to) =>
      world.message(task, task.pid, { to: world.right(to, task), rights: [[port.name, MACH_MSG_TYPE_MOVE_RECEIVE]] });
    const [one, two] = [carry(a, p, q), carry(b, q, p)];
    return {
      actors: [
        { pid: 2, program: [send(a, one)] },
        { pid: 3, program: [send(b, two)] },
      ],
      destroys: true,
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST);
        answer(end, 3, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST);
      },
    };
  },

  "allocate+allocate"(world) {
    const task = world.task(2, 3, 4);
    world.warm(task, 2);
    world.warm(task, 3);
    const name = (_code, { pid }, machine) => machine.out(pid, 0);
    const allocate = { ...trap(task, "mach_port_allocate", codes.MACH_PORT_RIGHT_RECEIVE), keep: name };
    return {
      actors: [2, 3].map((pid) => ({ pid, program: [allocate] })),
      check: (end) => refuse(certain(end) && end.result(2) === end.result(3), "one name for two ports"),
    };
  },

  /** The name that one thread frees may be the one that the other gets, under another generation. */
  "allocate+release"(world) {
    const task = world.task(2, 3, 4);
    world.warm(task, 2);
    world.warm(task, 3);
    const old = world.allocate(task, codes.MACH_PORT_RIGHT_DEAD_NAME);
    const name = (_code, { pid }, machine) => machine.out(pid, 0);
    return {
      actors: [
        {
          pid: 2,
          program: [{ ...trap(task, "mach_port_allocate", codes.MACH_PORT_RIGHT_DEAD_NAME), keep: name }],
        },
        { pid: 3, program: [trap(task, "mach_port_deallocate", old)] },
      ],
      check(end) {
        if (certain(end)) refuse(end.result(2) === old, "a name is used again at once");
        answer(end, 3, 0, codes.KERN_SUCCESS);
      },
    };
  },

  /** A send-once right is used by one thread and released by the other. */
  "use of a send-once right+release"(world) {
    const server = world.task(4);
    const client = world.task(2, 3, 4);
    world.warm(client, 2);
    world.warm(client, 3);
    const port = world.port(server);
    const once = world.right(port, client, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    const message = world.message(client, 2, { to: once, disposition: codes.MACH_MSG_TYPE_MOVE_SEND_ONCE });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(client, "mach_port_deallocate", once)] },
      ],
      check(end) {
        // who holds a send-once right uses it: by his message, or by the kernel's that says it was dropped
        if (certain(end)) exactly(end, codes.MACH_NOTIFY_SEND_ONCE, end.result(2) === 0 ? 0 : 1, port);
      },
    };
  },
};
