// Memory of tasks where something comes in between: another processor, a death, the end of memory or of a quota, the end of addresses.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { type Agent, everywhere, expectKr, Machine, plainModule, Space } from "./machine.ts";
import { codesOf, trio } from "./midst.ts";
import { exhaust } from "./scarce.ts";

const LONG = { timeout: 120_000 };
const PAGE = 4096;
const ANYWHERE = codes.VM_FLAGS_ANYWHERE;
const RW = codes.VM_PROT_DEFAULT;
const COPY = codes.VM_INHERIT_COPY;

function allocate({ agent, handle, self }: Space, pages: number, at = 0): number {
  expectKr(agent.core.vm_allocate(handle, self, at, pages * PAGE, at === 0 ? ANYWHERE : 0), codes.KERN_SUCCESS);
  return agent.out(0);
}

/** Writes one byte into each page. Returns: the code. */
function touch({ agent, handle, self }: Space, address: number, pages: number): number {
  const { core } = agent;
  const kmsg = core.mach_msg_prepare(handle, pages * PAGE, 0) >>> 0;
  if (kmsg === 0) return agent.out(1);
  const code = core.vm_write(handle, self, address, kmsg, pages * PAGE) >>> 0;
  core.mach_msg_release(kmsg);
  return code;
}

function check(agent: Agent): void {
  const site = agent.core.kernel_check() >>> 0;
  if (site !== 0) throw new Error(`kernel_check: ${site.toString(16)}`);
}

function quotaTask(agent: Agent, frames: number): Space {
  expectKr(agent.core.task_create(0, 0, 0, frames), codes.KERN_SUCCESS);
  return new Space(agent, agent.out(0), agent.out(1)).attach();
}

test("vm_map and vm_remap map nothing behind the last page, whatever the offset", () => {
  const machine = new Machine(256, 64, { module: plainModule() });
  const one = machine.agent(1);
  const a = one.task();
  const { handle, self } = a;
  const last = 0xffffe000;
  const news = codes.MAP_MEM_NAMED_CREATE | RW;
  expectKr(one.core.mach_make_memory_entry(handle, self, 2 * PAGE, 0, news, 0), codes.KERN_SUCCESS);
  const map = one.core.vm_map(handle, self, last, PAGE, 0, 0, one.out(1), 1, 0, RW, RW, COPY) >>> 0;
  expect(codes.codeName(map)).toBe("KERN_NO_SPACE");
  check(one);
  const source = allocate(a, 2);
  const remap = one.core.vm_remap(handle, self, last, PAGE, 0, 0, self, source + 1, 0, COPY) >>> 0;
  expect(codes.codeName(remap)).toBe("KERN_NO_SPACE");
  check(one);
  expectKr(one.core.vm_map(handle, self, last, PAGE, 0, 0, 0, 0, 0, RW, RW, COPY), codes.KERN_SUCCESS);
  check(one);
});

test("a copy of pages that nobody has looked at is one entry, wherever it begins", () => {
  const machine = new Machine(256, 64, { module: plainModule() });
  const one = machine.agent(1);
  const a = one.task();
  const address = allocate(a, 40);
  expectKr(one.core.vm_read(a.handle, a.self, address + 100, 32 * PAGE), codes.KERN_SUCCESS);
  expect(machine.census(one)).toMatchObject({ VME: 2 });
});

test("a quota has room for what is touched, if not for the pages around it", () => {
  const machine = new Machine(256, 64, { module: plainModule() });
  const one = machine.agent(1);
  const a = quotaTask(one, 4);
  const address = allocate(a, 64);
  for (const page of [20, 3, 40, 63]) expectKr(touch(a, address + page * PAGE, 1), codes.KERN_SUCCESS);
  expectKr(touch(a, address, 1), codes.KERN_RESOURCE_SHORTAGE);
  check(one);
});

test("a task that ends gives its memory back, though there is none for what is to be told", () => {
  const machine = new Machine(160, 64, { module: plainModule() });
  const [one, two] = [machine.agent(1), machine.agent(2)];
  const [a, b] = [one.task(), two.task()];
  const port = b.allocate();
  b.give(port, codes.MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const address = allocate(a, 64);
  expectKr(touch(a, address, 64), codes.KERN_SUCCESS);
  const free = exhaust(a, b);
  expect(machine.census(two)).toMatchObject({ OBJECT: 1, TASK: 2 });
  a.terminate();
  expect(machine.census(two)).toMatchObject({ TASK: 1 });
  expect(b.take(port).id).toBe(codes.MACH_NOTIFY_SEND_ONCE);
  free();
  check(two);
});

test("a child is made of memory that changes meanwhile", LONG, () => {
  for (const change of ["compact", "remove", "again"]) {
    const world = trio();
    const { three } = world;
    const other = world.a.on(three);
    const address = allocate(world.a, 4);
    const { core } = three;
    expectKr(touch(world.a, address, 2), codes.KERN_SUCCESS);
    expectKr(touch(world.a, address + 2 * PAGE, 1), codes.KERN_SUCCESS);
    const code = codesOf(
      world,
      ({ one, a }) => {
        const made = one.core.task_create_child(a.handle, a.self, 1) >>> 0;
        const child = one.out(0);
        if (made === 0) one.core.task_terminate_target(a.handle, child);
        return made;
      },
      () => {
        if (change === "compact") core.vm_compact(other.handle, address, 4 * PAGE);
        else core.vm_deallocate(other.handle, other.self, address, 3 * PAGE);
        if (change === "again") core.vm_allocate(other.handle, other.self, address, 3 * PAGE, 0);
      },
      11,
    );
    expect(code, change).toEqual(["KERN_SUCCESS"]);
  }
});

test("a right for a memory entry is counted once, wherever its maker dies", LONG, () => {
  for (const reuse of [0, codes.MAP_MEM_NAMED_REUSE]) {
    const { machine, one, four, a } = trio();
    const { handle, self } = a;
    const { core } = one;
    const made = () => core.mach_make_memory_entry(handle, self, PAGE, 0, codes.MAP_MEM_NAMED_CREATE | RW, 0);
    expectKr(made(), codes.KERN_SUCCESS);
    const parent = one.out(1);
    const act = () => core.mach_make_memory_entry(handle, self, PAGE, 0, reuse | RW, parent);
    everywhere(machine, one, act, () => {
      for (const pid of [1, 2, 3]) four.buries(machine.agent(pid));
      four.drain();
      check(four);
      const { PORT = 0, ...left } = machine.census(four);
      expect({ PORT: PORT > 1 ? PORT : 0, ...left }).toEqual({ PORT: 0 });
    });
  }
});

test("a quota is not used up by who dies in the midst of a write", LONG, () => {
  const machine = new Machine(128);
  const [one, two] = [machine.agent(1), machine.agent(2)];
  const a = quotaTask(two, 16);
  const mine = a.on(one);
  const address = allocate(a, 16);
  const kmsg = one.core.mach_msg_prepare(mine.handle, 16 * PAGE, 0);
  let lost = 0;
  everywhere(
    machine,
    one,
    () => one.core.vm_write(mine.handle, mine.self, address, kmsg, 16 * PAGE),
    () => {
      two.buries(one);
      check(two);
      expectKr(two.core.vm_deallocate(a.handle, a.self, address, 16 * PAGE), codes.KERN_SUCCESS);
      if (touch(a, allocate(a, 16), 16) !== codes.KERN_SUCCESS) lost++;
    },
  );
  expect(lost).toBeLessThan(3); // between a count and the word that says of it, it counts too much
});
