// Death: recover/recover.ts, and what a dying port does of ipc/ipc_reap.ts. A crashed participant stops; its state word says
// so once the recoverer has begun.

import { ATOMIC, PLAIN, type Run, Violation } from "./explore.ts";
import {
  claim_for_burial,
  isBuriedBy,
  isFree,
  journal_commit,
  journal_set,
  type Kmsg,
  OWNER_FREE,
  OWNER_HELD,
  OWNER_LIVE,
  type Port,
  type Processor,
  processor_free,
  processor_undo_claimed,
  type Waiter,
} from "./machine.ts";
import { ipc_pset_remove_all, ipc_pset_unwait, rouse_sets } from "./pset.ts";
import {
  box_head,
  imq_close,
  imq_drain,
  imq_kick_locked,
  imq_put_back,
  imq_unwait_receive,
  imq_unwait_send,
  ip_lock,
  ip_unlock,
} from "./queue.ts";
import {
  bell_ring,
  MACH_MSG_SUCCESS,
  PORT_DIED,
  unlinked,
  waiter_complete,
  waiter_free,
  WAITER_LINKED,
  waiter_look,
  waiter_wake,
} from "./waiter.ts";
import { lock_acquire, lock_release } from "./machine.ts";

/** processor_gone: buries a processor whose thread is gone. */
export function* processor_bury(me: Processor, dead: Processor): Run {
  if (!(yield* claim_for_burial(me, dead))) return;
  yield* processor_settle(me, dead);
  yield* reap_run(me);
  yield* processor_free(dead);
}

function* processor_settle(me: Processor, dead: Processor): Run {
  yield* processor_undo_claimed(dead);
  if (me.world.mutant !== "burials of the dead are not taken over") {
    // Whom it was burying: once its record is free, its claim could not be told from a living one's.
    for (const other of me.world.processors.values()) {
      yield ATOMIC;
      if (isBuriedBy(other, dead)) yield* processor_bury(me, other);
    }
  }
  if (me.world.mutant !== "recovery without kicks") yield* kick_ports(me);
  if (dead.work.length > 0) {
    journal_set(me, me, "work", [...me.work, ...dead.work]);
    yield PLAIN;
    journal_set(me, dead, "work", []);
    journal_commit(me);
  }
  yield* settle_waiters(me, dead);
  yield* sweep_kmsgs(me, dead);
  yield* rouse_sets(me);
  for (const other of me.world.processors.values()) {
    if (other === dead || isFree(other)) continue;
    yield* bell_ring(other);
    // Who died may have rung, but not notified.
    yield ATOMIC;
    if (me.world.mutant !== "recovery rings without a notify") other.bellAsleep = false;
  }
}

function* kick_ports(me: Processor): Run {
  for (const port of me.world.ports) {
    yield ATOMIC;
    if (box_head(port.inbox) === 0 && port.first === 0 && !port.lock.dirty) {
      yield ATOMIC;
      if (port.lock.word === 0 || me.world.mutant === "recovery passes a port that is locked") continue;
    }
    yield* ip_lock(me, port);
    yield* imq_drain(me, port);
    if (port.active) yield* imq_kick_locked(me, port);
    yield* ip_unlock(me, port);
  }
}

function* settle_waiters(me: Processor, dead: Processor): Run {
  for (const waiter of me.world.waiters) {
    yield ATOMIC;
    if (waiter.owner !== OWNER_LIVE) continue;
    if (waiter.pid === dead.pid) {
      yield* settle_waiter(me, waiter);
      continue;
    }
    yield ATOMIC;
    if (waiter.hander === dead.pid) waiter.hander = 0;
    yield ATOMIC;
    if (waiter.async) me.world.at(waiter.pid).rescan = 1;
    else if (me.world.mutant !== "recovery without a look for sleepers") yield* waiter_look(waiter);
  }
}

function* settle_waiter(me: Processor, waiter: Waiter): Run {
  const id = yield* end_wait(me, waiter);
  yield PLAIN;
  waiter_free(me, waiter);
  if (id !== 0) destroy(me.world.kmsg(id), false);
}

function* end_wait(me: Processor, waiter: Waiter): Run<number> {
  const { port, pset } = waiter;
  if (pset) {
    yield* lock_acquire(me, pset.lock);
    if (waiter.state === WAITER_LINKED) yield* ipc_pset_unwait(me, pset, waiter);
    yield* lock_release(me, pset.lock);
    return 0;
  }
  if (!port) throw new Violation("a waiter waits for nothing");
  yield* ip_lock(me, port);
  const linked = waiter.state === WAITER_LINKED;
  let id = waiter.kmsg;
  if (linked && waiter.sends) yield* imq_unwait_send(me, port, waiter);
  else if (linked) yield* imq_unwait_receive(me, port, waiter);
  else if (waiter.sends) id = 0;
  else if (id !== 0) {
    const kmsg = me.world.kmsg(id);
    // Its owner had begun to take it: then it is in that hand, as if it had been put there.
    if (kmsg.place === "hand") kmsg.place = "waiter";
    if (yield* imq_put_back(me, port, kmsg, waiter)) id = 0;
    else kmsg.place = "hand";
  }
  yield* ip_unlock(me, port);
  return id;
}

function* sweep_kmsgs(me: Processor, dead: Processor): Run {
  for (const kmsg of me.world.kmsgs) {
    yield ATOMIC;
    if (kmsg.owner === dead.pid) destroy(kmsg, false);
    else if (kmsg.owner === (OWNER_HELD | dead.pid)) kmsg.owner = OWNER_FREE; // it was received
  }
}

/** `dies`: with the port that it is queued at. Otherwise only a message that nobody else can have may end. */
function destroy(kmsg: Kmsg, dies: boolean): void {
  const { place } = kmsg;
  if (place === "received" || place === "destroyed")
    throw new Violation(`message ${kmsg.id} is destroyed, but was ${place}`);
  if (!dies && (place === "queue" || place === "waiter"))
    throw new Violation(`message ${kmsg.id} is lost: destroyed in the ${place}`);
  kmsg.owner = OWNER_FREE;
  kmsg.place = "destroyed";
}

// --- ipc/ipc_reap.ts

/** Destroys the receive right. */
export function* port_destroy(me: Processor, port: Port): Run {
  yield* ip_lock(me, port);
  yield* ipc_pset_remove_all(me, port);
  while (port.receivers.length > 0) yield* complete_first(me, port, "receivers", PORT_DIED);
  journal_set(me, port, "active", false);
  yield PLAIN;
  journal_set(me, port, "dying", true);
  journal_set(me, me, "work", [...me.work, port]);
  yield PLAIN;
  journal_commit(me);
  yield* ip_unlock(me, port);
  yield* reap_run(me);
}

function* complete_first(me: Processor, port: Port, list: "receivers" | "senders", code: number): Run {
  const waiter = port[list][0] as Waiter;
  const orphan = list === "senders" ? me.world.kmsg(waiter.kmsg) : null;
  journal_set(me, port, list, unlinked(port[list], waiter));
  yield PLAIN;
  waiter_complete(me, waiter, code, 0);
  if (orphan) journal_set(me, orphan, "owner", OWNER_FREE);
  yield PLAIN;
  journal_commit(me);
  if (orphan) destroy(orphan, true);
  yield* waiter_wake(me, waiter, waiter.generation);
}

function* reap_run(me: Processor): Run {
  for (let port = me.work[0]; port; port = me.work[0]) yield* reap_port(me, port);
}

function* reap_port(me: Processor, port: Port): Run {
  yield* ip_lock(me, port);
  yield* imq_close(me, port);
  if (port.senders.length > 0) {
    yield* complete_first(me, port, "senders", MACH_MSG_SUCCESS);
  } else if (port.first !== 0) {
    const kmsg = me.world.kmsg(port.first);
    journal_set(me, port, "first", kmsg.forward);
    yield PLAIN;
    if (kmsg.forward === 0) journal_set(me, port, "last", 0);
    journal_set(me, kmsg, "owner", OWNER_FREE);
    yield PLAIN;
    journal_commit(me);
    destroy(kmsg, true);
  } else {
    journal_set(me, port, "dying", false);
    journal_set(me, me, "work", me.work.slice(1));
    yield PLAIN;
    journal_commit(me);
  }
  yield* ip_unlock(me, port);
}
