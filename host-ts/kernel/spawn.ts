// Starting workers with tasks of their own, and learning how they ended.

import { MACH_MSG_TYPE_MOVE_RECEIVE } from "../abi/codes.gen.js";
import * as platform from "#platform";
import { check } from "../errors.js";
import type { PortLike, TaskId, WorkerLike } from "../platform/types.js";
import type { Processor } from "../processor.js";
import { dispositionOf, Moved, type OutgoingRight, type Right } from "../right.js";
import { Space } from "../space.js";
import type { Quota, Task } from "../task.js";
import type { WatcherLetter } from "../reaper/watcher.js";
import type { HandedRight, Invitation } from "../worker/invitation.js";
import { lifeLock } from "../worker/invitation.js";
import { Child, type Exit, type SpawnedTask } from "./child.js";
import { bury, claimRecord, endTask, type Life } from "./life.js";
import { causeOf, keepRights, releaseRights, type RestartOptions, restartRule, Supervised } from "./restart.js";

/** What a spawned task starts with. */
export interface SpawnOptions {
  readonly name: string;
  /** Rights to hand over: send rights are copied, moved ones given away. On failure all are still yours. */
  readonly rights?: Record<string, OutgoingRight>;
  /** Anything structured-cloneable. */
  readonly data?: unknown;
  readonly quota?: Quota;
  /**
   * Start it again when it ends: a new worker and a new task, with the same name, data and quota, and
   * copies of `rights`. So only send rights can be handed over, of which copies are kept until it ends for
   * good, and a `worker` that is a function has to make a new one at each call.
   */
  readonly restart?: RestartOptions;
}

/** What the spawner needs of its kernel. */
export interface SpawnerKernel {
  readonly processor: Processor;
  readonly task: Task;
  readonly id: string;
  newTask(quota?: Quota): TaskId;
}

/** A right that was moved to a task that is being started. */
interface Given {
  readonly right: Right;
  /** In the new task. */
  readonly name: number;
  readonly disposition: number;
}

/** How long `close` waits for workers to end by themselves. */
const GRACE_MS = 100;

/** Starts workers for one kernel. */
export class Spawner {
  readonly #kernel: SpawnerKernel;
  readonly #children: Set<Child> = new Set();
  readonly #supervised: Set<Supervised> = new Set();
  readonly #workers: WeakSet<WorkerLike> = new WeakSet();
  #watcher: WorkerLike | undefined;
  #watching: Int32Array | undefined;
  #closing = false;
  #reaperChild: Child | undefined;

  constructor(kernel: SpawnerKernel) {
    this.#kernel = kernel;
  }

  /** Number of the watcher's thread, where threads can write to each other; 0 otherwise. */
  get watcherThread(): number {
    return this.#watcher ? platform.threadOf(this.#watcher) : 0;
  }

  /** Not 0 once the watcher listens. */
  get watching(): Int32Array {
    this.#watching ??= new Int32Array(new SharedArrayBuffer(4));
    return this.#watching;
  }

  spawn(source: (() => WorkerLike) | URL | string, options: SpawnOptions): SpawnedTask {
    if (typeof options?.name !== "string") throw new TypeError("options.name must be a string");
    if (typeof source !== "function" && typeof source !== "string" && !(source instanceof URL)) {
      throw new TypeError("worker must be a function that makes one, a URL or a path");
    }
    const make = typeof source === "function" ? source : (): WorkerLike => platform.openWorker(source, options.name);
    if (options.restart !== undefined) return this.#supervise(make, options, options.restart);
    return this.#start(make, options, (exit) => this.#ended(options.name, exit));
  }

  #supervise(make: () => WorkerLike, options: SpawnOptions, restart: RestartOptions): SpawnedTask {
    const rule = restartRule(restart);
    const rights = keepRights(options.rights ?? {});
    try {
      const given: SpawnOptions = { ...options, data: structuredClone(options.data), rights };
      const task = new Supervised({
        name: options.name,
        rule,
        start: (ended) => this.#start(make, given, ended),
        over: (task, exit, gaveUp) => {
          this.#supervised.delete(task);
          releaseRights(rights);
          this.#ended(options.name, exit, gaveUp);
        },
      });
      this.#supervised.add(task);
      for (const right of Object.values(options.rights ?? {})) {
        if (right instanceof Moved) right.right[Symbol.dispose](); // the kept copy is in its place
      }
      return task;
    } catch (error) {
      releaseRights(rights);
      throw error;
    }
  }

  /** Starts the reaper, which gets the receive right `bootstrap` of the naming service, and the watcher, which tells it of deaths. */
  startReaper(bootstrap: number): void {
    if (this.#watcher) return;
    const { port1, port2 } = new MessageChannel();
    const watcher = platform.openWatcher();
    try {
      this.#reaperChild = this.#start(
        platform.openReaper,
        { name: "reaper" },
        (exit) => this.#ended("reaper", exit),
        { bootstrap: { name: bootstrap, disposition: MACH_MSG_TYPE_MOVE_RECEIVE } },
        port1 as unknown as PortLike,
      );
    } catch (error) {
      void watcher.terminate(); // both or none
      throw error;
    }
    this.#watcher = watcher;
    const { processor, id } = this.#kernel;
    const { watching } = this;
    const deaths = port2 as unknown as PortLike;
    const { kernelMemory: kernel } = processor;
    const letter: WatcherLetter = { "mach-ipc": kernel.version, kernelId: id, kernel, watching, deaths };
    watcher.postMessage(letter, [deaths]);
    // Nobody is left to bury the reaper, but whoever waits for a lock of its must learn that it is gone.
    this.#reaperChild.watched(this.#watcher);
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
  #ended(name: string, exit: Exit, gaveUp = false): void {
    if ((exit.reason !== "error" && !gaveUp) || this.#closing) return;
    platform.warn(`the task "${name}" ${gaveUp ? "was restarted too often and " : ""}ended by ${causeOf(exit)}`);
  }

  /** After the kernel was closed: waits a little for every worker, then terminates it. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const task of this.#supervised) task.stop();
    for (const child of this.#children) child.kernelEnds();
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

  /** Starts a worker; `ended` is called once it is gone, unless this throws. */
  #start(
    make: () => WorkerLike,
    options: SpawnOptions,
    ended: (exit: Exit) => void,
    ownRights: Record<string, HandedRight> = {},
    deaths?: PortLike,
  ): Child {
    const { processor, id } = this.#kernel;
    // Copies first: they may be of a right that is moved, and refusing one costs nothing.
    const outgoing = Object.entries(options.rights ?? {}).sort(
      ([, a], [, b]) => Number(a instanceof Moved) - Number(b instanceof Moved),
    );
    const given: Given[] = [];
    const space = Space.of(this.#kernel.task);
    for (const [, right] of outgoing) {
      dispositionOf(right); // refuses what is not a right, before anything is made
      (right instanceof Moved ? right.right : right).nameIn(space);
    }
    const moved = outgoing.flatMap(([, right]) => (right instanceof Moved ? [right.right] : []));
    if (new Set(moved).size < moved.length) throw new TypeError("rights: one right cannot be moved twice");
    const data = options.data === undefined ? undefined : structuredClone(options.data);
    const task = this.#kernel.newTask(options.quota);
    let life: Life | undefined;
    let worker: WorkerLike | undefined;
    let child: Child | undefined;
    let started = false;
    try {
      life = claimRecord(processor.views);
      worker = this.#make(make);
      const lock = lifeLock(id, life);
      child = new Child(options.name, worker, processor, { ...life, task, lock }, (gone, exit) => {
        this.#children.delete(gone);
        if (started) ended(exit);
      });
      this.#children.add(child);
      const rights: Record<string, HandedRight> = {};
      for (const [key, { name, disposition }] of Object.entries(ownRights)) {
        rights[key] = this.#hand(task.handle, name, disposition);
      }
      for (const [key, right] of outgoing) {
        const held = right instanceof Moved ? right.right : right;
        const handed = this.#hand(task.handle, held.nameIn(space), dispositionOf(right));
        rights[key] = handed;
        if (!(right instanceof Moved)) continue;
        held.give();
        given.push({ right: held, name: handed.name, disposition: dispositionOf(right) });
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
      child.watched(this.#watcher);
      started = true;
      return child;
    } catch (error) {
      this.#takeBack(task.handle, given);
      if (child) void child.terminate();
      else {
        worker?.terminate();
        if (life) bury(processor.core, processor.views, { ...life, task, lock: "" });
        else endTask(processor.core, processor.views, task);
      }
      throw error;
    }
  }

  /** A worker that nobody has had yet: one that runs already would never read its invitation. */
  #make(make: () => WorkerLike): WorkerLike {
    const worker = platform.marked(make);
    if (typeof worker?.postMessage !== "function" || !platform.listens(worker))
      throw new TypeError("worker must make a Worker");
    const ran = this.#workers.has(worker) || platform.threadOf(worker) < 0;
    if (ran) throw new TypeError("worker must make a new Worker at each call");
    this.#workers.add(worker);
    return worker;
  }

  /** Takes rights back from a task that has not begun: nobody else uses them. */
  #takeBack(task: number, given: readonly Given[]): void {
    const { processor, task: ours } = this.#kernel;
    try {
      for (const { right, name, disposition } of given) {
        const kr = processor.core.task_insert_right(task, name, disposition, ours.handle);
        if (kr === 0) right.takeBack(processor.out(0));
      }
    } catch {
      // The kernel is gone, and the rights with it.
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
