// Every region of linear memory, base and size. The header page is here; what fills the other regions is in
// processor.ts, frame.ts and zone.ts.
//
//   0x000000  header page
//   0x010000  processor records          PROCESSOR_MAX x PROCESSOR_SIZE
//   0x210000  frame table                one word a frame, for the configured maximum
//   ...       page frames                from the next 64 KiB boundary to the end

import { PROCESSOR_MAX } from "./param";

export const HEADER: usize = 64;
export const PROCESSORS: usize = 0x10000;
export const PROCESSOR_SIZE: u32 = 8192;
export const FRAME_TABLE: usize = PROCESSORS + PROCESSOR_MAX * PROCESSOR_SIZE;

if (!isDefined(KERN_MODEL) && FRAME_TABLE != 0x210000) ERROR("the table above says otherwise");

/** Written at boot and read by everybody; the words that change are on a line of their own. */
@unmanaged
export class Header {
  h_magic: u32;
  h_layout: u32;
  /** Hash of the build, so that two versions of the package do not meet in one memory. */
  h_hash: u32;
  /** First frame that may be handed out. */
  h_first_frame: u32;
  /** Frames that the frame table has room for. */
  h_frames_max: u32;
  /** Site of the first failed kassert, or 0. Atomic. */
  h_panic: u32;
  /** 1 once the kernel is closed. Atomic. */
  h_terminated: u32;
  /** WebAssembly pages that memory is known to have; instances that lag behind refresh themselves. Atomic. */
  h_pages: u32;

  /** The host's port, or 0 before the first who asks for it. Guarded by ip_transit. */
  h_host: u32;
  _pad1: u32;
  _pad2: u32;
  _pad3: u32;
  _pad4: u32;
  _pad5: u32;
  _pad6: u32;
  _pad7: u32;

  /** Frame at which the next search begins. A hint. */
  h_frame_hint: u32;
  /** Serial number of the next task. Atomic. */
  h_serial: u32;
  /** The privilege to change `ip_destination`. Lock, rank 3. */
  h_ip_transit: u32;
  h_ip_transit_dirty: u32;
  /** The privilege to bury a processor. Lock, rank 0. */
  h_burial: u32;
  h_burial_dirty: u32;
  /** Slab at which the next search of each zone begins. Hints. */
  h_zone_cursor: u32;
}
if (offsetof<Header>("h_frame_hint") != 64) ERROR("changing words must start a line of their own");

export function header(): Header {
  return changetype<Header>(HEADER);
}

export function h_panic_at(): usize {
  return HEADER + offsetof<Header>("h_panic");
}

export function h_terminated_at(): usize {
  return HEADER + offsetof<Header>("h_terminated");
}

export function h_pages_at(): usize {
  return HEADER + offsetof<Header>("h_pages");
}

export function h_host_at(): usize {
  return HEADER + offsetof<Header>("h_host");
}

export function h_serial_at(): usize {
  return HEADER + offsetof<Header>("h_serial");
}

export function h_ip_transit_at(): usize {
  return HEADER + offsetof<Header>("h_ip_transit");
}

export function h_burial_at(): usize {
  return HEADER + offsetof<Header>("h_burial");
}

export function h_frame_hint_at(): usize {
  return HEADER + offsetof<Header>("h_frame_hint");
}

export function h_zone_cursor_at(zone: u32): usize {
  return HEADER + offsetof<Header>("h_zone_cursor") + zone * 4;
}
