// Goal: requests and replies lie in memory as Mach's own stubs lay them out, and what is malformed is refused by the right
// code and leaks nothing. Method: the worked examples of the real generator, and messages made by hand.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Kernel, MigError, move, type ReceiveRight, type SendRight } from "mach-ipc";
import { defineSubsystem, routine, simpleroutine, t } from "mach-ipc/mig";
import { inNewArray } from "../../lib/arrays.js";
import { build, type PortDescriptor, word } from "../../lib/message.js";
import { Space } from "../../lib/space.js";
import { inside, live, rejected, thrown, until } from "../lib.js";

const Sub = defineSubsystem({
  name: "sub",
  base: 1001003,
  routines: {
    in_v8: simpleroutine({ a: t.bytes(13) }),
    in_var2: simpleroutine({ s: t.string(19), v: t.uint64, t: t.string(32), w: t.uint32 }),
    mix: simpleroutine({ v: t.uint32, p: t.send, w: t.uint32 }),
    nothing: simpleroutine({}),
    ports: simpleroutine({ r: t.receive, o: t.sendOnce, m: t.makeSend }),
    scalars: routine(
      { a: t.int8, b: t.uint8, c: t.int16, d: t.uint16, e: t.int32, f: t.uint32, g: t.int64, h: t.uint64, i: t.bool },
      { a: t.int8, b: t.uint8, c: t.int16, d: t.uint16, e: t.int32, f: t.uint32, g: t.int64, h: t.uint64, i: t.bool },
    ),
    back: routine({ s: t.string(20), d: t.bytes(50) }, { s: t.string(20), d: t.bytes(50) }),
    give: routine({}, { p: t.send, n: t.int32 }),
  },
});

let kernel: Kernel;
let port: ReceiveRight;
let right: SendRight;
let raw: Space;

beforeEach(async () => {
  kernel = await Kernel.boot();
  port = kernel.task.allocatePort();
  right = port.makeSend();
  raw = new Space(kernel.task);
});
afterEach(() => kernel.close());

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The client's request as it lies in the queue: size, id and what follows the header. */
function request(): { size: number; id: number; bits: number; rest: string } {
  const { buffer, message } = raw.receive(port.name);
  return { size: message.size, id: message.id, bits: message.bits, rest: hex(buffer.subarray(24, message.size)) };
}

async function client() {
  await kernel.bootstrap.register("codec", right);
  return kernel.bootstrap.lookUp(Sub, "codec");
}

const NDR = "0000000001000000";

describe("requests lie in memory as the stubs of mig write them:", () => {
  test("a short array of bytes", async () => {
    await (await client()).in_v8({ a: Uint8Array.of(0x4d, 0x54, 0x5b) });
    const { size, id, bits, rest } = request();
    expect([size, id, bits >>> 31]).toEqual([0x28, 1001003, 0]);
    expect(rest).toBe(`${NDR}030000004d545b00`);
  });

  test("strings of variable length around a 64-bit number that is not aligned to 8", async () => {
    await (await client()).in_var2({ s: "cdefg", v: 0x1122334455667788n, t: "efghijk", w: 0xdeadbeef });
    const { size, id, rest } = request();
    expect(id).toBe(1001004);
    const text = (value: string) => hex(new TextEncoder().encode(value));
    expect(rest).toBe(
      `${NDR}0000000006000000${text("cdefg\0")}0000` +
        `8877665544332211` +
        `0000000008000000${text("efghijk\0")}efbeadde`,
    );
    expect(size).toBe(24 + rest.length / 2);
    expect(rest.indexOf("8877665544332211") / 2 + 24).toBe(48);
  });

  test("a port comes before the numbers around it", async () => {
    await (await client()).mix({ v: 0x11223344, p: right, w: 0x55667788 });
    const { bits, rest } = request();
    expect(bits >>> 31).toBe(1);
    expect(rest.slice(0, 8)).toBe("01000000");
    expect(rest.slice(16)).toBe(`0000000000001100${NDR}4433221188776655`);
  });

  test("no arguments: no NDR record", async () => {
    await (await client()).nothing({});
    expect(request()).toMatchObject({ size: 24, id: 1001006, rest: "" });
  });

  test("only ports: no NDR record", async () => {
    const [moved, onced, made] = [kernel.task.allocatePort(), kernel.task.allocatePort(), kernel.task.allocatePort()];
    await (await client()).ports({ r: move(moved), o: onced.makeSendOnce(), m: made });
    const { size, rest } = request();
    expect(size).toBe(24 + 4 + 36);
    expect([rest.slice(8 + 16, 8 + 24), rest.slice(8 + 40, 8 + 48), rest.slice(8 + 64, 8 + 72)]).toEqual([
      "00001000",
      "00001200",
      "00001100",
    ]);
  });
});

/** A server for Sub on another task, and the client of this one. */
async function pair() {
  const server = kernel.createTask({ name: "server" });
  const kept: SendRight[] = [];
  await server.bootstrap.serve(Sub, "pair", {
    in_v8: () => {},
    in_var2: () => {},
    mix: ({ p }) => {
      p[Symbol.dispose]();
    },
    nothing: () => {},
    ports: ({ r, o, m }) => {
      for (const owned of [r, o, m]) owned[Symbol.dispose]();
    },
    scalars: (values) => values,
    back: (values) => values,
    give: () => {
      const own = server.allocatePort().makeSend();
      kept.push(own);
      return { p: own, n: -5 };
    },
  });
  return { server, client: await kernel.bootstrap.lookUp(Sub, "pair") };
}

describe("values arrive as they were given:", () => {
  test.each([
    {
      a: -128,
      b: 255,
      c: -32768,
      d: 65535,
      e: -(2 ** 31),
      f: 2 ** 32 - 1,
      g: -(2n ** 63n),
      h: 2n ** 64n - 1n,
      i: true,
    },
    { a: 127, b: 0, c: 32767, d: 0, e: 2 ** 31 - 1, f: 0, g: 2n ** 63n - 1n, h: 0n, i: false },
    { a: 0, b: 1, c: -1, d: 1, e: -1, f: 1, g: -1n, h: 1n, i: true },
  ])("numbers at the ends of their ranges (%#)", async (values) => {
    const { client } = await pair();
    expect(await client.scalars(values)).toEqual(values);
  });

  test.each(["", "a", "abcd", "grüße", "日本語", "x".repeat(20), "😀😀😀😀😀"])("the string %j", async (s) => {
    const { client } = await pair();
    const d = Uint8Array.from({ length: s.length }, (_, index) => 255 - index);
    expect(await client.back({ s, d })).toEqual({ s, d });
  });

  test("a right in a reply", async () => {
    const { client } = await pair();
    const { p, n } = await client.give({});
    expect(n).toBe(-5);
    expect(p.trySend({ id: 1 })).toBe(true);
    p[Symbol.dispose]();
  });
});

test("a value that does not fit is refused before anything is sent", async () => {
  const { client } = await pair();
  const good = { a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, g: 0n, h: 0n, i: true };
  const wrong: Record<string, unknown>[] = [
    { a: 128 },
    { a: -129 },
    { b: -1 },
    { b: 256 },
    { c: 32768 },
    { d: 65536 },
    { e: 2 ** 31 },
    { f: -1 },
    { f: 2 ** 32 },
    { g: 2n ** 63n },
    { h: -1n },
    { h: 2n ** 64n },
    { a: 1.5 },
    { e: Number.NaN },
    { i: 1 },
    { a: "1" },
    { a: undefined },
  ];
  for (const value of wrong) {
    const error = await rejected(client.scalars({ ...good, ...value } as typeof good));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain(Object.keys(value)[0]);
  }
  const long = await rejected(client.back({ s: "x".repeat(21), d: new Uint8Array() }));
  expect([long instanceof MigError, long.code]).toEqual([true, "MIG_ARRAY_TOO_LARGE"]);
  expect((await rejected(client.back({ s: "ü".repeat(11), d: new Uint8Array() }))).code).toBe("MIG_ARRAY_TOO_LARGE");
  expect((await rejected(client.back({ s: "", d: new Uint8Array(51) }))).code).toBe("MIG_ARRAY_TOO_LARGE");
  expect(await rejected(client.back({ s: "a\0b", d: new Uint8Array() }))).toBeInstanceOf(TypeError);
  expect(await client.scalars(good)).toEqual(good);
});

describe("a server answers what is malformed with the right code and keeps nothing of it:", () => {
  const NDR_BYTES = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0);
  const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
  const body = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const base = 1001003;

  interface Case {
    readonly id: number;
    readonly data?: Uint8Array;
    readonly array?: boolean;
    dispositions?: readonly number[];
    readonly code: number;
  }
  const cases: Record<string, Case> = {
    "an id below the first": { id: base - 1, code: -303 },
    "an id behind the last": { id: base + 8, code: -303 },
    "a body where none belongs": { id: base + 3, data: words(1), code: -304 },
    "no body where one belongs": { id: base + 5, code: -304 },
    "4 bytes too few": { id: base + 5, data: body(NDR_BYTES, new Uint8Array(40)), code: -304 },
    "4 bytes too many": { id: base + 5, data: body(NDR_BYTES, new Uint8Array(48)), code: -304 },
    "rights where none belong": { id: base, data: body(NDR_BYTES, words(0)), dispositions: [19], code: -304 },
    "no rights where one belongs": { id: base + 2, data: body(NDR_BYTES, words(1, 2)), code: -304 },
    "two rights where one belongs": {
      id: base + 2,
      data: body(NDR_BYTES, words(1, 2)),
      dispositions: [19, 19],
      code: -304,
    },
    "a send-once right for a send right": {
      id: base + 2,
      data: body(NDR_BYTES, words(1, 2)),
      dispositions: [21],
      code: -300,
    },
    "a receive right for a send right": {
      id: base + 2,
      data: body(NDR_BYTES, words(1, 2)),
      dispositions: [16],
      code: -300,
    },
    "an array of send rights for a send right": {
      id: base + 2,
      data: body(NDR_BYTES, words(1, 2)),
      dispositions: [19],
      array: true,
      code: -300,
    },
    "an array above its bound": { id: base, data: body(NDR_BYTES, words(14, 0, 0, 0)), code: -304 },
    "an array longer than the message": { id: base, data: body(NDR_BYTES, words(9, 0, 0)), code: -304 },
    "an array shorter than the message": { id: base, data: body(NDR_BYTES, words(1, 0, 0)), code: -304 },
    "a string without its NUL": {
      id: base + 6,
      data: body(NDR_BYTES, words(0, 4, 0x41414141, 0)),
      code: -304,
    },
    "a string of no bytes": { id: base + 6, data: body(NDR_BYTES, words(0, 0, 0)), code: -304 },
    "a string above its bound": {
      id: base + 6,
      data: body(NDR_BYTES, words(0, 22), new Uint8Array(24), words(0)),
      code: -304,
    },
    "a string longer than the message": {
      id: base + 6,
      data: body(NDR_BYTES, words(0, 0xfffffff0), new Uint8Array(8)),
      code: -304,
    },
    "a string that is not UTF-8": {
      id: base + 6,
      data: body(NDR_BYTES, words(0, 3, 0x0000feff, 0)),
      code: -304,
    },
  };

  test.each(Object.entries(cases))("%s", async (_, { id, data, dispositions, array, code }) => {
    const { server } = await pair();
    const destination = await kernel.bootstrap.lookUp("pair");
    const before = live(kernel);
    const carried = kernel.task.allocatePort();
    const descriptors: PortDescriptor[] = (dispositions ?? []).map((disposition) => {
      const own = disposition === 16 ? kernel.task.allocatePort() : carried;
      if (disposition !== 19) return { name: own.name, disposition };
      return { name: carried.makeSend().name, disposition: 17 };
    });
    if (array) {
      const [{ name, disposition }] = descriptors as [PortDescriptor];
      descriptors[0] = inNewArray(raw, [name, 0], disposition);
    }
    const reply = raw.allocate();
    const draft = {
      remote: destination.name,
      remoteDisposition: 19,
      local: reply,
      localDisposition: 21,
      id,
      ...(descriptors.length > 0 ? { descriptors } : {}),
      ...(data === undefined ? {} : { data }),
    };
    expect(raw.send(build(draft))).toBe(0);
    await until(() => raw.status(reply).msgcount > 0, 5000);
    const { buffer, message } = raw.receive(reply);
    expect([message.id, message.size, message.complex, word(buffer, 32) | 0]).toEqual([id + 100, 36, false, code]);
    expect(hex(buffer.subarray(24, 32))).toBe(NDR);
    expect(carried.status().senders).toBe(false);
    carried[Symbol.dispose]();
    raw.destroy(reply);
    inside(kernel.task).processor.drain();
    await expect.poll(() => live(kernel)).toEqual(before);
    expect(server.disposed).toBe(false);
  });

  test("the NDR record is not looked at, as in the stubs of mig", async () => {
    await pair();
    const destination = await kernel.bootstrap.lookUp("pair");
    const reply = raw.allocate();
    const data = body(words(0xffffffff, 0xffffffff), words(0, 3, 0x00004241), words(2, 0x4443));
    const draft = {
      remote: destination.name,
      remoteDisposition: 19,
      local: reply,
      localDisposition: 21,
      id: base + 6,
      data,
    };
    expect(raw.send(build(draft))).toBe(0);
    await until(() => raw.status(reply).msgcount > 0, 5000);
    const { buffer, message } = raw.receive(reply);
    expect([message.id, word(buffer, 32)]).toEqual([base + 106, 0]);
    expect(hex(buffer.subarray(36, message.size))).toBe("00000000" + "03000000" + "41420000" + "02000000" + "43440000");
  });
});

describe("a client refuses what is malformed and keeps nothing of it:", () => {
  const reply = (request: { remote: number; id: number }, more: object) =>
    build({ remote: request.remote, remoteDisposition: 18, id: request.id + 100, ...more });
  const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

  const cases: Record<string, { answer: (request: { remote: number; id: number }) => Uint8Array; code: string }> = {
    "another id": {
      answer: (request) => reply(request, { id: request.id + 101, data: words(0, 1, 0) }),
      code: "MIG_REPLY_MISMATCH",
    },
    "too short": { answer: (request) => reply(request, { data: words(0, 1) }), code: "MIG_TYPE_ERROR" },
    "success without values": { answer: (request) => reply(request, { data: words(0, 1, 0) }), code: "MIG_TYPE_ERROR" },
    "an error with values": {
      answer: (request) => reply(request, { data: words(0, 1, 5, 0, 1, 0, 0) }),
      code: "KERN_FAILURE",
    },
    "a string without its NUL": {
      answer: (request) => reply(request, { data: words(0, 1, 0, 0, 4, 0x41414141, 0) }),
      code: "MIG_TYPE_ERROR",
    },
    "too long": {
      answer: (request) => reply(request, { data: words(0, 1, 0, 0, 1, 0, 0, 7) }),
      code: "MIG_TYPE_ERROR",
    },
    "rights where none belong": {
      answer: (request) =>
        reply(request, { descriptors: [{ name: port.name, disposition: 20 }], data: words(0, 1, 0, 0, 1, 0, 0) }),
      code: "MIG_TYPE_ERROR",
    },
    "an error": { answer: (request) => reply(request, { data: words(0, 1, 5) }), code: "KERN_FAILURE" },
    "an error of mig": {
      answer: (request) => reply(request, { data: words(0, 1, -304 >>> 0) }),
      code: "MIG_BAD_ARGUMENTS",
    },
  };

  test.each(Object.entries(cases))("%s", async (_, { answer, code }) => {
    const stub = await client();
    const before = raw.status(port.name).srights;
    const call = rejected(stub.back({ s: "", d: new Uint8Array() }));
    await until(() => raw.status(port.name).msgcount > 0, 5000);
    const request = raw.take(port.name);
    expect(raw.send(answer(request))).toBe(0);
    const error = await call;
    expect(error).toBeInstanceOf(MigError);
    expect(error.code).toBe(code);
    expect(raw.status(port.name).srights).toBe(before);
  });

  test("the reply right destroyed", async () => {
    const stub = await client();
    const call = rejected(stub.back({ s: "", d: new Uint8Array() }));
    await until(() => raw.status(port.name).msgcount > 0, 5000);
    expect(raw.deallocate(raw.take(port.name).remote)).toBe(0);
    expect((await call).code).toBe("MIG_SERVER_DIED");
  });

  test("nothing at all, in time", async () => {
    const stub = await client();
    expect((await rejected(stub.back({ s: "", d: new Uint8Array() }, { timeout: 10 }))).code).toBe(
      "MACH_RCV_TIMED_OUT",
    );
    expect(thrown(() => stub.sync.back({ s: "", d: new Uint8Array() }, { timeout: 10 })).code).toBe(
      "MACH_RCV_TIMED_OUT",
    );
  });
});

test("a handler that throws answers with an error and the server serves on", async () => {
  const server = kernel.createTask({ name: "thrower" });
  let times = 0;
  await server.bootstrap.serve(Sub, "thrower", {
    in_v8: () => {},
    in_var2: () => {},
    mix: () => {},
    nothing: () => {},
    ports: () => {},
    scalars: (values) => values,
    back: (values) => {
      times++;
      if (times === 1) throw new Error("on purpose");
      return values;
    },
    give: () => {
      throw new MigError("give", -304);
    },
  });
  const client = await kernel.bootstrap.lookUp(Sub, "thrower");
  const first = await rejected(client.back({ s: "a", d: new Uint8Array() }));
  expect(first).toBeInstanceOf(MigError);
  expect((await client.back({ s: "b", d: new Uint8Array() })).s).toBe("b");
  expect((await rejected(client.give({}))).code).toBe("MIG_BAD_ARGUMENTS");
});
