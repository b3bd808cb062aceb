/** What isolated.mjs checks, in order. */
export const checks = [
  "the kernel boots with shared memory",
  "a spawned worker is found by the name it checked in",
  "a typed call is answered while the window awaits it",
  "a call that would block the window is refused",
  "rights travel from the window to a worker and back",
  "memory moves from a file to a worker and back into a blob",
  "a worker blocks in a call to another worker",
  "a call to a worker that is terminated while it waits rejects with MIG_SERVER_DIED",
  "a call to a worker that is terminated while it loops rejects with MIG_SERVER_DIED",
  "a call to a worker that closes itself rejects with MIG_SERVER_DIED",
  "a worker that attached gives its record back when it leaves, and when it is terminated",
  "the kernel closes",
];
