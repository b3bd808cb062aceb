// Notifications as events on rights: told as often as it happens, not after the end of the subscription, and nothing is left.

import { expect, test } from "vitest";
import { Kernel, type Message, move, type PortNotification, ReceiveRight } from "mach-ipc";
import {
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  traps,
} from "mach-ipc/traps";
import { live, settled, thrown, until, warmUp } from "./lib.js";

/** Time for what must not come. */
const turns = async (count = 20): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("onDead tells every listener once when the port dies, and at once when it is dead", async () => {
  await using kernel = await Kernel.boot();
  warmUp(kernel);
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const other = kernel.createTask({ name: "other" });
  const far = other.allocatePort();
  const right = port.makeSend();
  const once = port.makeSendOnce();
  const told: string[] = [];
  right.onDead(() => told.push("first"));
  right.onDead(() => told.push("second"));
  right.onDead(() => told.push("ended"))[Symbol.dispose]();
  once.onDead(() => told.push("once"));
  far.makeSend().onDead(() => told.push("far"));
  await turns();
  expect(told).toEqual([]);
  port[Symbol.dispose]();
  await until(() => told.length >= 3);
  right.onDead(() => told.push("late"));
  await until(() => told.includes("late"));
  await turns();
  expect([...told].sort()).toEqual(["first", "late", "once", "second"]);
  right[Symbol.dispose]();
  once[Symbol.dispose]();
  expect(thrown(() => right.onDead(() => {})).code).toBe("KERN_INVALID_NAME");
  expect(() => far.makeSend().onDead(null as unknown as () => void)).toThrow(TypeError);
  other[Symbol.dispose]();
  const left = await settled(kernel);
  expect(left.REQUEST).toBe(before.REQUEST);
});

test("onDead does not tell of a name that went first", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = kernel.createTask({ name: "other" }).allocatePort().makeSend();
  let told = 0;
  right.onDead(() => told++);
  const once = port.makeSendOnce();
  once.onDead(() => told++);
  right[Symbol.dispose]();
  once.send({ id: 1 });
  port[Symbol.dispose]();
  await turns();
  expect(told).toBe(0);
});

test("onNoSenders tells each time that the last right goes, with the make-send count", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const counts: number[] = [];
  const subscription = port.onNoSenders(({ makeSendCount }) => counts.push(makeSendCount), { since: 1 });
  await turns();
  expect(counts).toEqual([]);
  const rights = [port.makeSend(), port.makeSend()];
  rights[0]?.[Symbol.dispose]();
  await turns();
  expect(counts).toEqual([]);
  rights[1]?.[Symbol.dispose]();
  await until(() => counts.length === 1);
  port.makeSend()[Symbol.dispose]();
  await until(() => counts.length === 2);
  expect(counts).toEqual([2, 3]);
  subscription[Symbol.dispose]();
  subscription[Symbol.dispose]();
  expect(port.status().noSendersRequested).toBe(false);
  port.makeSend()[Symbol.dispose]();
  await turns();
  expect(counts).toEqual([2, 3]);
});

test("onNoSenders tells at once where nobody is left, and of rights that came and went before it was heard", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const counts: number[] = [];
  port.onNoSenders(({ makeSendCount }) => counts.push(makeSendCount));
  for (let made = 0; made < 3; made++) port.makeSend()[Symbol.dispose]();
  await until(() => counts.length === 2);
  await turns();
  expect(counts).toEqual([0, 3]);
  expect(() => port.onNoSenders(() => {}, { since: -1 })).toThrow(TypeError);
});

test("onNoSenders and noSenders tell after every message that came before", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const set = kernel.task.allocatePortSet([port]);
  const heard: string[] = [];
  const reading = (async () => {
    for await (const message of set) {
      heard.push("message");
      message[Symbol.dispose]();
    }
  })();
  const told = async (ask: (since: number) => void): Promise<void> => {
    const right = port.makeSend();
    ask(port.status().makeSendCount);
    const expected: string[] = [];
    for (let sent = 1; sent <= 20; sent++) {
      await new Promise((resolve) => setTimeout(resolve, 1)); // the reader waits; to look eagerly never pays, and it stops that
      right.sendSync({ id: 1 });
      expected.push("message");
      if (sent < 20) await until(() => heard.length === sent);
    }
    right[Symbol.dispose](); // the last message holds a right until it is received
    expected.push("nobody");
    await until(() => heard.length === expected.length);
    expect(heard.splice(0)).toEqual(expected);
  };
  for (let round = 0; round < 3; round++) {
    await told((since) => port.onNoSenders(() => heard.push("nobody"), { since }));
    await told((since) => void port.noSenders({ since }).then(() => heard.push("nobody")));
  }
  set[Symbol.dispose]();
  await reading;
});

test("onNoSenders ends when it is asked again, and with the receive right", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  let told = 0;
  port.onNoSenders(() => told++, { since: 1 });
  const asked = port.noSenders({ since: 1 });
  port.makeSend()[Symbol.dispose]();
  expect((await asked).makeSendCount).toBe(1);
  const other = kernel.task.allocatePort();
  other.onNoSenders(() => told++, { since: 1 });
  other[Symbol.dispose]();
  await turns();
  expect(told).toBe(0);
});

test("a subscription that was replaced takes nothing along when it is disposed", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const told: string[] = [];
  const first = port.onNoSenders(() => told.push("first"), { since: 1 });
  const second = port.onNoSenders(() => told.push("second"), { since: 1 });
  first[Symbol.dispose]();
  expect(port.status().noSendersRequested).toBe(true);
  port.makeSend()[Symbol.dispose]();
  await until(() => told.length > 0);
  expect(told).toEqual(["second"]);
  second[Symbol.dispose]();
  expect(port.status().noSendersRequested).toBe(false);
});

test("onPortDestroyed brings the right back with its queue when its holder ends, wherever it is", async () => {
  await using kernel = await Kernel.boot();
  const holder = kernel.createTask({ name: "holder" });
  const inbox = await holder.bootstrap.checkIn("inbox");
  const toHolder = await kernel.bootstrap.lookUp("inbox");
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const came: number[] = [];
  port.onPortDestroyed(async ({ right: back }) => {
    const message = await back.receive({ timeout: 5000 });
    came.push(message.id);
  });
  expect(port.status().portDestroyedRequested).toBe(true);
  toHolder.sendSync({ rights: [move(port)] });
  const message = inbox.tryReceive();
  expect(message?.rights.length).toBe(1);
  right.sendSync({ id: 7 });
  holder[Symbol.dispose]();
  await until(() => came.length === 1);
  expect(came).toEqual([7]);
});

test("onPortDestroyed that was ended lets the port die with its holder", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const inbox = await kernel.createTask({ name: "holder" }).bootstrap.checkIn("inbox");
  const toHolder = await kernel.bootstrap.lookUp("inbox");
  let came = 0;
  const subscription = port.onPortDestroyed(() => came++);
  toHolder.sendSync({ rights: [move(port)] });
  subscription[Symbol.dispose]();
  inbox.tryReceive()?.[Symbol.dispose](); // and the right in it
  await right.dead;
  await turns();
  expect(came).toBe(0);
});

test("a message of the kernel's says what it tells, and one of a task does not, whatever its id", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const mach = traps(task);
  const inbox = task.allocatePort();
  const told = (): PortNotification | null => {
    const message = inbox.tryReceive() as Message;
    const { notification } = message;
    message[Symbol.dispose]();
    return notification;
  };
  const arm = (name: number, id: number): void => {
    const previous = new Uint32Array(1);
    const self = mach.mach_task_self();
    const kr = mach.mach_port_request_notification(
      self,
      name,
      id,
      0,
      inbox.name,
      MACH_MSG_TYPE_MAKE_SEND_ONCE,
      previous,
    );
    expect(kr).toBe(0);
  };
  inbox.makeSendOnce()[Symbol.dispose]();
  expect(told()).toEqual({ type: "send-once" });
  inbox.makeSend().sendSync({ id: MACH_NOTIFY_SEND_ONCE });
  expect(told()).toBeNull();
  const port = task.allocatePort();
  const right = port.makeSend();
  arm(right.name, MACH_NOTIFY_DEAD_NAME);
  right[Symbol.dispose]();
  expect(inbox.tryReceive()).toBeNull(); // the name lives on as the receive right's
  arm(port.name, MACH_NOTIFY_NO_SENDERS);
  expect(told()).toEqual({ type: "no-senders", makeSendCount: 1 });
  arm(port.name, MACH_NOTIFY_PORT_DESTROYED);
  const { name } = port;
  port[Symbol.dispose]();
  const events = [told(), told()];
  expect(events).toContainEqual({ type: "port-deleted", name });
  const back = events.find((event) => event?.type === "port-destroyed");
  expect(back).toMatchObject({ right: expect.any(ReceiveRight) });
});
