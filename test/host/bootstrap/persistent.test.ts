// Goal: a persistent service outlives its servers: what is queued waits for the next one, what was in a dead server's hand is
// refused by MIG_SERVER_DIED, and no caller hangs. Method: servers of one thread for the rules, workers that are killed for the rest.

import { randomInt } from "node:crypto";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Kernel, type SpawnedTask } from "mach-ipc";
import { rejected, settled, start, until, warmUp } from "../lib.js";
import { LIVES, Phoenix, STALLED, STOP } from "../workers/phoenix.interface.mjs";

const words = (): Int32Array => new Int32Array(new SharedArrayBuffer(16));
const BOUND = { timeout: 20_000 };
const PERSISTENT = { persistent: true };

test("a successor may check in as soon as its predecessor is gone", async () => {
  await using kernel = await Kernel.boot();
  const right = await (async () => {
    const first = kernel.createTask({ name: "first" });
    await first.bootstrap.checkIn("service", PERSISTENT);
    const found = await kernel.bootstrap.lookUp("service");
    first[Symbol.dispose]();
    return found;
  })();
  for (let life = 0; life < 300; life++) {
    right.sendSync({ id: life });
    const task = kernel.createTask({ name: `life ${life}` });
    const port = await task.bootstrap.checkIn("service", PERSISTENT);
    const message = await port.receive(BOUND);
    expect(message.id).toBe(life);
    message[Symbol.dispose]();
    if (life % 2 === 0)
      port[Symbol.dispose](); // it may also let go of the port and live on
    else task[Symbol.dispose]();
  }
});

test("there is one server at a time", async () => {
  await using kernel = await Kernel.boot();
  const first = kernel.createTask({ name: "first" });
  const port = await first.bootstrap.checkIn("service", PERSISTENT);
  expect((await rejected(kernel.bootstrap.checkIn("service", PERSISTENT))).code).toBe("BOOTSTRAP_SERVICE_ACTIVE");
  const right = await kernel.bootstrap.lookUp("service");
  right.sendSync({ id: 9 });
  expect((await port.receive(BOUND)).id).toBe(9);
});

test("a check-in that nobody is there to be told of gives the port back", async () => {
  await using kernel = await Kernel.boot();
  const right = await (async () => {
    const task = kernel.createTask({ name: "first" });
    await task.bootstrap.checkIn("service", PERSISTENT);
    const found = await kernel.bootstrap.lookUp("service");
    task[Symbol.dispose]();
    return found;
  })();
  for (let life = 0; life < 50; life++) {
    const task = kernel.createTask({ name: "hasty" });
    const checkIn = task.bootstrap.checkIn("service", PERSISTENT).catch(() => {}); // in time or not
    for (let turns = life % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    task[Symbol.dispose]();
    await Promise.race([checkIn, new Promise((resolve) => setTimeout(resolve, 1))]);
  }
  right.sendSync({ id: 5 });
  await expect.poll(() => kernel.bootstrap.checkIn("service").then((port) => port.tryReceive()?.id)).toBe(5);
});

test("a service is as persistent as its last check-in said", async () => {
  await using kernel = await Kernel.boot();
  const [first, last] = ["first", "last"].map((name) => kernel.createTask({ name })) as [
    ReturnType<typeof kernel.createTask>,
    ReturnType<typeof kernel.createTask>,
  ];
  await first.bootstrap.checkIn("service", PERSISTENT);
  const right = await kernel.bootstrap.lookUp("service");
  first[Symbol.dispose]();
  await last.bootstrap.checkIn("service");
  last[Symbol.dispose]();
  await right.dead;
  await expect.poll(() => kernel.bootstrap.list()).toEqual([]);
});

test("unregistered between two servers it is gone, with the calls that waited", async () => {
  await using kernel = await Kernel.boot();
  const task = kernel.createTask({ name: "first" });
  await task.bootstrap.checkIn("service", PERSISTENT);
  const phoenix = await kernel.bootstrap.lookUp(Phoenix, "service");
  task[Symbol.dispose]();
  const call = rejected(phoenix.ping({ n: 1 }, BOUND));
  await kernel.bootstrap.unregister("service");
  expect((await call).code).toBe("MIG_SERVER_DIED");
});

test("unregistered while it is served its port dies with its server", async () => {
  await using kernel = await Kernel.boot();
  const task = kernel.createTask({ name: "first" });
  await task.bootstrap.checkIn("service", PERSISTENT);
  const right = await kernel.bootstrap.lookUp("service");
  const other = kernel.task.bootstrap;
  await other.unregister("service");
  task[Symbol.dispose]();
  await right.dead;
  const port = await other.checkIn("service");
  expect(port.status().messages).toBe(0);
});

test("without a server the queue is as long as ever: senders wait, time out, and go on with the successor", async () => {
  await using kernel = await Kernel.boot();
  const first = kernel.createTask({ name: "first" });
  await first.bootstrap.checkIn("service", PERSISTENT);
  const right = await kernel.bootstrap.lookUp("service");
  let sent = 0;
  while (right.trySend({ id: sent })) sent++;
  first[Symbol.dispose]();
  expect(sent).toBe(1024);
  expect(right.trySend({ id: sent })).toBe(false);
  expect((await rejected(right.send({ id: sent }, { timeout: 5 }))).code).toBe("MACH_SEND_TIMED_OUT");
  const waiting = right.send({ id: sent });
  const second = kernel.createTask({ name: "second" });
  const port = await second.bootstrap.checkIn("service", PERSISTENT);
  for (let id = 0; id <= sent; id++) {
    const message = await port.receive(BOUND);
    expect(message.id).toBe(id);
    message[Symbol.dispose]();
  }
  await waiting;
});

test("a request in the dead server's hand is refused, those in the queue are the successor's", async () => {
  await using kernel = await Kernel.boot();
  const shared = words();
  const data = { service: "phoenix", words: shared };
  const first = start(kernel, "phoenix.mjs", { data });
  const phoenix = await kernel.bootstrap.lookUp(Phoenix, "phoenix");
  expect(await phoenix.ping({ n: 1 }, BOUND)).toEqual({ n: 2, life: 1 });
  const stalled = rejected(phoenix.stall({}, BOUND));
  await until(() => shared[STALLED] === 1);
  const queued = [5, 6, 7].map((n) => phoenix.ping({ n }, BOUND));
  await until(() => kernel.dump().ports.some((port) => port.messages === 3));
  await first.terminate();
  expect((await stalled).code).toBe("MIG_SERVER_DIED");
  const later = phoenix.ping({ n: 8 }, BOUND);
  start(kernel, "phoenix.mjs", { data });
  expect(await Promise.all([...queued, later])).toEqual([6, 7, 8, 9].map((n) => ({ n, life: 2 })));
});

/** Serves, calls from two workers and from this thread, and kills the server so many times, in every way. */
async function underLoad(kernel: Kernel, kills: number): Promise<{ answered: number; died: number }> {
  const shared = words();
  const data = { service: "phoenix", words: shared };
  let worker: Worker | undefined;
  const make = (): Worker => {
    worker = new Worker(new URL("../workers/phoenix.mjs", import.meta.url));
    return worker;
  };
  const server = kernel.spawn(make, {
    name: "phoenix",
    data,
    restart: { on: "always", delay: 1, maxDelay: 1, limit: kills, onRestart: () => {} },
  });
  const caller = kernel.createTask({ name: "caller" });
  const phoenix = await caller.bootstrap.lookUp(Phoenix, "phoenix");
  const port = kernel.task.allocatePort();
  const report = port.makeSend();
  const clients = [true, false].map((blocking): SpawnedTask => {
    return start(kernel, "phoenix.client.mjs", { data: { ...data, blocking }, rights: { report } });
  });
  const total = { answered: 0, died: 0, wrong: [] as string[] };
  const calls = async (routine: "ping" | "later"): Promise<void> => {
    for (let n = 0; shared[STOP] === 0; n++) {
      try {
        if ((await phoenix[routine]({ n }, BOUND)).n === n + 1) total.answered++;
        else total.wrong.push(`${n} has a wrong answer`);
      } catch (error) {
        if ((error as { code?: string }).code === "MIG_SERVER_DIED") total.died++;
        else total.wrong.push(String(error));
      }
    }
  };
  const here = ["ping", "later", "ping", "later"].map((routine) => calls(routine as "ping"));
  const ways = [
    () => worker?.terminate(),
    () => phoenix.exit({ code: 0 }, BOUND),
    () => worker?.terminate(),
    () => phoenix.fail({}, BOUND),
    () => void phoenix.stall({}, BOUND).catch((error) => total.wrong.push(...notDied(error))),
  ];
  for (let kill = 0; kill < kills; kill++) {
    const served = total.answered;
    await until(() => shared[LIVES] === kill + 1 && total.answered > served + 20);
    for (let turns = randomInt(20); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    const stalls = shared[STALLED] as number;
    await ways[kill % ways.length]?.();
    if (kill % ways.length !== ways.length - 1) continue;
    await until(() => (shared[STALLED] as number) > stalls);
    await worker?.terminate();
  }
  const served = total.answered;
  await until(() => shared[LIVES] === kills + 1 && total.answered > served + 20);
  shared[STOP] = 1;
  await Promise.all(here);
  for (const _ of clients) {
    const message = await port.receive(BOUND);
    const count = JSON.parse(new TextDecoder().decode(message.body.slice())) as typeof total;
    message[Symbol.dispose]();
    expect(count.answered).toBeGreaterThan(0);
    total.answered += count.answered;
    total.died += count.died;
    total.wrong.push(...count.wrong);
  }
  for (const client of clients) expect(await client.exited).toEqual({ reason: "exit", code: 0 });
  expect(total.wrong).toEqual([]);
  await server.terminate();
  await kernel.bootstrap.unregister("phoenix");
  for (const thing of [caller, report, port]) thing[Symbol.dispose]();
  return total;
}

function notDied(error: { code?: string }): string[] {
  return error.code === "MIG_SERVER_DIED" ? [] : [String(error)];
}

test("twenty servers killed under load: each call is answered or refused, none hangs, nothing is left", {
  timeout: 120_000,
}, async () => {
  await using kernel = await Kernel.boot();
  warmUp(kernel);
  await underLoad(kernel, 5);
  const before = await settled(kernel);
  const { answered, died } = await underLoad(kernel, 20);
  expect(await settled(kernel)).toEqual(before);
  expect(answered).toBeGreaterThan(20 * 20);
  expect(died).toBeGreaterThan(0);
});
