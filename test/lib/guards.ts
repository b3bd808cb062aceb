// The calls on guards, as space.ts has the others.

import {
  KERN_SUCCESS,
  MACH_PORT_GUARD_INFO,
  MPO_CONTEXT_AS_GUARD,
  MPO_IMMOVABLE_RECEIVE,
} from "../../host-ts/abi/codes.gen.ts";
import { expectCode, type Space } from "./space.js";

type Caller = Pick<Space, "traps" | "self">;

/** As Mach has them, without the rights of the task: what the words of a refused call look like. */
export function tryConstruct(
  { traps, self }: Caller,
  flags: number,
  { context = 0, qlimit = 0 }: { context?: number; qlimit?: number } = {},
): { code: number; name: number } {
  const name = new Uint32Array(1);
  const code = traps.mach_port_construct(self, new Uint32Array([flags, qlimit, 0, 0, 0, 0]), context, name);
  return { code, name: name[0] ?? 0 };
}

/** A port that must be made. */
export function construct(space: Space, flags: number, options: { context?: number; qlimit?: number } = {}): number {
  const { code, name } = tryConstruct(space, flags, options);
  expectCode(code, KERN_SUCCESS);
  return name;
}

/** A guarded port. */
export function guarded(space: Space, context: number, flags = 0): number {
  return construct(space, MPO_CONTEXT_AS_GUARD | flags, { context });
}

/** A port whose receive right cannot be moved, and that is not guarded. */
export function immovable(space: Space): number {
  return construct(space, MPO_IMMOVABLE_RECEIVE);
}

export function destruct({ traps, self }: Caller, name: number, srdelta: number, guard: number): number {
  return traps.mach_port_destruct(self, name, srdelta, guard);
}

export function guard({ traps, self }: Caller, name: number, word: number, flags = 0): number {
  return traps.mach_port_guard_with_flags(self, name, word, flags);
}

export function unguard({ traps, self }: Caller, name: number, word: number): number {
  return traps.mach_port_unguard(self, name, word);
}

export function swapGuard({ traps, self }: Caller, name: number, old: number, word: number): number {
  return traps.mach_port_swap_guard(self, name, old, word);
}

export function assertGuard({ traps, self }: Caller, name: number, word: number, high = 0): number {
  const info = new Uint32Array([word, high]);
  return traps.mach_port_assert_attributes(self, name, MACH_PORT_GUARD_INFO, info, 2);
}
