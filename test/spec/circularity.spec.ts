// Circularity (A169, A170, A172): a receive right must not end up in a queue that hangs on itself.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_SEND,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectCode, give, type Space } from "../lib/space.js";

/** Moves the receive right `name` into the queue that the send right `door` leads to. */
function move(space: Space, name: number, door: number, disposition: number): number {
  return space.send({
    ...{ remote: door, remoteDisposition: disposition, id: 1 },
    descriptors: [{ name, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }],
  });
}

test("A169 a port sent to itself dies: the send succeeds, the message and the port are destroyed", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const reply = a.allocate();
  for (const disposition of [MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_COPY_SEND]) {
    const port = a.allocateWithSend();
    const inB = give(a, port, MACH_MSG_TYPE_COPY_SEND, b);
    const code = a.send({
      ...{ remote: port, remoteDisposition: disposition },
      ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      descriptors: [{ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }],
    });
    expectCode(code, MACH_MSG_SUCCESS);
    expect(b.type(inB)).toBe(MACH_PORT_TYPE_DEAD_NAME);
    expect(a.type(port)).toBe(MACH_PORT_TYPE_DEAD_NAME);
    expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
    expectCode(a.deallocate(port), KERN_SUCCESS);
    expectCode(b.deallocate(inB), KERN_SUCCESS);
  }
  expectCode(a.destroy(reply), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A170 a longer loop is destroyed too: A in B's queue, then B sent to A", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  for (const length of [2, 3, 10]) {
    const loop = Array.from({ length }, () => a.allocateWithSend());
    const inB = loop.map((name) => give(a, name, MACH_MSG_TYPE_COPY_SEND, b));
    const door = (index: number) => loop[index] ?? 0;
    for (let index = 0; index + 1 < length; index++) {
      expectCode(move(a, door(index), door(index + 1), MACH_MSG_TYPE_COPY_SEND), MACH_MSG_SUCCESS);
    }
    expect(inB.map((name) => b.type(name))).toEqual(loop.map(() => MACH_PORT_TYPE_SEND));
    expectCode(move(a, door(length - 1), door(0), MACH_MSG_TYPE_MOVE_SEND), MACH_MSG_SUCCESS);
    expect(inB.map((name) => b.type(name))).toEqual(loop.map(() => MACH_PORT_TYPE_DEAD_NAME));
    for (const name of inB) expectCode(b.deallocate(name), KERN_SUCCESS);
    for (const name of loop) a.destroy(name);
  }
  expect(machine.census()).toEqual(before);
});

test("A172 a chain that does not end at the port itself is no loop", async () => {
  await using machine = await boot();
  const [a, c] = [machine.task(), machine.task()];
  const [portA, portB, hall] = [a.allocateWithSend(), a.allocateWithSend(), c.allocate()];
  const doorC = give(c, hall, MACH_MSG_TYPE_MAKE_SEND, a);
  expectCode(move(a, portB, doorC, MACH_MSG_TYPE_COPY_SEND), MACH_MSG_SUCCESS);
  expectCode(move(a, portA, portB, MACH_MSG_TYPE_COPY_SEND), MACH_MSG_SUCCESS);
  const receivedB = c.take(hall).descriptors[0]?.name ?? 0;
  const receivedA = c.take(receivedB).descriptors[0]?.name ?? 0;
  expectCode(a.send({ remote: portA, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 9 }), MACH_MSG_SUCCESS);
  expect(c.take(receivedA).id).toBe(9);
  expect(a.type(portA)).toBe(MACH_PORT_TYPE_SEND);
  expect(a.type(portB)).toBe(MACH_PORT_TYPE_SEND);
});
