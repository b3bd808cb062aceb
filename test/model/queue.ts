// The message queue: ipc/ipc_mqueue.ts, with ip_lock and ip_unlock of ipc/ipc_port.ts. The inbox is one word here too: flags in
// bits 0 to 2, newest kmsg in bits 3 to 7, msgcount in bits 8 to 15, qlimit in bits 16 to 23.

import { ATOMIC, PLAIN, type Run, Violation } from "./explore.ts";
import {
  journal_commit,
  journal_set,
  type Kmsg,
  lock_acquire,
  lock_forget,
  lock_open,
  lock_try,
  OWNER_LIVE,
  OWNER_QUEUED,
  OWNER_WAITING,
  type Port,
  type Processor,
  type World,
} from "./machine.ts";
import { ipc_pset_announce } from "./pset.ts";
import { MACH_MSG_SUCCESS, unlinked, type Waiter, WAITER_LINKED, waiter_complete, waiter_wake } from "./waiter.ts";

export const IMQ_CLOSED = 1;
export const IMQ_KICK = 2;
export const IMQ_BLOCKED = 4;
const IMQ_HEAD = 31 << 3;
const ONE = 1 << 8;

export const PUSH_DONE = 0;
export const PUSH_KICK = 1;
export const PUSH_FULL = 2;
export const PUSH_CLOSED = 3;

export const box_head = (box: number): number => (box & IMQ_HEAD) >>> 3;
export const box_count = (box: number): number => (box >>> 8) & 0xff;
export const box_qlimit = (box: number): number => box >>> 16;

export function port_alloc(world: World, name: string, qlimit: number): Port {
  const port: Port = {
    name,
    inbox: qlimit << 16,
    lock: world.lock(),
    active: true,
    dying: false,
    first: 0,
    last: 0,
    chain: 0,
    seqno: 0,
    receivers: [],
    senders: [],
    links: [],
    order: [],
  };
  world.ports.push(port);
  return port;
}

export function* ip_lock(me: Processor, port: Port): Run {
  yield* lock_acquire(me, port.lock);
  if (port.lock.dirty) yield* imq_settle(me, port);
}

export function* ip_unlock(me: Processor, port: Port): Run {
  yield* lock_open(me, port.lock);
  if (me.world.mutant !== "nobody looks after unlock") yield* imq_recheck(me, port);
  yield PLAIN;
  lock_forget(me, port.lock);
}

function cas(port: Port, before: number, after: number): boolean {
  if (port.inbox !== before) return false;
  port.inbox = after;
  return true;
}

export function* imq_push(port: Port, kmsg: Kmsg): Run<number> {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if (box & IMQ_CLOSED) return PUSH_CLOSED;
    if (box_count(box) >= box_qlimit(box) || box & IMQ_BLOCKED) return PUSH_FULL;
    kmsg.next = box_head(box);
    yield ATOMIC;
    if (!cas(port, box, ((box & ~IMQ_HEAD) + ONE) | (kmsg.id << 3))) continue;
    kmsg.place = "queue";
    port.order.push(kmsg.id);
    return box & IMQ_KICK ? PUSH_KICK : PUSH_DONE;
  }
}

export function* imq_recheck(me: Processor, port: Port): Run {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if ((box & IMQ_KICK) === 0 || box_head(box) === 0) return;
    if (!(yield* lock_try(me, port.lock))) return;
    if (port.lock.dirty) yield* imq_settle(me, port);
    yield* imq_kick_locked(me, port);
    yield* lock_open(me, port.lock);
    yield PLAIN;
    lock_forget(me, port.lock);
  }
}

export function* imq_kick_locked(me: Processor, port: Port): Run {
  if (!port.active) {
    yield* imq_flag_clear(port, IMQ_KICK);
    return;
  }
  yield* imq_drain(me, port);
  while (port.first !== 0 && port.receivers.length > 0) yield* imq_hand_over(me, port, port.receivers[0] as Waiter);
  if (port.receivers.length > 0) return;
  if (port.first !== 0) yield* ipc_pset_announce(me, port);
  if (port.first !== 0 || port.links.length === 0) yield* imq_flag_clear(port, IMQ_KICK);
}

function* imq_hand_over(me: Processor, port: Port, waiter: Waiter): Run {
  const kmsg = me.world.kmsg(port.first);
  journal_set(me, port, "receivers", unlinked(port.receivers, waiter));
  yield PLAIN;
  imq_unlink(me, port, kmsg, OWNER_WAITING);
  yield PLAIN;
  waiter_complete(me, waiter, MACH_MSG_SUCCESS, kmsg.id);
  yield PLAIN;
  const { generation } = waiter;
  if (me.world.mutant === "woken before the commit") yield* waiter_wake(me, waiter, generation);
  journal_commit(me);
  moved(kmsg, "queue", "waiter");
  if (me.world.mutant !== "woken before the commit") yield* waiter_wake(me, waiter, generation);
  yield* imq_release_slot(me, port);
}

/** Returns: the kmsg that is next, still queued, or null. */
export function* imq_peek(me: Processor, port: Port): Run<Kmsg | null> {
  if (port.first === 0) {
    yield ATOMIC;
    const box = port.inbox;
    const head = box_head(box);
    if (head === 0) return null;
    const kmsg = me.world.kmsg(head);
    if (kmsg.next === 0 && (box & IMQ_BLOCKED) === 0) return kmsg;
    yield* imq_drain(me, port);
  }
  return me.world.kmsg(port.first);
}

export function* imq_dequeue(me: Processor, port: Port, kmsg: Kmsg): Run {
  const direct = port.first === 0 && (yield* imq_claim(me, port, kmsg));
  yield ATOMIC;
  if (direct) {
    journal_set(me, port, "chain", 0);
    imq_take_rights(me, port, kmsg, me.pid);
  } else {
    if (port.first === 0) yield* imq_drain(me, port);
    imq_unlink(me, port, kmsg, me.pid);
  }
  yield PLAIN;
  journal_commit(me);
  moved(kmsg, "queue", "hand");
  if (!direct) yield* imq_release_slot(me, port);
}

function* imq_claim(me: Processor, port: Port, kmsg: Kmsg): Run<boolean> {
  yield ATOMIC;
  const box = port.inbox;
  if (box_head(box) !== kmsg.id || kmsg.next !== 0) return false;
  if (me.world.mutant !== "imq_chain cleared before the compare-and-swap") port.chain = kmsg.id;
  yield ATOMIC;
  if (cas(port, box, (box & ~IMQ_HEAD) - ONE)) return true;
  port.chain = 0;
  return false;
}

function imq_unlink(me: Processor, port: Port, kmsg: Kmsg, owner: number): void {
  if (port.first !== kmsg.id) throw new Violation("takes a message that is not the first");
  journal_set(me, port, "first", kmsg.forward);
  if (kmsg.forward === 0) journal_set(me, port, "last", 0);
  imq_take_rights(me, port, kmsg, owner);
}

function imq_take_rights(me: Processor, port: Port, kmsg: Kmsg, owner: number): void {
  journal_set(me, kmsg, "owner", owner);
  if (kmsg.numbered) return;
  journal_set(me, kmsg, "seqno", port.seqno);
  journal_set(me, port, "seqno", port.seqno + 1);
}

function* imq_release_slot(me: Processor, port: Port): Run {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if (box & IMQ_BLOCKED && box_count(box) <= box_qlimit(box) && box_qlimit(box) !== 0) {
      if (yield* imq_admit(me, port)) return;
      continue;
    }
    yield ATOMIC;
    if (cas(port, box, box - ONE)) return;
  }
}

function* imq_admit(me: Processor, port: Port): Run<boolean> {
  const waiter = port.senders[0];
  if (!waiter) {
    yield* imq_flag_clear(port, IMQ_BLOCKED);
    return false;
  }
  yield* imq_drain(me, port);
  const kmsg = me.world.kmsg(waiter.kmsg);
  journal_set(me, port, "senders", unlinked(port.senders, waiter));
  journal_set(me, kmsg, "owner", OWNER_QUEUED);
  yield PLAIN;
  journal_set(me, kmsg, "forward", 0);
  if (port.last !== 0) journal_set(me, me.world.kmsg(port.last), "forward", kmsg.id);
  else journal_set(me, port, "first", kmsg.id);
  yield PLAIN;
  journal_set(me, port, "last", kmsg.id);
  waiter_complete(me, waiter, MACH_MSG_SUCCESS, 0);
  yield PLAIN;
  journal_commit(me);
  moved(kmsg, "sender", "queue");
  enters(me.world, port, kmsg.id);
  yield* waiter_wake(me, waiter, waiter.generation);
  if (port.senders.length === 0) yield* imq_flag_clear(port, IMQ_BLOCKED);
  return true;
}

/** Notes a message that was linked behind the list, hence before what is in the inbox by now. */
function enters(world: World, port: Port, id: number): void {
  let later = 0;
  for (let at = box_head(port.inbox); at !== 0; at = world.kmsg(at).next) later++;
  port.order.splice(port.order.length - later, 0, id);
}

export function* imq_drain(me: Processor, port: Port): Run {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    const head = box_head(box);
    if (head === 0) return;
    if (me.world.mutant !== "imq_chain cleared before the compare-and-swap") port.chain = head;
    yield ATOMIC;
    if (!cas(port, box, box & ~IMQ_HEAD)) continue;
    yield ATOMIC; // recovery reads owners and list without the lock
    port.chain = head;
    yield* imq_append_chain(me, port);
    return;
  }
}

function* imq_append_chain(me: Processor, port: Port): Run {
  const newest = port.chain;
  let oldest = 0;
  for (let at = newest; at !== 0; at = me.world.kmsg(at).next) {
    yield ATOMIC;
    me.world.kmsg(at).forward = oldest;
    me.world.kmsg(at).owner = OWNER_QUEUED;
    oldest = at;
  }
  if (port.last !== 0) journal_set(me, me.world.kmsg(port.last), "forward", oldest);
  else journal_set(me, port, "first", oldest);
  yield PLAIN;
  journal_set(me, port, "last", newest);
  journal_set(me, port, "chain", 0);
  yield PLAIN;
  journal_commit(me);
}

export function* imq_settle(me: Processor, port: Port): Run {
  if (port.chain !== 0) {
    yield ATOMIC;
    let at = box_head(port.inbox);
    while (at !== 0 && at !== port.chain) at = me.world.kmsg(at).next;
    if (at !== 0) port.chain = 0;
    else yield* imq_append_chain(me, port);
  }
  const listed = list_of(me.world, port).length;
  while (me.world.mutant !== "recovery without counting") {
    yield ATOMIC;
    const box = port.inbox;
    if (box & IMQ_CLOSED) break;
    let count = listed;
    for (let at = box_head(box); at !== 0; at = me.world.kmsg(at).next) count++;
    yield ATOMIC;
    if (cas(port, box, (box & ~0xff00) | (count << 8))) break;
  }
  if (me.world.mutant !== "settling lets no sender in") yield* imq_let_in(me, port);
  yield PLAIN;
  port.lock.dirty = false;
}

/** Lets blocked senders in while there is room. */
function* imq_let_in(me: Processor, port: Port): Run {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if ((box & IMQ_BLOCKED) === 0 || box_count(box) >= box_qlimit(box)) return;
    if (port.senders.length === 0) {
      yield* imq_flag_clear(port, IMQ_BLOCKED);
      return;
    }
    yield ATOMIC;
    if (cas(port, box, box + ONE)) yield* imq_admit(me, port);
  }
}

export function* imq_arm(me: Processor, port: Port): Run<boolean> {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if (box_head(box) !== 0) return me.world.mutant === "armed beside a message";
    if (box & IMQ_KICK) return true;
    yield ATOMIC;
    if (cas(port, box, box | IMQ_KICK)) return true;
  }
}

function* imq_flag_clear(port: Port, flag: number): Run {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if ((box & flag) === 0) return;
    yield ATOMIC;
    if (cas(port, box, box & ~flag)) return;
  }
}

export function* imq_wait_receive(me: Processor, port: Port, waiter: Waiter): Run<boolean> {
  if (!(yield* imq_arm(me, port))) return false;
  yield* link(me, port, "receivers", waiter);
  return true;
}

export function* imq_wait_send(me: Processor, port: Port, waiter: Waiter, kmsg: Kmsg): Run<number> {
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    if (box & IMQ_CLOSED) return PUSH_CLOSED;
    if (box_count(box) < box_qlimit(box) && (box & IMQ_BLOCKED) === 0) {
      const outcome = yield* imq_push(port, kmsg);
      if (outcome !== PUSH_FULL) return outcome;
      continue;
    }
    if (box & IMQ_BLOCKED) break;
    yield ATOMIC;
    if (cas(port, box, box | IMQ_BLOCKED)) break;
  }
  waiter.kmsg = kmsg.id;
  journal_set(me, kmsg, "owner", OWNER_WAITING);
  yield* link(me, port, "senders", waiter);
  return PUSH_FULL;
}

function* link(me: Processor, port: Port, list: "receivers" | "senders", waiter: Waiter): Run {
  yield PLAIN;
  journal_set(me, port, list, [...port[list], waiter]);
  journal_set(me, waiter, "state", WAITER_LINKED);
  yield PLAIN;
  journal_set(me, waiter, "owner", OWNER_LIVE);
  yield PLAIN;
  journal_commit(me);
}

export function* imq_unwait_send(me: Processor, port: Port, waiter: Waiter): Run {
  journal_set(me, port, "senders", unlinked(port.senders, waiter));
  yield PLAIN;
  journal_set(me, me.world.kmsg(waiter.kmsg), "owner", me.pid);
  journal_set(me, waiter, "owner", me.pid);
  yield PLAIN;
  journal_commit(me);
  if (port.senders.length === 0) yield* imq_flag_clear(port, IMQ_BLOCKED);
}

export function* imq_unwait_receive(me: Processor, port: Port, waiter: Waiter): Run {
  journal_set(me, port, "receivers", unlinked(port.receivers, waiter));
  yield PLAIN;
  journal_set(me, waiter, "owner", me.pid);
  yield PLAIN;
  journal_commit(me);
}

export function* imq_put_back(me: Processor, port: Port, kmsg: Kmsg, waiter: Waiter): Run<boolean> {
  if (!port.active) return false;
  yield* imq_drain(me, port);
  journal_set(me, kmsg, "numbered", true);
  journal_set(me, kmsg, "forward", port.first);
  yield PLAIN;
  if (port.last === 0) journal_set(me, port, "last", kmsg.id);
  journal_set(me, port, "first", kmsg.id);
  journal_set(me, kmsg, "owner", OWNER_QUEUED);
  if (me.world.mutant !== "put back twice") journal_set(me, waiter, "kmsg", 0);
  yield PLAIN;
  journal_commit(me);
  moved(kmsg, "waiter", "queue");
  while (true) {
    yield ATOMIC;
    const box = port.inbox;
    yield ATOMIC;
    if (cas(port, box, box + ONE)) break;
  }
  yield* imq_kick_locked(me, port);
  return true;
}

export function* imq_close(me: Processor, port: Port): Run {
  while (true) {
    yield* imq_drain(me, port);
    yield ATOMIC;
    const box = port.inbox;
    if (box & IMQ_CLOSED) return;
    yield ATOMIC;
    if (box_head(box) === 0 && cas(port, box, box | IMQ_CLOSED)) return;
  }
}

/** Notes where a message went; it must have been where the protocol thinks. */
export function moved(kmsg: Kmsg, from: Kmsg["place"], to: Kmsg["place"]): void {
  if (kmsg.place !== from) throw new Violation(`message ${kmsg.id} goes to ${to}, but was with ${kmsg.place}`);
  kmsg.place = to;
}

/** The messages of the list, oldest first. */
export function list_of(world: World, port: Port): number[] {
  const list: number[] = [];
  for (let at = port.first; at !== 0; at = world.kmsg(at).forward) {
    if (list.includes(at)) throw new Violation(`message ${at} is on the list twice`);
    list.push(at);
  }
  return list;
}
