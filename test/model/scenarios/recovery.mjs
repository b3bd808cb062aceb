// Recovery itself as an actor: one buries, condemns, leaves or comes back after an exception, and dies at each of its writes. Who is
// buried was stopped by the set-up where it matters. Only the mutants run these (test/model/mutants).

import * as codes from "../../../dist/abi/codes.gen.js";
import * as layout from "../../../dist/abi/layout.gen.js";
import { owned } from "../hands.mjs";
import { recordOf } from "../memory.mjs";
import {
  attach,
  bury,
  condemn,
  detach,
  drain,
  kernelTrap,
  receive,
  receiveAsync,
  send,
  sendAsync,
  sleepAndDrain,
  trap,
} from "../world.mjs";
import { pair } from "./queue.mjs";

const { MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_NOTIFY_DEAD_NAME, MACH_RCV_MSG } = codes;

/** Two elements on the work list, and nothing begun. */
const owes = (word, machine) => {
  const first = word(layout.Processor_p_work);
  const idle = word(layout.Processor_p_journal_count) === 0 && word(layout.Processor_p_held + 16) === 0;
  return idle && first !== 0 && machine.u32(first + 4) !== 0;
};

/** So many words of a transaction are changed. */
const notes = (count) => (word) => word(layout.Processor_p_journal_count) >= count;

/** A port of the task's with two messages in its queue, which carry rights, and somebody to be told of its death. */
function laden(world, task) {
  const name = world.allocate(task);
  const told = world.allocate(task);
  world.right({ task, name });
  world.request(task, name, MACH_NOTIFY_DEAD_NAME, told);
  for (let each = 0; each < 2; each++) {
    const rights = [[told, MACH_MSG_TYPE_MAKE_SEND_ONCE]];
    world.sendNow(task, task.pid, world.message(task, task.pid, { to: name, rights }));
  }
  return name;
}

/** `pid` is gone, with work left, or in the midst of a transaction. Its task lives on, on 3. */
function destroying(world, pid, where) {
  const task = world.task(pid, 3);
  const name = laden(world, task);
  world.stops(pid, trap(task, "mach_port_destroy", name), where);
}

const burial = (...pids) => ({
  actors: [{ pid: 2, program: [bury(...pids)] }],
  next: pids.map((pid) => bury(pid)),
  destroys: true,
  unaccounted: true,
});

/** Whether somebody waits for what the processor has committed, and not yet told. */
const owesWake = (machine, pid) => {
  if (machine.u32(recordOf(pid) + layout.Processor_p_journal_count) !== 0) return false;
  for (const [owner, zone, at] of owned(machine)) {
    if (owner !== layout.OWNER_LIVE || zone !== layout.ZONE_WAITER) continue;
    const done = machine.u32(at + layout.Waiter_w_state) !== layout.WAITER_LINKED;
    if (done && machine.u32(at + layout.Waiter_w_hander) === pid) return true;
  }
  return false;
};

/** Two event loops wait at one set; the first, of 3, was told of a message. */
function told(world, program) {
  const server = world.task(3, 4);
  const client = world.task(2);
  const port = world.port(server);
  const set = world.set(server, port);
  const loops = [world.pending(server, 3, set), world.pending(server, 4, set)];
  const to = world.right(port, client);
  world.sendNow(client, 2, world.message(client, 2, { to }));
  return { actors: [{ pid: 3, program: program(server, set) }], loops };
}

export const recovery = {
  "burial of two with work"(world) {
    destroying(world, 1, owes);
    destroying(world, 4, owes);
    return burial(1, 4);
  },

  "burial of one in a transaction"(world) {
    destroying(world, 1, notes(3));
    return burial(1);
  },

  "burial+burial"(world) {
    world.task(1, 4);
    world.gone(1);
    return {
      actors: [
        { pid: 2, program: [bury(1)] },
        { pid: 3, program: [bury(1)] },
      ],
      next: bury(1),
    };
  },

  /** Who buries is condemned. */
  "burial+condemn"(world) {
    world.task(1, 4);
    world.gone(1);
    const task = world.task(2, 4);
    world.pending(task, 2, world.port(task).name);
    return {
      actors: [
        { pid: 2, program: [bury(1)] },
        { pid: 3, program: [condemn(2)] },
      ],
      next: bury(1),
      condemned: 2,
    };
  },

  /** The record of a condemned one is claimed anew as soon as it is free. */
  "burial+attach"(world) {
    world.task(1, 4);
    world.machine.words[(recordOf(1) + layout.Processor_p_stop) >>> 2] = 1;
    world.gone(1);
    return {
      actors: [
        { pid: 2, program: [bury(1)] },
        { pid: 1, program: [attach()] },
      ],
      next: bury(1),
      fresh: 1,
    };
  },

  /** Who was told of a message dies before it takes it. */
  "told on a set"(world) {
    return told(world, (server, set) => [drain(), receiveAsync(server, set)]);
  },

  "leave of one told on a set"(world) {
    return told(world, () => [detach()]);
  },

  /** Who takes the first of two messages wakes the next receiver of the set when nothing is locked any more. */
  "told on a set by another"(world) {
    const server = world.task(2, 3, 4);
    const client = world.task(4);
    world.warm(server, 2);
    const port = world.port(server);
    const set = world.set(server, port);
    const loops = [world.pending(server, 4, set), world.pending(server, 3, set)];
    const to = world.right(port, client);
    for (let each = 0; each < 2; each++) world.sendNow(client, 4, world.message(client, 4, { to }));
    return {
      actors: [
        { pid: 2, program: [receive(server, set)] },
        { pid: 3, program: [drain()] },
      ],
      loops,
    };
  },

  /** The same for a receiver that sleeps: who cancels passes on what it was told of. */
  "cancel on a set+receive on it"(world) {
    const server = world.task(2, 3, 4);
    const client = world.task(2);
    world.warm(server, 3);
    const port = world.port(server);
    const set = world.set(server, port);
    const message = world.message(client, 2, { to: world.right(port, client) });
    const loop = world.pending(server, 2, set);
    const waiter = world.machine.out(2, 0);
    return {
      actors: [
        { pid: 3, program: [receive(server, set)] },
        { pid: 2, program: [send(client, message), kernelTrap("mach_msg_cancel", waiter)] },
      ],
      loops: [loop],
    };
  },

  /** Two completions: one is taken, one was taken off the list, or not. */
  "leaves with completions"(world) {
    const server = world.task(3, 4);
    const client = world.task(2);
    const ports = [world.port(server), world.port(server), world.port(server)];
    for (const port of ports) {
      world.pending(server, 3, port.name);
      const to = world.right(port, client);
      if (port !== ports[2]) world.sendNow(client, 2, world.message(client, 2, { to }));
      else port.to = to;
    }
    const late = world.message(client, 2, { to: ports[2].to });
    return {
      actors: [
        { pid: 3, program: [drain(), detach(), drain()] },
        { pid: 2, program: [send(client, late)] },
      ],
      unaccounted: true, // who leaves, or gets an exception, may have taken one
    };
  },

  /** The message that it was handed cannot go back: its port is gone. */
  "burial of a receiver whose port is gone"(world) {
    const server = world.task(1, 3);
    const client = world.task(2);
    const port = { task: server, name: world.allocate(server) };
    const to = world.right(port, client);
    const own = world.allocate(client);
    world.pending(server, 1, port.name);
    world.sendNow(client, 2, world.message(client, 2, { to, reply: own, replyDisposition: MACH_MSG_TYPE_MAKE_SEND }));
    world.expect(3, "mach_port_destroy", server.handle, server.self, port.name);
    world.gone(1);
    return burial(1);
  },

  /** It was handed three messages, which go back in their order: the waiters are not found in that of the messages. */
  "burial of a receiver with three messages"(world) {
    const server = world.task(1, 3);
    const client = world.task(2);
    const port = world.port(server);
    const to = world.right(port, client);
    world.pending(server, 1, port.name);
    const first = world.machine.out(1, 0);
    for (let each = 0; each < 2; each++) world.pending(server, 1, port.name);
    world.expect(1, "mach_msg_cancel", first);
    world.pending(server, 1, port.name);
    for (let each = 0; each < 3; each++) world.sendNow(client, 2, world.message(client, 2, { to }));
    world.gone(1);
    return { ...burial(1), unaccounted: false };
  },

  /** The rights of a message that is too large are destroyed, one after the other, and the message itself stays: an exception comes. */
  "comes back from a message that is too large"(world) {
    const server = world.task(2, 4);
    const client = world.task(3);
    const port = { task: server, name: world.allocate(server) };
    const told = world.allocate(client);
    const rights = [[told, MACH_MSG_TYPE_MAKE_SEND_ONCE]];
    world.sendNow(client, 3, world.message(client, 3, { to: world.right(port, client), rights }));
    return {
      actors: [
        { pid: 2, program: [kernelTrap("mach_msg_trap", server.handle, 0, MACH_RCV_MSG, 0, 24, port.name, 0, 0)] },
      ],
      next: trap(server, "mach_port_type", port.name),
      unnoticed: true,
      destroys: true,
      unaccounted: true,
    };
  },

  /** Its message is in the queue, and its completion was not taken. */
  "burial of a sender that is let in"(world) {
    const server = world.task(3, 4);
    const client = world.task(1, 3);
    const port = world.port(server, 1);
    const to = world.right(port, client);
    const [first, second] = [world.message(client, 1, { to }), world.message(client, 1, { to })];
    world.sendNow(client, 1, first);
    world.machine.trap(1, ...sendAsync(client, second).call());
    second.sent = true;
    world.machine.trap(3, ...receive(server, port.name).call());
    first.sent = false;
    world.machine.trap(3, "mach_msg_release", world.machine.out(3, 0));
    world.gone(1);
    return { ...burial(1), unaccounted: false };
  },

  /** An event loop sleeps until it is told. */
  "event loop asleep+send"(world) {
    const { server, client, port, to } = pair(world);
    const loop = world.loop(server, 3, port.name);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [receiveAsync(server, port.name), sleepAndDrain()] },
      ],
      loops: [loop],
    };
  },

  /** An event loop looks while the burial of who completed its wait goes on. */
  "event loop looks during a burial"(world) {
    const { server, client, port, to } = pair(world);
    const loop = world.pending(server, 3, port.name);
    const message = world.message(client, 2, { to });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [drain()] },
      ],
      loops: [loop],
      mixed: owesWake,
    };
  },

  /** Two that completed its waits, each its own, are gone before they said so. */
  "event loop with two completions of the dead"(world) {
    const server = world.task(3, 2);
    const loops = [];
    for (const pid of [1, 4]) {
      const port = world.port(server);
      loops.push(world.pending(server, 3, port.name));
      const client = world.task(pid, 2);
      const message = world.message(client, pid, { to: world.right(port, client) });
      world.stops(pid, send(client, message), (_, machine) => owesWake(machine, pid));
    }
    world.expect(2, "processor_gone", 1, 1); // and 4 with it
    return { actors: [{ pid: 3, program: [drain(), drain()] }], loops };
  },

  /** Others meet the recovery of one that has a port locked. */
  "receive+receive during a burial"(world) {
    const server = world.task(2, 3, 4);
    for (const pid of [2, 3]) world.warm(server, pid);
    const port = world.port(server);
    world.right(port);
    for (let each = 0; each < 2; each++) world.sendNow(server, 4, world.message(server, 4, { to: port.name }));
    return {
      actors: [2, 3].map((pid) => ({ pid, program: [receive(server, port.name)] })),
      next: trap(server, "mach_port_type", port.name),
      mixed: (machine, pid) => machine.u32(recordOf(pid) + layout.Processor_p_journal_count) === 2,
    };
  },

  /** An exception that nobody caught leaves work behind; then it sleeps. */
  "comes back and sleeps"(world) {
    const task = world.task(2, 4);
    const name = laden(world, task);
    const port = world.port(task);
    return {
      actors: [{ pid: 2, program: [trap(task, "mach_port_destroy", name)] }],
      next: receive(task, port.name),
      unnoticed: true,
      destroys: true,
      unaccounted: true,
    };
  },
};
