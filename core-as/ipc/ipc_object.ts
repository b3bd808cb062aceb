// What ports and port sets have in common: lock, state, and where the receive right is. Both kinds keep these words at the same
// places, so that a name may be looked up without the space's lock: whatever the pointer turns out to be, its lock can be
// taken, and under the lock io_names says whether it is what was meant.

import { journal_set_hint } from "../kern/journal";
import { Element } from "../kern/zone";
import { hint_load, hint_store } from "../sync/atomics";

/** The object lives. */
export const IO_ACTIVE: u32 = 1;
export const IO_PORT: u32 = 2;
export const IO_PSET: u32 = 4;
/** A port whose receiver is the kernel; from bit 16 on which kind of kernel object it stands for (IKOT_*). */
export const IO_KERNEL: u32 = 8;
export const IO_KOTYPE_SHIFT: u32 = 16;

/**
 * A guarded port: its holder may not destroy the receive right but by mach_port_destruct with the guard, which is ip_context. Like
 * ip_context they change only under the locks of port and space, so that either is enough to look.
 */
export const IO_GUARDED: u32 = 16;
/** The guard is not shown, and only unguard changes it. */
export const IO_STRICT: u32 = 32;
/** The receive right is not moved by its holder, guarded or not. */
export const IO_IMMOVABLE: u32 = 64;

@unmanaged
export class IpcObject extends Element {
  /** Ports: the mqueue's inbox, see ipc_mqueue.ts. Atomic. */
  imq_inbox: u64;
  /** Owner lock. Atomic. */
  io_lock: u32;
  /** 1: the last owner died; settle what is not journalled. */
  io_dirty: u32;
  // Guarded by io_lock.
  _io_bits: u32;
  /** Space that holds the receive right or the set; 0: in transit or dead. */
  _io_receiver: u32;
  /** Its name there. */
  _io_name: u32;

  get io_bits(): u32 {
    return this._io_bits;
  }
  set io_bits(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcObject>("_io_bits"), value);
  }
  get io_receiver(): u32 {
    return this._io_receiver;
  }
  set io_receiver(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcObject>("_io_receiver"), value);
  }
  get io_name(): u32 {
    return this._io_name;
  }
  set io_name(value: u32) {
    journal_set_hint(changetype<usize>(this) + offsetof<IpcObject>("_io_name"), value);
  }
}
if (offsetof<IpcObject>("io_lock") != 16) ERROR("io_lock must be at 16");

/** What follows the lock words: cleared when an element becomes a new object. */
export const IO_CLEAR: usize = 24;
if (offsetof<IpcObject>("_io_bits") != IO_CLEAR) ERROR("IO_CLEAR is wrong");

export function io_lock_at(object: usize): usize {
  return object + offsetof<IpcObject>("io_lock");
}

/** Says where a new object is. Conditions: nothing points to it yet, so that no note is needed. */
export function io_place(object: usize, space: usize, name: u32): void {
  hint_store(object + offsetof<IpcObject>("_io_receiver"), <u32>space);
  hint_store(object + offsetof<IpcObject>("_io_name"), name);
}

/** Whether the object is what `name` denotes in `space`. Conditions: locked. */
export function io_names(object: IpcObject, kind: u32, space: usize, name: u32): bool {
  return (
    (object.io_bits & (IO_ACTIVE | kind)) == (IO_ACTIVE | kind) && object.io_receiver == space && object.io_name == name
  );
}

/** The object's name as it seems to be without its lock. */
export function io_name_hint(object: IpcObject): u32 {
  return hint_load(changetype<usize>(object) + offsetof<IpcObject>("_io_name"));
}

/** The object's receiver as it seems to be without its lock. */
export function io_receiver_hint(object: IpcObject): u32 {
  return hint_load(changetype<usize>(object) + offsetof<IpcObject>("_io_receiver"));
}

/** The object's bits as they seem to be without its lock. */
export function io_bits_hint(object: IpcObject): u32 {
  return hint_load(changetype<usize>(object) + offsetof<IpcObject>("_io_bits"));
}

/** Whether the object seems to live. Conditions: none; who acts on "no" looks again under the lock. */
export function io_active_hint(object: IpcObject): bool {
  return (io_bits_hint(object) & IO_ACTIVE) != 0;
}
