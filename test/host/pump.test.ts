// Goal: what takes messages and throws loses the message at hand and no other. Method: a pump of its own, with a sink that throws.

import { afterEach, beforeEach, expect, test } from "vitest";
import { Kernel, type ReceiveRight } from "mach-ipc";
import { Message } from "../../dist/message.js";
import { Pump } from "../../dist/pump.js";
import { until } from "./lib.js";

/** Its constructor is no part of its published type. */
const Received = Message as unknown as new (...parts: unknown[]) => Message;

let kernel: Kernel;
let port: ReceiveRight;
let reported: string[];
const listeners = process.listeners("uncaughtException");

beforeEach(async () => {
  kernel = await Kernel.boot();
  port = kernel.task.allocatePort();
  reported = [];
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => reported.push(error.message));
});
afterEach(async () => {
  process.removeAllListeners("uncaughtException");
  for (const listener of listeners) process.on("uncaughtException", listener);
  await kernel.close();
});

/** Takes messages and throws at each even id. */
class Sink {
  readonly expectant = false;
  readonly ids: number[] = [];
  readonly pump: Pump;

  constructor(right: ReceiveRight) {
    const { space } = right as unknown as { space: ConstructorParameters<typeof Pump>[0] };
    this.pump = new Pump(space, right.name, this, true);
    this.take = (kmsg, address) => {
      using message = new Received(space, kmsg, address);
      this.ids.push(message.id);
      if (message.id % 2 === 0) throw new Error(`message ${message.id}`);
    };
  }

  readonly take: (kmsg: number, address: number) => void;
  damaged(): void {
    throw new Error("not expected");
  }

  taken(): void {}
  ended(): void {}
}

test("a sink that throws gets the rest of the batch and all later messages", async () => {
  const right = port.makeSend();
  const { pump, ids } = new Sink(port);
  for (const id of [1, 2, 3, 4]) right.trySend({ id });
  pump.start();
  await until(() => ids.length === 4, 5000);
  for (const id of [5, 6]) right.trySend({ id });
  await until(() => ids.length === 6, 5000);
  await new Promise((resolve) => setTimeout(resolve, 20)); // it waits by now: the next comes to a pending receive
  for (const id of [8, 9]) right.trySend({ id });
  await until(() => ids.length === 8, 5000);
  expect(ids).toEqual([1, 2, 3, 4, 5, 6, 8, 9]);
  await until(() => reported.length === 4, 5000);
  expect(reported).toEqual(["message 2", "message 4", "message 6", "message 8"]);
  pump.stop();
});

test("who takes what came already gets what the sink throws; the rest of the batch comes all the same", async () => {
  const right = port.makeSend();
  const { pump, ids } = new Sink(port);
  pump.start();
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const id of [1, 3]) right.trySend({ id }); // the first completes the receive, where it is pending by now
  for (const id of [4, 5, 7]) right.trySend({ id });
  expect(() => pump.poll()).toThrow("message 4");
  expect([ids.at(-1), ids.includes(5)]).toEqual([4, false]);
  await until(() => ids.length === 5, 5000);
  expect([...ids].sort()).toEqual([1, 3, 4, 5, 7]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const id of [9, 11]) right.trySend({ id }); // it waits again, once
  await until(() => ids.length === 7, 5000);
  expect(reported).toEqual([]);
  pump.stop();
  right.trySend({ id: 13 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(port.tryReceive()?.id).toBe(13);
});

test("a wait that an exception left keeps nothing alive", () => {
  const stranded: number[] = [];
  const space = {
    handle: 1,
    core: {
      mach_msg_receive_async() {
        throw new RangeError("no stack");
      },
    },
    processor: { expect: () => 7, strand: (cookie: number) => void stranded.push(cookie) },
  };
  const sink = { expectant: false, take() {}, damaged() {}, taken() {}, ended() {} };
  const pump = new Pump(space as unknown as ConstructorParameters<typeof Pump>[0], 1, sink, true);
  expect(() => pump.start()).toThrow("no stack");
  expect(stranded).toEqual([7]);
});
