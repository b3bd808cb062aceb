// Whether a death would undo a transaction wholly: next to a word that the undo log takes back, no word that others can see may be
// changed without a note. Looked at for each store, so that no death at just that place, and no reader after it, is needed.

import * as layout from "../../dist/abi/layout.gen.js";
import { elementOf, frameOwner, frameOwnerAt, isFrameOwner, owned } from "./hands.mjs";
import { PROCESSORS, recordOf } from "./memory.mjs";
import { Violation } from "./violation.mjs";

const RMW = 2;
const RECORDS_END = recordOf(PROCESSORS);
const COUNT = layout.Processor_p_journal_count;
const HELD = layout.Processor_p_held;
const JOURNAL = layout.Processor_p_journal;
/** Whose frames are free to change: those in a hand, the tables, users' bytes, and page tables, which are a cache. */
const FREE_FRAMES = new Set([1, 6, 7, 8]);
const OWNER_WORK = 0x300;
/** In the place of a right that died. */
const IP_DEAD = 0xffffffff;
const OWNER_LIVE = 0x10000;
const OWNER_QUEUED = 0x20000;
/** What a dequeue says of a message, and the next one says again. */
const SAID_AGAIN = new Set([
  layout.IpcKmsg_ikm_seqno,
  layout.IpcKmsg_ikm_types,
  layout.IpcKmsg_ikm_local_name,
  layout.IpcKmsg_ikm_context,
]);

/**
 * Looks at what a coroutine did since `mark`. Its `noted` is its open transaction, [address, old value]; `bare` what it changed
 * without a note meanwhile, `fresh` the owner words of frames that it took. `estate`: { pid, words } of a dead processor that it buries, and the words that it puts back for it.
 */
export function undone(machine, coroutine, mark, estate) {
  const { pid } = coroutine;
  const record = recordOf(pid);
  const log = new Log(machine, mark);
  let { noted, bare, fresh } = coroutine;
  for (const { address, before, after, kind } of log) {
    if (kind === RMW) {
      if (before === 0 && isFrameOwner(address)) fresh = [...fresh, address];
      continue;
    }
    if (address === record + COUNT) {
      const more = [];
      for (let n = noted.length; n < after; n++) {
        const note = record + JOURNAL + n * 8;
        more.push([log.value(note), log.value(note + 4)]);
      }
      noted = after < noted.length ? noted.slice(0, after) : [...noted, ...more];
      if (after === 0) [bare, fresh] = [[], []];
    } else if (before === pid && after === 0 && isHeld(log, record, address)) {
      bare = []; // a lock is opened: all that was changed under it is said
      continue;
    } else {
      if (before === after || (address >= layout.PROCESSORS && address < RECORDS_END)) continue;
      if (estate?.words.has(address) || noted.some(([word]) => word === address)) continue;
      if (fresh.includes(frameOwnerAt(address))) continue;
      if (noted.length === 0 && alone(machine, log, address, before, after)) continue;
      const settled = noted;
      const ownerOf = (word) =>
        settled.find(([each]) => each === word)?.[1] ?? (word === address ? before : log.value(word));
      if (harmless(machine, pid, address, after, ownerOf)) continue;
      if (estate && before < OWNER_LIVE && (before & 0xff) === estate.pid && isOwner(machine, address)) continue;
      bare = [...bare, address];
    }
    if (noted.length > 0 && bare.length > 0)
      throw new Violation(
        `processor ${pid} changes ${nameOf(machine, bare[0])} without a note, in a transaction with notes`,
      );
  }
  coroutine.noted = noted;
  coroutine.bare = bare;
  coroutine.fresh = fresh;
}

function isOwner(machine, address) {
  return elementOf(machine, address)?.address === address;
}

/** Whether the word is a lock that the processor has a note of. */
function isHeld(log, record, address) {
  for (let rank = 0; rank < 7; rank++) if (log.value(record + HELD + rank * 4) === address) return true;
  return false;
}

/** The open transaction of a processor as its record has it. */
export function notesOf(machine, pid) {
  const record = recordOf(pid);
  const notes = [];
  for (let n = 0; n < machine.u32(record + COUNT); n++) {
    const note = record + JOURNAL + n * 8;
    notes.push([machine.u32(note), machine.u32(note + 4)]);
  }
  return notes;
}

/** The stores since `mark`, oldest first; and what any word held at that time. */
class Log {
  constructor(machine, mark) {
    this.machine = machine;
    this.stores = [];
    const { words } = machine;
    const later = new Map();
    let [kind, half] = [0, false];
    for (let at = machine.mark - 16; at >= mark; at -= 16) {
      const entry = at >>> 2;
      if (words[entry] & 1) continue;
      kind = words[entry + 3] || (half ? kind : 0); // a verb's kind is with its last word
      half = (words[entry] & 2) !== 0;
      const address = (words[entry] & ~3) >>> 0;
      const before = words[entry + 1] >>> 0;
      this.stores.push({ address, before, after: later.get(address) ?? machine.u32(address), kind });
      later.set(address, before);
    }
    /** What is to be overwritten is here as it is now. */
    this.values = later;
  }

  *[Symbol.iterator]() {
    for (const store of this.stores.reverse()) {
      this.values.set(store.address, store.after);
      yield store;
    }
  }

  value(address) {
    return this.values.get(address) ?? this.machine.u32(address);
  }
}

function nameOf(machine, address) {
  const element = elementOf(machine, address);
  if (element !== undefined) return `+${address - element.address} of an element of zone ${element.zone}`;
  return `word ${address & 0xfff} of a frame of kind ${frameOwner(machine, address) & 15}`;
}

/** Who answered a waiter, and the list of those whom nobody told yet: recovery settles both. */
const SETTLED = new Set([layout.Waiter_w_hander, layout.Waiter_w_completed]);
/** "Dirty", behind the lock: that somebody has to settle, and has. */
const DIRTY = { [layout.ZONE_PORT]: 20, [layout.ZONE_PSET]: 20, [layout.ZONE_TASK]: 12, [layout.ZONE_OBJECT]: 12 };
/** Of a map: what is found again, what only grows, and the number that it loses first when it ends. */
const HINTS = new Set([layout.VmMap_vm_hint, layout.VmMap_vm_version, layout.VmMap_vm_dirty, layout.VmMap_vm_serial]);
/** Of an object: which quota it is charged to; who dies meanwhile charges too much, never too little. */
const CHARGE = new Set([layout.VmObject_vo_charged, layout.VmObject_vo_charged_serial]);
/** Of an entry in no map: whatever they are, its chain is destroyed with the message that has it. */
const PLACE = new Set([
  layout.VmEntry_vme_prev,
  layout.VmEntry_vme_start,
  layout.VmEntry_vme_end,
  layout.VmEntry_vme_bits,
  layout.VmEntry_vme_skip,
  layout.VmEntry_vme_bytes,
  layout.VmEntry_vme_flags,
]);
const isKmsg = (zone) => zone >= layout.ZONE_KMSG_SMALL && zone <= layout.ZONE_KMSG_LARGE;

/** Whether a change of it before a transaction is a step by itself: of a message on its way, or what imq_settle settles. */
function alone(machine, log, address, before, after) {
  const element = elementOf(machine, address);
  if (element === undefined) return false;
  const { zone } = element;
  const field = address - element.address;
  const chain = zone === layout.ZONE_PORT && field === layout.IpcPort_imq_chain;
  const freed = zone === layout.ZONE_WAITER && field === 0; // a waiter of the dead: nothing points to it
  const table = zone === layout.ZONE_TASK && field === layout.IpcSpace_is_hash_old && after === 0; // before it is freed
  if (chain || freed || table) return true;
  if (zone === layout.ZONE_OBJECT && CHARGE.has(field)) return true;
  if (zone === layout.ZONE_VME && PLACE.has(field)) return !inMap(machine, log, element.address);
  if (!isKmsg(zone)) return false;
  if (field === 0) return after === OWNER_QUEUED;
  return (
    before === 0 ||
    before === IP_DEAD ||
    field === layout.IpcKmsg_ikm_remote ||
    !isRight(machine, element.address, address)
  );
}

/** Whether an entry was in some task's map at that time. */
function inMap(machine, log, entry) {
  for (const [owner, zone, task] of owned(machine)) {
    if (zone !== layout.ZONE_TASK || owner !== OWNER_LIVE) continue;
    for (let at = log.value(task + layout.VmMap_vm_first); at !== 0; at = log.value(at + layout.VmEntry_vme_next)) {
      if (at === entry) return true;
    }
  }
  return false;
}

/** Whether the word is where a message has a right: recovery releases those of a message in a dead hand. */
function isRight(machine, kmsg, address) {
  if (address === kmsg + layout.IpcKmsg_ikm_remote || address === kmsg + layout.IpcKmsg_ikm_local) return true;
  const slots = machine.u32(kmsg + layout.IpcKmsg_ikm_ports);
  const end = slots + machine.u32(kmsg + layout.IpcKmsg_ikm_ports_max) * 8;
  return address >= slots && address < end && ((address - slots) & 7) === 0;
}

/** Whether an element with this owner is the processor's own, or nobody's. */
const ofHand = (owner, pid) => owner < OWNER_WORK && (owner === 0 || (owner & 0xff) === pid);

/** Whether it may keep its new value: it dies with the processor, is a hint, or is written again before it is read. */
function harmless(machine, pid, address, after, ownerOf) {
  const element = elementOf(machine, address);
  if (element === undefined) {
    return FREE_FRAMES.has(frameOwner(machine, address) & 0xf);
  }
  const { zone } = element;
  const field = address - element.address;
  if (field === DIRTY[zone] || (zone === layout.ZONE_TASK && HINTS.has(field))) return true;
  if (isKmsg(zone) && SAID_AGAIN.has(field)) return true;
  if (zone === layout.ZONE_WAITER && SETTLED.has(field)) return true;
  if (isKmsg(zone) && after !== 0 && after !== IP_DEAD && isRight(machine, element.address, address)) return false;
  const owner = ownerOf(element.address);
  // Out of the hand it goes with a note, unless to the zone.
  if (field === 0 && !ofHand(after, pid)) return false;
  return ofHand(owner, pid);
}
