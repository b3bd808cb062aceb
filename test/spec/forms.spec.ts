// Other forms of calls: with a quality of service, and GNU Mach's for single attributes (A6 to A9, A87, A183, A194).

import { expect, test } from "vitest";
import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_NAME_EXISTS,
  KERN_SUCCESS,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_RIGHT_SEND,
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { expectCode, expectUnchanged } from "../lib/space.js";

const PLAIN = new Uint32Array(2);
const NAMED = new Uint32Array([1, 0]);
const FREE = 0x00300003;

test("A7 allocate_full and allocate_qos allocate as allocate does", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const name = new Uint32Array(1);
  expectCode(a.traps.mach_port_allocate_full(a.self, MACH_PORT_RIGHT_RECEIVE, 0, PLAIN, name), KERN_SUCCESS);
  expect(a.type(name[0] ?? 0)).toBe(MACH_PORT_TYPE_RECEIVE);
  expectCode(a.traps.mach_port_allocate_qos(a.self, MACH_PORT_RIGHT_PORT_SET, PLAIN, name), KERN_SUCCESS);
  expect(a.type(name[0] ?? 0)).toBe(MACH_PORT_TYPE_PORT_SET);
  const { traps, self } = a;
  expectUnchanged(KERN_INVALID_VALUE, [a], () => traps.mach_port_allocate_qos(self, MACH_PORT_RIGHT_SEND, PLAIN, name));
});

test("A9 with the name bit the name is the caller's", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const { traps, self } = a;
  const allocate = (name: number) =>
    traps.mach_port_allocate_full(self, MACH_PORT_RIGHT_RECEIVE, 0, NAMED, new Uint32Array([name]));
  expectCode(allocate(FREE), KERN_SUCCESS);
  expect(a.type(FREE)).toBe(MACH_PORT_TYPE_RECEIVE);
  expectUnchanged(KERN_NAME_EXISTS, [a], () => allocate(FREE));
  expectUnchanged(KERN_INVALID_VALUE, [a], () => allocate(MACH_PORT_NULL));
});

test("A6 a prototype is refused, whatever the right", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const { traps, self } = a;
  const name = new Uint32Array(1);
  for (const right of [MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_SEND, 77]) {
    expectUnchanged(KERN_INVALID_VALUE, [a], () => traps.mach_port_allocate_full(self, right, 5, PLAIN, name));
  }
  expectCode(traps.mach_port_allocate_full(0x7703, MACH_PORT_RIGHT_RECEIVE, 5, PLAIN, name), MACH_SEND_INVALID_DEST);
});

test("A194 get_receive_status has the words of the attribute, but for the flags", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { both, set, send, dead } = kinds(hall);
  expectCode(a.insertMember(both, set), KERN_SUCCESS);
  const status = new Uint32Array(10).fill(0xee);
  expectCode(a.traps.mach_port_get_receive_status(a.self, both, status), KERN_SUCCESS);
  expect([...status.subarray(0, 9)]).toEqual(Object.values(a.status(both)).slice(0, 9));
  expect([status[0], status[2], status[9]]).toEqual([1, 1, 0xee]); // A183: in a set
  expectCode(a.traps.mach_port_get_receive_status(a.self, send, status), KERN_INVALID_RIGHT);
  expectCode(a.traps.mach_port_get_receive_status(a.self, dead, status), KERN_INVALID_RIGHT); // as in GNU Mach; A195 is of the other call
  expectCode(a.traps.mach_port_get_receive_status(a.self, 0x7703, status), KERN_INVALID_NAME);
});

test("A87 set_qlimit changes the queue limit, at most to 1024", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, send } = kinds(hall);
  const { traps, self } = a;
  for (const qlimit of [0, 16, 1024]) {
    expectCode(traps.mach_port_set_qlimit(self, receive, qlimit), KERN_SUCCESS);
    expect(a.status(receive).qlimit).toBe(qlimit);
  }
  expectUnchanged(KERN_INVALID_VALUE, [a], () => traps.mach_port_set_qlimit(self, receive, 1025));
  expectUnchanged(KERN_INVALID_RIGHT, [a], () => traps.mach_port_set_qlimit(self, send, 1));
  expectUnchanged(KERN_INVALID_NAME, [a], () => traps.mach_port_set_qlimit(self, 0x7703, 1));
});
