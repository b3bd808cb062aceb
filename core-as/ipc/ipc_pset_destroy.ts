// Destroying a port set: members and receivers leave, one a step.

import { journal_commit } from "../kern/journal";
import { my_pid } from "../kern/processor";
import { waiter_at, waiter_complete, waiter_wake, waiters_remove } from "../kern/waiter";
import { MACH_RCV_PORT_DIED } from "../abi/message";
import { IO_ACTIVE } from "./ipc_object";
import { ip_lock, ip_unlock } from "./ipc_port";
import {
  ipc_pset_release_locked,
  ipc_pset_remove,
  IpcPset,
  ips_lock,
  ips_unlock,
  ips_waiters_at,
  link_at,
  link_port,
} from "./ipc_pset";
import { reap_pop, reap_push } from "../kern/work";

/**
 * Destroys a set: at once it is dead to all; members leave and receivers wake as work.
 *
 * Conditions: set locked, in a transaction. Commits and unlocks.
 */
export function ipc_pset_destroy_locked(pset: IpcPset): void {
  pset.io_bits = pset.io_bits & ~IO_ACTIVE;
  pset.io_receiver = 0;
  pset.io_name = 0;
  reap_push(changetype<usize>(pset));
  journal_commit();
  ips_unlock(pset);
}

/**
 * One step of a set's destruction.
 *
 * Conditions: nothing locked, nothing in the journal; the set is first on the work list. Commits.
 */
export function reap_pset(pset: IpcPset): void {
  ips_lock(pset);
  const waiters_at = ips_waiters_at(pset);
  if (load<u32>(waiters_at) != 0) {
    const waiter = waiter_at(load<u32>(waiters_at));
    waiters_remove(waiters_at, waiter);
    waiter_complete(waiter, MACH_RCV_PORT_DIED, 0);
    journal_commit();
    ips_unlock(pset);
    waiter_wake(waiter);
    return;
  }
  const link = pset.ips_links;
  if (link == 0) {
    reap_pop(changetype<usize>(pset), my_pid());
    ipc_pset_release_locked(pset);
    return;
  }
  // Port before set: the member is read first and confirmed under the port's lock.
  const port = link_port(link_at(link));
  ips_unlock(pset);
  ip_lock(port);
  for (let at = port.ip_links; at != 0; at = link_at(at).l_port_next) {
    if (at != link || link_at(at).l_set != changetype<usize>(pset)) continue;
    ipc_pset_remove(port, link_at(at));
    break;
  }
  ip_unlock(port);
}
