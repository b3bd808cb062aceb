// The invariants of what is in hands and on its way: kmsgs, runs of frames, quotas, what a processor owes. A part of kernel_check.

import { word_load } from "../sync/atomics";
import { FRAME_HAND, FRAME_KIND_MASK, FRAME_KMSG, frame_owner_at, frames_count } from "../kern/frame";
import { header } from "../kern/memory_map";
import { FRAME_BYTES, PROCESSOR_MAX } from "../kern/param";
import { p_state_at, processor_at, PROCESSOR_KERNEL, PROCESSOR_USER } from "../kern/processor";
import {
  OWNER_FREE,
  OWNER_HELD,
  OWNER_LIVE,
  OWNER_MAGAZINE,
  ZONE_COUNT,
  ZONE_PORT,
  ZONE_KMSG_LARGE,
  ZONE_KMSG_SMALL,
  zone_next,
  ZONE_TASK,
} from "../kern/zone";
import { ikm_charge, ikm_port_at, IpcKmsg, kmsg_at } from "../ipc/ipc_kmsg";
import { imq_inbox_head } from "../ipc/ipc_inbox";
import { port_at } from "../ipc/ipc_port";
import { IpcSpace } from "../ipc/ipc_space";
import { t_kmsg_bytes_at, task_tail } from "../task/task";

/** Conditions: as kernel_check. Returns: 0, or the site of the first broken invariant, 0x404n. */
export function hands_check(): u32 {
  for (let zone = ZONE_KMSG_SMALL; zone <= ZONE_KMSG_LARGE; zone++) {
    for (let at = zone_next(zone, 0); at != 0; at = zone_next(zone, at)) {
      const owner = word_load(at);
      if (owner == OWNER_FREE || (owner & 0xff00) == OWNER_MAGAZINE) continue;
      const kmsg = kmsg_at(at);
      const held = (owner & 0xff00) == OWNER_HELD;
      if (held && rights(kmsg)) return 0x4041;
      if (!has_run(kmsg)) return 0x4042;
    }
  }
  let loose: i32 = 0;
  for (let zone: u32 = 0; zone < ZONE_COUNT; zone++) {
    for (let at = zone_next(zone, 0); at != 0; at = zone_next(zone, at)) {
      if (!forgotten(at)) continue;
      if (zone < ZONE_KMSG_SMALL || zone > ZONE_KMSG_LARGE) return 0x4046;
      loose++;
    }
  }
  for (let at = zone_next(ZONE_PORT, 0); at != 0; at = zone_next(ZONE_PORT, at)) {
    const owner = word_load(at);
    if (owner == OWNER_FREE || (owner & 0xff00) == OWNER_MAGAZINE) continue;
    for (let kmsg = imq_inbox_head(port_at(at)); kmsg != 0; kmsg = kmsg_at(kmsg).ikm_next)
      loose -= forgotten(kmsg) ? 1 : 0;
  }
  if (loose != 0) return 0x4047; // kmsgs that are in no inbox either
  for (let pid: u32 = 1; pid < PROCESSOR_MAX; pid++) {
    if (idles(pid) && processor_at(pid).p_journal_count != 0) return 0x4043;
  }
  for (let frame = header().h_first_frame; frame < frames_count(); frame++) {
    const owner = word_load(frame_owner_at(frame));
    if ((owner & FRAME_KIND_MASK) == FRAME_HAND && idles(owner >>> 4)) return 0x4044;
  }
  for (let at = zone_next(ZONE_TASK, 0); at != 0; at = zone_next(ZONE_TASK, at)) {
    // Who dies between two counts leaves too much, never too little.
    const task = changetype<IpcSpace>(at);
    if (word_load(at) == OWNER_LIVE && <i32>(word_load(t_kmsg_bytes_at(task)) - charged(task)) < 0) return 0x4045;
  }
  return 0;
}

/** Whether a processor is in no call but this one: it does not sleep in the kernel either. */
function idles(pid: u32): bool {
  const state = word_load(p_state_at(pid));
  return state == PROCESSOR_USER || state == PROCESSOR_KERNEL;
}

/** Whether an element is in the hand of a processor that has nothing in hand; so is a kmsg in an inbox. */
function forgotten(element: usize): bool {
  const owner = word_load(element);
  return owner != OWNER_FREE && owner < PROCESSOR_MAX && idles(owner);
}

/** Whether the kmsg has rights. */
function rights(kmsg: IpcKmsg): bool {
  let found = kmsg.ikm_remote | kmsg.ikm_local;
  for (let index: u32 = 0; index < kmsg.ikm_ports_count; index++) found |= load<u32>(ikm_port_at(kmsg, index));
  return found != 0;
}

/** Whether the frames that the kmsg says it has are its own. */
function has_run(kmsg: IpcKmsg): bool {
  for (let index: u32 = 0; index < kmsg.ikm_frames; index++) {
    const owner = word_load(frame_owner_at(kmsg.ikm_ports / FRAME_BYTES + index));
    if (owner != (<u32>changetype<usize>(kmsg) | FRAME_KMSG)) return false;
  }
  return true;
}

/** Bytes of all kmsgs that are charged to the task. */
function charged(task: IpcSpace): u32 {
  let bytes: u32 = 0;
  for (let zone = ZONE_KMSG_SMALL; zone <= ZONE_KMSG_LARGE; zone++) {
    for (let at = zone_next(zone, 0); at != 0; at = zone_next(zone, at)) {
      const owner = word_load(at);
      if (owner == OWNER_FREE || (owner & 0xff00) == OWNER_MAGAZINE) continue;
      const kmsg = kmsg_at(at);
      if (kmsg.ikm_charged != t_kmsg_bytes_at(task) || kmsg.ikm_charged_serial != task_tail(task).t_serial) continue;
      bytes += ikm_charge(kmsg);
    }
  }
  return bytes;
}
