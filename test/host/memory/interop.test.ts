// Goal: regions are made of what JavaScript has, and what JavaScript has of regions. Method: one thread; sources that fail.

import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Kernel, type TaskMemory } from "mach-ipc";
import { rejected, thrown } from "../lib.js";
import { held, pattern } from "./lib.js";

const BYTES = pattern(200_003);

let kernel: Kernel;
let memory: TaskMemory;
let before: Record<string, number>;

beforeEach(async () => {
  kernel = await Kernel.boot();
  memory = kernel.task.memory;
  memory.allocate(1)[Symbol.dispose]();
  before = held(kernel);
});
afterEach(() => kernel.close());

const shared = new Uint8Array(new SharedArrayBuffer(BYTES.length));
shared.set(BYTES);
const words = new Uint32Array([1, 0x01020304]);

test.each([
  ["a Uint8Array", BYTES, BYTES],
  ["a part of one", BYTES.subarray(5, 5000), BYTES.subarray(5, 5000)],
  ["an ArrayBuffer", BYTES.buffer, BYTES],
  ["shared memory", shared, BYTES],
  ["a SharedArrayBuffer", shared.buffer, BYTES],
  ["a Buffer", Buffer.from("text of a buffer"), Buffer.from("text of a buffer")],
  ["words", words, new Uint8Array(words.buffer)],
  ["a DataView", new DataView(BYTES.buffer, 3, 4), BYTES.subarray(3, 7)],
  ["nothing", new Uint8Array(0), new Uint8Array(0)],
])("%s becomes a region at once", (_, source, expected) => {
  const region = memory.from(source);
  expect(Buffer.compare(region.bytes(), expected)).toBe(0);
  region[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

test.each([
  ["a Blob", () => new Blob([BYTES])],
  ["a File", () => new File([BYTES], "bytes")],
  ["a stream", () => new Blob([BYTES]).stream()],
  ["a stream of Node", () => Readable.from([BYTES.subarray(0, 9), BYTES.subarray(9)])],
  ["an async iterable", () => chunks(BYTES)],
  ["the body of a Response", () => new Response(BYTES).body as ReadableStream<Uint8Array>],
])("%s becomes a region when it was read", async (_, source) => {
  const region = await memory.from(source());
  expect(Buffer.compare(region.bytes(), BYTES)).toBe(0);
  region[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
});

async function* chunks(bytes: Uint8Array, end?: unknown): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
  if (end !== undefined) throw end;
}

test("a source that fails, or gives no bytes, leaves nothing", async () => {
  const error = new Error("no more");
  expect(await rejected(memory.from(chunks(BYTES, error)))).toBe(error);
  expect(await rejected(memory.from(Readable.from(["text"])))).toBeInstanceOf(TypeError);
  let cancelled = false;
  const text = new ReadableStream({
    pull: (controller) => controller.enqueue("text"),
    cancel: () => {
      cancelled = true;
    },
  });
  expect(await rejected(memory.from(text as ReadableStream<Uint8Array>))).toBeInstanceOf(TypeError);
  expect(cancelled).toBe(true);
  const blob = new Blob([BYTES]);
  blob.stream = () => new ReadableStream({ start: (controller) => controller.error(error) });
  expect(await rejected(memory.from(blob))).toBe(error);
  expect(held(kernel)).toEqual(before);
});

test("a region as bytes, text, blob and stream", async () => {
  const region = memory.from(BYTES);
  expect(region.bytes().buffer).toBeInstanceOf(ArrayBuffer);
  expect(region.bytes(7, 3)).toEqual(BYTES.slice(7, 10));
  const blob = region.blob({ type: "application/x-bytes" });
  expect(blob.type).toBe("application/x-bytes");
  expect(Buffer.compare(new Uint8Array(await blob.arrayBuffer()), BYTES)).toBe(0);
  expect(Buffer.compare(await buffer(region.stream()), BYTES)).toBe(0);
  expect(Buffer.compare(await buffer(Readable.fromWeb(region.stream() as never)), BYTES)).toBe(0);
  expect(Buffer.compare(new Uint8Array(await new Response(region.stream()).arrayBuffer()), BYTES)).toBe(0);
  region[Symbol.dispose]();
  const text = memory.from(Buffer.from("grüße, 世界"));
  expect(text.text()).toBe("grüße, 世界");
  text[Symbol.dispose]();
  expect(await buffer(memory.allocate(0).stream())).toEqual(Buffer.alloc(0));
  expect(held(kernel)).toEqual(before);
});

test("a stream of a region that ends meanwhile fails, and holds nothing", async () => {
  const region = memory.from(BYTES);
  const reader = region.stream().getReader();
  expect((await reader.read()).value?.length).toBe(65_536);
  region[Symbol.dispose]();
  expect(held(kernel)).toEqual(before);
  expect((await rejected(reader.read())).code).toBe("KERN_INVALID_ADDRESS");
  expect(thrown(() => region.stream().getReader() && region.bytes()).code).toBe("KERN_INVALID_ADDRESS");
});

test("a Buffer over a lease is the memory itself", () => {
  const region = memory.from(Buffer.from("one two"));
  const lease = region.write();
  const view = Buffer.from(lease.bytes.buffer, lease.bytes.byteOffset, lease.bytes.length);
  view.write("ONE");
  lease[Symbol.dispose]();
  expect(region.text()).toBe("ONE two");
});
