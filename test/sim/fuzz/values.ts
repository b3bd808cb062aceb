// What is given to a trap: for each parameter, by its name, values that fit, values that nearly do, and any word. A value is said by
// what it stands for ("the third name of the task"), so that a step keeps its meaning when steps before it are left out.

import fc from "fast-check";
import * as codes from "../../../host-ts/abi/codes.gen.ts";
import type { Trap } from "./traps.js";

/** Names of any kind, or those that have the right. */
export type Kind = "name" | "send" | "receive" | "once" | "set" | "dead";

/** A word, or the n-th of the things of a kind that are there when the step is made; "again": as the argument before. */
export interface Value {
  readonly of: "word" | "task" | "self" | Kind | "again" | "foreign" | "kmsg" | "waiter" | "array" | "lease";
  readonly at: number;
}

/** A message that is written before the trap that sends it. */
export interface Body {
  readonly to: readonly [number, Value];
  readonly reply: readonly [number, Value];
  readonly voucher: readonly [number, Value];
  readonly id: Value;
  readonly complex: boolean;
  readonly descriptors: readonly {
    readonly type: number;
    readonly right: readonly [number, Value];
    /** Of an array of rights, and of memory. */
    readonly count: number;
    readonly array: Value;
    /** Deallocate and copy of memory and arrays. */
    readonly flags: number;
  }[];
}

export interface Step {
  readonly trap: string;
  readonly given: readonly Value[];
  readonly body: Body | null;
}

const word = (at: number): Value => ({ of: "word", at: at >>> 0 });
const some = (of: Value["of"]): fc.Arbitrary<Value> => fc.nat(40).map((at) => ({ of, at }));
const among = (...values: number[]): fc.Arbitrary<Value> => fc.constantFrom(...values.map(word));
const below = (limit: number): fc.Arbitrary<Value> => fc.nat(limit - 1).map(word);

const ANY_WORD = fc.integer({ min: 0, max: 0xffffffff }).map(word);
const EDGES = among(
  0,
  1,
  2,
  3,
  4,
  23,
  24,
  28,
  64,
  255,
  256,
  1023,
  1024,
  1025,
  65535,
  65536,
  0x7fffffff,
  0x80000000,
  0xffffffff,
);
const NAME_LIKE = fc.tuple(fc.nat(40), fc.nat(3)).map(([index, gen]) => word((index << 8) | (gen << 2) | 3));

/** A name, mostly of one of the kinds. */
const name = (...kinds: Kind[]): fc.Arbitrary<Value> =>
  fc.oneof(
    { arbitrary: fc.constantFrom(...kinds).chain(some), weight: 16 },
    { arbitrary: some("name"), weight: 3 },
    { arbitrary: NAME_LIKE, weight: 1 },
    { arbitrary: some("foreign"), weight: 1 },
    { arbitrary: among(0, 0xffffffff), weight: 1 },
  );
const NAME = name("name");
const PORT = name("receive", "receive", "send", "once");
const RECEIVE = name("receive");
const AGAIN: fc.Arbitrary<Value> = fc.constant({ of: "again", at: 0 });
const SET = name("set");
const WAITABLE = name("receive", "receive", "set");
const DISPOSITION = among(16, 17, 18, 19, 20, 20, 21, 21, 22, 0);
const OPTION = fc
  .tuple(
    fc.constantFrom(codes.MACH_SEND_MSG, codes.MACH_RCV_MSG, codes.MACH_SEND_MSG | codes.MACH_RCV_MSG, 0),
    fc.subarray([codes.MACH_RCV_LARGE, codes.MACH_RCV_LARGE_IDENTITY, codes.MACH_SEND_TIMEOUT, codes.MACH_RCV_TIMEOUT]),
    fc.subarray([0x20, codes.MACH_SEND_NOTIFY, codes.MACH_RCV_VOUCHER, codes.MACH_RCV_GUARDED_DESC, 0x10000, 0x400]),
    fc.nat(15),
  )
  .map(([halves, usual, rare, trailer]) =>
    word([...usual, ...rare].reduce((all, bit) => all | bit, halves | (trailer << codes.MACH_RCV_TRAILER_SHIFT))),
  );

/** Where there is memory, or was, or nearly. */
const ADDRESS = fc.oneof(
  { arbitrary: some("array"), weight: 6 },
  { arbitrary: among(0x1000, 0x1001, 0x1ffc, 0x2000, 0x3000, 0x5000), weight: 3 },
  { arbitrary: among(0, 0xffffefff, 0xfffff000), weight: 1 },
);

/** What fits each parameter. */
const FITTING: Readonly<Record<string, fc.Arbitrary<Value>>> = {
  task: some("task"),
  child: some("task"),
  parent: fc.oneof(some("task"), among(0)),
  target: fc.oneof({ arbitrary: some("self"), weight: 20 }, { arbitrary: name("send"), weight: 2 }),
  name: NAME,
  poly: fc.oneof({ arbitrary: AGAIN, weight: 3 }, { arbitrary: PORT, weight: 1 }),
  oldName: NAME,
  newName: fc.oneof(NAME_LIKE, NAME),
  notify: RECEIVE,
  member: RECEIVE,
  after: SET,
  pset: SET,
  rcvName: WAITABLE,
  kmsg: some("kmsg"),
  waiter: some("waiter"),
  address: ADDRESS,
  source: ADDRESS,
  dest: ADDRESS,
  offset: fc.oneof(ADDRESS, among(0, 4096)),
  lease: some("lease"),
  kind: below(2),
  setMaximum: below(2),
  protection: among(3, 3, 3, 1, 7, 0, 2, 5),
  maximum: among(7, 7, 3, 1),
  permission: among(3, 1, 7, 0x400003, 0x200003, 0x20003, 0x43, 0x80003),
  inheritance: below(3),
  inheritMemory: below(2),
  memoryBytes: among(0, 0, 1 << 16),
  seed: ANY_WORD,
  mask: among(0, 0, 0xfff, 0xffff),
  object: fc.oneof(name("send"), among(0)),
  sourceTask: some("self"),
  copy: below(2),
  right: among(0, 1, 1, 1, 2, 3, 3, 4, 5, 6),
  disposition: DISPOSITION,
  notifyDisposition: among(21, 21, 21, 18, 17, 20, 0),
  delta: among(1, 1, -1, -1, 2, -2, 0, 65535, -65535, 65536, 0x80000000),
  srdelta: among(0, -1, -1, 1, -2, -65535),
  msgid: among(72, 72, 72, 70, 70, 69, 69, 71, 65, 66, 0),
  sync: among(0, 0, 0, 1, 2, 5),
  flavor: among(1, 1, 2, 2, 3, 4, 5, 6, 7, 0),
  value: below(6),
  qlimit: below(6),
  seqno: fc.oneof(below(4), among(0)),
  mscount: below(4),
  context: below(4),
  guard: below(3),
  oldGuard: below(3),
  newGuard: below(3),
  high: below(2),
  which: among(1, 4, 0, 2, 3, 8),
  option: OPTION,
  flags: fc.oneof(below(16), fc.nat(0xffff).map(word), among(1)),
  options: fc.nat(0xffff).map(word),
  size: fc.oneof(below(400), among(4096, 8192, 20_000)),
  sendSize: fc.nat(100).map((words) => word(4 * words)),
  rcvSize: fc.oneof(among(600), below(200)),
  timeout: among(0, 0, 0, 1),
  cookie: below(100),
  count: fc.oneof(below(12), among(0, 1, 10, 16)),
  ports: below(12),
  first: NAME,
  second: NAME,
  third: NAME,
  max: below(300),
  zone: below(20),
  kmsgBytes: among(0, 0, 4096),
  pid: below(4),
  generation: below(3),
  steps: below(50),
};
/** Bounded because the trap takes as long. */
const BOUNDED = new Set(["steps"]);

/** What the parameter `name` names, by trap: any name for the others. */
const NAMED: readonly (readonly [RegExp, fc.Arbitrary<Value>])[] = [
  [/_(attributes|seqno|mscount|context|peek|member|guard\w*|request_notification|unguard|destruct)$/, RECEIVE],
  [/set_status$/, SET],
  [/receive/, WAITABLE],
  [/^mach_port_insert_right$/, name("receive", "receive", "name")],
  [/^(task_|mach_port_extract)/, PORT],
  [/allocate_name/, NAME_LIKE],
];

/** The parameters of traps that no value is known for: "trap(parameter)". */
export function unknownParameters(traps: readonly Trap[]): string[] {
  return traps.flatMap(({ name, parameters }) =>
    parameters.filter((parameter) => FITTING[parameter] === undefined).map((parameter) => `${name}(${parameter})`),
  );
}

function suited(trap: string, parameter: string): fc.Arbitrary<Value> {
  const named = parameter === "name" ? NAMED.find(([pattern]) => pattern.test(trap))?.[1] : undefined;
  const flags = parameter === "flags" && /^vm_/.test(trap) ? among(1, 1, 0) : undefined;
  const fitting = named ?? flags ?? FITTING[parameter] ?? ANY_WORD;
  if (BOUNDED.has(parameter)) return fitting;
  return fc.oneof(
    { arbitrary: fitting, weight: 30 },
    { arbitrary: EDGES, weight: 1 },
    { arbitrary: fc.oneof(some("name"), some("task"), some("self"), some("kmsg"), some("waiter")), weight: 1 },
    { arbitrary: ANY_WORD, weight: 1 },
  );
}

/** A disposition and a name that has the right for it, or any two. */
const RIGHT: fc.Arbitrary<readonly [number, Value]> = fc.oneof(
  {
    arbitrary: fc
      .constantFrom<readonly [number, Kind]>(
        [20, "receive"],
        [21, "receive"],
        [19, "send"],
        [17, "send"],
        [18, "once"],
        [16, "receive"],
      )
      .chain(([disposition, kind]) => some(kind).map((chosen) => [disposition, chosen] as const)),
    weight: 6,
  },
  { arbitrary: fc.tuple(fc.constantFrom(16, 17, 18, 19, 20, 21, 22, 0), PORT), weight: 1 },
);

const BODY: fc.Arbitrary<Body> = fc.record({
  to: RIGHT,
  reply: fc.option(RIGHT, { nil: [0, word(0)] as const }),
  voucher: fc.oneof({ arbitrary: fc.constant([0, word(0)] as const), weight: 30 }, { arbitrary: RIGHT, weight: 1 }),
  id: ANY_WORD,
  complex: fc.boolean(),
  descriptors: fc.array(
    fc.record({
      type: fc.oneof(
        { arbitrary: fc.constant(0), weight: 20 },
        { arbitrary: fc.constant(2), weight: 5 },
        { arbitrary: fc.constantFrom(1, 1, 3), weight: 8 },
        { arbitrary: fc.constantFrom(4, 5, 200), weight: 1 },
      ),
      right: RIGHT,
      count: fc.oneof({ arbitrary: fc.nat(5), weight: 4 }, { arbitrary: fc.constantFrom(4096, 8000), weight: 1 }),
      flags: fc.constantFrom(0, 0, 1, 0x100, 0x101, 0x200),
      array: some("array"),
    }),
    { maxLength: 4 },
  ),
});

/** Traps that send a kmsg: mostly one is written for them. */
const SENDS = /^mach_msg_(trap|send_many|send_async)$/;
const MAKES =
  /(allocate\w*|make_memory_entry|vm_(?:re)?map|insert_\w+|receive\w*|request_notification|mach_port_guard\w*|construct)$/;
const RARE = /^(task_\w*|processor_\w+|kernel_\w+|zone_count|frames_used|mach_task_self|mach_port_destroy)$/;

function weightOf(trap: string): number {
  if (/terminate/.test(trap)) return 1;
  if (SENDS.test(trap)) return 60;
  return RARE.test(trap) ? 4 : MAKES.test(trap) ? 30 : 12;
}

/** One step: any of the traps, those that make or send something more often. */
export function stepOf(traps: readonly Trap[]): fc.Arbitrary<Step> {
  return fc.oneof(
    ...traps.map(({ name: trap, parameters }) => ({
      weight: weightOf(trap),
      arbitrary: fc.record({
        trap: fc.constant(trap),
        given: fc.tuple(...parameters.map((parameter) => suited(trap, parameter))),
        body: SENDS.test(trap) || trap === "mach_msg_prepare" ? fc.option(BODY, { freq: 8 }) : fc.constant(null),
      }),
    })),
  );
}
