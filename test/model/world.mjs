// What a scenario is made of: tasks, ports, rights, messages, and the operations of its actors.

import * as codes from "../../dist/abi/codes.gen.js";
import * as layout from "../../dist/abi/layout.gen.js";
import { STOPPED } from "./coroutine.mjs";
import { generationOf, recordOf } from "./memory.mjs";

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

  /** One more processor runs the task. */
  attach(task, pid) {
    this.expect(pid, "task_attach", task.handle);
    task.pids.push(pid);
  }

  /** Lets a processor take and give back an element of each zone, so that it finds some when it acts. */
  warm({ handle, self }, pid) {
    const { machine } = this;
    const act = (name, ...args) => {
      this.expect(pid, name, handle, self, ...args);
      return machine.out(pid, 0);
    };
    const port = act("mach_port_allocate", codes.MACH_PORT_RIGHT_RECEIVE);
    const set = act("mach_port_allocate", codes.MACH_PORT_RIGHT_PORT_SET);
    const once = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
    act("mach_port_insert_right", port, port, codes.MACH_MSG_TYPE_MAKE_SEND);
    act("mach_port_insert_member", port, set);
    machine.trap(pid, "mach_msg_receive_async", handle, set, codes.MACH_RCV_MSG, 256, 0);
    this.expect(pid, "mach_msg_cancel", machine.out(pid, 0));
    act("mach_port_request_notification", port, codes.MACH_NOTIFY_DEAD_NAME, 0, port, once);
    act("mach_port_destroy", act("mach_port_request_notification", port, codes.MACH_NOTIFY_DEAD_NAME, 0, 0, once));
    act("mach_port_destroy", set);
    act("mach_port_destroy", port);
  }

  expect(pid, name, ...args) {
    const code = this.machine.trap(pid, name, ...args);
    if (code !== 0) throw new Error(`${name}: ${codes.codeName(code)}`);
  }

  /** A processor begins the operation and is gone as soon as `where` is true of its record's words. */
  stops(pid, operation, where) {
    const { machine } = this;
    const coroutine = machine.coroutines[pid];
    const word = (offset) => machine.u32(recordOf(pid) + offset);
    coroutine.begin([operation]);
    do machine.run(coroutine, 1);
    while (coroutine.status === STOPPED && !where(word, machine));
    if (coroutine.status !== STOPPED) throw new Error(`processor ${pid} never comes there`);
    coroutine.begin([]);
    this.gone(pid);
  }

  /** A processor's thread is proven gone, and nobody has buried it yet. */
  gone(pid) {
    this.machine.words[recordOf(pid) >>> 2] = layout.PROCESSOR_GONE;
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

  /** Arms a notification about `name`, to `to`. */
  request({ pid, handle, self }, name, id, to, sync = 0) {
    const once = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
    this.expect(pid, "mach_port_request_notification", handle, self, name, id, sync, to, once);
  }

  /** An event loop on `pid`, its bell armed; `name`: what it receives from. */
  loop(task, pid, name) {
    this.machine.words[(recordOf(pid) + layout.Processor_p_bell) >>> 2] = layout.BELL_ARMED;
    return { pid, task, name };
  }

  /** An event loop that waits for a message already. */
  pending(task, pid, name) {
    this.machine.trap(pid, "mach_msg_receive_async", task.handle, name, codes.MACH_RCV_MSG, 256, 0);
    return this.loop(task, pid, name);
  }

  /**
   * A message that `pid` has written and not sent. `rights`: [name, disposition] each, of a guarded port [name, 16, guard];
   * `array`: names of one disposition.
   */
  message(
    task,
    pid,
    { to, disposition = codes.MACH_MSG_TYPE_COPY_SEND, reply = NONE, replyDisposition = 0, rights = [], array },
  ) {
    const { machine } = this;
    const count = rights.length + (array ? 1 : 0);
    const complex = count > 0;
    const size = complex ? HEADER_BYTES + 4 + count * 12 : HEADER_BYTES;
    const kmsg = machine.trap(pid, "mach_msg_prepare", task.handle, size, count + (array?.names.length ?? 0));
    if (kmsg === 0) throw new Error("mach_msg_prepare");
    const id = this.messages.length + 1;
    const at = machine.out(pid, 0) >>> 2;
    const bits = (complex ? codes.MACH_MSGH_BITS_COMPLEX : 0) | disposition | (replyDisposition << 8);
    machine.words.set([bits, size, to, reply, 0, id], at);
    if (complex) machine.words[at + 6] = count;
    rights.forEach(([name, type, guard], index) => {
      const plain = [name, 0, type << 16];
      const shape = codes.MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE | (codes.MACH_MSG_GUARDED_PORT_DESCRIPTOR << 24);
      machine.words.set(guard === undefined ? plain : [guard, name, shape | (type << 16)], at + 7 + index * 3);
    });
    if (array) machine.words.set(this.array(task, pid, array), at + 7 + rights.length * 3);
    const message = { id, kmsg, size, sender: pid, to };
    this.messages.push(message);
    return message;
  }

  /** The words of a descriptor for an array with these names in new memory, which the send frees. */
  array(task, pid, { names, type }) {
    const { machine } = this;
    const bytes = names.length * 4;
    this.expect(pid, "vm_allocate", task.handle, task.self, 0, bytes, codes.VM_FLAGS_ANYWHERE);
    const address = machine.out(pid, 0);
    const kmsg = machine.trap(pid, "mach_msg_prepare", task.handle, Math.max(bytes, HEADER_BYTES), 0);
    machine.words.set(names, machine.out(pid, 0) >>> 2);
    this.expect(pid, "vm_write", task.handle, task.self, address, kmsg, bytes);
    this.expect(pid, "mach_msg_release", kmsg);
    return [address, names.length, 1 | (type << 16) | (codes.MACH_MSG_OOL_PORTS_DESCRIPTOR << 24)];
  }

  /** An operation that answers the message that `pid` has just received, in its buffer. */
  reply(task, pid) {
    const message = { id: this.messages.length + 1, size: HEADER_BYTES, sender: pid };
    this.messages.push(message);
    const call = (coroutine, machine) => {
      const kmsg = machine.out(pid, 0);
      if (!received(coroutine.results.at(-1))) return ["processor_spin", 0];
      const at = machine.out(pid, 1);
      machine.poke(at, codes.MACH_MSG_TYPE_MOVE_SEND_ONCE);
      machine.poke(at + 12, 0);
      machine.poke(at + 20, message.id);
      return ["mach_msg_trap", task.handle, kmsg, codes.MACH_SEND_MSG, HEADER_BYTES, 0, 0, 0, 0];
    };
    const keep = (code, { results }) => (received(results.at(-1)) ? code : codes.MACH_SEND_INVALID_DEST);
    return { call, keep, sends: message };
  }

  /** Sends at once, to fill a queue. */
  sendNow(task, pid, message) {
    const args = [task.handle, message.kmsg, codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT, message.size, 0, 0, 0, 0];
    this.expect(pid, "mach_msg_trap", ...args);
    message.sent = true;
  }
}

/** Sends; waits for room, at most `timeout` ms if given. `bits`: more options. */
export function send(task, message, timeout = -1, bits = 0) {
  const option = codes.MACH_SEND_MSG | bits | (timeout >= 0 ? codes.MACH_SEND_TIMEOUT : 0);
  const call = () => ["mach_msg_trap", task.handle, message.kmsg, option, message.size, 0, 0, Math.max(timeout, 0), 0];
  return { call, sends: message };
}

/** Receives from a port or set; keeps which message it was, and releases it. */
export function receive(task, name, timeout = -1, options = 0) {
  const option = options | codes.MACH_RCV_MSG | (timeout >= 0 ? codes.MACH_RCV_TIMEOUT : 0);
  const call = () => ["mach_msg_trap", task.handle, 0, option, 0, 256, name, Math.max(timeout, 0), 0];
  return { call, keep: keepMessage, receives: true };
}

function keepMessage(code, { pid }, machine) {
  const kmsg = machine.out(pid, 0);
  if (kmsg === 0 || (code !== 0 && code < codes.MACH_RCV_IN_PROGRESS)) return code; // a send's failure gives its own kmsg back
  const id = machine.u32(machine.out(pid, 1) + 20);
  return RECEIVED | (id << 12) | (machine.out(pid, 3) & 0xfff);
}

/** A send and a receive in one trap. */
export function rpc(task, message, name) {
  const option = codes.MACH_SEND_MSG | codes.MACH_RCV_MSG;
  const call = () => ["mach_msg_trap", task.handle, message.kmsg, option, message.size, 256, name, 0, 0];
  return { call, keep: keepMessage, sends: message, receives: true };
}

/** A receive of an event loop; keeps the message, or the waiter. */
export function receiveAsync(task, name) {
  const call = () => ["mach_msg_receive_async", task.handle, name, codes.MACH_RCV_MSG, 256, 0];
  const keep = (code, coroutine, machine) =>
    code === codes.MACH_RCV_IN_PROGRESS ? machine.out(coroutine.pid, 0) : keepMessage(code, coroutine, machine);
  return { call, keep, receives: true };
}

/** A send of an event loop. */
export function sendAsync(task, message) {
  const call = () => ["mach_msg_send_async", task.handle, message.kmsg, codes.MACH_SEND_MSG, message.size, 0];
  return { call, sends: message };
}

/** Takes completions; keeps the message of the first. */
export function drain() {
  const keep = (count, { pid }, machine) => {
    const [first] = completions(machine, pid, count);
    return first === undefined ? 0 : first.kmsg === 0 ? first.code : RECEIVED | (first.id << 12) | first.seqno;
  };
  return { call: () => ["processor_drain", 1], keep, receives: true };
}

/** What a drain has left in the batch of `pid`. */
export function completions(machine, pid, count) {
  return Array.from({ length: count }, (_, index) => {
    const at = recordOf(pid) + layout.Processor_p_batch + index * 16;
    const [code, kmsg] = [machine.u32(at + 4), machine.u32(at + 8)];
    if (kmsg === 0) return { code, kmsg };
    const id = machine.u32(machine.u32(kmsg + layout.IpcKmsg_ikm_bytes) + 20);
    return { code, kmsg, id, seqno: machine.u32(kmsg + layout.IpcKmsg_ikm_seqno) & 0xfff };
  });
}

/** Ends the wait that the operation before began, if it did. */
export function cancel() {
  const waits = (results) => results.at(-1) < codes.MACH_SEND_IN_PROGRESS;
  const call = ({ results }) => (waits(results) ? ["mach_msg_cancel", results.at(-1)] : ["processor_spin", 0]);
  return { call, keep: (code, { results }) => (waits(results) ? code : codes.KERN_FAILURE) };
}

/** Any other trap on the task's space. */
export function trap(task, name, ...args) {
  return { call: () => [name, task.handle, task.self, ...args] };
}

/** Condemns a processor in its first life. */
export function condemn(pid) {
  return { call: () => ["processor_condemn", pid, 1], condemns: pid };
}

/** Leaves the kernel. */
export function detach() {
  return { call: () => ["processor_detach"], leaves: true };
}

/** Buries who is gone, in its first life. */
export function bury(pid) {
  return { call: () => ["processor_gone", pid, 1] };
}

/** A new agent claims the record if it is free, and attaches. */
export function attach() {
  const call = ({ pid }, machine) => {
    const record = recordOf(pid);
    if (machine.u32(record) !== layout.PROCESSOR_FREE) return ["processor_spin", 0];
    machine.poke(record, layout.PROCESSOR_USER);
    machine.poke(record + layout.Processor_p_generation, generationOf(machine, pid) + 1);
    return ["processor_attach", layout.PROCESSOR_CAN_WAIT];
  };
  return { call };
}

/** An event loop sleeps until its bell rings, if it waits for something, and takes completions. */
export function sleepAndDrain() {
  const awaits = (coroutine, machine) => {
    const { pid, results } = coroutine;
    const address = recordOf(pid) + layout.Processor_p_bell;
    if (received(results.at(-1)) || machine.u32(address) !== layout.BELL_ARMED) return false;
    Object.assign(coroutine, { kind: 3, address, operand: layout.BELL_ARMED, ns: 1e9, stackHash: 0, stackHash2: 0 });
    return true;
  };
  return { ...drain(), awaits };
}

/** A trap on the kernel. */
export function kernelTrap(name, ...args) {
  return { call: () => [name, ...args] };
}
