// Messages that another processor sends, receives or writes in the midst of a call: none is lost, none comes twice, none is made up.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { build } from "../lib/message.ts";
import { expectKr } from "./machine.ts";
import { memory } from "../lib/memory.js";
import { codesOf, trio } from "./midst.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const MOVE_RECEIVE = codes.MACH_MSG_TYPE_MOVE_RECEIVE;
const RECEIVE = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;
const SEND = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
const LONG = { timeout: 60_000 };

/** An inbox of a's, in a set or not, and a's own right for it; `there` is a on processor 3. */
function inboxed(inSet = true) {
  const world = trio();
  const { a, three } = world;
  const inbox = a.allocate();
  const set = a.allocate(codes.MACH_PORT_RIGHT_PORT_SET);
  if (inSet) a.insertMember(inbox, set); // otherwise a message need not go through the list
  const remote = a.give(inbox, MAKE, a);
  const there = a.on(three);
  const draft = (id: number) => ({ remote, remoteDisposition: COPY, id });
  return { ...world, inbox, set, there, draft };
}

describe("another message comes in the midst of a receive", () => {
  test.each(["port", "set"])("from a %s", LONG, (from) => {
    const world = inboxed(from === "set");
    const { one, a, there, inbox, set, draft } = world;
    expectKr(a.send(draft(1)), 0);
    let sent = false;
    const got = codesOf(
      world,
      () => {
        sent = false;
        const code = one.core.mach_msg_trap(a.handle, 0, RECEIVE, 0, 4096, from === "port" ? inbox : set, 0, 0) >>> 0;
        const ids = code === 0 ? [one.taken(one.out(0), one.out(2)).id] : [];
        expect([...ids, ...there.ids(inbox)]).toEqual(sent ? [1, 2] : [1]);
        return code;
      },
      () => {
        expectKr(there.send(draft(2)), 0);
        sent = true;
      },
    );
    expect(got).toEqual(["KERN_SUCCESS"]);
  });

  test("that spins at a set, or goes to sleep there", LONG, () => {
    const { machine, one, a, there, set, draft } = inboxed();
    machine.words[(one.record + layout.Processor_p_spin_steps) >> 2] = 60;
    machine.save();
    for (let place = 0; place < 60; place++) {
      machine.restore();
      let code = -1;
      const came = one.passes(
        place,
        () => (code = one.core.mach_msg_trap(a.handle, 0, RECEIVE, 0, 4096, set, 1000, 0) >>> 0),
        () => expectKr(there.send(draft(2)), 0),
      );
      expect([came, code]).toEqual([true, 0]);
      expect(one.taken(one.out(0), one.out(2)).id).toBe(2);
    }
    expect(one.core.kernel_check()).toBe(0);
  });
});

test("a send that waits for room is completed when the port ends in its midst", LONG, () => {
  const world = trio();
  const { one, a, out } = world;
  while (a.send({ remote: out, remoteDisposition: COPY, id: 1 }) === 0);
  const { kmsg, size } = a.prepare({ remote: out, remoteDisposition: COPY, id: 2 });
  let ended = false;
  codesOf(
    world,
    () => {
      ended = false;
      const code = one.core.mach_msg_send_async(a.handle, kmsg, codes.MACH_SEND_MSG, size, 5) >>> 0;
      const must = ended && code === codes.MACH_SEND_IN_PROGRESS;
      const completed = one.drain().map(({ cookie }) => cookie);
      if (must || !ended) expect(completed).toEqual(must ? [5] : []);
      return code;
    },
    ({ three, b, port }) => {
      three.core.task_attach(b.handle);
      three.core.mach_port_destroy(b.handle, b.self, port);
      ended = true;
    },
  );
});

test("a message with a receive right comes to a port that goes from task to task", LONG, () => {
  const world = trio();
  const { one, three, a, b } = world;
  const c = three.task();
  const port = a.allocate();
  const remote = a.give(port, MAKE, c);
  const carried = c.allocate();
  const descriptors = [{ name: carried, disposition: MOVE_RECEIVE }];
  let sent = false;
  const got = codesOf(
    world,
    () => {
      sent = false;
      const code = one.core.task_insert_right(a.handle, port, MOVE_RECEIVE, b.handle) >>> 0;
      expect(b.ids(one.out(0))).toEqual(sent ? [9] : []);
      return code;
    },
    () => {
      expectKr(c.send({ remote, remoteDisposition: COPY, id: 9, descriptors }), 0);
      sent = true;
    },
  );
  expect(got).toEqual(["KERN_SUCCESS"]);
});

test("a right whose port ends in the midst of mach_port_insert_right", LONG, () => {
  const world = trio();
  const { three, a } = world;
  const c = three.task();
  const port = c.allocate();
  const right = c.give(port, MAKE, a);
  const got = codesOf(
    world,
    ({ one, b, nameOfB }) => {
      const code = one.core.mach_port_insert_right(a.handle, nameOfB, 0x7703, right, COPY);
      expect(b.type(0x7703) !== 0).toBe(code === 0);
      return code;
    },
    () => c.destroy(port),
  );
  expect(got).toEqual(["KERN_INVALID_CAPABILITY", "KERN_SUCCESS"]);
});

describe("a message that is written in the midst of its send", () => {
  // An array for which there is no room, before or instead of another right.
  test.each([
    [1, "a port"],
    [2, "a port"],
    [1, "memory"],
  ])("with %s ports where none was, before %s", LONG, (count, next) => {
    const world = trio();
    const { one, a, out, machine } = world;
    const { code, array } = a.tryArray([out, out]);
    expectKr(code, 0);
    const none = { name: array, count: 0, disposition: COPY, type: codes.MACH_MSG_OOL_PORTS_DESCRIPTOR };
    const bytes = build({
      remote: out,
      remoteDisposition: COPY,
      descriptors: [none, next === "memory" ? memory(array, 4) : { name: out, disposition: COPY }],
    });
    const kmsg = one.core.mach_msg_prepare(a.handle, bytes.length, 2) >>> 0;
    const at = one.out(0);
    machine.bytes.set(bytes, at);
    const got = codesOf(
      world,
      () => {
        const kr = one.core.mach_msg_trap(a.handle, kmsg, SEND, bytes.length, 0, 0, 0, 0) >>> 0;
        if (kr !== 0) expectKr(one.core.mach_msg_release(kmsg), 0);
        return kr;
      },
      () => {
        machine.words[(at + 32) >> 2] = count;
      },
    );
    expect(got).toEqual(["KERN_SUCCESS", "MACH_SEND_INVALID_MEMORY", "MACH_SEND_MSG_TOO_SMALL"]);
  });

  // The header says that it is complex, or the body that it has more descriptors, when its shape has been checked.
  test.each([
    ["complex", 0, 0x80000000 | COPY, 52, "KERN_SUCCESS"],
    ["complex, without a body", 0, 0x80000000 | COPY, 24, "KERN_SUCCESS MACH_SEND_MSG_TOO_SMALL"],
    ["larger than itself", 24, 57, 52, "KERN_SUCCESS MACH_SEND_MSG_TOO_SMALL"],
  ])("so that it becomes %s", LONG, (_, word, value, size, codesWanted) => {
    const world = trio();
    const { one, two, a, b, out, port, machine } = world;
    const descriptors = [1, 2].map(() => ({ name: a.allocate(), disposition: MAKE }));
    const bytes = build({ remote: out, remoteDisposition: COPY, descriptors });
    const kmsg = one.core.mach_msg_prepare(a.handle, bytes.length, 61) >>> 0;
    const at = one.out(0);
    machine.bytes.set(bytes, at);
    if (word === 0) machine.words[at >> 2] = COPY;
    const got = codesOf(
      world,
      () => {
        const kr = one.core.mach_msg_trap(a.handle, kmsg, SEND, size, 0, 0, 0, 0) >>> 0;
        const carries = machine.words[(kmsg + layout.IpcKmsg_ikm_ports_count) >> 2] as number;
        expect(carries).toBeLessThanOrEqual((size - 24) / 12);
        if (kr === 0) expectKr(two.core.mach_msg_trap(b.handle, 0, RECEIVE, 0, 4096, port, 0, 0), 0);
        const isComplex = ((machine.words[two.out(1) >> 2] as number) & 0x80000000) !== 0;
        if (kr === 0 && size < 28) expect(isComplex).toBe(false);
        expectKr(kr === 0 ? two.core.mach_msg_release(two.out(0)) : one.core.mach_msg_release(kmsg), 0);
        return kr;
      },
      () => {
        machine.words[(at + word) >> 2] = value;
      },
    );
    expect(got.join(" ")).toBe(codesWanted);
  });
});
