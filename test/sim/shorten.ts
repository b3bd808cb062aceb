// A failing sequence of operations becomes a short one. An operation is a number, from which everything that it does follows.

import { Random } from "./random.js";

export interface Failure {
  error: unknown;
  /** Operations up to and with the one that failed. */
  operations: number[];
}

/** The numbers of an episode's operations. */
export function episode(seed: number, length: number): number[] {
  const random = new Random(seed);
  return Array.from({ length }, () => random.word());
}

/**
 * Leaves out operations as long as the rest still fails, by ever smaller chunks, within a budget of runs.
 *
 * @param fails runs operations and tells how they fail, or null
 */
export async function shortenWith(
  operations: readonly number[],
  fails: (operations: readonly number[]) => Promise<Failure | null>,
  budget = 400,
): Promise<number[]> {
  const first = await fails(operations);
  if (!first) return [...operations];
  const wanted = kind(first);
  let shortest = first.operations;
  let runs = 0;
  let chunk = Math.ceil(shortest.length / 2);
  while (chunk >= 1 && runs < budget) {
    const before = shortest.length;
    for (let at = shortest.length - chunk; at >= 0 && runs < budget; at -= chunk) {
      const candidate = [...shortest.slice(0, at), ...shortest.slice(at + chunk)];
      runs++;
      const failure = await fails(candidate);
      if (failure && kind(failure) === wanted) shortest = failure.operations;
    }
    if (chunk > 1) chunk = Math.ceil(chunk / 2);
    else if (shortest.length === before) break;
  }
  return shortest;
}

/** What kind of failure it is: its words without the numbers. */
function kind(failure: Failure): string {
  return String(failure.error)
    .replaceAll(/0x[0-9a-f]+|\d+/g, "#")
    .slice(0, 80);
}
