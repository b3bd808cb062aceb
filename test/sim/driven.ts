// Which calls the simulator made, and with which options of mach_msg: none may be left out.

import type { Kernel } from "mach-ipc";
import type { Traps } from "mach-ipc/traps";
import * as codes from "../../host-ts/abi/codes.gen.ts";
import { calls } from "../../scripts/lib/calls.mjs";
import { inside } from "../lib/space.js";

/** Calls that the oracle does not know of: test/spec and the fuzz test drive them. */
const ELSEWHERE = new Set([
  ...["task_create", "mach_host_self", "host_self", "mach_ports_register", "mach_ports_lookup"],
  ...["task_get_special_port", "task_set_special_port", "task_get_bootstrap_port", "task_set_bootstrap_port"],
]);
/** Calls of the core that are not behind a call of level 1, and that the simulator makes. */
const CORE = [
  "mach_msg_receive_async",
  "mach_msg_send_async",
  "mach_msg_cancel",
  "mach_msg_prepare",
  "mach_msg_release",
  "processor_drain",
  "task_insert_right",
] as const;

/** Calls on memory, but for those that make and read arrays of ports: test/sim/memory drives them. */
const isMemory = (name: string): boolean =>
  /^vm_|memory_entry/.test(name) && !/^vm_(allocate|deallocate|write|read_overwrite)$/.test(name);

/** Names of the option's bits. */
const OPTIONS = Object.entries(codes).flatMap(([name, value]) =>
  /^MACH_(SEND|RCV)_(?!TRAILER)/.test(name) && typeof value === "number" && value > 0 && value < 0x10000
    ? [[name, value] as const]
    : [],
);
const TRAILERS = [0, 1, 2, 3, 4, 7];

export class Driven {
  readonly counts = new Map<string, number>();
  readonly options = new Map<string, number>();

  #add(map: Map<string, number>, name: string): void {
    map.set(name, (map.get(name) ?? 0) + 1);
  }

  /** The calls, counted. */
  wrap(made: Traps): Traps {
    const counted = Object.entries(made).map(([name, call]) => [
      name,
      (...given: unknown[]): unknown => {
        this.#add(this.counts, name);
        if (name === "mach_msg" || name === "mach_msg_overwrite") this.#note(given[1] as number);
        return (call as (...all: unknown[]) => unknown)(...given);
      },
    ]);
    return Object.fromEntries(counted) as Traps;
  }

  #note(option: number): void {
    for (const [name, bit] of OPTIONS) if (option & bit) this.#add(this.options, name);
    if (option & codes.MACH_RCV_MSG) this.#add(this.options, `trailer ${(option >>> 24) & 15}`);
  }

  /** Counts the calls of a kernel's core that the simulator makes itself. */
  watch(kernel: Kernel): void {
    const { core } = inside(kernel.task).processor;
    for (const name of CORE) {
      const call = core[name] as (...given: number[]) => number;
      const counted = (...given: number[]): number => {
        this.#add(this.counts, name);
        return call(...given);
      };
      Object.assign(core, { [name]: counted });
    }
  }

  /** Calls and options that were never driven. */
  get missing(): string[] {
    const wanted = [...calls().map(({ call }) => call), ...CORE];
    const names = OPTIONS.map(([name]) => name);
    const options = [...names, ...TRAILERS.map((element) => `trailer ${element}`)];
    return [
      ...wanted.filter((name) => !ELSEWHERE.has(name) && !isMemory(name) && !this.counts.has(name)),
      ...options.filter((name) => !this.options.has(name)),
    ];
  }

  toString(): string {
    const list = (map: Map<string, number>) =>
      [...map].map(([name, count]) => `${name.replace(/^mach_/, "")} ${count}`).join(", ");
    return `calls: ${list(this.counts)}\noptions: ${list(this.options)}`;
  }
}
