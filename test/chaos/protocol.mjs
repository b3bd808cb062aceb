// What all threads of a chaos run agree on: message ids, names of services, and the ledger, a shared array in which each
// thread notes what it did, so that the notes outlive it.

/** Ids of messages. */
export const ID = {
  CALL: 1000,
  JOIN: 1001,
  NUMBERED: 1002,
  REGISTER: 1003,
  BATON: 1004,
  INSIDE: 1005,
};

/** What a server makes of a call's third word. */
export const answerTo = (nonce) => (nonce ^ 0x5a5a5a5a) | 0;

/** Reasons with which a call or a send may fail when its peer has died. */
export const DEATH = new Set(["MIG_SERVER_DIED", "MACH_SEND_INVALID_DEST"]);

export const rpcName = (slot) => `chaos.rpc.${slot}`;
export const migName = (slot) => `chaos.mig.${slot}`;
export const setName = (slot, member) => `chaos.set.${slot}.${member}`;
export const SET_MEMBERS = 3;

/** Persistent ports that sinks read from, one after another. */
export const SINKS = 2;
/** Numbered messages per persistent port, and for the crew. */
export const NUMBERS = 1 << 18;

/** Notes of one incarnation of a victim. */
export const NOTE = { SENT: 0, SLOW: 1, DIE: 2, CALLS: 3, ANSWERED: 4, SEEN: 5, PROGRESS: 6 };
const NOTES = 8;

/** Words of the run as a whole. */
export const RUN = { STOP: 0, HEARTBEAT: 1, DEATHS: 2 };
const RUN_WORDS = 16;

/** The shared ledger. */
export class Ledger {
  constructor(incarnations, buffer) {
    const numbered = (SINKS + 1) * NUMBERS;
    const words = RUN_WORDS + incarnations * NOTES + numbered;
    this.incarnations = incarnations;
    this.buffer = buffer ?? new SharedArrayBuffer(words * 4);
    this.run = new Int32Array(this.buffer, 0, RUN_WORDS);
    this.notes = new Int32Array(this.buffer, RUN_WORDS * 4, incarnations * NOTES);
    const at = (RUN_WORDS + incarnations * NOTES) * 4;
    /** Who saw each numbered message of each sink; the last one is the crew's. */
    this.seen = Array.from({ length: SINKS + 1 }, (_, i) => new Int32Array(this.buffer, at + i * NUMBERS * 4, NUMBERS));
  }

  /** What another thread needs to make the same. */
  get share() {
    return { incarnations: this.incarnations, buffer: this.buffer };
  }

  static of({ incarnations, buffer }) {
    return new Ledger(incarnations, buffer);
  }

  get stopped() {
    return Atomics.load(this.run, RUN.STOP) !== 0;
  }

  note(incarnation, which) {
    return Atomics.load(this.notes, incarnation * NOTES + which);
  }

  add(incarnation, which) {
    return Atomics.add(this.notes, incarnation * NOTES + which, 1);
  }

  set(incarnation, which, value) {
    Atomics.store(this.notes, incarnation * NOTES + which, value);
  }

  /** Notes that `incarnation` saw message `n`. Returns: who saw it before, or 0. */
  saw(list, n, incarnation) {
    return Atomics.compareExchange(this.seen[list], n, 0, incarnation);
  }
}

/** A body of signed words. */
export function words(...values) {
  return new Uint8Array(new Int32Array(values).buffer);
}

/** Word `index` of a message's body. */
export function wordOf(message, index) {
  const { body } = message;
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getInt32(index * 4, true);
}
