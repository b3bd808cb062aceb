// One sequence, replayed: each operation is done, its code and outputs are compared with the recorded ones, and then both name spaces.

import { codeName, MACH_PORT_DEAD, MACH_PORT_NULL } from "../../host-ts/abi/codes.gen.ts";
import type { Answer } from "./messages.js";
import { Names } from "./names.js";
import { Performer, type Tasks } from "./operations.js";
import { type Actor, actorOf, type Item, isLabel, type Operation, type Sequence } from "./recorded.js";
import { type Rule, rulesFor } from "./rules.js";
import type { Tally } from "./tally.js";

/** Our kernel did something else than was recorded, or did not although it is known to. */
export interface Finding {
  /** File, seed of the sequence, number of the operation in it. */
  readonly place: string;
  readonly operation: Operation;
  readonly what: string;
}

const ACTORS = ["A", "B"] as const;

class Differs extends Error {}

function hex(value: unknown): string {
  return typeof value === "number" ? `0x${(value >>> 0).toString(16)}` : JSON.stringify(value);
}

function spell(code: number): string {
  return `${codeName(code >>> 0)} (${hex(code)})`;
}

export class Replay {
  readonly #sequence: Sequence;
  readonly #names = new Names();
  readonly #performer: Performer;
  readonly #tasks: Tasks;
  readonly #born: Record<Actor, ReadonlySet<number>>;
  readonly #tally: Tally;

  constructor(sequence: Sequence, tasks: Tasks, tally: Tally) {
    this.#sequence = sequence;
    this.#tasks = tasks;
    this.#tally = tally;
    this.#performer = new Performer(tasks, this.#names); // the tasks have each other's ports from here on
    this.#born = { A: new Set(tasks.A.names().keys()), B: new Set(tasks.B.names().keys()) };
  }

  /**
   * `known`: places of known differences, with their reasons; those that were met are taken out.
   *
   * Returns: where our kernel differs for no known reason, and known differences that are none.
   */
  run(known: Map<string, string>): Finding[] {
    const { ops, file, seed } = this.#sequence;
    const findings: Finding[] = [];
    for (const [index, operation] of ops.entries()) {
      const place = `${file} ${seed} ${index}`;
      const reason = known.get(place);
      known.delete(place);
      const rules = rulesFor(operation);
      const ends = rules.find(({ mask }) => mask === "ends")?.reason;
      const answered = this.#try(() => this.#answer(operation, rules));
      const left = this.#try(() => this.#compareSpaces(operation));
      const what = answered ?? left;
      if (what === null && reason) findings.push({ place, operation, what: "no longer differs" });
      if (what !== null && !reason && !ends) findings.push({ place, operation, what });
      if (what === null) this.#count(operation, rules);
      else if (reason && left === null) this.#tally.known(operation.op, reason);
      else {
        for (const { op } of ops.slice(index)) this.#tally.ended(op, reason ?? ends ?? "not known");
        return findings;
      }
    }
    return findings;
  }

  #try(compare: () => void): string | null {
    try {
      compare();
      return null;
    } catch (error) {
      if (error instanceof Differs) return error.message;
      throw error;
    }
  }

  /** Does the operation and compares code and outputs. */
  #answer(operation: Operation, rules: readonly Rule[]): void {
    if (rules.some(({ mask }) => mask === "skip")) {
      if (operation.diff) throw new Error("an operation that changed something cannot be left out");
      return;
    }
    const inSet = rules.some(({ mask }) => mask === "member");
    const member = operation.out.msg?.local ?? operation.out.header?.local;
    const done = inSet && member ? { ...operation, args: { ...operation.args, name: member } } : operation;
    const answer = this.#performer.perform(done);
    const codes = rules.flatMap(({ mask }) => (typeof mask === "object" && "codes" in mask ? mask.codes : []));
    const parts = rules.flatMap(({ mask }) => (typeof mask === "object" && "parts" in mask ? mask.parts : []));
    if (codes.length === 0) this.#compareAnswer(operation, answer, new Set(parts));
    else if (!codes.includes(answer.kr >>> 0)) {
      throw new Differs(`answered ${spell(answer.kr)}, a rule has ${codes.map(spell).join(" or ")}`);
    }
  }

  #compareSpaces(operation: Operation): void {
    this.#names.apply(operation.diff ?? {});
    for (const actor of ACTORS) this.#compareNames(actor);
  }

  #count(operation: Operation, rules: readonly Rule[]): void {
    const masks = rules.filter(({ mask }) => mask !== "ends").map(({ reason }) => reason);
    if (masks.length > 0) this.#tally.masked(operation.op, masks.join(" and "));
    else this.#tally.compared(operation.op);
  }

  #compareAnswer(operation: Operation, answer: Answer, masked: ReadonlySet<string>): void {
    if (answer.kr >>> 0 !== operation.kr >>> 0) {
      throw new Differs(`answered ${spell(answer.kr)}, recorded ${spell(operation.kr)}`);
    }
    const changes = Object.entries(operation.diff ?? {});
    const gone = new Set(changes.filter(([, type]) => type === 0).map(([label]) => label));
    for (const [key, expected] of Object.entries(operation.out)) {
      if (key === "ool_still_mapped") this.#compareMapped(expected as number[], answer.out[key] as number[]);
      else if (key === "names") this.#compareListed(expected as Record<string, number>, answer.out.names);
      else if (key === "members") this.#compareMembers(expected as string[], answer.out.members);
      else if (key === "pset" && masked.has(key)) this.#equal(key, answer.out.pset, expected === "null" ? 0 : 1);
      else this.#compare(key, expected, answer.out[key], { masked, gone });
    }
  }

  #compare(
    path: string,
    expected: unknown,
    got: unknown,
    context: { masked: ReadonlySet<string>; gone: ReadonlySet<string> },
  ): void {
    if (isLabel(expected)) {
      this.#compareName(path, expected, got, context.gone);
    } else if (Array.isArray(expected)) {
      if (!Array.isArray(got) || got.length !== expected.length) {
        throw new Differs(`${path}: has ${hex(got)}, recorded ${hex(expected)}`);
      }
      for (const [index, item] of expected.entries()) this.#compare(`${path}[${index}]`, item, got[index], context);
    } else if (typeof expected === "object" && expected !== null) {
      const item = expected as Item;
      for (const [key, value] of Object.entries(expected)) {
        if (key === "amb" || key === "t") continue;
        if (key === "seqno" && path === "returned") continue; // nothing was dequeued
        if (key === "size" && item.t === undefined) this.#tally.part("size of a message");
        else if (key === "name" && item.amb) this.#tally.part("name that the recorder guessed");
        else if (key === "name")
          this.#compareTold(`${path}.name`, item.name ?? "null", (got as Item | undefined)?.name);
        else this.#compare(`${path}.${key}`, value, (got as Record<string, unknown> | undefined)?.[key], context);
      }
    } else if (path === "size" && context.masked.has("size")) {
      this.#tally.part("size of a message");
    } else {
      this.#equal(path, got, expected);
    }
  }

  /** Which regions the sender has still. */
  #compareMapped(expected: readonly number[], got: readonly number[] | undefined): void {
    for (const [index, mapped] of expected.entries()) this.#equal(`ool_still_mapped[${index}]`, got?.[index], mapped);
  }

  #equal(path: string, got: unknown, expected: unknown): void {
    if (got !== expected) throw new Differs(`${path} is ${hex(got)}, recorded ${hex(expected)}`);
  }

  #compareName(path: string, label: string, got: unknown, gone: ReadonlySet<string>): void {
    if (label === "null" || label === "dead") {
      this.#equal(path, got, label === "null" ? MACH_PORT_NULL : MACH_PORT_DEAD);
      return;
    }
    if (typeof got !== "number" || got === MACH_PORT_NULL || got === MACH_PORT_DEAD) {
      throw new Differs(`${path} is ${hex(got)}, recorded ${label}`);
    }
    if (this.#names.bound(label)) {
      this.#equal(`${path} (${label})`, got, this.#names.raw(label));
      return;
    }
    const wrong = this.#names.bind(label, got, gone);
    if (wrong) throw new Differs(`${path}: ${wrong}`);
  }

  /** The name that a notification tells of. */
  #compareTold(path: string, label: string, got: unknown): void {
    if (typeof got !== "number" || !this.#names.stood(label, got))
      throw new Differs(`${path} is ${hex(got)}, not ${label}`);
  }

  #compareListed(expected: Record<string, number>, got: unknown): void {
    const listed = new Map(got as Map<number, number>);
    for (const actor of ACTORS) for (const name of this.#born[actor]) listed.delete(name);
    for (const [label, type] of Object.entries(expected)) {
      this.#equal(`type of ${label}`, listed.get(this.#names.raw(label)), type);
      listed.delete(this.#names.raw(label));
    }
    if (listed.size > 0) throw new Differs(`lists also ${[...listed.keys()].map(hex)}`);
  }

  #compareMembers(expected: readonly string[], got: unknown): void {
    const sorted = expected.map((label) => this.#names.raw(label)).sort((a, b) => a - b);
    this.#equal("members", hex(got), hex(sorted));
  }

  /** The space of a task holds what the recorded one holds, no more and no less. */
  #compareNames(actor: Actor): void {
    if (actor === "B" && this.#performer.ended) {
      if ([...this.#names.live.keys()].some((label) => actorOf(label) === "B")) throw new Differs("a name outlives B");
      return;
    }
    const listed = this.#tasks[actor].names();
    for (const name of this.#born[actor]) listed.delete(name);
    const expected = this.#names.expected(actor);
    for (const [name, type] of expected) {
      const got = listed.get(name);
      if (got !== type)
        throw new Differs(`${this.#label(actor, name)} has type ${hex(got ?? 0)}, recorded ${hex(type)}`);
      listed.delete(name);
    }
    // Names that only the change shows: by raw name on both sides.
    const fresh = [...listed].sort(([a], [b]) => a - b);
    for (const label of this.#names.unbound(actor)) {
      const [name, type] = fresh.shift() ?? [0, 0];
      if (type !== this.#names.live.get(label)) throw new Differs(`there is no ${label}`);
      this.#names.bind(label, name, new Set());
    }
    if (fresh.length > 0)
      throw new Differs(`${actor} holds also ${fresh.map(([name, type]) => `${hex(name)}: ${hex(type)}`)}`);
  }

  #label(actor: Actor, name: number): string {
    for (const label of this.#names.live.keys()) {
      if (actorOf(label) === actor && this.#names.raw(label) === name) return label;
    }
    return hex(name);
  }
}
