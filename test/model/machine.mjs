// The machine: the model build of the kernel, one instance a processor over one memory, run as coroutines that stop before
// each verb. It runs, records and takes back; what to run next is the explorer's.

import { readFileSync } from "node:fs";
import * as layout from "../../dist/abi/layout.gen.js";

/** WebAssembly pages that the kernel may use. */
const KERNEL_PAGES = 28;
export const KERNEL_WORDS = KERNEL_PAGES << 14;
const CONTROL = (KERNEL_PAGES << 16) + 64;
const STACKS = (KERNEL_PAGES + 1) << 16;
const STACK_BYTES = 32768;
const LOG = (KERNEL_PAGES + 5) << 16;
const LOG_PAGES = 1024;
export const PROCESSORS = 8;

const RECORD = layout.PROCESSOR_SIZE;
const RECORDS = layout.PROCESSORS;
export const recordOf = (pid) => RECORDS + pid * RECORD;

// Parts of a record that mean something at times only, hashed apart: the batch and the results, the journal, the held list.
const PART_OUT = 0;
const PART_LOG = 1;
const OUT_FROM = 128;
const HELD_FROM = 192;
const MAGAZINES_FROM = 224;
const JOURNAL_FROM = 352;
const BATCH_FROM = 4096;

export const LOAD = 0;
export const WAIT = 3;
export const WAKE = 4;

/** How a coroutine stands. */
export const READY = 0; // between two of its operations, or not begun
export const STOPPED = 1; // before a verb
export const ASLEEP = 2; // in a wait
export const DONE = 3;
export const DEAD = 4;

/** A wait up to this long is a nap: whoever takes it looks again by himself. */
const NAP_NS = 60000;
/** A wait of a slice or longer has no deadline yet. */
const SLICE_NS = 100000000;

function mix(a, b) {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return h ^ (h >>> 15);
}

/** A program on one processor: operations in order, each one trap. All that a step may change is in plain fields. */
export class Coroutine {
  constructor(pid, exports) {
    this.pid = pid;
    this.exports = exports;
    this.buffer = STACKS + pid * STACK_BYTES;
    this.begin([]);
  }

  begin(program) {
    this.program = program;
    this.status = program.length === 0 ? DONE : READY;
    this.at = 0;
    this.results = [];
    this.stack = null;
    this.stackHash = 0;
    this.kind = 0;
    this.address = 0;
    this.operand = 0;
    this.ns = 0;
    this.answer = 0;
    this.woken = false;
    this.late = false;
    this.call = null;
    this.accesses = NONE;
  }

  save() {
    const {
      status,
      at,
      results,
      stack,
      stackHash,
      kind,
      address,
      operand,
      ns,
      answer,
      woken,
      late,
      call,
      accesses,
      site,
    } = this;
    const { program } = this;
    return {
      program,
      status,
      at,
      results,
      stack,
      stackHash,
      kind,
      address,
      operand,
      ns,
      answer,
      woken,
      late,
      call,
      accesses,
      site,
    };
  }

  restore(saved) {
    Object.assign(this, saved);
  }
}

const NONE = { reads: [], writes: [] };

export class Machine {
  /** @param {{ wasm: string, mutant?: number }} options */
  constructor({ wasm, mutant = 0 }) {
    const pages = KERNEL_PAGES + 5 + LOG_PAGES;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.words = new Int32Array(this.memory.buffer);
    this.control = CONTROL >>> 2;
    this.words[this.control] = LOG;
    /** Hash of the kernel's memory, two words; parts of records apart. */
    this.hash1 = 0;
    this.hash2 = 0;
    this.parts = new Int32Array(PROCESSORS * 4);
    this.current = null;
    this.rewinding = false;
    this.steps = 0;
    this.coroutines = [];
    this.recorder = recorderOf(this);
    const module = typeof wasm === "string" ? new WebAssembly.Module(readFileSync(wasm)) : wasm;
    for (let pid = 0; pid < PROCESSORS; pid++) {
      const env = {
        ...this.recorder,
        memory: this.memory,
        processor: new WebAssembly.Global({ value: "i32", mutable: false }, recordOf(pid)),
        mutant: new WebAssembly.Global({ value: "i32", mutable: false }, mutant),
        now: () => (this.coroutines[pid].late ? 1e9 : 0),
      };
      const instance = new WebAssembly.Instance(module, { env });
      this.coroutines.push(new Coroutine(pid, instance.exports));
    }
    this.boot();
  }

  boot() {
    this.trap(0, "kernel_boot", KERNEL_PAGES, 1);
    for (let pid = 1; pid < PROCESSORS; pid++) {
      this.words[(recordOf(pid) + layout.Processor_p_state) >>> 2] = layout.PROCESSOR_USER;
      this.words[(recordOf(pid) + layout.Processor_p_generation) >>> 2] = 1;
      this.trap(pid, "processor_attach", layout.PROCESSOR_CAN_WAIT);
    }
  }

  /** One trap, run to its end at once. */
  trap(pid, name, ...args) {
    this.words[this.control + 1] = 0;
    const coroutine = this.coroutines[pid];
    const before = coroutine.save();
    coroutine.begin([{ call: () => [name, ...args] }]);
    while (coroutine.status === READY || coroutine.status === STOPPED) this.resume(coroutine);
    const [result] = coroutine.results;
    if (coroutine.status !== DONE)
      throw new Error(`${name} on processor ${pid} did not return: status ${coroutine.status}`);
    coroutine.restore(before);
    return result >>> 0;
  }

  u32(address) {
    return this.words[address >>> 2] >>> 0;
  }

  out(pid, index) {
    return this.u32(recordOf(pid) + OUT_FROM + index * 4);
  }

  /** A store that is taken back with the others. */
  poke(address, value) {
    const end = this.words[this.control];
    this.words[end >>> 2] = address;
    this.words[(end >>> 2) + 1] = this.words[address >>> 2];
    this.words[this.control] = end + 16;
    this.words[address >>> 2] = value;
  }

  /** Whether the processor has the note of a lock. */
  holds(pid) {
    const from = (recordOf(pid) + HELD_FROM) >>> 2;
    for (let rank = 0; rank < 6; rank++) if (this.words[from + rank] !== 0) return true;
    return false;
  }

  get mark() {
    return this.words[this.control];
  }

  /** What the kernel calls before a verb. */
  stop(kind, address, operand, ns) {
    const coroutine = this.current;
    if (this.rewinding) {
      coroutine.exports.asyncify_stop_rewind();
      this.rewinding = false;
      this.words[this.control + 2] = 0;
      return coroutine.answer;
    }
    if (this.words[this.control + 1] === 0) {
      if (kind === WAKE) {
        this.wake(address, operand);
        return 0;
      }
      if (this.words[address >>> 2] !== operand) return 1;
    }
    if (this.traces) coroutine.site = siteOf(new Error().stack);
    coroutine.status = STOPPED;
    coroutine.kind = kind;
    coroutine.address = address;
    coroutine.operand = operand;
    coroutine.ns = ns;
    this.words[this.control + 2] = 1;
    const { buffer, exports } = coroutine;
    this.words[buffer >>> 2] = buffer + 8;
    this.words[(buffer >>> 2) + 1] = buffer + STACK_BYTES;
    exports.asyncify_start_unwind(buffer);
    return 0;
  }

  /** Runs a coroutine up to its next stop: before each verb, or, when control says so, only where it must wait. */
  resume(coroutine) {
    this.steps++;
    this.current = coroutine;
    if (coroutine.stack !== null) {
      const { buffer, stack, exports } = coroutine;
      this.words.set(stack, (buffer >>> 2) + 2);
      this.words[buffer >>> 2] = buffer + 8 + stack.length * 4;
      this.words[(buffer >>> 2) + 1] = buffer + STACK_BYTES;
      coroutine.stack = null;
      this.rewinding = true;
      this.words[this.control + 2] = 1;
      exports.asyncify_start_rewind(buffer);
    }
    for (;;) {
      if (coroutine.call === null) coroutine.call = coroutine.program[coroutine.at].call(coroutine, this);
      const [name, a, b, c, d, e, f, g, h] = coroutine.call;
      let result;
      try {
        result = coroutine.exports[name](a, b, c, d, e, f, g, h);
      } catch (error) {
        this.words[this.control + 2] = 0;
        this.rewinding = false;
        if (!(error instanceof WebAssembly.RuntimeError)) throw error;
        coroutine.status = DEAD;
        coroutine.error = error;
        return;
      }
      if (this.words[this.control + 2] === 1) {
        coroutine.exports.asyncify_stop_unwind();
        this.words[this.control + 2] = 0;
        const from = (coroutine.buffer >>> 2) + 2;
        coroutine.stack = this.words.slice(from, this.words[coroutine.buffer >>> 2] >>> 2);
        let hash = coroutine.at;
        for (const word of coroutine.stack) hash = mix(hash, word);
        coroutine.stackHash = hash;
        if (coroutine.kind === WAIT && this.words[this.control + 1] === 0) this.sleep(coroutine);
        return;
      }
      this.finish(coroutine, result);
      if (coroutine.status === DONE) return;
    }
  }

  /** The operation returned. */
  finish(coroutine, result) {
    const operation = coroutine.program[coroutine.at];
    const kept = operation.keep ? operation.keep(result >>> 0, coroutine, this) : result >>> 0;
    coroutine.results = [...coroutine.results, kept];
    coroutine.call = null;
    coroutine.stack = null;
    coroutine.late = false;
    coroutine.at++;
    coroutine.status = coroutine.at === coroutine.program.length ? DONE : READY;
  }

  sleep(coroutine) {
    coroutine.status = ASLEEP;
    coroutine.woken = false;
  }

  naps(coroutine) {
    return coroutine.status === ASLEEP && coroutine.ns <= NAP_NS;
  }

  hasDeadline(coroutine) {
    return coroutine.status === ASLEEP && coroutine.ns > NAP_NS && coroutine.ns < SLICE_NS;
  }

  wake(address, count) {
    let left = count;
    for (const other of this.coroutines) {
      if (left === 0) return;
      if (other.status !== ASLEEP || other.address !== address || other.woken || this.naps(other)) continue;
      other.woken = true;
      left--;
    }
  }

  /** Whether the coroutine could take a step now; a nap ends by itself only when its word changed. */
  enabled(coroutine) {
    if (coroutine.status === READY || coroutine.status === STOPPED) return true;
    if (coroutine.status !== ASLEEP) return false;
    return coroutine.woken || (this.naps(coroutine) && this.words[coroutine.address >>> 2] !== coroutine.operand);
  }

  /**
   * One step under the explorer: what the verb does, then everything up to the next verb. `late`: the wait's time ran out.
   * The log holds what the step accessed, from the mark before it on.
   */
  step(coroutine, late = false) {
    this.words[this.control + 1] = 1;
    coroutine.answer = 0;
    if (coroutine.status === ASLEEP) {
      coroutine.answer = coroutine.woken || !late ? 0 : 2;
      if (coroutine.answer === 2 && this.hasDeadline(coroutine)) coroutine.late = true;
      coroutine.woken = false;
    } else if (coroutine.status === STOPPED && coroutine.kind === WAIT) {
      if (this.words[coroutine.address >>> 2] === coroutine.operand) {
        this.sleep(coroutine);
        return;
      }
      coroutine.answer = 1;
    } else if (coroutine.status === STOPPED && coroutine.kind === WAKE) {
      this.wake(coroutine.address, coroutine.operand);
    }
    this.resume(coroutine);
  }

  /** Runs a coroutine until it waits, dies or is done; or, after so many verbs, stops. */
  run(coroutine, verbs = 0) {
    if (coroutine.status === STOPPED && coroutine.kind === WAKE) this.wake(coroutine.address, coroutine.operand);
    const waits = coroutine.status === STOPPED && coroutine.kind === WAIT;
    if (waits && this.words[coroutine.address >>> 2] === coroutine.operand) {
      this.sleep(coroutine);
      return;
    }
    if (coroutine.status === ASLEEP) coroutine.answer = 0;
    else coroutine.answer = waits ? 1 : 0;
    coroutine.woken = false;
    this.words[this.control + 1] = 0;
    this.words[this.control + 4] = coroutine.stack === null || verbs === 0 ? verbs : verbs + 1; // a rewound verb counts
    this.resume(coroutine);
    this.words[this.control + 4] = 0;
  }

  /** Puts the memory back to what it was at `mark`; the hash is the caller's to restore. */
  undo(mark) {
    const { words, control } = this;
    for (let at = words[control] - 16; at >= mark; at -= 16) {
      const entry = at >>> 2;
      if ((words[entry] & 1) === 0) words[(words[entry] & ~3) >>> 2] = words[entry + 1];
    }
    words[control] = mark;
  }

  saveHash() {
    return [this.hash1, this.hash2, this.parts.slice()];
  }

  restoreHash([hash1, hash2, parts]) {
    this.hash1 = hash1;
    this.hash2 = hash2;
    this.parts.set(parts);
  }

  /** Accounts for one word's change in the hash. */
  rehash(address, before, after) {
    if (before === after) return;
    const one = mix(address, before) ^ mix(address, after);
    const two = mix(before, address + 1) ^ mix(after, address + 1);
    const offset = address - RECORDS;
    if (offset >= 0 && offset < PROCESSORS * RECORD) {
      const inside = offset & (RECORD - 1);
      const part = inside >= BATCH_FROM || (inside >= OUT_FROM && inside < HELD_FROM) ? PART_OUT : PART_LOG;
      if (
        part === PART_OUT ||
        (inside >= HELD_FROM && inside < MAGAZINES_FROM) ||
        (inside >= JOURNAL_FROM && inside < BATCH_FROM)
      ) {
        const at = (offset >>> 13) * 4 + part * 2;
        this.parts[at] ^= one;
        this.parts[at + 1] ^= two;
        return;
      }
    }
    this.hash1 ^= one;
    this.hash2 ^= two;
  }

  /**
   * Walks the step that began at `mark` backwards, store by store, and forwards again. At each point between two accesses,
   * the end of the step included, `visit` sees memory and hash as they were there.
   */
  walk(mark, visit) {
    const { words, control } = this;
    const end = words[control];
    // backwards: the values after are noted, the hash is taken back; it was not brought up to date yet, so first forwards
    for (let at = end - 16; at >= mark; at -= 16) {
      const entry = at >>> 2;
      if (words[entry] & 1) continue;
      const word = (words[entry] & ~3) >>> 2;
      words[entry + 2] = words[word];
      words[word] = words[entry + 1];
    }
    for (let at = mark; at < end; at += 16) {
      const entry = at >>> 2;
      if (words[entry] & 1) continue;
      const address = words[entry] & ~3;
      this.rehash(address, words[entry + 1], words[entry + 2]);
      words[address >>> 2] = words[entry + 2];
    }
    if (visit === undefined) return;
    visit(0);
    const saved = this.saveHash();
    let index = 0;
    for (let at = end - 16; at > mark; at -= 16) {
      const entry = at >>> 2;
      if (words[entry] & 1) continue;
      const address = words[entry] & ~3;
      this.rehash(address, words[entry + 2], words[entry + 1]);
      words[address >>> 2] = words[entry + 1];
      if ((words[entry] & 2) === 0 && words[entry + 2] !== words[entry + 1]) visit(++index);
    }
    for (let at = mark; at < end; at += 16) {
      const entry = at >>> 2;
      if ((words[entry] & 1) === 0) words[(words[entry] & ~3) >>> 2] = words[entry + 2];
    }
    this.restoreHash(saved);
  }

  /** The accesses of the step that began at `mark`, without those of its verb. */
  accesses(mark, verb) {
    const { words, control } = this;
    let reads = null;
    let writes = null;
    let leading = true;
    for (let at = mark; at < words[control]; at += 16) {
      const entry = words[at >>> 2];
      const address = entry & ~3;
      if (leading && verb !== 0 && (address === verb || address === verb + 4)) continue;
      leading = false;
      if (entry & 1) {
        if (reads === null) reads = [address];
        else if (!reads.includes(address)) reads.push(address);
      } else if (writes === null) writes = [address];
      else if (!writes.includes(address)) writes.push(address);
    }
    return reads === null && writes === null ? NONE : { reads: reads ?? [], writes: writes ?? [] };
  }

  /** Hash of everything that decides what may happen next. `dead`: a processor whose scratch memory means nothing any more. */
  key(extra, dead = -1) {
    let one = mix(this.hash1, extra);
    let two = mix(this.hash2, extra + 77);
    for (const coroutine of this.coroutines) {
      const { pid } = coroutine;
      const record = recordOf(pid) >>> 2;
      const at = pid * 4;
      if (pid !== dead) {
        one = mix(one, this.parts[at]);
        two = mix(two, this.parts[at + 1]);
      }
      const open = this.words[record + 4] !== 0 || this.holds(pid); // p_journal_count
      if (open) {
        one = mix(one, this.parts[at + 2]);
        two = mix(two, this.parts[at + 3]);
      }
      if (coroutine.program.length === 0) continue;
      const { status } = coroutine;
      let own = mix(status, status === STOPPED || status === ASLEEP ? coroutine.stackHash : coroutine.at);
      own = mix(own, (coroutine.woken ? 1 : 0) | (coroutine.late ? 2 : 0) | (coroutine.at << 2));
      for (const result of coroutine.results) own = mix(own, result);
      one = mix(one, own);
      two = mix(two, own ^ 0x55555555);
    }
    return [one, two];
  }
}

/** The kernel's functions in a JavaScript stack, innermost first, without the verb. */
function siteOf(stack) {
  const names = [...stack.matchAll(/at (\S+) \(wasm:/g)].map(([, name]) => name.replace(/^.*\//, ""));
  return names.filter((name) => name !== "sched").join(" < ");
}

let recorderModule;

/** @returns the recorder's exports as the kernel's imports */
function recorderOf(machine) {
  recorderModule ??= new WebAssembly.Module(readFileSync(new URL("../../build/recorder.wasm", import.meta.url)));
  const env = {
    memory: machine.memory,
    control: new WebAssembly.Global({ value: "i32", mutable: false }, CONTROL),
    stop: (kind, address, operand, ns) => machine.stop(kind, address, operand, ns),
  };
  return new WebAssembly.Instance(recorderModule, { env }).exports;
}

export { mix };
