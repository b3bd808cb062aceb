// The explorer's own tests: that it sees every access, takes every step back, and finds what is planted.

import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Processor_p_magazines, ZONE_KMSG_SMALL } from "../../host-ts/abi/layout.gen.ts";
import { Explorer, Violation } from "./explorer.mjs";
import { STOPPED } from "./coroutine.mjs";
import { KERNEL_WORDS, recordOf } from "./memory.mjs";
import { scenarios } from "./scenarios/index.mjs";

const FEATURES = ["--enable-threads", "--enable-bulk-memory"];
const DISASSEMBLE = fileURLToPath(new URL("../../node_modules/binaryen/bin/wasm-dis", import.meta.url));
const wasm = await WebAssembly.compile(await readFile(new URL("../../build/kernel.model.wasm", import.meta.url)));
const explorer = (scenario = scenarios["send+receive"], options = {}) =>
  new Explorer({ wasm, scenario, crashes: false, ...options });

test("every word that a step changes is in the log, and undo puts all of them back", () => {
  const { machine, actors } = explorer();
  const kinds = new Set<number>();
  const start = machine.words.slice(0, KERNEL_WORDS);
  const mark = machine.mark;
  for (const actor of [...actors].reverse().concat(actors)) {
    while (machine.enabled(actor)) {
      if (actor.status === STOPPED) kinds.add(actor.kind);
      const before = machine.words.slice(0, KERNEL_WORDS);
      const from = machine.mark as number;
      machine.step(actor);
      const logged = new Set<number>();
      for (let at = from; at < (machine.mark as number); at += 16) {
        const entry = machine.words[at >>> 2] as number;
        if ((entry & 1) === 0) logged.add((entry & ~3) >>> 2);
      }
      for (let word = 0; word < KERNEL_WORDS; word++) {
        if (machine.words[word] !== before[word]) expect(logged).toContain(word);
      }
    }
  }
  expect([...kinds].sort()).toEqual([0, 1, 2, 3, 4]); // load, store, read-modify-write, wait, wake
  machine.undo(mark);
  expect(machine.words.slice(0, KERNEL_WORDS)).toEqual(start);
});

test("every atomic access is a verb that reports itself, and plain accesses are recorded", () => {
  const kernel = fileURLToPath(new URL("../../build/kernel.model.wasm", import.meta.url));
  const text = execFileSync(process.execPath, [DISASSEMBLE, ...FEATURES, kernel], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  const imported = (name: string) => text.match(new RegExp(`"env" "${name}" \\(func (\\S+)`))?.[1];
  const calls = (name: string, where: string) => where.split(`call ${imported(name)}\n`).length - 1;
  const functions = text.split("\n (func ").slice(1);
  const atomic = functions.filter((body) => body.includes(".atomic."));
  expect(atomic.length).toBeGreaterThanOrEqual(10); // the verbs; those with equal bodies are one
  for (const body of atomic) {
    expect(body.match(/\.atomic\.\w/g)).toHaveLength(1);
    expect(calls("sched", body)).toBe(1);
  }
  expect(calls("sched", text)).toBe(atomic.length + 3); // a wait and a wake, which the explorer makes; a hint, stored plainly
  const fills = functions.filter((body) => /memory\.(fill|copy|init)/.test(body));
  for (const body of fills) expect(calls("range", body)).toBe(1);
  expect(calls("load_ptr", text)).toBeGreaterThan(500);
  expect(calls("store_ptr", text)).toBeGreaterThan(200);
});

test("reads are recorded too", () => {
  const { machine } = explorer();
  const { mark } = machine;
  machine.trap(2, "zone_count", 0);
  const state = recordOf(2) + 12; // p_pid
  const { reads } = machine.accesses(mark, 0);
  expect(reads).toContain(state);
});

test("what is found is a path that leads there again, with few preemptions", () => {
  const planted = (world: unknown) => {
    const plan = (scenarios["send+send"] as (world: unknown) => { check?: unknown })(world);
    // Wrong on purpose: says that the second sender is never first.
    plan.check = ({ queued }: { queued: { id: number }[] }) => {
      if (queued[0]?.id === 2) throw new Violation("planted");
    };
    return plan;
  };
  const finder = explorer(planted as never, { bound: 1 });
  expect(() => finder.explore()).toThrow("planted");
  const again = explorer(planted as never);
  expect(() => again.follow(finder.path, () => {})).toThrow("planted");
});

test("an element that its owner has forgotten is found", () => {
  const forgetful = (world: unknown) => {
    const plan = (scenarios["send+send"] as (world: unknown) => { actors: { program: { keep?: unknown }[] }[] })(world);
    const operation = plan.actors[0]?.program[0] as { keep?: unknown };
    // A spare element of the sender's gets the mark of somebody else's hand.
    operation.keep = (code: number, { pid }: { pid: number }, machine: typeof planted) => {
      machine.poke(machine.u32(recordOf(pid) + Processor_p_magazines + ZONE_KMSG_SMALL * 8), 6);
      return code;
    };
    return plan;
  };
  const planted = explorer(forgetful as never).machine;
  expect(() => explorer(forgetful as never).explore()).toThrow(/is in the hand of 6|kernel_check finds 0x4047/);
});

test("a plain access that nothing orders is a race", () => {
  // Two actors store to one word of the batch area in their own code, between two traps.
  const racing = (world: { task(pid: number): { handle: number } }) => {
    const actors = [2, 3].map((pid) => {
      const task = world.task(pid);
      const scribble = (_: unknown, machine: { poke(address: number, value: number): void }) => {
        machine.poke(recordOf(6) + 4096, pid);
        return ["mach_task_self", task.handle];
      };
      return { pid, program: [{ call: scribble }] };
    });
    return { actors };
  };
  expect(() => explorer(racing as never).explore()).toThrow(/race of processors/);
});
