// One life of a spawned task: a worker, its task and its processor record, until all three are gone.

import * as platform from "#platform";
import type { PortLike, TaskId, Watch, WorkerEnd, WorkerLike } from "../platform/types.js";
import type { Processor } from "../processor.js";
import { bury, condemn, endTask } from "./life.js";

/** How a spawned task ended. */
export interface Exit {
  /**
   * "terminated": by `terminate()` or the end of the kernel. "error": nobody caught what it threw, or it
   * did not start. "exit": any other way; so is the end by a `terminate()` of the Worker itself.
   */
  readonly reason: "exit" | "error" | "terminated";
  /** The worker's exit code, unless it was terminated; browsers have none. */
  readonly code?: number;
  /** What nobody caught. */
  readonly error?: unknown;
}

/** A task in a worker that this thread started. */
export interface SpawnedTask {
  readonly name: string;
  /** Resolves when its worker is gone, and with `restart` when none will follow; never rejects. */
  readonly exited: Promise<Exit>;
  /** Kills it for good, whatever it is doing; resolves when it is gone. Idempotent. */
  terminate(): Promise<void>;
}

/** A worker, its task and its processor record. */
export class Child implements SpawnedTask {
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
  #kernelEnds = false;
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

  /** The kernel is being closed: the worker hears of it as KERN_TERMINATED, which it need not catch. */
  kernelEnds(): void {
    this.#kernelEnds = true;
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
    // A worker that is condemned may throw, and has some exit code, before it is stopped: that is no news.
    const closed = this.#kernelEnds && (end.error as { code?: unknown } | undefined)?.code === "KERN_TERMINATED";
    const exit: Exit = this.#terminated || closed ? { reason: "terminated" } : end;
    try {
      this.#ended(this, exit);
    } finally {
      this.#resolve(exit);
    }
  }
}
