// Port sets: members come and go, sets end, while messages come and receivers wait. An event loop on 4 stands for a receiver that
// waits already.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer } from "../checks.mjs";
import { receive, send, trap } from "../world.mjs";
import { pair } from "./queue.mjs";

/** A server on 2, 3 and 4 with a set, one member, and a message in it. */
function filled(world) {
  const server = world.task(2, 3, 4);
  world.warm(server, 2);
  world.warm(server, 3);
  const port = world.port(server);
  world.right(port);
  const set = world.set(server, port);
  const message = world.message(server, 4, { to: port.name });
  world.sendNow(server, 4, message);
  return { server, port, set };
}

export const sets = {
  "receive on a set+send"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, set)] },
      ],
      sleeps: 0,
    };
  },

  /** A member is added to a set on which somebody waits, while a message comes. */
  "set insert+send"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server);
    const loop = world.pending(server, 4, set);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_insert_member", port.name, set)] },
      ],
      loops: [loop],
    };
  },

  /** A member changes sets; the receiver of the set that it joins must hear of the message. */
  "set move+send"(world) {
    const { server, client, port, to } = pair(world);
    world.set(server, port);
    const set = world.set(server);
    const loop = world.pending(server, 4, set);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_move_member", port.name, set)] },
      ],
      loops: [loop],
    };
  },

  "set extract+receive"(world) {
    const { server, port, set } = filled(world);
    return {
      actors: [
        { pid: 2, program: [receive(server, set)] },
        { pid: 3, program: [trap(server, "mach_port_extract_member", port.name, set)] },
      ],
      sleeps: 1,
    };
  },

  /** The port is received from by its own name and by its set's. */
  "receive on a set+receive on its member"(world) {
    const { server, port, set } = filled(world);
    return {
      actors: [
        { pid: 2, program: [receive(server, set)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      sleeps: 1,
    };
  },

  "2 receivers on a set"(world) {
    const { server, set } = filled(world);
    return {
      actors: [
        { pid: 2, program: [receive(server, set)] },
        { pid: 3, program: [receive(server, set)] },
      ],
      sleeps: 1,
    };
  },

  "set destroy+send"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    const loop = world.pending(server, 4, set);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", set)] },
      ],
      loops: [loop],
      check: (end) => answer(end, 2, 0, codes.MACH_MSG_SUCCESS),
    };
  },

  "set destroy+receive"(world) {
    const server = world.task(2, 3, 4);
    world.warm(server, 2);
    world.warm(server, 3);
    const set = world.set(server, world.port(server));
    return {
      actors: [
        { pid: 2, program: [receive(server, set)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", set)] },
      ],
      sleeps: 0,
      check: (end) => answer(end, 2, 0, codes.MACH_RCV_PORT_DIED, codes.MACH_RCV_INVALID_NAME),
    };
  },

  "member destroy+receive on the set"(world) {
    const { server, port, set } = filled(world);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [receive(server, set)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      sleeps: 1,
    };
  },

  "2 receivers on a set+send"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    world.warm(server, 3);
    world.warm(server, 4);
    world.warm(client, 2);
    const port = world.port(server);
    const set = world.set(server, port);
    const message = world.message(client, 2, { to: world.right(port, client) });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, set)] },
        { pid: 4, program: [receive(server, set)] },
      ],
      sleeps: 1,
    };
  },

  "set insert+send+receive"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    world.warm(server, 3);
    world.warm(server, 4);
    world.warm(client, 2);
    const port = world.port(server);
    const set = world.set(server);
    const message = world.message(client, 2, { to: world.right(port, client) });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_insert_member", port.name, set)] },
        { pid: 4, program: [receive(server, set)] },
      ],
      sleeps: 0,
    };
  },
};
