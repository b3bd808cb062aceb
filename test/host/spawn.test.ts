// Goal: a spawn that fails leaves everything as it was, and one that succeeds takes nothing that is not its own.

import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Kernel, move } from "mach-ipc";
import * as layout from "../../host-ts/abi/layout.gen.js";
import { recordOf } from "../../host-ts/kernel/life.js";
import { inside, live, settled, start, thrown } from "./lib.js";

function make(file: string): Worker {
  return new Worker(new URL(`./workers/${file}`, import.meta.url));
}

test("rights that were moved come back when spawn fails", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const sent = kernel.task.allocatePort();
  const send = sent.makeSend();
  const deaf = (): Worker => {
    const worker = make("early.mjs");
    worker.postMessage = () => {
      throw new Error("not posted");
    };
    return worker;
  };
  const once = port.makeSendOnce();
  const rights = { copy: send, port: move(port), send: move(send), once: move(once) };
  expect(thrown(() => kernel.spawn(deaf, { name: "deaf", rights })).message).toBe("not posted");
  right.trySend({ id: 1 });
  expect(port.tryReceive()?.id).toBe(1);
  send.trySend({ id: 2 });
  expect(sent.tryReceive()?.id).toBe(2);
  once.send({ id: 3 });
  expect(port.tryReceive()?.id).toBe(3);
});

test("one right cannot be moved twice, and is not lost by that", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const rights = { one: move(port), two: move(port) };
  const error = thrown(() => kernel.spawn(() => make("early.mjs"), { name: "twice", rights }));
  expect(error).toBeInstanceOf(TypeError);
  expect(port.disposed).toBe(false);
});

test("what is no worker is refused by name", async () => {
  await using kernel = await Kernel.boot();
  let terminated = 0;
  const stub = { postMessage: () => {}, terminate: () => terminated++ };
  expect(thrown(() => kernel.spawn(() => stub, { name: "stub" })).message).toBe("worker must make a Worker");
});

test("the naming service is started again after it could not be", async () => {
  await using kernel = await Kernel.boot();
  const { views } = inside(kernel.task).processor;
  const states = [...Array(layout.PROCESSOR_MAX - 2).keys()].map((i) => recordOf(i + 2) + layout.Processor_p_state);
  for (const at of states) views.setU32(at, layout.PROCESSOR_USER);
  expect(thrown(() => kernel.bootstrap).code).toBe("KERN_RESOURCE_SHORTAGE");
  for (const at of states) views.setU32(at, layout.PROCESSOR_FREE);
  const services = kernel.bootstrap.list();
  const silence = new Promise((resolve) => setTimeout(resolve, 10_000, "nobody answers").unref());
  expect(await Promise.race([services, silence])).toEqual([]);
}, 30_000);

test("an error that cannot be written ends its task like every other", async () => {
  await using kernel = await Kernel.boot();
  for (const options of [{}, { restart: { delay: 1, limit: 1 } }]) {
    expect((await start(kernel, "unprintable.mjs", options).exited).reason).toBe("error");
  }
});

test("messages that were posted before the letter come first, to who listens first", async () => {
  await using kernel = await Kernel.boot();
  let worker: Worker | undefined;
  const answers: unknown[] = [];
  const eager = (): Worker => {
    worker = make("early.mjs");
    worker.postMessage("one");
    worker.postMessage("two");
    return worker;
  };
  kernel.spawn(eager, { name: "eager" });
  worker?.postMessage("three");
  await new Promise<void>((resolve) => {
    worker?.on("message", (message) => {
      if (answers.push(message) === 3) resolve();
    });
  });
  expect(answers).toEqual(["one", "two", "three"]);
});

test("a task that was disposed in its worker is over: its calls say so and write nothing", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  let worker: Worker | undefined;
  const remember = (): Worker => {
    worker = make("disposed.mjs");
    return worker;
  };
  kernel.spawn(remember, { name: "disposed", rights: { to: port.makeSend() } });
  const found = await new Promise((resolve) => worker?.once("message", resolve));
  const code = "KERN_TERMINATED";
  const codes = { trySend: code, callSync: code, makeSendOnce: code, receive: code };
  expect(found).toEqual({ codes, written: false });
});

test("noSenders with what is no signal asks for nothing", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  await right.call({ id: 1 }, { timeout: 1 }).catch(() => {}); // the reply ports are there
  const before = await settled(kernel);
  const signal = {} as AbortSignal;
  await expect(port.noSenders({ signal })).rejects.toBeInstanceOf(TypeError);
  await expect(port.noSenders({ since: 2 ** 32 })).rejects.toBeInstanceOf(TypeError);
  expect(live(kernel)).toEqual(before);
});
