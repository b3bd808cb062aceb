// A message that was handed to a processor, which ends before it takes it: where it goes.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { type Agent, expectKr, Machine, type Space } from "./machine.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;
const ONCE = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;

function trio(): { machine: Machine; one: Agent; two: Agent; three: Agent } {
  const machine = new Machine();
  return { machine, one: machine.agent(1), two: machine.agent(2), three: machine.agent(3) };
}

function nothingLeft(machine: Machine, by: Agent, ...spaces: Space[]): void {
  for (const space of spaces) space.terminate();
  expect(by.core.kernel_check()).toBe(0);
  expect(machine.census(by)).toEqual({});
}

test("back to its queue, with the send-once right that it came by", () => {
  const { machine, one, two, three } = trio();
  const [a, b] = [one.task(), three.task()];
  const inbox = a.allocate();
  const remotes = [1, 2].map(() => a.give(inbox, ONCE, b));
  a.on(two).pend(inbox, 7);
  for (const [id, remote] of remotes.entries())
    expectKr(b.send({ remote, remoteDisposition: codes.MACH_MSG_TYPE_MOVE_SEND_ONCE, id }), 0);
  one.buries(two);
  expect(one.core.kernel_check()).toBe(0);
  expect(a.ids(inbox)).toEqual([0, 1]);
  nothingLeft(machine, one, a, b);
});

test("nowhere, if its port is another task's, though that has the ended one's place and the port the same name", () => {
  const { machine, one, two, three } = trio();
  const [a, b] = [two.task(), one.task()];
  const inbox = a.allocate();
  const out = a.give(inbox, MAKE, b);
  a.pend(inbox, 7);
  expectKr(b.send({ remote: out, remoteDisposition: COPY, id: 1 }), 0);
  const MOVE = codes.MACH_MSG_TYPE_MOVE_RECEIVE;
  expect(a.give(inbox, MOVE, b)).toBe(out);
  a.terminate();
  const heir = two.task();
  expect(heir.handle & ~63).toBe(a.handle & ~63);
  const elsewhere = heir.on(three);
  expect(b.give(out, MOVE, heir)).toBe(inbox);
  one.buries(two);
  expect(elsewhere.ids(inbox)).toEqual([]);
  nothingLeft(machine, one, b, elsewhere);
});
