// Does the message queue's lock-free protocol lose, double or reorder a message, or let somebody sleep beside one, in whatever
// order its accesses meet, and whoever dies at whatever step? Method: the protocol as coroutines that yield before each atomic
// access; every schedule within the bounds is run, followed by recovery, and what is left is checked.
//
// Modelled, function by function: ipc_mqueue.ts, the locks and the undo log, waiters (blocked threads as futexes, event loops
// with completion list, bell and rescan), sets, a port's destruction, recovery with its claims.
//
// Not modelled: spaces and rights (a port stays where it is), sizes, no-senders, put-back to a task that lost the port, faults
// that a processor survives, timeouts that pass before the sleep. Lists of waiters and links change in one step. Deaths fall on
// atomic accesses and between the plain stores of a transaction; what others read without a lock can be read between them.
//
// The model is the protocol as it should be. A mutant that says so was in the core when it was first modelled.

import { expect, test } from "vitest";
import { type Bounds, explore, type Result } from "./explore.ts";
import { type Mutant, MUTANTS } from "./machine.ts";
import { model, type Scenario, SCENARIOS } from "./scenarios.ts";

function run(scenario: Scenario, bounds: Bounds, mutant: Mutant | null): Result {
  return explore(() => model(scenario, mutant), bounds);
}

test.each(SCENARIOS)("every schedule is sound: $name", { timeout: 120_000 }, (scenario) => {
  for (const bounds of scenario.bounds) {
    const { schedules, longest, violation } = run(scenario, bounds, null);
    const { preemptions, deaths } = bounds;
    console.log(
      `${preemptions} preemptions, ${deaths} deaths: ${schedules} schedules, longest ${longest} steps: ${scenario.name}`,
    );
    expect(violation).toBeNull();
  }
});

test.each(MUTANTS)("a protocol with the fault is found out: %s", { timeout: 120_000 }, (mutant, where) => {
  let schedules = 0;
  for (const scenario of SCENARIOS.filter(({ name }) => name.includes(where))) {
    for (const bounds of scenario.bounds) {
      const result = run(scenario, bounds, mutant);
      schedules += result.schedules;
      if (!result.violation) continue;
      console.log(`found in schedule ${schedules}: ${mutant}\n  ${scenario.name}: ${result.violation}`);
      return;
    }
  }
  expect.fail(`no schedule of ${schedules} shows the fault`);
});
