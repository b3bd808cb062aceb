// Notifications: what is asked for at the same time as it happens is told exactly once, or refused.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, certain, exactly } from "../checks.mjs";
import { receive, send, trap } from "../world.mjs";

const { MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_NO_SENDERS, MACH_NOTIFY_PORT_DELETED, MACH_NOTIFY_PORT_DESTROYED } = codes;
const { MACH_NOTIFY_SEND_POSSIBLE } = codes;

/** A trap that asks for a notification, to a port of the task's. */
function request(task, name, id, to) {
  const once = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
  return trap(task, "mach_port_request_notification", name, id, 0, to.name, once);
}

/** A server on 3 and 4 with a port, a client on 2 and 4 with a send right and a port to be told at. */
function asking(world, qlimit = 0) {
  const server = world.task(3, 4);
  const client = world.task(2, 4);
  world.warm(server, 3);
  world.warm(client, 2);
  const port = world.port(server, qlimit);
  const told = world.port(client);
  return { server, client, port, told, name: world.right(port, client) };
}

/** As asking, with a queue of one that is full, and a request to be told of room: once a send was refused, or (sync) already. */
function waiting(world, sync) {
  const parts = asking(world, 1);
  const { server, client, port, told, name } = parts;
  world.right(port);
  world.sendNow(server, 4, world.message(server, 4, { to: port.name }));
  world.request(client, name, MACH_NOTIFY_SEND_POSSIBLE, told.name, sync);
  return parts;
}

/** A send that does not wait: it is told of room. */
function offer(world, client, to) {
  return send(client, world.message(client, 2, { to }), 0, codes.MACH_SEND_NOTIFY);
}

export const notifications = {
  "dead-name request+destroy"(world) {
    const { server, client, port, told, name } = asking(world);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [request(client, name, MACH_NOTIFY_DEAD_NAME, told)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.KERN_SUCCESS, codes.KERN_INVALID_ARGUMENT);
        if (certain(end)) exactly(end, MACH_NOTIFY_DEAD_NAME, end.result(2) === 0 ? 1 : 0, told);
      },
    };
  },

  /** The name goes while its port dies: one of the two is told, not both. */
  "release of a name+destroy"(world) {
    const { server, client, port, told, name } = asking(world);
    world.request(client, name, MACH_NOTIFY_DEAD_NAME, told.name);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [trap(client, "mach_port_deallocate", name)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      check(end) {
        const most = exactly(end, MACH_NOTIFY_PORT_DELETED, [0, 1], told);
        exactly(end, MACH_NOTIFY_DEAD_NAME, certain(end) ? 1 - most : [0, 1 - most], told);
      },
    };
  },

  "no-senders request+last release"(world) {
    const { server, client, port, name } = asking(world);
    const told = world.port(server);
    return {
      actors: [
        { pid: 2, program: [trap(client, "mach_port_deallocate", name)] },
        { pid: 3, program: [request(server, port.name, MACH_NOTIFY_NO_SENDERS, told)] },
      ],
      check: (end) => exactly(end, MACH_NOTIFY_NO_SENDERS, certain(end) ? 1 : [0, 1], told),
    };
  },

  "last release+last release"(world) {
    const server = world.task(4);
    const [a, b] = [world.task(2, 4), world.task(3, 4)];
    world.warm(a, 2);
    world.warm(b, 3);
    const port = world.port(server);
    const told = world.port(server);
    const actors = [a, b].map((task) => {
      const name = world.right(port, task);
      return { pid: task.pid, program: [trap(task, "mach_port_deallocate", name)] };
    });
    world.request(server, port.name, MACH_NOTIFY_NO_SENDERS, told.name);
    return { actors, check: (end) => exactly(end, MACH_NOTIFY_NO_SENDERS, certain(end) ? 1 : [0, 1], told) };
  },

  "port-destroyed request+destroy"(world) {
    const task = world.task(2, 3, 4);
    world.warm(task, 2);
    world.warm(task, 3);
    const port = world.port(task);
    const told = world.port(task);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [request(task, port.name, MACH_NOTIFY_PORT_DESTROYED, told)] },
        { pid: 3, program: [trap(task, "mach_port_destroy", port.name)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.KERN_SUCCESS, codes.KERN_INVALID_NAME);
        if (certain(end)) exactly(end, MACH_NOTIFY_PORT_DESTROYED, end.result(2) === 0 ? 1 : 0, told);
      },
    };
  },

  /** The race of the refused: whoever is refused is told of the room that is made meanwhile. */
  "refused send+receive"(world) {
    const { server, client, port, told, name } = waiting(world, 0);
    return {
      actors: [
        { pid: 2, program: [offer(world, client, name)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_TIMED_OUT);
        const refused = end.result(2) === codes.MACH_SEND_TIMED_OUT ? 1 : 0;
        exactly(end, MACH_NOTIFY_SEND_POSSIBLE, certain(end) ? refused : [0, 1], told);
      },
    };
  },

  /** The port dies: that is told, and nothing of room. */
  "refused send+destroy"(world) {
    const { server, client, port, told, name } = waiting(world, 0);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [offer(world, client, name)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      check(end) {
        const { MACH_MSG_SUCCESS, MACH_SEND_TIMED_OUT, MACH_SEND_INVALID_DEST } = codes;
        answer(end, 2, 0, MACH_MSG_SUCCESS, MACH_SEND_TIMED_OUT, MACH_SEND_INVALID_DEST);
        exactly(end, MACH_NOTIFY_SEND_POSSIBLE, certain(end) ? 0 : [0, 1], told); // the audit may have made room
        exactly(end, MACH_NOTIFY_DEAD_NAME, certain(end) ? 1 : [0, 1], told);
      },
    };
  },

  /** The name goes while room is told: one of the two is told, not both. */
  "release of a name+receive"(world) {
    const { server, client, port, told, name } = waiting(world, 1);
    return {
      actors: [
        { pid: 2, program: [trap(client, "mach_port_deallocate", name)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      check(end) {
        const room = exactly(end, MACH_NOTIFY_SEND_POSSIBLE, [0, 1], told);
        exactly(end, MACH_NOTIFY_PORT_DELETED, certain(end) ? 1 - room : [0, 1 - room], told);
      },
    };
  },
};
