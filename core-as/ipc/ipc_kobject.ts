// Kernel objects: ports whose receiver is the kernel. Their queue is closed: a message to one is answered in the trap that sends it. What
// they stand for is in io_bits (IKOT_*) and ip_kobject.

import { journal_commit, journal_set } from "../kern/journal";
import { lock_acquire, lock_release, LOCK_TRANSIT } from "../kern/lock";
import { h_host_at, h_ip_transit_at } from "../kern/memory_map";
import { MIG_BAD_ID } from "../abi/kern_return";
import { MSGH_ID } from "../abi/message";
import { IKOT_HOST, IKOT_NONE } from "../abi/port";
import { imq_close } from "./ipc_inbox";
import { IKM_COUNTED, ikm_local_type, IKM_POST, IpcKmsg } from "./ipc_kmsg";
import { ipc_notify_make, ipc_notify_post } from "./ipc_notify";
import { IO_ACTIVE, io_bits_hint, IO_KERNEL, IO_KOTYPE_SHIFT, IO_PORT } from "./ipc_object";
import { IP_VALID, ipc_port_adopt, ipc_port_alloc, IpcPort } from "./ipc_port";

/**
 * Makes a port for a kernel object.
 *
 * Conditions: as ipc_port_alloc. Returns: the port, in this processor's hand, or null when memory is exhausted.
 */
export function ipc_kobject_alloc(kind: u32, object: usize): IpcPort | null {
  const port = ipc_port_alloc();
  if (!port) return null;
  imq_close(port);
  port._io_bits = IO_ACTIVE | IO_PORT | IO_KERNEL | (kind << IO_KOTYPE_SHIFT);
  port.ip_kobject = <u32>object;
  return port;
}

/** Which kind of kernel object the port stands for; IKOT_NONE: none, or it is dead. Conditions: the caller's knowledge keeps the port. */
export function ipc_kobject_kind(port: IpcPort): u32 {
  const bits = io_bits_hint(port);
  return bits & IO_ACTIVE ? bits >>> IO_KOTYPE_SHIFT : IKOT_NONE;
}

/**
 * The host's port; made when somebody asks first, and there as long as the kernel.
 *
 * Conditions: nothing above a space locked, nothing in the journal. Returns: its address, or 0 when memory is exhausted.
 */
export function ipc_host_port(): u32 {
  lock_acquire(h_ip_transit_at(), LOCK_TRANSIT);
  if (load<u32>(h_host_at()) == 0) {
    const port = ipc_kobject_alloc(IKOT_HOST, 0);
    if (port) {
      ipc_port_adopt(port);
      journal_set(h_host_at(), <u32>changetype<usize>(port));
      journal_commit();
    }
  }
  const host = load<u32>(h_host_at());
  lock_release(h_ip_transit_at(), LOCK_TRANSIT);
  return host;
}

/**
 * A211: answers a message to a kernel object. No routine is served by message, so that every identifier is unknown: the error reply
 * (header, NDR record, return code, as long as a notification with a word) says MIG_BAD_ID.
 *
 * Conditions: the kmsg is in this processor's hand, nothing in the journal; a space may be locked. Commits.
 * Consumes:   the reply right, if there is one and memory for the reply.
 */
export function ipc_kobject_server(kmsg: IpcKmsg): void {
  const to = kmsg.ikm_local;
  if (!IP_VALID(to)) return;
  const reply = ipc_notify_make(load<u32>(<usize>kmsg.ikm_bytes, MSGH_ID) + 100, MIG_BAD_ID);
  if (!reply) return;
  reply.ikm_types = ikm_local_type(kmsg) | IKM_COUNTED | IKM_POST;
  kmsg.ikm_local = 0;
  ipc_notify_post(reply, to);
  journal_commit();
}
