// One JavaScript agent attached to one kernel: its record in the kernel's memory, its instance of
// the module, and the completions it waits for. Everything else of the host stands on this.

import {
  BELL_RUNG,
  HEADER,
  Header_h_panic,
  Header_h_terminated,
  PROCESSOR_CAN_WAIT,
  PROCESSOR_FAULTED,
  PROCESSOR_KERNEL,
  PROCESSOR_USER,
  Processor_p_batch,
  Processor_p_bell,
  Processor_p_out,
  Processor_p_spin_steps,
  Processor_p_state,
} from "./abi/layout.gen.js";
import { KERN_NOT_SUPPORTED, KERN_RESOURCE_SHORTAGE, KERN_TERMINATED } from "./abi/codes.gen.js";
import * as platform from "#platform";
import { type Core, wrapCore } from "./core.js";
import { Doorbell } from "./doorbell.js";
import { check, KernelPanic, KernError } from "./errors.js";
import { instantiate, type KernelMemory, reasonsToRefuse } from "./kernel/kernel-memory.js";
import { claimRecord, recordOf } from "./kernel/life.js";
import { Views } from "./memory/views.js";
import type { KeepAlive } from "./platform/types.js";
import { buildHash, VERSION } from "./version.js";

/** Called once with what a pending send or receive came to. */
export type Done = (code: number, kmsg: number, size: number) => void;

const OUT_WORDS = 16;
const BATCH_WORDS = 1024;
const DRAIN_MAX = 256;
/** Calls that answer a name, an address or a count: 0 is none. */
const ANSWER_NUMBERS: ReadonlySet<string> = new Set([
  "mach_msg_prepare",
  "mach_reply_port",
  "mach_task_self",
  "mach_host_self",
  "processor_drain",
  "frames_used",
  "zone_count",
]);
/** How long a thread that was condemned waits to be stopped. */
const CONDEMNED_MS = 1000;

/** This agent's place in a kernel. */
export class Processor {
  /** Index of its record. */
  readonly pid: number;
  /** The kernel's exports, wrapped for faults. */
  readonly core: Core;
  readonly views: Views;
  readonly kernelMemory: KernelMemory;
  /** False on a window's main thread: a blocking trap would stop the page. */
  readonly canBlock: boolean;
  /** Results of the last trap beside its code. */
  outWords: Uint32Array<SharedArrayBuffer>;
  /** What a batch trap reads and writes. */
  batch: Uint32Array<SharedArrayBuffer>;
  /** A kmsg that is still held after an exception took its owner by surprise; 0 for none. */
  orphan = 0;
  readonly #state: Int32Array<SharedArrayBuffer>;
  readonly #bell: Int32Array<SharedArrayBuffer>;
  readonly #terminated: Int32Array<SharedArrayBuffer>;
  readonly #doorbell: Doorbell;
  readonly #pending: (Done | null)[] = [];
  readonly #held: boolean[] = [];
  readonly #freeCookies: number[] = [];
  readonly #drained: Uint32Array<ArrayBuffer> = new Uint32Array(DRAIN_MAX * 4);
  readonly #keepAlive: KeepAlive;
  #draining = false;
  #holds = 0;
  #waiting = 0;
  #detached = false;
  #stopped = false;
  #stopExitHook: () => void = () => {};

  /** Makes the memory, initialises the kernel in it and attaches this agent. */
  static async boot(options: { module: WebAssembly.Module; maximumPages: number }): Promise<Processor> {
    const { module, maximumPages } = options;
    const memory = platform.sharedMemory(maximumPages);
    const kernelMemory: KernelMemory = { memory, module, version: VERSION };
    const pid = 1;
    const views = new Views(memory);
    const exports = await instantiate(kernelMemory, recordOf(pid));
    const boot = exports.kernel_boot as (pages: number, hash: number) => number;
    check("kernel_boot", boot(maximumPages, buildHash()));
    const life = claimRecord(views);
    if (life.pid !== pid) throw new KernError("kernel_boot", KERN_RESOURCE_SHORTAGE);
    return new Processor(kernelMemory, views, pid, exports);
  }

  /**
   * Attaches this agent to a kernel that another one booted, in a record claimed for it.
   *
   * @throws KernError `KERN_NOT_SUPPORTED`, naming the reason: another version or build of the package
   */
  static async attach(kernelMemory: KernelMemory, pid: number): Promise<Processor> {
    Processor.refuseStranger(kernelMemory);
    const exports = await instantiate(kernelMemory, recordOf(pid));
    return new Processor(kernelMemory, new Views(kernelMemory.memory), pid, exports);
  }

  /** Another version of the package in one program is a real case: it is refused by name. */
  static refuseStranger(kernelMemory: KernelMemory): void {
    const reasons = reasonsToRefuse(new Views(kernelMemory.memory), kernelMemory);
    if (reasons.length > 0) throw new KernError("Kernel.attach", KERN_NOT_SUPPORTED, reasons.join("; "));
  }

  private constructor(kernelMemory: KernelMemory, views: Views, pid: number, exports: WebAssembly.Exports) {
    const record = recordOf(pid);
    this.kernelMemory = kernelMemory;
    this.views = views;
    this.pid = pid;
    this.canBlock = platform.canBlock;
    this.outWords = views.wordsAt(record + Processor_p_out, OUT_WORDS);
    this.batch = views.wordsAt(record + Processor_p_batch, BATCH_WORDS);
    this.#state = views.cell(record + Processor_p_state);
    this.#bell = views.cell(record + Processor_p_bell);
    this.#terminated = views.cell(HEADER + Header_h_terminated);
    this.#keepAlive = platform.keepAlive();
    this.core = wrapCore(exports, this.#state, (error, trap) => this.#explain(error, trap));
    this.#doorbell = new Doorbell(
      this.#bell,
      () => this.#waiting,
      (max) => this.#take(max),
    );
    check("processor_attach", this.core.processor_attach(this.canBlock ? PROCESSOR_CAN_WAIT : 0));
    this.#calibrate(record);
    this.#stopExitHook = platform.onThreadExit(() => this.detach());
  }

  /** Result `index` of the last trap. */
  out(index: number): number {
    return this.outWords[index] as number;
  }

  /** True once the kernel's memory is known to be corrupt. */
  get panicked(): boolean {
    return this.views.u32(HEADER + Header_h_panic) !== 0;
  }

  /**
   * Registers what to do when a pending send or receive completes.
   *
   * @param hold whether the event loop stays alive until then
   * @returns the cookie to give to the asynchronous trap; `forget` it if nothing became pending
   */
  expect(done: Done, hold = true): number {
    // First what may find no stack left: it must leave nothing behind.
    this.#doorbell.watch();
    const cookie = this.#freeCookies.pop() ?? this.#pending.length;
    if (hold) this.hold();
    this.#pending[cookie] = done;
    this.#held[cookie] = hold;
    this.#waiting++;
    return cookie;
  }

  /**
   * An exception left the asynchronous trap that has this cookie. The wait may be in place all the same: its completion is still
   * taken, but nothing keeps the event loop alive for it.
   */
  strand(cookie: number): void {
    if (!this.#held[cookie]) return;
    this.#held[cookie] = false;
    this.release();
  }

  /** Withdraws a cookie that no completion will come for. */
  forget(cookie: number): void {
    if (!this.#pending[cookie]) return;
    this.#pending[cookie] = null;
    this.#freeCookies.push(cookie);
    this.#waiting--;
    if (this.#held[cookie]) this.release();
  }

  /** Resolves what completed meanwhile; called at top level after traps. Costs a load when nothing did. */
  drain(): void {
    if (this.#waiting === 0 || this.#bell[0] !== BELL_RUNG) return;
    while (this.#take(DRAIN_MAX) === DRAIN_MAX);
  }

  /** Gives back the kmsg that an exception left behind. */
  releaseOrphan(): void {
    const kmsg = this.orphan;
    this.orphan = 0;
    this.core.mach_msg_release(kmsg); // refused, harmlessly, if it was sent after all
  }

  /** Keeps the event loop alive until the matching `release`. */
  hold(): void {
    if (this.#holds === 0) this.#keepAlive.ref();
    this.#holds++;
  }

  release(): void {
    if (--this.#holds === 0) this.#keepAlive.unref();
  }

  /** Leaves the kernel: tasks that run nowhere else die. Afterwards every trap answers `KERN_TERMINATED`. */
  detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    this.#doorbell.close();
    this.#stopExitHook();
    try {
      this.core.processor_detach();
    } catch {
      // Whoever watches this agent buries it.
    }
    // The record may be somebody else's from here on: this instance must never run again, and nothing is read or written there.
    for (const name of Object.keys(this.core)) {
      const answer = ANSWER_NUMBERS.has(name) ? 0 : KERN_TERMINATED;
      Object.assign(this.core, { [name]: () => answer });
    }
    this.outWords = new Uint32Array(new SharedArrayBuffer(OUT_WORDS * 4));
    this.outWords[1] = KERN_TERMINATED; // why mach_msg_prepare gives none
    this.batch = new Uint32Array(new SharedArrayBuffer(BATCH_WORDS * 4));
    this.#stopped = true;
    this.#abandon();
  }

  /** Stops watching for completions; every pending one is told that the kernel is closed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#doorbell.close();
    this.#stopExitHook();
    this.#abandon();
  }

  #abandon(): void {
    for (let cookie = 0; cookie < this.#pending.length; cookie++) {
      const done = this.#pending[cookie];
      if (!done) continue;
      this.forget(cookie);
      try {
        done(KERN_TERMINATED, 0, 0);
      } catch (error) {
        if (!(error instanceof KernelPanic)) platform.report(error);
      }
    }
  }

  #take(max: number): number {
    if (this.#draining || this.#stopped) return 0;
    if (this.#terminated[0] !== 0) this.stop();
    const count = this.#drain(max);
    if (count <= 0 || count > max) return 0;
    const drained = this.#drained;
    for (let i = 0; i < count * 4; i++) drained[i] = this.batch[i] as number;
    this.#draining = true;
    try {
      for (let i = 0; i < count * 4; i += 4) this.#complete(drained, i);
    } finally {
      this.#draining = false;
    }
    return count;
  }

  /** Tells who waits for completion `i` of `drained`. */
  #complete(drained: Uint32Array<ArrayBuffer>, i: number): void {
    const cookie = drained[i] as number;
    const done = this.#pending[cookie];
    if (!done) return;
    this.forget(cookie);
    try {
      done(drained[i + 1] as number, drained[i + 2] as number, drained[i + 3] as number);
    } catch (error) {
      platform.report(error);
    }
  }

  #drain(max: number): number {
    if (this.#stopped) return 0;
    try {
      return this.core.processor_drain(max);
    } catch (error) {
      if (!(error instanceof KernelPanic || error instanceof KernError)) throw error;
      this.stop();
      return 0;
    }
  }

  #explain(error: unknown, trap: string): unknown {
    const site = this.views.u32(HEADER + Header_h_panic);
    const state = this.#state[0] as number;
    const alive = state === PROCESSOR_USER || state === PROCESSOR_KERNEL || state === PROCESSOR_FAULTED;
    if (site === 0 && alive) return error;
    // Who condemned this thread stops it next. An error that nobody catches is no news until then, and where one meets
    // `worker.terminate()` at the wrong instant, Node ends the whole process.
    if (site === 0 && this.canBlock) Atomics.wait(this.#state, 0, state, CONDEMNED_MS);
    platform.turn(() => this.stop());
    if (site !== 0) return new KernelPanic(site, { cause: error });
    return new KernError(trap, KERN_TERMINATED, "this thread was condemned", { cause: error });
  }

  /** Measures how many steps a spin of 50 us takes here; a window's main thread never spins. */
  #calibrate(record: number): void {
    let steps = 0;
    if (this.canBlock && platform.canSpin) {
      let tried = 1024;
      let took = 0;
      for (;;) {
        const start = performance.now();
        this.core.processor_spin(tried);
        took = performance.now() - start;
        if (took >= 0.1 || tried >= 1 << 24) break;
        tried *= 4;
      }
      steps = Math.max(1, Math.round((tried * 0.05) / Math.max(took, 0.001)));
    }
    this.views.setU32(record + Processor_p_spin_steps, steps);
  }
}
