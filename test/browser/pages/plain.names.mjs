/** What plain.mjs checks, in order. */
export const checks = [
  "the page is not isolated and the kernel is local",
  "spawn fails and names the headers to set",
  "tasks of the same thread exchange messages and rights",
  "regions move and are copied between tasks of the same thread",
  "a typed call between tasks of the same thread is answered",
  "the kernel closes",
];
