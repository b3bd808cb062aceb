// Guarded port descriptors (MACH_MSG_GUARDED_PORT_DESCRIPTOR): receive rights that a sender gives away only if it knows the guard, and
// that a receiver finds guarded, by the address where the message is (A124, A125). In a message's slot such a right is a receive right
// like every other, with a flag.
//
//   guarded port descriptor  0 context | 4 name | 8 flags u16 | 10 disposition u8 | 11 type u8

import { journal_commit } from "../kern/journal";
import {
  MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE,
  MACH_MSG_GUARD_FLAGS_MASK,
  MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
  MACH_MSG_GUARDED_PORT_DESCRIPTOR,
  MACH_MSG_IPC_SPACE,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_PORT_RECEIVE,
  MACH_SEND_INVALID_RIGHT,
} from "../abi/message";
import { MACH_PORT_NULL, MACH_PORT_TYPE_RECEIVE } from "../abi/port";
import { ie_type } from "./ipc_entry";
import { ikm_port_at, IpcKmsg } from "./ipc_kmsg";
import { ipc_kmsg_copyin_port } from "./ipc_kmsg_copyin";
import { IO_GUARDED } from "./ipc_object";
import { ip_lock, ip_unlock, IP_VALID, port_at } from "./ipc_port";
import { reap_slot_receive } from "./ipc_reap";
import { ipc_right_lookup } from "./ipc_right";
import { ipc_right_copyout } from "./ipc_right_copy";
import { IpcSpace } from "./ipc_space";

/** Flag of a slot's second word: it came by a guarded descriptor; above the received disposition are its flags. */
export const SLOT_GUARDED: u32 = 1 << 30;

/**
 * Copies the right of the guarded descriptor at `at` into the next slot.
 *
 * Conditions, Consumes: as ipc_kmsg_copyin_body.
 * Returns: as ipc_kmsg_copyin_port; MACH_SEND_INVALID_RIGHT also when the context is not the guard, or the port is not guarded and the
 *          descriptor does not say so.
 */
export function ipc_kmsg_copyin_guarded(space: IpcSpace, kmsg: IpcKmsg, at: usize): u32 {
  const context = load<u32>(at);
  const name = load<u32>(at, 4);
  const flags = <u32>load<u16>(at, 8) & MACH_MSG_GUARD_FLAGS_MASK;
  const entry = ipc_right_lookup(space, name); // 0 and 0xffffffff denote nothing
  if (entry && (ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE) != 0) {
    const port = port_at(entry.ie_object);
    const unguarded = (flags & MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND) != 0 && context == 0;
    const known = port.io_bits & IO_GUARDED ? port.ip_context == context : unguarded;
    if (!known) return MACH_SEND_INVALID_RIGHT;
  }
  const code = ipc_kmsg_copyin_port(space, kmsg, name, MACH_MSG_TYPE_MOVE_RECEIVE);
  if (code == MACH_MSG_SUCCESS) {
    const slot_at = ikm_port_at(kmsg, kmsg.ikm_ports_count - 1);
    store<u32>(slot_at, SLOT_GUARDED | (flags << 8) | MACH_MSG_TYPE_PORT_RECEIVE, 4);
  }
  return code;
}

/**
 * Gives the receive right of a slot with SLOT_GUARDED to the space and writes the descriptor at `at`. `guards`: flags of io_bits with
 * which it is guarded; 0: the receiver does not know of such descriptors, and the right is destroyed.
 *
 * Conditions: as copyout_body. Returns: 0, or MACH_MSG_IPC_SPACE: the right is still in its slot.
 */
export function ipc_kmsg_copyout_guarded(space: IpcSpace, kmsg: IpcKmsg, slot_at: usize, at: usize, guards: u32): u32 {
  const object = load<u32>(slot_at);
  let flags = (load<u32>(slot_at, 4) >>> 8) & MACH_MSG_GUARD_FLAGS_MASK;
  let name = MACH_PORT_NULL;
  let context: u32 = 0;
  if (guards == 0 && IP_VALID(object)) {
    reap_slot_receive(slot_at, port_at(object));
  } else {
    if (IP_VALID(object) && (flags & MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE) != 0) {
      context = kmsg.ikm_bytes;
      const port = port_at(object);
      ip_lock(port);
      port.io_bits = port.io_bits | guards;
      port.ip_context = context;
      journal_commit();
      ip_unlock(port);
    }
    name = ipc_right_copyout(space, slot_at, MACH_MSG_TYPE_PORT_RECEIVE, 0);
  }
  // Who destroys the message has to unguard what is guarded.
  if (context != 0) flags &= ~MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND;
  else flags |= MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND;
  store<u32>(at, context);
  store<u32>(at, name, 4);
  store<u32>(at, flags | (MACH_MSG_TYPE_PORT_RECEIVE << 16) | (MACH_MSG_GUARDED_PORT_DESCRIPTOR << 24), 8);
  return load<u32>(slot_at) != 0 ? MACH_MSG_IPC_SPACE : 0;
}
