// Does the kernel answer as a real one? 1,000 sequences of operations of two tasks, recorded from GNU Mach 1.8 with every answer, are
// replayed; codes, outputs, messages and notifications are compared, and both name spaces after each operation. What the recording's
// tags allow is in rules.ts, where ours is known to differ in known.ts; what is not compared is counted and printed.
//
// TABLE=1 prints the counts for each kind of operation.

import { expect, test } from "vitest";
import { boot, type Machine } from "../lib/boot.js";
import { known } from "./known.js";
import { FILES, type Operation, recorded, type Sequence } from "./recorded.js";
import { type Finding, Replay } from "./replay.js";
import { Tally } from "./tally.js";

/** Operations of the three files. */
const OPERATIONS = 31_883;

function replay(machine: Machine, sequence: Sequence, tally: Tally, places = new Map<string, string>()): Finding[] {
  const tasks = { A: machine.task(), B: machine.task() };
  const findings = new Replay(sequence, tasks, tally).run(places);
  for (const { task } of [tasks.A, tasks.B]) task[Symbol.dispose]();
  return findings;
}

test("every recorded answer of a GNU Mach is this kernel's too", { timeout: 120_000 }, async () => {
  await using machine = await boot();
  const before = machine.census();
  const tally = new Tally();
  const findings: Finding[] = [];
  const places = new Map(known);
  for (const file of FILES) {
    for (const sequence of await recorded(file)) findings.push(...replay(machine, sequence, tally, places));
  }
  console.log(tally.summary());
  if (process.env.TABLE) console.log(tally.table());
  const texts = findings.map(({ place, operation, what }) => `${place}: ${what}\n  ${JSON.stringify(operation)}`);
  if (texts.length > 0) expect.fail(`${texts.length} differences\n${texts.slice(0, 20).join("\n")}`);
  expect([...places.keys()]).toEqual([]); // each was met
  expect(tally.total("")).toBe(OPERATIONS);
  expect(tally.total("compared") / OPERATIONS).toBeGreaterThan(0.9);
  expect(machine.census()).toEqual(before);
});

test("an answer that is not the recorded one is found where it is given", async () => {
  await using machine = await boot();
  const [sequence] = await recorded("portable");
  if (!sequence) throw new Error("the recording is empty");
  const { seed } = sequence;
  const changes: [op: string, change: (operation: Operation) => void][] = [
    ["mach_port_get_refs", (operation) => Object.assign(operation.out, { refs: 7 })],
    ["mach_port_mod_refs", (operation) => Object.assign(operation, { kr: 0 })],
    ["mach_port_insert_right", (operation) => Object.assign(operation, { diff: {} })],
    ["mach_msg_receive", ({ out }) => Object.assign(out.msg ?? {}, { id: 1 })],
    ["mach_msg_receive", ({ out }) => Object.assign(out.msg ?? {}, { local: "k1" })],
  ];
  for (const [op, change] of changes) {
    const ops = structuredClone(sequence.ops);
    const index = ops.findIndex((operation) => operation.op === op);
    change(ops[index] as Operation);
    const findings = replay(machine, { ...sequence, ops }, new Tally());
    expect(findings[0]?.place).toBe(`portable ${seed} ${index}`);
  }
});

test("memory that is not the recorded one is found: other bytes, a region that stays or goes", async () => {
  await using machine = await boot();
  const sequences = await recorded("portable");
  const data = (operation: Operation) => operation.out.msg?.body?.find(({ t, size }) => t === "ool" && size);
  const mapped = (operation: Operation) => operation.out.ool_still_mapped as number[] | undefined;
  for (const [has, change] of [
    [data, (operation) => Object.assign(data(operation) ?? {}, { sum: "00000000" })],
    [data, (operation) => Object.assign(data(operation) ?? {}, { size: 1 })],
    [mapped, (operation) => mapped(operation)?.splice(0, 1, 1 - (mapped(operation)?.[0] ?? 0))],
  ] as [(operation: Operation) => unknown, (operation: Operation) => void][]) {
    const sequence = sequences.find(({ ops }) => ops.some(has)) as Sequence;
    const ops = structuredClone(sequence.ops);
    const index = ops.findIndex(has);
    change(ops[index] as Operation);
    const findings = replay(machine, { ...sequence, ops }, new Tally(), new Map(known));
    expect(findings[0]?.place).toBe(`portable ${sequence.seed} ${index}`);
  }
});
