// Goal: a message that changes while it is written, or says more than can be, writes nothing past its place in the kernel's memory.
// Method: getters, lengths near the ends of 32 bits; the messages around it, and the kernel's header, must stay what they were.

import { afterEach, beforeEach, expect, test } from "vitest";
import { Kernel, type ReceiveRight, type SendRight } from "mach-ipc";
import { connect, defineSubsystem, simpleroutine, t } from "mach-ipc/mig";
import { HEADER, Header_h_magic } from "../../host-ts/abi/layout.gen.js";
import { fixed } from "../../dist/memory/views.js";
import { inside, live, thrown } from "./lib.js";

const Sub = defineSubsystem({
  name: "sub",
  base: 3000,
  routines: {
    bytes: simpleroutine({ v: t.bytes(1 << 20) }),
    text: simpleroutine({ v: t.string(1 << 20) }),
  },
});

let kernel: Kernel;
let port: ReceiveRight;
let right: SendRight;

beforeEach(async () => {
  kernel = await Kernel.boot();
  port = kernel.task.allocatePort();
  right = port.makeSend();
});
afterEach(() => kernel.close());

/** Gives the values in turn, the last one ever after. */
function inTurn(...values: unknown[]): { readonly v: never } {
  let reads = 0;
  return {
    get v() {
      return values[Math.min(reads++, values.length - 1)] as never;
    },
  };
}

/** Small messages all around, which must come out as they went in. */
async function amongOthers(call: () => void): Promise<void> {
  const own = kernel.task.allocatePort({ qlimit: 100 });
  const others = own.makeSend();
  const body = Uint8Array.of(7, 7, 7, 7);
  for (let id = 1; id <= 50; id++) others.trySend({ id, body });
  call();
  for (let id = 1; id <= 50; id++) {
    using message = own.tryReceive();
    expect([message?.id, ...(message?.body ?? [])]).toEqual([id, ...body]);
  }
}

test.each([
  ["longer bytes", "bytes", [new Uint8Array(4), new Uint8Array(60_000).fill(0x41)]],
  ["what is no array", "bytes", [new Uint8Array(4), { length: 60_000 }]],
  ["a longer text", "text", ["abcd", "A".repeat(60_000)]],
  ["what is no text", "text", ["abcd", { toString: () => "A".repeat(60_000) }]],
] as const)("an argument that is %s when it is read again is refused", async (_, routine, values) => {
  const client = connect(Sub, right);
  const before = live(kernel);
  await amongOthers(() => {
    const error = thrown(() => client.sync[routine](inTurn(...values)));
    expect([error.name, error.message]).toEqual(["TypeError", expect.stringContaining(`sub.${routine}: v: expected`)]);
  });
  expect(port.tryReceive()).toBeNull();
  expect(live(kernel)).toMatchObject({ KMSG_SMALL: before.KMSG_SMALL, KMSG_LARGE: before.KMSG_LARGE });
});

test("an argument that is shorter when it is read again travels as it is then", () => {
  const client = connect(Sub, right);
  client.sync.bytes(inTurn(new Uint8Array(60_000), Uint8Array.of(1, 2, 3)));
  using message = port.tryReceive();
  expect(message?.body.length).toBe(8 + 4 + 4);
});

test("a length of a body that no message has is refused, whatever remains of it in 32 bits", () => {
  const { processor } = inside(kernel.task);
  const magic = () => processor.views.u32(HEADER + Header_h_magic);
  const [before, lives] = [magic(), live(kernel)];
  let at = 0;
  const where = () => {
    const body = (bytes: Uint8Array) => {
      at = bytes.byteOffset;
    };
    right.trySend({ bodyBytes: 4, body });
    port.tryReceive()?.[Symbol.dispose]();
    return at;
  };
  const toMagic = 2 ** 32 - (where() - (HEADER + Header_h_magic) - 3);
  for (const bodyBytes of [toMagic, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 4, 2 ** 53 - 1]) {
    expect(thrown(() => right.trySend({ bodyBytes, body: () => {} })).code).toBe("MACH_SEND_TOO_LARGE");
    expect(magic()).toBe(before);
  }
  expect(live(kernel)).toEqual(lives);
  expect(right.trySend({ bodyBytes: 7, body: (body) => void body.fill(1) })).toBe(true);
  using message = port.tryReceive();
  expect([...(message?.body ?? [])]).toEqual([1, 1, 1, 1, 1, 1, 1]);
});

test.each([65, 60_000])("bytes in a buffer that may grow are copied as many as there were (%i)", (length) => {
  const options = { maxByteLength: 1 << 20 };
  const Growable = SharedArrayBuffer as unknown as new (
    bytes: number,
    options: object,
  ) => SharedArrayBuffer & { grow(bytes: number): void };
  const buffer = new Growable(length, options);
  const bytes = new Uint8Array(buffer); // as long as the buffer, whenever it is asked
  bytes.fill(9);
  const place = new Uint8Array(1 << 20);
  const taken = fixed(bytes, length);
  buffer.grow(length + 4096);
  bytes.fill(9);
  place.set(taken, 0);
  expect(place.lastIndexOf(9)).toBe(length - 1);
});
