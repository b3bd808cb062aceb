// Goal: a receiver waits as long as it wants, loses nothing when it gives up, and knows its port. Method: one thread.

import { expect, test } from "vitest";
import { Kernel, MachMsgError, move, type ReceiveRight } from "mach-ipc";
import { KERN_INVALID_RIGHT, traps } from "mach-ipc/traps";
import { inside, live, rejected, thrown } from "./lib.js";

test("receive polls, waits for a time, or for ever", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  expect(port.tryReceive()).toBeNull();
  expect(port.tryReceiveMany(5)).toEqual([]);
  const sync = thrown(() => port.receiveSync({ timeout: 0 }));
  expect([sync instanceof MachMsgError, sync.code]).toEqual([true, "MACH_RCV_TIMED_OUT"]);
  const begun = performance.now();
  expect(thrown(() => port.receiveSync({ timeout: 30 })).code).toBe("MACH_RCV_TIMED_OUT");
  expect(performance.now() - begun).toBeGreaterThanOrEqual(29);
  expect((await rejected(port.receive({ timeout: 0 }))).code).toBe("MACH_RCV_TIMED_OUT");
  expect((await rejected(port.receive({ timeout: 10 }))).code).toBe("MACH_RCV_TIMED_OUT");
  const waiting = port.receive();
  port.makeSend().sendSync({ id: 1 });
  expect((await waiting).id).toBe(1);
});

test("a receive that was aborted rejects with the reason; the next message goes to the next receive", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const controller = new AbortController();
  const aborted = rejected(port.receive({ signal: controller.signal }));
  const next = port.receive({ timeout: 5000 });
  controller.abort(new Error("enough"));
  expect((await aborted).message).toBe("enough");
  right.sendSync({ id: 2 });
  expect((await next).id).toBe(2);
  expect((await rejected(port.receive({ signal: AbortSignal.abort(new Error("before")) }))).message).toBe("before");
});

test("a message that was handed over is delivered although the signal aborts", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const controller = new AbortController();
  const waiting = port.receive({ signal: controller.signal }).then(
    (message) => message.id,
    (error) => error.message,
  );
  right.sendSync({ id: 3 });
  controller.abort(new Error("too late"));
  const got = await waiting;
  if (got !== 3) expect((await port.receive({ timeout: 0 })).id).toBe(3); // never lost
  expect(port.tryReceive()).toBeNull();
});

test("several receives are served in the order in which they began", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const receives = [0, 1, 2, 3].map(() => port.receive({ timeout: 5000 }));
  for (const id of [0, 1, 2, 3]) right.sendSync({ id });
  expect((await Promise.all(receives)).map((message) => message.id)).toEqual([0, 1, 2, 3]);
});

test("a port is an async iterable that ends when it is disposed; break stops receiving", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  for (const id of [1, 2, 3, 4]) right.sendSync({ id });
  const first: number[] = [];
  for await (const message of port) {
    first.push(message.id);
    message[Symbol.dispose]();
    if (first.length === 2) break;
  }
  expect(first).toEqual([1, 2]);
  expect(port.status().messages).toBe(2);
  const rest: number[] = [];
  for await (const message of port) {
    rest.push(message.id);
    message[Symbol.dispose]();
    if (rest.length === 2) setImmediate(() => port[Symbol.dispose]());
  }
  expect(rest).toEqual([3, 4]);
});

test("a receive that waits fails when the port is destroyed", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const waiting = [rejected(port.receive()), rejected(port.receive({ timeout: 5000 }))];
  port[Symbol.dispose]();
  for (const receive of waiting) expect((await receive).code).toBe("MACH_RCV_PORT_DIED");
});

test("seqno counts the messages of the port, sender says who sent", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  for (let n = 0; n < 5; n++) right.sendSync({ id: n });
  const messages = port.tryReceiveMany(100);
  expect(messages.map((message) => [message.id, message.seqno])).toEqual([
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
  ]);
  for (const message of messages) {
    expect(message.sender.task).toBeGreaterThan(0);
    expect(message.sender.processor).toBe(inside(kernel.task).processor.pid);
    expect(message.port).toBe(port);
  }
});

test("noSenders resolves when the last send right is gone, and by the make-send count", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const [a, b] = [port.makeSend(), port.makeSend()];
  let done = false;
  const waiting = port.noSenders().then((result) => {
    done = true;
    return result;
  });
  a[Symbol.dispose]();
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  b[Symbol.dispose]();
  expect(await waiting).toEqual({ makeSendCount: 2 });
  const controller = new AbortController();
  const later = rejected(port.noSenders({ since: 3, signal: controller.signal }));
  controller.abort(new Error("enough"));
  expect((await later).message).toBe("enough");
});

test("after twenty thousand awaited messages nothing is left behind", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  await right.send({ id: 0 });
  (await port.receive())[Symbol.dispose]();
  const before = live(kernel);
  for (let n = 0; n < 20_000; n++) {
    const receiving = port.receive();
    right.trySend({ id: n, body: new Uint8Array(n % 5000) });
    (await receiving)[Symbol.dispose]();
  }
  expect(live(kernel)).toEqual(before);
});

test("qlimit above the most and a wrong type are refused", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  expect(thrown(() => kernel.task.allocatePort({ qlimit: 1025 })).code).toBe("KERN_INVALID_VALUE");
  expect(thrown(() => kernel.task.allocatePort({ qlimit: 1.5 }))).toBeInstanceOf(TypeError);
  expect(live(kernel)).toEqual(before);
});

test("a guarded port ends by its object or by its guard, not by its name", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const mach = traps(kernel.task);
  const self = mach.mach_task_self();
  const port = kernel.task.allocatePort({ guard: 7, qlimit: 3 });
  expect(port.status()).toMatchObject({ guarded: true, qlimit: 3 });
  expect(mach.mach_port_destroy(self, port.name)).toBe(KERN_INVALID_RIGHT);
  expect(thrown(() => port.guard(8)).code).toBe("KERN_INVALID_ARGUMENT");
  expect(thrown(() => port.unguard(8)).code).toBe("KERN_INVALID_ARGUMENT");
  port.unguard(7);
  expect(port.status().guarded).toBe(false);
  port.guard(0xffffffff, { strict: true, immovable: true });
  const { name } = port;
  port[Symbol.dispose]();
  expect(mach.mach_port_type(self, name, new Uint32Array(1))).not.toBe(0);
  expect(thrown(() => kernel.task.allocatePort({ guard: -1 }))).toBeInstanceOf(TypeError);
  expect(live(kernel)).toEqual(before);
});

test("a receive right that is immovable cannot be sent; one that is guarded loses its guard", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const inbox = kernel.task.allocatePort();
  const right = inbox.makeSend();
  const port = kernel.task.allocatePort({ guard: 7 });
  right.sendSync({ id: 1, rights: [move(port)] });
  const message = inbox.receiveSync();
  const arrived = message.rights[0] as ReceiveRight;
  expect(arrived.status().guarded).toBe(false);
  arrived.guard(5, { immovable: true });
  expect(thrown(() => right.sendSync({ id: 2, rights: [move(arrived)] })).code).toBe("MACH_SEND_INVALID_RIGHT");
  for (const each of [message, arrived, right, inbox]) each[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});
