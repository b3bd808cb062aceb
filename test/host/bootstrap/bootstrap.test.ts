// Goal: services are found by name, at once or when they come, and go with their tasks. Method: tasks of one thread against
// the naming service in its own.

import { expect, test } from "vitest";
import { Kernel, move } from "mach-ipc";
import { rejected } from "../lib.js";

test("a look-up waits until the service checks in", async () => {
  await using kernel = await Kernel.boot();
  const found = kernel.bootstrap.lookUp("later");
  const server = kernel.createTask({ name: "server" });
  const port = await server.bootstrap.checkIn("later");
  const right = await found;
  right.sendSync({ id: 3 });
  expect((await port.receive({ timeout: 5000 })).id).toBe(3);
});

test("a look-up that waited is answered also when the service is unregistered at once", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const own = port.makeSend();
  await kernel.bootstrap.list();
  const waiting = kernel.bootstrap.lookUp("brief", { timeout: 5000 });
  await expect.poll(() => kernel.bootstrap.list()).toEqual([]); // it is there by now
  const before = port.status().makeSendCount;
  await Promise.all([kernel.bootstrap.register("brief", own), kernel.bootstrap.unregister("brief")]);
  const right = await waiting;
  expect(right.trySend({ id: 5 })).toBe(true);
  expect((await port.receive({ timeout: 5000 })).id).toBe(5);
  expect(port.status().makeSendCount).toBe(before);
  own[Symbol.dispose]();
  right[Symbol.dispose]();
  await expect.poll(() => port.status().senders).toBe(false); // nobody kept a reference
});

test("a look-up that may not wait, not for ever, or no more, fails", async () => {
  await using kernel = await Kernel.boot();
  const now = await rejected(kernel.bootstrap.lookUp("nobody", { timeout: 0 }));
  expect(now.code).toBe("BOOTSTRAP_UNKNOWN_SERVICE");
  const soon = await rejected(kernel.bootstrap.lookUp("nobody", { timeout: 20 }));
  expect(soon.code).toBe("MACH_RCV_TIMED_OUT");
  const controller = new AbortController();
  const aborted = rejected(kernel.bootstrap.lookUp("nobody", { signal: controller.signal }));
  controller.abort(new Error("enough"));
  expect((await aborted).message).toBe("enough");
  expect(await kernel.bootstrap.list()).not.toContain("nobody");
});

test("a name is taken until its port dies", async () => {
  await using kernel = await Kernel.boot();
  const server = kernel.createTask({ name: "server" });
  await server.bootstrap.checkIn("taken");
  expect((await rejected(kernel.bootstrap.checkIn("taken"))).code).toMatch(/BOOTSTRAP_(NAME_IN_USE|SERVICE_ACTIVE)/);
  expect((await rejected(kernel.bootstrap.register("taken", kernel.task.allocatePort().makeSend()))).code).toMatch(
    /BOOTSTRAP_(NAME_IN_USE|SERVICE_ACTIVE)/,
  );
  const right = await kernel.bootstrap.lookUp("taken");
  const { dead } = right;
  server[Symbol.dispose]();
  await dead;
  const port = await kernel.bootstrap.checkIn("taken");
  expect(port.status().messages).toBe(0);
});

test("rights are registered, listed and unregistered", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  await kernel.bootstrap.register("b", port.makeSend());
  await kernel.bootstrap.register("a", move(port.makeSend()));
  expect((await kernel.bootstrap.list()).filter((name) => name.length === 1)).toEqual(["a", "b"]);
  await kernel.bootstrap.unregister("a");
  expect((await rejected(kernel.bootstrap.unregister("a"))).code).toBe("BOOTSTRAP_UNKNOWN_SERVICE");
  expect((await kernel.bootstrap.list()).filter((name) => name.length === 1)).toEqual(["b"]);
});

test("a persistent service keeps its messages for its successor", async () => {
  await using kernel = await Kernel.boot();
  const first = kernel.createTask({ name: "first" });
  await first.bootstrap.checkIn("persistent", { persistent: true });
  const right = await kernel.bootstrap.lookUp("persistent");
  right.sendSync({ id: 1 });
  first[Symbol.dispose]();
  right.sendSync({ id: 2 });
  const second = kernel.createTask({ name: "second" });
  let port: Awaited<ReturnType<typeof second.bootstrap.checkIn>> | undefined;
  await expect
    .poll(async () => {
      port = await second.bootstrap.checkIn("persistent", { persistent: true });
      return true;
    })
    .toBe(true);
  expect((await port?.receive({ timeout: 5000 }))?.id).toBe(1);
  expect((await port?.receive({ timeout: 5000 }))?.id).toBe(2);
  right.sendSync({ id: 3 });
  expect((await port?.receive({ timeout: 5000 }))?.id).toBe(3);
});

test("a name that is no name is refused", async () => {
  await using kernel = await Kernel.boot();
  for (const name of ["", "x".repeat(10_000), 7 as unknown as string]) {
    await rejected(kernel.bootstrap.checkIn(name));
    await rejected(kernel.bootstrap.lookUp(name, { timeout: 0 }));
  }
  expect(await kernel.bootstrap.list()).toEqual([]);
});
