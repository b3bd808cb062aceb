// Processor records and elements as they lie in memory, read without asking the kernel: by the watchdog, when the kernel
// may hang, and for the account at the end.

import * as layout from "../../dist/abi/layout.gen.js";

const { PROCESSORS, PROCESSOR_SIZE, PROCESSOR_MAX } = layout;
const STATES = ["FREE", "USER", "KERNEL", "FAULTED", "DEAD", "RECOVERING"];
const HELD = 192;
const COUNTS = 16;
const ZONES = ["PORT", "PSET", "KMSG_SMALL", "KMSG_MEDIUM", "KMSG_LARGE", "TASK", "WAITER", "REQUEST", "LINK"];
const ELEMENT_BYTES = [128, 64, 256, 1280, 4352, 256, 64, 64, 64];
const HEADER_PANIC = layout.HEADER + layout.Header_h_panic;
/** Words of a record: p_inside. */
const INSIDE = 21;
const FRAME_HAND = 1;
const FRAME_KMSG = 5;

export class Memory {
  constructor(memory) {
    this.memory = memory;
  }

  get words() {
    this.memory.grow(0);
    return new Uint32Array(this.memory.buffer);
  }

  /** Takes the notes of deaths: inside a trap or not, dawdling there, locks held, undo entries. */
  takeDeaths() {
    const { words } = this;
    const deaths = [];
    for (let pid = 1; pid < PROCESSOR_MAX; pid++) {
      const record = PROCESSORS + pid * PROCESSOR_SIZE;
      const at = (record + layout.Processor_p_died) >>> 2;
      const note = words[at];
      if (note === 0) continue;
      words[at] = 0;
      words[(record >>> 2) + INSIDE] = 0;
      const inside = (note & 0x200) !== 0;
      deaths.push({ pid, inside, working: (note & 0x100) !== 0, locks: (note >>> 16) & 0xff, undo: note >>> 24 });
    }
    return deaths;
  }

  /** Records in use, with what they hold. */
  processors() {
    const { words } = this;
    const found = [];
    for (let pid = 1; pid < PROCESSOR_MAX; pid++) {
      const at = (PROCESSORS + pid * PROCESSOR_SIZE) >>> 2;
      const state = words[at];
      if (state === layout.PROCESSOR_FREE) continue;
      const undo = words[at + COUNTS / 4];
      const locks = [];
      for (let i = 0; i < 6; i++) {
        const lock = words[at + HELD / 4 + i];
        if (lock === 0) continue;
        locks.push(`0x${lock.toString(16)}(owner ${words[lock >>> 2]})`);
      }
      const bell = words[(PROCESSORS + pid * PROCESSOR_SIZE + layout.Processor_p_bell) >>> 2];
      const stop = words[at + layout.Processor_p_stop / 4];
      const generation = words[at + layout.Processor_p_generation / 4];
      found.push({
        pid,
        state: `${STATES[state & 0xff]} 0x${state.toString(16)}`,
        stop,
        undo,
        locks,
        bell,
        generation,
      });
    }
    return found;
  }

  /** Site of the failed assertion, or 0. */
  get panic() {
    return this.words[HEADER_PANIC >>> 2];
  }

  /** Elements in use by zone, and those that a record that is free still owns. */
  elements() {
    const { words } = this;
    const counts = {};
    const orphans = [];
    for (const { zone, at } of this.#each()) {
      const owner = words[at >>> 2];
      const kind = owner & 0xff00;
      if (owner === 0) continue;
      if (kind !== layout.OWNER_MAGAZINE) counts[ZONES[zone]] = (counts[ZONES[zone]] ?? 0) + 1;
      if (owner >= layout.OWNER_LIVE) continue;
      const pid = owner & 0xff;
      if (words[(PROCESSORS + pid * PROCESSOR_SIZE) >>> 2] === layout.PROCESSOR_FREE) {
        orphans.push(`${ZONES[zone]} 0x${at.toString(16)} owner 0x${owner.toString(16)}`);
      }
    }
    return { counts, orphans };
  }

  /** Elements of a zone in use: address and first words, for whoever looks for the cause. */
  list(name, most = 12) {
    const { words } = this;
    const found = [];
    for (const { zone, at } of this.#each()) {
      const owner = words[at >>> 2];
      if (ZONES[zone] !== name || owner === 0 || (owner & 0xff00) === layout.OWNER_MAGAZINE) continue;
      const first = Array.from(words.subarray(at >>> 2, (at >>> 2) + 28), (word) => word.toString(16));
      if (found.length < most) found.push(`0x${at.toString(16)}: ${first.join(" ")}`);
    }
    return found;
  }

  /** Frames in a hand, or of a kmsg that is not in use. */
  strayFrames() {
    const { words } = this;
    const frames = (words.length * 4) / layout.FRAME_BYTES;
    const stray = [];
    for (let frame = 0; frame < frames; frame++) {
      const owner = words[(layout.FRAME_TABLE >>> 2) + frame];
      const kind = owner & layout.FRAME_KIND_MASK;
      const kmsg = owner & ~layout.FRAME_KIND_MASK;
      if (kind === FRAME_HAND || (kind === FRAME_KMSG && words[kmsg >>> 2] === 0))
        stray.push(`${frame}: 0x${owner.toString(16)}`);
    }
    return stray;
  }

  *#each() {
    const { words } = this;
    const slabs = Math.floor((words.length * 4) / layout.SLAB_BYTES);
    for (let slab = 0; slab < slabs; slab++) {
      const owner = words[(layout.FRAME_TABLE >>> 2) + slab * layout.SLAB_FRAMES];
      if ((owner & layout.FRAME_KIND_MASK) !== layout.FRAME_ZONE) continue;
      const zone = owner >>> 4;
      const bytes = ELEMENT_BYTES[zone];
      const end = (slab + 1) * layout.SLAB_BYTES;
      for (let at = slab * layout.SLAB_BYTES + layout.SLAB_HEADER; at + bytes <= end; at += bytes) yield { zone, at };
    }
  }
}
