// A task that counts words for whoever finds it by its name.

import { Task } from "mach-ipc";
import { Index } from "./interface.mjs";
import { count, encode } from "./words.mjs";

const task = await Task.self();
await task.bootstrap.serve(Index, task.data.service, {
  count: ({ text }) => {
    const counts = encode(count(text.bytes(), new Map())); // a copy: decoders of some platforms refuse shared memory
    text[Symbol.dispose]();
    return { counts };
  },
});
