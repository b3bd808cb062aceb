// What all rights have in common: a name in a space, held until it is given away or released.

import { KERN_INVALID_NAME } from "./abi/codes.gen.js";
import { KernError } from "./errors.js";
import type { Space } from "./space.js";

/** A name that is valid in every space and denotes no port that lives. */
export function isPort(name: number): boolean {
  return name !== 0 && name >>> 0 !== 0xffffffff;
}

/** One reference under a name. Empty once it was moved or disposed: every use throws then. */
export abstract class PortRight implements Disposable {
  readonly #space: Space;
  #name: number | null;
  /** Disposed since it was given away, if it was. */
  #unwanted = false;

  /** @internal Takes over one reference on `name`. */
  constructor(space: Space, name: number) {
    this.#space = space;
    this.#name = name;
  }

  /** The name in the task's space, for use with `mach-ipc/traps`; still owned by this object. */
  get name(): number {
    return this.live("name");
  }

  /** True after the right was moved or disposed. */
  get disposed(): boolean {
    return this.#name === null;
  }

  /** @internal */
  get space(): Space {
    return this.#space;
  }

  /** @internal The name, if the right is there and of that task. */
  nameIn(space: Space, operation = "send"): number {
    const name = this.live(operation);
    if (space !== this.#space) throw new TypeError(`${this.constructor.name}: a right of another task`);
    return name;
  }

  /** @internal Empties the object without releasing: somebody else owns the reference now. */
  give(): number {
    const name = this.live("move");
    this.#name = null;
    this.#unwanted = false;
    this.given(name);
    return name;
  }

  /** @internal Undoes `give` after a send that failed; who was disposed meanwhile is released. */
  takeBack(name: number): void {
    this.#name = name;
    this.taken(name);
    if (this.#unwanted) this[Symbol.dispose]();
  }

  /** Releases the reference. Idempotent; never throws. */
  [Symbol.dispose](): void {
    const name = this.#name;
    this.#unwanted = true;
    if (name === null) return;
    this.#name = null;
    this.given(name);
    try {
      this.release(name);
    } catch {
      // The kernel is gone, and with it the reference.
    }
  }

  protected live(operation: string): number {
    const name = this.#name;
    if (name === null) throw new KernError(`${this.constructor.name}.${operation}`, KERN_INVALID_NAME);
    return name;
  }

  protected abstract release(name: number): void;
  protected given(_name: number): void {}
  protected taken(_name: number): void {}
}
