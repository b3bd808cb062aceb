// Tasks, processors and event loops: their ends, and what others do meanwhile.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer } from "../checks.mjs";
import { cancel, condemn, drain, kernelTrap, receive, receiveAsync, send, sendAsync, trap } from "../world.mjs";
import { pair } from "./queue.mjs";

/** A server on 4 and its client on 2; 3 runs a task that has nothing to do with them. */
function bystander(world, ...pids) {
  const server = world.task(4, ...pids);
  const client = world.task(2);
  const killer = world.task(3);
  for (const task of [client, killer]) world.warm(task, task.pid);
  const port = world.port(server);
  return { server, client, port, to: world.right(port, client) };
}

export const tasks = {
  "task end+send"(world) {
    const { server, client, to } = bystander(world);
    const message = world.message(client, 2, { to });
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [kernelTrap("task_terminate", server.handle)] },
      ],
      check: (end) => answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST),
    };
  },

  "task end+receive"(world) {
    const server = world.task(2, 4);
    const killer = world.task(3);
    world.warm(server, 2);
    world.warm(killer, 3);
    const port = world.port(server);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [kernelTrap("task_terminate", server.handle)] },
      ],
      sleeps: 0,
      check(end) {
        const { MACH_RCV_PORT_DIED, MACH_RCV_INVALID_NAME, KERN_INVALID_TASK } = codes;
        answer(end, 2, 0, MACH_RCV_PORT_DIED, MACH_RCV_INVALID_NAME, KERN_INVALID_TASK);
      },
    };
  },

  /** A processor is condemned while it sends. */
  "condemn+send"(world) {
    const { client, to } = bystander(world);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [condemn(2)] },
      ],
      condemned: 2,
    };
  },

  /** A processor is condemned while it waits, with a message on its way to it. */
  "condemn+receive"(world) {
    const server = world.task(2, 4);
    const killer = world.task(3);
    world.warm(server, 2);
    world.warm(killer, 3);
    const port = world.port(server);
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [condemn(2)] },
      ],
      condemned: 2,
      sleeps: 0,
    };
  },

  /** An event loop waits for a message, which comes while it looks. */
  "event loop+send"(world) {
    const { server, client, port, to } = pair(world);
    const loop = world.loop(server, 3, port.name);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receiveAsync(server, port.name), drain()] },
      ],
      loops: [loop],
    };
  },

  /** An event loop waits on a port that ends. */
  "event loop+destroy"(world) {
    const server = world.task(2, 3, 4);
    world.warm(server, 2);
    world.warm(server, 3);
    const port = world.port(server);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [trap(server, "mach_port_destroy", port.name)] },
        { pid: 3, program: [receiveAsync(server, port.name), drain()] },
      ],
      loops: [world.loop(server, 3, port.name)],
    };
  },

  "event loop cancels+send"(world) {
    const { server, client, port, to } = pair(world);
    const loop = world.loop(server, 3, port.name);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receiveAsync(server, port.name), cancel()] },
      ],
      loops: [loop],
    };
  },

  /** An event loop's send waits for room. */
  "event loop sends+receive"(world) {
    const { server, client, port, to } = pair(world, 1);
    world.right(port);
    const first = world.message(server, 4, { to: port.name });
    world.sendNow(server, 4, first);
    const loop = world.loop(client, 2, 0);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [sendAsync(client, message), drain()] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      loops: [loop],
      sleeps: 0,
    };
  },

  /** A message on its way to a waiting receiver that is condemned goes back to the queue. */
  "condemn+send+receive"(world) {
    const server = world.task(2, 4);
    const client = world.task(4);
    const killer = world.task(3);
    world.warm(server, 2);
    world.warm(killer, 3);
    world.warm(client, 4);
    const port = world.port(server);
    const message = world.message(client, 4, { to: world.right(port, client) });
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [condemn(2)] },
        { pid: 4, program: [send(client, message)] },
      ],
      condemned: 2,
      sleeps: 0,
    };
  },

  "task end+send+receive"(world) {
    const { server, client, port, to } = bystander(world);
    world.warm(server, 4);
    const message = world.message(client, 2, { to });
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [kernelTrap("task_terminate", server.handle)] },
        { pid: 4, program: [receive(server, port.name)] },
      ],
      sleeps: 0,
    };
  },
};
