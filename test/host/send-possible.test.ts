// Waiting for room: who was refused is told of room, or of the port's death, and nobody's watch for the one ends the other's.

import { expect, test } from "vitest";
import { Kernel, move, type ReceiveRight, type SendRight } from "mach-ipc";
import { live, settled, thrown, until } from "./lib.js";

const turns = async (count = 20): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A port that another task serves, with `qlimit` messages in its queue, and a right to it. */
async function fullPort(kernel: Kernel, qlimit = 1) {
  const other = kernel.createTask({ name: "other" });
  using port = await other.bootstrap.checkIn("full");
  const hall = await kernel.bootstrap.lookUp("full");
  using moved = kernel.task.allocatePort({ qlimit });
  const right: SendRight = moved.makeSend();
  hall.sendSync({ rights: [move(moved)] });
  hall[Symbol.dispose]();
  using message = port.tryReceive();
  const inbox = message?.rights[0];
  while (right.trySend({ id: 1 }));
  return { other, port: inbox as ReceiveRight, right };
}

test("sendPossible resolves when a message is received from the full port, and at once where there is room", async () => {
  await using kernel = await Kernel.boot();
  const { port, right } = await fullPort(kernel);
  let told = 0;
  const first = right.sendPossible().then(() => told++);
  const second = right.sendPossible().then(() => told++);
  await turns();
  expect(told).toBe(0);
  port.tryReceive()?.[Symbol.dispose]();
  await Promise.all([first, second]);
  await right.sendPossible();
  expect(right.trySend({ id: 2 })).toBe(true);
  expect(right.trySend({ id: 3 })).toBe(false);
});

test("every message gets through a queue of one by trySend and sendPossible, in order", async () => {
  await using kernel = await Kernel.boot();
  const { port, right } = await fullPort(kernel);
  port.tryReceive()?.[Symbol.dispose]();
  const ids: number[] = [];
  const reading = (async () => {
    for await (using message of port) if (ids.push(message.id) === 200) break;
  })();
  let refused = 0;
  for (let id = 0; id < 200; id++) {
    while (!right.trySend({ id })) {
      refused++;
      await right.sendPossible();
    }
  }
  await reading;
  expect(ids).toEqual(Array.from({ length: 200 }, (_, id) => id));
  expect(refused).toBeGreaterThan(0);
});

test("the port's death resolves it, and tells who awaits the death too", async () => {
  await using kernel = await Kernel.boot();
  const { port, right } = await fullPort(kernel);
  let deaths = 0;
  right.onDead(() => deaths++);
  const room = right.sendPossible();
  right.onDead(() => deaths++);
  await turns();
  port[Symbol.dispose]();
  await room;
  await until(() => deaths === 2);
  expect(thrown(() => right.trySend({ id: 1 })).code).toBe("MACH_SEND_INVALID_DEST");
  await right.sendPossible(); // dead already
});

test("who awaits a death hears of it although room was awaited and told before", async () => {
  await using kernel = await Kernel.boot();
  const { port, right } = await fullPort(kernel);
  let died = false;
  void right.dead.then(() => {
    died = true;
  });
  const room = right.sendPossible();
  port.tryReceive()?.[Symbol.dispose]();
  await room;
  await turns();
  expect(died).toBe(false);
  port[Symbol.dispose]();
  await until(() => died);
});

test("it ends with its signal and with its right, and leaves nothing", async () => {
  await using kernel = await Kernel.boot();
  const { other, port, right } = await fullPort(kernel);
  await settled(kernel);
  const before = live(kernel);
  const controller = new AbortController();
  const given = right.sendPossible({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(given).rejects.toThrow("enough");
  await expect(right.sendPossible({ signal: controller.signal })).rejects.toThrow("enough");
  expect((await settled(kernel)).REQUEST).toBe(before.REQUEST);
  const room = right.sendPossible();
  right[Symbol.dispose]();
  await expect(room).rejects.toMatchObject({ code: "KERN_ABORTED" });
  expect(thrown(() => right.sendPossible()).code).toBe("KERN_INVALID_NAME");
  port[Symbol.dispose]();
  other[Symbol.dispose]();
  expect((await settled(kernel)).REQUEST).toBe(before.REQUEST);
});

test("a request on the name by other means ends it", async () => {
  await using kernel = await Kernel.boot();
  const { right } = await fullPort(kernel);
  const room = right.sendPossible();
  const { traps, MACH_NOTIFY_DEAD_NAME, MACH_MSG_TYPE_MAKE_SEND_ONCE } = await import("mach-ipc/traps");
  const raw = traps(kernel.task);
  const out = new Uint32Array(1);
  const self = raw.mach_task_self();
  raw.mach_port_request_notification(self, right.name, MACH_NOTIFY_DEAD_NAME, 0, 0, MACH_MSG_TYPE_MAKE_SEND_ONCE, out);
  expect(out[0]).not.toBe(0);
  raw.mach_port_deallocate(self, out[0] ?? 0);
  await expect(room).rejects.toMatchObject({ code: "KERN_ABORTED" });
});
