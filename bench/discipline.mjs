// What does it cost on the path of a message that any thread may be killed at any instruction?
//
// Unit: ns a message, or a call. The shipped kernel against kernels that are the same source, compiled and
// inlined in the same way, without what exists only for crashes (core-as/kern/bare.ts, ADR 10): without all
// of it, and without one part at a time. Each kernel has two workers of its own on the same two cores.
// A row's ratio is the median of the ratios of the single rounds, in which the kernels follow each other;
// `spread` is their quartiles. Three processes, for where memory and code come to lie counts too.
// A surprise: a ratio above 1.10, or parts that add up to far more than the whole.

import { kernels } from "./lib/variants.mjs";

const bytes = 64;
const [shipped, ...others] = Object.keys(kernels);

function against(name, unit, file, make, options = {}) {
  const on = (kernel) => ({
    name: `${name}, ${kernel}`,
    as: kernel,
    kernel,
    file,
    make,
    options: { bytes, ...options },
    needs: "kernel",
  });
  return { case: name, unit, paired: true, method: on(shipped), baselines: others.map(on) };
}

export const stages = [
  {
    name: "self",
    placement: "a core each",
    clients: 0,
    launches: 3,
    cases: [
      against("to itself, two traps", "ns/message", "mach-traps", "toItself", { traps: 2 }),
      against("to itself, two traps, core alone", "ns/message", "core", "toItself"),
    ],
  },
  {
    name: "two",
    placement: "a core each",
    clients: 1,
    launches: 3,
    cases: [
      against("blocking call, awake", "ns/call", "mach-traps", "blockingTraps"),
      against("one way, one a trap", "ns/message", "mach-traps", "oneWay", { batch: 1 }),
      against("one way, 64 a trap", "ns/message", "mach-traps", "batches", { batch: 64 }),
    ],
  },
];
