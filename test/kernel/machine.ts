// A kernel driven by its traps alone, several processors on one thread, in which each access to memory is a place where a
// processor can stop: the debug build is given to wasm-opt, which puts a call before every load and store.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import type { Core } from "../../host-ts/core.ts";
import { build, type Draft, type Parsed, parse, type PortDescriptor } from "../lib/message.js";

const root = new URL("../../", import.meta.url);
const DEBUG = fileURLToPath(new URL("build/kernel.debug.wasm", root));
const CRASH = fileURLToPath(new URL("build/crash/kernel.wasm", root));
const WASM_OPT = fileURLToPath(new URL("node_modules/binaryen/bin/wasm-opt", root));

let compiled: WebAssembly.Module | undefined;

function crashModule(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  if (!existsSync(CRASH) || statSync(CRASH).mtimeMs < statSync(DEBUG).mtimeMs) {
    const features = ["threads", "bulk-memory", "mutable-globals", "sign-ext", "nontrapping-float-to-int"];
    const temporary = `${CRASH}.${process.pid}`;
    mkdirSync(fileURLToPath(new URL("build/crash", root)), { recursive: true });
    execFileSync(process.execPath, [
      WASM_OPT,
      ...features.map((feature) => `--enable-${feature}`),
      "-g",
      "--instrument-memory",
      DEBUG,
      "-o",
      temporary,
    ]);
    renameSync(temporary, CRASH);
  }
  compiled = new WebAssembly.Module(readFileSync(CRASH));
  return compiled;
}

/** The debug build as it is: faster, but it stops nowhere. */
export function plainModule(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(DEBUG));
}

/** Accesses after which a call is taken for one that never ends. */
const ENDLESS = 3_000_000;
/** Accesses after which one that acts in the midst of another's call is taken for one that waits for it. */
const PATIENCE = 20_000;

/** What is thrown where a processor stops. */
export class Crash extends Error {}

/** A processor: its instance, and the calls that tests make of it. */
export class Agent {
  readonly machine: Machine;
  readonly pid: number;
  readonly core: Core;
  /** Accesses until it stops; none when negative. */
  #left = -1;
  /** What others do where this would stop. */
  #meanwhile: (() => void) | undefined;
  /** Accesses since `count` was last set to 0. */
  count = 0;

  constructor(machine: Machine, pid: number) {
    this.machine = machine;
    this.pid = pid;
    const processor = new WebAssembly.Global({ value: "i32", mutable: false }, this.record);
    const at = (_id: number, _bytes: number, _offset: number, address: number) => {
      this.count++;
      machine.accesses++;
      if (machine.patience !== undefined && machine.accesses > machine.patience) throw new Waits();
      if (machine.accesses > ENDLESS) throw new Error(`processor ${pid} does not come to an end`);
      if (this.#left >= 0 && this.#left-- === 0) {
        const meanwhile = this.#meanwhile;
        if (meanwhile === undefined) throw new Crash(`processor ${pid} stops`);
        meanwhile();
      }
      return address;
    };
    const value = <T>(_id: number, is: T) => is;
    const env = {
      memory: machine.memory,
      processor,
      now: () => {
        // The first look is for the deadline.
        if (this.#left < -1 && ++this.#left === -1) throw new Crash(`processor ${pid} sleeps`);
        return 0;
      },
      memory_grow_pre: value,
      memory_grow_post: value,
      load_ptr: at,
      store_ptr: at,
    };
    for (const type of ["i32", "i64", "f32", "f64"]) {
      Object.assign(env, { [`load_val_${type}`]: value, [`store_val_${type}`]: value });
    }
    this.core = new WebAssembly.Instance(machine.module, { env }).exports as unknown as Core;
  }

  get record(): number {
    return layout.PROCESSORS + this.pid * layout.PROCESSOR_SIZE;
  }

  /** Enters the kernel for the first time. */
  attach(): this {
    const { words } = this.machine;
    words[(this.record + layout.Processor_p_state) >> 2] = layout.PROCESSOR_USER;
    words[(this.record + layout.Processor_p_generation) >> 2] = 1;
    this.core.processor_attach(layout.PROCESSOR_CAN_WAIT);
    return this;
  }

  get state(): number {
    return (this.machine.words[(this.record + layout.Processor_p_state) >> 2] as number) & 0xff;
  }

  /** Calls, stopping before the access number `place` of the call. Returns whether it stopped. */
  stopsIn(place: number, call: () => unknown): boolean {
    this.#left = place;
    try {
      call();
      return false;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      return true;
    } finally {
      this.#left = -1;
    }
  }

  /** Calls, and others act before the accesses number `places` of the call. Returns whether it came so far. */
  passes(places: number | readonly number[], call: () => unknown, meanwhile: () => void): boolean {
    const [first, ...rest] = [places].flat() as [number, ...number[]];
    this.#left = first;
    let last = first;
    let came = false;
    this.#meanwhile = () => {
      came = rest.length === 0;
      meanwhile();
      const next = rest.shift();
      if (next === undefined) return;
      this.#left = next - last - 1;
      last = next;
    };
    try {
      call();
      return came;
    } finally {
      this.#left = -1;
      this.#meanwhile = undefined;
    }
  }

  /** Calls what goes to sleep, with a timeout: the thread is never heard of again. */
  sleepsIn(call: () => unknown): void {
    this.#left = -3;
    try {
      call();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      return;
    } finally {
      this.#left = -1;
    }
    throw new Error("did not sleep");
  }

  /** What the host does when a trap throws. */
  fault(): void {
    const at = (this.record + layout.Processor_p_state) >> 2;
    const self = layout.PROCESSOR_RECOVERING | (this.pid << 8) | (layout.PROCESSOR_FAULTED << 16);
    const { words } = this.machine;
    if (words[at] === layout.PROCESSOR_KERNEL || words[at] === self) words[at] = layout.PROCESSOR_FAULTED;
  }

  out(index: number): number {
    return this.machine.words[((this.record + layout.Processor_p_out) >> 2) + index] as number;
  }

  batch(index: number): number {
    return this.machine.words[((this.record + layout.Processor_p_batch) >> 2) + index] as number;
  }

  /** Declares another processor dead. */
  marks(dead: Agent): void {
    const { processor_mark_gone } = this.core as unknown as {
      processor_mark_gone(pid: number, generation: number): void;
    };
    processor_mark_gone(dead.pid, 1);
  }

  /** Buries another processor, whose thread is gone. */
  buries(dead: Agent): void {
    this.core.processor_condemn(dead.pid, 1);
    expectKr(this.core.processor_gone(dead.pid, 1), codes.KERN_SUCCESS);
  }

  /** A new task that this processor runs. */
  task(quotaBytes = 0): Space {
    expectKr(this.core.task_create(0, 0, quotaBytes), codes.KERN_SUCCESS);
    return new Space(this, this.out(0), this.out(1)).attach();
  }

  /** Completions: cookie, code, the message or null. */
  drain(): { cookie: number; code: number; message: Parsed | null }[] {
    const count = this.core.processor_drain(256);
    return Array.from({ length: count }, (_, index) => {
      const [cookie, code, kmsg, size] = [0, 1, 2, 3].map((word) => this.batch(index * 4 + word)) as [
        number,
        number,
        number,
        number,
      ];
      return { cookie, code, message: kmsg === 0 ? null : this.taken(kmsg, size) };
    });
  }

  /** Reads and releases a kmsg. */
  taken(kmsg: number, size: number): Parsed {
    const address = this.machine.words[(kmsg + layout.IpcKmsg_ikm_bytes) >> 2] as number;
    const message = parse(this.machine.bytes.slice(address, address + size));
    expectKr(this.core.mach_msg_release(kmsg), codes.KERN_SUCCESS);
    return message;
  }
}

/** A task, seen from one of the processors that run it. */
export class Space {
  readonly agent: Agent;
  readonly handle: number;
  readonly serial: number;
  readonly self: number;

  constructor(agent: Agent, handle: number, serial: number) {
    this.agent = agent;
    this.handle = handle;
    this.serial = serial;
    this.self = agent.core.mach_task_self(handle) >>> 0;
  }

  attach(): this {
    expectKr(this.agent.core.task_attach(this.handle), codes.KERN_SUCCESS);
    return this;
  }

  /** The same task on another processor. */
  on(agent: Agent): Space {
    return new Space(agent, this.handle, this.serial).attach();
  }

  allocate(right: number = codes.MACH_PORT_RIGHT_RECEIVE): number {
    expectKr(this.agent.core.mach_port_allocate(this.handle, this.self, right), codes.KERN_SUCCESS);
    return this.agent.out(0);
  }

  insertMember(port: number, set: number): void {
    expectKr(this.agent.core.mach_port_insert_member(this.handle, this.self, port, set), codes.KERN_SUCCESS);
  }

  /** Gives a right of the kind to another task. */
  give(name: number, disposition: number, to: Space): number {
    expectKr(this.agent.core.task_insert_right(this.handle, name, disposition, to.handle), codes.KERN_SUCCESS);
    return this.agent.out(0);
  }

  refs(name: number, right: number): number {
    expectKr(this.agent.core.mach_port_get_refs(this.handle, this.self, name, right), codes.KERN_SUCCESS);
    return this.agent.out(0);
  }

  type(name: number): number {
    const kr = this.agent.core.mach_port_type(this.handle, this.self, name);
    return kr === codes.KERN_SUCCESS ? this.agent.out(0) : 0;
  }

  /** Names and types. */
  names(): [number, number][] {
    expectKr(this.agent.core.mach_port_names(this.handle, this.self), codes.KERN_SUCCESS);
    const [kmsg, address, count] = [this.agent.out(0), this.agent.out(1), this.agent.out(2)];
    const { words } = this.agent.machine;
    const names = Array.from({ length: count }, (_, index): [number, number] => [
      words[(address >> 2) + index] as number,
      words[(address >> 2) + count + index] as number,
    ]);
    this.agent.core.mach_msg_release(kmsg);
    return names;
  }

  destroy(name: number): void {
    expectKr(this.agent.core.mach_port_destroy(this.handle, this.self, name), codes.KERN_SUCCESS);
  }

  insertRight(name: number, poly: number, disposition: number): number {
    return this.agent.core.mach_port_insert_right(this.handle, this.self, name, poly, disposition);
  }

  deallocate(name: number): number {
    return this.agent.core.mach_port_deallocate(this.handle, this.self, name);
  }

  request(name: number, id: number, notify: number, sync = 0): number {
    const once = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
    return this.agent.core.mach_port_request_notification(this.handle, this.self, name, id, sync, notify, once);
  }

  /** Puts names into new memory; gives the code and the address. */
  tryArray(names: readonly number[]): { code: number; array: number } {
    const { agent, handle, self } = this;
    const { core, machine } = agent;
    const size = Math.max(names.length * 4, 24);
    let code = core.vm_allocate(handle, self, 0, size, codes.VM_FLAGS_ANYWHERE) >>> 0;
    const array = agent.out(0);
    if (code !== 0) return { code, array };
    const kmsg = core.mach_msg_prepare(handle, size, 0) >>> 0;
    if (kmsg === 0) return { code: agent.out(1), array };
    machine.words.set(names, agent.out(0) >> 2);
    code = core.vm_write(handle, self, array, kmsg, names.length * 4) >>> 0;
    core.mach_msg_release(kmsg);
    return { code, array };
  }

  /** A descriptor for a new array of these names, which the send frees. */
  inArray(names: readonly number[], disposition: number): PortDescriptor {
    const { code, array } = this.tryArray(names);
    expectKr(code, codes.KERN_SUCCESS);
    return { name: array, count: names.length, disposition, deallocate: 1, type: codes.MACH_MSG_OOL_PORTS_DESCRIPTOR };
  }

  prepare(draft: Draft): { kmsg: number; size: number } {
    const bytes = build(draft);
    const slots = (draft.descriptors ?? []).reduce((sum, { count }) => sum + 1 + (count ?? 0), 0);
    const kmsg = this.agent.core.mach_msg_prepare(this.handle, bytes.length, slots) >>> 0;
    if (kmsg === 0) throw new Error("no kmsg");
    this.agent.machine.bytes.set(bytes, this.agent.out(0));
    return { kmsg, size: bytes.length };
  }

  /** Sends, polling. */
  send(draft: Draft, bits = 0): number {
    const { kmsg, size } = this.prepare(draft);
    const option = codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT | bits;
    const kr = this.agent.core.mach_msg_trap(this.handle, kmsg, option, size, 0, 0, 0, 0) >>> 0;
    if (kr !== 0) this.agent.core.mach_msg_release(kmsg);
    return kr;
  }

  sendAsync(draft: Draft, cookie: number): { code: number; waiter: number } {
    const { kmsg, size } = this.prepare(draft);
    const code = this.agent.core.mach_msg_send_async(this.handle, kmsg, codes.MACH_SEND_MSG, size, cookie) >>> 0;
    return { code, waiter: this.agent.out(0) };
  }

  /** The next message, or the code. */
  receive(name: number): Parsed | number {
    const option = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT | (1 << 24);
    const kr = this.agent.core.mach_msg_trap(this.handle, 0, option, 0, 4096, name, 0, 0) >>> 0;
    return kr === 0 ? this.agent.taken(this.agent.out(0), this.agent.out(2)) : kr;
  }

  take(name: number): Parsed {
    const message = this.receive(name);
    if (typeof message === "number") throw new Error(`receive: ${codes.codeName(message)}`);
    return message;
  }

  /** Identifiers of all messages that are there. */
  ids(name: number): number[] {
    const ids: number[] = [];
    for (;;) {
      const message = this.receive(name);
      if (typeof message === "number") return ids;
      ids.push(message.id);
    }
  }

  /** Starts a receive that completes on the event loop. */
  pend(name: number, cookie: number): number {
    const option = codes.MACH_RCV_MSG | (1 << 24);
    const kr = this.agent.core.mach_msg_receive_async(this.handle, name, option, 4096, cookie) >>> 0;
    expectKr(kr, codes.MACH_RCV_IN_PROGRESS);
    return this.agent.out(0);
  }

  /** Goes to sleep in a receive. */
  sleep(name: number): void {
    const option = codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT;
    this.agent.sleepsIn(() => this.agent.core.mach_msg_trap(this.handle, 0, option, 0, 4096, name, 1000, 0));
  }

  terminate(): void {
    this.agent.core.task_terminate(this.handle);
  }
}

export function expectKr(got: number, wanted: number): void {
  if (got >>> 0 !== wanted >>> 0) throw new Error(`${codes.codeName(got >>> 0)}, not ${codes.codeName(wanted >>> 0)}`);
}

const ZONES = [
  "PORT",
  "PSET",
  "KMSG_SMALL",
  "KMSG_MEDIUM",
  "KMSG_LARGE",
  "TASK",
  "WAITER",
  "REQUEST",
  "LINK",
  "OBJECT",
  "VME",
];

/** How a processor stops: its thread is gone, or an exception left the trap and it goes on. */
export type Stop = "dies" | "faults";

/**
 * Stops `victim` before every access of `act` in turn, from the same state each time, and calls `after`.
 *
 * @param stride only every so manieth access
 */
export function everywhere(
  machine: Machine,
  victim: Agent,
  act: () => unknown,
  after: (place: number) => void,
  stride = 1,
): number {
  machine.save();
  let place = 0;
  for (; ; place += stride) {
    machine.restore();
    const stopped = victim.stopsIn(place, act);
    try {
      after(place);
    } catch (error) {
      throw new Error(`stopped before access ${place}: ${(error as Error).message}`, { cause: error });
    }
    if (!stopped) return place;
  }
}

/** An access of who waits for what a processor has that stands still meanwhile. */
export class Waits extends Error {}

/**
 * Calls `act` again and again from the same state; before each of its accesses in turn, `meanwhile` is done by another, as a whole.
 * Places where the other would have to wait are passed over. `after` looks at some outcomes. `stride`: only every so manieth access,
 * `places`: and none behind that one.
 *
 * Returns: the codes of `act`, each once.
 */
export function between(
  machine: Machine,
  one: Agent,
  act: () => number,
  meanwhile: () => void,
  after: () => void,
  stride = 1,
  places = Infinity,
) {
  const seen = new Set<string>();
  machine.save();
  for (let place = 0, turn = 0; ; place += stride, turn++) {
    machine.restore();
    try {
      let code = 0;
      const call = () => (code = act() >>> 0);
      const done = () => {
        machine.patience = machine.accesses + PATIENCE;
        meanwhile();
        machine.patience = undefined;
      };
      const came = one.passes(place, call, done);
      if (turn % 8 === 0 || !came) after();
      seen.add(`${codes.codeName(code)}${code & codes.MACH_MSG_IPC_SPACE ? " | MACH_MSG_IPC_SPACE" : ""}`);
      if (!came || place >= places) return [...seen].sort();
    } catch (error) {
      if (!(error instanceof Waits))
        throw new Error(`before access ${place}: ${(error as Error).message}`, { cause: error });
    } finally {
      machine.patience = undefined;
    }
  }
}

/** A kernel in a memory of its own. */
export class Machine {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  /** Since the last `save` or `restore`. */
  accesses = 0;
  /** The access at which who acts in between is taken for one that waits. */
  patience: number | undefined;
  readonly #agents: Agent[] = [];
  #saved: Uint8Array | undefined;

  /** @param told how many pages the kernel is told that it may use */
  constructor(maximum = 256, initial = 64, { module = crashModule(), told = maximum } = {}) {
    this.module = module;
    this.memory = new WebAssembly.Memory({ initial, maximum, shared: true });
    const booter = new Agent(this, 1);
    expectKr(booter.core.kernel_boot(told, 0), codes.KERN_SUCCESS);
    this.#agents.push(booter.attach());
  }

  get words(): Uint32Array {
    return new Uint32Array(this.memory.buffer);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }

  /** Processor 1 attached when the kernel was booted; others attach when they are first asked for. */
  agent(pid: number): Agent {
    const known = this.#agents.find((agent) => agent.pid === pid);
    if (known !== undefined) return known;
    const agent = new Agent(this, pid).attach();
    this.#agents.push(agent);
    return agent;
  }

  save(): void {
    this.accesses = 0;
    this.#saved = this.bytes.slice();
  }

  /** Everything is as it was at `save`. */
  restore(): void {
    const bytes = this.bytes;
    this.accesses = 0;
    bytes.fill(0);
    bytes.set(this.#saved as Uint8Array);
  }

  /** Live elements by zone, without zeros. */
  census(agent: Agent): Record<string, number> {
    const zones = layout as unknown as Record<string, number>;
    const counts = ZONES.map((zone) => [zone, agent.core.zone_count(zones[`ZONE_${zone}`] as number)] as const);
    return Object.fromEntries(counts.filter(([, count]) => count !== 0));
  }

  /** Owner words of the frames that have one: neither reserved nor free, with or without poison. */
  frames(): number[] {
    const table = layout.FRAME_TABLE >> 2;
    const pages = this.words[(layout.HEADER + layout.Header_h_pages) >> 2] as number;
    const none = [0, 6, layout.FRAME_POISONED];
    return Array.from(this.words.subarray(table, table + pages * 16)).filter((owner) => !none.includes(owner));
  }

  /** Frames that belong to no slab, and frames of slabs that have no first one. */
  loose(): number {
    const kinds = this.frames().map((owner) => owner & 0xf);
    const heads = kinds.filter((kind) => kind === layout.FRAME_ZONE).length;
    return kinds.length - heads * layout.SLAB_FRAMES;
  }
}
