// A task that counts words for whoever finds it by its name.

import { Task } from "mach-ipc";
import { Index } from "./interface.mjs";
import { count, encode } from "./words.mjs";

const task = await Task.self();
await task.bootstrap.serve(Index, task.data.service, {
  count: ({ text }) => ({ counts: encode(count(text, new Map())) }),
});
