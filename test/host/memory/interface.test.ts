// Goal: interfaces carry memory and arrays of rights; what is malformed is answered by the right code, and nothing leaks, whoever
// fails. Method: client and server on one thread; messages made by hand.

import { afterEach, beforeEach, expect, test } from "vitest";
import { Kernel, KernError, MigError, move, type ReceiveRight, type Region, type SendRight } from "mach-ipc";
import { type Client, connect, defineSubsystem, routine, serve, simpleroutine, t } from "mach-ipc/mig";
import { rejected, thrown, until, warmUp } from "../lib.js";
import { held, pattern } from "./lib.js";

const PAGE = 4096;

const Store = defineSubsystem({
  name: "store",
  base: 5000,
  routines: {
    turn: routine({ name: t.string(20), data: t.memory(10 * PAGE), n: t.uint32 }, { data: t.memory(), n: t.uint32 }),
    rights: routine({ list: t.array(t.send, 4), one: t.send }, { made: t.array(t.receive, 4), n: t.uint32 }),
    fail: routine({ data: t.memory(), list: t.array(t.sendOnce, 4) }, {}),
    drop: simpleroutine({ data: t.memory() }),
  },
});

let kernel: Kernel;
let client: Client<typeof Store>;
let entry: ReceiveRight;
let raw: SendRight;
let before: Record<string, number>;
let wrong: unknown = null;

beforeEach(async () => {
  kernel = await Kernel.boot();
  const { task } = kernel;
  const service = kernel.createTask({ name: "service" });
  entry = service.allocatePort();
  await service.bootstrap.register("store", entry.makeSend());
  raw = await task.bootstrap.lookUp("store");
  client = connect(Store, raw.copy());
  serve(
    entry,
    Store,
    {
      turn: ({ name, data, n }) => {
        data.set(Buffer.from(name));
        return { data: n === 1 ? move(data) : data, n: data.size };
      },
      rights: ({ list, one }) => {
        for (const right of list) right.trySend({ id: 5 });
        for (const right of [...list, one]) right[Symbol.dispose]();
        return { made: list.map(() => move(service.allocatePort())), n: list.length };
      },
      fail: ({ data }) => {
        throw wrong ?? new KernError("fail", data.size);
      },
      drop: ({ data }) => data[Symbol.dispose](),
    },
    { onError: () => {} },
  );
  const first = await client.turn({ name: "", data: task.memory.allocate(1), n: 1 });
  first.data[Symbol.dispose]();
  await client.rights({ list: [], one: raw });
  warmUp(kernel);
  wrong = new Error("first");
  await rejected(client.fail({ data: task.memory.allocate(0), list: [entry, entry, entry] }));
  before = held(kernel);
});
afterEach(() => kernel.close());

test("memory goes both ways, with other arguments around it", async () => {
  const region = kernel.task.memory.from(pattern(3 * PAGE));
  const { data, n } = await client.turn({ name: "changed", data: region, n: 1 });
  expect(n).toBe(3 * PAGE);
  expect(data.bytes(0, 7)).toEqual(new Uint8Array(Buffer.from("changed")));
  expect(Buffer.compare(data.bytes(7), pattern(3 * PAGE).subarray(7))).toBe(0);
  data[Symbol.dispose]();
  const part = await client.turn({ name: "", data: region.range(10, 20), n: 1 });
  expect(Buffer.compare(part.data.bytes(), pattern(PAGE).subarray(10, 30))).toBe(0);
  part.data[Symbol.dispose]();
  const moved = await client.turn({ name: "", data: move(region), n: 1 });
  expect(region.disposed).toBe(true);
  moved.data[Symbol.dispose]();
  const empty = await client.turn({ name: "", data: kernel.task.memory.allocate(0), n: 1 });
  expect(empty.data.size).toBe(0);
  expect(held(kernel)).toEqual(before);
});

test("arrays of rights go both ways", async () => {
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const { made, n } = await client.rights({ list: [right, right, right], one: right });
  expect(n).toBe(3);
  expect(made.length).toBe(3);
  for (const received of made) received[Symbol.dispose]();
  expect(port.status().messages).toBe(3);
  const others = [right.copy(), right.copy()];
  expect((await client.rights({ list: others.map(move), one: move(right) })).made.length).toBe(2);
  expect(others.every(({ disposed }) => disposed)).toBe(true);
  for (const message of port.tryReceiveMany(9)) message[Symbol.dispose](); // each held a right
  expect(port.status().senders).toBe(false);
  expect((await client.rights({ list: [], one: raw })).made).toEqual([]);
  port[Symbol.dispose]();
});

test("a handler that fails: everything it was given is released", async () => {
  for (const error of [null, new Error("failed"), null]) {
    wrong = error;
    if (error !== null) before = held(kernel); // the first round made elements that are kept
    const port = kernel.task.allocatePort();
    const list = [port, port, port].map(() => move(port.makeSendOnce()));
    const data = kernel.task.memory.from(pattern(PAGE));
    const caught = await rejected(client.fail({ data: move(data), list }));
    expect(caught).toBeInstanceOf(MigError);
    expect(data.disposed).toBe(true);
    for (let i = 0; i < 3; i++) {
      const message = await port.receive({ timeout: 5000 });
      expect(message.notification?.type).toBe("send-once");
      message[Symbol.dispose]();
    }
    port[Symbol.dispose]();
  }
  expect(held(kernel)).toEqual(before);
});

test("too much, or what is no memory, is refused before it is sent", () => {
  const { memory } = kernel.task;
  const large = memory.allocate(10 * PAGE + 1);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const now = held(kernel);
  const turn = (data: unknown) => thrown(() => client.sync.turn({ name: "", data: data as Region, n: 0 }));
  expect(turn(large).code).toBe("MIG_ARRAY_TOO_LARGE");
  expect(turn(move(large)).code).toBe("MIG_ARRAY_TOO_LARGE");
  expect(large.disposed).toBe(false);
  for (const data of [new Uint8Array(4), null, undefined, right]) expect(turn(data)).toBeInstanceOf(TypeError);
  const rights = (list: unknown) => thrown(() => client.sync.rights({ list: list as SendRight[], one: right }));
  expect(rights([right, right, right, right, right]).code).toBe("MIG_ARRAY_TOO_LARGE");
  for (const list of [right, [1], [right, move(right.copy())], [port], { length: 1 }]) {
    expect(rights(list)).toBeInstanceOf(TypeError);
  }
  expect(thrown(() => t.array(t.uint32 as never, 4))).toBeInstanceOf(TypeError);
  expect(thrown(() => t.array(t.send, 20_000))).toBeInstanceOf(TypeError);
  expect(thrown(() => t.memory(-1))).toBeInstanceOf(TypeError);
  right[Symbol.dispose]();
  expect(held(kernel).VME).toBe(now.VME);
});

test("a dead server: what was to move is still there", async () => {
  const { task } = kernel;
  const data = task.memory.from(pattern(PAGE));
  const port = task.allocatePort();
  const list = [port.makeSendOnce(), port.makeSendOnce()];
  entry[Symbol.dispose]();
  expect((await rejected(client.fail({ data: move(data), list: list.map(move) }))).code).toBe("MIG_SERVER_DIED");
  expect(Buffer.compare(data.bytes(), pattern(PAGE))).toBe(0);
  for (const right of list) right.send({ id: 3 });
  expect(port.status().messages).toBe(2);
});

test("a malformed request is answered by a code and leaves nothing", async () => {
  const { memory } = kernel.task;
  const ndr = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0);
  const body = (...words: number[]) => new Uint8Array([...ndr, ...new Uint8Array(new Uint32Array(words).buffer)]);
  const text = [0, 1, 0]; // an empty string
  const ask = async (id: number, bytes: Uint8Array, sizes: number[], rights: SendRight[] = []) => {
    const regions = sizes.map((size) => move(memory.allocate(size)));
    const reply = await raw.call({ id, body: bytes, rights, memory: regions });
    const code = new DataView(reply.body.slice().buffer).getInt32(8, true);
    reply[Symbol.dispose]();
    return code;
  };
  expect(await ask(5000, body(...text, PAGE, 7), [PAGE - 1])).toBe(-300); // another count
  expect(await ask(5000, body(...text, 10 * PAGE + 1, 7), [10 * PAGE + 1])).toBe(-300); // beyond the bound
  expect(await ask(5000, body(...text, PAGE, 7), [PAGE, PAGE])).toBe(-304);
  expect(await ask(5000, body(...text, PAGE, 7), [])).toBe(-304);
  expect(await ask(5000, body(...text, PAGE), [PAGE])).toBe(-304);
  expect(await ask(5000, body(...text, PAGE, 7, 8), [PAGE])).toBe(-304);
  expect(await ask(5000, body(...text, PAGE, 7), [], [raw])).toBe(-300); // a right instead
  expect(await ask(5001, body(1), [4], [raw])).toBe(-300); // memory instead of an array
  expect((await rejected(ask(5003, body(PAGE), [PAGE]))).code).toBe("MIG_SERVER_DIED"); // carried out, and not answered
  expect(await ask(5999, body(PAGE), [PAGE])).toBe(-303);
  await until(() => held(kernel).VME === before.VME);
  expect(held(kernel)).toEqual(before);
});

test("a malformed reply is released by the client", async () => {
  const port = kernel.task.allocatePort();
  const bad = connect(Store, port.makeSend());
  const asked = rejected(bad.turn({ name: "", data: kernel.task.memory.allocate(PAGE), n: 1 }));
  using message = await port.receive();
  message.respond({ memory: [move(kernel.task.memory.allocate(PAGE))] }); // no count
  expect((await asked).code).toBe("MIG_TYPE_ERROR");
  const again = rejected(bad.turn({ name: "", data: kernel.task.memory.allocate(PAGE), n: 1 }));
  using second = await port.receive();
  second.respond({ memory: [move(kernel.task.memory.allocate(PAGE)), move(kernel.task.memory.allocate(PAGE))] });
  expect((await again).code).toBe("MIG_TYPE_ERROR");
});

test("memory beyond the receiver's quota is refused to who sent it, and to nobody else", async () => {
  const { task } = kernel;
  const small = kernel.createTask({ name: "small", quota: { memoryBytes: 16 * PAGE } });
  const door = small.allocatePort();
  await small.bootstrap.register("small", door.makeSend());
  serve(door, Store, {
    turn: ({ data, n }) => ({ data: move(data), n }),
    rights: () => ({ made: [], n: 0 }),
    fail: ({ data }) => data[Symbol.dispose](),
    drop: ({ data }) => data[Symbol.dispose](),
  });
  const toSmall = connect(Store, await task.bootstrap.lookUp("small"));
  const Large = defineSubsystem({
    name: "large",
    base: 5200,
    routines: { make: routine({ bytes: t.uint32 }, { data: t.memory() }) },
  });
  await task.bootstrap.serve(Large, "large", { make: ({ bytes }) => ({ data: move(task.memory.allocate(bytes)) }) });
  const large = await small.bootstrap.lookUp(Large, "large");
  const now = held(kernel);
  for (let round = 0; round < 3; round++) {
    const refused = rejected(toSmall.fail({ data: move(task.memory.allocate(17 * PAGE)), list: [] }));
    const fits = toSmall.fail({ data: move(task.memory.allocate(PAGE)), list: [] });
    expect((await refused).code).toBe("KERN_RESOURCE_SHORTAGE");
    await fits;
    const asked = [17, 1, 17, 17].map((pages) => large.make({ bytes: pages * PAGE }));
    const codes = await Promise.all(
      asked.map((call) =>
        call.then(
          ({ data }) => data[Symbol.dispose](),
          (error) => error.code,
        ),
      ),
    );
    expect(codes).toEqual([
      expect.stringMatching("BODY_ERROR"),
      undefined,
      ...Array(2).fill(expect.stringMatching("BODY_ERROR")),
    ]);
    await turnOfLoop(); // the next are received by one that waits
  }
  await until(() => held(kernel).VME === now.VME);
});

function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

test("a right that is moved twice in an array is refused, and is still there", async () => {
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const taken = held(kernel);
  const error = await rejected(client.rights({ list: [move(right), move(right)], one: raw }));
  expect(error.code).toBe("KERN_INVALID_NAME");
  expect(right.disposed).toBe(false);
  expect(held(kernel)).toEqual(taken);
  right.trySend({ id: 3 });
  expect(port.tryReceive()?.id).toBe(3);
});
