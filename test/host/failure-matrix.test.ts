// Goal: a call whose server dies is rejected by MIG_SERVER_DIED, within three times what the runtime itself needs to tell of
// the death. Method: workers that exit, throw, or are terminated with a call in flight; main awaits the call or is blocked in
// it; the victim was started by main or by another thread. The runtime's signal is the worker's 'exit' event in a thread that
// only listens. Deaths of all kinds take turns; medians of the same run are compared.

import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Kernel, MigError } from "mach-ipc";
import { rejected, thrown, until } from "./lib.js";
import { Failing } from "./workers/failure.interface.mjs";

const CAUSES = ["exit", "throw", "terminate"] as const;
const WAITS = ["awaiting", "blocked"] as const;
const STARTED = ["by main", "by another"] as const;
type Cause = (typeof CAUSES)[number];
type Wait = (typeof WAITS)[number];
type Started = (typeof STARTED)[number];

const TRIALS = 5;
/** More trials, when a ratio is too high: neighbours take the cores at times. */
const ROUNDS_MAX = 3;
const RATIO_MAX = 3;
const BOUND = { timeout: 20_000 };

let kernel: Kernel;
let listener: Worker;
let served = 0;
/** Milliseconds from the cause to the rejection, and to the runtime's signal. */
const ours = new Map<string, number[]>();
const signals = new Map<Cause, number[]>();
const codes = new Set<string>();

const file = (name: string) => new URL(`./workers/${name}`, import.meta.url);
const row = (cause: Cause, wait: Wait, started: Started) => `${cause}, ${wait}, started ${started}`;

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function note<K>(into: Map<K, number[]>, key: K, from: bigint, to: bigint): void {
  into.set(key, [...(into.get(key) ?? []), Number(to - from) / 1e6]);
}

/** One death with a call in flight. */
async function die(cause: Cause, wait: Wait, started: Started): Promise<void> {
  const service = `failing.${++served}`;
  const stamps = new BigInt64Array(new SharedArrayBuffer(32));
  let worker: Worker | undefined;
  let exited: Promise<unknown> = Promise.resolve();
  if (started === "by main") {
    const make = () => {
      worker = new Worker(file("failure.victim.mjs"), { stderr: true });
      return worker;
    };
    exited = kernel.spawn(make, { name: service, data: { service, stamps } }).exited;
  } else {
    listener.postMessage({ attachment: kernel.attachment, service, stamps, terminate: cause === "terminate" });
  }
  using client = await kernel.bootstrap.lookUp(Failing, service);
  expect((await client.ping({ n: 1 })).n).toBe(2);
  const kill = () => {
    if (cause !== "terminate") return;
    Atomics.store(stamps, 3, 1n);
    if (!worker) return; // the listener does it
    stamps[0] = process.hrtime.bigint();
    void worker.terminate();
  };
  let error: Error & { code?: string };
  let at: bigint;
  if (wait === "blocked") {
    kill();
    error = thrown(() => client.sync[cause]({}, BOUND));
    at = process.hrtime.bigint();
  } else {
    const call = rejected(client[cause]({}, BOUND)).then((reason) => {
      at = process.hrtime.bigint();
      return reason;
    });
    await new Promise((resolve) => setImmediate(resolve)); // the call is under way
    kill();
    error = await call;
    at ??= 0n;
  }
  expect(error).toBeInstanceOf(MigError);
  codes.add(error.code ?? "");
  note(ours, row(cause, wait, started), stamps[0] as bigint, at);
  await exited;
  if (started === "by main") return;
  await until(() => Atomics.load(stamps, 2) !== 0n);
  note(signals, cause, stamps[0] as bigint, stamps[1] as bigint);
}

async function round(trials: number): Promise<void> {
  const kinds = CAUSES.flatMap((cause) =>
    WAITS.flatMap((wait) => STARTED.map((started) => [cause, wait, started] as const)),
  );
  for (let trial = 0; trial < trials; trial++) {
    for (let i = 0; i < kinds.length; i++) {
      const [cause, wait, started] = kinds[(i + trial * 5) % kinds.length] as (typeof kinds)[number];
      await die(cause, wait, started);
    }
  }
}

function table(): { cause: string; ms: number; runtime: number; ratio: number }[] {
  return CAUSES.flatMap((cause) =>
    WAITS.flatMap((wait) =>
      STARTED.map((started) => {
        const ms = median(ours.get(row(cause, wait, started)) ?? []);
        const runtime = median(signals.get(cause) ?? []);
        const two = (value: number) => Math.round(value * 100) / 100;
        return { cause: row(cause, wait, started), ms: two(ms), runtime: two(runtime), ratio: two(ms / runtime) };
      }),
    ),
  );
}

beforeAll(async () => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {}); // of the errors that are on purpose
  kernel = await Kernel.boot();
  listener = new Worker(file("failure.listener.mjs"));
});

afterAll(async () => {
  await listener.terminate();
  await kernel.close();
  vi.restoreAllMocks();
});

test("who waits for a server that dies hears of it by name, and soon", async () => {
  await round(1); // modules are compiled, the reaper is awake
  ours.clear();
  signals.clear();
  for (let tried = 0; tried < ROUNDS_MAX; tried++) {
    await round(TRIALS);
    if (table().every(({ ratio }) => ratio <= RATIO_MAX)) break;
  }
  console.table(table());
  expect([...codes]).toEqual(["MIG_SERVER_DIED"]);
  for (const { cause, ratio } of table()) expect(ratio, cause).toBeLessThanOrEqual(RATIO_MAX);
}, 180_000);
