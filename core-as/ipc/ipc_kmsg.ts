// A message in flight. The element holds what the kernel knows of it, then an array of the ports it carries, then the bytes
// that the user wrote and the receiver reads in place; a message that is too big for an element has array and bytes in a run of
// frames. The bytes are the user's: the kernel reads a word of them once, and keeps ports out of them, so that nothing that is
// written there later matters. Where a kmsg is says its owner (zone.ts).
//
//   IpcKmsg 88 | slots, 8 bytes each: port, received disposition | bytes: header 24, body | room for a trailer 64
//
// A descriptor has one slot. A guarded port's says that it is one (ipc_kmsg_guarded.ts), that of memory has entries of an address map
// (ipc_kmsg_memory.ts), that of an array of ports counts those behind it, one for each port (ipc_kmsg_ports.ts).

import { journal_set } from "../kern/journal";
import { FRAME_KMSG, frames_alloc, frames_free } from "../kern/frame";
import { FRAME_BYTES } from "../kern/param";
import {
  Element,
  owner_take,
  zone_alloc,
  zone_element_bytes,
  zone_free,
  zone_has,
  ZONE_KMSG_LARGE,
  ZONE_KMSG_MEDIUM,
  ZONE_KMSG_SMALL,
  zone_of,
} from "../kern/zone";
import { MACH_MSG_TYPE_PORT_SEND, MACH_MSGH_BITS_COMPLEX, MAX_TRAILER_SIZE } from "../abi/message";
import { word_add, word_sub } from "../sync/atomics";
import { IpcSpace, IS_BYTES, IS_QUOTA, is_serial } from "./ipc_space";

/** Flags of ikm_types. */
/** The destination right is counted in the port. */
export const IKM_COUNTED: u32 = 1 << 16;
/** A notification that must be delivered: whoever finds it in a dead hand posts it. */
export const IKM_POST: u32 = 1 << 17;
/** On a work list only to have its rights released; the kmsg itself goes back to the hand. */
export const IKM_KEEP: u32 = 1 << 18;
/** Carries a receive right. */
export const IKM_RECEIVE: u32 = 1 << 19;
/** The message is COMPLEX: what its sender's header said when it was copied in. */
export const IKM_COMPLEX: u32 = 1 << 21;
/** Has its sequence number already: it was put back. */
export const IKM_NUMBERED: u32 = 1 << 20;

/** Flag of a slot's second word: the first is the first entry of a chain of memory (vm/vm_copy.ts), or 0 for no bytes. */
export const SLOT_MEMORY: u32 = 1 << 29;

@unmanaged
export class IpcKmsg extends Element {
  /** Next older in the inbox. Written by the sender before it publishes the kmsg. */
  ikm_next: u32;
  /** Next newer on the list. Guarded by the port's lock. */
  _ikm_forward: u32;
  /** Address of the user's bytes. */
  ikm_bytes: u32;
  /** Bytes of the message, header included. */
  ikm_size: u32;
  /** Address of the ports array. */
  ikm_ports: u32;
  /** Slots that there are. */
  ikm_ports_max: u32;
  /** Destination: a port, or 0. */
  _ikm_remote: u32;
  /** Reply right: a port, IP_DEAD, or 0. */
  _ikm_local: u32;
  /** Received disposition of the destination, of the reply << 8, flags IKM_*. */
  ikm_types: u32;
  /** Slots that were filled. */
  ikm_ports_count: u32;
  ikm_seqno: u32;
  /** Serial number of the sending task, 0: the kernel. */
  ikm_sender_task: u32;
  ikm_sender_processor: u32;
  /** Name of the port it was received from. */
  ikm_local_name: u32;
  /** Bytes that the message may have. */
  ikm_capacity: u32;
  /** Frames of its run, 0: none. */
  ikm_frames: u32;
  /** Counter of the quota that it is charged to, or 0. */
  ikm_charged: u32;
  /** Ports before this one are released. A hint. */
  ikm_cursor: u32;
  /** Context of the port it was received from. */
  ikm_context: u32;
  /** Serial number of the task that the counter belonged to when it was charged. */
  ikm_charged_serial: u32;

  get ikm_forward(): u32 {
    return this._ikm_forward;
  }
  set ikm_forward(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcKmsg>("_ikm_forward"), value);
  }
  get ikm_remote(): u32 {
    return this._ikm_remote;
  }
  set ikm_remote(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcKmsg>("_ikm_remote"), value);
  }
  get ikm_local(): u32 {
    return this._ikm_local;
  }
  set ikm_local(value: u32) {
    journal_set(changetype<usize>(this) + offsetof<IpcKmsg>("_ikm_local"), value);
  }
}
export const IKM_HEADER_BYTES: u32 = 88;
if (offsetof<IpcKmsg>() != IKM_HEADER_BYTES) ERROR("IpcKmsg must stay 88 bytes");

export function kmsg_at(address: usize): IpcKmsg {
  return changetype<IpcKmsg>(address);
}

export function ikm_remote_type(kmsg: IpcKmsg): u32 {
  return kmsg.ikm_types & 0xff;
}

/** Whether the destination is one of a COPY_SEND that was not counted. */
export function ikm_uncounted(kmsg: IpcKmsg): bool {
  return ikm_remote_type(kmsg) == MACH_MSG_TYPE_PORT_SEND && (kmsg.ikm_types & IKM_COUNTED) == 0;
}

/** MACH_MSGH_BITS_COMPLEX or 0. */
export function ikm_complex(kmsg: IpcKmsg): u32 {
  return kmsg.ikm_types & IKM_COMPLEX ? MACH_MSGH_BITS_COMPLEX : 0;
}

export function ikm_local_type(kmsg: IpcKmsg): u32 {
  return (kmsg.ikm_types >>> 8) & 0xff;
}

/** Address of the port word of slot `index`; the received disposition follows it. */
export function ikm_port_at(kmsg: IpcKmsg, index: u32): usize {
  return kmsg.ikm_ports + index * 8;
}

/** Whether `address` is a kmsg element at all. */
export function ikm_valid(address: usize): bool {
  return (
    zone_has(ZONE_KMSG_SMALL, address) || zone_has(ZONE_KMSG_MEDIUM, address) || zone_has(ZONE_KMSG_LARGE, address)
  );
}

/**
 * Makes a kmsg with room for a message of `size` bytes and `ports` slots.
 *
 * Conditions: in a trap; any locks held. `size` at most MACH_MSG_SIZE_MAX.
 * Returns:    the kmsg, in this processor's hand, without rights; null when memory is exhausted.
 */
export function ipc_kmsg_alloc(size: u32, ports: u32): IpcKmsg | null {
  const room = ((size + 7) & ~7) + MAX_TRAILER_SIZE;
  const bytes = IKM_HEADER_BYTES + ports * 8 + room;
  let zone = ZONE_KMSG_SMALL;
  if (bytes > zone_element_bytes(ZONE_KMSG_SMALL)) zone = ZONE_KMSG_MEDIUM;
  if (bytes > zone_element_bytes(ZONE_KMSG_MEDIUM)) zone = ZONE_KMSG_LARGE;
  const inside = bytes <= zone_element_bytes(ZONE_KMSG_LARGE);
  if (!inside) zone = ZONE_KMSG_SMALL;
  const address = zone_alloc(zone);
  if (address == 0) return null;

  const kmsg = kmsg_at(address);
  kmsg.ikm_next = 0;
  kmsg._ikm_forward = 0;
  kmsg._ikm_remote = 0;
  kmsg._ikm_local = 0;
  kmsg.ikm_types = 0;
  kmsg.ikm_ports_count = 0;
  kmsg.ikm_ports_max = ports;
  kmsg.ikm_charged = 0;
  kmsg.ikm_cursor = 0;
  kmsg.ikm_frames = 0;
  kmsg.ikm_size = size;
  kmsg.ikm_capacity = size;
  kmsg.ikm_ports = <u32>address + IKM_HEADER_BYTES;
  if (!inside) {
    const count = (ports * 8 + room + FRAME_BYTES - 1) / FRAME_BYTES;
    const run = frames_alloc(count, 1, <u32>address | FRAME_KMSG);
    if (run == 0) {
      zone_free(zone, address);
      return null;
    }
    kmsg.ikm_ports = <u32>run;
    kmsg.ikm_frames = count;
  }
  kmsg.ikm_bytes = kmsg.ikm_ports + ports * 8;
  return kmsg;
}

/**
 * Frees a kmsg.
 *
 * Conditions: in this processor's hand, whatever flags its owner has; it holds no right.
 * Consumes:   the kmsg.
 */
export function ipc_kmsg_free(kmsg: IpcKmsg): void {
  const address = changetype<usize>(kmsg);
  owner_take(address);
  ipc_kmsg_discharge(kmsg);
  if (kmsg.ikm_frames != 0) {
    frames_free(kmsg.ikm_ports / FRAME_BYTES, kmsg.ikm_frames, <u32>address | FRAME_KMSG);
    kmsg.ikm_frames = 0;
  }
  zone_free(zone_of(address), address);
}

/** Distance from a quota's counter back to the serial number of its task: the task's element may be another's by now. */
export const CHARGE_SERIAL: usize = 24;

/** Bytes that the kmsg counts for in a task's quota. */
export function ikm_charge(kmsg: IpcKmsg): u32 {
  if (kmsg.ikm_frames != 0) return kmsg.ikm_frames * FRAME_BYTES;
  return zone_element_bytes(zone_of(changetype<usize>(kmsg)));
}

/**
 * Charges the kmsg to a task that has a quota. `used_at` is the task's counter, with the task's serial number at CHARGE_SERIAL
 * before it; `quota` its bound in bytes.
 *
 * Returns: false when the quota is used up; nothing is charged then.
 */
function ipc_kmsg_charge(kmsg: IpcKmsg, used_at: usize, quota: u32, serial: u32): bool {
  const bytes = ikm_charge(kmsg);
  // [S16] Add, look, take back: two that race may both be refused, never both let through.
  if (word_add(used_at, bytes) + bytes > quota) {
    word_sub(used_at, bytes);
    return false;
  }
  kmsg.ikm_charged_serial = serial;
  kmsg.ikm_charged = <u32>used_at;
  return true;
}

/** As ipc_kmsg_alloc, charged to the task of `space` if that has a quota. Returns: null also when the quota is used up. */
export function ipc_kmsg_alloc_charged(space: IpcSpace, size: u32, ports: u32): IpcKmsg | null {
  const kmsg = ipc_kmsg_alloc(size, ports);
  const quota_at = changetype<usize>(space) + IS_BYTES + IS_QUOTA;
  const quota = load<u32>(quota_at);
  if (!kmsg || quota == 0) return kmsg;
  if (ipc_kmsg_charge(kmsg, quota_at + 4, quota, is_serial(changetype<usize>(space)))) return kmsg;
  ipc_kmsg_free(kmsg);
  return null;
}

function ipc_kmsg_discharge(kmsg: IpcKmsg): void {
  const used_at: usize = kmsg.ikm_charged;
  if (used_at == 0) return;
  kmsg.ikm_charged = 0; // first: a death between charges too much, never too little
  if (load<u32>(used_at - CHARGE_SERIAL) == kmsg.ikm_charged_serial) word_sub(used_at, ikm_charge(kmsg)); // [S16]
}
