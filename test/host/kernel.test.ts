// Goal: a kernel boots, starts tasks and ends, and refuses what it cannot do by name. Method: kernels of this thread.

import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Kernel, KernError, move } from "mach-ipc";
import { live, rejected, start, thrown } from "./lib.js";

test("a kernel boots with shared memory and a task of its own", async () => {
  await using kernel = await Kernel.boot();
  expect(kernel.mode).toBe("shared");
  expect(kernel.task.name).toBe("main");
});

test("two kernels in one program know nothing of each other", async () => {
  await using one = await Kernel.boot();
  await using two = await Kernel.boot();
  const port = one.task.allocatePort();
  const foreign = two.task.allocatePort().makeSend();
  expect(thrown(() => port.makeSend().trySend({ rights: [foreign] }))).toBeInstanceOf(TypeError);
  await one.bootstrap.register("here", port.makeSend());
  expect(await two.bootstrap.list()).not.toContain("here");
});

test("a size that no kernel can have is a TypeError", async () => {
  for (const maximumBytes of [0, -1, 65_536, 2 ** 33, Number.NaN, "1 MiB" as unknown as number]) {
    const error = await rejected(Kernel.boot({ maximumBytes }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("maximumBytes");
  }
});

test("a spawned task gets its name, data and rights", async () => {
  await using kernel = await Kernel.boot();
  const [inbox, given, report] = [0, 1, 2].map(() => kernel.task.allocatePort()) as [
    ReturnType<typeof kernel.task.allocatePort>,
    ReturnType<typeof kernel.task.allocatePort>,
    ReturnType<typeof kernel.task.allocatePort>,
  ];
  given.makeSend().sendSync({ id: 33 });
  const task = start(kernel, "self.mjs", {
    name: "child",
    data: { list: [1, "two"], big: 3n.toString() },
    rights: { inbox: inbox.makeSend(), given: move(given), report: move(report.makeSend()) },
  });
  expect(task.name).toBe("child");
  const message = await report.receive({ timeout: 20_000 });
  expect(JSON.parse(new TextDecoder().decode(message.body.slice()))).toEqual({
    name: "child",
    data: { list: [1, "two"], big: "3" },
    same: true,
    rights: { inbox: "SendRight", given: "ReceiveRight", report: "SendRight" },
    got: 33,
  });
  message[Symbol.dispose]();
  expect((await inbox.receive({ timeout: 5000 })).id).toBe(1);
  expect((await task.exited).reason).toBe("exit");
  await task.terminate(); // it is gone already
});

test("spawn refuses wrong arguments before anything is made", async () => {
  await using kernel = await Kernel.boot();
  await kernel.bootstrap.list();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  let made = 0;
  const make = (): Worker => {
    made++;
    return new Worker("", { eval: true });
  };
  const wrong = [
    () => kernel.spawn(make, {} as { name: string }),
    () => kernel.spawn(7 as unknown as string, { name: "x" }),
    () => kernel.spawn(make, { name: "x", rights: { port: port as never } }),
    () => kernel.spawn(make, { name: "x", quota: { ports: 0 } }),
    () => kernel.spawn(make, { name: "x", data: () => {} }),
  ];
  for (const call of wrong) thrown(call);
  expect(made).toBe(0);
  expect(port.disposed).toBe(false);
  port[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("a worker that fails to start says how", async () => {
  await using kernel = await Kernel.boot();
  const task = kernel.spawn(() => new Worker(new URL("./workers/there-is-no-such.mjs", import.meta.url)), {
    name: "none",
  });
  const exit = await task.exited;
  expect(exit.reason).toBe("error");
  expect(String(exit.error)).toContain("there-is-no-such");
});

test("a task has a space of its own and dies when it is disposed", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const other = kernel.createTask({ name: "other" });
  const port = other.allocatePort();
  await other.bootstrap.register("other.port", port.makeSend());
  const right = await kernel.bootstrap.lookUp("other.port");
  const { dead } = right;
  other[Symbol.dispose]();
  other[Symbol.dispose]();
  await dead;
  right[Symbol.dispose]();
  expect(thrown(() => other.allocatePort())).toBeInstanceOf(KernError);
  await expect.poll(() => live(kernel).PORT).toBeLessThanOrEqual((before.PORT as number) + 4); // naming service and reply ports
});

test("a quota of ports refuses by name and gives back", async () => {
  await using kernel = await Kernel.boot();
  const task = kernel.createTask({ name: "small", quota: { ports: 3 } });
  const ports: ReturnType<typeof task.allocatePort>[] = [];
  const error = thrown(() => {
    for (;;) ports.push(task.allocatePort());
  });
  expect(error.code).toBe("KERN_RESOURCE_SHORTAGE");
  expect(ports.length).toBeLessThanOrEqual(3);
  ports.pop()?.[Symbol.dispose]();
  task.allocatePort();
});

test("a quota of message bytes refuses by name until messages are received", async () => {
  await using kernel = await Kernel.boot();
  const task = kernel.createTask({ name: "small", quota: { kmsgBytes: 20_000 } });
  const port = task.allocatePort();
  const right = port.makeSend();
  let sent = 0;
  const error = thrown(() => {
    for (;;) {
      right.trySend({ body: new Uint8Array(1000) });
      sent++;
    }
  });
  expect(error.code).toBe("MACH_SEND_NO_BUFFER");
  expect(sent).toBeGreaterThan(3);
  expect(sent).toBeLessThanOrEqual(20);
  for (const message of port.tryReceiveMany(100)) message[Symbol.dispose]();
  expect(right.trySend({ body: new Uint8Array(1000) })).toBe(true);
});

test("after close every call says KERN_TERMINATED", async () => {
  const kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const waiting = rejected(port.receive());
  await kernel.close();
  expect((await waiting).code).toBe("KERN_TERMINATED");
  for (const use of [() => right.trySend({}), () => port.tryReceive(), () => kernel.task.allocatePort()]) {
    expect(thrown(use).code).toBe("KERN_TERMINATED");
  }
  right[Symbol.dispose]();
  port[Symbol.dispose]();
});

test("an attachment of another version is refused by name", async () => {
  await using kernel = await Kernel.boot();
  const attachment = { ...kernel.attachment, version: "0.0.1", "mach-ipc": "0.0.1" };
  const error = await rejected(Kernel.attach(attachment));
  expect(error.code).toBe("KERN_NOT_SUPPORTED");
  expect(error.message).toContain("0.0.1");
  expect(await rejected(Kernel.attach({} as typeof attachment))).toBeInstanceOf(TypeError);
});

test("dump shows tasks and ports", async () => {
  await using kernel = await Kernel.boot();
  kernel.createTask({ name: "a second task" });
  expect(JSON.stringify(kernel.dump())).toContain("a second task");
});
