// Starting workers with tasks of their own, and learning how they ended.

import { MACH_MSG_TYPE_MOVE_RECEIVE } from "../abi/codes.gen.js";
import * as platform from "#platform";
import { check } from "../errors.js";
import type { PortLike, TaskId, Watch, WorkerEnd, WorkerLike } from "../platform/types.js";
import type { Processor } from "../processor.js";
import { dispositionOf, Moved, type OutgoingRight } from "../right.js";
import { Space } from "../space.js";
import type { Quota, Task } from "../task.js";
import type { WatcherLetter } from "../reaper/watcher.js";
import type { HandedRight, Invitation } from "../worker/invitation.js";
import { lifeLock } from "../worker/invitation.js";
import { bury, claimRecord, condemn, endTask, type Life } from "./life.js";

/** What a spawned task starts with. */
export interface SpawnOptions {
  readonly name: string;
  /** Rights to hand over: send rights are copied, moved ones given away. On failure all are still yours. */
  readonly rights?: Record<string, OutgoingRight>;
  /** Anything structured-cloneable. */
  readonly data?: unknown;
  readonly quota?: Quota;
}

/** How a spawned task ended. */
export interface Exit {
  readonly reason: "exit" | "error" | "terminated";
  readonly code?: number;
  readonly error?: unknown;
}

/** A task in a worker that this thread started. */
export interface SpawnedTask {
  readonly name: string;
  /** Resolves when its worker is gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** Kills it, whatever it is doing; resolves when it is gone. Idempotent. */
  terminate(): Promise<void>;
}

/** What the spawner needs of its kernel. */
export interface SpawnerKernel {
  readonly processor: Processor;
  readonly task: Task;
  readonly id: string;
  newTask(quota?: Quota): TaskId;
}

/** How long `close` waits for workers to end by themselves. */
const GRACE_MS = 100;

/** Starts workers for one kernel. */
export class Spawner {
  readonly #kernel: SpawnerKernel;
  readonly #children: Set<Child> = new Set();
  #watcher: WorkerLike | undefined;
  #closing = false;
  #reaperChild: Child | undefined;

  constructor(kernel: SpawnerKernel) {
    this.#kernel = kernel;
  }

  /** Number of the watcher's thread, where threads can write to each other; 0 otherwise. */
  get watcherThread(): number {
    return this.#watcher ? platform.threadOf(this.#watcher) : 0;
  }

  spawn(source: (() => WorkerLike) | URL | string, options: SpawnOptions): SpawnedTask {
    if (typeof options?.name !== "string") throw new TypeError("options.name must be a string");
    if (typeof source !== "function" && typeof source !== "string" && !(source instanceof URL)) {
      throw new TypeError("worker must be a function that makes one, a URL or a path");
    }
    const make = typeof source === "function" ? source : (): WorkerLike => platform.openWorker(source, options.name);
    const child = this.#start(make, options);
    child.watched(this.#watcher);
    return child;
  }

  /** Starts the reaper, which gets the receive right `bootstrap` of the naming service, and the watcher, which tells it of deaths. */
  startReaper(bootstrap: number): void {
    if (this.#watcher) return;
    const { port1, port2 } = new MessageChannel();
    this.#reaperChild = this.#start(
      platform.openReaper,
      { name: "reaper" },
      { bootstrap: { name: bootstrap, disposition: MACH_MSG_TYPE_MOVE_RECEIVE } },
      port1 as unknown as PortLike,
    );
    const { processor, id } = this.#kernel;
    this.#watcher = platform.openWatcher();
    const deaths = port2 as unknown as PortLike;
    const { kernelMemory: kernel } = processor;
    const letter: WatcherLetter = { "mach-ipc": kernel.version, kernelId: id, kernel, deaths };
    this.#watcher.postMessage(letter, [deaths]);
  }

  /** Names of the tasks that this thread knows, by task handle. */
  taskNames(here: Iterable<Task>): Map<number, string> {
    const names = new Map<number, string>();
    for (const task of here) names.set(task.handle, task.name);
    for (const child of this.#children) names.set(child.task.handle, child.name);
    if (this.#reaperChild) names.set(this.#reaperChild.task.handle, this.#reaperChild.name);
    return names;
  }

  /** An error in a worker is no longer thrown in this thread, since somebody listens: it must not pass in silence. */
  #ended(child: Child, exit: Exit): void {
    this.#children.delete(child);
    if (exit.reason !== "error" || this.#closing) return;
    const error = exit.error instanceof Error ? (exit.error.stack ?? exit.error.message) : String(exit.error);
    platform.warn(`the task "${child.name}" ended by an error: ${error}`);
  }

  /** After the kernel was closed: waits a little for every worker, then terminates it. */
  async close(): Promise<void> {
    this.#closing = true;
    const reaper = this.#reaperChild?.terminate();
    const all = [...this.#children].filter((child) => child !== this.#reaperChild);
    if (all.length > 0) {
      let timer: unknown;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, GRACE_MS);
      });
      await Promise.race([Promise.all(all.map((child) => child.exited)), grace]);
      clearTimeout(timer as number);
    }
    await Promise.all(all.map((child) => child.terminate()));
    await reaper;
    await this.#watcher?.terminate();
  }

  #start(
    make: () => WorkerLike,
    options: SpawnOptions,
    ownRights: Record<string, HandedRight> = {},
    deaths?: PortLike,
  ): Child {
    const { processor, id } = this.#kernel;
    const outgoing = Object.entries(options.rights ?? {});
    const space = Space.of(this.#kernel.task);
    for (const [, right] of outgoing) {
      dispositionOf(right); // refuses what is not a right, before anything is made
      (right instanceof Moved ? right.right : right).nameIn(space);
    }
    const data = options.data === undefined ? undefined : structuredClone(options.data);
    const task = this.#kernel.newTask(options.quota);
    let life: Life | undefined;
    try {
      life = claimRecord(processor.views);
      const worker = platform.marked(make);
      if (typeof worker?.postMessage !== "function") throw new TypeError("worker must make a Worker");
      const lock = lifeLock(id, life);
      const record = { ...life, task, lock };
      const child = new Child(options.name, worker, processor, record, (ended, exit) => this.#ended(ended, exit));
      this.#children.add(child);
      const rights: Record<string, HandedRight> = {};
      for (const [key, { name, disposition }] of Object.entries(ownRights)) {
        rights[key] = this.#hand(task.handle, name, disposition);
      }
      for (const [key, right] of outgoing) {
        const held = right instanceof Moved ? right.right : right;
        rights[key] = this.#hand(task.handle, held.nameIn(space), dispositionOf(right));
        if (right instanceof Moved) right.right.give();
      }
      const ends = platform.channel();
      const invitation: Invitation = {
        "mach-ipc": processor.kernelMemory.version,
        kernel: processor.kernelMemory,
        ...life,
        task,
        name: options.name,
        bounded: options.quota?.kmsgBytes !== undefined,
        rights,
        data,
        deaths,
        life: ends?.theirs,
        kernelId: id,
      };
      worker.postMessage(
        invitation,
        [ends?.theirs, deaths].filter((port) => port !== undefined),
      );
      child.port = ends?.mine;
      return child;
    } catch (error) {
      if (life) bury(processor.core, processor.views, { ...life, task, lock: "" });
      else endTask(processor.core, processor.views, task);
      throw error;
    }
  }

  /** Gives the new task a right of ours; received types are 16 to 18, as after a message. */
  #hand(task: number, name: number, disposition: number): HandedRight {
    const { core } = this.#kernel.processor;
    check("task_insert_right", core.task_insert_right(this.#kernel.task.handle, name, disposition, task));
    return { name: this.#kernel.processor.out(0), disposition: receivedType(disposition) };
  }
}

/** A move or a copy arrives as the right itself. */
function receivedType(disposition: number): number {
  if (disposition === 17 || disposition === 19 || disposition === 20) return 17;
  return disposition === 16 ? 16 : 18;
}

/** A worker, its task and its processor record. */
class Child implements SpawnedTask {
  readonly name: string;
  readonly exited: Promise<Exit>;
  /** Closes with the worker; for the watcher. */
  port: PortLike | undefined;
  readonly #worker: WorkerLike;
  readonly #processor: Processor;
  readonly #record: Watch;
  readonly #ended: (child: Child, exit: Exit) => void;
  #resolve: (exit: Exit) => void = () => {};
  #terminated = false;
  #gone = false;

  constructor(
    name: string,
    worker: WorkerLike,
    processor: Processor,
    record: Watch,
    ended: (child: Child, exit: Exit) => void,
  ) {
    this.name = name;
    this.#worker = worker;
    this.#processor = processor;
    this.#record = record;
    this.#ended = ended;
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    platform.watchWorker(worker, record.lock, (end) => this.#buried(end));
  }

  get task(): TaskId {
    return this.#record.task;
  }

  /** Asks the watcher to watch too: this thread may be blocked when the worker dies. */
  watched(watcher: WorkerLike | undefined): void {
    const { port } = this;
    if (!watcher || !port) return;
    watcher.postMessage({ watch: { ...this.#record, port } }, [port]);
  }

  async terminate(): Promise<void> {
    if (!this.#gone) {
      this.#terminated = true;
      const { core, views } = this.#processor;
      try {
        condemn(core, views, this.#record);
        endTask(core, views, this.task); // it may not have attached yet
      } catch {
        // The kernel panicked: its tasks are at an end anyhow.
      }
      await platform.terminate(this.#worker, this.#record.lock);
      this.#buried({ reason: "exit" });
    }
    await this.exited;
  }

  #buried(end: WorkerEnd): void {
    if (this.#gone) return;
    this.#gone = true;
    const { core, views } = this.#processor;
    try {
      bury(core, views, this.#record);
      this.#processor.drain();
    } catch {
      // The kernel panicked: whoever waits hears of that.
    }
    const exit: Exit = this.#terminated ? { ...end, reason: "terminated" } : end;
    this.#ended(this, exit);
    this.#resolve(exit);
  }
}
