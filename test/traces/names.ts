// What each label stands for in our kernel, and what both spaces must hold.

import { MACH_PORT_DEAD, MACH_PORT_NULL } from "../../host-ts/abi/codes.gen.ts";
import { type Actor, actorOf, isChosen, type Label } from "./recorded.js";

/** Slots from here on are for names that the caller chose. */
const FIRST_CHOSEN = 0x4000;
/** A name that never denotes anything: its slot is the last of the table. */
const STALE = 0x003fffff * 256 + 3;

export class Names {
  readonly #raw = new Map<Label, number>();
  /** Every name that a label has stood for: a notification may tell of one that is long gone. */
  readonly #stood = new Map<Label, Set<number>>();
  /** Labels that denote something, with their types. */
  readonly live = new Map<Label, number>();
  #chosen = FIRST_CHOSEN;

  /** The raw name of a label given as an argument. */
  raw(label: Label): number {
    if (label === "null") return MACH_PORT_NULL;
    if (label === "dead") return MACH_PORT_DEAD;
    const known = this.#raw.get(label);
    if (known !== undefined) return known;
    return isChosen(label) ? this.choose(label) : STALE;
  }

  /**
   * A raw name under which something new is to be put. A slot that was used under a chosen name may since be the kernel's, with another
   * generation, so each use of a label takes a slot of its own; a name in use stays as it is.
   */
  choose(label: Label): number {
    if (!isChosen(label)) return this.raw(label);
    const known = this.#raw.get(label);
    if (known !== undefined && this.live.has(label)) return known;
    const raw = this.#chosen++ * 256 + 3;
    this.#set(label, raw);
    return raw;
  }

  /** The label, not bound yet, stands for this name from now on. Returns: what is wrong with that, or null. */
  bind(label: Label, raw: number, gone: ReadonlySet<Label>): string | null {
    for (const other of this.live.keys()) {
      if (actorOf(other) === actorOf(label) && !gone.has(other) && this.#raw.get(other) === raw) {
        return `a new name (${label}) is the one of ${other}`;
      }
    }
    this.#set(label, raw);
    return null;
  }

  bound(label: Label): boolean {
    return this.#raw.has(label);
  }

  /** Whether the label stands for the name, or has. */
  stood(label: Label, raw: number): boolean {
    return this.#stood.get(label)?.has(raw) ?? false;
  }

  #set(label: Label, raw: number): void {
    this.#raw.set(label, raw);
    const stood = this.#stood.get(label) ?? new Set();
    this.#stood.set(label, stood.add(raw));
  }

  /** The label denotes nothing any more: what it stood for has another name. */
  forget(label: Label): void {
    this.#raw.delete(label);
  }

  /** Takes an operation's change. */
  apply(diff: Record<Label, number>): void {
    for (const [label, type] of Object.entries(diff)) {
      if (type === 0) this.live.delete(label);
      else this.live.set(label, type);
    }
  }

  /** What a space must list: names and types. Labels that are not bound are left out. */
  expected(actor: Actor): Map<number, number> {
    const table = new Map<number, number>();
    for (const [label, type] of this.live) {
      const raw = this.#raw.get(label);
      if (actorOf(label) === actor && raw !== undefined) table.set(raw, type);
    }
    return table;
  }

  /** Live labels of a space that stand for no name yet. */
  unbound(actor: Actor): Label[] {
    return [...this.live.keys()].filter((label) => actorOf(label) === actor && !this.#raw.has(label));
  }
}
