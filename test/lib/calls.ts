// Rarely used calls of a space, as space.ts has the others.

import type { Space } from "./space.js";

export function rename({ traps, self }: Space, name: number, to: number): number {
  return traps.mach_port_rename(self, name, to);
}

export function extractRight(
  { traps, self }: Space,
  name: number,
  disposition: number,
): { code: number; name: number; type: number } {
  const [poly, type] = [new Uint32Array(1), new Uint32Array(1)];
  const code = traps.mach_port_extract_right(self, name, disposition, poly, type);
  return { code, name: poly[0] ?? 0, type: type[0] ?? 0 };
}

export function getSrights({ traps, self }: Space, name: number): { code: number; srights: number } {
  const srights = new Uint32Array(1);
  const code = traps.mach_port_get_srights(self, name, srights);
  return { code, srights: srights[0] ?? 0 };
}

export function peek({ traps, self }: Pick<Space, "traps" | "self">, name: number, seqno = 0, element = 0, room = 64) {
  const [number, size, count] = [new Uint32Array([seqno]), new Uint32Array(1), new Uint32Array([room])];
  const id = new Uint32Array(1);
  const trailer = new Uint8Array(64).fill(0xee);
  const code = traps.mach_port_peek(self, name, element << 24, number, size, id, trailer, count);
  return {
    code,
    seqno: number[0],
    size: size[0],
    id: id[0],
    trailer: trailer.subarray(0, count[0]),
    rest: trailer[52],
  };
}
