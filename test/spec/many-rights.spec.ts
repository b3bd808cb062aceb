// A space that holds many send rights: each is found again by its port, whatever the table of them went through.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_TYPE_SEND_RECEIVE,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectCode, give } from "../lib/space.js";

const PORTS = 1600;

test("A41 A45 every one of many send rights is found again under its name, while others come and go", async () => {
  await using machine = await boot();
  const before = machine.census();
  const [a, b] = [machine.task(), machine.task()];
  const ports = Array.from({ length: PORTS }, () => a.allocateWithSend());
  const given = ports.map((port) => give(a, port, MACH_MSG_TYPE_MAKE_SEND, b));
  expect(new Set(given).size).toBe(PORTS);
  for (const [index, port] of ports.entries()) {
    expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
    expect(a.sends(port)).toBe(2);
    expect(give(a, port, MACH_MSG_TYPE_MAKE_SEND, b)).toBe(given[index]);
    // Every third goes: what follows it in the table must still be found.
    if (index % 3 !== 0) continue;
    expectCode(b.destroy(given[index] ?? 0), KERN_SUCCESS);
    given[index] = 0;
  }
  for (const [index, port] of ports.entries()) {
    const name = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
    if (given[index] !== 0) expect(name).toBe(given[index]);
    expect(b.sends(name)).toBe(given[index] === 0 ? 1 : 3);
    expect(a.type(port)).toBe(MACH_PORT_TYPE_SEND_RECEIVE);
  }
  for (const port of ports) expectCode(a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
  for (const { task } of [a, b]) task[Symbol.dispose]();
  expect(machine.census()).toEqual(before);
});
