// A coroutine: a program on one processor, and where it stands. All that a step may change is in plain fields, so that it can be
// saved and restored.

import { STACK_BYTES, STACKS } from "./memory.mjs";

/** What its last step accessed, before there was one. */
const NONE = { reads: [], writes: [] };

/** How a coroutine stands. */
export const READY = 0; // between two of its operations, or not begun
export const STOPPED = 1; // before a verb
export const ASLEEP = 2; // in a wait
export const DONE = 3;
export const DEAD = 4;

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
    this.stackHash2 = 0;
    this.kind = 0;
    this.address = 0;
    this.operand = 0;
    this.ns = 0;
    this.answer = 0;
    this.woken = false;
    this.late = false;
    this.call = null;
    this.accesses = NONE;
    this.noted = [];
    this.bare = [];
    this.fresh = [];
  }

  /** All that a step may change. */
  save() {
    const { pid, exports, buffer, error, ...state } = this;
    return state;
  }

  restore(saved) {
    Object.assign(this, saved);
  }
}

/** Puts coroutines back to what was saved of them. */
export function restore(coroutines, saved) {
  for (const [index, coroutine] of coroutines.entries()) coroutine.restore(saved[index]);
}
