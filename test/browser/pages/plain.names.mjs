/** What plain.mjs checks, in order. */
export const checks = [
  "the page is not isolated and the kernel is local",
  "spawn fails and names the headers to set",
  "tasks of the same thread exchange messages and rights",
  "a typed call between tasks of the same thread is answered",
  "the kernel closes",
];
