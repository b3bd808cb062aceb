// Goal: whoever waits for a server that dies hears of it by MIG_SERVER_DIED, also when the waiting thread is blocked and
// so is everybody else's event loop. Method: real workers that exit, throw or are terminated with a call in flight.

import { describe, expect, test } from "vitest";
import { Kernel, MigError } from "mach-ipc";
import { rejected, start, thrown } from "./lib.js";
import { Killer, Mortal } from "./workers/mortal.interface.mjs";

/** Ends a call that nobody ends, so that a failure is one of this test. */
const BOUND = { timeout: 20_000 };

async function served(kernel: Kernel, service = "mortal") {
  const task = start(kernel, "mortal.mjs", { data: { service } });
  const client = await kernel.bootstrap.lookUp(Mortal, service);
  expect((await client.ping({ n: 1 })).n).toBe(2);
  return { task, client };
}

async function killed(kernel: Kernel) {
  start(kernel, "killer.mjs", { data: { service: "killer", victim: "victim", attachment: kernel.attachment } });
  const killer = await kernel.bootstrap.lookUp(Killer, "killer");
  const client = await kernel.bootstrap.lookUp(Mortal, "victim");
  expect((await client.ping({ n: 1 })).n).toBe(2);
  return { killer, client };
}

function expectServerDied(error: Error & { code?: string }): void {
  expect(error).toBeInstanceOf(MigError);
  expect(error.code).toBe("MIG_SERVER_DIED");
}

describe("the booting thread is blocked in a call and gets MIG_SERVER_DIED when", () => {
  test("the server exits", async () => {
    await using kernel = await Kernel.boot();
    const { task, client } = await served(kernel);
    expectServerDied(thrown(() => client.sync.exit({}, BOUND)));
    expect(await task.exited).toMatchObject({ reason: "exit", code: 3 });
  });

  test("the server throws", async () => {
    await using kernel = await Kernel.boot();
    const { task, client } = await served(kernel);
    expectServerDied(thrown(() => client.sync.fail({}, BOUND)));
    const exit = await task.exited;
    expect(exit.reason).toBe("error");
    expect(String(exit.error)).toContain("on purpose");
  });

  test.each(["hang", "loop", "block"] as const)(
    "it had the server terminated just before the call (%s)",
    async (how) => {
      await using kernel = await Kernel.boot();
      const { task, client } = await served(kernel);
      void task.terminate();
      expectServerDied(thrown(() => client.sync[how]({}, BOUND)));
      expect((await task.exited).reason).toBe("terminated");
    },
  );

  test.each(["hang", "loop", "block"] as const)("the worker that made the server terminates it (%s)", async (how) => {
    await using kernel = await Kernel.boot();
    const { killer, client } = await killed(kernel);
    await killer.kill({ ms: 100 });
    expectServerDied(thrown(() => client.sync[how]({}, BOUND)));
  });

  test("the server has died long ago", async () => {
    await using kernel = await Kernel.boot();
    const { task, client } = await served(kernel);
    await task.terminate();
    expectServerDied(thrown(() => client.sync.ping({ n: 1 }, BOUND)));
  });

  test("its request and those of others were still in the queue", async () => {
    await using kernel = await Kernel.boot();
    const { killer, client } = await killed(kernel);
    await killer.kill({ ms: 100 });
    const calls = [client.loop({}), client.ping({ n: 1 }), client.ping({ n: 2 })].map((call) => rejected(call));
    expectServerDied(thrown(() => client.sync.ping({ n: 3 }, BOUND)));
    for (const call of calls) expectServerDied(await call);
  });
});

describe("a pending await rejects with MIG_SERVER_DIED when", () => {
  test("the server exits", async () => {
    await using kernel = await Kernel.boot();
    const { client } = await served(kernel);
    expectServerDied(await rejected(client.exit({}, BOUND)));
  });

  test("the server throws", async () => {
    await using kernel = await Kernel.boot();
    const { client } = await served(kernel);
    expectServerDied(await rejected(client.fail({}, BOUND)));
  });

  test.each(["hang", "loop", "block"] as const)("the server is terminated (%s)", async (how) => {
    await using kernel = await Kernel.boot();
    const { task, client } = await served(kernel);
    const call = rejected(client[how]({}, BOUND));
    await Promise.resolve(); // calls go out at the end of the turn
    void task.terminate();
    expectServerDied(await call);
    expect((await task.exited).reason).toBe("terminated");
  });

  test.each(["hang", "loop", "block"] as const)("the worker that made the server terminates it (%s)", async (how) => {
    await using kernel = await Kernel.boot();
    const { killer, client } = await killed(kernel);
    await killer.kill({ ms: 50 });
    expectServerDied(await rejected(client[how]({}, BOUND)));
  });
});

test("a name can be checked in again after its server has died", async () => {
  await using kernel = await Kernel.boot();
  const { task } = await served(kernel);
  await task.terminate();
  const { client } = await served(kernel);
  expect((await client.ping({ n: 41 })).n).toBe(42);
});

test("the death of a port is told to who holds a send right", async () => {
  await using kernel = await Kernel.boot();
  const { task } = await served(kernel);
  const right = await kernel.bootstrap.lookUp("mortal");
  const dead = right.dead;
  await task.terminate();
  await dead;
  right[Symbol.dispose]();
});
