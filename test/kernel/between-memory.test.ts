// What another processor does to memory in the midst of a call on it: before each access of the call in turn, as a whole. Which codes the
// call has then: all of these, and no other; success is seen; and nothing is left when all tasks have ended.

import { describe, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, type Space, Waits } from "./machine.ts";
import {
  AT,
  bytesAt,
  bytesOf,
  type Call,
  inMessages,
  onAny,
  onOwn,
  PAGE,
  PAGES,
  type Setting,
  setting,
} from "./memory-calls.ts";
import { codesOf, trio, type World } from "./midst.ts";

const LONG = { timeout: 120_000 };
/** A prime: so that loops are met at all their places. */
const STRIDE = 13;

/** The codes of a call on memory of that task, when something else happens meanwhile. */
function during(
  whose: "a" | "b",
  { act, gives = [], shows, arrives }: Call,
  meanwhile: (setting: Setting) => void,
): string[] {
  const world = setting(whose);
  const { machine, one } = world;
  const out = (one.record + layout.Processor_p_out) >> 2;
  const call = () => {
    machine.words.fill(0, out, out + 4);
    const code = act(world) >>> 0;
    const given = gives.map((index) => one.out(index));
    const site = machine.agent(4).core.kernel_check();
    if (site !== 0) throw new Error(`kernel_check: ${site.toString(16)}`);
    if (machine.words.subarray(0, 16).some((word) => word !== 0))
      throw new Error("something is where a null points to");
    if (code !== 0) return code;
    if (given.includes(0) || shows?.(world, given) === false || arrives?.(world) === false)
      throw new Error("success, and nothing is there");
    return code;
  };
  return codesOf(world, call, () => meanwhile(world), STRIDE);
}

const all = { ...onAny, ...onOwn, ...inMessages };
const ENDED = ["KERN_INVALID_TASK", "KERN_SUCCESS"];
/** What looks at pages 0 to 2. */
const LOOKS = Object.keys(all).filter((name) => /vm_(protect|read|write|copy)|ing$|to it|lease|compact/.test(name));
const IGNORES = ["vm_deallocate", "vm_inherit", "vm_region", "task_create_child"];

describe("the end of the task whose memory it is", () => {
  test.each(Object.keys(onAny))("during %s", LONG, (name) => {
    const got = during("b", onAny[name] as Call, ({ three, b }) => void three.core.task_terminate(b.handle));
    // Before the first access its port is dead already. New memory is nobody's.
    const wanted = name === "mach_make_memory_entry of new memory" ? ["KERN_SUCCESS"] : ENDED;
    expect(got.filter((code) => code !== "MACH_SEND_INVALID_DEST")).toEqual(wanted);
  });
});

describe("the end of the calling task", () => {
  // Who ends when its child is made leaves it to nobody.
  const names = Object.keys(all).filter((name) => name !== "task_create_child");
  test.each(names)("during %s", LONG, (name) => {
    const got = during("a", all[name] as Call, ({ three, a }) => void three.core.task_terminate(a.handle));
    expect(got).toEqual(ENDED);
  });
});

describe("the end of the memory", () => {
  const remove = ({ three, a }: Setting) => void three.core.vm_deallocate(a.handle, a.self, AT, 3 * PAGE);
  test.each(LOOKS)("during %s", LONG, (name) => {
    expect(during("a", all[name] as Call, remove)).toEqual(["KERN_INVALID_ADDRESS", "KERN_SUCCESS"]);
  });
  test.each(Object.keys(inMessages))("during %s", LONG, (name) => {
    const got = during("a", inMessages[name] as Call, remove);
    expect(got).toEqual(["KERN_SUCCESS", "MACH_SEND_INVALID_MEMORY"]);
  });
  test.each(IGNORES)("is no matter to %s", LONG, (name) => {
    expect(during("a", all[name] as Call, remove)).toEqual(["KERN_SUCCESS"]);
  });
});

describe("another protection", () => {
  const forbid = ({ three, a }: Setting) => void three.core.vm_protect(a.handle, a.self, AT, 3 * PAGE, 0, 0);
  // It is the pages' own.
  test.each(LOOKS.filter((name) => name !== "vm_protect"))("during %s", LONG, (name) => {
    const refused = name === "vm_compact" ? "KERN_INVALID_ARGUMENT" : "KERN_PROTECTION_FAILURE";
    expect(during("a", all[name] as Call, forbid)).toEqual([refused, "KERN_SUCCESS"]);
  });
});

test.each(["vm_write", "vm_copy"])(
  "who forbids writing in the midst of %s sees no byte change afterwards",
  LONG,
  (name) => {
    const world = setting("a");
    const { three, a } = world;
    const kmsg = three.core.mach_msg_prepare(a.handle, PAGES * PAGE, 0) >>> 0;
    const mine = Object.create(a, { agent: { value: three } }) as Space;
    const bytes = () => Buffer.from(bytesAt(mine, kmsg, AT, PAGES * PAGE)).toString("latin1");
    let seen: string | undefined;
    const got = codesOf(
      world,
      () => {
        seen = undefined;
        const code = (all[name] as Call).act(world);
        if (seen !== undefined) expect(bytes() === seen).toBe(true);
        return code;
      },
      () => {
        expectKr(three.core.vm_protect(a.handle, a.self, AT, PAGES * PAGE, 0, codes.VM_PROT_READ), codes.KERN_SUCCESS);
        seen = bytes();
      },
      STRIDE,
    );
    expect(got).toEqual(["KERN_PROTECTION_FAILURE", "KERN_SUCCESS"]);
  },
);

// What is written is what was there.
test.each(["vm_read", "vm_write", "vm_lease to write", "vm_compact"])("writing is no matter to %s", LONG, (name) => {
  const write = ({ three, a }: Setting) => {
    three.core.vm_copy(a.handle, a.self, AT, PAGE, AT + PAGE);
    three.core.vm_copy(a.handle, a.self, AT + 4 * PAGE, PAGE, AT + 2 * PAGE);
  };
  expect(during("a", all[name] as Call, write)).toEqual(["KERN_SUCCESS"]);
});

test("compaction gives up where somebody writes again and again, and leaves the memory as it was", LONG, () => {
  const { machine, one, three, a } = setting("a");
  const kmsg = three.core.mach_msg_prepare(a.handle, 24, 0) >>> 0;
  const write = () => {
    machine.patience = machine.accesses + 2_000;
    expectKr(three.core.vm_write(a.handle, a.self, AT, kmsg, 1), codes.KERN_SUCCESS);
    machine.patience = undefined;
  };
  machine.save();
  let code = 0;
  // Where the map is locked, who writes would wait: those places are passed over.
  for (let places: number[] = [], next = 0; code !== codes.KERN_RESOURCE_SHORTAGE; next += 3) {
    machine.restore();
    try {
      const come = one.passes([...places, next], () => (code = one.core.vm_compact(a.handle, AT, 4 * PAGE)), write);
      expect(come, codes.codeName(code)).toBe(true);
      places = [...places, next];
    } catch (error) {
      if (!(error instanceof Waits)) throw error;
    }
  }
  expect(one.core.kernel_check()).toBe(0);
  expectKr(one.core.vm_compact(a.handle, AT, 4 * PAGE), codes.KERN_SUCCESS);
});

// a, which may write its own page, asks for more of it, and gets of b's, which comes into its place and which it may only read, no more than that.
describe("memory that may only be read comes in the midst of", () => {
  const RW = codes.VM_PROT_DEFAULT;
  const WHERE = 0x80_0000;
  const doors: Record<string, (world: World) => { code: number; task: number; address: number }> = {
    vm_remap({ one, a }) {
      const code = one.core.vm_remap(a.handle, a.self, 0, PAGE, 0, 1, a.self, WHERE, 0, 1) >>> 0;
      return { code, task: a.self, address: one.out(0) };
    },
    mach_make_memory_entry({ one, a }) {
      const permission = codes.MAP_MEM_VM_SHARE | RW;
      const code = one.core.mach_make_memory_entry(a.handle, a.self, PAGE, WHERE, permission, 0) >>> 0;
      if (code === 0) expectKr(one.core.vm_map(a.handle, a.self, 0, PAGE, 0, 1, one.out(1), 0, 0, RW, RW, 1), 0);
      return { code, task: a.self, address: one.out(0) };
    },
    task_create_child({ one, a }) {
      const code = one.core.task_create_child(a.handle, a.self, 1) >>> 0;
      return { code, task: one.out(0), address: WHERE };
    },
  };
  test.each(Object.keys(doors))("%s", LONG, (name) => {
    const world = trio();
    const { one, two, three, a, b } = world;
    const letter = one.core.mach_msg_prepare(a.handle, PAGE, 0) >>> 0;
    const page = two.core.mach_msg_prepare(b.handle, PAGE, 0) >>> 0;
    const permission = codes.MAP_MEM_VM_SHARE | codes.VM_PROT_READ;
    expectKr(two.core.vm_allocate(b.handle, b.self, WHERE, PAGE, 0), 0);
    bytesOf(two, page, PAGE).fill(7);
    expectKr(two.core.vm_write(b.handle, b.self, WHERE, page, PAGE), 0);
    expectKr(two.core.mach_make_memory_entry(b.handle, b.self, PAGE, WHERE, permission, 0), 0);
    const entry = b.give(two.out(1), codes.MACH_MSG_TYPE_MOVE_SEND, a);
    expectKr(one.core.vm_allocate(a.handle, a.self, WHERE, PAGE, 0), 0);
    expectKr(one.core.vm_inherit(a.handle, a.self, WHERE, PAGE, codes.VM_INHERIT_SHARE), 0);
    const got = codesOf(
      world,
      () => {
        const { code, task, address } = (doors[name] as (typeof doors)[string])(world);
        if (code === 0) one.core.vm_write(a.handle, task, address, letter, 1);
        if (code === 0 && task !== a.self) expectKr(one.core.task_terminate_target(a.handle, task), 0);
        expect(bytesAt(b, page, WHERE, 1)[0]).toBe(7);
        return code;
      },
      () => {
        const READ = codes.VM_PROT_READ;
        expectKr(three.core.vm_deallocate(a.handle, a.self, WHERE, PAGE), 0);
        const inheritance = codes.VM_INHERIT_SHARE;
        expectKr(three.core.vm_map(a.handle, a.self, WHERE, PAGE, 0, 0, entry, 0, 0, READ, READ, inheritance), 0);
      },
      3,
    );
    expect(got).toEqual(name === "task_create_child" ? ["KERN_SUCCESS"] : ["KERN_PROTECTION_FAILURE", "KERN_SUCCESS"]);
  });
});
