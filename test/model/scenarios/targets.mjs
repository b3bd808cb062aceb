// One task acts on another through that one's port, which meanwhile ends, or is acted on too.

import * as codes from "../../../dist/abi/codes.gen.js";
import * as layout from "../../../dist/abi/layout.gen.js";
import { answer, certain, exactly } from "../checks.mjs";
import { owned } from "../hands.mjs";
import { refuse } from "../violation.mjs";
import { kernelTrap, send, trap } from "../world.mjs";

const { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE } = codes;
const { MACH_MSG_TYPE_MOVE_RECEIVE, MACH_MSG_TYPE_MOVE_SEND } = codes;

const FREE = 0x00020003;
const AUDITOR = 7;

/** A task on 2 and 4 with the port of another, which 4 runs; 3 runs a third task, which has that port too. */
function partners(world) {
  const task = world.task(2, 4);
  const other = world.task(4);
  const third = world.task(3);
  for (const { pid } of [task, third]) world.warm(pid === 2 ? task : third, pid);
  const self = { task: other, name: other.self };
  const port = world.right(self, task, MACH_MSG_TYPE_COPY_SEND);
  return { task, other, third, port, theirs: world.right(self, third, MACH_MSG_TYPE_COPY_SEND) };
}

/** A call of the task on the other. */
const on = ({ handle }, port, name, ...args) => kernelTrap(name, handle, port, ...args);

const { KERN_SUCCESS, KERN_INVALID_TASK, MACH_SEND_INVALID_DEST } = codes;
const ENDED = [KERN_SUCCESS, KERN_INVALID_TASK, MACH_SEND_INVALID_DEST];

/** The operation of 2 while 3 ends the other task, by its port. */
function ending({ third, theirs }, program, ...allowed) {
  return {
    destroys: true,
    actors: [
      { pid: 2, program },
      { pid: 3, program: [on(third, theirs, "task_terminate_target")] },
    ],
    check(end) {
      answer(end, 2, 0, ...ENDED, ...allowed);
      answer(end, 3, 0, ...ENDED);
    },
  };
}

/** Tasks that nobody in the scenario knows are ended: nobody runs them, so that nothing else would. */
export function endChildren({ machine, world }) {
  for (const [owner, zone, at] of owned(machine)) {
    if (owner !== layout.OWNER_LIVE || zone !== layout.ZONE_TASK) continue;
    if (world.tasks.some(({ handle }) => (handle & ~63) === at)) continue;
    refuse(machine.u32(at + layout.Task_t_state) !== 0, "a task that was not finished is left");
    machine.trap(AUDITOR, "task_terminate", at | (machine.u32(at + layout.Task_t_serial) & 63));
  }
}

export const targets = {
  "right into another task+its end"(world) {
    const hall = partners(world);
    const { task, port } = hall;
    const name = world.allocate(task);
    return ending(hall, [on(task, port, "mach_port_insert_right", FREE, name, MACH_MSG_TYPE_MAKE_SEND)]);
  },

  "receive right into another task+its end"(world) {
    const hall = partners(world);
    const { task, port } = hall;
    const name = world.allocate(task);
    return ending(hall, [on(task, port, "mach_port_insert_right", FREE, name, MACH_MSG_TYPE_MOVE_RECEIVE)]);
  },

  "right out of another task+its end"(world) {
    const hall = partners(world);
    const { task, other, port } = hall;
    const name = world.allocate(other);
    const extract = on(task, port, "mach_port_extract_right", name, MACH_MSG_TYPE_MOVE_RECEIVE);
    return ending(hall, [extract], codes.KERN_INVALID_NAME);
  },

  "request in another task+its end"(world) {
    const hall = partners(world);
    const { task, other, port } = hall;
    const name = world.allocate(other);
    const told = world.allocate(task);
    const args = [name, codes.MACH_NOTIFY_DEAD_NAME, 0, told, MACH_MSG_TYPE_MAKE_SEND_ONCE];
    const ask = on(task, port, "mach_port_request_notification", ...args);
    return ending(hall, [ask], codes.KERN_INVALID_NAME);
  },

  "ports for another task+its end"(world) {
    const hall = partners(world);
    const { task, port } = hall;
    const name = world.right({ task, name: world.allocate(task) });
    return ending(hall, [on(task, port, "mach_ports_register", 2, name, name, 0)]);
  },

  /** Two change what a third keeps. */
  "bootstrap port of another task+ports of it"(world) {
    const { task, third, port, theirs } = partners(world);
    const name = world.right({ task, name: world.allocate(task) });
    const send = world.right({ task: third, name: world.allocate(third) });
    world.expect(2, "task_set_special_port", task.handle, port, codes.TASK_BOOTSTRAP_PORT, world.right({ task, name }));
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [on(task, port, "task_set_special_port", codes.TASK_BOOTSTRAP_PORT, name)] },
        { pid: 3, program: [on(third, theirs, "mach_ports_register", 1, send, 0, 0)] },
      ],
      check(end) {
        for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      },
    };
  },

  "end of another task, twice"(world) {
    const hall = partners(world);
    return ending(hall, [on(hall.task, hall.port, "task_terminate_target")]);
  },

  /** The caller's name for the other's port goes while the call is under way. */
  "call on another task+release of its port"(world) {
    const task = world.task(2, 3, 4);
    const other = world.task(4);
    world.warm(task, 2);
    world.warm(task, 3);
    const port = world.right({ task: other, name: other.self }, task, MACH_MSG_TYPE_COPY_SEND);
    return {
      actors: [
        { pid: 2, program: [on(task, port, "mach_port_allocate", codes.MACH_PORT_RIGHT_RECEIVE)] },
        { pid: 3, program: [trap(task, "mach_port_deallocate", port)] },
      ],
      destroys: true,
      check: (end) => answer(end, 2, 0, KERN_SUCCESS, MACH_SEND_INVALID_DEST),
    };
  },

  /** A request to a task's port, whose answer goes to a send-once right. */
  "message to a task's port+its end"(world) {
    const hall = partners(world);
    const { task, port } = hall;
    const told = world.port(task);
    const reply = { reply: told.name, replyDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE };
    const message = world.message(task, 2, { to: port, ...reply });
    const plan = ending(hall, [send(task, message)], codes.MACH_MSG_SUCCESS);
    const check = (end) => {
      plan.check(end);
      // Whoever got into the queue of nobody gets an answer; a task that ends meanwhile may have it destroyed unread.
      if (certain(end)) exactly(end, end.result(2) === 0 ? message.id + 100 : 0, [0, 1], told);
    };
    return { ...plan, check, unaccounted: true };
  },

  "task made+its parent's end"(world) {
    const hall = partners(world);
    const { task, port } = hall;
    world.warm(task, 2);
    const plan = ending(hall, [on(task, port, "task_create_child")]);
    return { ...plan, rest: endChildren };
  },

  /** What a task makes, and what its child then is to it. */
  "a child, its rights and its end"(world) {
    const task = world.task(2, 4);
    const name = world.allocate(task);
    const send = world.right({ task, name: world.allocate(task) });
    const keep = (code, { pid }, machine) => (code === KERN_SUCCESS ? machine.out(pid, 0) : 0);
    const child = (call, ...args) => ({ call: ({ results }) => [call, task.handle, results[0] ?? 0, ...args] });
    return {
      destroys: true,
      moves: true,
      rest: endChildren,
      actors: [
        {
          pid: 2,
          program: [
            { ...trap(task, "task_create_child"), keep },
            child("mach_port_insert_right", FREE, name, MACH_MSG_TYPE_MAKE_SEND),
            child("mach_port_extract_right", FREE, MACH_MSG_TYPE_MOVE_SEND),
            child("task_set_special_port", codes.TASK_BOOTSTRAP_PORT, send),
            child("task_get_special_port", codes.TASK_BOOTSTRAP_PORT),
            child("mach_ports_register", 3, name, task.self, 0xffffffff),
            child("mach_ports_lookup"),
            child("task_terminate_target"),
            child("mach_port_names"),
          ],
        },
      ],
      check(end) {
        if (!certain(end)) return;
        for (let at = 1; at < 8; at++) answer(end, 2, at, KERN_SUCCESS);
        answer(end, 2, 8, MACH_SEND_INVALID_DEST);
      },
    };
  },

  "host port+host port"(world) {
    const [a, b] = [world.task(2, 4), world.task(3, 4)];
    world.warm(a, 2);
    world.warm(b, 3);
    return {
      destroys: true,
      actors: [a, b].map(({ pid, handle }) => ({ pid, program: [kernelTrap("mach_host_self", handle)] })),
      /** There is one host at the most, and it stays. */
      rest(run) {
        if (run.machine.u32(layout.HEADER + layout.Header_h_host) === 0)
          return refuse(certain(run), "there is no host");
        const before = JSON.parse(run.before);
        before.used[layout.ZONE_PORT]++;
        run.before = JSON.stringify(before);
      },
    };
  },
};
