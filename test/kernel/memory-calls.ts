// Each call on memory, in a world of two tasks (midst.ts), for what comes in between (between-memory.test.ts) and what runs out
// (short-memory.test.ts).

import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, type Space } from "./machine.ts";
import { memory } from "../lib/memory.ts";
import type { PortDescriptor } from "../lib/message.js";
import { trio } from "./midst.ts";

export const PAGE = 4096;
const ANYWHERE = codes.VM_FLAGS_ANYWHERE;
const RW = codes.VM_PROT_DEFAULT;
const CREATE = codes.MAP_MEM_NAMED_CREATE | RW;
const SHARE = codes.MAP_MEM_VM_SHARE | RW;
const COPIES = codes.MAP_MEM_VM_COPY | RW;
const INHERIT = codes.VM_INHERIT_COPY;
/** Where the task that is called upon has six pages: 0, 1 and 3 have bytes; 0 and 1 are together, and shared by copy; 5 is shared on purpose. */
export const AT = 0x100000;
export const PAGES = 6;
const ARRAY = 0x200000;

/** The bytes of a message that the agent holds. */
export function bytesOf({ machine }: Space["agent"], kmsg: number, size: number): Uint8Array {
  const at = machine.words[(kmsg + layout.IpcKmsg_ikm_bytes) >> 2] as number;
  return machine.bytes.subarray(at, at + size);
}

/** Bytes of a task's memory, by way of a message. */
export function bytesAt({ agent, handle, self }: Space, kmsg: number, address: number, size: number): Uint8Array {
  expectKr(agent.core.vm_read_overwrite(handle, self, address, size, kmsg), codes.KERN_SUCCESS);
  return bytesOf(agent, kmsg, size);
}

/** A world in which the task `whose` has memory, whose name in a's space is `target`. */
export function setting(whose: "a" | "b", how?: Parameters<typeof trio>[0]) {
  const world = trio(how);
  const { a, b, one, two, three } = world;
  const owner = world[whose];
  const { core } = owner.agent;
  const { handle, self } = owner;
  const filled = core.mach_msg_prepare(handle, 2 * PAGE, 0) >>> 0;
  bytesOf(owner.agent, filled, 2 * PAGE).fill(1);
  // What is made at once is together.
  expectKr(core.vm_allocate(handle, self, AT, 2 * PAGE, 0), 0);
  for (let page = 2; page < PAGES; page++) expectKr(core.vm_allocate(handle, self, AT + page * PAGE, PAGE, 0), 0);
  expectKr(core.vm_write(handle, self, AT, filled, 2 * PAGE), 0);
  expectKr(core.vm_write(handle, self, AT + 3 * PAGE, filled, PAGE), 0);
  expectKr(core.vm_read(handle, self, AT + PAGE, PAGE), 0);
  const witness = three.task();
  expectKr(core.mach_make_memory_entry(handle, self, PAGE, AT + 5 * PAGE, SHARE, 0), 0);
  const shared = owner.give(owner.agent.out(1), codes.MACH_MSG_TYPE_MOVE_SEND, witness);
  expectKr(
    three.core.vm_map(witness.handle, witness.self, AT, PAGE, 0, 0, shared, 0, 0, RW, RW, codes.VM_INHERIT_NONE),
    codes.KERN_SUCCESS,
  );
  const looks = three.core.mach_msg_prepare(witness.handle, 24, 0) >>> 0;
  expectKr(one.core.mach_make_memory_entry(a.handle, a.self, 3 * PAGE, 0, CREATE, 0), 0);
  const entry = one.out(1);
  const kmsg = one.core.mach_msg_prepare(a.handle, PAGES * PAGE, 0) >>> 0;
  bytesOf(one, kmsg, PAGES * PAGE).fill(2);
  const aside = one.core.mach_msg_prepare(a.handle, PAGES * PAGE, 0) >>> 0;
  const letter = (...descriptors: PortDescriptor[]) =>
    a.prepare({ remote: world.out, remoteDisposition: codes.MACH_MSG_TYPE_COPY_SEND, descriptors });
  // Four null rights in the first of two pages.
  expectKr(one.core.vm_allocate(a.handle, a.self, ARRAY, 2 * PAGE, 0), codes.KERN_SUCCESS);
  const nulls = {
    name: ARRAY,
    count: 4,
    disposition: codes.MACH_MSG_TYPE_COPY_SEND,
    deallocate: 1,
    type: codes.MACH_MSG_OOL_PORTS_DESCRIPTOR,
  };
  const inbox = a.allocate();
  const names = a.inArray([0, 0, 0, 0], codes.MACH_MSG_TYPE_COPY_SEND);
  expectKr(a.send({ remote: inbox, remoteDisposition: codes.MACH_MSG_TYPE_MAKE_SEND, descriptors: [names] }), 0);
  return {
    ...world,
    owner,
    target: whose === "a" ? a.self : world.nameOfB,
    entry,
    kmsg,
    /** A message of b's with room for three pages. */
    reading: two.core.mach_msg_prepare(b.handle, 3 * PAGE, 0) >>> 0,
    /** Messages to b, not yet sent, with pages 1 to 3: as a copy, and moved. */
    copying: letter(memory(AT + PAGE, 3 * PAGE)),
    moving: letter(memory(AT + PAGE, 3 * PAGE, { deallocate: 1 })),
    /** Another, with an array of rights that is freed; and a port of a's with a message that has one. */
    listing: letter(nulls),
    inbox,
    /** Another message with room for all six pages. */
    aside,
    /** Whether a task that shares page 5 sees bytes there. */
    sees: () => bytesAt(witness, looks, AT, 1)[0] !== 0,
  };
}
export type Setting = ReturnType<typeof setting>;

/** Whether a, if it has not ended, has at `address` what is `skip` bytes behind AT: four pages. */
function hasCopy({ one, a, aside }: Setting, address: number, skip: number): boolean {
  const size = 4 * PAGE;
  const code = one.core.vm_read_overwrite(a.handle, a.self, address, size, aside);
  if (code === codes.KERN_INVALID_TASK) return true;
  expectKr(code, codes.KERN_SUCCESS);
  const page = (index: number) => Number([0, 1, 3].includes(index >>> 12));
  return bytesOf(one, aside, size).every((byte, index) => byte === page(index + skip));
}

export interface Call {
  act(setting: Setting): number;
  /** What it answers when memory is short, if not KERN_RESOURCE_SHORTAGE. */
  short?: number;
  /** What is not 0 after success. */
  gives?: number[];
  /** Whether success is seen in memory. `out`: what the call gave. */
  shows?(setting: Setting, out: readonly number[]): boolean;
  /** Whether what was sent is there. */
  arrives?(setting: Setting): boolean;
}

/** What a task asks of memory that is its own or, by its task port, another's. */
export const onAny: Record<string, Call> = {
  vm_allocate: {
    act: ({ one, a, target }) => one.core.vm_allocate(a.handle, target, 0, 3 * PAGE, ANYWHERE),
    gives: [0],
  },
  vm_deallocate: { act: ({ one, a, target }) => one.core.vm_deallocate(a.handle, target, AT + PAGE, PAGE) },
  vm_protect: {
    act: ({ one, a, target }) => one.core.vm_protect(a.handle, target, AT + PAGE, PAGE, 0, codes.VM_PROT_READ),
  },
  vm_inherit: {
    act: ({ one, a, target }) => one.core.vm_inherit(a.handle, target, AT + PAGE, PAGE, codes.VM_INHERIT_SHARE),
  },
  vm_read: {
    act: ({ one, a, target }) => one.core.vm_read(a.handle, target, AT + 100, 4 * PAGE),
    gives: [0, 1],
    shows: (world, [address = 0]) => hasCopy(world, address, 100),
  },
  vm_read_overwrite: {
    act: ({ one, a, target, kmsg }) => one.core.vm_read_overwrite(a.handle, target, AT + 100, 4 * PAGE, kmsg),
    shows: ({ one, kmsg }) => bytesOf(one, kmsg, 1)[0] === 1,
  },
  vm_write: {
    act: ({ one, a, target, kmsg }) => one.core.vm_write(a.handle, target, AT + 100, kmsg, 5 * PAGE),
    shows: ({ sees }) => sees(),
  },
  vm_copy: {
    act: ({ one, a, target }) => one.core.vm_copy(a.handle, target, AT, 4 * PAGE, AT + 2 * PAGE),
    shows: ({ sees }) => sees(),
  },
  vm_region: { act: ({ one, a, target }) => one.core.vm_region(a.handle, target, AT), gives: [0, 1] },
  "mach_make_memory_entry of new memory": {
    act: ({ one, a, target }) => one.core.mach_make_memory_entry(a.handle, target, PAGE, 0, CREATE, 0),
    gives: [0, 1],
  },
  "mach_make_memory_entry, sharing": {
    act: ({ one, a, target }) => one.core.mach_make_memory_entry(a.handle, target, 4 * PAGE, AT, SHARE, 0),
    gives: [0, 1],
  },
  "mach_make_memory_entry, copying": {
    act: ({ one, a, target }) => one.core.mach_make_memory_entry(a.handle, target, 4 * PAGE, AT, COPIES, 0),
    gives: [0, 1],
  },
  "vm_map of new memory": {
    act: ({ one, a, target }) => one.core.vm_map(a.handle, target, 0, PAGE, 0, ANYWHERE, 0, 0, 0, RW, RW, INHERIT),
    gives: [0],
  },
  "vm_map of an entry": {
    act: ({ one, a, target, entry }) =>
      one.core.vm_map(a.handle, target, 0, PAGE, 0, ANYWHERE, entry, PAGE, 0, RW, RW, INHERIT),
    gives: [0],
  },
  "vm_map of a copy": {
    act: ({ one, a, target, entry }) =>
      one.core.vm_map(a.handle, target, 0, PAGE, 0, ANYWHERE, entry, PAGE, 1, RW, RW, INHERIT),
    gives: [0],
  },
  "vm_remap from it, sharing": {
    act: ({ one, a, target }) => one.core.vm_remap(a.handle, a.self, 0, 4 * PAGE, 0, ANYWHERE, target, AT, 0, INHERIT),
    gives: [0, 1, 2],
    shows: (world, [address = 0]) => hasCopy(world, address, 0),
  },
  "vm_remap from it, copying": {
    act: ({ one, a, target }) => one.core.vm_remap(a.handle, a.self, 0, 4 * PAGE, 0, ANYWHERE, target, AT, 1, INHERIT),
    gives: [0, 1, 2],
    shows: (world, [address = 0]) => hasCopy(world, address, 0),
  },
  "vm_remap to it": {
    act: ({ one, a, target }) => one.core.vm_remap(a.handle, target, 0, PAGE, 0, ANYWHERE, target, AT, 0, INHERIT),
    gives: [0, 1, 2],
  },
  task_create_child: {
    act: ({ one, a, target }) => one.core.task_create_child(a.handle, target, 1) >>> 0,
    gives: [0],
    shows({ one, a, aside }, [child = 0]) {
      const page = one.core.vm_read_overwrite(a.handle, child, AT + 3 * PAGE, PAGE, aside);
      expectKr(one.core.task_terminate_target(a.handle, child), codes.KERN_SUCCESS);
      return page === codes.KERN_SUCCESS && bytesOf(one, aside, PAGE).every((byte) => byte === 1);
    },
  },
};

/** What it asks of its own alone. */
export const onOwn: Record<string, Call> = {
  "vm_lease to read": { act: ({ one, a }) => one.core.vm_lease(a.handle, AT, PAGE, 0), gives: [0, 1, 2] },
  "vm_lease to write": { act: ({ one, a }) => one.core.vm_lease(a.handle, AT + PAGE, PAGE, 1), gives: [0, 1, 2] },
  vm_compact: { act: ({ one, a }) => one.core.vm_compact(a.handle, AT + PAGE, 4 * PAGE) },
};

/** Whether b has a message with pages 1 to 3. */
function hasArrived({ two, b, port, reading }: Setting): boolean {
  const [memory] = b.take(port).descriptors;
  const code = two.core.vm_read_overwrite(b.handle, b.self, memory?.name ?? 0, 3 * PAGE, reading) >>> 0;
  const bytes = bytesOf(two, reading, 3 * PAGE);
  return code === codes.KERN_SUCCESS && bytes.every((byte, index) => byte === (index >>> 12 === 1 ? 0 : 1));
}

const SEND = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT;
/** What it sends and receives. */
export const inMessages: Record<string, Call> = {
  "a send that copies": {
    act: ({ one, a, copying: { kmsg, size } }) => one.core.mach_msg_trap(a.handle, kmsg, SEND, size, 0, 0, 0, 0),
    short: codes.MACH_SEND_NO_BUFFER,
    arrives: hasArrived,
  },
  "a send that moves": {
    act: ({ one, a, moving: { kmsg, size } }) => one.core.mach_msg_trap(a.handle, kmsg, SEND, size, 0, 0, 0, 0),
    short: codes.MACH_SEND_NO_BUFFER,
    arrives: hasArrived,
  },
};

/** Rights in arrays. */
export const inArrays: Record<string, Call> = {
  "a send of an array": {
    act: ({ one, a, listing: { kmsg, size } }) => one.core.mach_msg_trap(a.handle, kmsg, SEND, size, 0, 0, 0, 0),
    short: codes.MACH_SEND_NO_BUFFER,
  },
  "a receive of an array": {
    act({ one, a, inbox }) {
      const option = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;
      const code = one.core.mach_msg_trap(a.handle, 0, option, 0, 4096, inbox, 0, 0) >>> 0;
      expectKr(one.core.mach_msg_release(one.out(0)), codes.KERN_SUCCESS);
      return code;
    },
    short: codes.MACH_RCV_BODY_ERROR | codes.MACH_MSG_VM_KERNEL,
  },
};
