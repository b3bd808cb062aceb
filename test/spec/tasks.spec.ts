// Acting on another task through its port (A10): whose names are meant, what a port gives, making and ending tasks, the host.

import { expect, test } from "vitest";
import {
  IKOT_HOST,
  IKOT_NONE,
  IKOT_TASK,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_NAME_EXISTS,
  KERN_NO_ACCESS,
  KERN_RIGHT_EXISTS,
  KERN_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_SEND_INVALID_DEST,
  TASK_BOOTSTRAP_PORT,
  TASK_HOST_PORT,
  TASK_KERNEL_PORT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot, type Machine } from "../lib/boot.js";
import { extractRight, getSrights, peek, rename } from "../lib/calls.js";
import { line } from "../lib/line.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

const FREE = 0x00020003;

/** The send rights in existence for a port. */
const sends = (space: Space, name: number) => getSrights(space, name).srights;

/** Two tasks; `a` has the port of `b`, and `other` is b as a acts on it. */
function partners(machine: Machine) {
  const [a, b] = [machine.task(), machine.task()];
  const port = give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a);
  return { a, b, port, other: a.on(port) };
}

function special({ traps, self }: Space, which: number): { code: number; name: number } {
  const word = new Uint32Array(1);
  const code = traps.task_get_special_port(self, which, word);
  return { code, name: word[0] ?? 0 };
}

function create({ traps, self }: Space): { code: number; child: number } {
  const word = new Uint32Array(1);
  const code = traps.task_create(self, 0, word);
  return { code, child: word[0] ?? 0 };
}

const register = ({ traps, self }: Space, ...ports: number[]) =>
  traps.mach_ports_register(self, Uint32Array.from(ports), ports.length);

function lookUp({ traps, self }: Space): number[] {
  const ports = { value: new Uint32Array(0) };
  expectCode(traps.mach_ports_lookup(self, ports), KERN_SUCCESS);
  return [...ports.value];
}

function kobject({ traps, self }: Space, name: number): { type: number; description: string } {
  const [type, address] = [new Uint32Array(1), new Uint32Array([1])];
  const description = { value: "" };
  expectCode(traps.mach_port_kobject_description(self, name, type, address, description), KERN_SUCCESS);
  expect(address[0]).toBe(0);
  return { type: type[0] ?? -1, description: description.value };
}

test("A10 a task's port means that task's names in every call on names", async () => {
  await using machine = await boot();
  const { a, b, other } = partners(machine);
  const mine = a.snapshot();
  const port = other.allocate();
  const set = other.allocate(MACH_PORT_RIGHT_PORT_SET);
  expect([b.type(port), other.type(port)]).toEqual([MACH_PORT_TYPE_RECEIVE, MACH_PORT_TYPE_RECEIVE]);
  expect(other.names()).toEqual(b.names());
  expectCode(other.allocateName(1, FREE), KERN_SUCCESS);
  expectCode(rename(other, FREE, FREE + 256), KERN_SUCCESS);
  expectCode(other.setQlimit(port, 7), KERN_SUCCESS);
  expectCode(other.setSeqno(port, 5), KERN_SUCCESS);
  expectCode(other.setMscount(port, 6), KERN_SUCCESS);
  expectCode(other.setContext(port, 8), KERN_SUCCESS);
  expect([other.context(port), b.context(port)]).toEqual([8, 8]);
  expect(other.status(port)).toMatchObject({ qlimit: 7, seqno: 5, mscount: 6 });
  expect(b.status(port)).toEqual(other.status(port));
  expectCode(other.insertMember(port, set), KERN_SUCCESS);
  expectCode(other.extractMember(port, set), KERN_SUCCESS);
  expectCode(other.moveMember(port, set), KERN_SUCCESS);
  expect([other.members(set), b.members(set)]).toEqual([[port], [port]]);
  const send = give(a, a.allocate(), MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(other.modRefs(send, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  expect(b.sends(send)).toBe(3);
  expectCode(other.deallocate(send), KERN_SUCCESS);
  expect(other.sends(send)).toBe(2);
  expect(getSrights(other, port)).toEqual({ code: KERN_SUCCESS, srights: 0 });
  expectCode(b.send({ remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, id: 77 }), KERN_SUCCESS);
  expect(peek(other, port)).toMatchObject({ code: KERN_SUCCESS, id: 77, seqno: 5 });
  for (const name of [port, set, FREE + 256, send]) expectCode(other.destroy(name), KERN_SUCCESS);
  expect(b.names()).toEqual(new Map([[b.self, MACH_PORT_TYPE_SEND]]));
  expect(a.names().size).toBe((mine as unknown[]).length + 1); // the port of `send`
});

test("A10 any send right for a task's port is one, and nothing else; of a dead one as of none", async () => {
  await using machine = await boot();
  const { a, b, outbox, carry, inbox } = line(machine);
  expectCode(carry({ name: a.self, disposition: MACH_MSG_TYPE_COPY_SEND }), KERN_SUCCESS);
  const port = b.take(inbox).descriptors[0]?.name ?? 0;
  const other = b.on(port);
  expect(other.type(outbox)).toBe(MACH_PORT_TYPE_SEND); // a's name
  const plain = b.allocateWithSend();
  for (const target of [MACH_PORT_NULL, MACH_PORT_DEAD, plain, inbox, outbox]) {
    if (b.has(target) && b.type(target) === MACH_PORT_TYPE_SEND) continue;
    expectUnchanged(MACH_SEND_INVALID_DEST, [a, b], () => b.on(target).tryAllocate(1).code);
  }
  a.task[Symbol.dispose]();
  expectCode(other.tryAllocate(1).code, MACH_SEND_INVALID_DEST);
  expect(b.type(port)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectCode(other.tryAllocate(1).code, MACH_SEND_INVALID_DEST);
  expectCode(b.deallocate(port), KERN_SUCCESS);
  expectCode(other.tryAllocate(1).code, MACH_SEND_INVALID_DEST);
});

test("A66 insert_right: the right is the caller's, its new name the target's", async () => {
  await using machine = await boot();
  const { a, b, other } = partners(machine);
  const port = a.allocate();
  expectCode(other.insertRight(FREE, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  expect([a.type(port), a.has(FREE)]).toEqual([MACH_PORT_TYPE_RECEIVE, false]);
  expect(b.type(FREE)).toBe(MACH_PORT_TYPE_SEND);
  expect(a.status(port)).toMatchObject({ mscount: 1, srights: 1 });
  expectCode(other.insertRight(FREE, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
  expect(b.sends(FREE)).toBe(2);
  expectCode(other.insertRight(FREE + 256, port, MACH_MSG_TYPE_MAKE_SEND_ONCE), KERN_SUCCESS);
  expect(b.type(FREE + 256)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expectCode(other.insertRight(FREE, port, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_SUCCESS);
  expect([a.has(port), b.type(FREE)]).toEqual([false, MACH_PORT_TYPE_SEND_RECEIVE]);
});

test("A66 insert_right into another task: what is refused of the right changes nothing, what of the name takes the right", async () => {
  await using machine = await boot();
  const { a, b, other } = partners(machine);
  const [port, theirs] = [a.allocateWithSend(), b.allocate()];
  const spaces = [a, b];
  const { insertRight } = { insertRight: other.insertRight.bind(other) };
  expectUnchanged(KERN_INVALID_NAME, spaces, () => insertRight(FREE, theirs + 0x7700, MACH_MSG_TYPE_MAKE_SEND));
  expectUnchanged(KERN_INVALID_RIGHT, spaces, () => insertRight(FREE, port, MACH_MSG_TYPE_MOVE_SEND_ONCE));
  expectUnchanged(KERN_INVALID_CAPABILITY, spaces, () => insertRight(FREE, 0, MACH_MSG_TYPE_MAKE_SEND));
  expectCode(a.modRefs(port, MACH_PORT_RIGHT_SEND, 2), KERN_SUCCESS);
  expectCode(insertRight(theirs, port, MACH_MSG_TYPE_MOVE_SEND), KERN_NAME_EXISTS);
  expect(a.sends(port)).toBe(2);
  expectCode(insertRight(FREE, port, MACH_MSG_TYPE_COPY_SEND), KERN_SUCCESS);
  expectCode(insertRight(FREE + 256, port, MACH_MSG_TYPE_MOVE_SEND), KERN_RIGHT_EXISTS);
  expect([a.sends(port), b.sends(FREE), a.status(port).srights]).toEqual([1, 1, 1]);
});

test("A69 extract_right: the name is the target's, the right comes to the caller", async () => {
  await using machine = await boot();
  const { a, b, port: task, other } = partners(machine);
  const port = b.allocate();
  const { name } = extractRight(other, port, MACH_MSG_TYPE_MAKE_SEND);
  expect(a.type(name)).toBe(MACH_PORT_TYPE_SEND);
  expect(extractRight(other, port, MACH_MSG_TYPE_MAKE_SEND)).toEqual({ code: KERN_SUCCESS, name, type: 17 });
  expect([a.sends(name), b.status(port).srights]).toEqual([2, 1]);
  const once = extractRight(other, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
  expect(a.type(once.name)).toBe(MACH_PORT_TYPE_SEND_ONCE);
  expect(extractRight(other, port, MACH_MSG_TYPE_MOVE_RECEIVE)).toEqual({ code: KERN_SUCCESS, name, type: 16 });
  expect([b.has(port), a.type(name)]).toEqual([false, MACH_PORT_TYPE_SEND_RECEIVE]);
  expectUnchanged(KERN_INVALID_NAME, [a, b], () => extractRight(other, name + 0x7700, MACH_MSG_TYPE_COPY_SEND).code);
  expect(extractRight(other, b.self, MACH_MSG_TYPE_COPY_SEND).name).toBe(task);
});

test("A138 request_notification: the name is the target's, the right to be told with and the one before are the caller's", async () => {
  await using machine = await boot();
  const { a, b, other } = partners(machine);
  const [told, port] = [a.allocate(), b.allocate()];
  for (const id of [MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_NO_SENDERS, MACH_NOTIFY_PORT_DESTROYED]) {
    const ask = (notify: number) => other.request(port, id, notify, { sync: id === MACH_NOTIFY_NO_SENDERS ? 9 : 0 });
    expect(ask(told)).toEqual({ code: KERN_SUCCESS, previous: MACH_PORT_NULL });
    const { code, previous } = ask(told);
    expectCode(code, KERN_SUCCESS);
    expect([a.type(previous), b.has(previous)]).toEqual([MACH_PORT_TYPE_SEND_ONCE, false]);
    expect(a.status(told).sorights).toBe(2);
    const moved = { disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE, sync: id === MACH_NOTIFY_NO_SENDERS ? 9 : 0 };
    expect(a.type(other.request(port, id, previous, moved).previous)).toBe(MACH_PORT_TYPE_SEND_ONCE);
    for (const name of a.names().keys()) if (a.type(name) === MACH_PORT_TYPE_SEND_ONCE) a.destroy(name);
    ask(0);
    for (const name of a.names().keys()) if (a.type(name) === MACH_PORT_TYPE_SEND_ONCE) a.destroy(name);
    while (a.receive(told).code === KERN_SUCCESS);
    expect(a.status(told).sorights).toBe(0);
  }
  const send = give(a, a.allocate(), MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(other.request(send, MACH_NOTIFY_DEAD_NAME, told).code, KERN_SUCCESS);
  expectCode(b.deallocate(send), KERN_SUCCESS);
  expect(a.take(told).id).toBe(65); // port-deleted, with b's name
  expectUnchanged(KERN_INVALID_NAME, [a, b], () => other.request(port, MACH_NOTIFY_DEAD_NAME, FREE).code);
});

test("A208 special ports of another task: the port that is set is the caller's, and so is the name that is got", async () => {
  await using machine = await boot();
  const { a, b, port, other } = partners(machine);
  const send = a.allocateWithSend();
  expectCode(other.traps.task_set_special_port(port, TASK_BOOTSTRAP_PORT, send), KERN_SUCCESS);
  expect([a.sends(send), a.status(send).srights]).toEqual([0, 1]);
  expect(special(other, TASK_BOOTSTRAP_PORT)).toEqual({ code: KERN_SUCCESS, name: send });
  const word = new Uint32Array(1);
  expectCode(a.traps.task_get_bootstrap_port(port, word), KERN_SUCCESS);
  expect([word[0], a.sends(send)]).toEqual([send, 2]);
  expect(b.type(special(b, TASK_BOOTSTRAP_PORT).name)).toBe(MACH_PORT_TYPE_SEND);
  expect(special(other, TASK_KERNEL_PORT).name).toBe(port);
  expectCode(a.traps.task_set_bootstrap_port(port, MACH_PORT_NULL), KERN_SUCCESS);
  expect(special(other, TASK_BOOTSTRAP_PORT)).toEqual({ code: KERN_SUCCESS, name: MACH_PORT_NULL });
  for (const which of [TASK_KERNEL_PORT, TASK_HOST_PORT]) {
    expectUnchanged(KERN_NO_ACCESS, [a, b], () => a.traps.task_set_special_port(port, which, send));
  }
});

test("A168 a child begins with an empty space, is its maker's by its port, and ends by it", async () => {
  await using machine = await boot();
  const a = machine.task();
  const before = machine.census();
  const { code, child } = create(a);
  expectCode(code, KERN_SUCCESS);
  expect([a.type(child), a.sends(child)]).toEqual([MACH_PORT_TYPE_SEND, 1]);
  const other = a.on(child);
  expect(other.names().size).toBe(0);
  const [port, kept] = [other.allocate(), a.allocate()];
  expectCode(other.insertRight(FREE, kept, MACH_MSG_TYPE_MAKE_SEND_ONCE), KERN_SUCCESS);
  const { name } = extractRight(other, port, MACH_MSG_TYPE_MAKE_SEND);
  const grand = create(other); // the child's child; its port is a's
  expectCode(grand.code, KERN_SUCCESS);
  expectCode(other.traps.task_terminate(child), KERN_SUCCESS);
  expect([a.type(name), a.type(child)]).toEqual([MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_TYPE_DEAD_NAME]);
  expect(a.take(kept).id).toBe(71); // its send-once right was destroyed
  expectCode(other.traps.task_terminate(child), MACH_SEND_INVALID_DEST);
  expect(a.on(grand.child).names().size).toBe(0); // it lives
  expectCode(a.traps.task_terminate(grand.child), KERN_SUCCESS);
  for (const each of [name, child, grand.child, kept]) expectCode(a.destroy(each), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A208 a child begins with the bootstrap port and the registered ports of its parent, who need not be its maker", async () => {
  await using machine = await boot();
  const { a, b, other } = partners(machine);
  const [first, second] = [a.allocateWithSend(), a.allocateWithSend()];
  expectCode(other.traps.task_set_special_port(other.self, TASK_BOOTSTRAP_PORT, first), KERN_SUCCESS);
  expectCode(register(other, second, MACH_PORT_NULL, first), KERN_INVALID_RIGHT); // its only send right went
  expectCode(register(other, second), KERN_SUCCESS);
  const child = a.on(create(other).child);
  expect([sends(a, first), sends(a, second)]).toEqual([2, 3]); // of b and of its child; and a's own
  b.task[Symbol.dispose]();
  expect(special(child, TASK_BOOTSTRAP_PORT).name).toBe(first);
  expect(lookUp(child)).toEqual([second, MACH_PORT_NULL, MACH_PORT_NULL]);
  expectCode(child.traps.task_terminate(child.self), KERN_SUCCESS);
  expect([sends(a, first), sends(a, second)]).toEqual([1, 1]);
});

test("a task keeps three registered ports, which each look-up copies", async () => {
  await using machine = await boot();
  const { a, b, other } = partners(machine);
  const [port, theirs] = [a.allocateWithSend(), b.allocate()];
  const send = give(b, theirs, MACH_MSG_TYPE_MAKE_SEND, a);
  expect(lookUp(b)).toEqual([0, 0, 0]);
  expectCode(register(other, port, send, port), KERN_SUCCESS);
  expect([a.sends(port), a.sends(send), sends(a, port)]).toEqual([1, 1, 3]);
  const [mine, own, again] = lookUp(b);
  expect([own, again]).toEqual([theirs, mine]);
  expect([b.sends(mine ?? 0), b.sends(theirs)]).toEqual([2, 1]);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a, b], () => register(other, 0, 0, 0, 0));
  expectUnchanged(KERN_INVALID_ARGUMENT, [a, b], () => a.traps.mach_ports_register(other.self, new Uint32Array(1), 2));
  expectUnchanged(KERN_INVALID_NAME, [a, b], () => register(other, port, FREE));
  const set = a.allocate(MACH_PORT_RIGHT_PORT_SET);
  expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => register(other, port, set));
  expectCode(register(other, MACH_PORT_DEAD, port), KERN_SUCCESS);
  expectCode(a.destroy(port), KERN_SUCCESS);
  expect(lookUp(other)).toEqual([MACH_PORT_DEAD, MACH_PORT_DEAD, MACH_PORT_NULL]);
  expectCode(register(other), KERN_SUCCESS);
  expect(lookUp(other)).toEqual([0, 0, 0]);
});

test("A197 kobject tells tasks and the host from other ports", async () => {
  await using machine = await boot();
  const { a, b, port, other } = partners(machine);
  const host = a.traps.mach_host_self();
  expect(a.traps.host_self()).toBe(host);
  expect([a.type(host), a.sends(host)]).toEqual([MACH_PORT_TYPE_SEND, 2]);
  expect(special(a, TASK_HOST_PORT)).toEqual({ code: KERN_SUCCESS, name: host });
  expect(kobject(a, host)).toEqual({ type: IKOT_HOST, description: "host" });
  expect(kobject(a, port).type).toBe(IKOT_TASK);
  expect(kobject(a, port)).toEqual(kobject(b, b.self));
  expect(kobject(other, b.self)).toEqual(kobject(b, b.self));
  expect(kobject(a, a.self)).not.toEqual(kobject(a, port));
  expect(kobject(a, a.allocate()).type).toBe(IKOT_NONE);
  expect(special(other, TASK_HOST_PORT).name).toBe(host);
  expect(a.sends(host)).toBe(4);
  expectCode(a.on(host).tryAllocate(1).code, MACH_SEND_INVALID_DEST);
  expect(a.task.processor.core.mach_host_self(0)).toBe(0);
});
