// One task seen through its calls: codes are returned, results are small values. Every wait is a poll (timeout 0) or a
// pending asynchronous one, since all tasks of these tests share one thread.

import { expect } from "vitest";
import type { Task } from "mach-ipc";
import { type Traps, traps } from "mach-ipc/traps";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import type { Task as InnerTask } from "../../host-ts/task.ts";
import { build, type Draft, type Parsed, parse } from "./message.js";
import { note, recorded } from "./recorder.js";
import { cookies, emptyPending, type Pending, type Received, type ReceiveOptions, type Status } from "./pending.js";

const RIGHTS = [0, 1, 2, 3, 4] as const;

/** The spelling of a code, for failures that can be read. */
export function spell(code: number): string {
  return `${codes.codeName(code >>> 0)} (0x${(code >>> 0).toString(16)})`;
}

export function expectCode(got: number, wanted: number): void {
  expect(spell(got)).toBe(spell(wanted));
}

export type { InnerTask };

/** What a task has beyond its public face: the number and the processor that the core's own calls take. */
export function inside(task: Task): InnerTask {
  return task as unknown as InnerTask;
}

export class Space {
  readonly task: InnerTask;
  readonly traps: Traps;
  readonly self: number;
  readonly #out = new Uint32Array(16);

  constructor(task: Task, target?: number) {
    this.task = inside(task);
    this.traps = recorded(traps(task));
    this.self = target ?? this.traps.mach_task_self();
  }

  /** Another task as this one acts on it: the calls are this one's, `port` its name for the other's port. */
  on(port: number): Space {
    return new Space(this.task as unknown as Task, port);
  }

  /** The task's handle in the core's calls. */
  get handle(): number {
    return this.task.handle;
  }

  get core(): InnerTask["processor"]["core"] {
    return this.task.processor.core;
  }

  /** Allocates a right and gives its name; failure is the test's failure. */
  allocate(right: number = codes.MACH_PORT_RIGHT_RECEIVE): number {
    expectCode(this.traps.mach_port_allocate(this.self, right, this.#out), codes.KERN_SUCCESS);
    return this.#out[0] ?? 0;
  }

  /** A receive right that holds a send right too (make-send count 1). */
  allocateWithSend(): number {
    const name = this.allocate();
    expectCode(this.insertRight(name, name, codes.MACH_MSG_TYPE_MAKE_SEND), codes.KERN_SUCCESS);
    return name;
  }

  tryAllocate(right: number): { code: number; name: number } {
    this.#out[0] = 0;
    const code = this.traps.mach_port_allocate(this.self, right, this.#out);
    return { code, name: this.#out[0] };
  }

  allocateName(right: number, name: number): number {
    return this.traps.mach_port_allocate_name(this.self, right, name);
  }

  insertRight(name: number, poly: number, disposition: number): number {
    return this.traps.mach_port_insert_right(this.self, name, poly, disposition);
  }

  deallocate(name: number): number {
    return this.traps.mach_port_deallocate(this.self, name);
  }

  destroy(name: number): number {
    return this.traps.mach_port_destroy(this.self, name);
  }

  modRefs(name: number, right: number, delta: number): number {
    return this.traps.mach_port_mod_refs(this.self, name, right, delta);
  }

  getRefs(name: number, right: number): { code: number; refs: number } {
    this.#out[0] = 0;
    const code = this.traps.mach_port_get_refs(this.self, name, right, this.#out);
    return { code, refs: this.#out[0] };
  }

  refs(name: number, right: number): number {
    const { code, refs } = this.getRefs(name, right);
    expectCode(code, codes.KERN_SUCCESS);
    return refs;
  }

  sends(name: number): number {
    return this.refs(name, codes.MACH_PORT_RIGHT_SEND);
  }

  deads(name: number): number {
    return this.refs(name, codes.MACH_PORT_RIGHT_DEAD_NAME);
  }

  getType(name: number): { code: number; type: number } {
    this.#out[0] = 0;
    const code = this.traps.mach_port_type(this.self, name, this.#out);
    return { code, type: this.#out[0] };
  }

  type(name: number): number {
    const { code, type } = this.getType(name);
    expectCode(code, codes.KERN_SUCCESS);
    return type;
  }

  /** Whether the name denotes anything. */
  has(name: number): boolean {
    return this.getType(name).code === codes.KERN_SUCCESS;
  }

  getAttributes(name: number, flavor: number, count = 16): { code: number; info: number[]; count: number } {
    const info = new Uint32Array(16);
    const room = new Uint32Array([count]);
    const code = this.traps.mach_port_get_attributes(this.self, name, flavor, info, room);
    return { code, info: [...info.subarray(0, room[0])], count: room[0] ?? 0 };
  }

  status(name: number): Status {
    const { code, info } = this.getAttributes(name, codes.MACH_PORT_RECEIVE_STATUS, 10);
    expectCode(code, codes.KERN_SUCCESS);
    const at = (index: number) => info[index] ?? -1;
    return {
      pset: at(0),
      seqno: at(1),
      mscount: at(2),
      qlimit: at(3),
      msgcount: at(4),
      sorights: at(5),
      srights: at(6),
      pdrequest: at(7),
      nsrequest: at(8),
      flags: at(9),
    };
  }

  setQlimit(name: number, qlimit: number): number {
    return this.traps.mach_port_set_attributes(
      this.self,
      name,
      codes.MACH_PORT_LIMITS_INFO,
      new Uint32Array([qlimit]),
      1,
    );
  }

  setSeqno(name: number, seqno: number): number {
    return this.traps.mach_port_set_seqno(this.self, name, seqno);
  }

  setMscount(name: number, mscount: number): number {
    return this.traps.mach_port_set_mscount(this.self, name, mscount);
  }

  setContext(name: number, context: number): number {
    return this.traps.mach_port_set_context(this.self, name, context);
  }

  context(name: number): number {
    this.#out[0] = 0;
    expectCode(this.traps.mach_port_get_context(this.self, name, this.#out), codes.KERN_SUCCESS);
    return this.#out[0];
  }

  insertMember(name: number, pset: number): number {
    return this.traps.mach_port_insert_member(this.self, name, pset);
  }

  extractMember(name: number, pset: number): number {
    return this.traps.mach_port_extract_member(this.self, name, pset);
  }

  moveMember(member: number, after: number): number {
    return this.traps.mach_port_move_member(this.self, member, after);
  }

  getMembers(name: number): { code: number; members: number[] } {
    const members = { value: new Uint32Array(0) };
    const code = this.traps.mach_port_get_set_status(this.self, name, members);
    return { code, members: [...members.value].sort((a, b) => a - b) };
  }

  members(name: number): number[] {
    const { code, members } = this.getMembers(name);
    expectCode(code, codes.KERN_SUCCESS);
    return members;
  }

  /** Arms a request; `notify` 0 cancels. */
  request(
    name: number,
    msgid: number,
    notify: number,
    { sync = 0, disposition = codes.MACH_MSG_TYPE_MAKE_SEND_ONCE }: { sync?: number; disposition?: number } = {},
  ): { code: number; previous: number } {
    this.#out[0] = 0;
    const code = this.traps.mach_port_request_notification(
      this.self,
      name,
      msgid,
      sync,
      notify,
      disposition,
      this.#out,
    );
    return { code, previous: this.#out[0] };
  }

  /** Arms a request that must be accepted where none was before. */
  arm(name: number, msgid: number, notify: number, sync = 0): void {
    const { code, previous } = this.request(name, msgid, notify, { sync });
    expectCode(code, codes.KERN_SUCCESS);
    expect(previous).toBe(0);
  }

  names(): Map<number, number> {
    const names = { value: new Uint32Array(0) };
    const types = { value: new Uint32Array(0) };
    expectCode(this.traps.mach_port_names(this.self, names, types), codes.KERN_SUCCESS);
    expect(types.value.length).toBe(names.value.length);
    const table = new Map<number, number>();
    for (const [index, name] of names.value.entries()) {
      expect(table.has(name), `name ${name} is listed twice`).toBe(false);
      table.set(name, types.value[index] ?? 0);
    }
    return table;
  }

  /** Everything that a refusal must leave as it was. */
  snapshot(): unknown {
    const entries = [...this.names()].sort(([a], [b]) => a - b);
    return entries.map(([name, type]) => ({
      name,
      type,
      refs: RIGHTS.map((right) => this.refs(name, right)),
      status: type & codes.MACH_PORT_TYPE_RECEIVE ? { ...this.status(name), context: this.context(name) } : null,
      members: type & codes.MACH_PORT_TYPE_PORT_SET ? this.members(name) : null,
    }));
  }

  /** Sends bytes or a draft, polling: MACH_SEND_TIMEOUT with timeout 0. */
  send(message: Draft | Uint8Array, option = 0, size?: number): number {
    const bytes = message instanceof Uint8Array ? message : build(message);
    return this.traps.mach_msg(
      bytes,
      codes.MACH_SEND_MSG | codes.MACH_SEND_TIMEOUT | option,
      size ?? bytes.length,
      0,
      0,
      0,
      0,
    );
  }

  /** Receives into a buffer of `size` bytes filled with 0xee, polling. */
  receive(name: number, { option = 0, size = 1024 }: ReceiveOptions = {}): Received {
    const buffer = new Uint8Array(size).fill(0xee);
    const code = this.traps.mach_msg(buffer, codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT | option, 0, size, name, 0, 0);
    return { code, buffer, message: parse(buffer) };
  }

  /** Receives a message that must be there. */
  take(name: number, options: ReceiveOptions = {}): Parsed {
    const { code, message } = this.receive(name, options);
    expectCode(code, codes.MACH_MSG_SUCCESS);
    return message;
  }

  /** The queue must be empty. */
  expectEmpty(name: number): void {
    expectCode(this.receive(name).code, codes.MACH_RCV_TIMED_OUT);
  }

  /** Starts a receive that may wait. */
  receivePending(name: number, { option = 0, size = 1024 }: ReceiveOptions = {}): Pending {
    const { processor } = this.task;
    const pending = emptyPending();
    const cookie = processor.expect((code: number, kmsg: number, needed: number) => {
      pending.completed = true;
      pending.code = code >>> 0;
      pending.size = needed;
      note("mach_msg", code);
      if (kmsg !== 0) this.#take(pending, kmsg);
    });
    const flags = codes.MACH_RCV_MSG | option;
    pending.code = this.core.mach_msg_receive_async(this.handle, name, flags, size, cookie) >>> 0;
    this.#answered(pending, cookie, codes.MACH_RCV_IN_PROGRESS);
    return pending;
  }

  /** Starts a send that may wait for room. */
  sendPending(message: Draft | Uint8Array, option = 0): Pending {
    const { processor } = this.task;
    const bytes = message instanceof Uint8Array ? message : build(message);
    const pending = emptyPending();
    const cookie = processor.expect((code: number, kmsg: number, needed: number) => {
      pending.completed = true;
      pending.code = code >>> 0;
      pending.size = needed;
      note("mach_msg", code);
      if (kmsg !== 0) this.#take(pending, kmsg);
    });
    const kmsg = this.prepare(bytes);
    const flags = codes.MACH_SEND_MSG | option;
    pending.code = this.core.mach_msg_send_async(this.handle, kmsg, flags, bytes.length, cookie) >>> 0;
    if (pending.code === codes.MACH_SEND_IN_PROGRESS) {
      (pending as { waiter: number }).waiter = processor.out(0);
      cookies.set(pending, cookie);
      return pending;
    }
    processor.forget(cookie);
    pending.completed = true;
    if (pending.code !== codes.MACH_MSG_SUCCESS) this.core.mach_msg_release(kmsg);
    return pending;
  }

  /** Ends a wait: true when it had not completed. A send's message is in `pending.message` then. */
  cancel(pending: Pending): boolean {
    const { processor } = this.task;
    const code = this.core.mach_msg_cancel(pending.waiter);
    if (code !== codes.KERN_SUCCESS) return false;
    const [kmsg, address, size] = [processor.out(0), processor.out(1), processor.out(2)];
    if (kmsg !== 0) {
      pending.bytes = processor.views.bytes(address, size).slice();
      this.core.mach_msg_release(kmsg);
    }
    pending.completed = true;
    processor.forget(cookies.get(pending) ?? 0);
    return true;
  }

  /** A kmsg of the kernel that holds these bytes. */
  prepare(bytes: Uint8Array): number {
    const { processor } = this.task;
    const kmsg = this.core.mach_msg_prepare(this.handle, bytes.length, Math.floor(bytes.length / 12));
    expect(kmsg, spell(processor.out(1))).not.toBe(0);
    processor.views.bytes(processor.out(0), bytes.length).set(bytes);
    return kmsg;
  }

  #answered(pending: Pending, cookie: number, inProgress: number): void {
    const { processor } = this.task;
    if (pending.code === inProgress) {
      (pending as { waiter: number }).waiter = processor.out(0);
      cookies.set(pending, cookie);
      return;
    }
    const [kmsg, address, size] = [processor.out(0), processor.out(1), processor.out(2)];
    processor.forget(cookie);
    pending.completed = true;
    if (pending.code !== codes.MACH_MSG_SUCCESS && pending.code !== codes.MACH_RCV_TOO_LARGE) return;
    pending.size = kmsg === 0 ? processor.out(3) : size;
    if (kmsg === 0) return;
    pending.bytes = processor.views.bytes(address, size).slice();
    this.core.mach_msg_release(kmsg);
  }

  #take(pending: Pending, kmsg: number): void {
    const { views } = this.task.processor;
    const address = views.u32(kmsg + layout.IpcKmsg_ikm_bytes);
    pending.bytes = views.bytes(address, pending.size).slice();
    this.core.mach_msg_release(kmsg);
  }
}

/** Hands a right of one task to another and gives its name there. */
export function give(from: Space, name: number, disposition: number, to: Space): number {
  expectCode(from.core.task_insert_right(from.handle, name, disposition, to.handle), codes.KERN_SUCCESS);
  return from.task.processor.out(0);
}

/** The call answers exactly this code and changes nothing in any of the spaces. */
export function expectUnchanged(wanted: number, spaces: readonly Space[], call: () => number): void {
  const before = spaces.map((space) => space.snapshot());
  const got = call();
  expectCode(got, wanted);
  expect(spaces.map((space) => space.snapshot())).toEqual(before);
}
