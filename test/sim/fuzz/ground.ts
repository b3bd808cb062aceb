// Where the steps are made: a debug kernel with some tasks that know of one another, and two that stand by: one that nobody knows,
// and one whose port the others may send to. After each step every invariant is looked at, and that nobody else's names changed.

import { Kernel, type Task } from "mach-ipc";
import { traps } from "mach-ipc/traps";
import * as codes from "../../../host-ts/abi/codes.gen.ts";
import { ZONES } from "../../lib/boot.js";
import { type InnerTask, inside, Space } from "../../lib/space.js";
import type { Trap } from "./traps.js";
import type { Body, Kind, Step, Value } from "./values.js";

const TASKS = 3;
const KMSGS_MAX = 40;
/** Names that are written into an array: the smallest has room for as many. */
const ARRAY_MAX = 4;
/** Not through their own task's port, and yet another task's names change. */
const ELSEWHERE = /^(task_\w+|mach_msg_cancel|processor_\w+)$/;

/** Bits of the types that a kind of name has one of. */
const TYPES: Readonly<Record<Kind, number>> = {
  name: 0xffffffff,
  send: codes.MACH_PORT_TYPE_SEND,
  receive: codes.MACH_PORT_TYPE_RECEIVE,
  once: codes.MACH_PORT_TYPE_SEND_ONCE,
  set: codes.MACH_PORT_TYPE_PORT_SET,
  dead: codes.MACH_PORT_TYPE_DEAD_NAME,
};

type Names = ReadonlyMap<number, number>;
const NO_NAMES: Names = new Map();

/** What happened in a run. */
export interface Tally {
  readonly calls: Map<string, number>;
  readonly successes: Map<string, number>;
  steps: number;
}

export const emptyTally = (): Tally => ({ calls: new Map(), successes: new Map(), steps: 0 });

export class Ground {
  readonly kernel: Kernel;
  readonly #tally: Tally;
  readonly #parameters: ReadonlyMap<string, readonly string[]>;
  readonly #tasks: InnerTask[];
  readonly #owned: Task[] = [];
  readonly #handles: number[];
  readonly #before: readonly number[];
  readonly #standers: Space[];
  readonly #stood: string;
  readonly #kmsgs = new Set<number>();
  readonly #waiters: number[] = [];
  readonly #arrays: number[] = [];
  readonly #leases: number[] = [];
  /** Has the ports of the children that the tasks made: they end by them alone. */
  readonly #keeper: Space;
  readonly #children: number[] = [];
  readonly #batch: Uint32Array;
  /** The names of each task and their types, as the last step left them. */
  #names: Names[] = [];

  static async boot(module: WebAssembly.Module, known: readonly Trap[], tally: Tally): Promise<Ground> {
    return new Ground(await Kernel.boot({ module }), known, tally);
  }

  private constructor(kernel: Kernel, known: readonly Trap[], tally: Tally) {
    this.kernel = kernel;
    this.#tally = tally;
    this.#parameters = new Map(known.map(({ name, parameters }) => [name, parameters]));
    const { processor } = inside(kernel.task);
    this.#batch = processor.batch;
    this.#core("mach_host_self")(inside(kernel.task).handle); // the host's port stays
    this.#before = this.#census();
    this.#core("processor_attach")(0); // as a thread that may not wait: there is no other to wake it
    const make = (name: string) => {
      const task = kernel.createTask({ name });
      this.#owned.push(task);
      return new Space(task);
    };
    const spaces = Array.from({ length: TASKS }, (_, index) => make(`fuzz ${index}`));
    this.#keeper = make("keeper");
    this.#standers = [make("stranger"), make("acquaintance")];
    this.#tasks = spaces.map(({ task }) => task);
    this.#handles = spaces.map(({ handle }) => handle);
    this.#furnish(spaces);
    this.#stood = this.#stand();
    this.#names = this.#tasks.map(namesOf);
  }

  /** Something to begin with in each space. */
  #furnish(spaces: readonly Space[]): void {
    for (const [index, space] of [...spaces, ...this.#standers].entries()) {
      // The kernel's own port would keep what is sent to it.
      space.traps.task_set_special_port(space.self, codes.TASK_BOOTSTRAP_PORT, 0);
      const [port, other, pset] = [space.allocateWithSend(), space.allocate(), space.allocate(3)];
      space.insertMember(port, pset);
      space.send({ remote: port, remoteDisposition: 20, local: other, localDisposition: 21, id: index });
      space.arm(other, 70, port);
      const to = spaces[(index + 1) % TASKS];
      // The stranger gives nobody anything, and nobody gets the ports of those who stand by.
      if (to === undefined || index === TASKS) continue;
      this.#core("task_insert_right")(space.handle, port, codes.MACH_MSG_TYPE_MAKE_SEND, to.handle);
      if (index > TASKS) continue;
      this.#core("task_insert_right")(space.handle, space.self, codes.MACH_MSG_TYPE_COPY_SEND, to.handle);
    }
  }

  #core(name: string): (...given: number[]) => number {
    return (inside(this.kernel.task).processor.core as unknown as Record<string, (...given: number[]) => number>)[
      name
    ] as (...given: number[]) => number;
  }

  /** Makes one step. Throws if the kernel does, if an invariant is broken, or another task's names changed. */
  step({ trap, given, body }: Step): void {
    const parameters = this.#parameters.get(trap) ?? [];
    const { processor } = inside(this.kernel.task);
    const at = parameters.indexOf("task");
    const task = this.#resolve(given[at], 0) ?? 0;
    const self = this.#tasks[this.#handles.indexOf(task)];
    const words: number[] = [];
    for (const value of given)
      words.push(value.of === "again" ? (words.at(-1) ?? 0) : (this.#resolve(value, task) ?? 0));
    if (body !== null && trap !== "mach_msg_prepare") this.#write(body, task, trap, parameters, words);
    const code = this.#core(trap)(...words) >>> 0;
    this.#count(trap, code);
    this.#note(trap, code, task);
    if (trap === "mach_msg_prepare" && body !== null && code !== 0) {
      this.#fill(processor.out(0), words[parameters.indexOf("size")] ?? 0, body, task);
    }
    const site = this.#core("kernel_check")();
    if (site !== 0) throw new Error(`${trap} broke the invariant of site 0x${site.toString(16)}`);
    const before = this.#names;
    this.#names = this.#tasks.map(namesOf);
    if (!this.#touchesOnly(trap, parameters, words, self)) return;
    for (const [index, names] of this.#names.entries()) {
      if (this.#tasks[index] !== self && !sameNames(names, before[index] ?? NO_NAMES))
        throw new Error(`${trap} changed another task's names`);
    }
  }

  /** The task of this trap is one of ours, and the trap is not meant to reach another. */
  #touchesOnly(
    trap: string,
    parameters: readonly string[],
    words: readonly number[],
    self: InnerTask | undefined,
  ): boolean {
    if (self === undefined || ELSEWHERE.test(trap)) return false;
    const target = parameters.indexOf("target");
    return target < 0 || words[target] === self.self;
  }

  #resolve(value: Value | undefined, task: number): number | undefined {
    if (value === undefined) return undefined;
    const { of, at } = value;
    const nth = (list: readonly number[]) => (list.length === 0 ? 0 : list[at % list.length]);
    switch (of) {
      case "task":
        return nth(this.#handles);
      case "self":
        return this.#tasks[this.#handles.indexOf(task)]?.self ?? 0;
      case "foreign":
        return nth([...(this.#names[(this.#handles.indexOf(task) + 1) % TASKS] ?? NO_NAMES).keys()]);
      case "kmsg":
        return nth([...this.#kmsgs]);
      case "array":
        return nth(this.#arrays);
      case "lease":
        return nth(this.#leases);
      case "waiter":
        return nth(this.#waiters);
      case "again":
        return 0;
      case "word":
        // The handles of those who stand by are not for guessing.
        return this.#standers.some(({ handle }) => handle === at) ? 0 : at;
      default:
        return this.#nthName(task, of, at);
    }
  }

  /** The n-th name of the kind, or of any kind where there is none. Not the task's own: without it there is not much to do. */
  #nthName(task: number, kind: Kind, at: number): number {
    const index = this.#handles.indexOf(task);
    const names = [...(this.#names[index] ?? NO_NAMES)].filter(([name]) => name !== this.#tasks[index]?.self);
    const found = names.filter(([, type]) => (type & TYPES[kind]) !== 0);
    const chosen = found.length === 0 ? names : found;
    return chosen[at % chosen.length]?.[0] ?? 0;
  }

  /** Writes a message for a trap that sends one. */
  #write(body: Body, task: number, trap: string, parameters: readonly string[], words: number[]): void {
    const size = 24 + (body.complex ? 4 + 12 * body.descriptors.length : 0);
    const kmsg = this.#core("mach_msg_prepare")(task, size, body.complex ? body.descriptors.length : 0) >>> 0;
    if (kmsg === 0) return;
    this.#kmsgs.add(kmsg);
    this.#fill(inside(this.kernel.task).processor.out(0), size, body, task);
    if (trap === "mach_msg_send_many") {
      this.#batch.set([kmsg, size, kmsg, size, words[1] ?? 0, size]);
      words[parameters.indexOf("count")] = (words[parameters.indexOf("count")] ?? 0) % 4;
      return;
    }
    words[parameters.indexOf("kmsg")] = kmsg;
    words[parameters.indexOf("sendSize")] = size;
    const option = parameters.indexOf("option");
    words[option] = ((words[option] ?? 0) | 1) >>> 0;
  }

  #fill(address: number, size: number, body: Body, task: number): void {
    const { views } = inside(this.kernel.task).processor;
    const of = (value: Value) => this.#resolve(value, task) ?? 0;
    const { to, reply, voucher, id } = body;
    const bits = (to[0] | (reply[0] << 8) | (voucher[0] << 16) | (body.complex ? 0x80000000 : 0)) >>> 0;
    const header = [bits, size, of(to[1]), of(reply[1]), of(voucher[1]), of(id)];
    const rights = body.descriptors.flatMap(({ type, right: [disposition, name], count, array, flags }) => [
      of(type >= codes.MACH_MSG_OOL_DESCRIPTOR && type <= codes.MACH_MSG_OOL_VOLATILE_DESCRIPTOR ? array : name),
      count,
      ((disposition << 16) | (type << 24) | flags) >>> 0,
    ]);
    const all = body.complex ? [...header, body.descriptors.length, ...rights] : header;
    for (const [index, value] of all.slice(0, size >>> 2).entries()) views.setU32(address + 4 * index, value);
  }

  /** What a trap gave out is there for the steps after it. */
  #note(trap: string, code: number, task: number): void {
    const { processor } = inside(this.kernel.task);
    const [first, second] = [processor.out(0), processor.out(1)];
    if (trap === "task_create" && code === 0) {
      if (this.#handles.length < 2 * TASKS) this.#adopt(first);
      else this.#core("task_terminate")(first);
    } else if (trap === "mach_msg_prepare") this.#keep(code);
    else if (trap === "processor_drain") {
      for (let index = 0; index < code; index++) this.#keep(this.#batch[index * 4 + 2] ?? 0);
    } else if (trap === "mach_msg_receive_many" && code === 0) {
      for (let index = 0; index < first; index++) this.#keep(this.#batch[index * 8] ?? 0);
    } else if (trap === "task_create_child" && code === 0) {
      this.#core("task_insert_right")(task, first, codes.MACH_MSG_TYPE_COPY_SEND, this.#keeper.handle);
      this.#children.push(processor.out(0));
    } else if (trap === "vm_lease" && code === 0) this.#leases.push(first);
    else if (trap === "vm_allocate" && code === 0 && first !== 0) {
      this.#arrays.push(first);
      this.#name(task, first);
    } else if (code === 0x10004001 || code === 0x10000001) this.#waiters.push(first);
    else {
      this.#keep(first);
      this.#keep(second);
    }
    if (this.#waiters.length > 30) this.#waiters.shift();
    // Held for long, messages would only fill memory.
    for (const kmsg of this.#kmsgs) {
      if (this.#kmsgs.size <= KMSGS_MAX) break;
      this.#core("mach_msg_release")(kmsg);
      this.#kmsgs.delete(kmsg);
    }
  }

  /** A task that a step made is one of ours. */
  #adopt(handle: number): void {
    const { processor } = inside(this.kernel.task);
    const self = this.#core("mach_task_self")(handle);
    this.#handles.push(handle);
    this.#tasks.push({ name: "made", processor, handle, self, bounded: false } as unknown as InnerTask);
  }

  /** Writes some names into new memory, wherever they mean something; it may be another task's. */
  #name(task: number, address: number): void {
    const { processor } = inside(this.kernel.task);
    const kmsg = this.#core("mach_msg_prepare")(task, 4 * ARRAY_MAX + 24, 0) >>> 0;
    if (kmsg === 0) return;
    const names = this.#names.flatMap((each) => [...each.keys()]).slice(0, ARRAY_MAX);
    const at = processor.out(0);
    for (let index = 0; index < ARRAY_MAX; index++) processor.views.setU32(at + 4 * index, names[index] ?? 0);
    const self = this.#tasks[this.#handles.indexOf(task)]?.self ?? 0;
    this.#core("vm_write")(task, self, address, kmsg, 4 * ARRAY_MAX);
    this.#core("mach_msg_release")(kmsg);
  }

  /** What may be a kmsg: the kernel knows whether it is one of ours. */
  #keep(address: number): void {
    if (address >= 0x10000 && (address & 63) === 0) this.#kmsgs.add(address);
  }

  #count(trap: string, code: number): void {
    const { calls, successes } = this.#tally;
    this.#tally.steps++;
    calls.set(trap, (calls.get(trap) ?? 0) + 1);
    const good = /^mach_(msg_prepare|task_self|reply_port)$/.test(trap) ? code !== 0 : code === 0;
    if (good) successes.set(trap, (successes.get(trap) ?? 0) + 1);
  }

  /** All that those who stand by can see. What others send to the acquaintance changes her port's status alone. */
  #stand(): string {
    const [stranger, acquaintance] = this.#standers as [Space, Space];
    const known = [...acquaintance.names()].sort(([a], [b]) => a - b);
    return JSON.stringify([
      stranger.snapshot(),
      known.map(([name, type]) => [name, type, acquaintance.getRefs(name, 0)]),
    ]);
  }

  #census(): number[] {
    return Object.values(ZONES).map((zone) => this.#core("zone_count")(zone));
  }

  /** Ends all tasks: nothing may be left, and those who stood by must have seen nothing. */
  end(): void {
    if (this.#stand() !== this.#stood) throw new Error("a task that took no part sees something else");
    const { handle: keeper } = this.#keeper;
    for (const child of this.#children) this.#core("task_terminate_target")(keeper, child);
    for (const handle of this.#handles) this.#core("task_terminate")(handle);
    for (const task of this.#owned) task[Symbol.dispose]();
    for (let taken = 256; taken === 256; ) {
      taken = this.#core("processor_drain")(256);
      for (let index = 0; index < taken; index++) this.#keep(this.#batch[index * 4 + 2] ?? 0);
    }
    for (const kmsg of this.#kmsgs) this.#core("mach_msg_release")(kmsg);
    for (const lease of this.#leases) this.#core("vm_lease_end")(lease);
    const site = this.#core("kernel_check")();
    if (site !== 0) throw new Error(`the end of the tasks broke the invariant of site 0x${site.toString(16)}`);
    const [before, after] = [this.#before.join(), this.#census().join()];
    if (after !== before) throw new Error(`something is left: ${Object.keys(ZONES).join()}: ${before}, now ${after}`);
    this.#core("kernel_terminate")();
    const code = this.#core("mach_reply_port")(0);
    if (code !== 0) throw new Error("a closed kernel gives names");
  }
}

/** The names of a task and their types; none of one that has ended. */
function namesOf(task: InnerTask): Names {
  const [names, types] = [{ value: new Uint32Array(0) }, { value: new Uint32Array(0) }];
  traps(task as unknown as Task).mach_port_names(task.self, names, types);
  return new Map([...names.value].map((name, index) => [name, types.value[index] ?? 0]));
}

function sameNames(some: Names, others: Names): boolean {
  return some.size === others.size && [...some.keys()].every((name) => others.has(name));
}
