// What every call answers in the same way: closed kernel, ended task, a task name that is none, no memory. The calls and their
// parameters are read from their documentation, so that a new call is in here by itself.

import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { calls } from "../../scripts/lib/calls.mjs";
import {
  KERN_INVALID_TASK,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
  KERN_TERMINATED,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_PORT_DEAD,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_RIGHT_SEND_ONCE,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_MSG,
  MACH_RCV_TIMEOUT,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_NO_BUFFER,
  MPO_INSERT_SEND_RIGHT,
  TASK_BOOTSTRAP_PORT,
  VM_FLAGS_ANYWHERE,
  VM_INHERIT_NONE,
  VM_PROT_READ,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { allocate, PAGE, tryAllocate } from "../lib/memory.js";
import { setWord } from "../lib/message.js";
import { expectCode, give, Space, spell } from "../lib/space.js";

const listed = calls().filter(({ returns }) => returns === "");

/** Calls `call` with arguments of the right types: numbers by the parameter's name, else 1. */
function tryCall(
  space: Space,
  { call, signature }: { call: string; signature: string },
  known: Record<string, number>,
): number {
  const parameters = [...signature.matchAll(/(\w+): ([\w<>]+)/g)];
  const given = parameters.map(([, name = "", type]) => {
    if (type === "number") return known[name] ?? 1;
    if (type === "boolean") return true;
    if (type === "Uint32Array") return new Uint32Array(16).fill(10);
    if (type === "Uint8Array") {
      const msg = new Uint8Array(64);
      setWord(msg, 4, 24);
      return msg;
    }
    return type === "Demux" ? () => false : { value: new Uint32Array(0) };
  });
  const calls = space.traps as unknown as Record<string, (...all: unknown[]) => number>;
  return calls[call]?.(...given) ?? -1;
}

const MESSAGE = { option: 0, send_size: 24, rcv_size: 64, slot_size: 64 };

test("A10 every call of a task that has ended answers INVALID_TASK", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  a.task[Symbol.dispose]();
  const answers = listed.map((entry) => [
    entry.call,
    spell(tryCall(a, entry, { ...MESSAGE, task: a.self, name: port })),
  ]);
  expect(answers).toEqual(listed.map(({ call }) => [call, spell(KERN_INVALID_TASK)]));
});

test("A10 every call on a name that is no task port answers INVALID_DEST and changes nothing", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  const before = a.snapshot();
  const ofTask = listed.filter(({ params }) => params.some(([name]) => name === "task"));
  expect(ofTask.length).toBeGreaterThan(20);
  for (const task of [0, MACH_PORT_DEAD, 0x12345603, port]) {
    const answers = ofTask.map((entry) => [entry.call, spell(tryCall(a, entry, { task, name: port }))]);
    expect(answers).toEqual(ofTask.map(({ call }) => [call, spell(MACH_SEND_INVALID_DEST)]));
  }
  expect(a.snapshot()).toEqual(before);
});

test("every call answers TERMINATED when the kernel was closed", async () => {
  const kernel = await Kernel.boot();
  const a = new Space(kernel.createTask({ name: "a" }));
  const port = a.allocate();
  await kernel.close();
  const answers = listed.map((entry) => [
    entry.call,
    spell(tryCall(a, entry, { ...MESSAGE, task: a.self, name: port })),
  ]);
  expect(answers).toEqual(listed.map(({ call }) => [call, spell(KERN_TERMINATED)]));
  const { traps: mach } = a;
  expect([mach.mach_reply_port(), mach.mach_host_self(), mach.host_self()]).toEqual([0, 0, 0]);
  expect(mach.thread_get_special_reply_port()).toBe(0);
});

test("without memory a call that needs some answers RESOURCE_SHORTAGE and changes nothing", async () => {
  await using kernel = await Kernel.boot({ maximumBytes: 4 << 20 });
  const a = new Space(kernel.createTask({ name: "a" }));
  const port = a.allocateWithSend();
  const [other, ...sets] = Array.from({ length: 9 }, () => a.allocate(MACH_PORT_RIGHT_PORT_SET)) as [
    number,
    ...number[],
  ];
  const spare = Array.from({ length: 600 }, () => a.allocate());
  const once = give(a, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.insertMember(port, other), KERN_SUCCESS);
  const memory = allocate(a, 8 * PAGE);
  exhaust(a, spare, sets);
  while (tryAllocate(a, 1).code !== KERN_RESOURCE_SHORTAGE);
  const set = sets[0] as number;
  const middle = memory + 3 * PAGE;

  const before = a.core.zone_count(0);
  const word = new Uint32Array(1);
  const list = { value: new Uint32Array(0) };
  const { traps: mach, self } = a;
  const short = [
    mach.mach_port_allocate(self, MACH_PORT_RIGHT_RECEIVE, word),
    mach.mach_port_allocate(self, MACH_PORT_RIGHT_PORT_SET, word),
    mach.mach_port_allocate_name(self, MACH_PORT_RIGHT_RECEIVE, 0x40003),
    mach.mach_port_construct(self, new Uint32Array([MPO_INSERT_SEND_RIGHT]), 0, word),
    mach.mach_port_insert_right(self, port, port, MACH_MSG_TYPE_MAKE_SEND),
    mach.mach_port_extract_right(self, port, MACH_MSG_TYPE_MAKE_SEND, word, word),
    mach.mach_port_request_notification(self, port, MACH_NOTIFY_DEAD_NAME, 0, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, word),
    mach.mach_port_insert_member(self, port, set),
    mach.mach_port_move_member(self, port, set),
    mach.mach_port_names(self, list, list),
    mach.mach_port_space_basic_info(self, word),
    mach.mach_port_space_info(self, word, { value: [] }),
    mach.mach_port_get_set_status(self, other, list),
    mach.mach_port_deallocate(self, once),
    mach.mach_port_destroy(self, once),
    mach.mach_port_mod_refs(self, once, MACH_PORT_RIGHT_SEND_ONCE, -1),
    mach.task_get_special_port(self, TASK_BOOTSTRAP_PORT, word),
    mach.task_set_special_port(self, TASK_BOOTSTRAP_PORT, 0),
    mach.task_create(self, 0, word),
    mach.mach_ports_register(self, word, 0),
    mach.mach_ports_lookup(self, list),
    mach.mach_msg(new Uint8Array(64), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 64, port, 1, 0),
    mach.vm_allocate(self, word, 1, VM_FLAGS_ANYWHERE),
    mach.vm_deallocate(self, middle, 1),
    mach.vm_protect(self, middle, 1, false, VM_PROT_READ),
    mach.vm_inherit(self, middle, 1, VM_INHERIT_NONE),
    mach.vm_read(self, middle, 1, word, word),
    mach.vm_read_overwrite(self, middle, 1, new Uint8Array(1), word),
    mach.vm_write(self, middle, new Uint8Array(1)),
    mach.vm_copy(self, memory, 1, middle),
  ];
  expect(short.map(spell)).toEqual(short.map(() => spell(KERN_RESOURCE_SHORTAGE)));
  expect([mach.mach_reply_port(), mach.thread_get_special_reply_port()]).toEqual([0, 0]);
  const draft = { remote: port, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND };
  expectCode(a.send(draft), MACH_SEND_NO_BUFFER);
  expect(a.core.zone_count(0)).toBe(before);
  expect(a.refs(once, MACH_PORT_RIGHT_SEND_ONCE)).toBe(1);
  expect(a.sends(port)).toBe(1);
});

/** Takes all memory: messages of every kind, ports, sets, links, requests, waiters. */
function exhaust(a: Space, spare: number[], sets: number[]): void {
  const at = (list: number[], index: number): number => list[index % list.length] as number;
  const { core, handle, self } = a;
  const { processor } = a.task;
  const until = (code: number, call: (index: number) => number): void => {
    let index = 0;
    while (call(index++) !== code) if (index > 100_000) throw new Error("memory does not end");
  };
  for (const size of [1 << 20, 1 << 16, 4096, 1024, 24]) {
    until(0, () => core.mach_msg_prepare(handle, size, 0));
  }
  until(KERN_RESOURCE_SHORTAGE, () => core.mach_port_allocate(handle, self, MACH_PORT_RIGHT_RECEIVE));
  until(KERN_RESOURCE_SHORTAGE, () => core.mach_port_allocate(handle, self, MACH_PORT_RIGHT_PORT_SET));
  until(KERN_RESOURCE_SHORTAGE, (index) =>
    a.insertMember(at(spare, index), at(sets, Math.floor(index / spare.length))),
  );
  const waiting = (index: number): number => {
    const cookie = processor.expect(() => {});
    const code = core.mach_msg_receive_async(handle, at(spare, index), MACH_RCV_MSG, 1024, cookie) >>> 0;
    if (code !== MACH_RCV_IN_PROGRESS) processor.forget(cookie);
    return code;
  };
  until(KERN_RESOURCE_SHORTAGE, waiting);
}
