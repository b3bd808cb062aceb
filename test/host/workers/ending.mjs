// Says that it lives, counts its lives, and ends as it was told.

import { Task } from "mach-ipc";

const task = await Task.self();
const { how, lives } = task.data;
const life = lives ? Atomics.add(lives, 0, 1) + 1 : 1;
if (task.rights.hello) {
  const text = JSON.stringify({ life, name: task.name, note: task.data.note, rights: Object.keys(task.rights) });
  task.rights.hello.sendSync({ id: life, body: new TextEncoder().encode(text) });
}
const ends = {
  return: () => task[Symbol.dispose](),
  exit: (code) => process.exit(Number(code)),
  code: (code) => {
    process.exitCode = Number(code);
    task[Symbol.dispose]();
  },
  throw: (text) => {
    throw new Error(text);
  },
  nothing: () => {
    throw undefined;
  },
  reject: (text) => void Promise.reject(new Error(text)),
  stay: () => setInterval(() => {}, 1000),
  loop: () => {
    for (;;);
  },
  block: () => task.allocatePort().receiveSync(),
};
const [way, argument] = (Array.isArray(how) ? (how[life - 1] ?? how.at(-1)) : how).split(" ");
await new Promise((resolve) => setImmediate(resolve));
ends[way](argument);
