// Random operations on messages with memory in them: sent, refused, received, given back, destroyed in the queue.

import * as codes from "../../../host-ts/abi/codes.gen.ts";
import { IpcKmsg_ikm_bytes, IpcKmsg_ikm_ports_count } from "../../../host-ts/abi/layout.gen.ts";
import type { Agent } from "../../kernel/machine.js";
import type { Random } from "../random.js";
import { type Operation, pickRange, type Range, SUCCESS } from "./choices.js";
import { build, type Descriptor, descriptorsOf, idOf, OOL, OOL_PORTS, OOL_VOLATILE, PORT, slotsOf } from "./message.js";
import { type Copyin, copyin, copyout, DEAD, NONE, wordsOf } from "./message-model.js";
import { PAGE } from "./pages.js";
import { type Actor, type Message, memoryOf, Mismatch, must, type Port, show, type World } from "./world.js";
import { writeWords } from "./vm-operations.js";

const { MACH_SEND_MSG: SEND, MACH_SEND_TIMEOUT: SEND_POLL, MACH_RCV_MSG: RCV, MACH_RCV_TIMEOUT: RCV_POLL } = codes;
const { MACH_RCV_LARGE: LARGE, MACH_MSG_VM_SPACE: VM_SPACE, MACH_MSG_VM_KERNEL: VM_KERNEL } = codes;
const TROUBLE = VM_SPACE | VM_KERNEL;
const TRAILER = 8;
const WAITS_MAX = 6;

/** A receive or a send of an event loop. */
export interface Wait {
  readonly actor: Actor;
  readonly agent: Agent;
  readonly waiter: number;
  readonly port: Port;
  /** The code that it must complete with now; undefined: it must not complete. */
  wanted: number | undefined;
  readonly receives: boolean;
}

function draftOne(world: World, random: Random, actor: Actor, before: Descriptor | undefined): Descriptor {
  const { map, names } = actor;
  const deallocate = random.chance(40) ? 1 : 0;
  const copy = random.below(2);
  const known = () => random.pick([...names.values(), ...names.values(), NONE, DEAD]);
  if (random.chance(8)) return { type: PORT, address: known(), size: 0, deallocate: 0, copy: 0, disposition: 19 };
  let { address, size }: Range = pickRange(random, map, 94);
  if (before !== undefined && random.chance(25)) {
    const { address: from, size: length } = before;
    [address, size] = [from + random.below(Math.max(1, length)), 1 + random.below(Math.max(1, length))];
    if (address + size > map.window.end * PAGE) size = Math.max(0, map.window.end * PAGE - address);
  }
  if (!random.chance(12)) {
    const type = random.chance(85) ? OOL : OOL_VOLATILE;
    return { type, address, size, deallocate, copy, disposition: 0 };
  }
  address = (address & ~3) >>> 0;
  const list = Array.from({ length: random.pick([0, 1, 2, 3, 6]) }, known);
  if (random.chance(85)) writeWords(world, actor, address, wordsOf(list));
  return { type: OOL_PORTS, address, size: list.length, deallocate, copy, disposition: 19 };
}

function draft(world: World, random: Random, actor: Actor): Descriptor[] {
  const descriptors: Descriptor[] = [];
  const count = random.pick([1, 1, 1, 2, 2, 3]);
  for (let index = 0; index < count; index++) descriptors.push(draftOne(world, random, actor, descriptors.at(-1)));
  return descriptors;
}

function spell(descriptors: readonly Descriptor[]): string {
  return descriptors
    .map(({ type, address, size, deallocate, copy }) => {
      const kind = ["port", "memory", "ports", "volatile"][type];
      return `${kind} ${show(address)} ${show(size)} ${deallocate ? "moved" : "copied"} ${copy ? "" : "physically"}`.trim();
    })
    .join("; ");
}

/** Pages that a refusal for want of memory may have taken: the model looks which. */
function resync(world: World, { handle, self, map }: Actor, pages: Iterable<number>): void {
  for (const page of pages) {
    const code = memoryOf(world.agent).vm_region(handle, self, page * PAGE);
    const isThere = code === SUCCESS && world.out(0) <= page * PAGE;
    if (!isThere) map.slots.delete(page);
  }
}

function gonePages(actor: Actor, descriptors: readonly Descriptor[]): Set<number> {
  const pages = new Set<number>();
  for (const descriptor of descriptors) for (const page of copyin(actor, [descriptor]).gone) pages.add(page);
  return pages;
}

function transmit(world: World, random: Random, actor: Actor, waits: boolean): void {
  const { core } = world.agent;
  const port = random.pick(world.actors).port;
  const descriptors = draft(world, random, actor);
  const id = world.nextId++;
  const bytes = build({ remote: actor.names.get(port) ?? 0, id, descriptors });
  const kmsg = core.mach_msg_prepare(actor.handle, bytes.length, slotsOf(descriptors)) >>> 0;
  if (kmsg === 0) {
    world.expect("whether a kmsg may be wanting", world.isScarce, true);
    return;
  }
  const linear = world.out(0);
  world.machine.bytes.set(bytes, linear);
  const cookie = waits ? world.nextCookie++ : 0;
  const told = waits
    ? world.call("mach_msg_send_async", actor.handle, kmsg, SEND, bytes.length, cookie)
    : world.call("mach_msg_trap", actor.handle, kmsg, SEND | SEND_POLL, bytes.length, 0, 0, 0, 0);
  const waiter = world.out(0);
  const text = `${waits ? "send_async" : "send"} ${id} by ${actor.serial} to ${port.owner.serial}: ${spell(descriptors)}`;
  const model = copyin(actor, descriptors);
  const code = (told & ~TROUBLE) >>> 0;
  const message = { id, items: model.items };
  const take = () => {
    if (world.mutation === "move-keeps-pages") return;
    for (const page of model.gone) actor.map.slots.delete(page);
  };
  const isBack = world.out(2) !== 0;
  if (code === codes.MACH_SEND_NO_BUFFER && world.isScarce) {
    const pages = gonePages(actor, descriptors);
    world.settle(text, code, { code });
    if (isBack) {
      // Of what was taken until there was no memory, to go on or to wait with, all is back; the rest is as it was sent.
      const slots = world.machine.words[(world.out(0) + IpcKmsg_ikm_ports_count) >> 2] as number;
      const taken = descriptors.findLastIndex((_, index) => slotsOf(descriptors.slice(0, index + 1)) <= slots) + 1;
      const { items, gone } = copyin(actor, descriptors.slice(0, taken));
      for (const page of gone) actor.map.slots.delete(page);
      giveBack(world, actor, { items });
      return;
    }
    core.mach_msg_release(kmsg);
    resync(world, actor, pages);
    return;
  }
  if (model.code !== SUCCESS) {
    world.settle(text, code, { code: model.code, apply: take });
    core.mach_msg_release(kmsg);
    return;
  }
  if (!world.isFull(port)) {
    const apply = () => {
      take();
      port.queue.push(message);
      for (const { type, copy, deallocate } of descriptors) world.option(`descriptor ${[type, copy, deallocate]}`);
    };
    world.settle(text, code, { code: SUCCESS, apply });
    wake(world, port);
    return;
  }
  if (waits) {
    const apply = () => {
      take();
      world.waits.set(cookie, { actor, agent: world.agent, waiter, port, wanted: undefined, receives: false });
      port.senders.push({ actor, agent: world.agent, waiter, cookie, message });
    };
    world.settle(`${text} = waiter ${show(waiter)}`, code, { code: codes.MACH_SEND_IN_PROGRESS, apply });
    return;
  }
  world.settle(text, code, { code: codes.MACH_SEND_TIMED_OUT, apply: take });
  const trouble = giveBack(world, actor, model);
  world.expect("whether there was no room to give it back", isTroubled(world, told), trouble);
}

/** Moves memory from one task to another, with nothing of it in the model. */
export function carry(world: World, from: Actor, to: Actor, { address, size }: Range): void {
  const { core } = world.agent;
  const moved = { type: OOL, address, size, deallocate: 1, copy: 1, disposition: 0 };
  const bytes = build({ remote: from.names.get(to.port) ?? 0, id: 0, descriptors: [moved] });
  const kmsg = core.mach_msg_prepare(from.handle, bytes.length, 1) >>> 0;
  world.machine.bytes.set(bytes, world.out(0));
  must("the send", world.call("mach_msg_trap", from.handle, kmsg, SEND, bytes.length, 0, 0, 0, 0));
  must("the receive", world.call("mach_msg_trap", to.handle, 0, RCV, 0, 4096, to.names.get(to.port) ?? 0, 0, 0));
  must("mach_msg_release", core.mach_msg_release(world.out(0)));
}

/** The message came back to its sender: what it carried, `items` of it, is his again. */
function giveBack(
  world: World,
  actor: Actor,
  { items }: { readonly items: Copyin["items"] | Message["items"] },
): boolean {
  const [kmsg, linear, size] = [world.out(0), world.out(1), world.out(2)];
  const bytes = world.machine.bytes.slice(linear, linear + size);
  const trouble = copyout(world, actor, descriptorsOf(bytes).slice(0, items.length), items);
  must("mach_msg_release", world.agent.core.mach_msg_release(kmsg));
  return trouble;
}

export const send: Operation = (world, random, actor) => transmit(world, random, actor, false);

export const sendWaiting: Operation = (world, random, actor) =>
  transmit(world, random, actor, [...world.waits.values()].filter(({ receives }) => !receives).length < WAITS_MAX);

/** There is a message for who waits for one: it will complete when its processor looks. */
function wake(world: World, port: Port): void {
  const wait = world.waits.get(port.receiver);
  if (wait !== undefined && port.queue.length > 0) wait.wanted = SUCCESS;
}

/** A message left a queue: who waits for room gets in. */
function advance(world: World, port: Port): void {
  while (port.senders.length > 0 && !world.isFull(port)) {
    const { cookie, message } = port.senders.shift() as Port["senders"][number];
    port.queue.push(message);
    const wait = world.waits.get(cookie);
    if (wait !== undefined) wait.wanted = SUCCESS;
  }
  wake(world, port);
}

export const receive: Operation = (world, random, actor) => {
  const { port, handle } = actor;
  const name = actor.names.get(port) ?? 0;
  const [first] = port.queue;
  const needed = first === undefined ? 0 : 28 + 12 * first.items.length + TRAILER;
  const isSmall = first !== undefined && random.chance(6);
  const option = RCV | RCV_POLL | (random.chance(20) ? LARGE : 0);
  const told = world.call("mach_msg_trap", handle, 0, option, 0, isSmall ? needed - 4 : 4096, name, 0, 0);
  const call = `receive by ${actor.serial}${first ? ` of ${first.id}` : ""}${isSmall ? " in too few bytes" : ""}`;
  if (first === undefined) {
    world.settle(call, told, { code: codes.MACH_RCV_TIMED_OUT });
    return;
  }
  const [kmsg, linear, size] = [world.out(0), world.out(1), world.out(2)];
  if (isSmall) {
    world.settle(call, told, { code: codes.MACH_RCV_TOO_LARGE });
    if (option & LARGE) return;
    if (kmsg !== 0) must("mach_msg_release", world.agent.core.mach_msg_release(kmsg));
    port.queue.shift();
    return advance(world, port);
  }
  world.settle(call, told, { code: received(world, told) });
  const trouble = take(world, actor, { kmsg, linear, size });
  world.expect("whether something found no room", isTroubled(world, told), trouble);
};

/** The code of a message that was received, with what the kernel said was trouble. */
function received(world: World, told: number): number {
  return isTroubled(world, told) ? (codes.MACH_RCV_BODY_ERROR | (told & TROUBLE)) >>> 0 : SUCCESS;
}

/** Whether the code tells of memory that found no room; or, of an array of ports, for which there was none. */
function isTroubled(world: World, told: number): boolean {
  return (told & VM_SPACE) !== 0 || (world.isScarce && (told & VM_KERNEL) !== 0);
}

/** The first message of the port's queue is in this kmsg. */
function take(world: World, actor: Actor, { kmsg, linear, size }: { kmsg: number; linear: number; size: number }) {
  const { port } = actor;
  const message = port.queue.shift();
  if (message === undefined) throw new Mismatch("a message was received that nobody sent");
  const bytes = world.machine.bytes.slice(linear, linear + size);
  world.expect("the message", idOf(bytes), message.id);
  const trouble = copyout(world, actor, descriptorsOf(bytes), message.items);
  must("mach_msg_release", world.agent.core.mach_msg_release(kmsg));
  advance(world, port);
  return trouble;
}

export const receiveWaiting: Operation = (world, random, actor) => {
  const { port, handle } = actor;
  if (port.queue.length > 0 || port.receiver !== 0) return receive(world, random, actor);
  const cookie = world.nextCookie++;
  const code = world.call("mach_msg_receive_async", handle, actor.names.get(port) ?? 0, RCV, 4096, cookie);
  const waiter = world.out(0);
  const apply = () => {
    port.receiver = cookie;
    world.waits.set(cookie, { actor, agent: world.agent, waiter, port, wanted: undefined, receives: true });
  };
  const plan = { code: codes.MACH_RCV_IN_PROGRESS, apply };
  world.settle(`receive_async by ${actor.serial} = waiter ${show(waiter)}`, code, plan);
};

/** Looks at what completed, on every processor, until nothing more does. */
export function drain(world: World): void {
  for (let more = true; more; ) {
    more = false;
    for (const agent of world.agents) {
      world.agent = agent;
      const count = agent.core.processor_drain(256);
      const done = Array.from({ length: count * 4 }, (_, index) => agent.batch(index));
      for (let index = 0; index < count; index++) {
        more = true;
        const [cookie = 0, code = 0, kmsg = 0, size = 0] = done.slice(index * 4);
        complete(world, cookie, code >>> 0, { kmsg, size });
      }
    }
  }
  for (const [cookie, { wanted }] of world.waits) {
    if (wanted !== undefined)
      throw new Mismatch(`wait ${cookie} did not complete, the model has ${codes.codeName(wanted)}`);
  }
}

function complete(world: World, cookie: number, code: number, { kmsg, size }: { kmsg: number; size: number }): void {
  const wait = world.waits.get(cookie);
  world.note(`wait ${cookie} completes: ${codes.codeName(code)}`);
  if (wait === undefined) throw new Mismatch(`wait ${cookie} completed with ${codes.codeName(code)}, there is none`);
  const { actor, port, wanted, receives } = wait;
  world.waits.delete(cookie);
  if (receives) port.receiver = 0;
  const troubled = receives && isTroubled(world, code);
  world.expect(`the code of wait ${cookie}`, code, troubled && wanted === SUCCESS ? received(world, code) : wanted);
  if (!receives || wanted !== SUCCESS) return;
  const linear = world.machine.words[(kmsg + IpcKmsg_ikm_bytes) >> 2] as number;
  const trouble = take(world, actor, { kmsg, linear, size });
  world.expect("whether something found no room", troubled, trouble);
}

export const cancel: Operation = (world, random, actor) => {
  const cookies = [...world.waits.keys()];
  if (cookies.length === 0) return receiveWaiting(world, random, actor);
  giveUp(world, random.pick(cookies));
};

/** Gives a wait up; a message that was not sent comes back. */
export function giveUp(world: World, cookie: number): void {
  const wait = world.waits.get(cookie);
  if (wait === undefined) return;
  const { agent, waiter, port, actor, receives } = wait;
  world.agent = agent;
  const code = world.call("mach_msg_cancel", waiter);
  world.settle(`cancel of wait ${cookie}`, code, { code: SUCCESS });
  world.waits.delete(cookie);
  if (receives) {
    port.receiver = 0;
    return;
  }
  const at = port.senders.findIndex((sender) => sender.cookie === cookie);
  const [sender] = port.senders.splice(at, 1);
  if (sender !== undefined) giveBack(world, actor, sender.message);
}

/** The port dies with everything in its queue, and the task gets another. */
export const renewPort: Operation = (world, _random, actor) => {
  const { handle, self, port, names } = actor;
  const name = names.get(port) ?? 0;
  const code = world.call("mach_port_destroy", handle, self, name);
  world.settle(`port of ${actor.serial} is destroyed with ${port.queue.length} messages`, code, { code: SUCCESS });
  names.delete(port);
  kill(world, port);
  drain(world);
  world.openPort(actor);
};

/** In the model a port is dead: its messages are gone, and who waits for room or for a message is told. */
export function kill(world: World, port: Port): void {
  port.dead = true;
  port.queue.length = 0;
  for (const { cookie } of port.senders.splice(0)) {
    const wait = world.waits.get(cookie);
    if (wait !== undefined) wait.wanted = SUCCESS;
  }
  const wait = world.waits.get(port.receiver);
  if (wait !== undefined) wait.wanted = codes.MACH_RCV_PORT_DIED;
}
