// The kernel and the oracle side by side: some tasks, their pending waits, and the comparison after every operation.
// What the operations are is in operations.ts.

import type { Kernel, Task } from "mach-ipc";
import { type Traps, traps } from "mach-ipc/traps";
import {
  codeName,
  MACH_IPC_RETRY,
  MACH_MSG_SUCCESS,
  MACH_RCV_IN_PROGRESS,
  MACH_SEND_IN_PROGRESS,
  TASK_BOOTSTRAP_PORT,
} from "../../host-ts/abi/codes.gen.ts";
import { IpcKmsg_ikm_bytes } from "../../host-ts/abi/layout.gen.ts";
import { build, word } from "../lib/message.js";
import { createOracle, type Received, receive } from "../lib/oracle-receive.js";
import { cancel, send } from "../lib/oracle-send.js";
import { type Codes, getRefs, typeOf } from "../lib/oracle-names.js";
import { getContext, receiveStatus } from "../lib/oracle-ports.js";
import {
  Mismatch,
  type Mutation,
  type Oracle,
  RCV_TOO_LARGE,
  type Seen,
  Space,
  type Waiter,
} from "../lib/oracle-state.js";
import { type InnerTask, inside } from "../lib/space.js";
import type { Driven } from "./driven.js";

/** One task as both sides see it. */
export interface Actor {
  readonly task: Task;
  readonly inner: InnerTask;
  readonly traps: Traps;
  readonly self: number;
  readonly space: Space;
  /** Who acts on the task: itself, or another through its port. */
  readonly by: Actor;
  /** Names that the task was born with, and those of the other tasks' ports; nobody touches them. */
  readonly born: Set<number>;
  /** Its names for the ports of the others. */
  readonly ports: Map<Space, number>;
  /** Names that denoted something once. */
  readonly stale: number[];
}

interface Wait {
  waiter: Waiter;
  actor: Actor;
  /** The kernel's waiter and the cookie of its completion. */
  handle: number;
  cookie: number;
  name: number;
  receives: boolean;
}

const RCV_LARGE = 0x4;
/** Slots from here on are for the names of tasks' ports. */
const TASK_PORTS = 3000;
/** Ports in all arrays of a message. */
const ARRAYED_MAX = 64;
const EMPTY = new Uint8Array(0);

export class World {
  readonly kernel: Kernel;
  readonly oracle: Oracle;
  readonly actors: Actor[] = [];
  readonly waits = new Map<number, Wait>();
  /** What was called, for a failure to show; filled only while tracing. */
  readonly trace: string[] | null;
  /** Who acts. */
  actor: Actor | null = null;
  operations = 0;
  refused = 0;
  #nextWaiter = 1;
  #retries: number[] = [];
  #completed = 0;

  readonly #driven: Driven | null;

  constructor(
    kernel: Kernel,
    options: { mutation?: Mutation | null; trace?: string[] | null; driven?: Driven | null } = {},
  ) {
    this.#driven = options.driven ?? null;
    this.kernel = kernel;
    this.oracle = createOracle(options.mutation ?? null);
    this.trace = options.trace ?? null;
    this.oracle.readArray = (space, address, count) => this.#readArray(space, address, count);
  }

  /** Adds a task with an empty space. */
  addActor(): Actor {
    const task = this.kernel.createTask({ name: "actor" });
    const calls = this.#driven?.wrap(traps(task)) ?? traps(task);
    const self = calls.mach_task_self();
    calls.task_set_special_port(self, TASK_BOOTSTRAP_PORT, 0); // the kernel's own naming service, which the oracle has not
    const inner = inside(task);
    const space = new Space(serialOf(calls, self));
    const born = new Set(namesOf(calls, self).keys());
    this.oracle.spaces.push(space);
    const actor = { task, inner, traps: calls, self, space, born, ports: new Map<Space, number>(), stale: [] };
    const itself: Actor = Object.assign(actor, { by: actor as unknown as Actor });
    for (const other of this.actors) {
      introduce(itself, other);
      introduce(other, itself);
    }
    this.actors.push(itself);
    return itself;
  }

  /** The task as another acts on it: by its own calls and its name for the task's port. */
  through(by: Actor, actor: Actor): Actor {
    return { ...actor, by, traps: by.traps, self: by.ports.get(actor.space) ?? 0 };
  }

  /** Ends a task on both sides, itself or by the port that another has; its own waits are given up first. */
  removeActor(actor: Actor, by = actor): void {
    for (const wait of [...this.waits.values()]) if (wait.actor === actor) this.cancel(wait);
    if (by !== actor) {
      const code = by.traps.task_terminate(by.ports.get(actor.space) ?? 0);
      if (code !== 0) throw new Mismatch(`task_terminate: ${spell(code)}`);
    }
    actor.task[Symbol.dispose]();
    this.observe();
    this.oracle.terminate(actor.space);
    this.actors.splice(this.actors.indexOf(actor), 1);
    this.compareCompletions();
  }

  /** Starts an operation: what completes from here on belongs to it. */
  begin(actor: Actor | null): void {
    this.actor = actor;
    this.operations++;
    this.oracle.now++;
    this.oracle.seen.clear();
    this.oracle.completions.length = 0;
  }

  /** Compares a code, after the kernel acted and before anything else is looked at. */
  answer(call: string, got: number, wanted: Codes): void {
    if (!wanted.includes(got >>> 0)) {
      throw new Mismatch(`${call}: the kernel answered ${spell(got)}, the oracle ${wanted.map(spell).join(" or ")}`);
    }
    if (got !== 0 && got !== MACH_RCV_IN_PROGRESS && got !== MACH_SEND_IN_PROGRESS) this.refused++;
    this.compareCompletions();
  }

  note(text: string): void {
    this.trace?.push(`${this.operations}: task ${this.actor?.space.serial ?? 0}: ${text}`);
  }

  /** Collects what the kernel completed since the operation began. */
  observe(): void {
    const { processor } = inside(this.kernel.task);
    for (;;) {
      const before = this.#completed;
      processor.drain();
      const retries = this.#retries.splice(0);
      for (const id of retries) this.#receiveAgain(id);
      // What is done with one completion, or asking again, may bring the next.
      if (retries.length === 0 && before === this.#completed) return;
    }
  }

  /** Every completion that the oracle expects was seen, and no other. */
  compareCompletions(): void {
    const { completions, seen } = this.oracle;
    this.oracle.flush();
    for (const completion of completions) {
      const { waiter, code } = completion;
      const got = seen.get(waiter.id);
      if (!got) throw new Mismatch(`the oracle completed waiter ${waiter.id} with ${spell(code)}, the kernel did not`);
      if (got.code !== code && got.code !== completion.or) {
        throw new Mismatch(
          `waiter ${waiter.id}: the kernel completed with ${spell(got.code)}, the oracle ${spell(code)}`,
        );
      }
      if (completion.words === null) compareBytes(`waiter ${waiter.id}`, got.bytes, completion.bytes ?? EMPTY);
      else if ((waiter.option & RCV_LARGE) === 0) compareWords(got.bytes, completion);
      else if (got.size !== completion.size && got.size !== 0)
        throw new Mismatch(`waiter ${waiter.id} was told ${got.size} bytes`);
      seen.delete(waiter.id);
      this.waits.delete(waiter.id);
    }
    completions.length = 0;
    for (const [id, { code }] of seen)
      throw new Mismatch(`the kernel completed waiter ${id} with ${spell(code)}, the oracle did not`);
  }

  /** A receive that may wait, on both sides. */
  receivePending(actor: Actor, ask: { name: number; option: number; rcvSize: number }): number {
    const id = this.#nextWaiter++;
    const { code, seen, handle, cookie } = this.#startReceive(actor, id, ask);
    this.observe();
    const { name, option, rcvSize } = ask;
    const makeWaiter = (): Waiter => {
      const waiter = { id, space: actor.space, option, rcvSize, kmsg: null };
      this.waits.set(id, { waiter, actor, handle, cookie, name, receives: true });
      return waiter;
    };
    const wanted = receive(this.oracle, actor.space, name, { option, rcvSize, seen, waiter: makeWaiter });
    this.note(`receive_async(${hex(name)}, ${hex(option)}, ${rcvSize}) as waiter ${id} -> ${spell(code)}`);
    this.answer("mach_msg_receive_async", code, [wanted.code]);
    if (code === MACH_MSG_SUCCESS) compareBytes("mach_msg_receive_async", seen.bytes, wanted.bytes ?? EMPTY);
    return code;
  }

  /** A send that may wait, on both sides. */
  sendPending(actor: Actor, bytes: Uint8Array): number {
    const id = this.#nextWaiter++;
    const { processor, handle: task } = actor.inner;
    const { core } = processor;
    const ports = Math.floor(bytes.length / 12) + ARRAYED_MAX;
    const kmsg = core.mach_msg_prepare(task, bytes.length, ports);
    if (kmsg === 0) throw new Mismatch(`mach_msg_prepare: ${spell(processor.out(1))}`);
    processor.views.bytes(processor.out(0), bytes.length).set(bytes);
    const cookie = processor.expect((code: number) => this.#complete(id, { code: code >>> 0, bytes: EMPTY, size: 0 }));
    const code = core.mach_msg_send_async(task, kmsg, 1, bytes.length, cookie) >>> 0;
    const handle = processor.out(0);
    if (code !== MACH_SEND_IN_PROGRESS) {
      processor.forget(cookie);
      if (code !== MACH_MSG_SUCCESS) core.mach_msg_release(kmsg);
    }
    this.observe();
    const wanted = send(this.oracle, actor.space, bytes, {
      answer: code,
      pid: processor.pid,
      seen: EMPTY,
      waiter: (held) => {
        const waiter = { id, space: actor.space, option: 0, rcvSize: 0, kmsg: held };
        this.waits.set(id, { waiter, actor, handle, cookie, name: 0, receives: false });
        return waiter;
      },
    });
    this.note(`send_async(${showMessage(bytes)}) as waiter ${id} -> ${spell(code)}`);
    this.answer("mach_msg_send_async", code, [wanted.code]);
    return code;
  }

  /** Gives a pending wait up on both sides. */
  cancel(wait: Wait): void {
    const { waiter, actor, handle, cookie } = wait;
    const { processor } = actor.inner;
    const code = processor.core.mach_msg_cancel(handle);
    this.note(`cancel(waiter ${waiter.id}) -> ${spell(code)}`);
    if (code !== 0) throw new Mismatch(`waiter ${waiter.id} could not be cancelled: ${spell(code)}`);
    const [kmsg, address, size] = [processor.out(0), processor.out(1), processor.out(2)];
    const bytes = waiter.kmsg === null ? EMPTY : processor.views.bytes(address, size).slice();
    if (waiter.kmsg !== null) processor.core.mach_msg_release(kmsg);
    processor.forget(cookie);
    this.observe();
    this.waits.delete(waiter.id);
    const wanted = cancel(this.oracle, waiter, bytes);
    if (wanted !== null) compareBytes(`the message of waiter ${waiter.id}`, bytes, wanted);
    this.compareCompletions();
  }

  /** A poll for a message: the buffer is compared byte for byte, its untouched rest included. */
  checkReceived(call: string, buffer: Uint8Array, option: number, wanted: Received, before: Uint8Array): void {
    const expected = before.slice();
    const { bytes, words } = wanted;
    if (bytes !== null && words === null) expected.set(bytes, 0);
    if (bytes !== null && words !== null) {
      if ((option & RCV_LARGE) === 0) {
        compareWords(buffer, { bytes, words });
        return;
      }
      for (const offset of words) expected.set(bytes.subarray(offset, offset + 4), offset);
    }
    compareBytes(call, buffer, expected);
  }

  #readArray(space: Space, address: number, count: number): number[] | null {
    const actor = this.actors.find((each) => each.space === space);
    if (!actor) return null;
    const names = new Uint32Array(count);
    const calls = traps(actor.task);
    const told = new Uint32Array(1);
    const code = calls.vm_read_overwrite(actor.self, address, 4 * count, new Uint8Array(names.buffer), told);
    return code === 0 ? [...names] : null;
  }

  /** The arrays that are left are what the oracle has. */
  compareArrays(): void {
    for (const { space } of this.actors) {
      for (const [address, names] of space.arrays) {
        const held = this.#readArray(space, address, names.length);
        if (String(held) !== String(names))
          throw new Mismatch(`the array ${hex(address)} is [${held}], not [${names}]`);
      }
    }
  }

  /** Compares everything that the kernel tells of every space with the oracle's. */
  checkpoint(): void {
    for (const { traps: calls, self, space, born } of this.actors) {
      const names = namesOf(calls, self);
      for (const name of born) if (!names.delete(name)) throw new Mismatch(`the name ${hex(name)} of birth is gone`);
      for (const [name, entry] of space.entries) {
        const type = names.get(name);
        if (type !== typeOf(entry)) {
          throw new Mismatch(`${hex(name)} is listed as ${hex(type ?? 0)}, the oracle has ${hex(typeOf(entry))}`);
        }
        names.delete(name);
        this.#checkEntry(calls, self, space, name);
      }
      for (const name of names.keys()) throw new Mismatch(`the kernel lists ${hex(name)}, the oracle has no such name`);
    }
  }

  #checkEntry(calls: Traps, self: number, space: Space, name: number): void {
    const out = new Uint32Array(16);
    for (let right = 0; right < 5; right++) {
      calls.mach_port_get_refs(self, name, right, out);
      const { refs } = getRefs(space, name, right);
      if (out[0] !== refs) throw new Mismatch(`${hex(name)} has ${out[0]} references of ${right}, the oracle ${refs}`);
    }
    const { status } = receiveStatus(space, name);
    if (status === null) return;
    const code = calls.mach_port_get_attributes(self, name, 2, out, new Uint32Array([10]));
    const wanted = Object.values(status);
    if (code !== 0 || wanted.some((value, index) => out[index] !== value)) {
      throw new Mismatch(
        `status of ${hex(name)} is [${[...out.subarray(0, 10)]}], the oracle's [${wanted}] ${spell(code)}`,
      );
    }
    calls.mach_port_get_context(self, name, out);
    if (out[0] !== getContext(space, name).context) throw new Mismatch(`context of ${hex(name)} is ${out[0]}`);
  }

  #complete(id: number, seen: Seen): void {
    this.#completed++;
    if (seen.code === MACH_IPC_RETRY) this.#retries.push(id);
    else this.oracle.seen.set(id, seen);
  }

  /** A set had something for a waiter, who has to ask again. */
  #receiveAgain(id: number): void {
    const wait = this.waits.get(id);
    if (!wait) throw new Mismatch(`waiter ${id} was told to retry after its end`);
    const { option, rcvSize } = wait.waiter;
    const { code, seen, handle, cookie } = this.#startReceive(wait.actor, id, { name: wait.name, option, rcvSize });
    if (code === MACH_RCV_IN_PROGRESS) Object.assign(wait, { handle, cookie });
    else this.oracle.seen.set(id, seen);
  }

  #startReceive(
    actor: Actor,
    id: number,
    ask: { name: number; option: number; rcvSize: number },
  ): { code: number; seen: Seen; handle: number; cookie: number } {
    const { processor, handle: task } = actor.inner;
    const { core, views } = processor;
    const { name, option, rcvSize } = ask;
    const cookie = processor.expect((code: number, kmsg: number, size: number) => {
      const bytes = kmsg === 0 ? EMPTY : views.bytes(views.u32(kmsg + IpcKmsg_ikm_bytes), size).slice();
      if (kmsg !== 0) core.mach_msg_release(kmsg);
      this.#complete(id, { code: code >>> 0, bytes, size: kmsg === 0 ? size : 0 });
    });
    const code = core.mach_msg_receive_async(task, name, 2 | option, rcvSize, cookie) >>> 0;
    const seen: Seen = { code, bytes: EMPTY, size: 0 };
    const handle = processor.out(0);
    if (code === MACH_RCV_IN_PROGRESS) return { code, seen, handle, cookie };
    processor.forget(cookie);
    const isTooLarge = code === RCV_TOO_LARGE && (option & RCV_LARGE) !== 0;
    if (isTooLarge) seen.size = processor.out(3);
    else if (code === MACH_MSG_SUCCESS || code === RCV_TOO_LARGE) {
      const [kmsg, address, size] = [processor.out(0), processor.out(1), processor.out(2)];
      if (kmsg !== 0) {
        seen.bytes = views.bytes(address, size).slice();
        core.mach_msg_release(kmsg);
      }
    }
    return { code, seen, handle: 0, cookie };
  }
}

/** Gives `to` a name for the port of the task: one that no operation comes by, not even as the name of something else elsewhere. */
function introduce(actor: Actor, to: Actor): void {
  const { processor, handle } = actor.inner;
  const code = processor.core.task_insert_right(handle, actor.self, 19, to.inner.handle);
  if (code !== 0) throw new Mismatch(`the port of a task: ${spell(code)}`);
  const name = ((TASK_PORTS + actor.space.serial) << 8) | 3;
  const renamed = to.traps.mach_port_rename(to.self, processor.out(0), name);
  if (renamed !== 0) throw new Mismatch(`the name of a task's port: ${spell(renamed)}`);
  to.ports.set(actor.space, name);
  to.born.add(name);
}

export function spell(code: number): string {
  return codeName(code >>> 0);
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** A message for a trace: the header's words, then the descriptors'. */
export function showMessage(bytes: Uint8Array): string {
  const words = Array.from({ length: Math.min(16, bytes.length >> 2) }, (_, index) => hex(word(bytes, index * 4)));
  return `${bytes.length} bytes: ${words.join(" ")}`;
}

function compareBytes(what: string, got: Uint8Array, wanted: Uint8Array): void {
  const length = Math.max(got.length, wanted.length);
  for (let index = 0; index < length; index++) {
    if (got[index] === wanted[index]) continue;
    const at = index & ~3;
    throw new Mismatch(
      `${what}: word at ${at} is ${hex(word(got, at))}, the oracle has ${hex(word(wanted, at))}` +
        `\n    kernel ${showMessage(got)}\n    oracle ${showMessage(wanted)}`,
    );
  }
}

function compareWords(got: Uint8Array, wanted: { bytes: Uint8Array | null; words: readonly number[] | null }): void {
  for (const offset of wanted.words ?? []) {
    const expected = word(wanted.bytes ?? EMPTY, offset);
    if (word(got, offset) !== expected) {
      throw new Mismatch(`word at ${offset} is ${hex(word(got, offset))}, the oracle has ${hex(expected)}`);
    }
  }
}

function namesOf(calls: Traps, self: number): Map<number, number> {
  const names = { value: new Uint32Array(0) };
  const types = { value: new Uint32Array(0) };
  const code = calls.mach_port_names(self, names, types);
  if (code !== 0) throw new Mismatch(`mach_port_names: ${spell(code)}`);
  return new Map([...names.value].map((name, index) => [name, types.value[index] ?? 0]));
}

/** The task's serial number, as a message to itself shows it. */
function serialOf(calls: Traps, self: number): number {
  const name = new Uint32Array(1);
  calls.mach_port_allocate(self, 1, name);
  const port = name[0] ?? 0;
  const buffer = new Uint8Array(128);
  buffer.set(build({ remote: port, remoteDisposition: 20 }));
  const code = calls.mach_msg(buffer, 0x3 | 0x110 | (3 << 24), 24, 128, port, 0, 0);
  if (code !== 0) throw new Mismatch(`a message to oneself: ${spell(code)}`);
  calls.mach_port_destroy(self, port);
  return word(buffer, 24 + 12);
}
