// Port sets: ipc/ipc_pset.ts, and receive_set of ipc/ipc_receive.ts.

import { ATOMIC, PLAIN, type Run } from "./explore.ts";
import {
  journal_commit,
  journal_set,
  type Link,
  lock_acquire,
  lock_release,
  OWNER_LIVE,
  type Port,
  type Processor,
  type Pset,
  type Waiter,
  type World,
} from "./machine.ts";
import { imq_arm, imq_dequeue, imq_peek, ip_lock, ip_unlock } from "./queue.ts";
import {
  ipc_receive_finish,
  MACH_MSG_SUCCESS,
  RETRY,
  SLEEP_LOOK,
  SLEEP_WOKEN,
  TIMED_OUT,
  unlinked,
  waiter_alloc,
  waiter_complete,
  waiter_free,
  WAITER_LINKED,
  waiter_settle,
  waiter_sleep,
  waiter_wake,
} from "./waiter.ts";

/** A set whose members are empty ports. */
export function pset_alloc(world: World, members: readonly Port[], kick: number): Pset {
  const pset: Pset = { lock: world.lock(), links: [], ready: [], waiters: [] };
  pset.links = members.map((port) => ({ port, pset, ready: false }));
  for (const link of pset.links) {
    link.port.links = [link];
    link.port.inbox |= kick;
  }
  world.psets.push(pset);
  return pset;
}

/** What rouse gives: a completed waiter and its generation, to be woken once that is committed. */
type Roused = readonly [Waiter, number] | null;

function* wake_and_unlock(me: Processor, pset: Pset, roused: Roused): Run {
  const late = me.world.mutant === "a set's waiter woken after unlock";
  if (roused && !late) yield* waiter_wake(me, ...roused);
  yield* lock_release(me, pset.lock);
  if (roused && late) yield* waiter_wake(me, ...roused);
}

export function* ipc_pset_announce(me: Processor, port: Port): Run {
  for (const link of port.links) {
    const { pset } = link;
    yield* lock_acquire(me, pset.lock);
    const roused = link.ready ? null : yield* ipc_pset_ready(me, pset, link);
    yield PLAIN;
    journal_commit(me);
    yield* wake_and_unlock(me, pset, roused);
  }
}

function* ipc_pset_ready(me: Processor, pset: Pset, link: Link): Run<Roused> {
  journal_set(me, pset, "ready", [...pset.ready, link]);
  yield ATOMIC; // the hint may be read now
  journal_set(me, link, "ready", true);
  return ipc_pset_rouse(me, pset);
}

export function ipc_pset_rouse(me: Processor, pset: Pset): Roused {
  const waiter = pset.waiters[0];
  if (!waiter) return null;
  journal_set(me, pset, "waiters", unlinked(pset.waiters, waiter));
  waiter_complete(me, waiter, RETRY, 0);
  return [waiter, waiter.generation];
}

function ipc_pset_idle(me: Processor, pset: Pset, link: Link): void {
  const ready = pset.ready.filter((other) => other !== link);
  journal_set(me, pset, "ready", ready);
  journal_set(me, link, "ready", false);
}

function* ipc_pset_rotate(me: Processor, pset: Pset, link: Link, port: Port): Run<Roused> {
  while (!(yield* imq_peek(me, port))) {
    if (!(yield* imq_arm(me, port))) continue;
    ipc_pset_idle(me, pset, link);
    yield ATOMIC;
    const other = pset.ready.length > 0 ? ipc_pset_rouse(me, pset) : null;
    yield PLAIN;
    journal_commit(me);
    return other;
  }
  ipc_pset_idle(me, pset, link);
  yield ATOMIC;
  const roused = yield* ipc_pset_ready(me, pset, link);
  yield PLAIN;
  journal_commit(me);
  return roused;
}

export function* ipc_pset_unwait(me: Processor, pset: Pset, waiter: Waiter): Run {
  journal_set(me, pset, "waiters", unlinked(pset.waiters, waiter));
  journal_set(me, waiter, "owner", me.pid);
  yield PLAIN;
  journal_commit(me);
}

/** ipc_pset_remove_all. Conditions: port locked. */
export function* ipc_pset_remove_all(me: Processor, port: Port): Run {
  for (const link of port.links) {
    const { pset } = link;
    yield* lock_acquire(me, pset.lock);
    journal_set(
      me,
      port,
      "links",
      port.links.filter((other) => other !== link),
    );
    journal_set(
      me,
      pset,
      "links",
      pset.links.filter((other) => other !== link),
    );
    yield PLAIN;
    if (link.ready) ipc_pset_idle(me, pset, link);
    yield PLAIN;
    journal_commit(me);
    yield* lock_release(me, pset.lock);
  }
}

/** Wakes a receiver of every set that has something ready. */
export function* rouse_sets(me: Processor): Run {
  for (const pset of me.world.psets) {
    yield* lock_acquire(me, pset.lock);
    const roused = pset.ready.length > 0 ? ipc_pset_rouse(me, pset) : null;
    yield PLAIN;
    journal_commit(me);
    yield* wake_and_unlock(me, pset, roused);
  }
}

export function* receive_set(me: Processor, pset: Pset, deadline: boolean): Run<number> {
  while (true) {
    yield ATOMIC;
    const ready = pset.ready[0];
    const code = ready ? yield* receive_member(me, pset, ready) : yield* wait_set(me, pset, deadline);
    if (code !== RETRY) return code;
  }
}

function* receive_member(me: Processor, pset: Pset, link: Link): Run<number> {
  const { port } = link;
  yield* ip_lock(me, port);
  yield* lock_acquire(me, pset.lock);
  if (!link.ready) {
    yield* lock_release(me, pset.lock);
    yield* ip_unlock(me, port);
    return RETRY;
  }
  const kmsg = yield* imq_peek(me, port);
  if (kmsg) yield* imq_dequeue(me, port, kmsg);
  const other = yield* ipc_pset_rotate(me, pset, link, port);
  const late = me.world.mutant === "a set's waiter woken after unlock";
  yield* wake_and_unlock(me, pset, late ? null : other);
  yield* ip_unlock(me, port);
  if (late && other) yield* waiter_wake(me, ...other);
  if (!kmsg) return RETRY;
  yield* ipc_receive_finish(me, kmsg.id);
  return MACH_MSG_SUCCESS;
}

function* wait_set(me: Processor, pset: Pset, deadline: boolean): Run<number> {
  yield* lock_acquire(me, pset.lock);
  if (pset.ready.length > 0) {
    yield* lock_release(me, pset.lock);
    return RETRY;
  }
  const waiter = waiter_alloc(me, { pset });
  journal_set(me, pset, "waiters", [...pset.waiters, waiter]);
  journal_set(me, waiter, "state", WAITER_LINKED);
  yield PLAIN;
  journal_set(me, waiter, "owner", OWNER_LIVE);
  yield PLAIN;
  journal_commit(me);
  yield* lock_release(me, pset.lock);
  return yield* sleep_set(me, pset, waiter, deadline);
}

function* sleep_set(me: Processor, pset: Pset, waiter: Waiter, deadline: boolean): Run<number> {
  while (true) {
    const end = yield* waiter_sleep(waiter, deadline);
    if (end === SLEEP_WOKEN) break;
    yield* lock_acquire(me, pset.lock);
    const linked = waiter.state === WAITER_LINKED;
    if (linked && end !== SLEEP_LOOK) yield* ipc_pset_unwait(me, pset, waiter);
    yield* lock_release(me, pset.lock);
    if (linked && end === SLEEP_LOOK) continue;
    if (linked) {
      waiter_free(me, waiter);
      return TIMED_OUT;
    }
    yield* waiter_settle(waiter);
    break;
  }
  const { code } = waiter;
  waiter_free(me, waiter);
  return code;
}
