// Goal: how a spawned task ended is told truly, and one that is to be restarted is, ever later, until it has to be given up.
// Method: workers that end in every way there is; the waiting times are computed, and seen only in their order.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  type Exit,
  Kernel,
  move,
  type ReceiveRight,
  type Restart,
  type RestartOptions,
  type SpawnOptions,
} from "mach-ipc";
import { Backoff, restartRule } from "../../dist/kernel/restart.js";
import { live, settled, start, thrown, until, warmUp } from "./lib.js";

const words = (count: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * count));

/** Starts ending.mjs under supervision, with delays that tests can wait for, and notes its restarts. */
function supervise(kernel: Kernel, data: object, restart: RestartOptions, options: Partial<SpawnOptions> = {}) {
  const seen: { exit: Exit; restart: Restart }[] = [];
  const onRestart = (exit: Exit, next: Restart): void => void seen.push({ exit, restart: next });
  const task = start(kernel, "ending.mjs", { data, restart: { delay: 1, onRestart, ...restart }, ...options });
  return { task, seen };
}

async function hello(
  port: ReceiveRight,
): Promise<{ life: number; name: string; note: unknown; rights: string[]; task: number }> {
  const message = await port.receive({ timeout: 20_000 });
  const text = JSON.parse(new TextDecoder().decode(message.body.slice()));
  const { task } = message.sender;
  message[Symbol.dispose]();
  return { ...text, task };
}

describe("exited says", () => {
  test.each([
    ["return", { reason: "exit", code: 0 }],
    ["code 5", { reason: "exit", code: 5 }],
    ["exit 0", { reason: "exit", code: 0 }],
    ["exit 3", { reason: "exit", code: 3 }],
  ])("%s", async (how, exit) => {
    await using kernel = await Kernel.boot();
    expect(await start(kernel, "ending.mjs", { data: { how } }).exited).toEqual(exit);
  });

  test.each(["throw purpose", "reject purpose"])("%s", async (how) => {
    await using kernel = await Kernel.boot();
    const exit = await start(kernel, "ending.mjs", { data: { how } }).exited;
    expect(exit).toMatchObject({ reason: "error", code: 1 });
    expect(exit.error).toBeInstanceOf(Error);
    expect(String(exit.error)).toContain("purpose");
  });

  test("error also when nothing was thrown", async () => {
    await using kernel = await Kernel.boot();
    const exit = await start(kernel, "ending.mjs", { data: { how: "nothing" } }).exited;
    expect(exit).toEqual({ reason: "error", code: 1, error: undefined });
  });

  test.each(["stay", "loop", "block"])("terminated, and no more, of what was terminated (%s)", async (how) => {
    await using kernel = await Kernel.boot();
    using port = kernel.task.allocatePort();
    using hi = port.makeSend();
    const task = start(kernel, "ending.mjs", { data: { how }, rights: { hello: hi } });
    await hello(port);
    await Promise.all([task.terminate(), task.terminate()]);
    expect(await task.exited).toEqual({ reason: "terminated" });
    await task.terminate();
  });

  test("terminated of what never got to start, and of what close() ended", async () => {
    const kernel = await Kernel.boot();
    const early = start(kernel, "ending.mjs", { data: { how: "stay" } });
    await early.terminate();
    expect(await early.exited).toEqual({ reason: "terminated" });
    const late = start(kernel, "ending.mjs", { data: { how: "stay" } });
    await kernel.close();
    expect(await late.exited).toEqual({ reason: "terminated" });
  });

  test("exit, with its code, of a worker that somebody else stopped or that never asked for its task", async () => {
    await using kernel = await Kernel.boot();
    const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
    const stopped = kernel.spawn(() => worker, { name: "stopped" });
    await once(worker, "online");
    await worker.terminate();
    expect(await stopped.exited).toEqual({ reason: "exit", code: 1 });
    const stranger = kernel.spawn(() => new Worker("process.exit(4)", { eval: true }), { name: "stranger" });
    expect(await stranger.exited).toEqual({ reason: "exit", code: 4 });
  });

  test.each([
    ["has a syntax error", "this is no program"],
    ["runs out of memory", "const all = []; for (;;) all.push(new Array(1e5).fill(all.length));"],
  ])("error of a worker that %s", async (_how, source) => {
    await using kernel = await Kernel.boot();
    const make = (): Worker => new Worker(source, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 } });
    const exit = await kernel.spawn(make, { name: "broken" }).exited;
    expect(exit.reason).toBe("error");
    expect(exit.error).toBeInstanceOf(Error);
  });

  test("nothing of a worker that was not made: spawn throws, and nothing is left", async () => {
    await using kernel = await Kernel.boot();
    await kernel.bootstrap.list();
    const before = live(kernel);
    const worker = new Worker("", { eval: true });
    const used = kernel.spawn(() => worker, { name: "once" });
    expect(thrown(() => kernel.spawn(() => worker, { name: "twice" })).message).toContain("new Worker");
    await used.exited;
    const makes = () => {
      throw new Error("no worker today");
    };
    expect(thrown(() => kernel.spawn(makes, { name: "none" })).message).toBe("no worker today");
    expect(thrown(() => kernel.spawn(makes, { name: "none", restart: {} })).message).toBe("no worker today");
    expect(live(kernel)).toEqual(before);
  });
});

describe("the waiting times", () => {
  const backoff = (options: RestartOptions) => new Backoff(restartRule(options));
  const delays = (policy: Backoff, lived: number, times: number[]) => times.map((now) => policy.next(lived, now));

  test("double up to the longest", () => {
    const policy = backoff({ delay: 10, maxDelay: 65, limit: Number.POSITIVE_INFINITY });
    expect(delays(policy, 0, [0, 0, 0, 0, 0, 0])).toEqual([10, 20, 40, 65, 65, 65]);
    for (let i = 0; i < 3000; i++) policy.next(0, 0);
    expect(policy.next(0, 0)).toBe(65);
    expect(delays(backoff({ delay: 0, maxDelay: 0 }), 0, [0, 0])).toEqual([0, 0]);
  });

  test("begin anew after a healthy life", () => {
    const policy = backoff({ delay: 10, healthyAfter: 1000 });
    expect([policy.next(0, 0), policy.next(999, 1), policy.next(1000, 2), policy.next(0, 3)]).toEqual([10, 20, 10, 20]);
  });

  test("end when there were too many within the window", () => {
    const policy = backoff({ delay: 1, maxDelay: 1, limit: 3, within: 100 });
    expect(delays(policy, 0, [0, 50, 99, 99])).toEqual([1, 1, 1, null]);
    expect(delays(policy, 0, [100, 149, 150])).toEqual([1, null, 1]);
  });

  test("are not more than a timer takes, and make sense", () => {
    const wrong: [string, unknown][] = [
      ["restart", true],
      ["restart", "always"],
      ["restart", null],
      ["restart.on", { on: "never" }],
      ["restart.delay", { delay: -1 }],
      ["restart.delay", { delay: Number.NaN }],
      ["restart.delay", { delay: "1" }],
      ["restart.delay", { delay: 2 ** 31 }],
      ["restart.maxDelay", { delay: 10, maxDelay: 9 }],
      ["restart.maxDelay", { maxDelay: Number.POSITIVE_INFINITY }],
      ["restart.healthyAfter", { healthyAfter: -1 }],
      ["restart.within", { within: {} }],
      ["restart.limit", { limit: 0 }],
      ["restart.limit", { limit: 1.5 }],
      ["restart.limit", { limit: Number.NaN }],
      ["restart.onRestart", { onRestart: 7 }],
    ];
    for (const [option, options] of wrong) {
      const error = thrown(() => restartRule(options as RestartOptions));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(`${option} must be`);
    }
    expect(restartRule({ delay: 20_000 }).maxDelay).toBe(20_000);
  });
});

describe("a task with restart", () => {
  test("is started again, later each time, and given up", async () => {
    await using kernel = await Kernel.boot();
    using port = kernel.task.allocatePort();
    const lives = words(1);
    const { task, seen } = supervise(
      kernel,
      { how: "throw purpose", lives, note: "same" },
      { maxDelay: 4, limit: 4 },
      { rights: { hello: move(port.makeSend()) }, name: "again" },
    );
    const exit = await task.exited;
    expect(exit).toMatchObject({ reason: "error", code: 1 });
    expect(seen.map(({ restart }) => restart)).toEqual([
      { count: 1, delay: 1 },
      { count: 2, delay: 2 },
      { count: 3, delay: 4 },
      { count: 4, delay: 4 },
    ]);
    for (const { exit } of seen) expect(String(exit.error)).toContain("purpose");
    expect(lives[0]).toBe(5);
    const tasks = new Set<number>();
    for (let life = 1; life <= 5; life++) {
      const said = await hello(port);
      expect(said).toMatchObject({ life, name: "again", note: "same", rights: ["hello"] });
      tasks.add(said.task);
    }
    expect(tasks.size).toBe(5);
    await port.noSenders({ signal: AbortSignal.timeout(20_000) }); // the kept copy is gone as well
    await task.terminate();
  });

  test("ends for good when it ends as it should", async () => {
    await using kernel = await Kernel.boot();
    const lives = words(1);
    const { task, seen } = supervise(kernel, { how: ["exit 2", "throw x", "exit 0"], lives }, {});
    expect(await task.exited).toEqual({ reason: "exit", code: 0 });
    expect(seen.map(({ exit }) => exit.reason)).toEqual(["exit", "error"]);
  });

  test('is started again "always", until its end is wanted', async () => {
    await using kernel = await Kernel.boot();
    const lives = words(1);
    const { task, seen } = supervise(kernel, { how: "exit 0", lives }, { on: "always", limit: 1000 });
    await until(() => seen.length >= 3);
    await task.terminate();
    expect(await task.exited).toEqual({ reason: "terminated" });
    const count = Atomics.load(lives, 0);
    const last = seen.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([Atomics.load(lives, 0), seen.length]).toEqual([count, last]);
  });

  test("is given the rights that its spawner had, though the spawner has them no more", async () => {
    await using kernel = await Kernel.boot();
    using port = kernel.task.allocatePort();
    const [hi, moved, doomed] = [port.makeSend(), port.makeSend(), kernel.task.allocatePort()];
    using mortal = doomed.makeSend();
    const { task } = supervise(
      kernel,
      { how: ["exit 1", "exit 1", "stay"], lives: words(1) },
      {},
      { rights: { hello: hi, moved: move(moved), mortal } },
    );
    expect([hi.disposed, moved.disposed]).toEqual([false, true]);
    hi[Symbol.dispose]();
    doomed[Symbol.dispose](); // a right whose port died is a dead one in the next life
    for (let life = 1; life <= 3; life++) {
      expect((await hello(port)).rights).toEqual(["hello", "moved", "mortal"]);
    }
    expect(port.status().senders).toBe(true);
    await task.terminate();
    await port.noSenders({ signal: AbortSignal.timeout(20_000) });
  });

  test("cannot be given what can be given once", async () => {
    await using kernel = await Kernel.boot();
    await kernel.bootstrap.list();
    warmUp(kernel);
    const before = live(kernel);
    const port = kernel.task.allocatePort();
    const [send, once] = [port.makeSend(), port.makeSendOnce()];
    let made = 0;
    const make = (): Worker => {
      made++;
      return new Worker("", { eval: true });
    };
    const spawn = (rights: SpawnOptions["rights"], restart: unknown = {}) =>
      thrown(() => kernel.spawn(make, { name: "x", rights: rights ?? {}, restart: restart as RestartOptions }));
    expect(spawn({ send, inbox: move(port) }).message).toMatch(/^rights\.inbox: a ReceiveRight .* persistent/);
    expect(spawn({ send, answer: move(once) }).message).toMatch(/^rights\.answer: a SendOnceRight /);
    expect(spawn({ send: move(send) }, { delay: -1 }).message).toContain("restart.delay");
    expect([made, send.disposed, once.disposed, port.disposed]).toEqual([0, false, false, false]);
    for (const right of [send, once, port]) right[Symbol.dispose]();
    expect(live(kernel)).toEqual(before);
  });

  test("can be terminated between two lives, and when its end is told", async () => {
    await using kernel = await Kernel.boot();
    const lives = words(1);
    const between = supervise(kernel, { how: "exit 1", lives }, { delay: 3_600_000, maxDelay: 3_600_000 });
    await until(() => between.seen.length === 1);
    await between.task.terminate();
    expect(await between.task.exited).toEqual({ reason: "terminated" });
    let ended: Promise<void> | undefined;
    const told = supervise(kernel, { how: "exit 1", lives }, { onRestart: () => (ended = told.task.terminate()) });
    expect(await told.task.exited).toEqual({ reason: "terminated" });
    await ended;
    expect(lives[0]).toBe(2);
    let made = 0;
    const making = kernel.spawn(
      () => {
        if (++made === 2) void making.terminate();
        return new Worker(made === 1 ? "process.exit(1)" : "setInterval(() => {}, 1000)", { eval: true });
      },
      { name: "making", restart: { delay: 1, onRestart: () => {} } },
    );
    expect(await making.exited).toEqual({ reason: "terminated" });
  });

  test("is not restarted by a kernel that was closed, nor after close() ended it", async () => {
    const kernel = await Kernel.boot();
    const lives = words(1);
    const waiting = supervise(kernel, { how: "exit 1" }, { delay: 3_600_000, maxDelay: 3_600_000 });
    const living = supervise(kernel, { how: "stay", lives }, { on: "always" });
    await until(() => waiting.seen.length === 1 && Atomics.load(lives, 0) === 1);
    await kernel.close();
    expect(await waiting.task.exited).toEqual({ reason: "terminated" });
    expect((await living.task.exited).reason).toBe("terminated");
    expect(living.seen).toEqual([]);
  });

  test("counts a worker that cannot be made as an end", async () => {
    await using kernel = await Kernel.boot();
    const causes: unknown[] = [];
    let made = 0;
    const worker = new Worker("process.exit(1)", { eval: true });
    const make = (): Worker => {
      if (++made === 2) throw new Error("no worker today");
      return worker; // the same again: it would never be heard of
    };
    const task = kernel.spawn(make, {
      name: "unlucky",
      restart: { delay: 1, limit: 2, onRestart: (exit) => void causes.push(exit.error ?? exit.code) },
    });
    const exit = await task.exited;
    expect(exit.reason).toBe("error");
    expect(String(exit.error)).toContain("new Worker");
    expect(causes.map(String)).toEqual(["1", "Error: no worker today"]);
  });

  test("is started again when somebody else stops its worker", async () => {
    await using kernel = await Kernel.boot();
    using port = kernel.task.allocatePort();
    using hi = port.makeSend();
    let worker: Worker | undefined;
    const url = new URL("./workers/ending.mjs", import.meta.url);
    const make = (): Worker => {
      worker = new Worker(url);
      return worker;
    };
    const task = kernel.spawn(make, {
      name: "stopped",
      data: { how: "loop", lives: words(1) },
      rights: { hello: hi },
      restart: { delay: 1, limit: 100, onRestart: () => {} },
    });
    for (let life = 1; life <= 5; life++) {
      expect((await hello(port)).life).toBe(life);
      await worker?.terminate();
    }
    await task.terminate();
  });

  test("leaves nothing behind", async () => {
    await using kernel = await Kernel.boot();
    using port = kernel.task.allocatePort();
    using hi = port.makeSend();
    const run = async (limit: number): Promise<void> => {
      const { task } = supervise(
        kernel,
        { how: "exit 1", lives: words(1) },
        { limit, maxDelay: 1 },
        { rights: { hello: hi } },
      );
      await task.exited;
      for (const message of port.tryReceiveMany(100)) message[Symbol.dispose]();
    };
    await run(1);
    const before = await settled(kernel);
    await run(20);
    expect(await settled(kernel)).toEqual(before);
  });

  test("keeps the process alive while a restart is due, and not after close()", async () => {
    const path = fileURLToPath(new URL("./programs/restart-keeps.mjs", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [path], { timeout: 20_000, killSignal: "SIGKILL" });
    expect(stdout.trim().split("\n")).toEqual(["3 2", "terminated", "timers: 0"]);
  });
});

test("spawn with restart refuses a right of another task and keeps nothing", async () => {
  await using kernel = await Kernel.boot();
  await kernel.bootstrap.list();
  const other = kernel.createTask({ name: "other" });
  const port = other.allocatePort();
  const send = port.makeSend();
  expect(thrown(() => start(kernel, "ending.mjs", { rights: { send }, restart: {} }))).toBeInstanceOf(TypeError);
  send[Symbol.dispose]();
  await port.noSenders({ signal: AbortSignal.timeout(20_000) });
});
