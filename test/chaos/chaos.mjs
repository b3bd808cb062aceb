// One chaos run: a kernel of the debug build, victims in slots that are killed and replaced, threads that survive, and the
// account at the end.

import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";
import { Desk } from "./desk.mjs";
import { Ledger, NOTE, RUN } from "./protocol.mjs";
import { Memory } from "./records.mjs";

const SLOTS = 8;
const SURVIVORS = 2;
/** Idle reply ports that the naming service may keep: calls at once, and no more. */
const NAMING_PORTS_MAX = 512;
/** How often each role is given. */
const ROLES = [
  ["blockingServer", 3],
  ["awaitingServer", 2],
  ["trapServer", 3],
  ["oracle", 3],
  ["client", 4],
  ["relay", 4],
  ["sink", 3],
  ["setReceiver", 3],
  ["sender", 3],
  ["crew", 4],
];
/** How victims die, and how often: the runtime kills them, they end themselves, or the kernel is told first. */
const WAYS = [
  ["terminate", 12],
  ["exit", 2],
  ["throw", 2],
  ["condemn", 3],
];
/** Steps burned at each place inside the kernel. */
const DAWDLES = [
  [0, 1],
  [300, 2],
  [3000, 2],
  [30000, 3],
  [200000, 1],
];
const RELUCTANT_MS = 100;

const file = (name) => new URL(name, import.meta.url);

/** mulberry32: a number from 0 to 1. */
function generator(state) {
  let at = state;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let t = Math.imul(at ^ (at >>> 15), 1 | at);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Chaos {
  /** `progress` is told of each death. */
  constructor({ kills, seed, wasm, patienceMs = 60_000, progress = () => {} }) {
    this.kills = kills;
    this.seed = seed;
    this.wasm = wasm;
    this.patienceMs = patienceMs;
    this.progress = progress;
    this.random = generator(seed);
    this.alarms = [];
    this.begun = 0;
    this.died = 0;
    /** Deaths by way, by role, and by where the burial found the victim. */
    this.byWay = {};
    this.byRole = {};
    this.found = {};
    this.working = 0;
    this.withLocks = 0;
    this.withUndo = 0;
    /** Role of each incarnation. */
    this.roles = [""];
    this.living = new Set();
  }

  async run() {
    const start = performance.now();
    this.ledger = new Ledger(this.kills + SLOTS + 64);
    this.kernel = await Kernel.boot({ module: await WebAssembly.compile(await readFile(this.wasm)) });
    const { processor } = this.kernel.task;
    this.memory = new Memory(processor.kernelMemory.memory);
    this.watchdog = new Worker(file("watchdog.mjs"), {
      workerData: { memory: this.memory.memory, run: this.ledger.buffer, patienceMs: this.patienceMs },
    });
    this.watchdog.unref();
    const before = await this.#census();
    await this.#open();
    const slots = Array.from({ length: SLOTS }, (_, slot) => this.#slot(slot));
    await Promise.all(slots);
    const account = await this.#end();
    const after = await this.#census();
    this.#compare(before, after);
    const site = processor.core.kernel_check();
    if (site !== 0) this.alarm(`kernel_check: 0x${site.toString(16)}`);
    await this.kernel.close();
    this.beat();
    return {
      seed: this.seed,
      kills: this.died,
      seconds: Math.round((performance.now() - start) / 100) / 10,
      found: this.found,
      working: this.working,
      withLocks: this.withLocks,
      withUndo: this.withUndo,
      byWay: this.byWay,
      byRole: this.byRole,
      ...account,
      alarms: this.alarms,
    };
  }

  alarm(text) {
    this.alarms.push(text);
  }

  beat() {
    Atomics.add(this.ledger.run, RUN.HEARTBEAT, 1);
  }

  async #open() {
    const { kernel, ledger, random } = this;
    const alarm = (text) => this.alarm(text);
    this.desk = new Desk({
      kernel,
      ledger,
      slots: SLOTS,
      random,
      alarm,
      roleOf: (incarnation) => this.roles[incarnation],
    });
    await this.desk.start();
    await this.desk.task.bootstrap.register("chaos.desk", this.desk.toDesk);
    this.toDesk = await kernel.bootstrap.lookUp("chaos.desk");
    this.reports = [];
    this.survivors = Array.from({ length: SURVIVORS }, (_, i) => this.#survivor(i + 1));
  }

  #survivor(number) {
    const make = () => {
      const worker = new Worker(file("survivor.mjs"));
      worker.on("message", (message) => {
        if (message.alarm) this.alarm(message.alarm);
        if (message.report) this.reports.push(message.report);
      });
      return worker;
    };
    const data = { number, slots: SLOTS, share: this.ledger.share };
    return this.kernel.spawn(make, { name: `survivor ${number}`, data });
  }

  #choose(weighted) {
    const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
    let at = this.random() * total;
    for (const [what, weight] of weighted) {
      at -= weight;
      if (at < 0) return what;
    }
    return weighted[0][0];
  }

  /** Spawns a victim, kills it, and again. */
  async #slot(slot) {
    while (this.begun < this.kills && this.alarms.length < 20) {
      this.begun++;
      await this.#victim(slot);
      this.died++;
      this.beat();
      this.#takeNotes();
      this.progress(this);
    }
  }

  async #victim(slot) {
    const incarnation = this.roles.length;
    const role = this.#choose(ROLES);
    const way = this.#choose(WAYS);
    this.roles.push(role);
    const data = {
      role,
      incarnation,
      slot,
      seed: Math.floor(this.random() * 0x7fffffff),
      dawdle: this.#choose(DAWDLES),
      share: this.ledger.share,
      crew: role === "crew" ? this.desk.crewData : undefined,
    };
    let worker;
    let ready = () => {};
    const begun = new Promise((resolve) => {
      ready = resolve;
    });
    const make = () => {
      worker = new Worker(file("victim.mjs"), { stderr: true });
      worker.on("message", (message) => {
        const told = way === "condemn" && /KERN_TERMINATED/.test(message.alarm);
        if (message.alarm && !told) this.alarm(message.alarm);
        if (message.ready) ready();
      });
      return worker;
    };
    const task = this.kernel.spawn(make, { name: `${role} ${incarnation}`, data, rights: { desk: this.toDesk } });
    this.living.add(task);
    const early = this.random() < 0.1;
    if (early) await sleep(this.random() * 60);
    else {
      await Promise.race([begun, task.exited]);
      await sleep(this.random() ** 2 * 150);
    }
    await this.#kill(task, worker, incarnation, way);
    const exit = await task.exited;
    this.living.delete(task);
    this.desk.forget(incarnation);
    this.byWay[way] = (this.byWay[way] ?? 0) + 1;
    this.byRole[role] = (this.byRole[role] ?? 0) + 1;
    const expected = way === "throw" && String(exit.error).includes("on purpose");
    const condemned = way === "condemn";
    if (exit.reason === "error" && !expected && !condemned) {
      this.alarm(`${role} ${incarnation} ended by ${exit.error?.stack ?? exit.error}`);
    }
  }

  async #kill(task, worker, incarnation, way) {
    if (way === "condemn") {
      await task.terminate();
      return;
    }
    if (way === "exit" || way === "throw") {
      this.ledger.set(incarnation, NOTE.DIE, way === "exit" ? 1 : 2);
      let timer;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, RELUCTANT_MS);
      });
      await Promise.race([task.exited, late]); // it may be blocked, and never look
      clearTimeout(timer);
    }
    await worker.terminate();
  }

  /** Counts where burials found the dead; each is noted once, in its own record. */
  #takeNotes() {
    for (const { inside, working, locks, undo } of this.memory.takeDeaths()) {
      const state = inside ? "KERNEL" : "USER";
      this.found[state] = (this.found[state] ?? 0) + 1;
      if (!inside) continue;
      if (working) this.working++;
      if (locks > 0) this.withLocks++;
      if (undo > 0) this.withUndo++;
    }
  }

  async #until(condition, what) {
    const end = performance.now() + this.patienceMs / 2;
    while (!condition()) {
      if (performance.now() > end) {
        this.alarm(`at the end: ${what()}`);
        return;
      }
      this.beat();
      await sleep(5);
    }
  }

  async #end() {
    Atomics.store(this.ledger.run, RUN.STOP, 1);
    this.desk.stop();
    const gone = Promise.all(this.survivors.map((task) => task.exited));
    let left = SURVIVORS;
    gone.then(() => {
      left = 0;
    });
    await this.#until(
      () => left === 0,
      () => "a survivor is still there",
    );
    if (this.reports.length !== SURVIVORS) this.alarm(`${this.reports.length} survivors reported`);
    const account = await this.desk.account(this.roles, (condition, what) => this.#until(condition, what));
    const callers = [...this.desk.callers, ...this.reports];
    const failed = {};
    for (const caller of callers) {
      const failures = Object.values(caller.failed).reduce((total, count) => total + count, 0);
      if (caller.asked !== caller.answered + failures) this.alarm(`a call was not settled: ${JSON.stringify(caller)}`);
      for (const [code, count] of Object.entries(caller.failed)) failed[code] = (failed[code] ?? 0) + count;
    }
    const sum = (key) => callers.reduce((total, caller) => total + caller[key], 0);
    await this.desk.close();
    this.toDesk[Symbol.dispose]();
    const flooded = this.reports.reduce((total, { sends }) => total + sends, 0);
    const calls = { asked: sum("asked"), answered: sum("answered"), failed };
    return { calls, ...account, sends: { ...account.sends, flooded } };
  }

  /** What lives in the kernel, once it stands still; without what the naming service keeps for later. */
  async #census() {
    if (this.warm === undefined) {
      // The naming service makes its reply ports and their set with the first service.
      const port = this.kernel.task.allocatePort();
      const right = port.makeSend();
      await this.kernel.bootstrap.register("chaos.warm", right);
      await this.kernel.bootstrap.unregister("chaos.warm");
      right[Symbol.dispose]();
      port[Symbol.dispose]();
      this.warm = true;
    }
    let last = "";
    for (let same = 0; same < 6; ) {
      await sleep(20);
      const now = JSON.stringify(this.#counts());
      same = now === last ? same + 1 : 0;
      last = now;
      this.beat();
    }
    return this.#counts();
  }

  #counts() {
    const { counts, orphans } = this.memory.elements();
    const { tasks, processors } = this.kernel.dump();
    const kept = tasks.reduce((sum, { ports }) => sum + ports, 0);
    const rest = { ...counts, PORT: counts.PORT - kept, LINK: (counts.LINK ?? 0) - kept };
    return {
      rest,
      kept,
      orphans,
      stray: this.memory.strayFrames(),
      processors: processors.length,
      tasks: tasks.length,
    };
  }

  #compare(before, after) {
    for (const key of Object.keys({ ...before.rest, ...after.rest })) {
      if ((before.rest[key] ?? 0) === (after.rest[key] ?? 0)) continue;
      const list = this.memory.list(key).join("\n    ");
      this.alarm(`${key}: ${after.rest[key]} where ${before.rest[key]} were\n    ${list}`);
    }
    if (after.kept > NAMING_PORTS_MAX) this.alarm(`${after.kept} ports are left`);
    if (after.orphans.length > 0) this.alarm(`owned by the dead: ${after.orphans.join("; ")}`);
    if (after.stray.length > 0) this.alarm(`stray frames: ${after.stray.join("; ")}`);
    for (const key of ["processors", "tasks"]) {
      if (before[key] !== after[key]) this.alarm(`${key}: ${after[key]} where ${before[key]} were`);
    }
  }
}
