// Browsers: web workers, isolation, fetch, Web Locks. A window's main thread may never sleep.

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

interface WorkerScope {
  addEventListener(type: "message", listen: (event: MessageEvent) => void): void;
  removeEventListener(type: "message", listen: (event: MessageEvent) => void): void;
  dispatchEvent(event: Event): boolean;
}

const inWorker =
  typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope === "function" &&
  typeof (globalThis as { window?: unknown }).window === "undefined";
const inDedicatedWorker =
  typeof (globalThis as { DedicatedWorkerGlobalScope?: unknown }).DedicatedWorkerGlobalScope === "function";
const scope = globalThis as unknown as WorkerScope;

/** Whether this thread may sleep: workers may; a window's main thread would stop the page. */
export const canBlock: boolean = inDedicatedWorker;

/** Whether another thread can run while this one spins. */
export const canSpin: boolean = navigator.hardwareConcurrency > 1;

/** Whether this thread could have been spawned. */
export const isWorker: boolean = inWorker;

/** Why memory cannot be shared with workers here, and what to do; null if it can. */
export const whyNotShared: string | null =
  (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true &&
  typeof SharedArrayBuffer === "function"
    ? null
    : "memory cannot be shared on this page: serve it with the headers " +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";

/** Threads of a browser have no numbers. */
export const thread = 0;

const INITIAL_PAGES = 64;

/** A memory that threads can share where the page allows it; without that, this thread's alone. */
export function sharedMemory(maximumPages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({
    initial: Math.min(INITIAL_PAGES, maximumPages),
    maximum: maximumPages,
    shared: true,
  });
}

/** The compiled kernel that lies beside this file's folder. */
export async function loadModule(): Promise<WebAssembly.Module> {
  const url = new URL("../kernel.wasm", import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new TypeError(`${url} answered ${response.status}: copy kernel.wasm beside the bundle`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Pages and workers live until they are closed. */
export function keepAlive(): KeepAlive {
  return { ref: () => {}, unref: () => {} };
}

let turns: { port: MessagePort; queue: (() => void)[] } | undefined;

/** Runs `run` in a turn of its own, soon: a message to oneself, since timers are slow. */
export function turn(run: () => void): void {
  if (!turns) {
    const { port1, port2 } = new MessageChannel();
    const queue: (() => void)[] = [];
    port1.onmessage = (): void => queue.shift()?.();
    turns = { port: port2, queue };
  }
  turns.port.postMessage(null); // first: a message that finds nothing does no harm
  turns.queue.push(run);
}

/** Reports an error that no caller can receive, as an uncaught one. */
export function report(error: unknown): void {
  turn(() => {
    throw error;
  });
}

/** Warns of what must not pass in silence. */
export function warn(text: string): void {
  console.warn(text);
}

/** A worker of a browser gets no call when it ends; the lock that it holds tells. */
export function onThreadExit(_run: () => void): () => void {
  return () => {};
}

/** Runs `make`; nothing to mark here. */
export function marked(make: () => WorkerLike): WorkerLike {
  return make();
}

/** Starts a module worker. Bundlers do not see this form: give `spawn` a function instead. */
export function openWorker(source: URL | string, name: string): WorkerLike {
  return new Worker(source, { type: "module", name }) as unknown as WorkerLike;
}

/** The thread that hosts the reaper. */
export function openReaper(): WorkerLike {
  return new Worker(new URL("../reaper/worker.js", import.meta.url), { type: "module" }) as unknown as WorkerLike;
}

/** The thread that watches lives. */
export function openWatcher(): WorkerLike {
  return new Worker(new URL("../reaper/watcher.js", import.meta.url), { type: "module" }) as unknown as WorkerLike;
}

/** Calls `run` with what is posted to the port, from now on. */
export function listen(port: PortLike, run: (message: unknown) => void): void {
  (port as unknown as MessagePort).onmessage = ({ data }): void => run(data);
}

/** Whether events of the worker can be listened to. */
export function listens(worker: WorkerLike): boolean {
  return typeof (worker as Partial<Worker>).addEventListener === "function";
}

/**
 * Calls `ended` once when the worker is gone: it failed to load, threw where nobody caught, or let go
 * of its lock.
 */
export function watchWorker(worker: WorkerLike, lock: string, ended: (end: WorkerEnd) => void): void {
  const target = worker as unknown as Worker;
  const channel = new BroadcastChannel(channelOf(lock));
  let watching = false;
  let failure: { error: unknown } | undefined;
  const finish = (): void => {
    channel.close();
    ended(failure ? { reason: "error", error: failure.error } : { reason: "exit" });
  };
  target.addEventListener("error", (event) => {
    // An uncaught error ends a task, as it does in Node; the worker itself would go on.
    failure ??= { error: event.error ?? new Error(event.message || "the worker's script did not load") };
    void terminate(worker, lock).then(finish);
  });
  channel.addEventListener("message", ({ data }: MessageEvent<{ watch?: Watch }>) => {
    if (watching || data.watch?.lock !== lock) return;
    watching = true;
    void navigator.locks.request(lock, () => {}).then(finish);
  });
}

/** Ends a worker; resolves when its thread is gone, which its lock proves. */
export async function terminate(worker: WorkerLike, lock: string): Promise<void> {
  worker.terminate();
  await navigator.locks.request(lock, () => {});
}

/** Ports of browsers do not tell when the other end's thread is gone. */
export function channel(): { mine: PortLike; theirs: PortLike } | undefined {
  return undefined;
}

/** Nothing to keep open. */
export function keepOpen(_port: PortLike): void {}

/** What is watched here is the lock that this thread holds until it ends, or until that life is over. */
export function meetWatcher(_watcher: WatcherAddress): Promise<WatchedLife> {
  let letGo = (): void => {};
  const watch = (life: Watch): Promise<void> =>
    new Promise((resolve, reject) => {
      const held = (): Promise<void> => {
        tellWatcher(life);
        resolve();
        return new Promise((over) => {
          letGo = over;
        });
      };
      navigator.locks.request(life.lock, held).catch(reject);
    });
  return Promise.resolve({ watch, end: () => letGo() });
}

const TELL_AGAIN_MS = 50;

function channelOf(lock: string): string {
  return lock.split("/").slice(0, 2).join("/");
}

/** Asks the watcher to watch this thread, until it answers: it may still be starting. */
function tellWatcher(watch: Watch): void {
  const channel = new BroadcastChannel(channelOf(watch.lock));
  const tell = (): void => channel.postMessage({ watch });
  const timer = setInterval(tell, TELL_AGAIN_MS);
  channel.addEventListener("message", ({ data }: MessageEvent<{ watching?: string }>) => {
    if (data.watching !== watch.lock) return;
    clearInterval(timer);
    channel.close();
  });
  tell();
}

/** In the watcher: calls `run` for every life to watch, once. */
export function onWatch(run: (watch: Watch) => void): void {
  const id = (letter as unknown as { kernelId: string } | undefined)?.kernelId ?? "";
  const channel = new BroadcastChannel(`mach-ipc/${id}`);
  const watched = new Set<string>();
  channel.addEventListener("message", ({ data }: MessageEvent<{ watch?: Watch }>) => {
    const { watch } = data;
    if (!watch) return;
    if (!watched.has(watch.lock)) run(watch);
    watched.add(watch.lock);
    channel.postMessage({ watching: watch.lock });
  });
}

/** In the watcher: calls `ended` when the thread that `watch` is about is gone. */
export function watchLife(watch: Watch, ended: () => void): void {
  void navigator.locks.request(watch.lock, () => {}).then(ended);
}

/** Threads of a browser have no numbers. */
export function threadOf(_worker: WorkerLike): number {
  return 0;
}

let letter: Letter | undefined;
let deliver: ((found: Letter) => void) | undefined;

// The letter comes first, before the user's code can have a listener: it is taken here, and what
// the user's code was sent is left alone.
if (inDedicatedWorker) {
  const listen = (event: MessageEvent): void => {
    if (!isLetter(event.data)) return;
    event.stopImmediatePropagation();
    scope.removeEventListener("message", listen);
    letter = event.data;
    deliver?.(letter);
  };
  scope.addEventListener("message", listen);
}

/** The letter of the thread that spawned this worker. */
export function receiveLetter(): Promise<Letter> {
  return new Promise((resolve) => {
    if (letter) resolve(letter);
    else deliver = resolve;
  });
}
