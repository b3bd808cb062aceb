// Can any sequence of traps with any arguments break the kernel? Method: seeded nonsense to every call, names, addresses,
// sizes and flags alike, mixed with values that mean something; no call may throw, every invariant must hold afterwards,
// and once the tasks are gone nothing may be left of what they made.

import { expect, test } from "vitest";
import { bootDebug, ZONES } from "../lib/boot.js";
import { type InnerTask, inside } from "../lib/space.js";
import { Random } from "./random.js";

const CALLS = Number(process.env.OPS ?? 120_000);
const SEED = Number(process.env.SEED ?? 7);

/** Calls with the number of arguments behind the task. Those that end, recover or block processors are not among them. */
const TRAPS = {
  mach_task_self: 0,
  mach_reply_port: 0,
  mach_port_allocate: 2,
  mach_port_allocate_name: 3,
  mach_port_insert_right: 4,
  mach_port_array_allocate: 1,
  mach_port_array_look: 1,
  mach_port_deallocate: 2,
  mach_port_destroy: 2,
  mach_port_mod_refs: 4,
  mach_port_get_refs: 3,
  mach_port_type: 2,
  mach_port_rename: 3,
  mach_port_request_notification: 6,
  mach_port_get_attributes: 4,
  mach_port_set_attributes: 5,
  mach_port_set_seqno: 3,
  mach_port_set_mscount: 3,
  mach_port_get_context: 2,
  mach_port_set_context: 3,
  mach_port_peek: 3,
  mach_port_move_member: 3,
  mach_port_insert_member: 3,
  mach_port_extract_member: 3,
  task_get_special_port: 2,
  task_set_special_port: 3,
  task_insert_right: 3,
  mach_msg_receive_many: 3,
} as const;

type Name = keyof typeof TRAPS;

/** A number that may mean something: a name, a task, an address, a right, a size, or nothing. */
function argument(random: Random, tasks: readonly InnerTask[], kmsgs: readonly number[]): number {
  switch (random.below(8)) {
    case 0:
      return random.word();
    case 1:
      return random.pick(tasks).self;
    case 2:
      return random.pick(tasks).handle;
    case 3:
      return random.pick([0, 0xffffffff, 0x7fffffff, 0x80000000, 24, 28, 65535, 65536]);
    case 4:
      return kmsgs.length > 0 ? random.pick(kmsgs) : random.word();
    case 5:
      return ((1 + random.below(12)) << 8) | 3 | (random.below(4) << 2);
    default:
      return random.below(24);
  }
}

test("nonsense is answered with a code and breaks nothing", { timeout: 300_000 }, async () => {
  const { kernel, check } = await bootDebug();
  await using _closing = kernel;
  const { processor } = inside(kernel.task);
  const { core, views } = processor;
  const census = () => Object.values(ZONES).map((zone) => core.zone_count(zone));
  core.mach_host_self(inside(kernel.task).handle); // the host's port stays
  const before = census();
  const random = new Random(SEED);
  const tasks = Array.from({ length: 3 }, (_, index) => kernel.createTask({ name: `garbage ${index}` }));
  const inner = tasks.map(inside);
  const kmsgs: number[] = [];
  const arrays: number[] = [];
  const names = Object.keys(TRAPS) as Name[];
  /** Makes a message one that carries arrays, of which some are. */
  const writeArrays = (message: number, size: number, any: () => number): void => {
    const descriptors = random.below(Math.floor((size - 28) / 12) + 1);
    views.setU32(message, 0x80000014);
    views.setU32(message + 8, ((1 + random.below(12)) << 8) | 3);
    views.setU32(message + 12, 0);
    views.setU32(message + 24, descriptors);
    for (let at = message + 28; at < message + 28 + 12 * descriptors; at += 12) {
      views.setU32(at, arrays.length > 0 && random.chance(70) ? random.pick(arrays) : any());
      views.setU32(at + 4, random.chance(90) ? random.below(8) : any());
      const type = random.pick([0, 2, 2, 2, 2]);
      views.setU32(at + 8, random.below(2) | (random.pick([16, 17, 18, 19, 20, 21, 22]) << 16) | (type << 24));
    }
  };
  for (let call = 0; call < CALLS; call++) {
    if (call % 5000 === 0) expect(check()).toBe(0);
    const task = random.chance(97) ? random.pick(inner).handle : random.word();
    const any = () => argument(random, inner, kmsgs);
    const choice = random.below(10);
    if (choice < 6) {
      const name = random.pick(names);
      const trap = core[name] as (...words: number[]) => number;
      if (name === "mach_port_array_allocate") {
        const count = random.chance(90) ? random.below(80) : any();
        if (trap(task, count) !== 0 || count === 0) continue;
        arrays.push(processor.out(0));
        const address = processor.out(1);
        for (let index = 0; index < count && index < 80; index++) views.setU32(address + index * 4, any());
        continue;
      }
      // The target is mostly the task itself: nothing else gets past the first check.
      const target = random.chance(80) ? (inner.find(({ handle }) => handle === task)?.self ?? any()) : any();
      const rest = Array.from({ length: Math.max(0, TRAPS[name] - 1) }, any);
      trap(task, target, ...rest);
    } else if (choice === 6) {
      const size = random.chance(80) ? 4 * random.below(64) : any();
      const kmsg = core.mach_msg_prepare(task, size, random.below(random.chance(50) ? 6 : 40));
      if (kmsg === 0) continue;
      const address = processor.out(0);
      for (let offset = 0; offset < 24; offset += 4) views.setU32(address + offset, any());
      if (random.chance(70)) views.setU32(address, random.pick([19, 20, 21, 0x80000014, 0x1514, 17 | (21 << 8)]));
      if (size >= 40 && random.chance(50)) writeArrays(address, Math.min(size, 100), any);
      kmsgs.push(kmsg);
    } else if (choice === 7) {
      const option = random.pick([0x11, 0x102, 0x113, 0x106, 0x10e, 0]) | (random.below(16) << 24);
      const kmsg = kmsgs.length > 0 && random.chance(50) ? random.pick(kmsgs) : any();
      core.mach_msg_trap(task, kmsg, option >>> 0, 4 * random.below(40), any(), any(), 0, any());
    } else if (choice === 8) {
      core.mach_msg_release(any());
      core.mach_port_array_deallocate(random.chance(50) && arrays.length > 0 ? random.pick(arrays) : any());
      core.mach_msg_cancel(any());
    } else {
      core.processor_drain(random.below(300));
    }
  }
  for (const kmsg of kmsgs) core.mach_msg_release(kmsg);
  // Whatever array is held, also such as were received.
  const { byteLength } = processor.views.memory.buffer;
  for (let address = 0; address < byteLength; address += 64) core.mach_port_array_deallocate(address);
  expect(check()).toBe(0);
  for (const task of tasks) task[Symbol.dispose]();
  expect(check()).toBe(0);
  expect(census()).toEqual(before);
});
