// Deaths: what becomes of the kernel when an actor stops after one of its writes. It is killed and buried, or an exception leaves
// its trap and it comes back; the others go on before, after, or in between; and whoever settles the estate may stop as well.

import { refuse } from "./violation.mjs";
import { DEAD, DONE, READY, restore } from "./coroutine.mjs";
import { mix, recordOf } from "./memory.mjs";
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
/** Verbs of one actor, and of a recovery, before the other side goes on in "both". */
const VERBS = { actor: 40, recovery: 600 };

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
    for (const way of ways) {
      if (only !== undefined && only.how !== way) continue;
      const throws = way.startsWith("throw");
      if (throws && machine.u32(recordOf(victim.pid)) !== layout.PROCESSOR_KERNEL) continue;
      path.push(way);
      counts.recoveries++;
      if (throws) this.#throw(way, again && way === "throw");
      else this.#kill(way, again && way === "burial");
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
    recoverer.begin(burial(victim.pid));
    this.#settle(recoverer, way === "both", again && [RECOVERER, victim.pid]);
    recoverer.begin([]);
    explorer.dead.delete(victim.pid);
  }

  /** An exception left the trap; the thread lives, and comes back with another trap. */
  #throw(way, again) {
    const { machine, explorer, victim } = this;
    const { program, results, at } = victim;
    explorer.faulted.add(victim.pid);
    machine.poke(recordOf(victim.pid), layout.PROCESSOR_FAULTED);
    victim.begin([...program.slice(0, at + 1), { call: () => ["zone_count", 0] }]);
    victim.results = [...results, FAULTED];
    victim.at = at + 1;
    victim.status = READY;
    if (way === "throw, others") explorer.quiesce(this.others);
    this.#settle(victim, way === "throw, both", again && [victim.pid]);
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
    machine.run(settler, mingled ? this.#mingle(others) : 0);
    explorer.sound(settler);
    if (!mingled && counts.recoveries % UNDONE_ONE_IN === 0)
      undone(machine, settler, mark, { pid, words: new Set(notes.map(([word]) => word)) });
    const alone = machine.mark;
    explorer.quiesce(mingled ? [...others, settler] : [settler, ...others]);
    const ended = settler.status === DONE || (settler.status === DEAD && settler.pid === explorer.plan.condemned);
    refuse(!ended, `the recovery does not come to its end: ${explorer.standing([settler, ...others])}`);
    const own = settler.save();
    if (settler !== this.victim) settler.begin([]);
    explorer.end(this.mark);
    if (!again) return;
    settler.restore(own);
    machine.undo(alone);
    restore(others, standing);
    this.#again(settler, again, mark);
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
      heir.begin(burial(...gone));
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
function burial(...pids) {
  const marks = pids.map((pid) => ({ call: () => ["processor_mark_gone", pid, 1] }));
  return [...marks, ...pids.map((pid) => ({ call: () => ["processor_gone", pid, 1] }))];
}
