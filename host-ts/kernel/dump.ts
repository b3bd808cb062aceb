// A picture of the kernel as it is now, read from its memory while everybody goes on: what changes
// meanwhile may be seen half old, half new. For people and for tests that look for a cause.

import { MACH_PORT_TYPE_SEND_ONCE } from "../abi/codes.gen.js";
import {
  IE_BYTES,
  IO_ACTIVE,
  IO_KERNEL,
  IpcEntry_ie_bits,
  IpcEntry_ie_object,
  IpcKmsg_ikm_forward,
  IpcKmsg_ikm_local,
  IpcKmsg_ikm_next,
  IpcObject_imq_inbox,
  IpcObject_io_bits,
  IpcObject_io_name,
  IpcObject_io_receiver,
  IpcPort_imq_first,
  IpcPort_ip_receivers,
  IpcPort_ip_senders,
  IpcPort_ip_sorights,
  IpcPort_ip_srights,
  IS_DIRS,
  FRAME_BYTES,
  OWNER_LEASE,
  PROCESSOR_FREE,
  PROCESSOR_MAX,
  Processor_p_state,
  SPACE_DIRS,
  Task_map,
  Task_t_serial,
  VmEntry_vme_bytes,
  VmEntry_vme_end,
  VmEntry_vme_next,
  VmEntry_vme_object,
  VmEntry_vme_skip,
  VmEntry_vme_start,
  VmMap_vm_first,
  WAITER_ASYNC,
  Waiter_w_kind,
  Waiter_w_link,
  Waiter_w_pid,
  Waiter_w_task,
  ZONE_PORT,
  ZONE_PORT_BYTES,
  ZONE_TASK,
  ZONE_TASK_BYTES,
  ZONE_VME,
  ZONE_VME_BYTES,
} from "../abi/layout.gen.js";
import type { Views } from "../memory/views.js";
import type { Processor } from "../processor.js";
import { deadlocks } from "./deadlock.js";
import { HANDLE_ADDRESS, recordOf } from "./life.js";
import { elements, linked } from "./zones.js";

/** A task. */
export interface TaskDump {
  /** As this thread named it; absent for tasks that others made. */
  readonly name: string | undefined;
  /** What received messages call their sender. */
  readonly serial: number;
  /** Receive rights that it holds. */
  readonly ports: number;
  readonly memory: MemoryDump;
}

/** A task's memory. */
export interface MemoryDump {
  /** Bytes of its addresses that are in use, in whole pages. */
  readonly mappedBytes: number;
  /** Those of them that have frames, its own or shared; the others read as zeroes. */
  readonly residentBytes: number;
  /** Regions that are open now, in any of its threads. */
  readonly leases: number;
}

/** A send or a receive that waits. */
export interface WaiterDump {
  readonly kind: "receive" | "send";
  /** True: a promise waits; false: a thread is blocked. */
  readonly async: boolean;
  /** Serial number of the task. */
  readonly task: number;
  readonly processor: number;
}

/** A port. */
export interface PortDump {
  /** Serial number of the task that holds the receive right; 0: nobody, it is in a message. */
  readonly task: number;
  readonly name: number;
  readonly messages: number;
  readonly qlimit: number;
  readonly sendRights: number;
  readonly sendOnceRights: number;
  readonly waiters: readonly WaiterDump[];
}

/** What `kernel.dump()` gives. */
export interface KernelDump {
  readonly tasks: readonly TaskDump[];
  readonly ports: readonly PortDump[];
  readonly processors: readonly { readonly pid: number; readonly state: number }[];
  /** Page frames of 4 KiB in use. */
  readonly frames: number;
  /** Cycles of tasks that are blocked, each in a call to the next, the last to the first. */
  readonly deadlocks: readonly (readonly TaskDump[])[];
}

const MESSAGES_MAX = 65536;
const WAITERS_MAX = 65536;
const ENTRIES_MAX = 1 << 20;
const CHUNKS = 1024;
const CHUNK_ENTRIES = 256;
const INBOX_HEAD_MASK = ~63;

/** Reads the picture; `names` are what this thread knows of tasks, by handle. */
export function dumpKernel(processor: Processor, names: Map<number, string>): KernelDump {
  const { views } = processor;
  const known = new Map([...names].map(([handle, name]) => [(handle & HANDLE_ADDRESS) >>> 0, name]));
  const serials = new Map<number, number>([[0, 0]]);
  for (const task of elements(views, ZONE_TASK, ZONE_TASK_BYTES)) serials.set(task, views.u32(task + Task_t_serial));
  const serialOf = (task: number): number => serials.get(task) ?? 0;
  const ports = [...elements(views, ZONE_PORT, ZONE_PORT_BYTES)].filter(
    (port) => (views.u32(port + IpcObject_io_bits) & (IO_ACTIVE | IO_KERNEL)) === IO_ACTIVE,
  );
  const dumped = ports.map((port) => dumpPort(views, port, serialOf));
  const tasks = [...serials]
    .filter(([task]) => task !== 0)
    .map(([task, serial]) => ({
      name: known.get(task),
      serial,
      ports: dumped.filter((port) => port.task === serial).length,
      memory: dumpMemory(views, task),
    }));
  const cycles = deadlocks(waitsFor(views, [...serials.keys()].slice(1), ports, serialOf));
  return {
    tasks,
    ports: dumped,
    processors: dumpProcessors(views),
    frames: processor.core.frames_used(),
    deadlocks: cycles.map((cycle) => cycle.flatMap((serial) => tasks.filter((task) => task.serial === serial))),
  };
}

function dumpPort(views: Views, port: number, serialOf: (task: number) => number): PortDump {
  const counts = views.u32(port + IpcObject_imq_inbox + 4);
  const waiting = (head: number, kind: "receive" | "send"): WaiterDump[] =>
    [...linked(views, views.u32(port + head), Waiter_w_link, WAITERS_MAX)].map((waiter) => ({
      kind,
      async: (views.u32(waiter + Waiter_w_kind) & WAITER_ASYNC) !== 0,
      task: serialOf(views.u32(waiter + Waiter_w_task)),
      processor: views.u32(waiter + Waiter_w_pid),
    }));
  return {
    task: serialOf(views.u32(port + IpcObject_io_receiver)),
    name: views.u32(port + IpcObject_io_name),
    messages: counts & 0xffff,
    qlimit: counts >>> 16,
    sendRights: views.u32(port + IpcPort_ip_srights),
    sendOnceRights: views.u32(port + IpcPort_ip_sorights),
    waiters: [...waiting(IpcPort_ip_receivers, "receive"), ...waiting(IpcPort_ip_senders, "send")],
  };
}

function dumpMemory(views: Views, task: number): MemoryDump {
  let [mapped, resident] = [0, 0];
  for (const entry of linked(views, views.u32(task + VmMap_vm_first), VmEntry_vme_next, ENTRIES_MAX)) {
    const bytes = (views.u32(entry + VmEntry_vme_end) - views.u32(entry + VmEntry_vme_start)) * FRAME_BYTES;
    mapped += bytes;
    if (views.u32(entry + VmEntry_vme_object) !== 0) resident += bytes;
  }
  const isLease = (owner: number): boolean => owner - (owner % PROCESSOR_MAX) === OWNER_LEASE;
  const leases = [...elements(views, ZONE_VME, ZONE_VME_BYTES, isLease)].filter(
    (lease) =>
      views.u32(lease + VmEntry_vme_skip) === task + Task_map &&
      views.u32(lease + VmEntry_vme_bytes) === views.u32(task + Task_t_serial),
  );
  return { mappedBytes: mapped, residentBytes: resident, leases: leases.length };
}

function dumpProcessors(views: Views): { pid: number; state: number }[] {
  const found: { pid: number; state: number }[] = [];
  for (let pid = 1; pid < PROCESSOR_MAX; pid++) {
    const state = views.u32(recordOf(pid) + Processor_p_state);
    if (state !== PROCESSOR_FREE) found.push({ pid, state });
  }
  return found;
}

/**
 * Which task each blocked one waits for: it is blocked in a receive on a port that only send-once rights
 * lead to, and the other holds that right, or has it in a message in its queue.
 */
function waitsFor(
  views: Views,
  tasks: Iterable<number>,
  ports: readonly number[],
  serialOf: (task: number) => number,
): Map<number, Set<number>> {
  const blocked = new Map<number, number>();
  const edges = new Map<number, Set<number>>();
  for (const port of ports) {
    if (views.u32(port + IpcPort_ip_srights) !== 0) continue;
    for (const waiter of linked(views, views.u32(port + IpcPort_ip_receivers), Waiter_w_link, WAITERS_MAX)) {
      if ((views.u32(waiter + Waiter_w_kind) & WAITER_ASYNC) !== 0) continue;
      const task = serialOf(views.u32(waiter + Waiter_w_task));
      blocked.set(port, task);
      edges.set(task, edges.get(task) ?? new Set());
    }
  }
  if (blocked.size === 0) return edges;
  for (const port of ports) {
    const receiver = serialOf(views.u32(port + IpcObject_io_receiver));
    for (const kmsg of queued(views, port)) {
      const caller = blocked.get(views.u32(kmsg + IpcKmsg_ikm_local));
      if (caller !== undefined) edges.get(caller)?.add(receiver);
    }
  }
  for (const task of tasks) {
    for (const port of sendOnceRights(views, task)) {
      const caller = blocked.get(port);
      if (caller !== undefined) edges.get(caller)?.add(serialOf(task));
    }
  }
  return edges;
}

/** Ports that a task holds a send-once right to. */
function* sendOnceRights(views: Views, task: number): Generator<number> {
  for (let dir = 0; dir < SPACE_DIRS; dir++) {
    const chunks = views.u32(task + IS_DIRS + dir * 4);
    if (chunks === 0) continue;
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      const entries = views.u32(chunks + chunk * 4);
      if (entries === 0) break; // chunks are made in order, but for names of the user's choice
      for (let entry = 0; entry < CHUNK_ENTRIES; entry++) {
        const at = entries + entry * IE_BYTES;
        if ((views.u32(at + IpcEntry_ie_bits) & MACH_PORT_TYPE_SEND_ONCE) !== 0)
          yield views.u32(at + IpcEntry_ie_object);
      }
    }
  }
}

/** The messages of a port: those on its list, and those that senders published since. */
function* queued(views: Views, port: number): Generator<number> {
  yield* linked(views, views.u32(port + IpcPort_imq_first), IpcKmsg_ikm_forward, MESSAGES_MAX);
  const head = (views.u32(port + IpcObject_imq_inbox) & INBOX_HEAD_MASK) >>> 0;
  yield* linked(views, head, IpcKmsg_ikm_next, MESSAGES_MAX);
}
