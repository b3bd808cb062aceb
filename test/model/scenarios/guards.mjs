// Guards, against those who would move or end the port; and ports that are made and ended in one step.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, certain } from "../checks.mjs";
import { refuse } from "../violation.mjs";
import { received, receive, send, trap } from "../world.mjs";

const { KERN_INVALID_ARGUMENT, KERN_INVALID_NAME, KERN_INVALID_RIGHT, KERN_SUCCESS } = codes;
const { MACH_MSG_TYPE_MOVE_RECEIVE, MPG_IMMOVABLE_RECEIVE, MPG_STRICT } = codes;
const { MPO_CONTEXT_AS_GUARD, MPO_INSERT_SEND_RIGHT, MPO_QLIMIT, MPO_STRICT } = codes;

const GUARD = 5;
const OTHER = 6;

/** A task on 2, 3 and 4 with a port. */
function owned(world) {
  const task = world.task(2, 3, 4);
  world.warm(task, 2);
  world.warm(task, 3);
  return { task, port: world.port(task) };
}

const guard = (task, { name }, flags = 0) => trap(task, "mach_port_guard_with_flags", name, GUARD, flags);

/** Of the two calls one succeeds, and the other is told so. */
function eitherOr(end, second, third) {
  answer(end, 2, 0, KERN_SUCCESS, second);
  answer(end, 3, 0, KERN_SUCCESS, third);
  if (certain(end)) refuse((end.result(2) === 0) === (end.result(3) === 0), "both succeed, or none");
}

export const guards = {
  /** The receive right is made immovable while a message takes it away. */
  "guard+move of a receive right"(world) {
    const { task, port } = owned(world);
    const into = world.port(world.task(4));
    const rights = [[port.name, MACH_MSG_TYPE_MOVE_RECEIVE]];
    const message = world.message(task, 2, { to: world.right(into, task), rights });
    return {
      moves: true,
      actors: [
        { pid: 2, program: [send(task, message)] },
        { pid: 3, program: [guard(task, port, MPG_IMMOVABLE_RECEIVE)] },
      ],
      check: (end) => eitherOr(end, codes.MACH_SEND_INVALID_RIGHT, KERN_INVALID_NAME),
    };
  },

  "guard+destroy"(world) {
    const { task, port } = owned(world);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [guard(task, port)] },
        { pid: 3, program: [trap(task, "mach_port_destroy", port.name)] },
      ],
      check: (end) => eitherOr(end, KERN_INVALID_NAME, KERN_INVALID_RIGHT),
    };
  },

  "swap_guard+destruct"(world) {
    const { task, port } = owned(world);
    world.expect(2, "mach_port_guard_with_flags", task.handle, task.self, port.name, GUARD, 0);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [trap(task, "mach_port_swap_guard", port.name, GUARD, OTHER)] },
        { pid: 3, program: [trap(task, "mach_port_destruct", port.name, 0, GUARD)] },
      ],
      check: (end) => eitherOr(end, KERN_INVALID_NAME, KERN_INVALID_ARGUMENT),
    };
  },

  "destruct+send"(world) {
    const server = world.task(3, 4);
    const client = world.task(2, 4);
    world.warm(server, 3);
    world.warm(client, 2);
    const port = world.port(server);
    const to = world.right(port, client);
    world.right(port);
    world.expect(3, "mach_port_guard_with_flags", server.handle, server.self, port.name, GUARD, MPG_STRICT);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, world.message(client, 2, { to }))] },
        { pid: 3, program: [trap(server, "mach_port_destruct", port.name, -1, GUARD)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST);
        answer(end, 3, 0, KERN_SUCCESS);
      },
    };
  },
};

/** A guarded port of `owner`, a server on 3 and 4, and a message to that with the port. */
function carried(world, owner) {
  const server = world.task(3, 4);
  world.warm(server, 3);
  world.warm(owner, 2);
  const into = world.port(server);
  const port = world.port(owner);
  world.expect(2, "mach_port_guard_with_flags", owner.handle, owner.self, port.name, GUARD, MPG_STRICT);
  const rights = [[port.name, MACH_MSG_TYPE_MOVE_RECEIVE, GUARD]];
  return { server, into, port, message: world.message(owner, 2, { to: world.right(into, owner), rights }) };
}

export const guardedPorts = {
  "send of a guarded port+unguard"(world) {
    const owner = world.task(2, 3, 4);
    const { port, message } = carried(world, owner);
    return {
      moves: true,
      actors: [
        { pid: 2, program: [send(owner, message)] },
        { pid: 3, program: [trap(owner, "mach_port_unguard", port.name, GUARD)] },
      ],
      check: (end) => eitherOr(end, codes.MACH_SEND_INVALID_RIGHT, KERN_INVALID_NAME),
    };
  },

  /** The receiver does not know of guarded ports: the right is destroyed while somebody sends to the port. */
  "receive of a guarded port+send to it"(world) {
    const owner = world.task(2, 4);
    const { server, into, port, message } = carried(world, owner);
    const to = world.right(port);
    world.sendNow(owner, 2, message);
    return {
      moves: true,
      destroys: true,
      actors: [
        { pid: 2, program: [send(owner, world.message(owner, 2, { to }))] },
        { pid: 3, program: [receive(server, into.name, 0)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST);
        if (certain(end)) refuse(!received(end.result(3)), "the message did not come");
      },
    };
  },
};

/** Calls of one task, one after the other; each step gets what out 0 was after the earlier ones. */
function program(task, steps) {
  return steps.map((call) => ({
    call(coroutine) {
      const [name, ...args] = call(coroutine.results);
      return [name, task.handle, task.self, ...args];
    },
    keep: (code, { pid }, machine) => (code === 0 ? machine.out(pid, 0) : code),
  }));
}

/** Calls made alone: places to die. */
export const guardsAlone = {
  "a guard's life"(world) {
    const task = world.task(2, 4);
    const flags = MPO_CONTEXT_AS_GUARD | MPO_INSERT_SEND_RIGHT | MPO_QLIMIT;
    const operations = program(task, [
      () => ["mach_port_construct", flags, 3, GUARD],
      () => ["mach_port_construct", flags | MPO_STRICT, 3, GUARD],
      ([port]) => ["mach_port_swap_guard", port, GUARD, OTHER],
      ([port]) => ["mach_port_unguard", port, OTHER],
      ([port]) => ["mach_port_guard_with_flags", port, OTHER, MPG_STRICT | MPG_IMMOVABLE_RECEIVE],
      ([port]) => ["mach_port_destroy", port],
      ([port]) => ["mach_port_set_context", port, GUARD],
      ([port]) => ["mach_port_destruct", port, -1, OTHER],
      ([, strict]) => ["mach_port_swap_guard", strict, GUARD, OTHER],
      ([, strict]) => ["mach_port_assert_attributes", strict, GUARD, 0],
      ([, strict]) => ["mach_port_destruct", strict, 0, GUARD],
    ]);
    return { actors: [{ pid: 2, program: operations }], destroys: true };
  },

  /** Guarded ports in messages: known to the receiver, not known, and given back to the sender. */
  "guarded ports in messages"(world) {
    const task = world.task(2, 4);
    const into = world.port(task, 2);
    const told = world.allocate(task);
    world.right(into);
    const messages = [0, 1, 2].map((index) => {
      const port = world.allocate(task);
      world.expect(2, "mach_port_guard_with_flags", task.handle, task.self, port, GUARD, MPG_STRICT);
      if (index === 1) world.request(task, port, codes.MACH_NOTIFY_PORT_DESTROYED, told);
      return world.message(task, 2, { to: into.name, rights: [[port, MACH_MSG_TYPE_MOVE_RECEIVE, GUARD]] });
    });
    return {
      actors: [
        {
          pid: 2,
          program: [
            ...messages.map((message) => send(task, message, 0)),
            receive(task, into.name, -1, codes.MACH_RCV_GUARDED_DESC),
            receive(task, into.name),
            receive(task, told),
          ],
        },
      ],
      destroys: true,
      moves: true,
    };
  },

  /** Guarded ports leave their holder: one moves, one goes where port-destroyed was armed. */
  "guards end"(world) {
    const task = world.task(2, 4);
    const told = world.allocate(task);
    const ports = [world.allocate(task), world.allocate(task)];
    const into = world.port(task);
    world.right(into);
    world.request(task, ports[1], codes.MACH_NOTIFY_PORT_DESTROYED, told);
    for (const port of ports) {
      world.expect(2, "mach_port_guard_with_flags", task.handle, task.self, port, GUARD, MPG_STRICT);
    }
    const rights = [[ports[0], MACH_MSG_TYPE_MOVE_RECEIVE]];
    return {
      actors: [
        {
          pid: 2,
          program: [
            send(task, world.message(task, 2, { to: into.name, rights })),
            receive(task, into.name),
            trap(task, "mach_port_destruct", ports[1], 0, GUARD),
            receive(task, told),
          ],
        },
      ],
      destroys: true,
      moves: true,
    };
  },
};
