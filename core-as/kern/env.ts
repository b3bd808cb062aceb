// What the host gives at instantiation.

/** Address of this agent's processor record: an immutable global. */
export declare const processor: usize;

/** Milliseconds of a monotonic clock of this agent. */
export declare function now(): f64;
