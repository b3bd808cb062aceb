// Threads that really sleep in a trap, and what ends that: codes, and what is left. This thread sleeps; a worker with a processor of
// its own acts on it meanwhile.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import type { Core } from "../../host-ts/core.ts";

const DEBUG = new URL("../../build/kernel.debug.wasm", import.meta.url);
const SEND = codes.MACH_SEND_MSG;
const RECEIVE = codes.MACH_RCV_MSG;
const TIMEOUT = codes.MACH_RCV_TIMEOUT;
const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
/** Longer than any of this takes. */
const LONG = 20_000;

const OTHER = new URL("other.mjs", import.meta.url);

type Call = [string, ...number[]];

/** A kernel with a task that this thread runs as processor 1. */
class Sleeper {
  readonly module = new WebAssembly.Module(readFileSync(DEBUG));
  readonly memory = new WebAssembly.Memory({ initial: 64, maximum: 256, shared: true });
  readonly core: Core;
  readonly handle: number;
  readonly self: number;

  constructor() {
    const processor = new WebAssembly.Global({ value: "i32", mutable: false }, this.#record(1));
    const env = { memory: this.memory, processor, now: () => performance.now() };
    this.core = new WebAssembly.Instance(this.module, { env }).exports as unknown as Core;
    expect(this.core.kernel_boot(256, 0)).toBe(codes.KERN_SUCCESS);
    for (const pid of [1, 2]) {
      this.words[(this.#record(pid) + layout.Processor_p_state) >> 2] = layout.PROCESSOR_USER;
      this.words[(this.#record(pid) + layout.Processor_p_generation) >> 2] = 1;
    }
    this.core.processor_attach(layout.PROCESSOR_CAN_WAIT);
    expect(this.core.task_create(0, 0, 0)).toBe(codes.KERN_SUCCESS);
    this.handle = this.out(0);
    expect(this.core.task_attach(this.handle)).toBe(codes.KERN_SUCCESS);
    this.self = this.core.mach_task_self(this.handle) >>> 0;
  }

  #record(pid: number): number {
    return layout.PROCESSORS + pid * layout.PROCESSOR_SIZE;
  }

  get words(): Uint32Array {
    return new Uint32Array(this.memory.buffer);
  }

  out(index: number): number {
    return this.words[((this.#record(1) + layout.Processor_p_out) >> 2) + index] as number;
  }

  /** A port with a send right of its own. */
  port(): number {
    expect(this.core.mach_port_construct(this.handle, this.self, 0x10, 0, 0)).toBe(codes.KERN_SUCCESS);
    return this.out(0);
  }

  /** A set in which the port is. */
  setOf(port: number): number {
    expect(this.core.mach_port_allocate(this.handle, this.self, codes.MACH_PORT_RIGHT_PORT_SET)).toBe(0);
    const set = this.out(0);
    expect(this.core.mach_port_insert_member(this.handle, this.self, port, set)).toBe(codes.KERN_SUCCESS);
    return set;
  }

  /** As soon as this thread waits, another makes the calls. Resolves when that is there; `ends` says when it is gone. */
  async meanwhile(...calls: Call[]): Promise<void> {
    const { module, memory } = this;
    const data = {
      ...{ module, memory, record: this.#record(2), attach: layout.PROCESSOR_CAN_WAIT, zone: layout.ZONE_WAITER },
      out: layout.Processor_p_out,
    };
    const worker = new Worker(OTHER, { workerData: { ...data, calls } });
    ends.push(new Promise((resolve) => worker.once("exit", resolve)));
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  }

  /** The code, or the identifier of the message. */
  receive(name: number, timeout = LONG): string | number {
    const option = RECEIVE | TIMEOUT;
    const code = this.core.mach_msg_trap(this.handle, 0, option, 0, 4096, name, timeout, 0) >>> 0;
    if (code !== 0) return codes.codeName(code);
    const kmsg = this.out(0);
    const id = this.words[((this.words[(kmsg + layout.IpcKmsg_ikm_bytes) >> 2] as number) >> 2) + 5] as number;
    expect(this.core.mach_msg_release(kmsg)).toBe(codes.KERN_SUCCESS);
    return id;
  }

  send(name: number, id: number, timeout = LONG): string {
    const kmsg = this.core.mach_msg_prepare(this.handle, 24, 0) >>> 0;
    this.words.set([COPY, 24, name, 0, 0, id], this.out(0) >> 2);
    const option = SEND | codes.MACH_SEND_TIMEOUT;
    const code = this.core.mach_msg_trap(this.handle, kmsg, option, 24, 0, 0, timeout, 0) >>> 0;
    if (code !== 0) this.core.mach_msg_release(kmsg);
    return codes.codeName(code);
  }

  /** Fills the queue. */
  fill(name: number): void {
    for (let id = 1; id <= 5; id++) expect(this.send(name, id, 0)).toBe("KERN_SUCCESS");
    expect(this.send(name, 6, 0)).toBe("MACH_SEND_TIMED_OUT");
  }

  /** Nobody waits any more. */
  done(): void {
    expect(this.core.zone_count(layout.ZONE_WAITER)).toBe(0);
    expect(this.core.kernel_check()).toBe(0);
  }
}

const ends: Promise<unknown>[] = [];
const gone = () => Promise.all(ends.splice(0));
afterEach(async () => {
  await gone();
});

test("a message wakes who waits on its port", async () => {
  const s = new Sleeper();
  const port = s.port();
  await s.meanwhile(["send", s.handle, port, 7]);
  expect(s.receive(port)).toBe(7);
  s.done();
});

test("a message wakes who waits on a set of its port", async () => {
  const s = new Sleeper();
  const port = s.port();
  const set = s.setOf(port);
  await s.meanwhile(["send", s.handle, port, 8]);
  expect(s.receive(set)).toBe(8);
  s.done();
});

test("the end of its time wakes who waits for a message, or for room", () => {
  const s = new Sleeper();
  const port = s.port();
  expect(s.receive(port, 20)).toBe("MACH_RCV_TIMED_OUT");
  expect(s.receive(s.setOf(s.port()), 20)).toBe("MACH_RCV_TIMED_OUT");
  s.fill(port);
  expect(s.send(port, 7, 20)).toBe("MACH_SEND_TIMED_OUT");
  s.done();
});

test("the end of the port wakes who waits for a message", async () => {
  const s = new Sleeper();
  const port = s.port();
  await s.meanwhile(["mach_port_destroy", s.handle, s.self, port]);
  expect(s.receive(port)).toBe("MACH_RCV_PORT_DIED");
  await gone();
  s.done();
});

test("the end of the set wakes who waits for a message", async () => {
  const s = new Sleeper();
  const set = s.setOf(s.port());
  await s.meanwhile(["mach_port_destroy", s.handle, s.self, set]);
  expect(s.receive(set)).toBe("MACH_RCV_PORT_DIED");
  await gone();
  s.done();
});

test("the end of the kernel wakes who waits on a port", async () => {
  const s = new Sleeper();
  await s.meanwhile(["kernel_terminate"]);
  expect(s.receive(s.port())).toBe("KERN_TERMINATED");
  s.done();
});

test("the end of the kernel wakes who waits on a set", async () => {
  const s = new Sleeper();
  const set = s.setOf(s.port());
  await s.meanwhile(["kernel_terminate"]);
  expect(s.receive(set)).toBe("KERN_TERMINATED");
  s.done();
});

test("the end of the kernel wakes who waits for room", async () => {
  const s = new Sleeper();
  const port = s.port();
  s.fill(port);
  await s.meanwhile(["kernel_terminate"]);
  expect(s.send(port, 7)).toBe("KERN_TERMINATED");
  s.done();
});

test("room wakes who waits for it", async () => {
  const s = new Sleeper();
  const port = s.port();
  s.fill(port);
  await s.meanwhile(["mach_msg_trap", s.handle, 0, RECEIVE | TIMEOUT, 0, 4096, port, 0, 0]);
  expect(s.send(port, 7)).toBe("KERN_SUCCESS");
  await gone();
  expect([2, 3, 4, 5, 7].map(() => s.receive(port, 0))).toEqual([2, 3, 4, 5, 7]);
  expect(s.receive(port, 0)).toBe("MACH_RCV_TIMED_OUT");
  s.done();
});

test("the end of the port wakes who waits for room, and the message is gone", async () => {
  const s = new Sleeper();
  const port = s.port();
  s.fill(port);
  await s.meanwhile(["mach_port_destroy", s.handle, s.self, port]);
  expect(s.send(port, 7)).toBe("KERN_SUCCESS");
  await gone();
  expect(s.core.zone_count(layout.ZONE_KMSG_SMALL)).toBe(0);
  expect(s.core.zone_count(layout.ZONE_PORT)).toBe(1);
  s.done();
});
