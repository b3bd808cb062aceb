// Reports what a spawned task finds: its name, data and rights; uses a right that was handed over.

import { Task } from "mach-ipc";

const task = await Task.self();
const again = await Task.self();
task.rights.inbox.sendSync({ id: 1 });
const message = task.rights.given.receiveSync({ timeout: 10_000 });
const report = {
  name: task.name,
  data: task.data,
  same: task === again,
  rights: Object.fromEntries(Object.entries(task.rights).map(([key, right]) => [key, right.constructor.name])),
  got: message.id,
};
message[Symbol.dispose]();
task.rights.report.sendSync({ body: new TextEncoder().encode(JSON.stringify(report)) });
