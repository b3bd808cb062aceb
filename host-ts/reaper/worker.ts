// The reaper: a small thread of the kernel's own. It watches every processor's life, so that a
// death is noticed while everybody else is blocked, and hosts the naming service.

import * as platform from "#platform";
import { serveBootstrap } from "../bootstrap/server.js";
import { bury } from "../kernel/life.js";
import type { Watch } from "../platform/types.js";
import { ReceiveRight } from "../receive-right.js";
import { Task } from "../task.js";

async function main(): Promise<void> {
  const task = await Task.self();
  const receive = task.rights.bootstrap;
  if (receive instanceof ReceiveRight) serveBootstrap(task, receive);
  platform.onWatch((watch) => {
    if (watch.pid !== task.processor.pid) platform.watchLife(watch, () => end(task, watch));
  });
}

/** Buries the dead; whoever waited for it is told by the kernel. */
function end(task: Task, watch: Watch): void {
  const { core, views } = task.processor;
  bury(core, views, watch);
  task.processor.drain();
}

void main();
