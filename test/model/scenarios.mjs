// The scenarios: what is set up, who does what at the same time, and what must be true at the end beyond the general account
// (audit.mjs). Processors 2, 3 and 4 act; a task that several of them run survives the death of one.

import { receive, send, trap } from "./world.mjs";

export const scenarios = {
  /** Two tasks send to one port. */
  "send+send"(world) {
    const server = world.task(4);
    const [a, b] = [world.task(2), world.task(3)];
    const port = world.port(server);
    const actors = [a, b].map((task) => {
      const message = world.message(task, task.pid, { to: world.right(port, task) });
      return { pid: task.pid, program: [send(task, message)] };
    });
    return { actors };
  },

  /** One sends, the other receives and may have to sleep. */
  "send+receive"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    const port = world.port(server);
    const message = world.message(client, 2, { to: world.right(port, client) });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
    };
  },

  /** Two threads receive, one message is there and one is not. */
  "receive+receive"(world) {
    const server = world.task(2, 3, 4);
    const port = world.port(server);
    world.right(port);
    const first = world.message(server, 4, { to: port.name });
    world.sendNow(server, 4, first);
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      sleeps: 1,
    };
  },

  "send+destroy"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    const port = world.port(server);
    const message = world.message(client, 2, { to: world.right(port, client) });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
    };
  },

  "receive+destroy"(world) {
    const server = world.task(2, 3, 4);
    const port = world.port(server);
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      sleeps: 0,
    };
  },
};

/** What is searched, and how far. `long`: without a limit of time. */
export function plans(long) {
  return Object.keys(scenarios).map((name) => ({ name, crashes: true, second: long ? 1 : 256 }));
}
