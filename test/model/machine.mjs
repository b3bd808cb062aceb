// The machine: the model build of the kernel, one instance a processor over one memory, run as coroutines that stop before
// each verb. It runs, records and takes back; what to run next is the explorer's.

import * as layout from "../../dist/abi/layout.gen.js";
import { ASLEEP, Coroutine, DEAD, DONE, READY, STOPPED } from "./coroutine.mjs";
import { Violation } from "./violation.mjs";
import { KERNEL_PAGES, Memory, mix, PROCESSORS, recordOf, STACK_BYTES } from "./memory.mjs";

/** Kinds of verbs, as in core-as/sync/env.ts. */
const WAIT = 3;
const WAKE = 4;

/** From a doorbell to a word that the kernel does not use. */
export const HEARD = 8;
/** A wait up to this long is a nap: whoever takes it looks again by himself. */
const NAP_NS = 60000;
/** A wait of a slice or longer has no deadline yet. */
const SLICE_NS = 100000000;

export class Machine extends Memory {
  /** @param {{ wasm: WebAssembly.Module, mutant?: number }} options */
  constructor({ wasm, mutant = 0 }) {
    super();
    this.current = null;
    this.rewinding = false;
    this.operations = 0;
    this.steps = 0;
    this.coroutines = [];
    const recorder = this.recorder((...verb) => this.stop(...verb));
    for (let pid = 0; pid < PROCESSORS; pid++) {
      const env = {
        ...recorder,
        memory: this.memory,
        processor: new WebAssembly.Global({ value: "i32", mutable: false }, recordOf(pid)),
        mutant: new WebAssembly.Global({ value: "i32", mutable: false }, mutant),
        now: () => (this.coroutines[pid].late ? 1e9 : 0),
      };
      const instance = new WebAssembly.Instance(wasm, { env });
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
      throw new Violation(`${name} on processor ${pid} does not return: status ${coroutine.status}`);
    coroutine.restore(before);
    return result >>> 0;
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
      if (coroutine.call === null) {
        const operation = coroutine.program[coroutine.at];
        if (coroutine.status !== ASLEEP && operation.awaits?.(coroutine, this)) return this.sleep(coroutine);
        coroutine.call = operation.call(coroutine, this);
      }
      const [name, ...args] = coroutine.call;
      let result;
      try {
        result = coroutine.exports[name](...args);
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
        let [one, two] = [coroutine.at, coroutine.at];
        for (const word of coroutine.stack) {
          one = mix(one, word);
          two = Math.imul(two ^ word, 0x01000193) ^ (two >>> 13);
        }
        coroutine.stackHash = one;
        coroutine.stackHash2 = two;
        if (coroutine.kind === WAIT && this.words[this.control + 1] === 0) this.sleep(coroutine);
        return;
      }
      this.finish(coroutine, result);
      if (coroutine.status === DONE || --this.operations === 0) return;
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
    // The event loop behind a doorbell is no coroutine: that it was woken is noted beside the bell.
    if (this.coroutines.some(({ pid }) => address === recordOf(pid) + layout.Processor_p_bell))
      this.poke(address + HEARD, 1);
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

  /** Runs a coroutine until it waits, dies or is done; or, after so many verbs or operations, stops. */
  run(coroutine, verbs = 0, operations = 0) {
    this.operations = operations;
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
      const open = this.words[record + layout.Processor_p_journal_count / 4] !== 0 || this.holds(pid);
      if (open) {
        one = mix(one, this.parts[at + 2]);
        two = mix(two, this.parts[at + 3]);
      }
      if (coroutine.program.length === 0) continue;
      const { status } = coroutine;
      const flags = status | (coroutine.woken ? 8 : 0) | (coroutine.late ? 16 : 0) | (coroutine.at << 5);
      const stands = status === STOPPED || status === ASLEEP;
      one = mix(mix(one, flags), stands ? coroutine.stackHash : 0);
      two = mix(mix(two, flags), stands ? coroutine.stackHash2 : 0);
      for (const result of coroutine.results) {
        one = mix(one, result);
        two = mix(two, ~result);
      }
    }
    return [one, two];
  }
}

/** The kernel's functions in a JavaScript stack, innermost first, without the verb. */
function siteOf(stack) {
  const names = [...stack.matchAll(/at (\S+) \(wasm:/g)].map(([, name]) => name.replace(/^.*\//, ""));
  return names.filter((name) => name !== "sched").join(" < ");
}
