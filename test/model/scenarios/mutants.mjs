// Pairs that mutants asked for: a piece of the protocol matters in them that matters in no other scenario. Only the mutants run them
// (test/model/mutants).

import * as codes from "../../../dist/abi/codes.gen.js";
import { cancel, detach, drain, receive, receiveAsync, send, sendAsync, trap } from "../world.mjs";
import { alone } from "./alone.mjs";
import { calls } from "./calls.mjs";
import { guardsAlone } from "./guards.mjs";
import { kicks } from "./kicks.mjs";
import { pair } from "./queue.mjs";
import { recovery } from "./recovery.mjs";
import { words } from "./words.mjs";

export const scenarios = {
  ...alone,
  ...calls,
  ...guardsAlone,
  ...kicks,
  ...recovery,
  ...words,

  "full queue, other limit"(world) {
    const { server, client, port, to } = pair(world, 1);
    world.sendNow(client, 2, world.message(client, 2, { to }));
    const { MACH_PORT_LIMITS_INFO } = codes;
    return {
      actors: [
        { pid: 2, program: [send(client, world.message(client, 2, { to }))] },
        { pid: 3, program: [trap(server, "mach_port_set_attributes", port.name, MACH_PORT_LIMITS_INFO, 2, 1)] },
      ],
      sleeps: 0,
    };
  },

  /** The receiver has room for less. */
  "send+receive of less"(world) {
    const { server, client, port, to } = pair(world);
    const option = codes.MACH_RCV_MSG | codes.MACH_RCV_LARGE;
    const call = () => ["mach_msg_trap", server.handle, 0, option, 0, 8, port.name, 0, 0];
    return {
      actors: [
        { pid: 2, program: [send(client, world.message(client, 2, { to }))] },
        { pid: 3, program: [{ call }] },
      ],
      sleeps: 0,
    };
  },

  "send+timed receive on a set"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    return {
      actors: [
        { pid: 2, program: [send(client, world.message(client, 2, { to }))] },
        { pid: 3, program: [receive(server, set, 1000)] },
      ],
      sleeps: 0,
    };
  },

  "event loop cancels a send+receive"(world) {
    const { server, client, port, to } = pair(world, 1);
    world.sendNow(client, 2, world.message(client, 2, { to }));
    const loop = world.loop(client, 2, 0);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [sendAsync(client, message), cancel()] },
        { pid: 3, program: [receive(server, port.name)] },
      ],
      loops: [loop],
      destroys: true,
    };
  },

  "event loop on a set cancels+send"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    const loop = world.loop(server, 3, set);
    return {
      actors: [
        { pid: 2, program: [send(client, world.message(client, 2, { to }))] },
        { pid: 3, program: [receiveAsync(server, set), cancel()] },
      ],
      loops: [loop],
    };
  },

  /** The list of completions is taken while another is put on it. */
  "two completions+drain"(world) {
    const server = world.task(4);
    const senders = [world.task(2), world.task(3)];
    const ports = [world.port(server), world.port(server)];
    const loop = world.loop(server, 4, ports[0].name);
    for (const { name } of ports) world.machine.trap(4, "mach_msg_receive_async", server.handle, name, 1, 256, 0);
    const actors = senders.map((task, at) => {
      const to = world.right(ports[at], task);
      return { pid: task.pid, program: [send(task, world.message(task, task.pid, { to }))] };
    });
    return { actors: [...actors, { pid: 4, program: [drain()] }], loops: [loop], destroys: true };
  },

  /** A processor leaves while somebody sends to the task that it alone runs. */
  "detach+send"(world) {
    const server = world.task(3);
    const client = world.task(2);
    const port = world.port(server);
    const to = world.right(port, client);
    world.machine.trap(3, "mach_msg_receive_async", server.handle, port.name, 1, 256, 0);
    return {
      actors: [
        { pid: 2, program: [send(client, world.message(client, 2, { to }))] },
        { pid: 3, program: [detach()] },
      ],
      destroys: true,
      unaccounted: true, // a completion that nobody takes may have the message
    };
  },
};
