// Walking the kernel's zones from outside: which elements live.

import {
  FRAME_KIND_MASK,
  FRAME_TABLE,
  FRAME_ZONE,
  HEADER,
  Header_h_pages,
  OWNER_LIVE,
  SLAB_BYTES,
  SLAB_FRAMES,
  SLAB_HEADER,
} from "../abi/layout.gen.js";
import type { Views } from "../memory/views.js";

const ZONE_SHIFT = 4;

const isLive = (owner: number): boolean => owner === OWNER_LIVE;

/** Addresses of the elements of `zone` whose owner is asked for: by default those that are part of the kernel's structure. */
export function* elements(
  views: Views,
  zone: number,
  bytes: number,
  wants: (owner: number) => boolean = isLive,
): Generator<number> {
  const slabs = Math.floor((views.u32(HEADER + Header_h_pages) * 65536) / SLAB_BYTES);
  for (let slab = 0; slab < slabs; slab++) {
    const owner = views.u32(FRAME_TABLE + slab * SLAB_FRAMES * 4);
    if ((owner & FRAME_KIND_MASK) !== FRAME_ZONE || owner >>> ZONE_SHIFT !== zone) continue;
    const end = (slab + 1) * SLAB_BYTES;
    for (let at = slab * SLAB_BYTES + SLAB_HEADER; at + bytes <= end; at += bytes) {
      if (wants(views.u32(at))) yield at;
    }
  }
}

/** The elements of a list, at most `max`: it may change while it is read. */
export function* linked(views: Views, first: number, next: number, max: number): Generator<number> {
  let at = first;
  for (let count = 0; at !== 0 && count < max && at + next < views.octets.length; count++) {
    yield at;
    at = views.u32(at + next);
  }
}
