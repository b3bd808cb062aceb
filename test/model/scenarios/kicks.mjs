// Who is told of a message, who waits for room, and what is owed when somebody stops in between. Only the mutants run them
// (test/model/mutants).

import * as codes from "../../../dist/abi/codes.gen.js";
import * as layout from "../../../dist/abi/layout.gen.js";
import { answer, exactly, inOrder } from "../checks.mjs";
import { ASLEEP } from "../coroutine.mjs";
import { owned } from "../hands.mjs";
import { PROCESSORS, recordOf } from "../memory.mjs";
import { refuse } from "../violation.mjs";
import { drain, kernelTrap, receive, receiveAsync, rpc, send, trap } from "../world.mjs";
import { pair } from "./queue.mjs";

const { MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MOVE_SEND, MACH_PORT_LIMITS_INFO } = codes;

/** Offset of a lock in its object (ipc_object.ts); behind it is the word that says that its owner died. */
const IO_LOCK = 16;

/** Sends of `pid` to the port, one for each message. */
const sends = (task, pid, messages) => ({ pid, program: messages.map((message) => send(task, message)) });

/** A receive of an event loop that has room for `size` bytes, header included, and leaves what is larger. */
function receiveLess(task, name, size) {
  const option = codes.MACH_RCV_MSG | codes.MACH_RCV_LARGE;
  return { call: () => ["mach_msg_receive_async", task.handle, name, option, size, 0] };
}

/** Several sends in one trap. */
function sendMany(task, pid, messages) {
  const call = (_, machine) => {
    messages.forEach(({ kmsg, size }, index) => {
      const at = recordOf(pid) + layout.Processor_p_batch + index * 8;
      machine.poke(at, kmsg);
      machine.poke(at + 4, size);
    });
    return ["mach_msg_send_many", task.handle, messages.length, codes.MACH_SEND_MSG, 0];
  };
  return { call };
}

/** A message to a port that carries the port's receive right: it is destroyed, with success, and the port with it. */
function toItself(world, task, pid, more = {}) {
  const to = world.allocate(task);
  world.right({ task, name: to });
  return world.message(task, pid, { to, rights: [[to, codes.MACH_MSG_TYPE_MOVE_RECEIVE]], ...more });
}

/** Address of a task's port. */
function portAt({ machine }, { task, name }) {
  for (const [, zone, address] of owned(machine)) {
    if (zone !== layout.ZONE_PORT || machine.u32(address + layout.IpcObject_io_name) !== name) continue;
    if (machine.u32(address + layout.IpcObject_io_receiver) === (task.handle & ~63) >>> 0) return address;
  }
  throw new Error("there is no such port");
}

/** Address and owner word of each frame. */
function* frames(machine) {
  const from = layout.PROCESSORS + PROCESSORS * layout.PROCESSOR_SIZE;
  const count = machine.u32(layout.HEADER + layout.Header_h_frames_max);
  for (let frame = 0; frame < count; frame++) yield [from + frame * 4, machine.u32(from + frame * 4)];
}

export const kicks = {
  /** A receiver reads a name's port while the name goes; another did before, and stopped there: nothing has a lock too. */
  "name goes+receive"(world) {
    const server = world.task(2, 3, 4);
    const port = world.port(server);
    world.machine.poke(IO_LOCK + 4, 1);
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name, 0)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      destroys: true,
    };
  },

  /** Two send to somebody who waits: one finds the other between the inbox and the list. */
  "2 sends to a waiting receiver"(world) {
    const server = world.task(4);
    const tasks = [world.task(2), world.task(3)];
    for (const task of tasks) world.warm(task, task.pid);
    const port = world.port(server);
    const loop = world.pending(server, 4, port.name);
    const actors = tasks.map((task) =>
      sends(task, task.pid, [world.message(task, task.pid, { to: world.right(port, task) })]),
    );
    return { actors, loops: [loop] };
  },

  /** A message comes while the only one is taken. */
  "send+receive of another"(world) {
    const { server, client, port, to } = pair(world);
    const first = world.message(client, 2, { to });
    world.sendNow(client, 2, first);
    const second = world.message(client, 2, { to });
    return {
      actors: [sends(client, 2, [second]), { pid: 3, program: [receive(server, port.name)] }],
      sleeps: 0,
      check: (end) => inOrder(end, first, second),
    };
  },

  /** The message of a sender that waits for room goes behind what was published before. */
  "2 sends, the second waits+receive"(world) {
    const { server, client, port, to } = pair(world, 2);
    const [first, second, third, fourth] = [2, 2, 2, 2].map((pid) => world.message(client, pid, { to }));
    for (const message of [first, second]) world.sendNow(client, 2, message);
    const args = [server.handle, 0, codes.MACH_RCV_MSG, 0, 256, port.name, 0, 0];
    world.expect(4, "mach_msg_trap", ...args); // the second is on the list now
    world.expect(4, "mach_msg_release", world.machine.out(4, 0));
    world.messages = world.messages.filter((message) => message !== first);
    return {
      actors: [sends(client, 2, [third, fourth]), { pid: 3, program: [receive(server, port.name)] }],
      sleeps: 0,
      check: (end) => inOrder(end, second, third, fourth),
    };
  },

  /** A sender waits for room, in vain. */
  "send to a full queue, timeout"(world) {
    const { client, to } = pair(world, 1);
    world.sendNow(client, 2, world.message(client, 2, { to }));
    return { actors: [{ pid: 2, program: [send(client, world.message(client, 2, { to }), 1)] }], sleeps: 0 };
  },

  /** A message of a queue without room is let in, and somebody waits for it. */
  "send to a queue of none+other limit"(world) {
    const { server, client, port, to } = pair(world);
    world.expect(4, "mach_port_set_attributes", server.handle, server.self, port.name, MACH_PORT_LIMITS_INFO, 0, 1);
    const loop = world.pending(server, 4, port.name);
    return {
      actors: [
        sends(client, 2, [world.message(client, 2, { to })]),
        { pid: 3, program: [trap(server, "mach_port_set_attributes", port.name, MACH_PORT_LIMITS_INFO, 1, 1)] },
      ],
      loops: [loop],
      sleeps: 0,
    };
  },

  /** A message that was handed to a processor that ends goes to the next who waits. */
  "send to 2 who wait+drain"(world) {
    const { server, client, port, to } = pair(world);
    const loops = [3, 4].map((pid) => world.pending(server, pid, port.name));
    return {
      actors: [sends(client, 2, [world.message(client, 2, { to })]), { pid: 3, program: [drain()] }],
      loops,
    };
  },

  /** Two are told by one who holds the lock. */
  "2 receives+destroy"(world) {
    const server = world.task(2, 3, 4);
    const port = world.port(server);
    const actors = [2, 3].map((pid) => ({ pid, program: [receive(server, port.name)] }));
    actors.push({ pid: 4, program: [trap(server, "mach_port_destroy", port.name)] });
    return { actors, destroys: true, sleeps: 0 };
  },

  /** A port of which somebody waits for a message is destroyed while one comes. */
  "send to who waits+destroy"(world) {
    const { server, client, port, to } = pair(world);
    world.set(server, port);
    return {
      actors: [
        sends(client, 2, [world.message(client, 2, { to })]),
        { pid: 3, program: [trap(server, "mach_port_destroy", port.name)] },
      ],
      destroys: true,
    };
  },

  /** Who was told of a member's message ends its wait, and another waits. */
  "cancel of who was told+receive on the set"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    world.pending(server, 3, set);
    const waiter = world.machine.out(3, 0);
    return {
      actors: [
        sends(client, 2, [world.message(client, 2, { to })]),
        { pid: 4, program: [receive(server, set)] },
        { pid: 3, program: [kernelTrap("mach_msg_cancel", waiter), kernelTrap("processor_drain", 8)] },
      ],
    };
  },

  /** A message is too large for who was told first. */
  "send to 2 who wait on a set+receive of less"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    const loops = [3, 4].map((pid) => world.pending(server, pid, set));
    return {
      actors: [
        sends(client, 2, [world.message(client, 2, { to })]),
        { pid: 3, program: [receiveLess(server, set, 8)] },
      ],
      loops,
    };
  },

  /** Two messages for two who wait on a set: who takes the first tells the other. */
  "2 sends to 2 who wait on a set+receive"(world) {
    const { server, client, port, to } = pair(world);
    const set = world.set(server, port);
    const loops = [3, 4].map((pid) => world.pending(server, pid, set));
    const messages = [2, 2].map((pid) => world.message(client, pid, { to }));
    return { actors: [sends(client, 2, messages), { pid: 3, program: [receiveAsync(server, set)] }], loops };
  },

  /** The last send right is in the message that is received. */
  "receive of the last sender"(world) {
    const { server, client, port, to } = pair(world);
    const told = world.port(server);
    world.request(server, port.name, codes.MACH_NOTIFY_NO_SENDERS, told.name);
    world.sendNow(client, 2, world.message(client, 2, { to, disposition: MACH_MSG_TYPE_MOVE_SEND }));
    return {
      actors: [{ pid: 3, program: [receive(server, port.name)] }],
      check: (end) => exactly(end, codes.MACH_NOTIFY_NO_SENDERS, 1, told),
    };
  },

  /** A call that is destroyed at once: the answer is that nobody will answer. */
  "call of nobody"(world) {
    const client = world.task(2, 4);
    const reply = world.port(client);
    const once = { reply: reply.name, replyDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE };
    const message = toItself(world, client, 2, once);
    return { actors: [{ pid: 2, program: [rpc(client, message, reply.name)] }], unaccounted: true, sleeps: 0 };
  },

  /** What a trap's first send leaves to do is done before its second waits for room. */
  "sends to nobody and to a full queue"(world) {
    const { client, to } = pair(world, 1);
    world.sendNow(client, 2, world.message(client, 2, { to }));
    const messages = [toItself(world, client, 2), world.message(client, 2, { to })];
    return { actors: [{ pid: 2, program: [sendMany(client, 2, messages)] }], unaccounted: true };
  },

  /** Somebody stops between the inbox and who waits; the next who locks the port wants nothing of its queue. */
  "send to who waits+another right"(world) {
    const { server, client, port, to } = pair(world);
    const loop = world.pending(server, 4, port.name);
    const args = [port.name, port.name, codes.MACH_MSG_TYPE_MAKE_SEND];
    return {
      actors: [
        sends(client, 2, [world.message(client, 2, { to })]),
        { pid: 3, program: [trap(server, "mach_port_insert_right", ...args)] },
      ],
      loops: [loop],
    };
  },

  /** A message whose second right is none goes back to its sender, the first right not. */
  "send of a right and of none"(world) {
    const { server, client, to } = pair(world);
    const right = world.right(world.port(server), client);
    const message = world.message(client, 2, {
      to,
      rights: [
        [right, MACH_MSG_TYPE_MOVE_SEND],
        [0x00003003, MACH_MSG_TYPE_MOVE_SEND],
      ],
    });
    return {
      actors: [{ pid: 2, program: [send(client, message), kernelTrap("mach_msg_release", message.kmsg)] }],
      check: (end) => answer(end, 2, 1, codes.KERN_SUCCESS),
    };
  },

  /** A right for which there is no memory for a name is released. */
  "receive of a right, without memory"(world) {
    const task = world.task(2, 4);
    const other = world.task(3);
    const port = world.port(task);
    const carried = world.port(other);
    const to = world.right(port, other);
    const rights = [[carried.name, codes.MACH_MSG_TYPE_MAKE_SEND]];
    world.sendNow(other, 3, world.message(other, 3, { to, rights }));
    while (world.allocate(task, codes.MACH_PORT_RIGHT_DEAD_NAME) >>> 8 < 255);
    const { machine } = world;
    for (const [at, owner] of frames(machine)) if (owner === 0) machine.poke(at, 6); // as the tables' own
    // Who dies while it releases the right takes the message along.
    return { actors: [{ pid: 2, program: [receive(task, port.name)] }], unaccounted: true };
  },

  /** A quota is given back with the message. */
  "release of what is charged"(world) {
    world.expect(2, "task_create", 0, 0, 100000);
    const handle = world.machine.out(2, 0);
    const task = { handle, pid: 2, pids: [2, 4] };
    for (const pid of task.pids) world.expect(pid, "task_attach", handle);
    world.tasks.push(task);
    const kmsg = world.machine.trap(2, "mach_msg_prepare", handle, 24, 0);
    return { actors: [{ pid: 2, program: [kernelTrap("mach_msg_release", kmsg)] }] };
  },

  /** More is given back than one processor keeps. */
  "6 releases"(world) {
    const task = world.task(2, 4);
    const kmsgs = Array.from({ length: 6 }, () => world.machine.trap(2, "mach_msg_prepare", task.handle, 24, 0));
    return { actors: [{ pid: 2, program: kmsgs.map((kmsg) => kernelTrap("mach_msg_release", kmsg)) }] };
  },

  /** Who is condemned ends though the lock that it waits for is not opened. */
  "condemn of who waits for a lock"(world) {
    const server = world.task(2, 4);
    world.task(3);
    const port = world.port(server);
    const lock = portAt(world, port) + IO_LOCK;
    const { machine } = world;
    machine.poke(lock, 4);
    machine.poke(recordOf(4), layout.PROCESSOR_KERNEL);
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name, 0)] },
        { pid: 3, program: [kernelTrap("processor_condemn", 2, 1)] },
      ],
      condemned: 2,
      nobodyDies: true,
      rest({ quiesce }) {
        const condemned = machine.u32(recordOf(2) + layout.Processor_p_stop) !== 0;
        refuse(condemned && machine.coroutines[2].status === ASLEEP, "who is condemned waits for a lock");
        machine.poke(lock, 0);
        machine.poke(recordOf(4), layout.PROCESSOR_USER);
        quiesce();
      },
    };
  },

  /** The kernel is closed under somebody who waits. */
  "close+receive"(world) {
    const server = world.task(2, 4);
    world.task(3);
    const port = world.port(server);
    const { machine } = world;
    return {
      actors: [
        { pid: 2, program: [receive(server, port.name)] },
        { pid: 3, program: [kernelTrap("kernel_terminate")] },
      ],
      rest() {
        const closedAt = layout.HEADER + layout.Header_h_terminated;
        const sleeps = machine.coroutines[2].status === ASLEEP;
        refuse(machine.u32(closedAt) !== 0 && sleeps, "somebody sleeps in a closed kernel");
        machine.poke(closedAt, 0); // so that it can be looked at
      },
    };
  },
};
