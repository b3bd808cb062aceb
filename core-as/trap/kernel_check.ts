// The invariants of every object, read by one processor while nobody else runs: what tests and the simulator call after each step.
// A site number says what is broken: 0x40nn below.

import { word_load } from "../sync/atomics";
import { lock_none } from "../kern/lock";
import { me } from "../kern/processor";
import { waiter_at, WAITER_ASYNC, WAITER_DONE, WAITER_LINKED, WAITER_SEND } from "../kern/waiter";
import {
  OWNER_LIVE,
  OWNER_QUEUED,
  OWNER_WAITING,
  zone_next,
  ZONE_PORT,
  ZONE_PSET,
  ZONE_TASK,
  ZONE_WAITER,
} from "../kern/zone";
import {
  MACH_PORT_TYPE_PORT_SET,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_ONCE,
  name_make,
} from "../abi/port";
import { entry_at, ie_gen, IE_LISTED, ie_type, IpcEntry } from "../ipc/ipc_entry";
import { ipc_hash_lookup } from "../ipc/ipc_hash";
import { kmsg_at } from "../ipc/ipc_kmsg";
import {
  IMQ_BLOCKED,
  IMQ_CLOSED,
  imq_flags,
  imq_full,
  imq_inbox_head,
  IMQ_KICK,
  imq_msgcount,
  imq_qlimit,
} from "../ipc/ipc_inbox";
import { request_at, RQ_ARMED } from "../ipc/ipc_notify";
import { io_names, IO_PORT, IO_PSET } from "../ipc/ipc_object";
import { ip_active, ip_receivers_at, ip_senders_at, IpcPort, port_at } from "../ipc/ipc_port";
import { ips_waiters_at, IpcPset, link_at, pset_at } from "../ipc/ipc_pset";
import { IpcSpace, is_each, is_entry } from "../ipc/ipc_space";
import { hands_check } from "./kernel_check_hands";
import { memory_check } from "./kernel_check_vm";
import { trap_enter_any, trap_leave } from "./trap";

/**
 * Checks everything.
 *
 * Conditions: no other processor is in the kernel. Returns: 0, or the site of the first broken invariant.
 */
export function kernel_check(): u32 {
  trap_enter_any();
  return trap_leave(check());
}

function check(): u32 {
  if (me().p_journal_count != 0 || !lock_none()) return 0x4001;
  for (let at = zone_next(ZONE_PORT, 0); at != 0; at = zone_next(ZONE_PORT, at)) {
    const site = word_load(at) == OWNER_LIVE ? port_check(port_at(at)) : 0;
    if (site != 0) return site;
  }
  for (let at = zone_next(ZONE_PSET, 0); at != 0; at = zone_next(ZONE_PSET, at)) {
    const site = word_load(at) == OWNER_LIVE ? pset_check(pset_at(at)) : 0;
    if (site != 0) return site;
  }
  for (let at = zone_next(ZONE_TASK, 0); at != 0; at = zone_next(ZONE_TASK, at)) {
    const site = word_load(at) == OWNER_LIVE ? space_check(changetype<IpcSpace>(at)) : 0;
    if (site != 0) return site;
  }
  const site = hands_check();
  return site != 0 ? site : memory_check();
}

/** A port: unlocked, its queue whole and counted, nobody asleep beside a message. */
function port_check(port: IpcPort): u32 {
  if (port.io_lock != 0 || port.io_dirty != 0 || port.imq_chain != 0) return 0x4011;
  const queued = queue_length(port);
  if (queued == 0xffffffff) return 0x4012;
  const flags = imq_flags(port);
  if ((flags & IMQ_CLOSED) == 0 && queued != imq_msgcount(port)) return 0x4013;
  const receivers = load<u32>(ip_receivers_at(port));
  const senders = load<u32>(ip_senders_at(port));
  if (receivers != 0 && (queued != 0 || (flags & IMQ_KICK) == 0)) return 0x4014;
  if ((flags & IMQ_CLOSED) == 0) {
    const blocked = (flags & IMQ_BLOCKED) != 0;
    if ((senders != 0) != blocked || (blocked && queued < imq_qlimit(port))) return 0x4015;
    if (queued != 0 && (flags & IMQ_KICK) != 0) return 0x401d; // whoever kicked took it away
  }
  const at_port = changetype<usize>(port);
  if (!waiters_wait(ip_receivers_at(port), at_port, 0)) return 0x4016;
  if (!waiters_wait(ip_senders_at(port), at_port, WAITER_SEND)) return 0x401c;
  for (let at = senders; at != 0; at = waiter_at(at).w_link) {
    if (kmsg_at(waiter_at(at).w_kmsg).z_owner != OWNER_WAITING) return 0x4017;
  }
  for (let at = port.ip_links; at != 0; at = link_at(at).l_port_next) {
    if (link_at(at).l_port != changetype<usize>(port)) return 0x4018;
    if (link_at(at).l_ready == 0 && (queued != 0 || (flags & IMQ_KICK) == 0)) return 0x4019;
  }
  if (!ip_active(port) && (receivers != 0 || senders != 0 || port.ip_links != 0 || port.io_receiver != 0))
    return 0x401a;
  let requests: u32 = 0;
  let armed: u32 = 0;
  for (let at = port.ip_requests; at != 0; at = request_at(at).rq_next) {
    requests++;
    if (request_at(at).rq_wants == RQ_ARMED) armed++;
    if (request_at(at).rq_id != 0) return 0x401e;
  }
  if (armed != port.ip_sprequests) return 0x401e;
  if (armed != 0 && ip_active(port) && !imq_full(port)) return 0x401f; // somebody waits for room beside room
  return requests == port.ip_request_count ? 0 : 0x401b;
}

/** Whether all on the list are waiters of the object, of that kind, not answered yet, and the tail is the last of them. */
function waiters_wait(head_at: usize, object: usize, kind: u32): bool {
  let last: u32 = 0;
  for (let at = load<u32>(head_at); at != 0; at = waiter_at(at).w_link) {
    const waiter = waiter_at(at);
    if (waiter.z_owner != OWNER_LIVE || waiter.w_state != WAITER_LINKED) return false;
    if (waiter.w_object != object || (waiter.w_kind & WAITER_SEND) != kind) return false;
    last = at;
  }
  return load<u32>(head_at, 4) == last;
}

/** Messages in the queue, or 0xffffffff: an owner is wrong. */
function queue_length(port: IpcPort): u32 {
  let queued: u32 = 0;
  let last: u32 = 0;
  for (let at = port.imq_first; at != 0; at = kmsg_at(at).ikm_forward) {
    if (kmsg_at(at).z_owner != OWNER_QUEUED || kmsg_at(at).ikm_remote != changetype<usize>(port)) return 0xffffffff;
    last = at;
    queued++;
  }
  if (last != port.imq_last) return 0xffffffff;
  for (let at = imq_inbox_head(port); at != 0; at = kmsg_at(at).ikm_next) queued++;
  return queued;
}

/** A set: its ring is whole, and nobody is asleep beside a ready member. */
function pset_check(pset: IpcPset): u32 {
  if (pset.io_lock != 0) return 0x4021;
  if (load<u32>(ips_waiters_at(pset)) != 0 && pset.ips_ready != 0 && !pset_told(pset)) return 0x4022;
  if (!waiters_wait(ips_waiters_at(pset), changetype<usize>(pset), 0)) return 0x4027;
  let ready: u32 = 0;
  let last: u32 = 0;
  for (let at = pset.ips_ready; at != 0; at = link_at(at).l_ready_next) {
    if (link_at(at).l_ready == 0) return 0x4023;
    last = at;
    ready++;
  }
  if (last != pset.ips_ready_last) return 0x4024;
  for (let at = pset.ips_links; at != 0; at = link_at(at).l_set_next) {
    if (link_at(at).l_set != changetype<usize>(pset)) return 0x4025;
    ready -= link_at(at).l_ready;
  }
  return ready == 0 ? 0 : 0x4026;
}

/** Whether an event loop was told of a ready member and has still to look. */
function pset_told(pset: IpcPset): bool {
  for (let at = zone_next(ZONE_WAITER, 0); at != 0; at = zone_next(ZONE_WAITER, at)) {
    const waiter = waiter_at(at);
    if (waiter.z_owner != OWNER_LIVE || waiter.w_object != changetype<usize>(pset)) continue;
    if ((waiter.w_kind & WAITER_ASYNC) != 0 && waiter.w_state == WAITER_DONE) return true;
  }
  return false;
}

/** A space: every entry agrees with its object and with the reverse hash; the counts are right. */
function space_check(space: IpcSpace): u32 {
  if (space.is_lock != 0) return 0x4031;
  let entries: u32 = 0;
  let ports: u32 = 0;
  for (let index = is_each(space, 0); index != 0; index = is_each(space, index)) {
    const entry = entry_at(is_entry(space, index));
    const site = entry_check(space, entry, name_make(index, ie_gen(entry.ie_bits)));
    if (site != 0) return site;
    if (ie_type(entry.ie_bits) & MACH_PORT_TYPE_RECEIVE) ports++;
    entries++;
  }
  if (entries != space.is_entries || ports != space.is_ports) return 0x4032;
  return free_list_whole(space) && hash_whole(space) ? 0 : 0x4039;
}

/** Whether the free list has every slot that says so, once, and ends where the space says. */
function free_list_whole(space: IpcSpace): bool {
  let listed: u32 = 0;
  for (let index: u32 = 1; index < space.is_cursor; index++) {
    if (entry_at(is_entry(space, index)).ie_bits & IE_LISTED) listed++;
  }
  let last: u32 = 0;
  for (let at = space.is_free; at != 0; at = entry_at(is_entry(space, at)).ie_next) {
    if ((entry_at(is_entry(space, at)).ie_bits & IE_LISTED) == 0) return false;
    if (at < space.is_cursor) listed--;
    last = at;
  }
  return listed == 0 && last == space.is_free_last;
}

/** Whether the reverse hash counts the slots that are in use. */
function hash_whole(space: IpcSpace): bool {
  let used: u32 = 0;
  for (let slot: u32 = 0; slot < space.is_hash_slots; slot++) {
    if (load<u32>(<usize>space.is_hash + slot * 4) != 0) used++;
  }
  return used == space.is_hash_used;
}

function entry_check(space: IpcSpace, entry: IpcEntry, name: u32): u32 {
  const type = ie_type(entry.ie_bits);
  const address = changetype<usize>(space);
  if (type & MACH_PORT_TYPE_RECEIVE && !io_names(port_at(entry.ie_object), IO_PORT, address, name)) return 0x4033;
  if (type == MACH_PORT_TYPE_PORT_SET && !io_names(pset_at(entry.ie_object), IO_PSET, address, name)) return 0x4034;
  if (type & MACH_PORT_TYPE_SEND) {
    if (ipc_hash_lookup(space, entry.ie_object) != name) return 0x4035;
    if (port_at(entry.ie_object).ip_srights == 0) return 0x4036;
  }
  if (type == MACH_PORT_TYPE_SEND_ONCE && port_at(entry.ie_object).ip_sorights == 0) return 0x4037;
  if (entry.ie_request != 0 && request_at(entry.ie_request).rq_name != name) return 0x4038;
  return 0;
}
