// The naming service of a kernel: its port exists from boot, its server starts with the first use.
// Messages queue until then, so nobody waits for a thread to start.

import { MACH_MSG_TYPE_MOVE_RECEIVE } from "../abi/codes.gen.js";
import * as platform from "#platform";
import { serveBootstrap } from "../bootstrap/server.js";
import { check } from "../errors.js";
import { ReceiveRight } from "../receive-right.js";
import { Space } from "../space.js";
import { Task } from "../task.js";
import type { Spawner, SpawnerKernel } from "./spawn.js";

/** Starts the server once: in the reaper's thread where threads can share, else here. */
export class NamingService {
  readonly #kernel: SpawnerKernel;
  readonly #spawner: Spawner;
  readonly #port: number;
  #started = false;

  constructor(kernel: SpawnerKernel, spawner: Spawner, port: number) {
    this.#kernel = kernel;
    this.#spawner = spawner;
    this.#port = port;
  }

  start(): void {
    if (this.#started) return;
    if (platform.whyNotShared === null) this.#spawner.startReaper(this.#port);
    else this.#serveHere();
    this.#started = true; // not before: what could not start is tried again
  }

  #serveHere(): void {
    const { processor, task } = this.#kernel;
    const { handle } = this.#kernel.newTask();
    check("task_attach", processor.core.task_attach(handle));
    check(
      "task_insert_right",
      processor.core.task_insert_right(task.handle, this.#port, MACH_MSG_TYPE_MOVE_RECEIVE, handle),
    );
    const name = processor.out(0);
    const server = new Task({ name: "bootstrap", processor, handle });
    serveBootstrap(server, new ReceiveRight(Space.of(server), name));
  }
}
