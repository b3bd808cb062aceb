// A task: a name space of its own, the rights in it, and its place on this thread. What its methods
// make lives in the files of rights; this one holds them together.

import { KERN_RESOURCE_SHORTAGE, KERN_SUCCESS, KERN_TERMINATED } from "./abi/codes.gen.js";
import { Bootstrap } from "./bootstrap/bootstrap.js";
import { KernError } from "./errors.js";
import { TaskMemory } from "./memory/task-memory.js";
import { PortSet } from "./port-set.js";
import type { Processor } from "./processor.js";
import { type PortOptions, ReceiveRight } from "./receive-right.js";
import { type Right, SendRight } from "./right.js";
import { Space } from "./space.js";
import { attachSpawned } from "./worker/attach.js";

/** Limits of a task; absent: none of its own. A refusal is `KERN_RESOURCE_SHORTAGE`. */
export interface Quota {
  /** Ports and port sets that it may hold the receive right of. */
  readonly ports?: number;
  /** Bytes of messages that it has sent and nobody has received yet. */
  readonly kmsgBytes?: number;
  /** Bytes of memory in the kernel, in whole pages, of regions that it made, or that it received and nobody else has. */
  readonly memoryBytes?: number;
}

/** What a task is made of. */
export interface TaskParts {
  readonly name: string;
  readonly processor: Processor;
  readonly handle: number;
  readonly rights?: Record<string, Right>;
  readonly data?: unknown;
  /** Makes sure that somebody serves the bootstrap port. */
  readonly startBootstrap?: () => void;
  /** Whether a quota bounds it. */
  readonly bounded?: boolean;
  /** What else ends with the task. */
  readonly disposed?: (task: Task) => void;
}

/**
 * A task on this thread.
 *
 * @mach task_t
 */
export class Task implements Disposable {
  readonly name: string;
  /** What the spawner handed over, by the names it chose. */
  readonly rights: Record<string, Right>;
  /** What the spawner passed as `data`, cloned. */
  readonly data: unknown;
  /** @internal The number that every trap takes first. */
  readonly handle: number;
  /** @internal Name of the task's own port in its own space. */
  readonly self: number;
  /** @internal */
  readonly processor: Processor;
  /** @internal A quota bounds it: what it sends must be charged. */
  readonly bounded: boolean;
  readonly #startBootstrap: () => void;
  readonly #whenDisposed: (task: Task) => void;
  #bootstrap: Bootstrap | undefined;
  #memory: TaskMemory | undefined;
  #disposed = false;

  /**
   * The task of this worker, as its spawner made it. Every call gives the same task.
   *
   * Waits for the spawner's letter: in a worker that was not spawned, for ever.
   *
   * @throws KernError `KERN_NOT_SUPPORTED` on a thread that nobody can have spawned.
   * @mach mach_task_self
   */
  static self(): Promise<Task> {
    return attachSpawned((parts) => new Task(parts));
  }

  /** @internal Kernel makes tasks. */
  constructor(parts: TaskParts) {
    this.name = parts.name;
    this.processor = parts.processor;
    this.handle = parts.handle;
    this.rights = parts.rights ?? {};
    this.data = parts.data;
    this.bounded = parts.bounded ?? false;
    this.#startBootstrap = parts.startBootstrap ?? (() => {});
    this.#whenDisposed = parts.disposed ?? (() => {});
    this.self = parts.processor.core.mach_task_self(parts.handle) >>> 0;
    if (this.self === 0) throw new KernError("mach_task_self", KERN_TERMINATED);
  }

  /** The naming service that this task was born with. */
  get bootstrap(): Bootstrap {
    if (!this.#bootstrap) {
      this.#startBootstrap();
      this.#bootstrap = new Bootstrap(this);
    }
    return this.#bootstrap;
  }

  /** The task's memory in the kernel: regions, which messages move and share without copying them. */
  get memory(): TaskMemory {
    this.#memory ??= new TaskMemory(Space.of(this));
    return this.#memory;
  }

  /**
   * Makes a port and its receive right.
   *
   * @param options.qlimit messages that wait in its queue before senders have to; 1024 by default and at most
   * @param options.guard guards the port against being destroyed by its name alone; see `ReceiveRight.guard`
   * @throws KernError `KERN_RESOURCE_SHORTAGE`: out of memory or quota. `KERN_INVALID_VALUE`: qlimit above 1024.
   * @mach mach_port_construct
   */
  allocatePort(options?: PortOptions): ReceiveRight {
    return ReceiveRight.allocate(this, options);
  }

  /**
   * Makes a port set with the given members.
   *
   * @mach mach_port_allocate, mach_port_insert_member
   */
  allocatePortSet(members?: Iterable<ReceiveRight>): PortSet {
    return PortSet.allocate(this, members);
  }

  /**
   * A send right for the task's own port, a new reference each time. Who is given it can do to the task what the task can do
   * itself, by the calls of `mach-ipc/traps`, and end it; its `onDead` tells of the task's end.
   *
   * @throws KernError `KERN_INVALID_TASK`: the task has ended. `KERN_RESOURCE_SHORTAGE`: out of memory.
   * @mach mach_task_self
   */
  port(): SendRight {
    const { core } = this.processor;
    const name = core.mach_task_self(this.handle) >>> 0;
    if (name === 0) {
      const kr = core.mach_port_type(this.handle, this.self, this.self);
      throw new KernError("Task.port", kr === KERN_SUCCESS ? KERN_RESOURCE_SHORTAGE : kr);
    }
    return new SendRight(Space.of(this), name);
  }

  /** True once the task was disposed here. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Terminates the task: its rights are released, its ports die, its peers are told. In a worker that was spawned or attached, this
   * leaves the kernel: messages that were received here end too, and must not be read afterwards.
   *
   * @mach task_terminate
   */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    try {
      Space.of(this).close();
      const kr = this.processor.core.task_terminate(this.handle);
      if (kr === KERN_SUCCESS) this.processor.drain();
      this.#whenDisposed(this);
    } catch {
      // The kernel is gone, and the task with it.
    }
  }
}
