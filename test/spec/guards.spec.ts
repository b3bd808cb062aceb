// Guards (A189 to A191, A193), receive rights that cannot be moved (A57), and what takes a guard away (A56, A154).

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_CAPABILITY,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_PORT_DEAD,
  MACH_PORT_GUARD_INFO,
  MACH_PORT_INFO_EXT,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_PORT_SERVICE_THROTTLED,
  MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE,
  MACH_PORT_STATUS_FLAG_GUARDED,
  MACH_PORT_STATUS_FLAG_STRICT_GUARD,
  MACH_PORT_STATUS_FLAG_IMP_DONATION as IMP_DONATION,
  MACH_PORT_STATUS_FLAG_NO_GRANT as NO_GRANT,
  MACH_PORT_STATUS_FLAG_REVIVE as REVIVE,
  MACH_PORT_STATUS_FLAG_TASKPTR as TASKPTR,
  MACH_PORT_STATUS_FLAG_TEMPOWNER as TEMPOWNER,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_SEND_INVALID_RIGHT,
  MPG_IMMOVABLE_RECEIVE,
  MPG_STRICT,
  MPO_IMMOVABLE_RECEIVE,
  MPO_REPLY_PORT,
  MPO_STRICT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { extractRight } from "../lib/calls.js";
import { assertGuard, construct, destruct, guard, guarded, immovable, swapGuard, unguard } from "../lib/guards.js";
import { sendRight, told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

const GUARDED = MACH_PORT_STATUS_FLAG_GUARDED;
const STRICT = MACH_PORT_STATUS_FLAG_STRICT_GUARD;
const IMMOVABLE = MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE;

const flagsOf = (space: Space, name: number) => space.status(name).flags;

test("A189 guard sets the context where there is none, and whatever guards a port with 0 may be replaced", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocate();
  const { traps: mach, self } = a;
  expectCode(a.setContext(port, 3), KERN_SUCCESS);
  for (const flags of [0, MPG_STRICT, MPG_IMMOVABLE_RECEIVE, MPG_STRICT | MPG_IMMOVABLE_RECEIVE]) {
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => guard(a, port, 9, flags));
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => guard(a, port, 3, flags));
  }
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => mach.mach_port_guard(self, port, 9, 0));
  expectCode(a.setContext(port, 0), KERN_SUCCESS);
  expectCode(guard(a, port, 0, MPG_STRICT), KERN_SUCCESS);
  expect(flagsOf(a, port)).toBe(GUARDED | STRICT);
  expectCode(guard(a, port, 0), KERN_SUCCESS);
  expect(flagsOf(a, port)).toBe(GUARDED);
  expectCode(mach.mach_port_guard(self, port, 9, 7), KERN_SUCCESS);
  expect(flagsOf(a, port)).toBe(GUARDED | STRICT);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => guard(a, port, 9));
  const other = a.allocate();
  expectCode(mach.mach_port_guard(self, other, 0xffffffff, 0), KERN_SUCCESS);
  expect([flagsOf(a, other), a.context(other)]).toEqual([GUARDED, 0xffffffff]);
});

test("A189 a call on a guard wants a receive right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { send } = sendRight(b, a);
  const names: [number, number][] = [
    [send, KERN_INVALID_RIGHT],
    [a.allocate(MACH_PORT_RIGHT_PORT_SET), KERN_INVALID_RIGHT],
    [a.allocate(MACH_PORT_RIGHT_DEAD_NAME), KERN_INVALID_RIGHT],
    [0x7703, KERN_INVALID_NAME],
    [MACH_PORT_NULL, KERN_INVALID_NAME],
    [MACH_PORT_DEAD, KERN_INVALID_NAME],
  ];
  for (const [name, code] of names) {
    expectUnchanged(code, [a, b], () => guard(a, name, 1));
    expectUnchanged(code, [a, b], () => a.traps.mach_port_guard(a.self, name, 1, 0));
    expectUnchanged(code, [a, b], () => unguard(a, name, 0));
    expectUnchanged(code, [a, b], () => swapGuard(a, name, 0, 1));
    const isName = name !== MACH_PORT_NULL && name !== MACH_PORT_DEAD;
    expectUnchanged(isName ? code : KERN_INVALID_RIGHT, [a, b], () => assertGuard(a, name, 0));
  }
});

test("A189 unguard leaves a receive right immovable that was; port-destroyed makes it movable again", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const port = a.allocate();
  const notify = b.allocate();
  expectCode(guard(a, port, 5, MPG_IMMOVABLE_RECEIVE), KERN_SUCCESS);
  expect(flagsOf(a, port)).toBe(GUARDED | IMMOVABLE);
  expectCode(unguard(a, port, 5), KERN_SUCCESS);
  expect(flagsOf(a, port)).toBe(0); // told of a guarded port alone
  expectUnchanged(KERN_INVALID_CAPABILITY, [a], () => a.insertRight(port, port, MACH_MSG_TYPE_MOVE_RECEIVE));
  expectCode(guard(a, port, 6), KERN_SUCCESS);
  expect(flagsOf(a, port)).toBe(GUARDED | IMMOVABLE);
  const once = give(b, notify, 21, a);
  expectCode(a.request(port, MACH_NOTIFY_PORT_DESTROYED, once, { disposition: 18 }).code, KERN_SUCCESS);
  expectCode(destruct(a, port, 0, 6), KERN_SUCCESS);
  const saved = told(b, notify).message.descriptors[0]?.name ?? 0;
  expect([flagsOf(b, saved), b.context(saved)]).toEqual([0, 0]);
  expect(a.type(give(b, saved, MACH_MSG_TYPE_MOVE_RECEIVE, a))).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A190 unguard wants the guard and clears the context, also of a strict one", async () => {
  await using machine = await boot();
  const a = machine.task();
  const plain = a.allocate();
  expectCode(a.setContext(plain, 8), KERN_SUCCESS);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, plain, 8));
  expect(a.context(plain)).toBe(8);
  for (const flags of [0, MPG_STRICT]) {
    const port = a.allocate();
    expectCode(guard(a, port, 7, flags), KERN_SUCCESS);
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, port, 8));
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, port, 0));
    expectCode(unguard(a, port, 7), KERN_SUCCESS);
    expect([flagsOf(a, port), a.context(port)]).toEqual([0, 0]);
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, port, 7));
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, port, 0));
    expectCode(a.destroy(port), KERN_SUCCESS);
  }
});

test("A190 swap_guard wants a guard that is not strict, and the old one", async () => {
  await using machine = await boot();
  const a = machine.task();
  const plain = a.allocate();
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => swapGuard(a, plain, 0, 1));
  const strict = guarded(a, 4, MPO_STRICT);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => swapGuard(a, strict, 4, 1));
  expectCode(assertGuard(a, strict, 4), KERN_SUCCESS);
  const port = guarded(a, 4);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => swapGuard(a, port, 5, 1));
  expectCode(swapGuard(a, port, 4, 6), KERN_SUCCESS);
  expect([flagsOf(a, port), a.context(port)]).toEqual([GUARDED, 6]);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, port, 4));
  expectCode(unguard(a, port, 6), KERN_SUCCESS);
});

test("A35 A191 a guarded port is not destroyed by mod_refs or destroy, and nothing changes", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  for (const flags of [0, MPO_STRICT]) {
    const port = guarded(a, 4, flags);
    expectUnchanged(KERN_INVALID_RIGHT, [a], () => a.destroy(port));
    expectCode(a.insertRight(port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
    const send = give(a, port, MACH_MSG_TYPE_COPY_SEND, b);
    expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => a.destroy(port));
    expectUnchanged(KERN_INVALID_RIGHT, [a, b], () => a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -1));
    expectUnchanged(KERN_INVALID_VALUE, [a, b], () => a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, -2));
    expectUnchanged(KERN_SUCCESS, [a, b], () => a.modRefs(port, MACH_PORT_RIGHT_RECEIVE, 0));
    expectCode(a.deallocate(port), KERN_SUCCESS);
    expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);
    expectCode(unguard(a, port, 4), KERN_SUCCESS);
    expectCode(a.destroy(port), KERN_SUCCESS);
    expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  }
});

test("A191 a strict guard is not shown and not set as the context; another is both", async () => {
  await using machine = await boot();
  const a = machine.task();
  const strict = guarded(a, 4, MPO_STRICT);
  expect(a.context(strict)).toBe(0);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => a.setContext(strict, 5));
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => a.setContext(strict, 4));
  expectCode(unguard(a, strict, 4), KERN_SUCCESS);
  const port = guarded(a, 4);
  expect(a.context(port)).toBe(4);
  expectCode(a.setContext(port, 5), KERN_SUCCESS);
  expect([flagsOf(a, port), a.context(port)]).toEqual([GUARDED, 5]);
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => unguard(a, port, 4));
  expectCode(unguard(a, port, 5), KERN_SUCCESS);
});

test("A56 A191 a guarded receive right that may be moved loses the guard on the way", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const hall = b.allocate();
  const to = give(b, hall, MACH_MSG_TYPE_MAKE_SEND, a);
  for (const flags of [0, MPO_STRICT]) {
    const port = guarded(a, 4, flags);
    const descriptors = [{ name: port, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }];
    const sent = a.send({ remote: to, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors });
    expectCode(sent, MACH_MSG_SUCCESS);
    const arrived = told(b, hall).message.descriptors[0]?.name ?? 0;
    expect([flagsOf(b, arrived), b.context(arrived)]).toEqual([0, 0]);
    expectCode(b.destroy(arrived), KERN_SUCCESS);
  }
  const own = guarded(a, 4);
  const { code, name } = extractRight(a, own, MACH_MSG_TYPE_MOVE_RECEIVE);
  expectCode(code, KERN_SUCCESS);
  expect(flagsOf(a, name)).toBe(0);
});

test("A57 an immovable receive right, guarded or not, and that of a reply port, stay where they are", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const hall = b.allocate();
  const to = give(b, hall, MACH_MSG_TYPE_MAKE_SEND, a);
  const ports = [immovable(a), guarded(a, 4, MPO_IMMOVABLE_RECEIVE), construct(a, MPO_REPLY_PORT)];
  for (const port of ports) {
    const disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
    const descriptors = [{ name: port, disposition }];
    const draft = { remote: to, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors };
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () => a.send(draft));
    expectUnchanged(KERN_INVALID_CAPABILITY, [a, b], () => a.insertRight(port, port, disposition));
    expectUnchanged(KERN_INVALID_CAPABILITY, [a, b], () => extractRight(a, port, disposition).code);
    expect(a.type(give(a, port, MACH_MSG_TYPE_MAKE_SEND, a))).not.toBe(0);
  }
  b.expectEmpty(hall);
  expectCode(a.destroy(ports[0] ?? 0), KERN_SUCCESS); // it may end there
});

test("A154 A168 a guard does not outlive its task, nor port-destroyed", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = b.allocate();
  const saved = guarded(a, 4, MPO_STRICT | MPO_IMMOVABLE_RECEIVE);
  const lost = guarded(a, 5, MPO_STRICT);
  const send = give(a, saved, MACH_MSG_TYPE_MAKE_SEND, b);
  const dead = give(a, lost, MACH_MSG_TYPE_MAKE_SEND, b);
  const once = give(b, notify, 21, a);
  expectCode(a.request(saved, MACH_NOTIFY_PORT_DESTROYED, once, { disposition: 18 }).code, KERN_SUCCESS);
  a.task[Symbol.dispose]();
  expect(b.type(dead)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_SEND);
  const name = told(b, notify).message.descriptors[0]?.name ?? 0;
  expect(name).toBe(send);
  expect([flagsOf(b, name), b.context(name)]).toEqual([0, 0]);
  expectCode(b.setContext(name, 3), KERN_SUCCESS);
  expectCode(b.destroy(name), KERN_SUCCESS);
});

test("A193 A195 the flavours of a port's guard and of what goes with its status", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = sendRight(a, b);
  expectCode(guard(a, port, 0xfedcba98, MPG_IMMOVABLE_RECEIVE), KERN_SUCCESS);
  const status = a.getAttributes(port, MACH_PORT_RECEIVE_STATUS, 10).info;
  expect(status[9]).toBe(GUARDED | IMMOVABLE);
  expect(a.getAttributes(port, MACH_PORT_GUARD_INFO)).toEqual({ code: KERN_SUCCESS, info: [0xfedcba98, 0], count: 2 });
  const ext = new Uint32Array(20).fill(9);
  const count = new Uint32Array([17]);
  const { traps: mach, self } = a;
  expectCode(mach.mach_port_get_attributes(self, port, MACH_PORT_INFO_EXT, ext, count), KERN_SUCCESS);
  expect([...ext]).toEqual([...status, ...Array.from({ length: 7 }, () => 0), 9, 9, 9]);
  expect(count[0]).toBe(17);
  for (const [hidden, flags] of [
    [guarded(a, 7, MPO_STRICT), GUARDED | STRICT],
    [guarded(a, 7, MPO_STRICT | MPO_IMMOVABLE_RECEIVE), GUARDED | STRICT | IMMOVABLE],
  ] as const) {
    expect(flagsOf(a, hidden)).toBe(flags);
    expect(a.getAttributes(hidden, MACH_PORT_GUARD_INFO).info).toEqual([0, 0]);
  }
  const plain = a.allocate();
  expectCode(a.setContext(plain, 7), KERN_SUCCESS);
  expect(a.getAttributes(plain, MACH_PORT_GUARD_INFO).info).toEqual([0, 0]);

  const flavors: [number, number][] = [
    [MACH_PORT_INFO_EXT, 17],
    [MACH_PORT_GUARD_INFO, 2],
    [MACH_PORT_SERVICE_THROTTLED, 1],
  ];
  for (const [flavor, words] of flavors) {
    for (const name of [send, 0x7703, MACH_PORT_NULL]) {
      expectUnchanged(KERN_FAILURE, [b], () => get(b, name, flavor, words - 1));
    }
    expectUnchanged(KERN_INVALID_RIGHT, [b], () => get(b, send, flavor, words));
    expectUnchanged(KERN_INVALID_RIGHT, [b], () => get(b, MACH_PORT_NULL, flavor, words));
    expectUnchanged(KERN_INVALID_RIGHT, [b], () => get(b, MACH_PORT_DEAD, flavor, words));
    expectUnchanged(KERN_INVALID_NAME, [b], () => get(b, 0x7703, flavor, words));
  }
  expectUnchanged(KERN_INVALID_CAPABILITY, [a], () => get(a, port, MACH_PORT_SERVICE_THROTTLED, 1));
});

function get({ traps, self }: Space, name: number, flavor: number, count: number): number {
  return traps.mach_port_get_attributes(self, name, flavor, new Uint32Array(17), new Uint32Array([count]));
}

test("set_attributes takes what means nothing here, of a receive right alone", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { port, send } = sendRight(a, b);
  const set = ({ traps, self }: Space, name: number, flavor: number, count: number) =>
    traps.mach_port_set_attributes(self, name, flavor, new Uint32Array([3, 3]), count);
  for (const [flavor, words] of [
    [3, 1],
    [4, 0],
    [5, 0],
    [6, 0],
  ] as const) {
    expectUnchanged(KERN_SUCCESS, [a], () => set(a, port, flavor, words));
    expectUnchanged(KERN_INVALID_RIGHT, [b], () => set(b, send, flavor, words));
    expectUnchanged(KERN_INVALID_RIGHT, [a], () => set(a, MACH_PORT_NULL, flavor, words));
    expectUnchanged(KERN_INVALID_NAME, [a], () => set(a, 0x7703, flavor, words));
  }
  expectUnchanged(KERN_FAILURE, [a], () => set(a, port, 3, 0));
  expectUnchanged(KERN_INVALID_CAPABILITY, [a], () => set(a, port, MACH_PORT_SERVICE_THROTTLED, 1));
  expectUnchanged(KERN_INVALID_NAME, [a], () => set(a, 0x7703, MACH_PORT_SERVICE_THROTTLED, 1));
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => set(a, port, MACH_PORT_INFO_EXT, 2));
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => set(a, port, MACH_PORT_GUARD_INFO, 2));
});

test("assert_attributes is right about a strict guard alone", async () => {
  await using machine = await boot();
  const a = machine.task();
  const { traps: mach, self } = a;
  const strict = guarded(a, 4, MPO_STRICT);
  expectCode(assertGuard(a, strict, 4), KERN_SUCCESS);
  for (const [name, word, high] of [
    [strict, 5, 0],
    [strict, 4, 1],
    [guarded(a, 4), 4, 0],
    [a.allocate(), 0, 0],
  ] as const) {
    expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => assertGuard(a, name, word, high));
  }
  const info = new Uint32Array([4, 0]);
  const ask = (name: number, flavor: number, count: number, words = info) =>
    mach.mach_port_assert_attributes(self, name, flavor, words, count);
  expectUnchanged(KERN_FAILURE, [a], () => ask(strict, MACH_PORT_GUARD_INFO, 1));
  expectUnchanged(KERN_FAILURE, [a], () => ask(0x7703, MACH_PORT_GUARD_INFO, 2, info.subarray(1)));
  expectUnchanged(KERN_INVALID_ARGUMENT, [a], () => ask(strict, MACH_PORT_RECEIVE_STATUS, 2));
  expectCode(unguard(a, strict, 4), KERN_SUCCESS);
});

test("A10 guards, ports made and ports ended are another task's by its port", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const other = a.on(give(b, b.self, MACH_MSG_TYPE_COPY_SEND, a));
  const port = guarded(other, 4, MPO_STRICT);
  expect(flagsOf(b, port)).toBe(GUARDED | STRICT);
  expectCode(assertGuard(other, port, 4), KERN_SUCCESS);
  expectUnchanged(KERN_INVALID_RIGHT, [b], () => other.destroy(port));
  expectCode(unguard(other, port, 4), KERN_SUCCESS);
  expectCode(guard(other, port, 5), KERN_SUCCESS);
  expectCode(swapGuard(other, port, 5, 6), KERN_SUCCESS);
  expect(b.context(port)).toBe(6);
  expectCode(destruct(other, port, 0, 6), KERN_SUCCESS);
  expect(b.has(port)).toBe(false);
  expect(machine.census()).toEqual(before);
});

test("A193 the flags have Mach's numbers", () => {
  expect([GUARDED, STRICT, IMMOVABLE]).toEqual([0x2, 0x4, 0x40]);
  expect([TEMPOWNER, IMP_DONATION, REVIVE, TASKPTR, NO_GRANT]).toEqual([0x1, 0x8, 0x10, 0x20, 0x80]);
  expect([MPG_STRICT, MPG_IMMOVABLE_RECEIVE]).toEqual([1, 2]);
});
