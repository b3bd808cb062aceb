// What a call destroys is gone when it returns: nothing is left for a later one. Looked at by the first call that follows, which counts
// before it does what work it finds.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, Machine, type Space } from "./machine.ts";

const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const SET = codes.MACH_PORT_RIGHT_PORT_SET;

function pair() {
  const machine = new Machine(128);
  const [one, two] = [machine.agent(1), machine.agent(2)];
  return { machine, one, two, a: one.task(), b: two.task() };
}

const count = ({ agent }: Space, zone: number) => agent.core.zone_count(zone);

describe("the destruction of", () => {
  test("a port that another name's right belongs to", () => {
    const { a } = pair();
    const ports = count(a, layout.ZONE_PORT);
    const port = a.allocate();
    expectKr(a.insertRight(port, port, MAKE), codes.KERN_SUCCESS);
    const { core } = a.agent;
    expectKr(core.mach_port_mod_refs(a.handle, a.self, port, codes.MACH_PORT_RIGHT_RECEIVE, -1), codes.KERN_SUCCESS);
    expect(count(a, layout.ZONE_PORT)).toBe(ports);
    expect(a.type(port)).toBe(codes.MACH_PORT_TYPE_DEAD_NAME);
  });

  test("a port with a request for no senders", () => {
    const { a, b } = pair();
    const note = a.allocate();
    const ports = count(a, layout.ZONE_PORT);
    const port = a.allocate();
    const out = a.give(port, MAKE, b);
    expectKr(a.request(port, codes.MACH_NOTIFY_NO_SENDERS, note, 100), codes.KERN_SUCCESS);
    a.destroy(port);
    expect(count(a, layout.ZONE_PORT)).toBe(ports + 1); // which b's name keeps
    b.destroy(out);
    expect(count(a, layout.ZONE_PORT)).toBe(ports);
    expect(a.ids(note)).toEqual([codes.MACH_NOTIFY_SEND_ONCE]);
  });

  test("a port whose names are told", () => {
    const { a, b } = pair();
    const note = a.allocate();
    const out = b.give(b.allocate(), MAKE, a);
    const port = b.allocate();
    const ports = count(b, layout.ZONE_PORT);
    expectKr(a.request(b.give(port, MAKE, a), codes.MACH_NOTIFY_DEAD_NAME, note), codes.KERN_SUCCESS);
    expectKr(a.request(out, codes.MACH_NOTIFY_DEAD_NAME, note), codes.KERN_SUCCESS);
    b.destroy(port);
    expect(count(b, layout.ZONE_PORT)).toBe(ports - 1);
    expect(a.ids(note)).toEqual([codes.MACH_NOTIFY_DEAD_NAME]);
    expect(count(a, layout.ZONE_REQUEST)).toBe(1);
  });

  test("a set with members and who waits there", () => {
    const { a } = pair();
    const set = a.allocate(SET);
    const members = [1, 2, 3].map(() => a.allocate());
    for (const member of members) a.insertMember(member, set);
    a.pend(set, 8);
    a.destroy(set);
    expect(count(a, layout.ZONE_PSET)).toBe(0);
    expect(a.agent.drain()).toEqual([{ cookie: 8, code: codes.MACH_RCV_PORT_DIED, message: null }]);
    expect(count(a, layout.ZONE_LINK)).toBe(0);
  });
});

describe("a kmsg that was refused in its midst, or received, and is sent again, carries what it says then, and nothing else:", () => {
  const option = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
  const resend = (space: Space, kmsg: number, size: number) =>
    space.agent.core.mach_msg_trap(space.handle, kmsg, option, size, 0, 0, 0, 0) >>> 0;

  test.each(["received", "destroyed"])("refused, and then %s", (end) => {
    const { machine, a, b } = pair();
    const [inbox, port] = [a.allocate(), a.allocate()];
    const descriptors = [port, port, 0x7703].map((name) => ({ name, disposition: MAKE }));
    const { kmsg, size } = a.prepare({ remote: inbox, remoteDisposition: MAKE, descriptors });
    const at = machine.words[(kmsg + layout.IpcKmsg_ikm_bytes) >> 2] as number;
    expectKr(resend(a, kmsg, size), codes.MACH_SEND_INVALID_RIGHT);
    machine.words[(at + 28 + 24) >> 2] = port;
    expectKr(resend(a, kmsg, size), codes.MACH_MSG_SUCCESS);
    if (end === "destroyed") a.destroy(inbox);
    else expect(a.take(inbox).descriptors.map(({ name }) => a.type(name))).toEqual([0x30000, 0x30000, 0x30000]);
    for (const space of [a, b]) space.terminate();
    expect(machine.census(a.agent)).toEqual({});
    expect(a.agent.core.kernel_check()).toBe(0);
  });

  test("received", () => {
    const { machine, a, b } = pair();
    const [inbox, port] = [a.allocate(), a.allocate()];
    const out = a.give(inbox, MAKE, b);
    const descriptors = [1, 2].map(() => ({ name: port, disposition: MAKE }));
    expectKr(a.send({ remote: inbox, remoteDisposition: MAKE, descriptors }), codes.MACH_MSG_SUCCESS);
    const receive = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;
    const { core } = a.agent;
    expectKr(core.mach_msg_trap(a.handle, 0, receive, 0, 4096, inbox, 0, 0), codes.MACH_MSG_SUCCESS);
    const [kmsg, at] = [a.agent.out(0), a.agent.out(1)];
    expect(b.type(out)).not.toBe(0);
    machine.words.set([codes.MACH_MSGH_BITS_COMPLEX | MAKE, 52, inbox, 0], at >> 2);
    machine.words.set([2, port, 0, MAKE << 16, 0, 0, MAKE << 16], (at + 24) >> 2);
    expectKr(resend(a, kmsg, 52), codes.MACH_MSG_SUCCESS);
    expect(a.take(inbox).descriptors.map(({ name }) => a.type(name))).toEqual([0x30000, 0]);
    for (const space of [a, b]) space.terminate();
    expect(core.kernel_check()).toBe(0);
  });
});
