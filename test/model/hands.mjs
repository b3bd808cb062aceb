// Where every element is: what is in a hand is in the hand of somebody inside the kernel; magazines hold what says so, counted.

import * as layout from "../../dist/abi/layout.gen.js";
import { KERNEL_PAGES, PROCESSORS, recordOf } from "./memory.mjs";

const MAGAZINES = layout.Processor_p_magazines;
/** Bytes of an element of each zone, and elements of a slab, in the model build. */
const BYTES = [128, 64, 256, 1280, 4352, 256, 64, 64, 64, 64, 64];
const SLAB_ELEMENTS = 12;
const FRAME_TABLE = layout.PROCESSORS + PROCESSORS * layout.PROCESSOR_SIZE;
const HELD = 0x100;
const MAGAZINE = 0x200;
const WORK = 0x300;
const LIVE = 0x10000;
/** A port's inbox: its newest message, with flags in the low bits. */
const INBOX = 8;
const INBOX_FLAGS = 63;

/** The owner words of all frames. */
function* frames(machine) {
  const { HEADER } = layout;
  const last = Math.min(
    machine.u32(HEADER + layout.Header_h_pages) << 4,
    machine.u32(HEADER + layout.Header_h_frames_max),
  );
  for (let frame = 0; frame < last; frame++) yield machine.u32(FRAME_TABLE + frame * 4);
}

/** The owner words of all elements that are not free: [owner, zone, address]. */
export function* owned(machine) {
  let frame = -1;
  for (const kind of frames(machine)) {
    frame++;
    if ((kind & 0xf) !== 2) continue;
    const bytes = BYTES[kind >>> 4];
    for (let at = 64, n = 0; n < SLAB_ELEMENTS; at += bytes, n++) {
      const owner = machine.u32((frame << 12) + at);
      if (owner !== 0) yield [owner, kind >>> 4, (frame << 12) + at];
    }
  }
}

/** Address of the owner word of the frame that an address is part of. */
export const frameOwnerAt = (address) => FRAME_TABLE + (address >>> 12) * 4;

export const isFrameOwner = (address) => address >= FRAME_TABLE && address < FRAME_TABLE + (KERNEL_PAGES << 6);

export function frameOwner(machine, address) {
  return machine.u32(frameOwnerAt(address));
}

/** The element that an address is part of, or undefined. */
export function elementOf(machine, address) {
  let frame = address >>> 12;
  while ((machine.u32(FRAME_TABLE + frame * 4) & 0xf) === 3) frame--;
  const kind = machine.u32(FRAME_TABLE + frame * 4);
  const from = (frame << 12) + 64;
  if ((kind & 0xf) !== 2 || address < from) return undefined;
  const zone = kind >>> 4;
  return { zone, address: from + Math.floor((address - from) / BYTES[zone]) * BYTES[zone] };
}

/** A frame of a slab that is none, or in the hand of somebody who is not in the kernel. */
function tornSlab(machine) {
  const kinds = [...frames(machine)];
  for (const [frame, owner] of kinds.entries()) {
    const first = kinds[frame & ~(layout.SLAB_FRAMES - 1)] & 0xf;
    if ((owner & 0xf) === 3 && first !== 1 && first !== 2) return `frame ${frame} is of a slab that is none`;
    const state = (owner & 0xf) === 1 ? machine.u32(recordOf(owner >>> 4)) & 0xff : undefined;
    if (state === layout.PROCESSOR_USER || state === layout.PROCESSOR_FREE)
      return `frame ${frame} is in the hand of ${owner >>> 4}, who is in state ${state}`;
  }
  return undefined;
}

/** Live elements of each zone, and frames that hold neither an element nor the tables. */
export function census(machine) {
  const kinds = new Array(16).fill(0);
  for (const owner of frames(machine)) kinds[owner & 0xf]++;
  const used = new Array(BYTES.length).fill(0);
  for (const [owner, zone] of owned(machine)) if ((owner & 0xff00) !== MAGAZINE) used[zone]++;
  return { used, hands: kinds[1], spaces: kinds[4], kmsgs: kinds[5], objects: kinds[7], pmaps: kinds[8] };
}

/** Identifiers of the messages that are in a processor's hand, inside a trap or between two. */
export function inHand(machine, pid) {
  const found = [];
  for (const [owner, zone, address] of owned(machine)) {
    const kmsg = zone >= layout.ZONE_KMSG_SMALL && zone <= layout.ZONE_KMSG_LARGE;
    if (!kmsg || (owner !== pid && owner !== (HELD | pid))) continue;
    found.push(machine.u32(machine.u32(address + layout.IpcKmsg_ikm_bytes) + 20));
  }
  return found;
}

/** Messages that were published and not taken yet: they keep their sender's number. */
function inInboxes(machine) {
  const published = new Set();
  for (const [owner, zone, address] of owned(machine)) {
    if (zone !== layout.ZONE_PORT || (owner !== LIVE && (owner & 0xff00) !== WORK)) continue;
    for (
      let at = machine.u32(address + INBOX) & ~INBOX_FLAGS;
      at !== 0;
      at = machine.u32(at + layout.IpcKmsg_ikm_next)
    ) {
      published.add(at >>> 0);
    }
  }
  return published;
}

/** Returns: what is wrong, or undefined. Conditions: nothing runs. */
export function misplaced(machine) {
  const torn = tornSlab(machine);
  if (torn !== undefined) return torn;
  const spare = new Map();
  const published = inInboxes(machine);
  for (const [owner, zone, address] of owned(machine)) {
    if (owner >= LIVE || published.has(address)) continue;
    const pid = owner & 0xff;
    const where = owner & 0xff00;
    const state = machine.u32(recordOf(pid)) & 0xff;
    const away = [layout.PROCESSOR_USER, layout.PROCESSOR_KERNEL, layout.PROCESSOR_FREE].includes(state); // or it sleeps
    if (where === 0 && away) return `0x${address.toString(16)} is in the hand of ${pid}, who is in state ${state}`;
    if (where === WORK && away) return `0x${address.toString(16)} is work that ${pid}, in state ${state}, has not done`;
    if (where !== 0 && state === layout.PROCESSOR_FREE) return `0x${address.toString(16)} is the dead ${pid}'s`;
    if (where === MAGAZINE) spare.set(pid * 16 + zone, (spare.get(pid * 16 + zone) ?? 0) + 1);
  }
  for (let pid = 1; pid < PROCESSORS; pid++) {
    const state = machine.u32(recordOf(pid)) & 0xff;
    if (state !== layout.PROCESSOR_USER && state !== layout.PROCESSOR_FREE) continue;
    for (let zone = 0; zone < BYTES.length; zone++) {
      const head = recordOf(pid) + MAGAZINES + zone * 8;
      const count = machine.u32(head + 4);
      let length = 0;
      for (let at = machine.u32(head); at !== 0 && length <= count; at = machine.u32(at + 4)) length++;
      const says = spare.get(pid * 16 + zone) ?? 0;
      if (length !== count || says !== count)
        return `magazine ${zone} of ${pid}: ${length} elements, ${count} counted, ${says} say so`;
    }
  }
  return undefined;
}
