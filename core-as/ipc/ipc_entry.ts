// One slot of a space: what a name denotes. Guarded by the space's lock, but for the look-up of a receiver, which reads
// without it and is confirmed under the object's lock (io_names).
//
//   ie_bits   generation 8 | unused 2 | LISTED 1 | type 5 | urefs 16          the type bits are the user's
//
// A slot that was never used is all zero. A freed slot keeps the generation that its next name will have.

import { journal_set, journal_set_hint } from "../kern/journal";
import { hint_load } from "../sync/atomics";
import { MACH_PORT_TYPE_NONE } from "../abi/port";

/** The slot is on the free list (it may be in use again, claimed by name; it is then skipped when its turn comes). */
export const IE_LISTED: u32 = 0x200000;
const IE_TYPE_MASK: u32 = 0x1f0000;
const IE_UREFS_MASK: u32 = 0xffff;
/** Steps of the generation: its two low bits are always 1. */
const IE_GEN_STEP: u32 = 0x04000000;
const IE_GEN_FIRST: u32 = 0x03000000;

@unmanaged
export class IpcEntry {
  _ie_bits: u32;
  _ie_object: u32;
  _ie_request: u32;
  _ie_next: u32;

  get ie_bits(): u32 {
    return this._ie_bits;
  }
  set ie_bits(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcEntry>("_ie_bits"), value);
  }
  /** Port or set; 0 for a dead name. */
  get ie_object(): u32 {
    return this._ie_object;
  }
  set ie_object(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcEntry>("_ie_object"), value);
  }
  /** Armed dead-name request, or 0. */
  get ie_request(): u32 {
    return this._ie_request;
  }
  set ie_request(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcEntry>("_ie_request"), value);
  }
  /** Next on the free list. */
  get ie_next(): u32 {
    return this._ie_next;
  }
  set ie_next(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcEntry>("_ie_next"), value);
  }
}
export const IE_BYTES: u32 = 16;
if (offsetof<IpcEntry>() != IE_BYTES) ERROR("IpcEntry must stay 16 bytes");

export function entry_at(address: usize): IpcEntry {
  return changetype<IpcEntry>(address);
}

/** Bits and object as they seem to be without the space's lock. */
export function ie_bits_hint(entry: IpcEntry): u32 {
  return hint_load(changetype<usize>(entry) + offsetof<IpcEntry>("_ie_bits"));
}

export function ie_object_hint(entry: IpcEntry): u32 {
  return hint_load(changetype<usize>(entry) + offsetof<IpcEntry>("_ie_object"));
}

export function ie_gen(bits: u32): u32 {
  return bits >>> 24;
}

export function ie_type(bits: u32): u32 {
  return bits & IE_TYPE_MASK;
}

export function ie_urefs(bits: u32): u32 {
  return bits & IE_UREFS_MASK;
}

/** The bits with another type and count. */
export function ie_bits_with(bits: u32, type: u32, urefs: u32): u32 {
  return (bits & ~(IE_TYPE_MASK | IE_UREFS_MASK)) | type | urefs;
}

/** The bits of a free slot that is taken into use. */
export function ie_bits_claim(bits: u32, type: u32, urefs: u32): u32 {
  const gen = ie_gen(bits) == 0 ? IE_GEN_FIRST : bits & 0xff000000;
  return gen | (bits & IE_LISTED) | type | urefs;
}

/** The bits of a slot that is freed: its next name differs. */
export function ie_bits_free(bits: u32): u32 {
  return ((bits & 0xff000000) + IE_GEN_STEP) | IE_LISTED;
}

export function ie_used(bits: u32): bool {
  return ie_type(bits) != MACH_PORT_TYPE_NONE;
}
