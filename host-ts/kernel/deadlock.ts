// Cycles of synchronous calls: A is blocked in a call to B, B in one to A. Nobody of them can answer.

/** Who a blocked task waits for: any of these could answer it. */
export type WaitsFor = ReadonlyMap<number, ReadonlySet<number>>;

/**
 * The cycles in `waitsFor`, each once. A task that waits for one that is not blocked is in none, nor is
 * one that waits for nobody known.
 */
export function deadlocks(waitsFor: WaitsFor): number[][] {
  const stuck = new Map([...waitsFor].filter(([, tasks]) => tasks.size > 0));
  for (let before = -1; before !== stuck.size; ) {
    before = stuck.size;
    for (const [task, tasks] of stuck) {
      if ([...tasks].some((other) => !stuck.has(other))) stuck.delete(task);
    }
  }
  const cycles: number[][] = [];
  const seen = new Set<number>();
  for (const start of stuck.keys()) {
    const path: number[] = [];
    let task: number | undefined = start;
    while (task !== undefined && !seen.has(task)) {
      seen.add(task);
      path.push(task);
      task = stuck.get(task)?.values().next().value;
    }
    const from = task === undefined ? -1 : path.indexOf(task);
    if (from >= 0) cycles.push(path.slice(from));
  }
  return cycles;
}
