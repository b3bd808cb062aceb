// Goal: what a task sent counts as its own until it was received, and no longer. Method: a receiver by `mach-ipc/traps` in a long run
// of messages from a task with a quota for one of them.

import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { MACH_RCV_MSG, MACH_RCV_TIMEOUT, traps } from "mach-ipc/traps";

test("a receiver keeps nothing that is charged to the sender", async () => {
  await using kernel = await Kernel.boot();
  const receiver = kernel.createTask({ name: "receiver" });
  const sender = kernel.createTask({ name: "sender", quota: { kmsgBytes: 1280 } });
  const port = receiver.allocatePort();
  await receiver.bootstrap.register("charged", port.makeSend());
  const right = await sender.bootstrap.lookUp("charged");
  const mach = traps(receiver);
  const buffer = new Uint8Array(2048);
  for (let id = 0; id < 200; id++) {
    expect(right.trySend({ id, body: new Uint8Array(900) })).toBe(true);
    expect(mach.mach_msg(buffer, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 2048, port.name, 0, 0)).toBe(0);
  }
});
