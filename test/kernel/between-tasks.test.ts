// What another processor does in the midst of a call: before each access of the call in turn, as a whole. Which codes the call has then:
// all of these, and no other.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, type Space } from "./machine.ts";
import { codesOf, trio, type World } from "./midst.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const ONCE = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
const RECEIVE = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;
const LONG = { timeout: 60_000 };
const ENDED = ["KERN_INVALID_TASK", "KERN_SUCCESS"];

const endOf = (space: Space, world: World) => void world.three.core.task_terminate(space.handle);

/** What gives the caller a name or a task. */
const GIVES = new Set([
  "mach_port_allocate",
  "mach_port_extract_right",
  "mach_ports_lookup",
  "task_create",
  "task_create_child",
  "task_get_special_port",
  "task_insert_right",
]);

/** The codes of a call during which a task ends: with success it gives what it should; of a caller that ends no port is left. */
function codesDuring(name: string, act: (world: World) => number, whose: "a" | "b", ...limits: number[]) {
  const world = trio();
  const { machine, one, two, three, b, port } = world;
  b.give(port, MAKE, b);
  expectKr(two.core.mach_ports_register(b.handle, b.self, 1, port, 0, 0), 0);
  let [ended, ports] = [false, -1];
  return codesOf(
    world,
    () => {
      ended = false;
      machine.words[(one.record + layout.Processor_p_out) >> 2] = 0;
      const code = act(world) >>> 0;
      if (code === 0 && GIVES.has(name)) expect(one.out(0)).not.toBe(0);
      if (!ended || whose === "b") return code;
      const left = three.core.zone_count(layout.ZONE_PORT);
      if (ports < 0) ports = left;
      expect(left).toBe(ports);
      return code;
    },
    () => {
      endOf(world[whose], world);
      ended = true;
    },
    ...limits,
  );
}

describe("the end of the other task", () => {
  const calls: Record<string, [(world: World) => number, string[]]> = {
    mach_port_allocate: [({ one, a, nameOfB }) => one.core.mach_port_allocate(a.handle, nameOfB, 1), ENDED],
    mach_port_insert_right: [
      ({ one, a, nameOfB, out }) => one.core.mach_port_insert_right(a.handle, nameOfB, 0x7703, out, COPY),
      ["KERN_INVALID_TASK", "KERN_RIGHT_EXISTS"],
    ],
    mach_port_extract_right: [
      ({ one, a, nameOfB, port }) => one.core.mach_port_extract_right(a.handle, nameOfB, port, MAKE),
      ENDED,
    ],
    mach_port_request_notification: [
      ({ one, a, nameOfB, port }) => {
        const note = a.allocate();
        const id = codes.MACH_NOTIFY_NO_SENDERS;
        return one.core.mach_port_request_notification(a.handle, nameOfB, port, id, 0, note, ONCE);
      },
      ENDED,
    ],
    mach_ports_register: [
      ({ one, a, nameOfB, out }) => one.core.mach_ports_register(a.handle, nameOfB, 1, out, 0, 0),
      ENDED,
    ],
    mach_ports_lookup: [({ one, a, nameOfB }) => one.core.mach_ports_lookup(a.handle, nameOfB), ENDED],
    task_set_special_port: [
      ({ one, a, nameOfB }) => one.core.task_set_special_port(a.handle, nameOfB, codes.TASK_BOOTSTRAP_PORT, 0),
      ENDED,
    ],
    task_create_child: [
      ({ one, a, nameOfB }) => {
        const code = one.core.task_create_child(a.handle, nameOfB);
        if (code === 0) expectKr(one.core.task_terminate_target(a.handle, one.out(0)), 0);
        return code;
      },
      ENDED,
    ],
    task_create: [
      ({ one, b }) => {
        const code = one.core.task_create(b.handle, 0, 0);
        if (code === 0) expectKr(one.core.task_terminate(one.out(0)), 0);
        return code;
      },
      ENDED,
    ],
    task_insert_right: [({ one, a, b, out }) => one.core.task_insert_right(a.handle, out, COPY, b.handle), ENDED],
  };
  test.each(Object.keys(calls))("during %s", LONG, (name) => {
    const [act, wanted] = calls[name] as [(world: World) => number, string[]];
    const got = codesDuring(name, act, "b");
    // Before the first access its port is dead already.
    expect(got.filter((code) => code !== "MACH_SEND_INVALID_DEST")).toEqual(wanted);
  });
});

test("the end of a task that nobody runs, in the midst of its end", LONG, () => {
  const world = trio();
  const { one, three } = world;
  expectKr(one.core.task_create(0, 0, 0), 0);
  const handle = one.out(0);
  let other = -1;
  const got = codesOf(
    world,
    () => {
      other = -1;
      const code = one.core.task_terminate(handle) >>> 0;
      if (other >= 0) expect([code, other].sort()).toEqual([codes.KERN_SUCCESS, codes.KERN_INVALID_TASK]);
      return code;
    },
    () => {
      other = three.core.task_terminate(handle);
    },
  );
  expect(got).toEqual(ENDED);
});

describe("the end of the calling task", () => {
  const header = { remoteDisposition: COPY, id: 9 };
  const calls: Record<string, [(world: World) => number, string[]]> = {
    mach_port_allocate: [({ one, a }) => one.core.mach_port_allocate(a.handle, a.self, 1), ENDED],
    mach_ports_lookup: [({ one, a, nameOfB }) => one.core.mach_ports_lookup(a.handle, nameOfB), ENDED],
    task_get_special_port: [
      ({ one, a, nameOfB }) => one.core.task_get_special_port(a.handle, nameOfB, codes.TASK_KERNEL_PORT),
      ENDED,
    ],
    mach_port_extract_right: [
      ({ one, a, nameOfB, port }) => one.core.mach_port_extract_right(a.handle, nameOfB, port, MAKE),
      ENDED,
    ],
    task_terminate: [({ one, a }) => one.core.task_terminate(a.handle), ENDED],
    mach_reply_port: [({ one, a }) => (one.core.mach_reply_port(a.handle) === 0 ? codes.KERN_INVALID_TASK : 0), ENDED],
    thread_get_special_reply_port: [
      ({ one, a }) => (one.core.thread_get_special_reply_port(a.handle) === 0 ? codes.KERN_INVALID_TASK : 0),
      ENDED,
    ],
    mach_task_self: [({ one, a }) => (one.core.mach_task_self(a.handle) === 0 ? codes.KERN_INVALID_TASK : 0), ENDED],
  };
  test.each(Object.keys(calls))("during %s", LONG, (name) => {
    const [act, wanted] = calls[name] as [(world: World) => number, string[]];
    // That is long: all of its beginning, where it is one of two, and some of the rest.
    if (name === "task_terminate") expect(codesDuring(name, act, "a", 1, 200)).toEqual(wanted);
    expect(codesDuring(name, act, "a", name === "task_terminate" ? 7 : 1)).toEqual(wanted);
  });

  test("during a send", LONG, () => {
    const world = trio();
    const { kmsg, size } = world.a.prepare({ ...header, remote: world.out });
    const option = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
    const got = codesOf(
      world,
      ({ one, a }) => {
        const code = one.core.mach_msg_trap(a.handle, kmsg, option, size, 0, 0, 0, 0) >>> 0;
        if (code !== 0) one.core.mach_msg_release(kmsg);
        return code;
      },
      (each) => endOf(each.a, each),
    );
    expect(got).toEqual(ENDED);
  });

  test("during a send to a full queue", LONG, () => {
    const world = trio();
    while (world.a.send({ ...header, remote: world.out }) === 0);
    const { kmsg, size } = world.a.prepare({ ...header, remote: world.out });
    const option = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
    const got = codesOf(
      world,
      ({ one, a }) => one.core.mach_msg_trap(a.handle, kmsg, option, size, 0, 0, 0, 0) >>> 0,
      (each) => endOf(each.a, each),
    );
    expect(got).toEqual(["KERN_INVALID_TASK", "MACH_SEND_TIMED_OUT", "MACH_SEND_TIMED_OUT | MACH_MSG_IPC_SPACE"]);
  });

  test("during a receive", LONG, () => {
    const world = trio();
    const inbox = world.a.allocate();
    const reply = world.a.allocate();
    const local = { local: reply, localDisposition: ONCE };
    world.a.send({ remote: inbox, remoteDisposition: MAKE, ...local, id: 1 });
    const got = codesOf(
      world,
      ({ one, a }) => {
        const code = one.core.mach_msg_trap(a.handle, 0, RECEIVE | (1 << 24), 0, 4096, inbox, 0, 0) >>> 0;
        if (one.out(0) !== 0) one.core.mach_msg_release(one.out(0));
        return code;
      },
      (each) => endOf(each.a, each),
    );
    expect(got).toEqual([
      "KERN_INVALID_TASK",
      "KERN_SUCCESS",
      "MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE",
      "MACH_RCV_INVALID_NAME",
    ]);
  });
});
