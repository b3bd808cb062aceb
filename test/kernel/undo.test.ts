// Who waits for a lock undoes what its owner left half done, if that has stopped. What lives is nobody else's to undo, though it
// stood still a moment ago.

import { expect, test } from "vitest";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import * as layout from "../../host-ts/abi/layout.gen.ts";
import { expectKr, Machine, type Space, Waits } from "./machine.ts";

const LONG = { timeout: 60_000 };
/** Accesses of one that waits. */
const MUCH = 60_000;
const ENOUGH = 1000;

/** A task that processors 1 and 2 run; 2 stopped in a transaction, with the space's lock. */
function half() {
  const machine = new Machine(128);
  const [one, two, three] = [machine.agent(1), machine.agent(2), machine.agent(3)];
  const a = one.task();
  const there = a.on(two);
  const isOpen = () => machine.words[(two.record + layout.Processor_p_journal_count) >> 2] !== 0;
  const stops = (place: number, { handle, self }: Space) => {
    two.stopsIn(place, () => two.core.mach_port_allocate(handle, self, codes.MACH_PORT_RIGHT_RECEIVE));
    return isOpen();
  };
  const world = { machine, one, two, three, a, stops };
  first(world, (place) => stops(place, there));
  return world;
}

/** The first place where `stops` is so, from the same state each time; it is left so. */
function first({ machine }: { machine: Machine }, stops: (place: number) => boolean): number {
  machine.save();
  for (let place = 0; ; place++) {
    machine.restore();
    if (stops(place)) return place;
  }
}

/**
 * Processor 1 makes a call for which it needs the lock; before each of its accesses in turn, until it has the lock, something else
 * happens, and then 2 stands still in the midst of a call. Nobody touches its record from then on.
 *
 * Returns: how often it stood there.
 */
function untouched({ machine, one, two, a }: ReturnType<typeof half>, meanwhile: () => boolean): number {
  const record = () => [...machine.words.subarray(two.record >> 2, (two.record + layout.Processor_p_batch) >> 2)];
  let stood = 0;
  machine.save();
  for (let place = 0; ; place++) {
    machine.restore();
    let [came, before]: [boolean, number[] | undefined] = [false, undefined];
    const other = () => {
      came = true;
      machine.patience = machine.accesses + MUCH;
      if (meanwhile()) before = record();
      machine.patience = machine.accesses + ENOUGH; // perhaps it waits for what stands still
    };
    try {
      one.passes(place, () => one.core.mach_port_allocate(a.handle, a.self, codes.MACH_PORT_RIGHT_RECEIVE), other);
    } catch (error) {
      if (!(error instanceof Waits)) throw error;
    } finally {
      machine.patience = undefined;
    }
    if (!came) return stood;
    // From here on it is the other that waits.
    if (before === undefined && stood > 0) return stood;
    if (before === undefined) continue;
    stood++;
    expect(record()).toEqual(before);
  }
}

test("a processor that has been buried meanwhile, and is another's, is left alone", LONG, () => {
  const world = half();
  const { machine, two, three, stops } = world;
  three.marks(two);
  const heir = () => {
    expectKr(three.core.processor_gone(two.pid, 1), codes.KERN_SUCCESS);
    return two.attach().task();
  };
  const place = first(world, (each) => stops(each, heir()));
  machine.restore();
  expect(untouched(world, () => stops(place, heir()))).toBeGreaterThan(0);
});

test("a processor that recovers itself meanwhile is left alone", LONG, () => {
  const world = half();
  const { machine, two } = world;
  two.fault();
  const self = layout.PROCESSOR_RECOVERING | (two.pid << 8);
  const enters = (place: number) => {
    two.stopsIn(place, () => two.core.zone_count(0));
    return ((machine.words[two.record >> 2] as number) & 0xffff) === self;
  };
  const place = first(world, enters);
  machine.restore();
  expect(untouched(world, () => enters(place))).toBeGreaterThan(0);
});
