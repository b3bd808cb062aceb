// Goal: a task's port is the task, for whoever was given it. Method: two tasks on one thread, the calls of level 1 by the right's name.

import { expect, test } from "vitest";
import { Kernel, KernError, move, type SendRight } from "mach-ipc";
import { KERN_SUCCESS, MACH_PORT_RIGHT_RECEIVE, traps } from "mach-ipc/traps";
import { thrown, until } from "./lib.js";

test("a task's port goes where any right goes; its holder acts on the task, ends it, and is told of its end", async () => {
  await using kernel = await Kernel.boot();
  const other = kernel.createTask({ name: "other" });
  const gate = kernel.task.allocatePort();
  await kernel.bootstrap.register("gate", gate.makeSend());
  const door = await other.bootstrap.lookUp("gate");
  door.sendSync({ rights: [move(other.port())] });
  using message = gate.receiveSync({ timeout: 1000 });
  const port = message.rights[0] as SendRight;
  expect(port.constructor.name).toBe("SendRight");

  const [mach, theirs] = [traps(kernel.task), traps(other)];
  const word = new Uint32Array(1);
  expect(mach.mach_port_allocate(port.name, MACH_PORT_RIGHT_RECEIVE, word)).toBe(KERN_SUCCESS);
  const [name = 0] = word;
  expect(theirs.mach_port_type(theirs.mach_task_self(), name, word)).toBe(KERN_SUCCESS);
  expect(word[0]).toBe(0x20000);
  let told = 0;
  using _telling = port.onDead(() => told++);
  expect(mach.task_terminate(port.name)).toBe(KERN_SUCCESS);
  await until(() => told === 1);
  const error = thrown(() => other.port());
  expect(error).toBeInstanceOf(KernError);
  expect(error.code).toBe("KERN_INVALID_TASK");
});
