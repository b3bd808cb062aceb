// Goal: whatever tasks do with their regions, each has the bytes that it should, and in the end nothing is left. Method: three tasks on
// one thread do what comes, from a seed, beside a model of plain byte arrays.

import { afterEach, expect, test } from "vitest";
import {
  Kernel,
  type Lease,
  type Message,
  move,
  type OutgoingMemory,
  type ReceiveRight,
  type Region,
  type SendRight,
  type Task,
} from "mach-ipc";
import { held } from "./lib.js";

const STEPS = 3000;
const MOST_BYTES = 100_000;
const QUEUE = 3;

/** A region and what it should have; two that share it have one array. */
interface Held {
  readonly region: Region;
  bytes: Uint8Array;
  shared?: boolean;
}

/** A write lease and the bytes that it should have: those of the region's frames when it was made. */
interface Writer {
  readonly lease: Lease;
  readonly at: number;
  readonly bytes: Uint8Array;
}

interface Member {
  readonly task: Task;
  readonly port: ReceiveRight;
  readonly to: SendRight[];
  regions: Held[];
  writers: Writer[];
  /** What is in its queue. */
  queue: Uint8Array[][];
}

let kernel: Kernel;
afterEach(() => kernel.close());

test.each([1, 2, 3, 4])("what comes from seed %i", async (seed) => {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const some = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const noise = (length: number): Uint8Array => {
    const first = random(256);
    return Uint8Array.from({ length }, (_, i) => (first + i * 7 + (i >>> 8)) & 0xff);
  };
  const size = (): number => (random(8) === 0 ? random(3) * 4096 : random(random(2) === 0 ? 5000 : MOST_BYTES));

  kernel = await Kernel.boot();
  const members: Member[] = [];
  for (let i = 0; i < 3; i++) {
    const task = kernel.createTask({ name: `member ${i}` });
    const port = task.allocatePort({ qlimit: QUEUE });
    await task.bootstrap.register(`member ${i}`, port.makeSend());
    members.push({ task, port, to: [], regions: [], writers: [], queue: [] });
  }
  for (const member of members) {
    for (let i = 0; i < 3; i++) member.to.push(await member.task.bootstrap.lookUp(`member ${i}`));
  }
  const { OBJECT, VME } = held(kernel);

  const same = (region: Region, bytes: Uint8Array): void => {
    expect(region.size).toBe(bytes.length);
    if (Buffer.compare(region.bytes(), bytes) !== 0) throw new Error("the bytes differ");
  };
  const made = (member: Member): void => {
    const bytes = noise(size());
    const zeros = random(2) === 0;
    const region = zeros ? member.task.memory.allocate(bytes.length) : member.task.memory.from(bytes);
    member.regions.push({ region, bytes: zeros ? new Uint8Array(bytes.length) : bytes });
  };
  const written = (member: Member): void => {
    const one = some(member.regions);
    const at = random(one.bytes.length + 1);
    const bytes = noise(random(one.bytes.length - at + 1));
    one.region.set(bytes, at);
    one.bytes.set(bytes, at);
  };
  const leased = (member: Member): void => {
    const of = some(member.regions);
    const at = random(of.bytes.length + 1);
    const length = random(of.bytes.length - at + 1);
    member.writers.push({ lease: of.region.write(at, length), at, bytes: of.bytes });
  };
  const writes = ({ lease, at, bytes }: Writer): void => {
    let offset = at;
    for (const chunk of lease.chunks) {
      if (Buffer.compare(chunk, bytes.subarray(offset, offset + chunk.length)) !== 0)
        throw new Error("the lease differs");
      if (chunk.length > 0) {
        const index = random(chunk.length);
        chunk[index] = random(256);
        bytes[offset + index] = chunk[index] as number;
      }
      offset += chunk.length;
    }
  };
  const lost = (member: Member, one: Held): void => {
    member.regions = member.regions.filter((other) => other !== one);
  };
  const shared = (member: Member): void => {
    const one = some(member.regions);
    if (one.region.address % 4096 !== 0 || one.region.size === 0) return;
    const right = one.region.share();
    const region = member.task.memory.map(right, one.region.size);
    right[Symbol.dispose]();
    one.shared = true;
    member.regions.push({ region, bytes: one.bytes, shared: true });
  };
  const sent = (member: Member): void => {
    const memory: OutgoingMemory[] = [];
    const expected: Uint8Array[] = [];
    const moved: Held[] = [];
    for (let i = 1 + random(4); i > 0; i--) {
      const one = some(member.regions);
      if (moved.includes(one)) continue;
      const way = random(3);
      const at = random(one.bytes.length + 1);
      const length = random(one.bytes.length - at + 1);
      if (way === 0) memory.push(one.region);
      else if (way === 1) memory.push(one.region.range(at, length));
      else memory.push(move(one.region));
      expected.push(way === 1 ? one.bytes.slice(at, at + length) : one.bytes.slice());
      if (way === 2) moved.push(one);
    }
    const target = random(3);
    const { queue } = members[target] as Member;
    const went = (member.to[target] as SendRight).trySend({ memory });
    expect(went).toBe(queue.length < QUEUE);
    if (went) queue.push(expected);
    for (const one of moved) {
      if (went) lost(member, one);
      else one.bytes = one.bytes.slice(); // has other frames than who shares it, or has a lease
      if (!went) one.shared = false;
    }
    for (const one of moved) expect(one.region.disposed).toBe(went);
  };
  const received = (member: Member): void => {
    const message = member.port.tryReceive() as Message;
    const expected = member.queue.shift() as Uint8Array[];
    if (random(8) > 0) {
      message.memory.forEach((region, index) => {
        const bytes = expected[index] as Uint8Array;
        same(region, bytes);
        member.regions.push({ region, bytes });
      });
      expect(message.memory.length).toBe(expected.length);
    }
    message[Symbol.dispose]();
  };
  const compacted = (member: Member): void => {
    const one = some(member.regions);
    if (one.shared || member.writers.some((writer) => writer.bytes === one.bytes)) return;
    one.region.compact();
    const lease = one.region.read();
    if (Buffer.compare(lease.bytes, one.bytes) !== 0) throw new Error("the bytes differ");
    lease[Symbol.dispose]();
  };
  const ended = (member: Member): void => {
    const one = some(member.regions);
    one.region[Symbol.dispose]();
    lost(member, one);
  };

  for (let step = 0; step < STEPS; step++) {
    const member = some(members);
    const what = random(20);
    if (member.regions.length === 0 || (what < 2 && member.regions.length < 20)) made(member);
    else if (what < 5) written(member);
    else if (what < 7) same(...pair(some(member.regions)));
    else if (what < 8 && member.writers.length < 8) leased(member);
    else if (what < 10 && member.writers.length > 0) writes(some(member.writers));
    else if (what < 11 && member.writers.length > 0)
      member.writers.splice(random(member.writers.length), 1)[0]?.lease[Symbol.dispose]();
    else if (what < 15) sent(member);
    else if (what < 18 && member.queue.length > 0) received(member);
    else if (what < 19 && random(2) === 0) compacted(member);
    else if (what < 19) shared(member);
    else ended(member);
  }
  for (const member of members) {
    while (member.queue.length > 0) received(member);
    for (const one of member.regions) same(...pair(one));
    for (const writer of member.writers) writes(writer);
    for (const { lease } of member.writers) lease[Symbol.dispose]();
    for (const { region } of member.regions) region[Symbol.dispose]();
  }
  const after = held(kernel);
  expect({ OBJECT: after.OBJECT, VME: after.VME }).toEqual({ OBJECT, VME });
});

function pair({ region, bytes }: Held): [Region, Uint8Array] {
  return [region, bytes];
}
