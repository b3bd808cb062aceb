// What a scenario is made of: tasks, ports, rights, messages, and the operations of its actors.

import * as codes from "../../dist/abi/codes.gen.js";
import * as layout from "../../dist/abi/layout.gen.js";

const NONE = 0;
const HEADER_BYTES = 24;

/** A result that says which message came: its identifier and sequence number. */
const RECEIVED = 0x40000000;
export const received = (result) => (result & 0xf0000000) === RECEIVED;
export const idOf = (result) => (result >>> 12) & 0xffff;
export const seqnoOf = (result) => result & 0xfff;

export class World {
  constructor(machine) {
    this.machine = machine;
    this.tasks = [];
    this.messages = [];
    this.ports = [];
  }

  /** A task that these processors run. */
  task(...pids) {
    const [pid] = pids;
    this.expect(pid, "task_create", 0, 0, 0);
    const handle = this.machine.out(pid, 0);
    for (const each of pids) this.expect(each, "task_attach", handle);
    const task = { handle, pid, pids, self: this.machine.trap(pid, "mach_task_self", handle) };
    this.tasks.push(task);
    return task;
  }

  expect(pid, name, ...args) {
    const code = this.machine.trap(pid, name, ...args);
    if (code !== 0) throw new Error(`${name}: ${codes.codeName(code)}`);
  }

  /** A right that the task allocates. */
  allocate(task, right = codes.MACH_PORT_RIGHT_RECEIVE) {
    this.expect(task.pid, "mach_port_allocate", task.handle, task.self, right);
    return this.machine.out(task.pid, 0);
  }

  /** A port of the task's that the audit accounts for. */
  port(task, qlimit = 0) {
    const name = this.allocate(task);
    if (qlimit !== 0) {
      const args = [task.handle, task.self, name, codes.MACH_PORT_LIMITS_INFO, qlimit, 1];
      this.expect(task.pid, "mach_port_set_attributes", ...args);
    }
    const port = { task, name };
    this.ports.push(port);
    return port;
  }

  /** A right made from the port, in the task that holds it or in another. Returns: the name there. */
  right({ task, name }, to = task, disposition = codes.MACH_MSG_TYPE_MAKE_SEND) {
    if (to === task && disposition === codes.MACH_MSG_TYPE_MAKE_SEND) {
      this.expect(task.pid, "mach_port_insert_right", task.handle, task.self, name, name, disposition);
      return name;
    }
    this.expect(task.pid, "task_insert_right", task.handle, name, disposition, to.handle);
    return this.machine.out(task.pid, 0);
  }

  /** A set with these members. */
  set(task, ...ports) {
    const name = this.allocate(task, codes.MACH_PORT_RIGHT_PORT_SET);
    for (const port of ports) this.expect(task.pid, "mach_port_move_member", task.handle, task.self, port.name, name);
    return name;
  }

  /** A message that `pid` has written and not sent. */
  message(
    task,
    pid,
    { to, disposition = codes.MACH_MSG_TYPE_COPY_SEND, reply = NONE, replyDisposition = 0, rights = [] },
  ) {
    const { machine } = this;
    const complex = rights.length > 0;
    const size = complex ? HEADER_BYTES + 4 + rights.length * 12 : HEADER_BYTES;
    const kmsg = machine.trap(pid, "mach_msg_prepare", task.handle, size, rights.length);
    if (kmsg === 0) throw new Error("mach_msg_prepare");
    const id = this.messages.length + 1;
    const at = machine.out(pid, 0) >>> 2;
    const bits = (complex ? codes.MACH_MSGH_BITS_COMPLEX : 0) | disposition | (replyDisposition << 8);
    machine.words.set([bits, size, to, reply, 0, id], at);
    if (complex) machine.words[at + 6] = rights.length;
    rights.forEach(([name, type], index) => {
      machine.words.set([name, 0, type << 16], at + 7 + index * 3);
    });
    const message = { id, kmsg, size, sender: pid, to };
    this.messages.push(message);
    return message;
  }

  /** Sends at once, to fill a queue. */
  sendNow(task, pid, message) {
    const args = [task.handle, message.kmsg, codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT, message.size, 0, 0, 0, 0];
    this.expect(pid, "mach_msg_trap", ...args);
    message.sent = true;
  }
}

/** Sends; waits for room, at most `timeout` ms if given. */
export function send(task, message, timeout = -1) {
  const option = codes.MACH_SEND_MSG | (timeout >= 0 ? codes.MACH_SEND_TIMEOUT : 0);
  const call = () => ["mach_msg_trap", task.handle, message.kmsg, option, message.size, 0, 0, Math.max(timeout, 0), 0];
  return { call, sends: message };
}

/** Receives from a port or set; keeps which message it was, and releases it. */
export function receive(task, name, timeout = -1) {
  const option = codes.MACH_RCV_MSG | (timeout >= 0 ? codes.MACH_RCV_TIMEOUT : 0);
  const call = () => ["mach_msg_trap", task.handle, 0, option, 0, 256, name, Math.max(timeout, 0), 0];
  return { call, keep: keepMessage, receives: true };
}

function keepMessage(code, { pid }, machine) {
  const kmsg = machine.out(pid, 0);
  if (kmsg === 0) return code;
  const id = machine.u32(machine.out(pid, 1) + 20);
  return RECEIVED | (id << 12) | (machine.out(pid, 3) & 0xfff);
}

/** A send and a receive in one trap. */
export function rpc(task, message, name) {
  const option = codes.MACH_SEND_MSG | codes.MACH_RCV_MSG;
  const call = () => ["mach_msg_trap", task.handle, message.kmsg, option, message.size, 256, name, 0, 0];
  return { call, keep: keepMessage, sends: message, receives: true };
}

/** Any other trap on the task's space. */
export function trap(task, name, ...args) {
  return { call: () => [name, task.handle, task.self, ...args] };
}

/** A trap on the kernel. */
export function kernelTrap(name, ...args) {
  return { call: () => [name, ...args] };
}

const OWNERS = { free: 0, magazine: 0x200 };

/** Live elements of each zone, and frames that hold neither an element nor the tables; read straight from the memory. */
export function census(machine) {
  const frames = [0, 0, 0, 0, 0, 0, 0];
  const used = new Array(9).fill(0);
  const table = (layout.PROCESSORS + 8 * layout.PROCESSOR_SIZE) >>> 2;
  const last = machine.u32(64 + layout.Header_h_pages) << 4;
  for (let frame = 0; frame < Math.min(last, machine.u32(64 + 16)); frame++) {
    const owner = machine.words[table + frame];
    const kind = owner & 0xf;
    frames[kind]++;
    if (kind !== 2) continue;
    const zone = owner >>> 4;
    const bytes = [128, 64, 256, 1280, 4352, 256, 64, 64, 64][zone];
    for (let element = 0; element < 12 && 64 + (element + 1) * bytes <= 65536; element++) {
      const word = machine.u32((frame << 12) + 64 + element * bytes);
      if (word !== OWNERS.free && (word & 0xff00) !== OWNERS.magazine) used[zone]++;
    }
  }
  return { used, hands: frames[1], spaces: frames[4], kmsgs: frames[5] };
}
