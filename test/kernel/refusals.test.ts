// Codes of calls that are refused for what a library never does: tasks that have ended, memory that is used up, processors that are
// none; and what is left of such calls, which is nothing.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { expectKr, Machine, type Space } from "./machine.ts";
import { exhaust } from "./scarce.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const MOVE = codes.MACH_MSG_TYPE_MOVE_SEND;
const ONCE = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
const RECEIVE = codes.MACH_PORT_RIGHT_RECEIVE;
const DEAD = codes.MACH_PORT_RIGHT_DEAD_NAME;
const MPO_INSERT_SEND_RIGHT = 0x10;

/** What a call answers, with the names of codes. */
const spell = (code: number) => codes.codeName(code >>> 0);

function pair(pages?: number, initial?: number) {
  const machine = new Machine(pages, initial);
  const [one, two] = [machine.agent(1), machine.agent(2)];
  return { machine, one, two, a: one.task(), b: two.task() };
}

/** Repeats a call until it is refused. Returns the code. */
function untilRefused(call: () => number): string {
  for (;;) {
    const code = call() >>> 0;
    if (code !== codes.KERN_SUCCESS) return spell(code);
  }
}

/** Each call on another task, by a task. */
function onOther({ agent: { core }, handle }: Space, other: number, own: number): Record<string, () => number> {
  return {
    mach_port_allocate: () => core.mach_port_allocate(handle, other, RECEIVE),
    mach_port_construct: () => core.mach_port_construct(handle, other, 0, 0, 0),
    mach_port_destruct: () => core.mach_port_destruct(handle, other, own, 0, 0),
    mach_port_guard_with_flags: () => core.mach_port_guard_with_flags(handle, other, own, 1, 0),
    mach_port_unguard: () => core.mach_port_unguard(handle, other, own, 1),
    mach_port_assert_attributes: () => core.mach_port_assert_attributes(handle, other, own, 1, 0),
    mach_port_set_context: () => core.mach_port_set_context(handle, other, own, 1),
    mach_port_names: () => core.mach_port_names(handle, other),
    mach_port_insert_right: () => core.mach_port_insert_right(handle, other, 0x1003, own, MAKE),
    mach_port_extract_right: () => core.mach_port_extract_right(handle, other, own, COPY),
    mach_port_request_notification: () =>
      core.mach_port_request_notification(handle, other, own, codes.MACH_NOTIFY_DEAD_NAME, 0, own, ONCE),
    mach_port_kobject: () => core.mach_port_kobject(handle, other, own),
    mach_ports_register: () => core.mach_ports_register(handle, other, 1, 0, 0, 0),
    mach_ports_lookup: () => core.mach_ports_lookup(handle, other),
    task_get_special_port: () => core.task_get_special_port(handle, other, codes.TASK_BOOTSTRAP_PORT),
    task_set_special_port: () => core.task_set_special_port(handle, other, codes.TASK_BOOTSTRAP_PORT, 0),
    task_create_child: () => core.task_create_child(handle, other),
    task_terminate_target: () => core.task_terminate_target(handle, other),
  };
}

/** Each call on another task's memory. */
function onMemory({ agent: { core }, handle }: Space, other: number): Record<string, () => number> {
  return {
    vm_allocate: () => core.vm_allocate(handle, other, 0, 1, codes.VM_FLAGS_ANYWHERE),
    vm_deallocate: () => core.vm_deallocate(handle, other, 0, 1),
    vm_protect: () => core.vm_protect(handle, other, 0, 1, 0, 0),
    vm_inherit: () => core.vm_inherit(handle, other, 0, 1, 0),
    vm_read: () => core.vm_read(handle, other, 0, 1),
    vm_read_overwrite: () => core.vm_read_overwrite(handle, other, 0, 1, 0),
    vm_write: () => core.vm_write(handle, other, 0, 0, 1),
    vm_copy: () => core.vm_copy(handle, other, 0, 1, 0),
    vm_region: () => core.vm_region(handle, other, 0),
    mach_make_memory_entry: () => core.mach_make_memory_entry(handle, other, 1, 0, 0, 0),
    vm_map: () => core.vm_map(handle, other, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    vm_remap: () => core.vm_remap(handle, other, 0, 1, 0, 0, other, 0, 0, 0),
  };
}

const all = (calls: Record<string, () => number>) =>
  Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, spell(call())]));
const each = (calls: Record<string, () => number>, code: string) =>
  Object.fromEntries(Object.keys(calls).map((name) => [name, code]));

describe("a task that has ended", () => {
  test("makes no call, and is nobody's to be acted on", () => {
    const { machine, one, two, a, b } = pair();
    const port = a.allocate();
    const own = b.allocate();
    const name = b.give(b.self, COPY, a);
    const { handle, self } = b;
    b.terminate();
    const late = Object.create(b, { handle: { value: handle } }) as Space;
    const onAll = (...[space, other, port]: Parameters<typeof onOther>) => ({
      ...onOther(space, other, port),
      ...onMemory(space, other),
    });
    expect(all(onAll(late, self, own))).toEqual(each(onAll(late, self, own), "KERN_INVALID_TASK"));
    const dest = onAll(a, name, port);
    expect(all(dest)).toEqual(each(dest, "MACH_SEND_INVALID_DEST"));
    const none = onAll(a, 0x7703, port);
    expect(all(none)).toEqual(each(none, "MACH_SEND_INVALID_DEST"));
    const noTask = onAll(a, port, port);
    expect(all(noTask)).toEqual(each(noTask, "MACH_SEND_INVALID_DEST"));
    for (const { core } of [one, two]) {
      expect(spell(core.task_create(handle, 0, 0))).toBe("KERN_INVALID_TASK");
      expect(spell(core.task_attach(handle))).toBe("KERN_INVALID_TASK");
      expect(spell(core.task_terminate(handle))).toBe("KERN_INVALID_TASK");
      expect(spell(core.task_insert_right(a.handle, port, MAKE, handle))).toBe("KERN_INVALID_TASK");
      expect(spell(core.task_insert_right(handle, own, MAKE, a.handle))).toBe("KERN_INVALID_TASK");
      expect(spell(core.vm_lease(handle, 0x1000, 1, 0))).toBe("KERN_INVALID_TASK");
      expect(spell(core.vm_compact(handle, 0x1000, 1))).toBe("KERN_INVALID_TASK");
      expect(core.mach_task_self(handle)).toBe(0);
      expect(core.mach_host_self(handle)).toBe(0);
      expect(core.mach_reply_port(handle)).toBe(0);
      expect(core.thread_get_special_reply_port(handle)).toBe(0);
      expect(core.mach_msg_prepare(handle, 24, 0)).toBe(0);
    }
    expect(machine.census(one)).toMatchObject({ TASK: 1 });
    a.terminate();
    expect(machine.census(one)).toEqual({});
    expect(one.core.kernel_check()).toBe(0);
  });

  test("and that waits for memory to tell of its rights makes and takes no call either", () => {
    const { machine, one, two, a, b } = pair();
    const reply = a.allocate();
    a.give(reply, ONCE, b);
    const name = b.give(b.self, COPY, a);
    const port = a.allocate();
    const kept = a.give(port, MAKE, a);
    expectKr(a.request(port, codes.MACH_NOTIFY_NO_SENDERS, reply), codes.KERN_SUCCESS);
    expectKr(a.request(port, codes.MACH_NOTIFY_NO_SENDERS, 0), codes.KERN_SUCCESS); // there is one to be used again
    const held = a.prepare({ remote: kept, remoteDisposition: COPY });
    const mscount = () => {
      expectKr(one.core.mach_port_get_attributes(a.handle, a.self, port, codes.MACH_PORT_RECEIVE_STATUS, 10), 0);
      return Array.from({ length: 10 }, (_, index) => one.out(index));
    };
    const [other, free] = [exhaust(b), exhaust(a)];
    expectKr(two.core.task_terminate(b.handle), codes.KERN_SUCCESS);
    free();
    expect(machine.census(one).TASK).toBe(2);
    const before = mscount();
    const calls = onOther(a, name, port);
    expect(all(calls)).toEqual(each(calls, "KERN_INVALID_TASK"));
    expect(spell(one.core.task_create(b.handle, 0, 0))).toBe("KERN_INVALID_TASK");
    expect(spell(one.core.task_insert_right(a.handle, port, MAKE, b.handle))).toBe("KERN_INVALID_TASK");
    expect(one.core.mach_reply_port(b.handle)).toBe(0);
    const option = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
    const sent = one.core.mach_msg_trap(b.handle, held.kmsg, option, held.size, 0, 0, 0, 0);
    expect(spell(sent)).toBe("KERN_INVALID_TASK");
    expectKr(one.core.mach_msg_release(held.kmsg), codes.KERN_SUCCESS);
    const after = mscount();
    // insert_right makes the right before it knows that nobody takes it: the make-send count stays. The right to be notified with
    // is used for the message that says so.
    const more = [0, 0, 1, 0, 1, 1, 0, 0, 0, 0];
    expect(after).toEqual(before.map((value, index) => value + (more[index] as number)));
    expect(a.ids(port)).toEqual([codes.MACH_NOTIFY_SEND_ONCE]);
    expect(a.refs(kept, codes.MACH_PORT_RIGHT_SEND)).toBe(1);
    other();
    two.core.zone_count(0);
    expect(machine.census(one).TASK).toBe(1);
    a.terminate();
    expect(machine.census(one)).toEqual({});
    expect(one.core.kernel_check()).toBe(0);
  });
});

describe("when memory is used up", () => {
  test("every call that needs some says so", () => {
    const { machine, one, two, a, b } = pair();
    const { core } = one;
    const self = b.give(b.self, COPY, a);
    const spare = Array.from({ length: 4 }, () => a.prepare({}).kmsg);
    const port = a.allocate();
    const [set, note] = [a.allocate(codes.MACH_PORT_RIGHT_PORT_SET), a.allocate()];
    const names = Array.from({ length: 4000 }, () => a.allocate(DEAD));
    const small = core.task_create(0, 2, 0);
    expectKr(small, codes.KERN_SUCCESS);
    const few = new (a.constructor as typeof import("./machine.ts").Space)(one, one.out(0), one.out(1)).attach();
    expect([few.allocate(), few.allocate()].length).toBe(2);
    expect(spell(core.mach_port_allocate(few.handle, few.self, RECEIVE))).toBe("KERN_RESOURCE_SHORTAGE");
    expect(spell(core.mach_port_construct(few.handle, few.self, 0, 0, 0))).toBe("KERN_RESOURCE_SHORTAGE");
    const [freeB, freeA] = [exhaust(b), exhaust(a)];
    expect(spell(core.mach_port_allocate_name(a.handle, a.self, DEAD, ((1 << 18) << 8) | 3))).toBe("KERN_NO_SPACE");
    expect(spell(core.mach_port_allocate_name(a.handle, a.self, DEAD, (200_000 << 8) | 3))).toBe("KERN_NO_SPACE");
    for (const name of names) expectKr(a.deallocate(name), codes.KERN_SUCCESS); // names there are
    const shortage = "KERN_RESOURCE_SHORTAGE";
    const tasks: number[] = [];
    expect(
      untilRefused(() => {
        const code = core.task_create(0, 0, 0);
        if (code === codes.KERN_SUCCESS) tasks.push(one.out(0));
        return code;
      }),
    ).toBe(shortage);
    expect(untilRefused(() => core.mach_port_allocate(a.handle, a.self, RECEIVE))).toBe(shortage);
    expect(untilRefused(() => core.mach_port_construct(a.handle, a.self, 0, 0, 0))).toBe(shortage);
    expect(core.mach_reply_port(a.handle)).toBe(0);
    expect(core.thread_get_special_reply_port(a.handle)).toBe(0);
    expect(untilRefused(() => core.mach_port_allocate(a.handle, a.self, codes.MACH_PORT_RIGHT_PORT_SET))).toBe(
      shortage,
    );
    const { mach_port_construct: _made, ...calls } = {
      mach_ports_register: () => core.mach_ports_register(a.handle, self, 1, 0, 0, 0),
      mach_ports_lookup: () => core.mach_ports_lookup(a.handle, self),
      task_get_special_port: () => core.task_get_special_port(a.handle, self, codes.TASK_HOST_PORT),
      task_set_special_port: () => core.task_set_special_port(a.handle, self, codes.TASK_BOOTSTRAP_PORT, 0),
      task_create_child: () => core.task_create_child(a.handle, self),
      task_insert_right: () => core.task_insert_right(a.handle, port, MAKE, b.handle),
      mach_port_insert_right: () => core.mach_port_insert_right(a.handle, a.self, port, port, MAKE),
      mach_port_insert_right_other: () => core.mach_port_insert_right(a.handle, self, 0x1003, port, MAKE),
      mach_port_extract_right: () => core.mach_port_extract_right(a.handle, self, self, COPY),
      mach_port_request_notification: () => a.request(port, codes.MACH_NOTIFY_NO_SENDERS, note),
      mach_port_names: () => core.mach_port_names(a.handle, a.self),
      mach_port_construct: () => 0,
    };
    expect(all(calls)).toEqual(each(calls, shortage));
    expect(core.mach_host_self(a.handle)).toBe(0);
    expect(core.mach_msg_prepare(a.handle, 24, 0)).toBe(0);
    expect(spell(one.out(1))).toBe("MACH_SEND_NO_BUFFER");
    // A message for the call alone: what it would carry has no room.
    expectKr(core.mach_msg_release(spare.pop() as number), codes.KERN_SUCCESS);
    expect(spell(core.task_create_child(a.handle, self))).toBe(shortage);
    expect(spell(a.request(port, codes.MACH_NOTIFY_NO_SENDERS, note))).toBe(shortage);
    expectKr(core.mach_msg_release(spare.pop() as number), codes.KERN_SUCCESS);
    expect(spell(core.task_create_child(a.handle, self))).toBe(shortage);
    for (const kmsg of spare) core.mach_msg_release(kmsg);
    for (const handle of tasks) expectKr(core.task_terminate(handle), codes.KERN_SUCCESS);
    expect([a.type(port), a.type(set), a.type(note)]).toEqual([0x20000, 0x80000, 0x20000]);
    freeA();
    freeB();
    for (const space of [few, a, b]) space.terminate();
    two.core.zone_count(0);
    expect(machine.census(one)).toEqual({});
    expect(one.core.kernel_check()).toBe(0);
  });

  test("a send-once right in a message that is destroyed is told of later", () => {
    const { machine, one, two, a, b } = pair();
    const inbox = b.allocate();
    const out = b.give(inbox, MAKE, a);
    const reply = a.allocate();
    const descriptors = [1, 2].map(() => ({ name: reply, disposition: ONCE }));
    expectKr(a.send({ remote: out, remoteDisposition: COPY, id: 1, descriptors }), codes.MACH_MSG_SUCCESS);
    const [freeB, freeA] = [exhaust(b), exhaust(a)];
    b.destroy(inbox);
    freeA();
    expect(a.ids(reply).length).toBeLessThanOrEqual(1);
    freeB();
    two.core.zone_count(0);
    a.ids(reply);
    expect(machine.census(one)).toMatchObject({ TASK: 2 });
    for (const space of [a, b]) space.terminate();
    expect(machine.census(one)).toEqual({});
    expect(one.core.kernel_check()).toBe(0);
  });

  test("a space whose hash cannot grow gets no more send rights, and keeps what it has", () => {
    const { machine, one, a, b } = pair();
    const { core } = one;
    // With the task port three quarters of the smallest hash.
    const name = b.give(b.self, COPY, a);
    for (let n = 0; n < 766; n++) b.give(b.allocate(), MAKE, a);
    const [own, more] = [a.allocate(), a.allocate()];
    const theirs = b.allocate();
    const nameOfA = a.give(a.self, COPY, b);
    const kept = b.give(b.allocate(), MAKE, b);
    expectKr(b.agent.core.mach_ports_register(b.handle, b.self, 1, kept, 0, 0), codes.KERN_SUCCESS);
    const spare = [1, 2, 3, 4].map(() => a.prepare({}).kmsg);
    const [freeB, freeA] = [exhaust(b), exhaust(a)];
    for (const kmsg of spare) expectKr(core.mach_msg_release(kmsg), codes.KERN_SUCCESS);
    const codesOf = [
      core.mach_port_insert_right(a.handle, a.self, own, own, MAKE),
      core.mach_port_construct(a.handle, a.self, MPO_INSERT_SEND_RIGHT, 0, 0),
      core.task_insert_right(b.handle, theirs, MAKE, a.handle),
      core.task_insert_right(a.handle, own, MAKE, a.handle),
      core.mach_port_extract_right(a.handle, name, theirs, MAKE),
    ];
    expect(codesOf.map(spell)).toEqual(codesOf.map(() => "KERN_RESOURCE_SHORTAGE"));
    expect(spell(core.mach_ports_lookup(a.handle, name))).toBe("KERN_RESOURCE_SHORTAGE");
    const fresh = (1000 << 8) | 3; // in a chunk that is there
    const { core: theirCore } = b.agent;
    expect(spell(theirCore.mach_port_insert_right(b.handle, nameOfA, fresh, theirs, MAKE))).toBe(
      "KERN_RESOURCE_SHORTAGE",
    );
    expect(core.mach_host_self(a.handle)).toBe(0);
    expect(core.thread_get_special_reply_port(a.handle)).toBe(0);
    expect([a.type(own), a.type(more)]).toEqual([0x20000, 0x20000]);
    freeA();
    freeB();
    expectKr(core.mach_port_insert_right(a.handle, a.self, own, own, MAKE), codes.KERN_SUCCESS);
    expect(a.refs(own, codes.MACH_PORT_RIGHT_SEND)).toBe(1);
    expectKr(core.mach_port_insert_right(a.handle, a.self, 0x7000_03, own, MOVE), codes.KERN_RIGHT_EXISTS);
    for (const space of [a, b]) space.terminate();
    expect(machine.census(one)).toEqual({ PORT: 1 }); // the host's
    expect(one.core.kernel_check()).toBe(0);
  });
});

test("what is no disposition, and what is no name, is refused with its own code", () => {
  const { one, a, b } = pair();
  const { core } = one;
  const port = a.allocate();
  const id = codes.MACH_NOTIFY_NO_SENDERS;
  for (const disposition of [0, 15, 16, 19, 20, 22, 99]) {
    const kr = core.mach_port_request_notification(a.handle, a.self, port, id, 0, port, disposition);
    expect(spell(kr)).toBe("KERN_INVALID_VALUE");
  }
  for (const disposition of [0, 15, 22, 99]) {
    expect(spell(core.task_insert_right(a.handle, port, disposition, b.handle))).toBe("KERN_INVALID_VALUE");
  }
  for (const disposition of [0, 15, 99]) {
    expect(spell(core.mach_port_extract_right(a.handle, a.self, port, disposition))).toBe("KERN_INVALID_VALUE");
    expect(spell(core.mach_port_insert_right(a.handle, a.self, 0x7703, port, disposition))).toBe("KERN_INVALID_VALUE");
  }
  expect(spell(core.task_insert_right(a.handle, 0x7703, MAKE, b.handle))).toBe("KERN_INVALID_NAME");
  expect(spell(core.task_insert_right(a.handle, port, COPY, b.handle))).toBe("KERN_INVALID_RIGHT");
  for (const name of [0, 0xffffffff]) {
    expect(spell(core.mach_port_get_set_status(a.handle, a.self, name))).toBe("KERN_INVALID_RIGHT");
  }
  expect(spell(core.mach_port_get_set_status(a.handle, a.self, port))).toBe("KERN_INVALID_RIGHT");
  expect(spell(core.mach_port_get_set_status(a.handle, a.self, 0x7703))).toBe("KERN_INVALID_NAME");
});

describe("processors", () => {
  const { KERN_FAILURE, KERN_INVALID_ARGUMENT, KERN_SUCCESS } = codes;

  test("that are none are not condemned, nor gone", () => {
    const { machine, one, two } = pair();
    const none: [number, number][] = [
      [0, 1],
      [1, 1],
      [2, 2],
      [2, 0],
      [3, 1],
      [256, 1],
      [0xffffffff, 1],
    ];
    for (const [pid, generation] of none) {
      expect([pid, generation, spell(one.core.processor_condemn(pid, generation))]).toEqual([
        pid,
        generation,
        spell(KERN_INVALID_ARGUMENT),
      ]);
      expect(spell(one.core.processor_gone(pid, generation))).toBe(spell(KERN_INVALID_ARGUMENT));
    }
    two.task();
    expectKr(two.core.processor_detach(), KERN_SUCCESS);
    expectKr(one.core.processor_gone(2, 1), KERN_SUCCESS);
    expectKr(one.core.processor_gone(2, 1), KERN_INVALID_ARGUMENT);
    expect(machine.census(one)).toEqual({ PORT: 1, TASK: 1 }); // what `two` ran has ended
  });

  test("in the kernel die at its door; in user code they are buried", () => {
    const { one, two, b } = pair();
    expect(two.stopsIn(30, () => b.allocate())).toBe(true);
    expectKr(one.core.processor_condemn(2, 1), KERN_FAILURE);
    expectKr(one.core.processor_condemn(2, 1), KERN_FAILURE);
    expectKr(one.core.processor_gone(2, 1), KERN_SUCCESS);
    expectKr(one.core.processor_condemn(2, 1), KERN_INVALID_ARGUMENT);
  });

  test("end their own waits alone", () => {
    const { one, two, a } = pair();
    const waiter = a.pend(a.allocate(), 1);
    expectKr(two.core.mach_msg_cancel(waiter), KERN_INVALID_ARGUMENT);
    expectKr(one.core.mach_msg_cancel(waiter), KERN_SUCCESS);
    expectKr(one.core.mach_msg_cancel(waiter), KERN_INVALID_ARGUMENT);
  });

  test("that bury another are condemned without waiting for them", () => {
    const { machine, one, two, b } = pair();
    const three = machine.agent(3);
    b.pend(b.allocate(), 1);
    expect(three.stopsIn(5000, () => three.buries(two))).toBe(true);
    expectKr(one.core.processor_condemn(3, 1), KERN_FAILURE);
    expectKr(one.core.processor_gone(3, 1), KERN_SUCCESS);
  });
});

describe("a kernel", () => {
  test("is not made in a memory without room for its tables", () => {
    const { one } = pair(64, 64);
    expect([65537, 1, 0, 65536].map((pages) => spell(one.core.kernel_boot(pages, 0)))).toEqual([
      "KERN_INVALID_ARGUMENT",
      "KERN_INVALID_ARGUMENT",
      "KERN_INVALID_ARGUMENT",
      "KERN_RESOURCE_SHORTAGE",
    ]);
  });

  test("that is closed gives no name, message or completion", () => {
    const { one, a, b } = pair();
    const inbox = a.allocate();
    const name = b.give(b.self, COPY, a);
    const kmsg = a.prepare({}).kmsg;
    a.pend(inbox, 1);
    expectKr(one.core.kernel_terminate(), codes.KERN_SUCCESS);
    const calls = onOther(a, name, inbox);
    expect(all(calls)).toEqual(each(calls, "KERN_TERMINATED"));
    const { core } = one;
    expect(core.mach_task_self(a.handle)).toBe(0);
    expect(core.mach_host_self(a.handle)).toBe(0);
    expect(core.mach_reply_port(a.handle)).toBe(0);
    expect(core.thread_get_special_reply_port(a.handle)).toBe(0);
    expect(core.mach_msg_prepare(a.handle, 24, 0)).toBe(0);
    expect(spell(one.out(1))).toBe("KERN_TERMINATED");
    expect(core.processor_drain(8)).toBe(0);
    expect(spell(core.mach_msg_trap(a.handle, kmsg, codes.MACH_SEND_MSG, 24, 0, 0, 0, 0))).toBe("KERN_TERMINATED");
    expectKr(core.processor_detach(), codes.KERN_SUCCESS);
  });

  test("counts its frames", () => {
    const { machine, one, a } = pair();
    const frames = () => machine.frames().length;
    const before = one.core.frames_used();
    expect(before).toBe(frames());
    a.prepare({ data: new Uint8Array(100_000) });
    expect(one.core.frames_used()).toBe(frames());
    expect(one.core.frames_used()).toBeGreaterThan(before);
  });
});
