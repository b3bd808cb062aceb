// A chain of receive rights, each queued in the next, is destroyed in a bounded stack and in time linear in its length (A164).
// Method: processor time of chains of two lengths, the least of several runs, as a ratio: a quadratic walk would make it a hundred.
// A call per link would not fit the stack, which is a megabyte.

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_PORT_TYPE_DEAD_NAME,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { build, setWord } from "../lib/message.js";
import { expectCode, give, type Space } from "../lib/space.js";

const SHORT = 10_000;
const LONG = 100_000;
/** Ten times the links may take thirty times as long: caches hold less of the long chain. */
const RATIO_MAX = 30;

/** Queues a receive right in a new port, that one in the next, `length` times; gives the last one. */
function chain(space: Space, innermost: number, length: number): number {
  const descriptors = [{ name: 0, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }];
  const bytes = build({ remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, descriptors });
  let outer = innermost;
  for (let link = 0; link < length; link++) {
    const next = space.allocate();
    setWord(bytes, 8, next);
    setWord(bytes, 28, outer);
    const code = space.send(bytes);
    if (code !== MACH_MSG_SUCCESS) expectCode(code, MACH_MSG_SUCCESS);
    outer = next;
  }
  return outer;
}

test("A164 a chain of 100000 receive rights is destroyed in bounded stack and in linear time", {
  timeout: 120_000,
}, async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const ports = before.ports as number;

  /** Microseconds of processor time that the destruction takes. */
  const destroy = (length: number): number => {
    const innermost = a.allocate();
    const watch = give(a, innermost, MACH_MSG_TYPE_MAKE_SEND, b);
    const outer = chain(a, innermost, length);
    expect(machine.census().ports).toBe(ports + length + 1);
    const begun = process.cpuUsage();
    const code = a.destroy(outer);
    const { user, system } = process.cpuUsage(begun);
    expectCode(code, KERN_SUCCESS);
    expect(b.type(watch)).toBe(MACH_PORT_TYPE_DEAD_NAME);
    expectCode(b.deallocate(watch), KERN_SUCCESS);
    expect(machine.census()).toEqual(before);
    return user + system;
  };

  destroy(LONG); // the memory is had and the code is compiled
  const long = Math.min(destroy(LONG), destroy(LONG));
  const short = Math.min(...Array.from({ length: 5 }, () => destroy(SHORT)));
  console.log(`${SHORT} links: ${short} us, ${LONG} links: ${long} us, ratio ${(long / short).toFixed(1)}`);
  expect(long / short).toBeLessThan(RATIO_MAX);
});
