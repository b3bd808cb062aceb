// The memory of the modelled kernel: every access to it is in a log, so that steps can be taken back, walked through and hashed.

import { readFileSync } from "node:fs";
import * as layout from "../../dist/abi/layout.gen.js";

/** WebAssembly pages that the kernel may use. */
export const KERNEL_PAGES = 28;
export const KERNEL_WORDS = KERNEL_PAGES << 14;
const CONTROL = (KERNEL_PAGES << 16) + 64;
export const STACKS = (KERNEL_PAGES + 1) << 16;
export const STACK_BYTES = 32768;
const LOG = (KERNEL_PAGES + 5) << 16;
const LOG_PAGES = 1024;
export const PROCESSORS = 8;

const RECORD = layout.PROCESSOR_SIZE;
const RECORDS = layout.PROCESSORS;
export const recordOf = (pid) => RECORDS + pid * RECORD;
/** Which life of a record this is. */
export const generationOf = (machine, pid) => machine.u32(recordOf(pid) + layout.Processor_p_generation);

// Parts of a record that mean something at times only, hashed apart: the batch and the results, the journal, the held list.
const PART_OUT = 0;
const PART_LOG = 1;
const OUT_FROM = layout.Processor_p_out;
const HELD_FROM = layout.Processor_p_held;
const MAGAZINES_FROM = layout.Processor_p_magazines;
const JOURNAL_FROM = layout.Processor_p_journal;
const BATCH_FROM = layout.Processor_p_batch;

const NONE = { reads: [], writes: [] };

let recorderModule;

/** A hash of two words. */
export function mix(a, b) {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return h ^ (h >>> 15);
}

export class Memory {
  constructor() {
    const pages = KERNEL_PAGES + 5 + LOG_PAGES;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.words = new Int32Array(this.memory.buffer);
    this.control = CONTROL >>> 2;
    this.words[this.control] = LOG;
    /** Hash of the kernel's memory, two words; parts of records apart. */
    this.hash1 = 0;
    this.hash2 = 0;
    this.parts = new Int32Array(PROCESSORS * 4);
  }

  /** The recorder's exports, as imports of the kernel. `stop`: what it calls before a verb. */
  recorder(stop) {
    recorderModule ??= new WebAssembly.Module(readFileSync(new URL("../../build/recorder.wasm", import.meta.url)));
    const control = new WebAssembly.Global({ value: "i32", mutable: false }, CONTROL);
    return new WebAssembly.Instance(recorderModule, { env: { memory: this.memory, control, stop } }).exports;
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
    for (let rank = 0; rank < 7; rank++) if (this.words[from + rank] !== 0) return true;
    return false;
  }

  /** End of the log. */
  get mark() {
    return this.words[this.control];
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
    let changed = false;
    let index = 0;
    for (let at = end - 16; at > mark; at -= 16) {
      const entry = at >>> 2;
      if (words[entry] & 1) continue;
      const address = words[entry] & ~3;
      this.rehash(address, words[entry + 2], words[entry + 1]);
      words[address >>> 2] = words[entry + 1];
      changed ||= words[entry + 2] !== words[entry + 1];
      if (words[entry] & 2) continue; // the half of one access
      if (changed) visit(++index);
      changed = false;
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
}
