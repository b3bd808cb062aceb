// What scenarios do with memory: pages of a task, messages that carry them, operations that touch them, and looks at their bytes.

import * as codes from "../../dist/abi/codes.gen.js";
import * as layout from "../../dist/abi/layout.gen.js";
import { refuse } from "./violation.mjs";

export const PAGE = 4096;
const AUDITOR = 7;
const BYTES = 24;
/** What new pages hold. */
export const OLD = 0x01d;
/** What operations write. */
export const NEW = 0x2e3;

/** Lets a processor find entries, objects and messages in its magazines when it acts. */
export function warmMemory(world, task, pid) {
  const made = [];
  for (let n = 0; n < 4; n++) made.push(pages(world, task, { by: pid }));
  for (const address of made) world.expect(pid, "vm_deallocate", task.handle, task.self, address, PAGE);
  const kmsgs = made.map(() => written(world, task, pid, 0));
  for (const kmsg of kmsgs) world.expect(pid, "mach_msg_release", kmsg);
}

/** New pages, made by a processor that does not act, each with `value` in its first word, if that is not 0; else nobody has looked at them. Returns: their address. `whole`: of one object. */
export function pages(world, task, { count = 1, value = OLD, whole = false, by: pid = 4 } = {}) {
  world.expect(pid, "vm_allocate", task.handle, task.self, 0, count * PAGE, codes.VM_FLAGS_ANYWHERE);
  const address = world.machine.out(pid, 0);
  if (value === 0) return address;
  const kmsg = written(world, task, pid, value);
  for (let page = 0; page < count; page++)
    world.expect(pid, "vm_write", task.handle, task.self, address + page * PAGE, kmsg, 4);
  world.expect(pid, "mach_msg_release", kmsg);
  if (whole) world.expect(pid, "vm_compact", task.handle, address, count * PAGE);
  return address;
}

/** A message in the hand of `pid` that begins with this word. */
function written({ machine }, task, pid, value) {
  const kmsg = machine.trap(pid, "mach_msg_prepare", task.handle, BYTES, 0);
  machine.words[machine.out(pid, 0) >>> 2] = value;
  return kmsg;
}

/** From now on the task may have so many frames more. */
export function confine({ machine }, { handle }, frames) {
  machine.words[((handle & ~63) + layout.VmMap_vm_quota) >>> 2] = frames;
}

/** Frames that are charged to the task. */
export function charged({ machine }, { handle }) {
  return machine.u32((handle & ~63) + layout.VmMap_vm_used);
}

/** A copy, made by 4 in `to`, of pages of `from`: they share the frame. Returns: its address. */
export function copied(world, from, to, address, count = 1) {
  const name = from === to ? to.self : world.right({ task: from, name: from.self }, to, codes.MACH_MSG_TYPE_COPY_SEND);
  world.expect(4, "vm_read", to.handle, name, address, count * PAGE);
  return world.machine.out(4, 0);
}

/** A message that `pid` has written and not sent, with a region. */
export function carrier(world, task, pid, { to, address, size = PAGE, deallocate = false }) {
  const { machine } = world;
  const message = world.message(task, pid, { to, rights: [[0, codes.MACH_MSG_TYPE_COPY_SEND]] });
  const at = machine.u32(message.kmsg + layout.IpcKmsg_ikm_bytes) >>> 2;
  machine.words.set([address, size, (deallocate ? 1 : 0) | (1 << 8) | (codes.MACH_MSG_OOL_DESCRIPTOR << 24)], at + 7);
  return message;
}

/** Writes NEW to the word at `address`. */
export function write(world, task, pid, address) {
  const kmsg = written(world, task, pid, NEW);
  return { call: () => ["vm_write", task.handle, task.self, address, kmsg, 4] };
}

/** Leases a page; keeps the code. */
export function lease(task, address, kind) {
  return { call: () => ["vm_lease", task.handle, address, PAGE, kind] };
}

/** A lease that is out. */
export function leased(world, task, pid, address, kind) {
  world.expect(pid, "vm_lease", task.handle, address, PAGE, kind);
  return world.machine.out(pid, 0);
}

/** Ends the lease that the operation before began, if it did. */
export function leaseEnd() {
  const began = (results) => results.at(-1) === codes.KERN_SUCCESS;
  return {
    call: ({ pid, results }, machine) =>
      began(results) ? ["vm_lease_end", machine.out(pid, 0)] : ["processor_spin", 0],
  };
}

/** The word at `address` as anybody reads it; undefined: there is none. */
export function word({ machine }, { handle, self }, address) {
  const kmsg = machine.trap(AUDITOR, "mach_msg_prepare", handle, BYTES, 0);
  const at = machine.out(AUDITOR, 0);
  const code = machine.trap(AUDITOR, "vm_read_overwrite", handle, self, address, 4, kmsg);
  const value = code === codes.KERN_SUCCESS ? machine.u32(at) : undefined;
  machine.trap(AUDITOR, "mach_msg_release", kmsg);
  return value;
}

/** The word is one of these. */
export function holds(end, task, address, ...values) {
  const found = word(end, task, address);
  refuse(!values.includes(found), `0x${address.toString(16)} of a task holds ${found}, not ${values}`);
}

/** The word of a region that `pid` has received last; undefined: it has none. */
export function arrived(end, task, pid) {
  const at = end.machine.out(pid, 1);
  return at === 0 ? undefined : word(end, task, end.machine.u32(at + 28));
}
