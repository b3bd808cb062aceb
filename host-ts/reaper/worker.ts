// The reaper: a small thread of the kernel's own. It buries the dead of whom the watcher tells, while
// everybody else may be blocked, and hosts the naming service.

import * as platform from "#platform";
import { serveBootstrap } from "../bootstrap/server.js";
import { bury } from "../kernel/life.js";
import type { Watch } from "../platform/types.js";
import { ReceiveRight } from "../receive-right.js";
import { Task } from "../task.js";
import type { Invitation } from "../worker/invitation.js";

async function main(): Promise<void> {
  const task = await Task.self();
  const receive = task.rights.bootstrap;
  if (receive instanceof ReceiveRight) serveBootstrap(task, receive);
  const { deaths } = (await platform.receiveLetter()) as unknown as Invitation;
  if (deaths) platform.listen(deaths, (watch) => end(task, watch as Watch));
}

/** Buries the dead; whoever waited for it is told by the kernel. */
function end(task: Task, watch: Watch): void {
  const { core, views } = task.processor;
  bury(core, views, watch);
  task.processor.drain();
}

void main();
