// The explorer: every interleaving of a scenario's actors at their verbs, and the death of one of them after every write.
//
// It goes depth first through the states, not the schedules: a state (memory, stacks, results) that was seen before, on
// whatever way, is not gone into again. A step is one verb and all that follows up to the next verb; what lies between two
// verbs of others cannot matter to them unless there is a data race, and races are looked for at each step.

import { audit, AUDITOR } from "./audit.mjs";
import { refuse, Violation } from "./violation.mjs";
import { ASLEEP, DEAD, DONE, restore, STOPPED } from "./coroutine.mjs";
import { Machine } from "./machine.mjs";
import { mix, recordOf } from "./memory.mjs";
import * as layout from "../../dist/abi/layout.gen.js";
import { Deaths } from "./deaths.mjs";
import { Table } from "./table.mjs";
import { census } from "./hands.mjs";
import { undone } from "./undone.mjs";
import { World } from "./world.mjs";

/** Verbs after which a trap that did not wait is taken for one that never ends. */
const ENDLESS = 100000;
// Kinds of verbs.
const LOAD = 0;
const RMW = 2;
const HEADER_PANIC = 64 + layout.Header_h_panic;

export class Explorer {
  /**
   * @param {{ wasm: WebAssembly.Module, scenario: Function, mutant?: number, crashes?: boolean, bound?: number,
   *   second?: number, seed?: number, onTick?: Function }} options
   *   `bound`: preemptions at the most; `second`: recoveries die too in one of this many crash states, 0 never
   */
  constructor({ wasm, scenario, mutant = 0, crashes = true, bound = Infinity, second = 64, seed = 1, onTick }) {
    this.machine = new Machine({ wasm, mutant });
    this.options = { crashes, bound, second, seed, onTick };
    const { machine } = this;
    this.before = JSON.stringify(census(machine));
    this.world = new World(machine);
    this.plan = scenario(this.world);
    if (this.plan.nobodyDies) this.options.crashes = false;
    this.actors = this.plan.actors.map(({ pid, program }) => {
      machine.coroutines[pid].begin(program);
      return machine.coroutines[pid];
    });
    this.base = machine.mark;
    this.states = new Table(18);
    this.ends = new Table(14);
    this.dead = new Set();
    this.faulted = new Set();
    this.deaths = new Deaths(this);
    this.path = [];
    this.counts = {
      states: 0,
      transitions: 0,
      ends: 0,
      audits: 0,
      schedules: 0,
      crashStates: 0,
      recoveries: 0,
      secondCrashes: 0,
      races: 0,
      revisits: 0,
      depth: 0,
    };
  }

  explore() {
    this.#begin();
    const key = this.machine.key(0);
    this.states.add(key);
    this.counts.states++;
    this.counts.schedules = this.#visit(-1, 0);
    return this.counts;
  }

  /** Goes random ways, `rounds` of them; each may see deaths at a few of its writes. */
  wander(rounds) {
    const { counts, options } = this;
    let random = options.seed;
    const below = (limit) => {
      random = mix(random, 0x5eed) >>> 0;
      return random % limit;
    };
    const saved = this.actors.map((actor) => actor.save());
    for (let round = 0; round < rounds; round++) {
      this.#begin();
      this.path = [];
      for (let choices = this.#choices(-1); choices.length > 0; choices = this.#choices(-1)) {
        if (choices.some((choice) => choice.idle)) this.#rest();
        this.#step(choices[below(choices.length)], () => options.crashes && below(100) === 0);
      }
      this.#rest();
      counts.schedules++;
      this.back(this.base, saved);
      if ((round & 63) === 0) options.onTick?.(counts);
    }
    return counts;
  }

  #begin() {
    this.machine.restoreHash([0, 0, new Int32Array(this.machine.parts.length)]);
  }

  /** Goes one recorded way, telling of each step, and dies, or throws, where it says. */
  follow(path, tell) {
    const crash = path.findIndex((entry) => typeof entry === "string");
    const [where, how, again] = crash < 0 ? [] : path.slice(crash);
    this.deaths.only = { how, again: again === undefined ? -1 : Number(again.replace(/\D+/g, "")) };
    this.#begin();
    const steps = crash < 0 ? path : path.slice(0, crash);
    for (const [index, entry] of steps.entries()) {
      const coroutine = this.actors.find(({ pid }) => pid === Math.abs(entry));
      const last = index === crash - 1;
      tell(`processor ${coroutine.pid}: ${entry < 0 ? "time runs out in " : ""}${coroutine.site ?? "begins"}`);
      if (last) tell(path.slice(crash).join(", "));
      this.#step({ coroutine, late: entry < 0 }, (at, { pid }) => last && `crash ${at} of ${pid}` === where);
    }
    if (crash < 0) this.#rest();
  }

  #run() {
    const { machine, world, plan, before, dead, faulted } = this;
    const { lost } = this.deaths;
    return { machine, world, plan, before, dead, faulted, lost, quiesce: () => this.quiesce(this.actors) };
  }

  /** What could happen next, the same actor first. */
  #choices(last) {
    const { machine } = this;
    const choices = [];
    for (const coroutine of this.actors) {
      if (machine.enabled(coroutine)) choices.push({ coroutine, late: false });
      else if (machine.hasDeadline(coroutine)) choices.push({ coroutine, late: true });
    }
    if (choices.every((choice) => choice.late)) {
      for (const coroutine of this.actors)
        if (machine.naps(coroutine)) choices.push({ coroutine, late: false, idle: true });
    }
    choices.sort((a, b) => (b.coroutine.pid === last ? 1 : 0) - (a.coroutine.pid === last ? 1 : 0));
    return choices;
  }

  #visit(last, preemptions) {
    const { machine, counts, options, path } = this;
    if (path.length > counts.depth) counts.depth = path.length;
    const choices = this.#choices(last);
    if (choices.length === 0 || choices.some((choice) => choice.idle)) this.#rest();
    const lastRuns = choices.some(({ coroutine }) => coroutine.pid === last);
    const hash = machine.saveHash();
    let schedules = choices.length === 0 ? 1 : 0;
    for (const choice of choices) {
      const { pid } = choice.coroutine;
      const cost = lastRuns && pid !== last ? preemptions + 1 : preemptions;
      if (cost > options.bound) continue;
      const { mark } = machine;
      const saved = this.actors.map((actor) => actor.save());
      this.#step(choice, () => options.crashes);
      const key = machine.key(options.bound === Infinity ? 0 : cost * 16 + pid);
      if (this.states.add(key)) {
        counts.states++;
        if ((counts.states & 1023) === 0) options.onTick?.(counts);
        const below = this.#visit(pid, cost);
        this.states.set(key, below);
        schedules += below;
      } else {
        counts.revisits++;
        schedules += this.states.get(key);
      }
      machine.restoreHash(hash);
      this.back(mark, saved);
      path.pop();
    }
    return schedules;
  }

  /** One step, with all that is looked at in it. `crashes`: whether somebody dies at this point of it. */
  #step({ coroutine, late }, crashes) {
    const { machine, counts, path } = this;
    const { mark } = machine;
    const verb = coroutine.status === STOPPED ? coroutine.address : 0;
    const { kind } = coroutine;
    const word = machine.u32(verb);
    path.push(late ? -coroutine.pid : coroutine.pid);
    machine.step(coroutine, late);
    counts.transitions++;
    this.sound(coroutine);
    const accesses = machine.accesses(mark, verb);
    const failed = kind === RMW && machine.u32(verb) === word; // it was a load
    this.#races(coroutine, accesses, verb, failed ? LOAD : kind);
    coroutine.accesses = accesses;
    machine.walk(mark, (index) => {
      if (index === 0) undone(machine, coroutine, mark);
      if (crashes(index, coroutine)) this.deaths.at(coroutine, index);
      if (index !== 0) return;
      // Who stopped earlier may be buried only now.
      for (const other of this.actors) {
        const stopped = other !== coroutine && other.status !== DONE && other.status !== DEAD;
        if (stopped && crashes(0, other)) this.deaths.at(other, 0, ["burial"]);
      }
    });
  }

  /** No trap may trap, and no assertion may fail. */
  sound(coroutine) {
    const { machine } = this;
    const site = machine.u32(HEADER_PANIC);
    refuse(site !== 0, `kassert 0x${site.toString(16)}`);
    if (coroutine.status === DEAD && !this.dead.has(coroutine.pid) && coroutine.pid !== this.plan.condemned) {
      const state = machine.u32(recordOf(coroutine.pid)) & 0xff;
      refuse(
        state !== layout.PROCESSOR_DEAD,
        `processor ${coroutine.pid}: ${machine.traces ? coroutine.error?.stack : coroutine.error?.message}`,
      );
    }
  }

  /**
   * Two accesses to one word, one a write, and neither ordered: that of a step against what the others did since their last
   * verb, and the plain accesses of a step against the verbs that others could take now.
   */
  #races(coroutine, accesses, verb, kind) {
    const { counts } = this;
    for (const other of this.actors) {
      if (other === coroutine || other.accesses.writes.length + other.accesses.reads.length === 0) continue;
      for (const word of accesses.writes) {
        if (other.accesses.writes.includes(word) || other.accesses.reads.includes(word))
          this.#race(coroutine, other, word);
      }
      for (const word of accesses.reads) if (other.accesses.writes.includes(word)) this.#race(coroutine, other, word);
      if (verb === 0 || kind > 2) continue;
      const plain = other.accesses.writes.includes(verb) || (kind !== 0 && other.accesses.reads.includes(verb));
      if (plain) this.#race(coroutine, other, verb);
    }
    counts.races++;
  }

  #race(one, other, word) {
    if ((word & ~7) === recordOf(this.plan.fresh ?? 0)) return; // claimed by its host, in one exchange
    const text = `race of processors ${one.pid} and ${other.pid} on 0x${word.toString(16)}`;
    if (this.onRace) this.onRace(text, one, other, word);
    else throw new Violation(text);
  }

  /** Nobody can go on but by a deadline or a nap that ends: is everybody where he should be? */
  #rest() {
    const { machine, counts } = this;
    counts.ends++;
    const { mark } = machine;
    const saved = this.actors.map((actor) => actor.save());
    this.quiesce(this.actors);
    this.end(mark);
    this.back(mark, saved);
  }

  back(mark, saved) {
    this.machine.undo(mark);
    restore(this.actors, saved);
  }

  /** Audits the state that was reached since `mark` unless it was audited before. */
  end(mark) {
    const { machine, counts } = this;
    const hash = machine.saveHash();
    machine.walk(mark);
    let extra = 3;
    for (const pid of this.dead) extra = extra * 31 + pid;
    for (const pid of this.faulted) extra = extra * 37 + pid;
    const fresh = this.ends.add(machine.key(extra));
    machine.restoreHash(hash);
    if (!fresh) return;
    counts.audits++;
    audit(this.#run());
  }

  /** Runs these until none can go on; naps end when nothing else happens. */
  quiesce(coroutines) {
    const { machine } = this;
    for (let idle = 0; idle < 3; ) {
      let moved = false;
      for (const coroutine of coroutines) {
        while (machine.enabled(coroutine)) {
          machine.run(coroutine, ENDLESS);
          refuse(coroutine.status === STOPPED, `a loop without a wait: ${this.standing([coroutine])}`);
          this.sound(coroutine);
          moved = true;
        }
      }
      if (moved) {
        idle = 0;
        continue;
      }
      const naps = coroutines.filter((coroutine) => machine.naps(coroutine));
      if (naps.length === 0) {
        const late = coroutines.find((coroutine) => machine.hasDeadline(coroutine));
        if (late === undefined) return;
        late.late = true;
        late.woken = true;
        continue;
      }
      for (const coroutine of naps) {
        const before = coroutine.stackHash;
        machine.run(coroutine);
        this.sound(coroutine);
        if (coroutine.stackHash !== before || coroutine.status !== ASLEEP) moved = true;
      }
      idle = moved && !naps.every((coroutine) => machine.naps(coroutine)) ? 0 : idle + 1;
    }
  }

  /** How these stand, for a message. */
  standing(coroutines) {
    const { machine } = this;
    const hex = (address) => `0x${address.toString(16)}`;
    const one = ({ pid, status, site, address }) =>
      `${pid}: ${status} at ${hex(address)} = ${hex(machine.u32(address))} ${site ?? ""}`;
    return coroutines.map(one).join("; ");
  }
}

export { AUDITOR, Violation };
