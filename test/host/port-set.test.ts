// Goal: a set receives from its members, none of them starving. Method: one thread, several ports.

import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { live, rejected, thrown } from "./lib.js";

test("a set receives from all members in turn and says which", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const ports = [0, 1, 2].map(() => kernel.task.allocatePort());
  const rights = ports.map((port) => port.makeSend());
  const set = kernel.task.allocatePortSet(ports);
  for (let n = 0; n < 4; n++) for (const [index, right] of rights.entries()) right.sendSync({ id: 10 * index + n });
  const seen = [0, 0, 0];
  for (let n = 0; n < 12; n++) {
    const message = set.receiveSync({ timeout: 1000 });
    const index = ports.indexOf(message.port);
    expect(message.id).toBe(10 * index + (seen[index] as number));
    seen[index] = (seen[index] as number) + 1;
    message[Symbol.dispose]();
    // In turn: nobody is two messages ahead.
    expect(Math.max(...seen) - Math.min(...seen)).toBeLessThanOrEqual(1);
  }
  expect(set.tryReceive()).toBeNull();
  for (const owned of [set, ...rights, ...ports]) owned[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("members come and go", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const set = kernel.task.allocatePortSet();
  right.sendSync({ id: 1 });
  expect(set.tryReceive()).toBeNull();
  set.add(port);
  expect(port.status().inSet).toBe(true);
  expect(thrown(() => set.add(port)).code).toBe("KERN_ALREADY_IN_SET");
  const message = set.tryReceive();
  expect(message?.id).toBe(1);
  message?.[Symbol.dispose]();
  right.sendSync({ id: 2 });
  set.remove(port);
  expect(thrown(() => set.remove(port)).code).toBe("KERN_NOT_IN_SET");
  expect(set.tryReceive()).toBeNull();
  expect(port.tryReceive()?.id).toBe(2);
});

test("a receive from a set waits for whichever member is sent to, and ends with the set", async () => {
  await using kernel = await Kernel.boot();
  const ports = [0, 1].map(() => kernel.task.allocatePort());
  const set = kernel.task.allocatePortSet(ports);
  const waiting = set.receive({ timeout: 5000 });
  (ports[1] as (typeof ports)[0]).makeSend().sendSync({ id: 5 });
  const message = await waiting;
  expect([message.id, message.port]).toEqual([5, ports[1]]);
  const ending = rejected(set.receive());
  set[Symbol.dispose]();
  expect((await ending).code).toBe("MACH_RCV_PORT_DIED");
  expect(ports.map((port) => port.status().inSet)).toEqual([false, false]);
});

test("a set is an async iterable", async () => {
  await using kernel = await Kernel.boot();
  const ports = [0, 1].map(() => kernel.task.allocatePort());
  const set = kernel.task.allocatePortSet(ports);
  for (const [id, port] of ports.entries()) port.makeSend().sendSync({ id });
  const ids: number[] = [];
  for await (const message of set) {
    ids.push(message.id);
    message[Symbol.dispose]();
    if (ids.length === 2) break;
  }
  expect(ids.sort()).toEqual([0, 1]);
});
