// Model builds only: each access that orders threads is announced to the explorer (test/model) before it is made, for the
// instrumentation of plain accesses does not see read-modify-writes, waits and bulk operations.

export const SCHED_LOAD: u32 = 0;
export const SCHED_STORE: u32 = 1;
export const SCHED_RMW: u32 = 2;
export const SCHED_WAIT: u32 = 3;
export const SCHED_WAKE: u32 = 4;

/** `operand`: bytes of a store; the expected word of a wait; the count of a wake. `ns`: the limit of a wait. Returns: what a wait answers. */
export declare function sched(kind: u32, address: usize, operand: u32, ns: f64): u32;

/** Bytes are about to be overwritten, with those at `source`, or, if that is 0, with zeroes. */
export declare function range(target: usize, source: usize, bytes: usize): void;
