// What both platforms export, and the shapes they share. Differences between runtimes are in
// `node.ts` and `browser.ts` alone, chosen by the `imports` map of the package as `#platform`.

/** A worker of any runtime, as far as this package uses one. */
export interface WorkerLike {
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  terminate(): unknown;
}

/** One end of a MessageChannel of any runtime. */
export interface PortLike {
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  close(): void;
}

/** How a worker ended. */
export interface WorkerEnd {
  readonly reason: "exit" | "error";
  readonly code?: number;
  readonly error?: unknown;
}

/** Something that keeps the event loop alive while it is referenced. */
export interface KeepAlive {
  ref(): void;
  unref(): void;
}

/** A task, for good: its handle is used again, its serial number is not. */
export interface TaskId {
  readonly handle: number;
  readonly serial: number;
}

/** A processor's life, for the watcher. */
export interface Watch {
  readonly pid: number;
  readonly generation: number;
  readonly task: TaskId;
  /** Name of the Web Lock that the thread holds while it lives. */
  readonly lock: string;
  /** Closes with the thread, in runtimes that tell. */
  readonly port?: PortLike | undefined;
}

/** This thread, as the watcher knows it. */
export interface WatchedLife {
  /** Has a life of this thread watched; resolves when its end cannot be missed any more. */
  watch(life: Watch): Promise<void>;
  /** Says that it is over though the thread goes on. */
  end(): void;
}

/** Where the watcher of a kernel is found by a thread that it does not know. */
export interface WatcherAddress {
  readonly kernelId: string;
  /** Its thread number, where threads can write to each other; 0 otherwise. */
  readonly watcher: number;
}

/** The first message to a worker that `spawn` started. */
export interface Letter {
  readonly "mach-ipc": string;
  readonly kernel: unknown;
}

/** True if `message` is the first message of `spawn`, of any version of this package. An attachment, which has no `kernel`, is the user's. */
export function isLetter(message: unknown): message is Letter {
  if (typeof message !== "object" || message === null || !("mach-ipc" in message)) return false;
  return typeof message["mach-ipc"] === "string" && "kernel" in message;
}
