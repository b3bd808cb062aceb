// Goal: a sender takes no lock between the end of copyin and the compare-and-swap that publishes an inline message without
// rights, and one that stops for good up to and including it stops nobody in another task; stopped while it hands over it
// stops that port only, until it is condemned. Method: the debug build stops a processor at a named site for good and
// counts its lock acquisitions.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Kernel, type ReceiveRight, type SpawnedTask } from "mach-ipc";
import * as layout from "../../host-ts/abi/layout.gen.js";
import { inside, settled, start, until } from "./lib.js";

const bytes = readFileSync(new URL("../../build/kernel.debug.wasm", import.meta.url));
const module = new WebAssembly.Module(bytes);
const WARM_UP = 200;

interface Stopped {
  readonly task: SpawnedTask;
  readonly port: ReceiveRight;
  /** Lock acquisitions of its last send so far. */
  readonly locks: number;
}

/** A worker that has sent `WARM_UP` messages to a port of this task and stopped in the next send, at `site`. */
async function stoppedAt(
  kernel: Kernel,
  site: number,
  name: string,
  port?: ReceiveRight,
  ready: () => boolean = () => true,
): Promise<Stopped> {
  const inbox = port ?? kernel.task.allocatePort();
  await kernel.bootstrap.register(name, inbox.makeSend());
  const shared = new Int32Array(new SharedArrayBuffer(16));
  const task = start(kernel, "stopped-sender.mjs", {
    data: {
      to: name,
      shared: shared.buffer,
      stopAt: site,
      warmUp: WARM_UP,
      record: layout.PROCESSORS,
      offsets: {
        size: layout.PROCESSOR_SIZE,
        locks: layout.Processor_p_locks,
        stop: layout.Processor_p_debug_stop,
      },
    },
  });
  await until(ready);
  Atomics.store(shared, 3, 1);
  Atomics.notify(shared, 3);
  await until(() => Atomics.load(shared, 0) !== 0);
  const record = layout.PROCESSORS + (shared[2] as number) * layout.PROCESSOR_SIZE;
  const { views } = inside(kernel.task).processor;
  const count = () => views.u32(record + layout.Processor_p_locks);
  // It has stopped when its count stands still and it has not come back from the trap.
  let seen = -1;
  for (let turns = 0; turns < 20; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    turns = count() === seen ? turns + 1 : 0;
    seen = count();
  }
  expect(Atomics.load(shared, 0)).toBe(1);
  return { task, port: inbox, locks: count() - (shared[1] as number) };
}

/** Takes the messages of the warm-up. */
function drain(port: ReceiveRight): number {
  let count = 0;
  for (const message of port.tryReceiveMany(1024)) {
    message[Symbol.dispose]();
    count++;
  }
  return count;
}

/** Others exchange messages over the same port and over others. */
async function othersGoOn(kernel: Kernel, port: ReceiveRight): Promise<void> {
  const right = port.makeSend();
  const other = kernel.createTask({ name: "bystander" });
  const own = other.allocatePort();
  const toOwn = own.makeSend();
  for (let n = 0; n < 100; n++) {
    expect(right.trySend({ id: 1000 + n })).toBe(true);
    const message = port.receiveSync({ timeout: 5000 });
    expect(message.id).toBe(1000 + n);
    message[Symbol.dispose]();
    toOwn.sendSync({ id: n }, { timeout: 5000 });
    own.receiveSync({ timeout: 5000 })[Symbol.dispose]();
  }
  right[Symbol.dispose]();
  other[Symbol.dispose]();
  await kernel.bootstrap.list(); // the naming service, in a thread of its own
}

/** Receives what comes to a port, as a waiter that messages are handed to. */
function read(port: ReceiveRight): { ids: number[]; ended: Promise<void> } {
  const ids: number[] = [];
  const loop = async () => {
    for await (const message of port) {
      ids.push(message.id);
      message[Symbol.dispose]();
    }
  };
  const ended = loop();
  ended.catch(() => {}); // a test that failed before is what is reported
  return { ids, ended };
}

/** Stopped after the push it owes a wake-up, so somebody waits. */
async function stoppedWithReader(kernel: Kernel, site: number, name: string) {
  const port = kernel.task.allocatePort();
  const reader = read(port);
  const stopped = await stoppedAt(kernel, site, name, port, () => reader.ids.length === WARM_UP);
  return { ...stopped, ...reader };
}

test("no lock is taken from the end of copyin to the push, nor by the push", async () => {
  await using kernel = await Kernel.boot({ module });
  const end = await stoppedAt(kernel, layout.DEBUG_SITE_COPYIN_END, "copyin.end");
  const before = await stoppedAt(kernel, layout.DEBUG_SITE_BEFORE_PUSH, "before.push");
  const after = await stoppedWithReader(kernel, layout.DEBUG_SITE_AFTER_PUSH, "after.push");
  expect(before.locks).toBe(end.locks);
  expect(after.locks).toBe(end.locks);
  for (const { task } of [end, before, after]) await task.terminate();
});

test.each([
  ["at the end of copyin", layout.DEBUG_SITE_COPYIN_END],
  ["before the push", layout.DEBUG_SITE_BEFORE_PUSH],
] as const)("a sender that stops for good %s stops nobody in another task", async (_, site) => {
  await using kernel = await Kernel.boot({ module });
  await kernel.bootstrap.list();
  const { task, port } = await stoppedAt(kernel, site, "stopped");
  expect(drain(port)).toBe(WARM_UP);
  await othersGoOn(kernel, port);
  await task.terminate();
  expect(drain(port)).toBe(0);
  await othersGoOn(kernel, port);
});

test("a sender that stops for good after the push stops nobody, and its message is there", async () => {
  await using kernel = await Kernel.boot({ module });
  const { task, port, ids, ended } = await stoppedWithReader(kernel, layout.DEBUG_SITE_AFTER_PUSH, "stopped");
  const right = port.makeSend();
  for (let n = 0; n < 100; n++) {
    expect(right.trySend({ id: 1000 + n })).toBe(true);
    await until(() => ids.at(-1) === 1000 + n, 5000);
  }
  expect(ids.filter((id) => id === 2)).toHaveLength(1);
  expect(ids[WARM_UP]).toBe(2);
  await othersGoOn(kernel, kernel.task.allocatePort());
  await task.terminate();
  expect(right.trySend({ id: 3 })).toBe(true);
  await until(() => ids.at(-1) === 3, 5000);
  expect(ids.filter((id) => id === 2)).toHaveLength(1);
  port[Symbol.dispose]();
  await ended;
});

test("the message of a sender that stopped after the push comes when it is terminated, if nobody else sends", async () => {
  await using kernel = await Kernel.boot({ module });
  const { task, port, ids, ended } = await stoppedWithReader(kernel, layout.DEBUG_SITE_AFTER_PUSH, "stopped");
  await task.terminate();
  await until(() => ids.at(-1) === 2, 5000);
  port[Symbol.dispose]();
  await ended;
});

test("a sender that stops while it hands over stops that port only, until it is condemned", async () => {
  await using kernel = await Kernel.boot({ module });
  const { task, port, ids, ended } = await stoppedWithReader(kernel, layout.DEBUG_SITE_HAND_OVER, "stopped");
  await othersGoOn(kernel, kernel.task.allocatePort());
  await task.terminate();
  // Its message was published: it is delivered, once, and the port works.
  await until(() => ids.at(-1) === 2, 5000);
  const right = port.makeSend();
  await right.send({ id: 77 }, { timeout: 5000 });
  await until(() => ids.at(-1) === 77, 5000);
  expect(ids.filter((id) => id === 1)).toHaveLength(WARM_UP);
  expect(ids.filter((id) => id === 2)).toHaveLength(1);
  port[Symbol.dispose]();
  await ended;
});

test("what a stopped sender held is given back when it is terminated", async () => {
  await using kernel = await Kernel.boot({ module });
  const stop = async (site: number) => {
    const stopped =
      site < layout.DEBUG_SITE_AFTER_PUSH
        ? await stoppedAt(kernel, site, `site.${site}`)
        : await stoppedWithReader(kernel, site, `site.${site}`);
    await stopped.task.terminate();
    await kernel.bootstrap.unregister(`site.${site}`);
    stopped.port[Symbol.dispose]();
  };
  const sites = [
    layout.DEBUG_SITE_COPYIN_END,
    layout.DEBUG_SITE_BEFORE_PUSH,
    layout.DEBUG_SITE_AFTER_PUSH,
    layout.DEBUG_SITE_HAND_OVER,
  ];
  await stop(layout.DEBUG_SITE_COPYIN_END); // threads keep reply ports from here on
  const before = await settled(kernel);
  for (const site of sites) await stop(site);
  expect(await settled(kernel)).toEqual(before);
});
