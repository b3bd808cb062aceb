// Deaths: what becomes of the kernel when an actor stops after one of its writes. It is killed and buried, or an exception leaves
// its trap and it comes back; the others go on before, after, or in between; and whoever settles the estate may stop as well.

import { refuse } from "./violation.mjs";
import { ASLEEP, DEAD, DONE, READY, restore, STOPPED } from "./coroutine.mjs";
import { generationOf, mix, recordOf } from "./memory.mjs";
import * as layout from "../../dist/abi/layout.gen.js";
import { inHand } from "./hands.mjs";
import { notesOf, undone } from "./undone.mjs";
import { Table } from "./table.mjs";

const RECOVERER = 5;
const HEIR = 6;
/** Result of an operation that an exception left. */
const FAULTED = 0x7fffffff;
/** One in so many recoveries is looked at for stores without a note. */
const UNDONE_ONE_IN = 8;
const NOTHING = new Set();
/** What becomes of a victim, and when the others go on. */
const WAYS = ["burial", "others, burial", "both", "throw", "throw, others", "throw, both"];
/** The same, when there are no others. */
const ALONE = ["burial", "throw"];
/** Verbs of one actor, and of a recovery, before the other side goes on in "both"; and of one that runs alone, before it is endless. */
const VERBS = { actor: 40, recovery: 600, alone: 100000 };

export class Deaths {
  constructor(explorer) {
    this.explorer = explorer;
    this.machine = explorer.machine;
    this.seen = new Table(18);
    /** When a path is replayed: the one way, and the one place of a second death. */
    this.only = undefined;
    /** Identifiers of messages that were in a dead hand, and may be lost. */
    this.lost = NOTHING;
  }

  get others() {
    return this.explorer.actors.filter(({ pid }) => pid !== this.victim.pid);
  }

  /** The victim stops here. `index`: writes of the last step that did not happen. */
  at(victim, index, ways = WAYS) {
    const { machine, explorer, only } = this;
    const { counts, options, path } = explorer;
    const own = victim.save();
    victim.status = DEAD;
    victim.stack = null;
    const fresh = this.seen.add(machine.key(0xc0 + victim.pid, victim.pid));
    victim.restore(own);
    if (!fresh) return;
    this.victim = victim;
    counts.crashStates++;
    if ((counts.crashStates & 15) === 0) options.onTick?.(counts);
    path.push(`crash ${index} of ${victim.pid}`);
    this.lost = new Set(inHand(machine, victim.pid));
    const hash = machine.saveHash();
    const saved = explorer.actors.map((actor) => actor.save());
    const { mark } = machine;
    this.mark = mark;
    const again = options.second !== 0 && (machine.hash1 >>> 0) % options.second === 0;
    for (const way of [...ways, ...this.#mixed(victim)]) {
      if (only !== undefined && only.how !== way) continue;
      if (this.others.length === 0 && !ALONE.includes(way)) continue;
      const throws = way.startsWith("throw");
      if (throws && machine.u32(recordOf(victim.pid)) !== layout.PROCESSOR_KERNEL) continue;
      path.push(way);
      counts.recoveries++;
      if (throws) this.#throw(way, (again || explorer.plan.again) && way === "throw");
      else this.#kill(way, (again || explorer.plan.again) && way === "burial");
      path.pop();
      explorer.back(mark, saved);
    }
    machine.restoreHash(hash);
    path.pop();
    this.lost = NOTHING;
  }

  #kill(way, again) {
    const { machine, explorer, victim } = this;
    victim.status = DEAD;
    victim.stack = null;
    explorer.dead.add(victim.pid);
    const recoverer = machine.coroutines[RECOVERER];
    if (way === "others, burial") explorer.quiesce(this.others);
    recoverer.begin(burial(machine, victim.pid));
    if (way === "mixed") {
      this.#mix(recoverer);
      recoverer.begin([]);
      explorer.dead.delete(victim.pid);
      return;
    }
    this.#settle(recoverer, way === "both", again && [RECOVERER, victim.pid]);
    recoverer.begin([]);
    explorer.dead.delete(victim.pid);
  }

  /** An exception left the trap; the thread lives, and comes back with another trap. `plan.unnoticed`: nobody caught it. */
  #throw(way, again) {
    const { machine, explorer, victim } = this;
    const { program, results, at } = victim;
    explorer.faulted.add(victim.pid);
    if (!explorer.plan.unnoticed) machine.poke(recordOf(victim.pid), layout.PROCESSOR_FAULTED);
    victim.begin([...program.slice(0, at + 1), ...[explorer.plan.next ?? { call: () => ["zone_count", 0] }].flat()]);
    victim.results = [...results, FAULTED];
    victim.at = at + 1;
    victim.status = READY;
    if (way === "throw, others") explorer.quiesce(this.others);
    if (way === "throw, mixed") this.#mix(victim);
    else this.#settle(victim, way === "throw, both", again && [victim.pid]);
    explorer.faulted.delete(victim.pid);
  }

  /** Runs who settles the estate, then all to their rest, and audits. `again`: who is dead if it stops half way, or false. */
  #settle(settler, mingled, again) {
    const { machine, explorer, others } = this;
    const { counts } = explorer;
    const { mark } = machine;
    const standing = others.map((actor) => actor.save());
    const { pid } = this.victim;
    const notes = notesOf(machine, pid);
    if (settler.pid === pid) settler.noted = notes;
    machine.run(settler, mingled ? this.#mingle(others) : VERBS.alone);
    explorer.sound(settler);
    if (!mingled && counts.recoveries % UNDONE_ONE_IN === 0)
      undone(machine, settler, mark, { pid, words: new Set(notes.map(([word]) => word)) });
    const alone = machine.mark;
    explorer.quiesce(mingled ? [...others, settler] : [settler, ...others]);
    const own = settler.save();
    this.#rest(settler);
    if (!again) return;
    settler.restore(own);
    machine.undo(alone);
    restore(others, standing);
    this.#again(settler, again, mark);
  }

  /** Nobody can go on: the recovery is over. */
  #rest(settler) {
    const { explorer, others } = this;
    const { condemned, next } = explorer.plan;
    const waits = settler === this.victim && next?.receives === true && settler.status === ASLEEP;
    const ended = settler.status === DONE || waits || (settler.status === DEAD && settler.pid === condemned);
    refuse(!ended, `the recovery does not come to its end: ${explorer.standing([settler, ...others])}`);
    if (settler !== this.victim) settler.begin([]);
    explorer.end(this.mark);
  }

  /** Ways to mix the recovery and the others at each of their verbs, if the plan asks for it at this death. */
  #mixed(victim) {
    return this.explorer.plan.mixed?.(this.machine, victim.pid) ? ["mixed", "throw, mixed"] : [];
  }

  /** The recovery begins after each verb of another, who goes on when it is over or waits; and the other way round. */
  #mix(settler) {
    const { machine, others } = this;
    if (settler !== this.victim) machine.run(settler, 0, 1); // the death is known
    for (const other of others) this.#cut(other, [settler, ...others.filter((each) => each !== other)], settler);
    this.#cut(settler, others, settler);
  }

  /** `first` goes on verb by verb; after each, the rest go first. */
  #cut(first, rest, settler) {
    const { machine, explorer } = this;
    const all = [first, ...rest];
    const { mark } = machine;
    const saved = all.map((each) => each.save());
    while (machine.enabled(first)) {
      machine.run(first, 1);
      explorer.sound(first);
      if (first.status !== STOPPED) break;
      const here = machine.mark;
      const standing = all.map((each) => each.save());
      explorer.quiesce(rest);
      explorer.quiesce(all);
      this.#rest(settler);
      machine.undo(here);
      restore(all, standing);
    }
    machine.undo(mark);
    restore(all, saved);
  }

  /** The recovery ran alone since `from`: it is cut after each of its writes, and an heir buries all that are dead now. */
  #again(settler, gone, from) {
    const { machine, explorer, others } = this;
    const { counts, dead, faulted, path } = explorer;
    const heir = machine.coroutines[HEIR];
    const saved = others.map((actor) => actor.save());
    const own = settler.save();
    const hash = machine.saveHash();
    const wasFaulted = faulted.delete(settler.pid);
    const { lost } = this;
    settler.status = DEAD;
    settler.stack = null;
    for (const pid of gone) dead.add(pid);
    machine.walk(from, (index) => {
      if (this.only !== undefined && this.only.again !== index) return;
      const { mark } = machine;
      counts.secondCrashes++;
      path.push(`second crash ${index}`);
      this.lost = new Set([...lost, ...inHand(machine, settler.pid)]);
      if (settler !== this.victim) settler.begin([]);
      heir.begin(burial(machine, ...gone));
      explorer.quiesce([heir, ...others]);
      refuse(
        heir.status !== DONE,
        `the second burial does not come to its end: ${explorer.standing([heir, ...others])}`,
      );
      heir.begin([]);
      explorer.end(mark);
      path.pop();
      machine.undo(mark);
      restore(others, saved);
    });
    this.lost = lost;
    machine.restoreHash(hash);
    for (const pid of gone) if (pid === settler.pid) dead.delete(pid);
    settler.restore(own);
    if (wasFaulted) faulted.add(settler.pid);
  }

  /** Lets the others go on for some verbs. Returns: for how many the recovery shall. */
  #mingle(others) {
    const { machine, explorer } = this;
    const random = mix(machine.hash1 ^ machine.hash2, explorer.options.seed) >>> 0;
    for (const other of others) {
      if (machine.enabled(other)) machine.run(other, 1 + (random % VERBS.actor));
      explorer.sound(other);
    }
    return 1 + ((random >>> 8) % VERBS.recovery);
  }
}

/** What the host does when it is told of these deaths: all are marked, then one after the other is buried. */
function burial(machine, ...pids) {
  const told = (name, pid) => {
    const generation = generationOf(machine, pid);
    return { call: () => [name, pid, generation] };
  };
  return ["processor_mark_gone", "processor_gone"].flatMap((name) => pids.map((pid) => told(name, pid)));
}
