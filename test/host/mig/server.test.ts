// Goal: whatever a handler returns or throws, and whatever `onError` does, its caller is answered and the server serves on.
// Method: handlers that misbehave, each followed by a call that must succeed; counts of what lives before and after.

import { afterEach, beforeEach, expect, test } from "vitest";
import { KernError, Kernel, type SendRight, type Task } from "mach-ipc";
import { connect, defineSubsystem, routine, serve, type ServeOptions, t } from "mach-ipc/mig";
import { live, rejected, until } from "../lib.js";

const Sub = defineSubsystem({
  name: "sub",
  base: 3000,
  routines: {
    good: routine({ a: t.uint32 }, { a: t.uint32 }),
    number: routine({}, { n: t.uint32 }),
    text: routine({}, { s: t.string(100) }),
    right: routine({}, { r: t.send }),
    both: routine({}, { r: t.send, n: t.uint32 }),
    empty: routine({}, {}),
  },
});

type Handler = (values: Record<string, unknown>) => unknown;

let kernel: Kernel;
let task: Task;

beforeEach(async () => {
  kernel = await Kernel.boot();
  task = kernel.createTask({ name: "server" });
});
afterEach(() => kernel.close());

/** A client of a server with these handlers; the others do nothing. */
function served(handlers: Record<string, Handler>, options: ServeOptions = {}) {
  const port = task.allocatePort();
  const all = { number: () => {}, text: () => {}, right: () => {}, both: () => {}, empty: () => {}, ...handlers };
  serve(port, Sub, { good: (values: unknown) => values, ...all } as never, options);
  return connect(Sub, port.makeSend());
}

/** A disposed right: it can go into no message. */
function spent(): SendRight {
  const port = task.allocatePort();
  const right = port.makeSend();
  right[Symbol.dispose]();
  port[Symbol.dispose]();
  return right;
}

/** What promises are to `await`, without being one. */
function thenable(property: PropertyDescriptor): object {
  const name = ["th", "en"].join(""); // in one piece it would be taken for a slip
  return Object.defineProperty({}, name, property);
}

/** Rejects soon when nothing comes. */
const SOON = { timeout: 5000 };

test("a result that cannot be encoded is answered by a code, at once or late", async () => {
  const errors: string[] = [];
  const client = served(
    {
      number: () => ({ n: "many" }),
      text: async () => ({ s: 5 }),
      right: () => ({ r: spent() }),
      both: async () => ({ r: spent(), n: 1 }),
      empty: () => 7,
    },
    { onError: (_, routine) => errors.push(routine) },
  );
  await client.good({ a: 1 });
  const before = live(kernel);
  expect((await rejected(client.number({}, SOON))).code).toBe("MIG_REMOTE_ERROR");
  expect((await rejected(client.text({}, SOON))).code).toBe("MIG_REMOTE_ERROR");
  expect((await rejected(client.right({}, SOON))).code).toBe("KERN_INVALID_NAME");
  expect((await rejected(client.both({}, SOON))).code).toBe("KERN_INVALID_NAME");
  expect((await rejected(client.empty({}, SOON))).code).toBe("MIG_REMOTE_ERROR");
  expect(errors).toEqual(["sub.number", "sub.text", "sub.empty"]);
  expect(await client.good({ a: 2 })).toEqual({ a: 2 });
  await until(() => JSON.stringify(live(kernel)) === JSON.stringify(before), 5000);
});

test("results that throw when they are read are a failure of the handler", async () => {
  const client = served(
    {
      number: () => ({
        get n() {
          throw new Error("on purpose");
        },
      }),
      empty: () =>
        thenable({
          get() {
            throw new Error("on purpose");
          },
        }),
    },
    { onError: () => {} },
  );
  expect((await rejected(client.number({}, SOON))).code).toBe("MIG_REMOTE_ERROR");
  expect((await rejected(client.empty({}, SOON))).code).toBe("MIG_REMOTE_ERROR");
  expect(await client.good({ a: 1 })).toEqual({ a: 1 });
});

test("a thenable of any kind is awaited", async () => {
  const client = served({
    number: () => thenable({ value: (resolve: (values: unknown) => void) => resolve({ n: 3 }) }),
    empty: () =>
      thenable({ value: (_: unknown, reject: (error: unknown) => void) => reject(new KernError("empty", 5)) }),
  });
  expect(await client.number({}, SOON)).toEqual({ n: 3 });
  expect((await rejected(client.empty({}, SOON))).code).toBe("KERN_FAILURE");
  expect(await client.good({ a: 1 }, SOON)).toEqual({ a: 1 });
});

test("an onError that throws is reported, and keeps no answer back", async () => {
  const reported: string[] = [];
  const seen = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => reported.push(error.message));
  try {
    const client = served(
      {
        number: () => {
          throw new Error("first");
        },
        text: async () => {
          throw new Error("second");
        },
      },
      {
        onError: (error) => {
          throw new Error(`told of ${(error as Error).message}`);
        },
      },
    );
    const batch = [
      rejected(client.number({}, SOON)),
      client.good({ a: 1 }, SOON),
      client.good({ a: 2 }, SOON),
    ] as const;
    expect((await batch[0]).code).toBe("MIG_REMOTE_ERROR");
    expect([await batch[1], await batch[2]]).toEqual([{ a: 1 }, { a: 2 }]);
    expect((await rejected(client.text({}, SOON))).code).toBe("MIG_REMOTE_ERROR");
    expect(await client.good({ a: 3 }, SOON)).toEqual({ a: 3 });
    await until(() => reported.length === 2, 5000);
    expect(reported).toEqual(["told of first", "told of second"]);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of seen) process.on("uncaughtException", listener);
  }
});
