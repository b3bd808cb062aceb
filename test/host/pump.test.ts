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

test("a sink that throws gets the rest of the batch and all later messages", async () => {
  const { space } = port as unknown as { space: ConstructorParameters<typeof Pump>[0] };
  const right = port.makeSend();
  const taken: number[] = [];
  const sink = {
    expectant: false,
    take(kmsg: number, address: number) {
      using message = new Received(space, kmsg, address);
      taken.push(message.id);
      if (message.id % 2 === 0) throw new Error(`message ${message.id}`);
    },
    taken() {},
    ended() {},
  };
  const pump = new Pump(space, port.name, sink, true);
  for (const id of [1, 2, 3, 4]) right.trySend({ id });
  pump.start();
  await until(() => taken.length === 4, 5000);
  for (const id of [5, 6]) right.trySend({ id });
  await until(() => taken.length === 6, 5000);
  await new Promise((resolve) => setTimeout(resolve, 20)); // it waits by now: the next comes to a pending receive
  for (const id of [8, 9]) right.trySend({ id });
  await until(() => taken.length === 8, 5000);
  expect(taken).toEqual([1, 2, 3, 4, 5, 6, 8, 9]);
  await until(() => reported.length === 4, 5000);
  expect(reported).toEqual(["message 2", "message 4", "message 6", "message 8"]);
  pump.stop();
});
