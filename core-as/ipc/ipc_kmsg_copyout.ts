// Ports become the receiver's names, and the trailer is written: the mirror of ipc_kmsg_copyin. The pseudo-receive of a send
// that failed after copyin is here too: it gives the sender its rights back (A99 to A105).

import {
  MACH_MSG_IPC_SPACE,
  MACH_MSG_SUCCESS,
  MACH_MSG_TRAILER_MINIMUM_SIZE,
  MACH_RCV_BODY_ERROR,
  MACH_RCV_GUARDED_DESC,
  MACH_RCV_HEADER_ERROR,
  MACH_RCV_TRAILER_AUDIT,
  MACH_RCV_TRAILER_CTX,
  MACH_RCV_TRAILER_SENDER,
  MACH_RCV_TRAILER_SEQNO,
  MACH_RCV_TRAILER_SHIFT,
  MAX_TRAILER_SIZE,
  MSGH_BASE_BYTES,
  MSGH_BITS,
  MSGH_DESCRIPTOR_BYTES,
  MSGH_HEADER_BYTES,
  MSGH_LOCAL_PORT,
  MSGH_REMOTE_PORT,
  MSGH_SIZE,
} from "../abi/message";
import {
  ikm_complex,
  IKM_COUNTED,
  IKM_KEEP,
  ikm_local_type,
  ikm_port_at,
  ikm_remote_type,
  IpcKmsg,
  SLOT_MEMORY,
} from "./ipc_kmsg";
import { ipc_kmsg_copyout_guarded, SLOT_GUARDED } from "./ipc_kmsg_guarded";
import { ipc_kmsg_copyout_memory } from "./ipc_kmsg_memory";
import { ipc_kmsg_copyout_array, SLOT_ARRAY, slot_array_count } from "./ipc_kmsg_ports";
import { journal_commit } from "../kern/journal";
import { OWNER_WORK } from "../kern/zone";
import { IO_GUARDED, IO_IMMOVABLE } from "./ipc_object";
import { reap_run } from "./ipc_reap";
import { reap_push } from "../kern/work";
import { ipc_right_copyout } from "./ipc_right_copy";
import { IpcSpace, is_lock, is_unlock } from "./ipc_space";

/** Bytes of the trailer that the receive options ask for (A130). */
export function ikm_trailer_bytes(option: u32): u32 {
  const element = (option >>> MACH_RCV_TRAILER_SHIFT) & 0xf;
  if (element == 0) return MACH_MSG_TRAILER_MINIMUM_SIZE;
  if (element == MACH_RCV_TRAILER_SEQNO) return 12;
  if (element == MACH_RCV_TRAILER_SENDER) return 20;
  if (element == MACH_RCV_TRAILER_AUDIT) return 52;
  if (element == MACH_RCV_TRAILER_CTX) return 56;
  return MAX_TRAILER_SIZE;
}

/**
 * Writes the trailer behind the message (A129 to A133).
 *
 * Returns: bytes of message and trailer together.
 */
export function ipc_kmsg_add_trailer(kmsg: IpcKmsg, option: u32): u32 {
  const size = kmsg.ikm_size;
  const bytes = ikm_trailer_bytes(option);
  const at = <usize>kmsg.ikm_bytes + size;
  store<u32>(at, 0);
  store<u32>(at, bytes, 4);
  if (bytes > 8) store<u32>(at, kmsg.ikm_seqno, 8);
  if (bytes > 12) {
    store<u32>(at, kmsg.ikm_sender_task, 12);
    store<u32>(at, kmsg.ikm_sender_processor, 16);
  }
  if (bytes > 20) {
    const sent = kmsg.ikm_sender_task != 0;
    store<u32>(at, kmsg.ikm_sender_task, 20);
    store<u32>(at, sent ? kmsg.ikm_sender_processor : 0, 24);
    for (let word: usize = 28; word < 52; word += 4) store<u32>(at + word, 0);
  }
  if (bytes > 52) store<u32>(at, kmsg.ikm_context, 52);
  if (bytes > 56) {
    store<u32>(at, 0, 56);
    store<u32>(at, 0, 60);
  }
  return size + bytes;
}

/**
 * Gives a received message's rights to the receiver and writes header and descriptors.
 *
 * Conditions: kmsg in this processor's hand, off its queue; nothing locked, nothing in the journal. `option`: the receiver's.
 * Consumes:   the kmsg's rights, in any case.
 * Returns:    MACH_MSG_SUCCESS; MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE, no room for the reply name: only a header is delivered;
 *             MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE, no room for a name of the body: it is 0; | MACH_MSG_VM_SPACE, no room or no
 *             quota for memory, | MACH_MSG_VM_KERNEL, no memory for an array: its address is 0.
 */
export function ipc_kmsg_copyout(space: IpcSpace, kmsg: IpcKmsg, option: u32): u32 {
  const bytes: usize = kmsg.ikm_bytes;
  const complex = ikm_complex(kmsg);
  const reply_at = changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
  let reply: u32 = kmsg.ikm_local;
  let code = MACH_MSG_SUCCESS;
  if (reply != 0 || kmsg.ikm_ports_count != 0) {
    is_lock(space);
    if (space.is_active == 0) {
      is_unlock(space);
      return ipc_kmsg_copyout_dest(kmsg, MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE);
    }
    reply = ipc_right_copyout(space, reply_at, ikm_local_type(kmsg), 0);
    if (kmsg.ikm_local != 0) {
      is_unlock(space);
      return ipc_kmsg_copyout_dest(kmsg, MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE);
    }
    const guards = option & MACH_RCV_GUARDED_DESC ? IO_GUARDED | IO_IMMOVABLE : 0;
    const trouble = complex ? copyout_body(space, kmsg, guards) : 0;
    if (trouble != 0) code = MACH_RCV_BODY_ERROR | trouble;
    is_unlock(space);
  }
  store<u32>(bytes, complex | ikm_local_type(kmsg) | (ikm_remote_type(kmsg) << 8), MSGH_BITS);
  store<u32>(bytes, kmsg.ikm_size, MSGH_SIZE);
  store<u32>(bytes, reply, MSGH_REMOTE_PORT);
  store<u32>(bytes, kmsg.ikm_local_name, MSGH_LOCAL_PORT);
  if (code != MACH_MSG_SUCCESS) ipc_kmsg_clean(kmsg);
  return code;
}

/**
 * Conditions: space locked, nothing in the journal. `guards` as in ipc_kmsg_copyout_guarded. Rights that find no room stay in the kmsg.
 * Returns:    0, or trouble bits.
 */
function copyout_body(space: IpcSpace, kmsg: IpcKmsg, guards: u32): u32 {
  let trouble: u32 = 0;
  let at = <usize>kmsg.ikm_bytes + MSGH_BASE_BYTES;
  for (let index: u32 = 0; index < kmsg.ikm_ports_count; index++, at += MSGH_DESCRIPTOR_BYTES) {
    const slot_at = ikm_port_at(kmsg, index);
    const type = load<u32>(slot_at, 4);
    if (type & SLOT_ARRAY) {
      trouble |= ipc_kmsg_copyout_array(space, kmsg, index, at);
      index += slot_array_count(type);
      continue;
    }
    if (type & SLOT_MEMORY) {
      trouble |= ipc_kmsg_copyout_memory(space, kmsg, index, at);
      continue;
    }
    if (type & SLOT_GUARDED) {
      trouble |= ipc_kmsg_copyout_guarded(space, kmsg, slot_at, at, guards);
      continue;
    }
    const name = ipc_right_copyout(space, slot_at, type, 0);
    if (load<u32>(slot_at) != 0) trouble |= MACH_MSG_IPC_SPACE;
    store<u32>(at, name);
    store<u32>(at, 0, 4);
    store<u32>(at, type << 16, 8); // pad16 0, disposition, type 0
  }
  return trouble;
}

/**
 * Delivers no more than the header (A116, A122): rights are released, size is 24, nobody to reply to; the bits are those of the message.
 *
 * Conditions: kmsg in this processor's hand, nothing locked. Consumes: its rights. Returns: `code`.
 */
export function ipc_kmsg_copyout_dest(kmsg: IpcKmsg, code: u32): u32 {
  const bytes: usize = kmsg.ikm_bytes;
  const complex = ikm_complex(kmsg);
  ipc_kmsg_clean(kmsg);
  kmsg.ikm_size = MSGH_HEADER_BYTES;
  store<u32>(bytes, complex | ikm_local_type(kmsg) | (ikm_remote_type(kmsg) << 8), MSGH_BITS);
  store<u32>(bytes, MSGH_HEADER_BYTES, MSGH_SIZE);
  store<u32>(bytes, 0, MSGH_REMOTE_PORT);
  store<u32>(bytes, kmsg.ikm_local_name, MSGH_LOCAL_PORT);
  return code;
}

/**
 * Releases all rights of a kmsg and keeps the kmsg, unless memory for notifications is exhausted: then ikm_working says so.
 *
 * Conditions: in this processor's hand, nothing locked, nothing in the journal.
 */
export function ipc_kmsg_clean(kmsg: IpcKmsg): void {
  kmsg.ikm_types |= IKM_KEEP;
  reap_push(changetype<usize>(kmsg));
  journal_commit();
  reap_run();
  if (!ikm_working(kmsg)) return;
  kmsg.ikm_types &= ~IKM_KEEP; // memory is exhausted: it is destroyed when there is some
}

/** Whether the kmsg is on a work list, and so not the caller's any more. */
export function ikm_working(kmsg: IpcKmsg): bool {
  return (kmsg.z_owner & 0xff00) == OWNER_WORK;
}

/** Destroys a kmsg and all it carries, at the latest when the trap ends. Conditions: as ipc_kmsg_clean, any locks held. */
export function ipc_kmsg_destroy(kmsg: IpcKmsg): void {
  reap_push(changetype<usize>(kmsg));
  journal_commit();
}

/**
 * Gives a sender its message back as if it had received it, but with the header as it was sent: remote is the destination.
 *
 * Conditions: kmsg in this processor's hand, its destination counted; nothing locked, nothing in the journal.
 * Consumes:   the kmsg's rights.
 * Returns:    0, or the trouble bits to be OR-ed into the code (A105).
 */
export function ipc_kmsg_copyout_pseudo(space: IpcSpace, kmsg: IpcKmsg): u32 {
  const bytes: usize = kmsg.ikm_bytes;
  const complex = ikm_complex(kmsg);
  const remote_at = changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_remote");
  const local_at = changetype<usize>(kmsg) + offsetof<IpcKmsg>("_ikm_local");
  let trouble: u32 = 0;
  is_lock(space);
  if (space.is_active == 0) {
    is_unlock(space);
    ipc_kmsg_clean(kmsg);
    return MACH_MSG_IPC_SPACE;
  }
  const remote = ipc_right_copyout(space, remote_at, ikm_remote_type(kmsg), 0);
  const local = ipc_right_copyout(space, local_at, ikm_local_type(kmsg), 0);
  if (complex) trouble = copyout_body(space, kmsg, IO_GUARDED);
  is_unlock(space);
  if (kmsg.ikm_remote != 0 || kmsg.ikm_local != 0) trouble |= MACH_MSG_IPC_SPACE;
  if (trouble != 0) ipc_kmsg_clean(kmsg);
  store<u32>(bytes, complex | ikm_remote_type(kmsg) | (ikm_local_type(kmsg) << 8), MSGH_BITS);
  store<u32>(bytes, kmsg.ikm_size, MSGH_SIZE);
  store<u32>(bytes, remote, MSGH_REMOTE_PORT);
  store<u32>(bytes, local, MSGH_LOCAL_PORT);
  kmsg.ikm_types &= ~IKM_COUNTED;
  return trouble;
}
