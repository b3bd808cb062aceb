// Calls that tell of a space and of what is behind a name (A197).

import { expect, test } from "vitest";
import {
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_NOT_SUPPORTED,
  KERN_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_NOTIFY_DEAD_NAME,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_SEND_INVALID_DEST,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { kinds } from "../lib/kinds.js";
import { line } from "../lib/line.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

const pair = () => [new Uint32Array(1), new Uint32Array(1)] as const;

function requests({ traps, self }: Space, name: number): { code: number; counts: number[] } {
  const [total, used] = pair();
  const code = traps.mach_port_dnrequest_info(self, name, total, used);
  return { code, counts: [total[0] ?? 0, used[0] ?? 0] };
}

function kobject({ traps, self }: Space, name: number) {
  const [type, address] = pair();
  const description = { value: "?" };
  const code = traps.mach_port_kobject(self, name, type, address);
  expectCode(traps.mach_port_kobject_description(self, name, type, address, description), code);
  return { code, type: type[0], address: address[0], description: description.value };
}

test("A197 dnrequest_info counts the armed requests of every space", async () => {
  await using machine = await boot();
  const { a, b } = line(machine);
  const [port, inbox] = [a.allocate(), a.allocate()];
  expect(requests(a, port).counts).toEqual([0, 0]);
  a.arm(port, MACH_NOTIFY_DEAD_NAME, inbox);
  b.arm(give(a, port, MACH_MSG_TYPE_MAKE_SEND, b), MACH_NOTIFY_DEAD_NAME, b.allocate());
  expect(requests(a, port)).toEqual({ code: KERN_SUCCESS, counts: [2, 2] });
});

test("A197 dnrequest_info is asked of a receive right", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { send, once, set, dead } = kinds(hall);
  for (const name of [send, once, set]) expectUnchanged(KERN_INVALID_RIGHT, [a], () => requests(a, name).code);
  for (const name of [dead, MACH_PORT_NULL, MACH_PORT_DEAD, 0x7703])
    expectUnchanged(KERN_INVALID_NAME, [a], () => requests(a, name).code);
});

test("A197 kobject tells the task's own port from others, and never an address", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  const { receive, both, send, once, set, dead } = kinds(hall);
  expect(kobject(a, a.self)).toMatchObject({ code: KERN_SUCCESS, type: 2, address: 0 });
  expect(kobject(a, a.self).description).toMatch(/^task \d+$/);
  for (const name of [receive, both, send])
    expect(kobject(a, name)).toEqual({ code: KERN_SUCCESS, type: 0, address: 0, description: "" });
  for (const name of [once, set, dead]) expectUnchanged(KERN_INVALID_RIGHT, [a], () => kobject(a, name).code);
  for (const name of [MACH_PORT_NULL, MACH_PORT_DEAD, 0x7703])
    expectUnchanged(KERN_INVALID_NAME, [a], () => kobject(a, name).code);
  expectCode(a.traps.mach_port_kernel_object(a.self, receive, ...pair()), KERN_NOT_SUPPORTED);
});

test("A197 space_info has each name once, with type and references", async () => {
  await using machine = await boot();
  const hall = line(machine);
  const { a } = hall;
  kinds(hall);
  const info = new Uint32Array(4);
  const table: { value: readonly { name: number; type: number; urefs: number }[] } = { value: [] };
  expectCode(a.traps.mach_port_space_info(a.self, info, table), KERN_SUCCESS);
  expect(new Map(table.value.map(({ name, type }) => [name, type]))).toEqual(a.names());
  for (const { name, urefs } of table.value) {
    expect(urefs).toBe([0, 2, 4].reduce((sum, right) => sum + a.refs(name, right), 0));
  }
  const basic = new Uint32Array(6);
  expectCode(a.traps.mach_port_space_basic_info(a.self, basic), KERN_SUCCESS);
  expect([...basic]).toEqual([...info, 0, 0]);
  expect(basic[3]).toBe(a.names().size);
});

test("A197 the target is a task's port", async () => {
  await using machine = await boot();
  const { a } = line(machine);
  const port = a.allocate();
  const other = { traps: a.traps, self: port } as Space;
  expectCode(requests(other, port).code, MACH_SEND_INVALID_DEST);
  expectCode(kobject(other, port).code, MACH_SEND_INVALID_DEST);
  expectCode(a.traps.mach_port_kernel_object(port, port, ...pair()), MACH_SEND_INVALID_DEST);
  expectCode(a.traps.mach_port_space_basic_info(port, new Uint32Array(6)), MACH_SEND_INVALID_DEST);
  expectCode(a.traps.mach_port_space_info(port, new Uint32Array(4), { value: [] }), MACH_SEND_INVALID_DEST);
});
