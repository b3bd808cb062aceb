// Goal: nothing is lost, doubled or overtaken between threads. Method: 4 senders and 4 receivers, each with a worker of its
// own, a million messages, every 64th with a right that is used and given back; every message is checked where it arrives.

import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { reported, settled } from "./lib.js";

const MESSAGES = 1_000_000;
const SENDERS = 4;
const RIGHT_EVERY = 64;
const MODES = ["blocking", "blocking", "awaiting", "batches"];

interface Received {
  name: string;
  next: number[];
  seqno: number;
  rights: number;
  more: boolean;
  error: string;
}

interface Sent {
  sender: number;
  tokens: number;
  wanted: number;
  makeSendCount: number;
  left: number;
}

/** Every sender sends `each` messages to every receiver. */
async function stream(kernel: Kernel, each: number): Promise<void> {
  const names = MODES.map((_, index) => `stream.${index}`);
  const receiving = MODES.map((mode, index) => {
    const data = { name: names[index], senders: SENDERS, rightEvery: RIGHT_EVERY, mode };
    return reported<Received>(kernel, "stream-receiver.mjs", data);
  });
  const sending = Array.from({ length: SENDERS }, (_, sender) => {
    const data = { sender, receivers: names, each, rightEvery: RIGHT_EVERY };
    return reported<Sent>(kernel, "stream-sender.mjs", data);
  });
  const carrying = Math.ceil(each / RIGHT_EVERY);
  const received = await Promise.all(receiving);
  for (const { report } of received) {
    expect(report.error).toBe("");
    expect(report.next).toEqual(new Array(SENDERS).fill(each));
    expect(report.seqno).toBe(SENDERS * (each + 1));
    expect(report.rights).toBe(SENDERS * carrying);
    expect(report.more).toBe(false);
  }
  const sent = await Promise.all(sending);
  for (const { report } of sent) {
    expect(report.tokens).toBe(MODES.length * carrying);
    expect(report).toMatchObject({ tokens: report.wanted, makeSendCount: 1, left: 0 });
  }
  await Promise.all([...received, ...sent].map(({ task }) => task.terminate()));
}

test("a million messages from 4 senders to 4 receivers arrive once, in order, with their rights", async () => {
  await using kernel = await Kernel.boot();
  // Threads keep reply ports from here on, the naming service as many as there were look-ups that waited: more than ever again.
  const waiting = MODES.flatMap((_, index) => MODES.map(() => kernel.task.bootstrap.lookUp(`stream.${index}`)));
  await stream(kernel, 10);
  for (const right of await Promise.all(waiting)) right[Symbol.dispose]();
  const before = await settled(kernel);
  await stream(kernel, MESSAGES / SENDERS / MODES.length);
  expect(await settled(kernel)).toEqual(before);
}, 180_000);
