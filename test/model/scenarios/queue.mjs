// One port's queue: senders, receivers, a full queue, and the end of the port.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, inOrder } from "../checks.mjs";
import { receive, rpc, send, trap } from "../world.mjs";

/** A server on 3 and 4 with a port, a client on 2 with a send right for it. */
export function pair(world, qlimit = 0) {
  const server = world.task(3, 4);
  const client = world.task(2);
  world.warm(server, 3);
  world.warm(client, 2);
  const port = world.port(server, qlimit);
  return { server, client, port, to: world.right(port, client) };
}

/** As pair, with a queue of one that is full. */
function full(world) {
  const parts = pair(world, 1);
  const { server, port } = parts;
  world.right(port);
  const first = world.message(server, 4, { to: port.name });
  world.sendNow(server, 4, first);
  return { ...parts, first };
}

export const queue = {
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

  /** Two threads of one task send, one of them twice. */
  "send+send, one task"(world) {
    const server = world.task(4);
    const client = world.task(2, 3, 4);
    const port = world.port(server);
    const to = world.right(port, client);
    const [a, b, c] = [2, 2, 3].map((pid) => world.message(client, pid, { to }));
    return {
      actors: [
        { pid: 2, program: [send(client, a), send(client, b)] },
        { pid: 3, program: [send(client, c)] },
      ],
      check: (end) => inOrder(end, a, b),
    };
  },

  /** One sends, the other receives and may have to sleep. */
  "send+receive"(world) {
    const { server, client, port, to } = pair(world);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      sleeps: 0,
    };
  },

  /** Two threads receive, one message is there and one is not. */
  "receive+receive"(world) {
    const server = world.task(2, 3, 4);
    world.warm(server, 2);
    world.warm(server, 3);
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

  /** Two threads receive, two messages are there. */
  "receive+receive of 2"(world) {
    const server = world.task(2, 3, 4);
    const port = world.port(server);
    world.right(port);
    const messages = [4, 4].map((pid) => world.message(server, pid, { to: port.name }));
    for (const message of messages) world.sendNow(server, 4, message);
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      sleeps: 0,
      check: (end) => inOrder(end, ...messages),
    };
  },

  /** Two messages through a queue of one: each side may have to wait for the other. */
  "2 sends+2 receives"(world) {
    const { server, client, port, to } = pair(world, 1);
    const messages = [2, 2].map((pid) => world.message(client, pid, { to }));
    return {
      actors: [
        { pid: 2, program: messages.map((message) => send(client, message)) },
        { pid: 3, program: messages.map(() => receive(server, port.name)) },
      ],
      sleeps: 0,
      check: (end) => inOrder(end, ...messages),
    };
  },

  /** A higher limit lets the blocked sender in. */
  "send to a full queue+higher limit"(world) {
    const { server, client, port, to, first } = full(world);
    const message = world.message(client, 2, { to });
    const limits = [port.name, codes.MACH_PORT_LIMITS_INFO, 2, 1];
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_set_attributes", ...limits)] },
      ],
      sleeps: 0,
      check: (end) => inOrder(end, first, message),
    };
  },

  "send+destroy"(world) {
    const { server, client, port, to } = pair(world);
    const message = world.message(client, 2, { to });
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      check: (end) => answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST),
    };
  },

  "receive+destroy"(world) {
    const server = world.task(2, 3, 4);
    world.warm(server, 2);
    world.warm(server, 3);
    const port = world.port(server);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      sleeps: 0,
      check: (end) => answer(end, 2, 0, codes.MACH_RCV_PORT_DIED, codes.MACH_RCV_INVALID_NAME),
    };
  },

  /** A receiver whose time may run out at any moment of the hand-over. */
  "hand-over+timeout"(world) {
    const { server, client, port, to } = pair(world);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, port.name, 1)] },
      ],
      sleeps: 0,
    };
  },

  "send to a full queue+receive"(world) {
    const { server, client, port, to, first } = full(world);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      sleeps: 0,
      check: (end) => inOrder(end, first, message),
    };
  },

  "send to a full queue+destroy"(world) {
    const { server, client, port, to } = full(world);
    const message = world.message(client, 2, { to });
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      sleeps: 0,
      check: (end) => answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST),
    };
  },

  "send to a full queue, timeout+receive"(world) {
    const { server, client, port, to, first } = full(world);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message, 1)] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      sleeps: 0,
      check: (end) => inOrder(end, first, message),
    };
  },

  /** A call and its answer: the reply port is made a send-once right of. */
  "call+answer"(world) {
    const { server, client, port, to } = pair(world);
    const reply = world.port(client);
    const message = world.message(client, 2, {
      to,
      reply: reply.name,
      replyDisposition: codes.MACH_MSG_TYPE_MAKE_SEND_ONCE,
    });
    return {
      actors: [
        { pid: 2, program: [rpc(client, message, reply.name)] },
        { pid: 3, program: [receive(server, port.name), world.reply(server, 3)] },
      ],
      sleeps: 0,
    };
  },

  "2 senders+receiver"(world) {
    const server = world.task(4);
    const [a, b] = [world.task(2), world.task(3)];
    for (const task of [server, a, b]) world.warm(task, task.pid);
    const port = world.port(server, 1);
    const senders = [a, b].map((task) => {
      const message = world.message(task, task.pid, { to: world.right(port, task) });
      return { pid: task.pid, program: [send(task, message)] };
    });
    return { actors: [...senders, { pid: 4, program: [receive(server, port.name)] }], sleeps: 0 };
  },

  "send+receive+destroy"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    world.warm(server, 3);
    world.warm(server, 4);
    world.warm(client, 2);
    const port = world.port(server);
    const message = world.message(client, 2, { to: world.right(port, client) });
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receive(server, port.name)] },
        { pid: 4, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      sleeps: 0,
    };
  },

  /** The caller must be told even if the server is killed by somebody else before it answers. */
  "call+answer+destroy"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    world.warm(server, 3);
    world.warm(server, 4);
    world.warm(client, 2);
    const port = world.port(server);
    const reply = world.port(client);
    const message = world.message(client, 2, {
      to: world.right(port, client),
      reply: reply.name,
      replyDisposition: codes.MACH_MSG_TYPE_MAKE_SEND_ONCE,
    });
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [rpc(client, message, reply.name)] },
        { pid: 3, program: [receive(server, port.name), world.reply(server, 3)] },
        { pid: 4, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      sleeps: 0,
    };
  },
};
