// The kernel's exports as TypeScript sees them, each wrapped once by the rule for exceptions: when
// a trap throws (a JavaScript stack overflow can happen anywhere in it), the first thing done is a
// plain store of FAULTED in this processor's state word, so that whoever needs what this trap had
// locked can undo it. No call may come before that store: there may be no stack left for one.

import {
  PROCESSORS,
  PROCESSOR_FAULTED,
  PROCESSOR_KERNEL,
  PROCESSOR_RECOVERING,
  PROCESSOR_SIZE,
} from "./abi/layout.gen.js";

type Trap = (...args: number[]) => number;

/** Calls that are on the path of a message; wrapped one by one so that each keeps its own target. */
interface HotTraps {
  mach_msg_prepare(task: number, size: number, ports: number): number;
  mach_msg_trap(
    task: number,
    kmsg: number,
    option: number,
    sendSize: number,
    rcvSize: number,
    rcvName: number,
    timeout: number,
    notify: number,
  ): number;
  mach_msg_release(kmsg: number): number;
  mach_msg_send_many(task: number, count: number, option: number, timeout: number): number;
  mach_msg_receive_many(task: number, name: number, option: number, max: number): number;
  mach_msg_receive_async(task: number, name: number, option: number, rcvSize: number, cookie: number): number;
  mach_msg_send_async(task: number, kmsg: number, option: number, sendSize: number, cookie: number): number;
  mach_msg_cancel(waiter: number): number;
  processor_drain(max: number): number;
}

/** All other calls, by their number of arguments' order in the core. */
interface ColdTraps {
  kernel_boot(maximumPages: number, hash: number): number;
  kernel_terminate(): number;
  /** All invariants; debug builds only. Returns 0 or a site. */
  kernel_check(): number;
  zone_count(zone: number): number;
  frames_used(): number;
  processor_attach(flags: number): number;
  processor_detach(): number;
  processor_condemn(pid: number, generation: number): number;
  processor_gone(pid: number, generation: number): number;
  processor_spin(steps: number): number;
  task_create(parent: number, ports: number, kmsgBytes: number, memoryBytes?: number): number;
  task_attach(task: number): number;
  /** Makes a child of the task whose port `target` is: out 0 the name of the child's port. */
  task_create_child(task: number, target: number, inheritMemory?: number): number;
  /** Ends the calling task. */
  task_terminate(task: number): number;
  /** Ends the task whose port `target` is. */
  task_terminate_target(task: number, target: number): number;
  task_insert_right(task: number, name: number, disposition: number, child: number): number;
  task_set_special_port(task: number, target: number, which: number, name: number): number;
  task_get_special_port(task: number, target: number, which: number): number;
  mach_task_self(task: number): number;
  mach_host_self(task: number): number;
  mach_port_kobject(task: number, target: number, name: number): number;
  mach_ports_register(
    task: number,
    target: number,
    count: number,
    first: number,
    second: number,
    third: number,
  ): number;
  mach_ports_lookup(task: number, target: number): number;
  mach_reply_port(task: number): number;
  thread_get_special_reply_port(task: number): number;
  mach_port_allocate(task: number, target: number, right: number): number;
  mach_port_allocate_name(task: number, target: number, right: number, name: number): number;
  mach_port_insert_right(task: number, target: number, name: number, poly: number, disposition: number): number;
  mach_port_extract_right(task: number, target: number, name: number, disposition: number): number;
  mach_port_deallocate(task: number, target: number, name: number): number;
  mach_port_destroy(task: number, target: number, name: number): number;
  mach_port_mod_refs(task: number, target: number, name: number, right: number, delta: number): number;
  mach_port_get_refs(task: number, target: number, name: number, right: number): number;
  mach_port_type(task: number, target: number, name: number): number;
  mach_port_rename(task: number, target: number, oldName: number, newName: number): number;
  mach_port_names(task: number, target: number): number;
  mach_port_request_notification(
    task: number,
    target: number,
    name: number,
    msgid: number,
    sync: number,
    notify: number,
    notifyDisposition: number,
  ): number;
  mach_port_get_attributes(task: number, target: number, name: number, flavor: number, count: number): number;
  mach_port_set_attributes(
    task: number,
    target: number,
    name: number,
    flavor: number,
    value: number,
    count: number,
  ): number;
  mach_port_set_seqno(task: number, target: number, name: number, seqno: number): number;
  mach_port_set_mscount(task: number, target: number, name: number, mscount: number): number;
  mach_port_get_context(task: number, target: number, name: number): number;
  mach_port_set_context(task: number, target: number, name: number, context: number): number;
  mach_port_peek(task: number, target: number, name: number, seqno: number): number;
  mach_port_construct(task: number, target: number, flags: number, qlimit: number, context: number): number;
  mach_port_destruct(task: number, target: number, name: number, srdelta: number, guard: number): number;
  mach_port_guard_with_flags(task: number, target: number, name: number, guard: number, flags: number): number;
  mach_port_unguard(task: number, target: number, name: number, guard: number): number;
  mach_port_swap_guard(task: number, target: number, name: number, oldGuard: number, newGuard: number): number;
  mach_port_assert_attributes(task: number, target: number, name: number, guard: number, high: number): number;
  mach_port_move_member(task: number, target: number, member: number, after: number): number;
  mach_port_insert_member(task: number, target: number, name: number, pset: number): number;
  mach_port_extract_member(task: number, target: number, name: number, pset: number): number;
  mach_port_get_set_status(task: number, target: number, name: number): number;
}

/** Calls on memory: addresses are the task's, not the kernel's, but where it is said. */
interface MemoryTraps {
  /** Out 0 the address. */
  vm_allocate(task: number, target: number, address: number, size: number, flags: number): number;
  vm_deallocate(task: number, target: number, address: number, size: number): number;
  vm_protect(
    task: number,
    target: number,
    address: number,
    size: number,
    setMaximum: number,
    protection: number,
  ): number;
  vm_inherit(task: number, target: number, address: number, size: number, inheritance: number): number;
  /** Out: address, size, protection, maximum, inheritance, shared. */
  vm_region(task: number, target: number, address: number): number;
  /** Out 0 the address in the caller's memory, 1 the size. */
  vm_read(task: number, target: number, address: number, size: number): number;
  /** Copies to the bytes of a held kmsg. */
  vm_read_overwrite(task: number, target: number, address: number, size: number, kmsg: number): number;
  /** Copies the bytes of a held kmsg. */
  vm_write(task: number, target: number, address: number, kmsg: number, size: number): number;
  vm_copy(task: number, target: number, source: number, size: number, dest: number): number;
  /** Keeps a range where it is in the kernel's memory: out 0 the lease, 1 where there, 2 how many bytes from there on. */
  vm_lease(task: number, address: number, size: number, kind: number): number;
  vm_lease_end(lease: number): number;
  /** Makes a range one piece in the kernel's memory. */
  vm_compact(task: number, address: number, size: number): number;
  /** Out 0 the size, 1 the name. */
  mach_make_memory_entry(
    task: number,
    target: number,
    size: number,
    offset: number,
    permission: number,
    parent: number,
  ): number;
  /** Task, target, address, size, mask, flags, object, offset, copy, protection, maximum, inheritance: out 0 the address. */
  vm_map(...args: number[]): number;
  /** Task, target, address, size, mask, flags, source task, its address, copy, inheritance: out 0 address, 1 protection, 2 maximum. */
  vm_remap(...args: number[]): number;
  /** Makes the tables of pages forget some, to be found again; debug builds only. */
  pmap_drop(task: number, seed: number): number;
  /** Makes the entry of a page wrong; debug builds only. */
  vm_pmap_poke(task: number, address: number): number;
}

/** The kernel's exports, wrapped. */
export type Core = HotTraps & ColdTraps & MemoryTraps;

/** What happens after the state word was put right: finds the error to throw instead, if any. */
export type Explain = (error: unknown, trap: string) => unknown;

/** Wraps `exports`; `state` is a view of this processor's state word alone. */
export function wrapCore(exports: WebAssembly.Exports, state: Int32Array<SharedArrayBuffer>, explain: Explain): Core {
  const core: Record<string, Trap> = {};
  // An exception may also leave the recovery with which a trap begins after an earlier exception.
  const pid = (state.byteOffset - PROCESSORS) / PROCESSOR_SIZE;
  const recovering = PROCESSOR_RECOVERING | (pid << 8) | (PROCESSOR_FAULTED << 16);
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function") continue;
    const wrap = value.length <= COLD_ARGUMENTS ? wrapCold : wrapWide;
    core[name] = wrap(name, value as Trap, state, recovering, explain);
  }
  // The exports are checked to be there when the module is one of ours; see Processor.attach.
  return Object.assign(core, wrapHot(exports as unknown as HotTraps, state, recovering, explain)) as unknown as Core;
}

const COLD_ARGUMENTS = 7;

/** A call of more arguments. */
function wrapWide(
  name: string,
  call: Trap,
  state: Int32Array<SharedArrayBuffer>,
  recovering: number,
  explain: Explain,
): Trap {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
      throw explain(error, name);
    }
  };
}

/** One shape for every rare call: a Wasm export ignores the arguments it does not have. */
function wrapCold(
  name: string,
  call: Trap,
  state: Int32Array<SharedArrayBuffer>,
  recovering: number,
  explain: Explain,
): Trap {
  return (a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0) => {
    try {
      return call(a, b, c, d, e, f, g);
    } catch (error) {
      if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
      throw explain(error, name);
    }
  };
}

function wrapHot(
  exports: HotTraps,
  state: Int32Array<SharedArrayBuffer>,
  recovering: number,
  explain: Explain,
): HotTraps {
  const {
    mach_msg_prepare,
    mach_msg_trap,
    mach_msg_release,
    mach_msg_send_many,
    mach_msg_receive_many,
    mach_msg_receive_async,
    mach_msg_send_async,
    mach_msg_cancel,
    processor_drain,
  } = exports;
  return {
    mach_msg_prepare(task, size, ports) {
      try {
        return mach_msg_prepare(task, size, ports);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_prepare");
      }
    },
    mach_msg_trap(task, kmsg, option, sendSize, rcvSize, rcvName, timeout, notify) {
      try {
        return mach_msg_trap(task, kmsg, option, sendSize, rcvSize, rcvName, timeout, notify);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_trap");
      }
    },
    mach_msg_release(kmsg) {
      try {
        return mach_msg_release(kmsg);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_release");
      }
    },
    mach_msg_send_many(task, count, option, timeout) {
      try {
        return mach_msg_send_many(task, count, option, timeout);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_send_many");
      }
    },
    mach_msg_receive_many(task, name, option, max) {
      try {
        return mach_msg_receive_many(task, name, option, max);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_receive_many");
      }
    },
    mach_msg_receive_async(task, name, option, rcvSize, cookie) {
      try {
        return mach_msg_receive_async(task, name, option, rcvSize, cookie);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_receive_async");
      }
    },
    mach_msg_send_async(task, kmsg, option, sendSize, cookie) {
      try {
        return mach_msg_send_async(task, kmsg, option, sendSize, cookie);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_send_async");
      }
    },
    mach_msg_cancel(waiter) {
      try {
        return mach_msg_cancel(waiter);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "mach_msg_cancel");
      }
    },
    processor_drain(max) {
      try {
        return processor_drain(max);
      } catch (error) {
        if (state[0] === PROCESSOR_KERNEL || state[0] === recovering) state[0] = PROCESSOR_FAULTED;
        throw explain(error, "processor_drain");
      }
    },
  };
}
