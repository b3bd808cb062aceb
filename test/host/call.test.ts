// Goal: calls find their answers, also when many are under way or given up. Method: a server in the same event loop.

import { expect, test } from "vitest";
import { Kernel, type ReceiveRight } from "mach-ipc";
import { live, rejected, until } from "./lib.js";

/** Answers every request with its own body until the port is disposed. */
async function serve(port: ReceiveRight): Promise<void> {
  for await (const request of port) {
    request.respond({ body: request.body });
    request[Symbol.dispose]();
  }
}

test("256 calls under way get each its own answer", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const serving = serve(port);
  const right = port.makeSend();
  const answers = await Promise.all(
    Array.from({ length: 256 }, async (_, n) => {
      const reply = await right.call({ id: n, body: new Uint8Array([n & 0xff, n >> 8]) });
      const result = [reply.id, ...reply.body];
      reply[Symbol.dispose]();
      return result;
    }),
  );
  expect(answers).toEqual(Array.from({ length: 256 }, (_, n) => [n + 100, n & 0xff, n >> 8]));
  port[Symbol.dispose]();
  await serving;
});

test("calls leave nothing behind", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const serving = serve(port);
  const right = port.makeSend();
  (await right.call({ id: 0 }))[Symbol.dispose]();
  const before = live(kernel);
  for (let n = 0; n < 5000; n++) (await right.call({ id: n, body: new Uint8Array(n % 300) }))[Symbol.dispose]();
  await until(() => JSON.stringify(live(kernel)) === JSON.stringify(before), 5000);
  port[Symbol.dispose]();
  await serving;
});

test("a call that times out or is aborted rejects, and its late answer goes to nobody", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  expect((await rejected(right.call({ id: 1 }, { timeout: 10 }))).code).toBe("MACH_RCV_TIMED_OUT");
  const controller = new AbortController();
  const aborted = rejected(right.call({ id: 2 }, { signal: controller.signal }));
  await Promise.resolve();
  controller.abort(new Error("enough"));
  expect((await aborted).message).toBe("enough");
  const third = right.call({ id: 3 });
  for (const id of [1, 2, 3]) {
    const request = await port.receive({ timeout: 5000 }).catch(() => null);
    if (request === null) break;
    expect(request.id).toBeGreaterThanOrEqual(id);
    try {
      request.respond({ id: request.id * 1000 });
    } catch (error) {
      expect(error).toMatchObject({ code: "MACH_SEND_INVALID_DEST" }); // the caller gave up
    }
    const last = request.id === 3;
    request[Symbol.dispose]();
    if (last) break;
  }
  expect((await third).id).toBe(3000);
});

test("a blocking call with a timeout ends", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  expect(() => right.callSync({ id: 1 }, { timeout: 20 })).toThrow(/MACH_RCV_TIMED_OUT/);
  expect(() => right.callSync({ id: 2 }, { timeout: 0 })).toThrow(/MACH_RCV_TIMED_OUT/);
  // The requests are there; the reply ports are not.
  for (const message of port.tryReceiveMany(10)) message[Symbol.dispose]();
});

test("calls to a full queue wait behind each other and pass those to other ports", async () => {
  await using kernel = await Kernel.boot();
  const [slow, fast] = [kernel.task.allocatePort({ qlimit: 1 }), kernel.task.allocatePort()];
  const serving = serve(fast);
  const [toSlow, toFast] = [slow.makeSend(), fast.makeSend()];
  const waiting = Array.from({ length: 20 }, (_, id) => toSlow.call({ id }));
  (await toFast.call({ id: 1 }))[Symbol.dispose]();
  const ids: number[] = [];
  while (ids.length < 20) {
    const request = await slow.receive({ timeout: 5000 });
    ids.push(request.id);
    request.respond({});
    request[Symbol.dispose]();
  }
  expect(ids).toEqual(Array.from({ length: 20 }, (_, id) => id));
  for (const call of waiting) (await call)[Symbol.dispose]();
  fast[Symbol.dispose]();
  await serving;
});

test("a call or send that its own body function aborts is not sent", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  const message = (controller: AbortController) => ({
    bodyBytes: 4,
    body: () => controller.abort(new Error("enough")),
  });
  const calls = new AbortController();
  const called = right.call(message(calls), { signal: calls.signal });
  const hung = new Promise((resolve) => setTimeout(resolve, 5000, "hung").unref());
  const ends = Promise.race([called, hung]);
  expect((await rejected(ends)).message).toBe("enough");
  right.trySend({ id: 1 });
  const sends = new AbortController();
  const sent = Promise.race([right.send(message(sends), { signal: sends.signal }), hung]);
  expect((await rejected(sent)).message).toBe("enough");
  port.tryReceive()?.[Symbol.dispose]();
  expect(port.tryReceive()).toBeNull();
});

test("a reply that looks like the end of its right is a reply", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const called = right.call({ id: 71 - 100 });
  const request = await port.receive();
  request.respond({});
  request[Symbol.dispose]();
  const reply = await called;
  expect(reply.id).toBe(71);
  reply[Symbol.dispose]();
});
