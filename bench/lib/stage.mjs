// The threads of a question: starts the workers (through kernel.spawn where a kernel takes part), pins
// each to its core, opens methods in them and runs one method at a time. The main thread only waits.
import { execFileSync } from "node:child_process";
import { MessageChannel, Worker } from "node:worker_threads";
import { compileRaw, rawMemory, regionBytes } from "./raw-module.mjs";

/** A run that takes longer hangs: the bench fails by name instead of waiting for ever. */
const PATIENCE_MS = 60_000;

/** One worker, seen from here. */
class Actor {
  #control;
  #next = 0;
  #asked = new Map();

  constructor(role, index, shared, spawn) {
    const { port1, port2 } = new MessageChannel();
    const workerData = { ...shared, role, index, control: port2 };
    const url = new URL("./actor.mjs", import.meta.url);
    this.role = role;
    this.#control = port1;
    spawn(`${role}-${index}`, () => {
      this.worker = new Worker(url, { workerData, transferList: [port2] });
      this.worker.on("error", (error) => this.#fail(error));
      return this.worker;
    });
    port1.on("message", (answer) => this.#answer(answer));
  }

  /** Resolves `ready` where the operation says so, `done` with its value. */
  ask(operation, detail = {}, transfer = []) {
    const id = this.#next++;
    const asked = {};
    const ready = new Promise((resolve) => {
      asked.ready = resolve;
    });
    const done = new Promise((resolve, reject) => {
      asked.resolve = resolve;
      asked.reject = reject;
    });
    this.#asked.set(id, asked);
    this.#control.postMessage({ id, operation, ...detail }, transfer);
    return { ready: Promise.race([ready, done]), done };
  }

  #answer({ id, ready, value, error }) {
    const asked = this.#asked.get(id);
    if (ready) return asked.ready();
    this.#asked.delete(id);
    if (error) asked.reject(error);
    else asked.resolve(value);
  }

  #fail(error) {
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
  }

  async end() {
    this.#control.close();
    await this.worker.terminate();
  }
}

export class Stage {
  #memory = rawMemory();
  #gate = new Int32Array(this.#memory.buffer, 0, 1);
  #regions = 1;
  #kernel = null;
  clients = [];
  servers = [];
  /** What was done about affinity, for the record. */
  pinning = [];

  /**
   * `cores`: those of the process that its threads may be pinned to; `kernel`: the module of one that is not shipped;
   * `maximumBytes`: what the kernel's memory may grow to, if not its default.
   */
  static async open({ clients, withKernel, cores, kernel, maximumBytes }) {
    const stage = new Stage();
    const module = await compileRaw();
    if (withKernel) stage.#kernel = await (await import("./kernel.mjs")).boot(kernel, maximumBytes);
    const spawn = (name, make) => (stage.#kernel ? stage.#kernel.spawn(make, { name }) : make());
    const shared = { module, memory: stage.#memory, withKernel };
    stage.servers.push(new Actor("server", 0, shared, spawn));
    for (let i = 0; i < clients; i++) stage.clients.push(new Actor("client", i, shared, spawn));
    await stage.#pin(stage.servers, cores[0]);
    await stage.#pin(stage.clients, cores[cores.length - 1]);
    return stage;
  }

  get #actors() {
    return [...this.servers, ...this.clients];
  }

  /** Pins threads, not the process: helpers of V8 and the main thread stay where the system puts them. */
  async #pin(actors, core) {
    for (const actor of actors) {
      const thread = await within(PATIENCE_MS, actor.ask("thread").done, "attaching a worker");
      let outcome = "not pinned: no /proc/thread-self here";
      if (thread !== null) outcome = taskset(core, thread);
      this.pinning.push(`${actor.role}: ${outcome}`);
    }
  }

  /** Servers first, so that clients find them. Each client gets a port of its own to the server. */
  async openMethod({ name, file: fileName, make, options }) {
    const method = { name, file: fileName, make, options };
    const region = this.#regions++ * regionBytes;
    const file = await import(`../methods/${fileName}.mjs`);
    const storage = file.shared?.(options);
    const channels = this.clients.map(() => new MessageChannel());
    const ports = channels.map(({ port1 }) => port1);
    const opening = this.servers[0].ask("open", { method, region, storage, ports }, ports).done;
    await within(PATIENCE_MS, opening, `opening ${name}`);
    for (const [i, client] of this.clients.entries()) {
      const port = channels[i].port2;
      const opened = client.ask("open", { method, region, storage, ports: [port] }, [port]).done;
      await within(PATIENCE_MS, opened, `opening ${name}`);
    }
  }

  async closeMethod({ name }) {
    for (const actor of this.#actors) {
      await within(PATIENCE_MS, actor.ask("close", { name }).done, `closing ${name}`);
    }
  }

  /** Nanoseconds from the first client's start to the last one's end, and what the server adds. */
  async run({ name }, { count, full = false, timed = false }) {
    const turn = Atomics.load(this.#gate, 0) + 1;
    const detail = { name, count, full, timed, turn };
    const asked = [];
    for (const actors of [this.servers, this.clients]) {
      const these = actors.map((actor) => actor.ask("run", detail));
      asked.push(...these);
      await Promise.all(these.map(({ ready }) => ready));
    }
    Atomics.store(this.#gate, 0, turn);
    Atomics.notify(this.#gate, 0);
    const finished = Promise.all(asked.map(({ done }) => done));
    const [server, ...clients] = await within(PATIENCE_MS, finished, name);
    const starts = (clients.length ? clients : [server]).map(({ start }) => start);
    const ends = [server, ...clients].map(({ end }) => end);
    return {
      nanoseconds: Math.max(...ends) - Math.min(...starts),
      hash: [server, ...clients].reduce((sum, { hash }) => (sum + hash) >>> 0, 0),
      times: (clients[0] ?? server).times,
      extra: server.extra,
    };
  }

  async end() {
    if (this.#kernel) await this.#kernel.close();
    for (const actor of this.#actors) await actor.end();
  }
}

async function within(ms, promise, name) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`${name} did not finish within ${ms / 1000} s`);
    timer = setTimeout(reject, ms, error);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function taskset(core, thread) {
  try {
    execFileSync("taskset", ["-cp", String(core), String(thread)], { stdio: "ignore" });
    return `core ${core}`;
  } catch (error) {
    return `not pinned: ${error.message}`;
  }
}
