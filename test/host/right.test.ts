// Goal: rights are objects that own what they stand for. Method: one task or two on this thread; counts of live elements
// before and after show that nothing is left behind.

import { expect, test } from "vitest";
import { Kernel, KernError, MachMsgError, move, type SendRight } from "mach-ipc";
import { inside, live, rejected, thrown, warmUp } from "./lib.js";

test("a send right sends, a copy of it too, and each is released by itself", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const copy = right.copy();
  right[Symbol.dispose]();
  copy.sendSync({ id: 4 });
  const message = port.receiveSync({ timeout: 1000 });
  expect(message.id).toBe(4);
  message[Symbol.dispose]();
  expect(port.status().senders).toBe(true);
  copy[Symbol.dispose]();
  expect(port.status().senders).toBe(false);
  port[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("every use after dispose throws KERN_INVALID_NAME, and disposing again does nothing", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const once = port.makeSendOnce();
  const set = kernel.task.allocatePortSet();
  for (const owned of [right, once, set, port]) {
    owned[Symbol.dispose]();
    owned[Symbol.dispose]();
    expect(owned.disposed).toBe(true);
  }
  const uses: (() => unknown)[] = [
    () => right.sendSync({}),
    () => right.trySend({}),
    () => right.callSync({}),
    () => right.copy(),
    () => once.send({}),
    () => port.receiveSync(),
    () => port.tryReceive(),
    () => port.tryReceiveMany(1),
    () => port.makeSend(),
    () => port.makeSendOnce(),
    () => port.status(),
    () => set.receiveSync(),
    () => set.tryReceive(),
  ];
  for (const use of uses) {
    const error = thrown(use);
    expect(error).toBeInstanceOf(KernError);
    expect(error.code).toBe("KERN_INVALID_NAME");
  }
  for (const use of [right.send({}), right.call({}), port.receive(), set.receive()]) {
    expect((await rejected(use)).code).toBe("KERN_INVALID_NAME");
  }
});

test("a copied right stays with the sender, a moved one is gone", async () => {
  await using kernel = await Kernel.boot();
  warmUp(kernel);
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const carried = kernel.task.allocatePort();
  const [copied, moved] = [carried.makeSend(), carried.makeSend()];
  const once = carried.makeSendOnce();
  right.sendSync({ rights: [copied, move(moved), move(once)] });
  expect([copied.disposed, moved.disposed, once.disposed]).toEqual([false, true, true]);
  expect(thrown(() => moved.trySend({})).code).toBe("KERN_INVALID_NAME");
  const message = port.receiveSync({ timeout: 1000 });
  expect(message.rights.map((each) => each.constructor.name)).toEqual(["SendRight", "SendRight", "SendOnceRight"]);
  for (const each of message.rights) each[Symbol.dispose]();
  message[Symbol.dispose]();
  // The unused send-once right says so.
  const notification = carried.receiveSync({ timeout: 1000 });
  expect(notification.id).toBe(71);
  notification[Symbol.dispose]();
  for (const owned of [copied, right, carried, port]) owned[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("rights that a message carried and nobody took out are released with it", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const carried = kernel.task.allocatePort();
  right.sendSync({ rights: [move(carried.makeSend()), move(kernel.task.allocatePort())] });
  port.receiveSync({ timeout: 1000 })[Symbol.dispose]();
  expect(carried.status().senders).toBe(false);
  for (const owned of [right, port, carried]) owned[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("a receive right moves to another task with the messages in its queue", async () => {
  await using kernel = await Kernel.boot();
  const other = kernel.createTask({ name: "other" });
  const inbox = other.allocatePort();
  await other.bootstrap.register("inbox", inbox.makeSend());
  const toOther = await kernel.bootstrap.lookUp("inbox");
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  for (const id of [1, 2, 3]) right.sendSync({ id });
  toOther.sendSync({ rights: [move(port)] });
  expect(port.disposed).toBe(true);
  const message = inbox.receiveSync({ timeout: 1000 });
  const moved = message.rights[0] as typeof port;
  expect(moved.constructor.name).toBe("ReceiveRight");
  for (const id of [1, 2, 3]) {
    const each = moved.receiveSync({ timeout: 1000 });
    expect(each.id).toBe(id);
    each[Symbol.dispose]();
  }
  message[Symbol.dispose]();
});

test("a send-once right sends one message and is used up", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const once = port.makeSendOnce();
  once.send({ id: 1 });
  expect(once.disposed).toBe(true);
  expect(thrown(() => once.send({ id: 2 })).code).toBe("KERN_INVALID_NAME");
  expect(port.receiveSync({ timeout: 1000 }).id).toBe(1);
  expect(port.tryReceive()).toBeNull();
});

test("a refused send leaves every right with its owner", async () => {
  await using kernel = await Kernel.boot();
  warmUp(kernel);
  const before = live(kernel);
  const full = kernel.task.allocatePort({ qlimit: 1 });
  const right = full.makeSend();
  right.sendSync({ id: 0 });
  const carried = kernel.task.allocatePort();
  const [copied, moved] = [carried.makeSend(), carried.makeSend()];
  const once = carried.makeSendOnce();
  const outgoing = { id: 1, rights: [copied, move(moved), move(once)] };
  expect(right.trySend(outgoing)).toBe(false);
  const sync = thrown(() => right.sendSync(outgoing, { timeout: 5 }));
  expect([sync instanceof MachMsgError, sync.code]).toEqual([true, "MACH_SEND_TIMED_OUT"]);
  expect((await rejected(right.send(outgoing, { timeout: 5 }))).code).toBe("MACH_SEND_TIMED_OUT");
  expect([copied.disposed, moved.disposed, once.disposed]).toEqual([false, false, false]);
  // They still work.
  copied.sendSync({ id: 10 });
  moved.sendSync({ id: 11 });
  once.send({ id: 12 });
  expect(carried.tryReceiveMany(10).map((message) => message.id)).toEqual([10, 11, 12]);
  full.receiveSync({ timeout: 0 })[Symbol.dispose]();
  expect(right.trySend({ id: 2 })).toBe(true);
  for (const owned of [copied, moved, right, full, carried]) owned[Symbol.dispose]();
  inside(kernel.task).processor.drain();
  const after = live(kernel);
  expect(after.PORT).toBe(before.PORT);
});

test("sending to a dead port is MACH_SEND_INVALID_DEST, and dead resolves", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const { dead } = right;
  port[Symbol.dispose]();
  await dead;
  const error = thrown(() => right.trySend({}));
  expect([error instanceof MachMsgError, error.code]).toEqual([true, "MACH_SEND_INVALID_DEST"]);
  expect((await rejected(right.call({}))).code).toBe("MIG_SERVER_DIED");
  expect(thrown(() => right.callSync({})).code).toBe("MIG_SERVER_DIED");
});

test("a right of another task is refused with a TypeError", async () => {
  await using kernel = await Kernel.boot();
  const other = kernel.createTask({ name: "other" });
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const foreign = other.allocatePort().makeSend();
  expect(thrown(() => right.trySend({ rights: [foreign] }))).toBeInstanceOf(TypeError);
  expect(right.trySend({ id: 1 })).toBe(true);
});

test("a wrong type is a TypeError that names the argument, and nothing is sent", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const wrong: [unknown, string][] = [
    [null, "message"],
    [{ id: "1" }, "message.id"],
    [{ id: 2 ** 40 }, "message.id"],
    [{ body: "text" }, "message.body"],
    [{ body: () => {}, bodyBytes: -1 }, "message.bodyBytes"],
    [{ body: () => {} }, "message.bodyBytes"],
    [{ rights: [1] }, "rights"],
    [{ rights: [port] }, "rights"],
    [{ reply: {} }, "rights"],
  ];
  for (const [message, argument] of wrong) {
    const error = thrown(() => right.trySend(message as Parameters<SendRight["trySend"]>[0]));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain(argument);
  }
  expect(thrown(() => right.sendSync({}, { timeout: -1 })).message).toContain("timeout");
  expect(thrown(() => right.sendSync({}, { timeout: Number.NaN })).message).toContain("timeout");
  expect(port.tryReceive()).toBeNull();
  right[Symbol.dispose]();
  port[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("a body writer that throws leaves nothing behind", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const moved = port.makeSend();
  const error = thrown(() =>
    right.trySend({
      bodyBytes: 10_000,
      body: () => {
        throw new RangeError("on purpose");
      },
      rights: [move(moved)],
    }),
  );
  expect(error.message).toBe("on purpose");
  expect(moved.disposed).toBe(false);
  for (const owned of [right, moved, port]) owned[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});
