// Node, and Deno and Bun as far as they are Node: worker threads, files, timers.

import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setImmediate, setInterval, setTimeout } from "node:timers";
import {
  getEnvironmentData,
  isMainThread,
  MessageChannel,
  MessagePort,
  parentPort,
  receiveMessageOnPort,
  setEnvironmentData,
  threadId,
  Worker,
} from "node:worker_threads";
import * as workerThreads from "node:worker_threads";
import {
  isLetter,
  type KeepAlive,
  type Letter,
  type PortLike,
  type WatchedLife,
  type WatcherAddress,
  type Watch,
  type WorkerEnd,
  type WorkerLike,
} from "./types.js";

/** Every thread of these runtimes may sleep in a Wasm wait. */
export const canBlock = true;

/** Whether another thread can run while this one spins: the cores that the process may use, its affinity included. */
export const canSpin: boolean = availableParallelism() > 1;

/** Null: memory can be shared with workers. */
export const whyNotShared: string | null = null;

/** The compiled kernel that lies beside this file's folder. */
export function loadModule(): Promise<WebAssembly.Module> {
  compiled ??= readFile(new URL("../kernel.wasm", import.meta.url)).then((bytes) => WebAssembly.compile(bytes));
  return compiled;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** Pages of 64 KiB that a kernel starts with. */
const INITIAL_PAGES = 64;

/** A memory that threads can share. */
export function sharedMemory(maximumPages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({
    initial: Math.min(INITIAL_PAGES, maximumPages),
    maximum: maximumPages,
    shared: true,
  });
}

/** Keeps the process alive while referenced; a pending `waitAsync` alone does not. */
export function keepAlive(): KeepAlive {
  const interval = setInterval(() => {}, 0x7fffffff);
  interval.unref();
  return { ref: () => void interval.ref(), unref: () => void interval.unref() };
}

/** Runs `run` in a turn of its own, soon. */
export function turn(run: () => void): void {
  setImmediate(run);
}

/** Reports an error that no caller can receive, as an uncaught one. */
export function report(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/** Warns of what must not pass in silence. */
export function warn(text: string): void {
  process.emitWarning(text);
}

/** Runs `run` when this worker ends by itself. The main thread takes everybody with it: nothing to do. */
export function onThreadExit(run: () => void): () => void {
  if (isMainThread) return () => {};
  if (!hooked) process.on("exit", runAtExit);
  hooked = true;
  atExit.add(run);
  return () => void atExit.delete(run);
}

let hooked = false;
const atExit: Set<() => void> = new Set();

function runAtExit(): void {
  for (const run of [...atExit]) run();
}

const SPAWNED = "mach-ipc/spawned";

/** Runs `make`, marking every worker that it starts as one that gets a letter first. */
export function marked(make: () => WorkerLike): WorkerLike {
  setEnvironmentData(SPAWNED, true);
  try {
    return make();
  } finally {
    setEnvironmentData(SPAWNED, undefined as unknown as string);
  }
}

/** Starts a worker from a module's URL or path. */
export function openWorker(source: URL | string, name: string): WorkerLike {
  // `name` only shows in debuggers; older lines ignore it.
  return new Worker(source, { name } as { name: string }) as unknown as WorkerLike;
}

/** Whether events of the worker can be listened to. */
export function listens(worker: WorkerLike): boolean {
  return typeof (worker as Partial<Worker>).on === "function";
}

/** Calls `ended` once when the worker is gone; its thread runs nothing any more then. */
export function watchWorker(worker: WorkerLike, _lock: string, ended: (end: WorkerEnd) => void): void {
  const emitter = worker as unknown as Worker;
  let failure: { error: unknown } | undefined;
  emitter.on("error", (error: unknown) => {
    failure = { error };
  });
  emitter.on("exit", (code: number) => {
    ended(failure ? { reason: "error", code, error: failure.error } : { reason: "exit", code });
  });
}

/** Ends a worker; resolves when its thread is gone. */
export async function terminate(worker: WorkerLike, _lock: string): Promise<void> {
  await worker.terminate();
}

/** Two connected ends; each tells when the other's thread is gone. */
export function channel(): { mine: PortLike; theirs: PortLike } | undefined {
  const { port1, port2 } = new MessageChannel();
  return { mine: port1 as unknown as PortLike, theirs: port2 as unknown as PortLike };
}

const open: unknown[] = [];

/** Keeps a port open until this thread ends, without keeping the thread alive. */
export function keepOpen(port: PortLike): void {
  open.push(port);
  (port as unknown as MessagePort).unref();
}

function letClose(port: unknown): void {
  const at = open.indexOf(port);
  if (at >= 0) open.splice(at, 1);
}

type PostToThread = (thread: number, value: unknown, transfer: readonly unknown[]) => Promise<void>;
const postMessageToThread = (workerThreads as { postMessageToThread?: PostToThread }).postMessageToThread;

/** How long the watcher's answer may take: it passes through the main thread, which may be blocked. */
const ANSWER_MS = 250;

/**
 * Tells the watcher of this thread, before there is anything to watch. Where threads cannot write to each other (before Node 20.19)
 * only this thread's own exit is noticed.
 *
 * @throws Error when there is no watcher any more
 */
export async function meetWatcher({ watcher }: WatcherAddress): Promise<WatchedLife> {
  if (!postMessageToThread || watcher === 0) return { watch: () => Promise.resolve(), end: () => {} };
  const { port1, port2 } = new MessageChannel();
  keepOpen(port1 as unknown as PortLike);
  const end = (): void => {
    letClose(port1);
    port1.close();
  };
  let timer: NodeJS.Timeout | undefined;
  const blocked = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ANSWER_MS);
  });
  try {
    await Promise.race([postMessageToThread(watcher, { life: port2 }, [port2]), blocked]);
  } catch (error) {
    end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const watch = (life: Watch): Promise<void> => {
    port1.postMessage({ watch: life }); // arrives also when this thread dies right afterwards, and before the port's end
    return Promise.resolve();
  };
  return { watch, end };
}

/** In the watcher: calls `run` for every life to watch. */
export function onWatch(run: (watch: Watch) => void): void {
  const receive = (message: unknown): void => {
    const { watch, life } = message as { watch?: Watch; life?: MessagePort };
    if (watch) run(watch);
    if (!life) return;
    const port = life as unknown as PortLike;
    keepOpen(port);
    life.on("close", () => letClose(port));
    life.on("message", (told: { watch: Watch }) => run({ ...told.watch, port }));
    life.unref();
  };
  parentPort?.on("message", receive);
  process.on("workerMessage" as "message", receive);
}

/** In the watcher: calls `ended` when the thread that `watch` is about is gone. */
export function watchLife(watch: Watch, ended: () => void): void {
  if (!watch.port) return;
  const port = watch.port as unknown as MessagePort;
  keepOpen(watch.port);
  port.on("close", () => {
    letClose(watch.port);
    ended();
  });
  port.start();
  port.unref();
}

/** Number of a worker's thread. */
export function threadOf(worker: WorkerLike): number {
  return (worker as unknown as Worker).threadId;
}

const spawned = !isMainThread && getEnvironmentData(SPAWNED) === true;
if (spawned) setEnvironmentData(SPAWNED, undefined as unknown as string);

/** Node's port can be read without starting it; those of Deno and Bun are no real ports. */
const readable = parentPort instanceof MessagePort;
/** Messages that arrived before the letter; they are the user's. */
const early: unknown[] = [];
let letter: Letter | undefined;
let deliver: (() => void) | undefined;

// The letter is taken when this module loads, before the user's code runs.
if (spawned) {
  if (readable) takeLetter(20);
  else listenForLetter();
}

/** Gives the user's early messages back once somebody listens for messages, before those that come later. */
function giveBackEarly(port: MessagePort): void {
  const listen = port.addEventListener;
  port.addEventListener = (...given: Parameters<typeof listen>): void => {
    listen.apply(port, given);
    if (given[0] !== "message") return;
    port.addEventListener = listen;
    queueMicrotask(() => {
      for (const message of early.splice(0)) port.emit("message", message);
    });
  };
}

/** Takes messages off the parent's port without starting it, until the letter is there. */
function takeLetter(patienceMs: number): void {
  const until = performance.now() + patienceMs;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  while (parentPort && !letter) {
    const received = receiveMessageOnPort(parentPort) as { message: unknown } | undefined;
    if (received && isLetter(received.message)) letter = received.message;
    else if (received) {
      if (early.push(received.message) === 1) giveBackEarly(parentPort);
    } else if (performance.now() >= until) return;
    else Atomics.wait(sleeper, 0, 0, 1);
  }
}

/** Takes the letter as a listener beside the user's; the user's messages pass by. */
function listenForLetter(): void {
  const listen = (message: unknown): void => {
    if (!isLetter(message)) return;
    parentPort?.off("message", listen);
    letter = message;
    deliver?.();
  };
  parentPort?.on("message", listen);
}

/** The letter of the thread that spawned this worker. */
export function receiveLetter(): Promise<Letter> {
  return new Promise((resolve) => {
    deliver = (): void => {
      if (letter) resolve(letter);
    };
    const look = (): void => {
      takeLetter(0);
      if (letter) deliver?.();
      else setImmediate(look);
    };
    if (letter) deliver();
    else if (!spawned) listenForLetter();
    else if (readable) look();
  });
}

/** Whether this thread could have been spawned. */
export const isWorker: boolean = !isMainThread;

/** The thread that hosts the reaper; does not keep the process alive. */
export function openReaper(): WorkerLike {
  const worker = new Worker(new URL("../reaper/worker.js", import.meta.url), { name: "mach-ipc reaper" } as {
    name: string;
  });
  worker.unref();
  return worker as unknown as WorkerLike;
}

/** The thread that watches lives; does not keep the process alive. */
export function openWatcher(): WorkerLike {
  const worker = new Worker(new URL("../reaper/watcher.js", import.meta.url), { name: "mach-ipc watcher" } as {
    name: string;
  });
  worker.unref();
  return worker as unknown as WorkerLike;
}

/** Calls `run` with what is posted to the port, from now on. */
export function listen(port: PortLike, run: (message: unknown) => void): void {
  (port as unknown as MessagePort).on("message", run);
}

/** Number of this thread, for messages between threads. */
export const thread: number = threadId;
