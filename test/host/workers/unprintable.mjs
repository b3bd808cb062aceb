// Ends by an error that no string can be made of.

import { Task } from "mach-ipc";

await Task.self();
setTimeout(() => {
  throw { toString: 1, valueOf: 1 };
}, 10);
