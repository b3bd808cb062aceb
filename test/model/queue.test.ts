import { expect, test } from "vitest";
import { explore } from "./explore.ts";
import { type Mutant, MUTANTS } from "./machine.ts";
import { model, SCENARIOS } from "./scenarios.ts";

for (const scenario of SCENARIOS) {
  test(scenario.name, () => {
    for (const bounds of scenario.bounds) {
      const t = performance.now();
      const r = explore(() => model(scenario, null), bounds);
      console.log(scenario.name, bounds, r.schedules, r.longest, (performance.now() - t).toFixed(0), r.violation);
    }
  });
}
for (const mutant of MUTANTS) {
  test(mutant, () => {
    const found: string[] = [];
    for (const scenario of SCENARIOS) {
      for (const bounds of scenario.bounds) {
        const t = performance.now();
        const r = explore(() => model(scenario, mutant as Mutant), bounds);
        if (r.violation) { found.push(`${scenario.name} ${JSON.stringify(bounds)} ${r.schedules} ${(performance.now() - t).toFixed(0)} ${r.violation}`); break; }
      }
      if (found.length) break;
    }
    console.log("MUTANT", mutant, found);
    expect(found.length).toBeGreaterThan(0);
  });
}
