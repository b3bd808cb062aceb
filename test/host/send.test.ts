// Goal: senders wait for room, a bounded number of them, as long as they want. Method: ports with small queues.

import { expect, test } from "vitest";
import { Kernel, MachMsgError, move } from "mach-ipc";
import { live, rejected, thrown } from "./lib.js";

test("awaited sends wait for room and arrive in order", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 2 });
  const right = port.makeSend();
  const sends = Array.from({ length: 10 }, (_, id) => right.send({ id }));
  const ids: number[] = [];
  while (ids.length < 10) {
    const message = await port.receive({ timeout: 5000 });
    ids.push(message.id);
    message[Symbol.dispose]();
  }
  await Promise.all(sends);
  expect(ids).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("at most 16 sends through a right wait at a time", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  await right.send({ id: 0 });
  const waiting = Array.from({ length: 16 }, (_, n) => right.send({ id: n + 1 }));
  const error = await rejected(right.send({ id: 99 }));
  expect([error instanceof MachMsgError, error.code]).toEqual([true, "MACH_SEND_NO_BUFFER"]);
  for (let id = 0; id <= 16; id++) {
    const message = await port.receive({ timeout: 5000 });
    expect(message.id).toBe(id);
    message[Symbol.dispose]();
  }
  await Promise.all(waiting);
  await right.send({ id: 100 });
  expect((await port.receive({ timeout: 5000 })).id).toBe(100);
});

test("a send ends at its timeout or its signal, and is not delivered later", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  await right.send({ id: 0 });
  expect((await rejected(right.send({ id: 1 }, { timeout: 0 }))).code).toBe("MACH_SEND_TIMED_OUT");
  expect((await rejected(right.send({ id: 2 }, { timeout: 10 }))).code).toBe("MACH_SEND_TIMED_OUT");
  const controller = new AbortController();
  const aborted = rejected(right.send({ id: 3 }, { signal: controller.signal }));
  controller.abort(new Error("enough"));
  expect((await aborted).message).toBe("enough");
  expect((await rejected(right.send({ id: 4 }, { signal: AbortSignal.abort(new Error("before")) }))).message).toBe(
    "before",
  );
  expect(
    port.tryReceiveMany(10).map((message) => {
      const { id } = message;
      message[Symbol.dispose]();
      return id;
    }),
  ).toEqual([0]);
  right[Symbol.dispose]();
  port[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("a blocking send ends at its timeout", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  right.sendSync({ id: 0 });
  const begun = performance.now();
  expect(thrown(() => right.sendSync({ id: 1 }, { timeout: 50 })).code).toBe("MACH_SEND_TIMED_OUT");
  expect(performance.now() - begun).toBeGreaterThanOrEqual(49);
  expect(port.status().messages).toBe(1);
});

test("sends that wait are done when the port dies, their messages destroyed with it (A162)", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  await right.send({ id: 0 });
  const carried = kernel.task.allocatePort();
  const waiting = [1, 2, 3].map((id) => right.send({ id, rights: [move(carried.makeSend())] }));
  expect(carried.status().senders).toBe(true);
  port[Symbol.dispose]();
  await Promise.all(waiting);
  expect(carried.status().senders).toBe(false);
  expect((await rejected(right.send({ id: 4 }))).code).toBe("MACH_SEND_INVALID_DEST");
});

test("trySend is false when the queue is full, and nothing was sent", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 3 });
  const right = port.makeSend();
  expect([1, 2, 3, 4, 5].map((id) => right.trySend({ id }))).toEqual([true, true, true, false, false]);
  expect(port.status()).toMatchObject({ messages: 3, qlimit: 3 });
});
