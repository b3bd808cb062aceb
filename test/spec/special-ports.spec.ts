// A task's special ports (A208), its end, and codes of other calls that no other suite needs.

import { expect, test } from "vitest";
import {
  KERN_FAILURE,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_TASK,
  KERN_NO_SPACE,
  KERN_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_NULL,
  MACH_PORT_RECEIVE_STATUS,
  MACH_PORT_RIGHT_PORT_SET,
  MACH_PORT_TYPE_DEAD_NAME,
  TASK_BOOTSTRAP_PORT,
  TASK_KERNEL_PORT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectCode, expectUnchanged, give } from "../lib/space.js";

test("A208 the bootstrap port comes with a new reference each time, and setting it takes one", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { traps: mach, self } = b;
  const word = new Uint32Array(1);
  const port = a.allocate();
  const send = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.modRefs(send, 0, 1), KERN_SUCCESS);
  expectCode(mach.task_set_special_port(self, TASK_BOOTSTRAP_PORT, send), KERN_SUCCESS);
  expect(b.sends(send)).toBe(1);
  for (const refs of [2, 3]) {
    expectCode(mach.task_get_special_port(self, TASK_BOOTSTRAP_PORT, word), KERN_SUCCESS);
    expect(word[0]).toBe(send);
    expect(b.sends(send)).toBe(refs);
  }
  expectCode(mach.task_set_special_port(self, TASK_BOOTSTRAP_PORT, 0), KERN_SUCCESS);
  expectCode(mach.task_get_special_port(self, TASK_BOOTSTRAP_PORT, word), KERN_SUCCESS);
  expect(word[0]).toBe(MACH_PORT_NULL);
  expectCode(mach.task_get_special_port(self, TASK_KERNEL_PORT, word), KERN_SUCCESS);
  expect(word[0]).toBe(self);
  expectCode(b.destroy(send), KERN_SUCCESS);
  expect(a.status(port).srights).toBe(0);
});

test("A208 a special port that cannot be given or set is refused and takes no right", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { traps: mach, self } = b;
  const word = new Uint32Array(1);
  const port = b.allocate();
  const once = give(b, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
  const dying = a.allocate();
  const dead = give(a, dying, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(a.destroy(dying), KERN_SUCCESS);
  expect(b.type(dead)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  const set = (wanted: number, which: number, name: number) =>
    expectUnchanged(wanted, [b], () => mach.task_set_special_port(self, which, name));
  set(KERN_INVALID_ARGUMENT, 99, port);
  set(KERN_INVALID_ARGUMENT, TASK_BOOTSTRAP_PORT, MACH_PORT_DEAD);
  set(KERN_INVALID_NAME, TASK_BOOTSTRAP_PORT, 0x7703);
  for (const name of [port, once, dead]) set(KERN_INVALID_RIGHT, TASK_BOOTSTRAP_PORT, name);
  expectUnchanged(KERN_INVALID_ARGUMENT, [b], () => mach.task_get_special_port(self, 99, word));
});

test("task_terminate releases the task's rights, and afterwards its calls are refused", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const send = give(a, a.allocate(), MACH_MSG_TYPE_MAKE_SEND, b);
  expect(b.sends(send)).toBe(1);
  expectCode(a.traps.task_terminate(a.self), KERN_SUCCESS);
  expect(b.type(send)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  expectCode(a.tryAllocate(1).code, KERN_INVALID_TASK);
});

test("names and rights that a call on a port cannot use are refused", async () => {
  await using machine = await boot();
  const a = machine.task();
  const [port, set] = [a.allocate(), a.allocate(MACH_PORT_RIGHT_PORT_SET)];
  const { traps: mach, self } = a;
  const word = new Uint32Array(1);
  const refused = (wanted: number, call: () => number) => expectUnchanged(wanted, [a], call);
  for (const [code, name] of [
    [KERN_INVALID_NAME, 0x7703],
    [KERN_INVALID_RIGHT, set],
    [KERN_INVALID_RIGHT, MACH_PORT_NULL],
  ] as const) {
    refused(code, () => mach.mach_port_get_context(self, name, word));
    refused(code, () => mach.mach_port_set_context(self, name, 1));
    refused(code, () => mach.mach_port_set_seqno(self, name, 1));
    refused(code, () => mach.mach_port_set_mscount(self, name, 1));
    refused(code, () => mach.mach_port_extract_member(self, name, set));
    refused(code, () => mach.mach_port_set_attributes(self, name, MACH_PORT_LIMITS_INFO, word, 1));
  }
  refused(KERN_INVALID_ARGUMENT, () => mach.mach_port_set_attributes(self, port, MACH_PORT_RECEIVE_STATUS, word, 1));
  refused(KERN_FAILURE, () => mach.mach_port_set_attributes(self, port, MACH_PORT_LIMITS_INFO, word, 0));
  refused(KERN_INVALID_NAME, () => a.insertRight(port, 0x7703, MACH_MSG_TYPE_MAKE_SEND));
  expectCode(a.insertRight(0xffffff03, port, MACH_MSG_TYPE_MAKE_SEND_ONCE), KERN_NO_SPACE);
});
