// A kernel: its memory, the booting program's task, and everything that was started on it.

import {
  KERN_NOT_SUPPORTED,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_PORT_LIMITS_INFO,
  MACH_PORT_LIMITS_INFO_COUNT,
  MACH_PORT_QLIMIT_MAX,
  MACH_PORT_RIGHT_RECEIVE,
  TASK_BOOTSTRAP_PORT,
  VM_PAGE_SIZE,
} from "./abi/codes.gen.js";
import * as platform from "#platform";
import type { Bootstrap } from "./bootstrap/bootstrap.js";
import { check, KernError } from "./errors.js";
import { dumpKernel, type KernelDump } from "./kernel/dump.js";
import { type KernelAttachment, attachStranger } from "./kernel/attachment.js";
import { ringAll } from "./kernel/life.js";
import { NamingService } from "./kernel/naming.js";
import type { SpawnedTask } from "./kernel/child.js";
import { type SpawnOptions, Spawner } from "./kernel/spawn.js";
import type { TaskId, WorkerLike } from "./platform/types.js";
import { Processor } from "./processor.js";
import { Space } from "./space.js";
import { type Quota, Task } from "./task.js";

const PAGE_BYTES = 65536;
const DEFAULT_MAXIMUM_BYTES = 256 * 1024 * 1024;
const SMALLEST_MAXIMUM_BYTES = 4 * 1024 * 1024;
const LARGEST_MAXIMUM_BYTES = 65536 * PAGE_BYTES;

/** How a kernel is made. */
export interface BootOptions {
  /** Bytes that the kernel's memory may grow to: 4 MiB to 4 GiB, 256 MiB by default. */
  readonly maximumBytes?: number;
  /** Another build of the kernel, e.g. the one with debug checks. */
  readonly module?: WebAssembly.Module;
}

/**
 * A kernel, booted by this thread.
 *
 * @example
 * await using kernel = await Kernel.boot();
 */
export class Kernel implements AsyncDisposable {
  /** "local": this page cannot share memory, so every task is on this thread. */
  readonly mode: "shared" | "local";
  /** The booting program's own task. */
  readonly task: Task;
  /** @internal */
  readonly processor: Processor;
  /** @internal Names this kernel among the others of this process or origin. */
  readonly id: string;
  readonly #naming: NamingService;
  readonly #spawner: Spawner;
  readonly #tasks: Set<Task> = new Set();
  #closing: Promise<void> | undefined;

  /**
   * Boots a kernel in this thread.
   *
   * @throws TypeError for a size outside 4 MiB to 4 GiB
   * @throws RangeError when the memory cannot be had
   */
  static async boot(options: BootOptions = {}): Promise<Kernel> {
    const maximumBytes = options.maximumBytes ?? DEFAULT_MAXIMUM_BYTES;
    if (
      typeof maximumBytes !== "number" ||
      !(maximumBytes >= SMALLEST_MAXIMUM_BYTES && maximumBytes <= LARGEST_MAXIMUM_BYTES)
    ) {
      throw new TypeError("maximumBytes must be a number of bytes from 4 MiB to 4 GiB");
    }
    const module = options.module ?? (await platform.loadModule());
    const processor = await Processor.boot({ module, maximumPages: Math.floor(maximumBytes / PAGE_BYTES) });
    return new Kernel(processor);
  }

  /**
   * Joins the kernel that `attachment` is of, from a worker that somebody else made.
   *
   * @throws KernError `KERN_NOT_SUPPORTED`: another version of this package made the attachment.
   */
  static attach(attachment: KernelAttachment, options: { name?: string } = {}): Promise<Task> {
    return attachStranger(attachment, options.name ?? "attached", (parts) => new Task(parts));
  }

  private constructor(processor: Processor) {
    this.processor = processor;
    this.mode = platform.whyNotShared === null ? "shared" : "local";
    this.id = `${platform.thread}-${Math.random().toString(36).slice(2)}`;
    const { core } = processor;
    check("task_create", core.task_create(0, 0, 0, 0));
    const handle = processor.out(0);
    check("task_attach", core.task_attach(handle));
    this.task = new Task({ name: "main", processor, handle, startBootstrap: () => this.#naming.start() });
    this.#tasks.add(this.task);
    this.#spawner = new Spawner(this);
    this.#naming = new NamingService(this, this.#spawner, this.#allocateBootstrapPort());
  }

  /** What another worker needs to join; structured-cloneable. */
  get attachment(): KernelAttachment {
    this.#mustShare("attachment");
    this.#naming.start();
    const { kernelMemory } = this.processor;
    return {
      ...kernelMemory,
      "mach-ipc": kernelMemory.version,
      kernelId: this.id,
      watcher: this.#spawner.watcherThread,
      watching: this.#spawner.watching,
      parent: this.task.handle,
    };
  }

  /** The naming service of the booting program's task. */
  get bootstrap(): Bootstrap {
    return this.task.bootstrap;
  }

  /**
   * Starts a worker with a task of its own; with `restart`, again whenever it ends.
   *
   * @param worker makes the worker, the form that bundlers recognise; or a module's URL or path
   * @throws KernError `KERN_NOT_SUPPORTED`: memory cannot be shared here; names the headers to set.
   */
  spawn(worker: (() => WorkerLike) | URL | string, options: SpawnOptions): SpawnedTask {
    this.#mustShare("spawn");
    this.#naming.start();
    return this.#spawner.spawn(worker, options);
  }

  /**
   * Makes another task on this thread: a name space of its own.
   *
   * @mach task_create
   */
  createTask(options: { name: string; quota?: Quota }): Task {
    if (typeof options?.name !== "string") throw new TypeError("options.name must be a string");
    const { handle } = this.newTask(options.quota);
    const { processor } = this;
    try {
      check("task_attach", processor.core.task_attach(handle));
      const task = new Task({
        name: options.name,
        processor,
        handle,
        bounded: options.quota?.kmsgBytes !== undefined,
        startBootstrap: () => this.#naming.start(),
        disposed: (ended) => this.#tasks.delete(ended),
      });
      this.#tasks.add(task);
      return task;
    } catch (error) {
      processor.core.task_terminate(handle);
      throw error;
    }
  }

  /** @internal A task that nobody runs yet; see Task. */
  newTask(quota: Quota = {}): TaskId {
    const { core } = this.processor;
    const ports = wholeNumber("quota.ports", quota.ports);
    const bytes = wholeNumber("quota.kmsgBytes", quota.kmsgBytes);
    const memory = wholeNumber("quota.memoryBytes", quota.memoryBytes);
    check("task_create", core.task_create(this.task.handle, ports, bytes, Math.ceil(memory / VM_PAGE_SIZE)));
    return { handle: this.processor.out(0), serial: this.processor.out(1) };
  }

  /** Tasks, ports, queues and waiters as they are now, and who waits for whom. */
  dump(): KernelDump {
    return dumpKernel(this.processor, this.#spawner.taskNames(this.#tasks));
  }

  /**
   * Closes the kernel: wakes every blocked thread with `KERN_TERMINATED`, waits for the workers it
   * spawned or terminates them, and leaves nothing running. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      for (const task of this.#tasks) Space.of(task).close();
      this.processor.core.kernel_terminate();
    } catch {
      // A panicked kernel answers nothing any more.
    }
    ringAll(this.processor.views);
    await this.#spawner.close();
    this.processor.stop();
  }

  #allocateBootstrapPort(): number {
    const { core } = this.processor;
    const { handle, self } = this.task;
    check("mach_port_allocate", core.mach_port_allocate(handle, self, MACH_PORT_RIGHT_RECEIVE));
    const name = this.processor.out(0);
    check(
      "mach_port_set_attributes",
      core.mach_port_set_attributes(
        handle,
        self,
        name,
        MACH_PORT_LIMITS_INFO,
        MACH_PORT_QLIMIT_MAX,
        MACH_PORT_LIMITS_INFO_COUNT,
      ),
    );
    check("mach_port_insert_right", core.mach_port_insert_right(handle, self, name, name, MACH_MSG_TYPE_MAKE_SEND));
    check("task_set_special_port", core.task_set_special_port(handle, self, TASK_BOOTSTRAP_PORT, name));
    return name;
  }

  #mustShare(what: string): void {
    if (platform.whyNotShared === null) return;
    throw new KernError(`Kernel.${what}`, KERN_NOT_SUPPORTED, platform.whyNotShared);
  }
}

function wholeNumber(argument: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (value >>> 0 !== value || value === 0) throw new TypeError(`${argument} must be a whole number from 1`);
  return value;
}
