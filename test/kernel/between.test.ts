// What another processor does in the midst of a call: before each access of the call in turn, as a whole. Which codes the call has then:
// all of these, and no other.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr } from "./machine.ts";
import { codesOf, trio, type World } from "./midst.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const LONG = { timeout: 60_000 };
const ONCE = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
const RECEIVE = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;

describe("a full queue", () => {
  /** b's port is full; `kmsg` is another message of a's for it. */
  function full() {
    const world = trio();
    while (world.a.send({ remote: world.out, remoteDisposition: COPY, id: 1 }) === 0);
    expect(world.a.refs(world.out, codes.MACH_PORT_RIGHT_SEND)).toBeGreaterThan(0);
    const { kmsg, size } = world.a.prepare({ remote: world.out, remoteDisposition: COPY, id: 2 });
    return { ...world, kmsg, size };
  }
  const send =
    (kmsg: number, size: number) =>
    ({ one, a }: World) => {
      const code = one.core.mach_msg_send_async(a.handle, kmsg, codes.MACH_SEND_MSG, size, 5) >>> 0;
      return code;
    };

  test("whose port ends in the midst of a send", LONG, () => {
    const world = full();
    const got = codesOf(world, send(world.kmsg, world.size), ({ three, b, port }) => {
      three.core.task_attach(b.handle);
      three.core.mach_port_destroy(b.handle, b.self, port);
    });
    expect(got).toEqual(["KERN_SUCCESS", "MACH_SEND_INVALID_DEST", "MACH_SEND_IN_PROGRESS"]);
  });

  test("that gets room in the midst of a send", LONG, () => {
    const world = full();
    const got = codesOf(world, send(world.kmsg, world.size), ({ three, b, port }) => {
      three.core.task_attach(b.handle);
      three.core.mach_msg_trap(b.handle, 0, RECEIVE, 0, 4096, port, 0, 0);
      three.core.mach_msg_release(three.out(0));
    });
    expect(got).toEqual(["KERN_SUCCESS", "MACH_SEND_IN_PROGRESS"]);
  });
});

describe("a receive", () => {
  /** A message in a port of a's, which processor 3 can act on too; the port is in a set. */
  function ready() {
    const world = trio();
    const { a, three } = world;
    const inbox = a.allocate();
    const [set, other] = [a.allocate(codes.MACH_PORT_RIGHT_PORT_SET), a.allocate(codes.MACH_PORT_RIGHT_PORT_SET)];
    a.insertMember(inbox, set);
    expect(a.send({ remote: inbox, remoteDisposition: MAKE, id: 1 })).toBe(0);
    three.core.task_attach(a.handle);
    return { ...world, inbox, set, other };
  }
  const take = ({ one, a }: World, name: number) => {
    const code = one.core.mach_msg_trap(a.handle, 0, RECEIVE, 0, 4096, name, 0, 0) >>> 0;
    if (code === 0) one.core.mach_msg_release(one.out(0));
    return code;
  };
  const steal = ({ three, a }: World, name: number) => {
    if (three.core.mach_msg_trap(a.handle, 0, RECEIVE, 0, 4096, name, 0, 0) === 0)
      three.core.mach_msg_release(three.out(0));
  };

  test("whose message another takes", LONG, () => {
    const world = ready();
    const { inbox, set } = world;
    const wanted = ["KERN_SUCCESS", "MACH_RCV_TIMED_OUT"];
    expect(
      codesOf(
        world,
        (each) => take(each, inbox),
        (each) => steal(each, inbox),
      ),
    ).toEqual(wanted);
    const again = ready();
    expect(
      codesOf(
        again,
        (each) => take(each, set),
        (each) => steal(each, inbox),
      ),
    ).toEqual(wanted);
  });

  test("whose port leaves the set, or ends, or whose set ends", LONG, () => {
    const leaves = ready();
    expect(
      codesOf(
        leaves,
        (each) => take(each, leaves.set),
        ({ three, a }) => void three.core.mach_port_move_member(a.handle, a.self, leaves.inbox, leaves.other),
      ),
    ).toEqual(["KERN_SUCCESS", "MACH_RCV_TIMED_OUT"]);
    const dies = ready();
    expect(
      codesOf(
        dies,
        (each) => take(each, dies.set),
        ({ three, a }) => void three.core.mach_port_destroy(a.handle, a.self, dies.inbox),
      ),
    ).toEqual(["KERN_SUCCESS", "MACH_RCV_TIMED_OUT"]);
    const ends = ready();
    expect(
      codesOf(
        ends,
        (each) => take(each, ends.set),
        ({ three, a }) => void three.core.mach_port_destroy(a.handle, a.self, ends.set),
      ),
    ).toEqual(["KERN_SUCCESS", "MACH_RCV_INVALID_NAME"]);
  });
});

describe("the end of a port", () => {
  const end = ({ two, b, port }: World) => void two.core.mach_port_destroy(b.handle, b.self, port);

  test("in the midst of a send to it that asks for an answer there", LONG, () => {
    const world = trio();
    const { a, out } = world;
    const { kmsg, size } = a.prepare({ remote: out, remoteDisposition: COPY, local: out, localDisposition: COPY });
    const option = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
    const got = codesOf(
      world,
      ({ one }) => {
        const code = one.core.mach_msg_trap(a.handle, kmsg, option, size, 0, 0, 0, 0) >>> 0;
        if (code !== 0) expectKr(one.core.mach_msg_release(kmsg), 0);
        return code;
      },
      end,
    );
    expect(got).toEqual(["KERN_SUCCESS", "MACH_SEND_INVALID_DEST"]);
  });

  test("in the midst of the end of a send-once right for it", LONG, () => {
    const world = trio();
    const once = world.b.give(world.port, ONCE, world.a);
    let ended = false;
    const got = codesOf(
      world,
      ({ one, a, three }) => {
        ended = false;
        const code = one.core.mach_port_destroy(a.handle, a.self, once);
        // a's send right keeps the port, dead or alive.
        expectKr(one.core.mach_port_destroy(a.handle, a.self, world.out), 0);
        if (ended) expect(three.core.zone_count(layout.ZONE_PORT)).toBe(2);
        return code;
      },
      (each) => {
        end(each);
        ended = true;
      },
    );
    expect(got).toEqual(["KERN_SUCCESS"]);
  });
});
