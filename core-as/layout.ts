// Second entry: every offset, size and limit that the host may know. scripts/gen-abi.mjs compiles it and writes
// host-ts/abi/layout.gen.ts from its exported globals.

import { MAX_TRAILER_SIZE } from "./abi/message";
import { IpcEntry } from "./ipc/ipc_entry";
import { IKM_HEADER_BYTES, IpcKmsg } from "./ipc/ipc_kmsg";
import { IpcObject } from "./ipc/ipc_object";
import { IpcPort } from "./ipc/ipc_port";
import { IpcLink, IpcPset } from "./ipc/ipc_pset";
import { IpcSpace, IS_BYTES } from "./ipc/ipc_space";

import { Header } from "./kern/memory_map";
import { P_BATCH, P_HELD, P_JOURNAL, P_MAGAZINES, P_OUT, Processor } from "./kern/processor";
import { Waiter } from "./kern/waiter";
import {
  zone_element_bytes,
  ZONE_KMSG_SMALL,
  ZONE_PORT,
  ZONE_PSET,
  ZONE_TASK,
  ZONE_VME,
  ZONE_WAITER,
} from "./kern/zone";
import { TaskTail } from "./task/task";
import { T_MAP, VmEntry, VmMap } from "./vm/vm_map";
import { VmObject } from "./vm/vm_object";

export { FRAME_TABLE, HEADER, PROCESSOR_SIZE, PROCESSORS } from "./kern/memory_map";
export {
  DRAIN_MAX,
  FRAME_BYTES,
  HEADER_MAGIC,
  LAYOUT_VERSION,
  PROCESSOR_MAX,
  RECEIVE_MANY_MAX,
  SEND_MANY_MAX,
  SLAB_BYTES,
  SLAB_FRAMES,
  SPACE_DIRS,
} from "./kern/param";
export {
  BELL_ARMED,
  BELL_IDLE,
  BELL_RUNG,
  DEBUG_SITE_AFTER_PUSH,
  DEBUG_SITE_BEFORE_PUSH,
  DEBUG_SITE_COPYIN_END,
  DEBUG_SITE_HAND_OVER,
  PROCESSOR_CAN_WAIT,
  PROCESSOR_DEAD,
  PROCESSOR_FAULTED,
  PROCESSOR_FREE,
  PROCESSOR_GONE,
  PROCESSOR_KERNEL,
  PROCESSOR_RECOVERING,
  PROCESSOR_USER,
} from "./kern/processor";
export { FRAME_KIND_MASK, FRAME_POISONED, FRAME_ZONE } from "./kern/frame";
export {
  OWNER_FREE,
  OWNER_HELD,
  OWNER_LEASE,
  OWNER_LIVE,
  OWNER_MAGAZINE,
  OWNER_QUEUED,
  OWNER_WAITING,
  OWNER_WORK,
  SLAB_HEADER,
  ZONE_KMSG_LARGE,
  ZONE_KMSG_MEDIUM,
  ZONE_KMSG_SMALL,
  ZONE_LINK,
  ZONE_OBJECT,
  ZONE_PORT,
  ZONE_PSET,
  ZONE_REQUEST,
  ZONE_TASK,
  ZONE_VME,
  ZONE_WAITER,
} from "./kern/zone";
export { WAITER_ASYNC, WAITER_LINKED, WAITER_SEND } from "./kern/waiter";
export { IE_BYTES } from "./ipc/ipc_entry";
export { IS_DIRS } from "./ipc/ipc_space";
export { IO_ACTIVE, IO_KERNEL, IO_PORT, IO_PSET } from "./ipc/ipc_object";

export const ZONE_PORT_BYTES: u32 = zone_element_bytes(ZONE_PORT);
export const ZONE_PSET_BYTES: u32 = zone_element_bytes(ZONE_PSET);
export const ZONE_TASK_BYTES: u32 = zone_element_bytes(ZONE_TASK);
export const ZONE_WAITER_BYTES: u32 = zone_element_bytes(ZONE_WAITER);
export const ZONE_VME_BYTES: u32 = zone_element_bytes(ZONE_VME);
/** Longest message with one port that the smallest element has room for. */
export const KMSG_SMALL_BYTES: u32 = zone_element_bytes(ZONE_KMSG_SMALL) - IKM_HEADER_BYTES - 8 - MAX_TRAILER_SIZE;

export const Header_h_magic: usize = offsetof<Header>("h_magic");
export const Header_h_layout: usize = offsetof<Header>("h_layout");
export const Header_h_hash: usize = offsetof<Header>("h_hash");
export const Header_h_panic: usize = offsetof<Header>("h_panic");
export const Header_h_terminated: usize = offsetof<Header>("h_terminated");
export const Header_h_pages: usize = offsetof<Header>("h_pages");
export const Header_h_host: usize = offsetof<Header>("h_host");
export const Header_h_frames_max: usize = offsetof<Header>("h_frames_max");
export const Header_h_ip_transit: usize = offsetof<Header>("h_ip_transit");
export const Header_h_burial: usize = offsetof<Header>("h_burial");

export const Processor_p_state: usize = offsetof<Processor>("p_state");
export const Processor_p_stop: usize = offsetof<Processor>("p_stop");
export const Processor_p_wake: usize = offsetof<Processor>("p_wake");
export const Processor_p_special: usize = offsetof<Processor>("p_special");
export const Processor_p_work: usize = offsetof<Processor>("p_work");
export const Processor_p_completed: usize = offsetof<Processor>("p_completed");
export const Processor_p_drain: usize = offsetof<Processor>("p_drain");
export const Processor_p_pid: usize = offsetof<Processor>("p_pid");
export const Processor_p_spin_steps: usize = offsetof<Processor>("p_spin_steps");
export const Processor_p_locks: usize = offsetof<Processor>("p_locks");
export const Processor_p_debug_stop: usize = offsetof<Processor>("p_debug_stop");
export const Processor_p_debug_at: usize = offsetof<Processor>("p_debug_at");
export const Processor_p_dawdle: usize = offsetof<Processor>("p_dawdle");
export const Processor_p_died: usize = offsetof<Processor>("p_died");
export const Processor_p_generation: usize = offsetof<Processor>("p_generation");
export const Processor_p_bell: usize = offsetof<Processor>("p_bell");
export const Processor_p_out: usize = P_OUT;
export const Processor_p_batch: usize = P_BATCH;
export const Processor_p_held: usize = P_HELD;
export const Processor_p_magazines: usize = P_MAGAZINES;
export const Processor_p_journal: usize = P_JOURNAL;
export const Processor_p_journal_count: usize = offsetof<Processor>("p_journal_count");

export const IpcObject_imq_inbox: usize = offsetof<IpcObject>("imq_inbox");
export const IpcObject_io_bits: usize = offsetof<IpcObject>("_io_bits");
export const IpcObject_io_receiver: usize = offsetof<IpcObject>("_io_receiver");
export const IpcObject_io_name: usize = offsetof<IpcObject>("_io_name");
export const IpcPort_imq_chain: usize = offsetof<IpcPort>("_imq_chain");
export const IpcPort_ip_srights: usize = offsetof<IpcPort>("_ip_srights");
export const IpcPort_ip_sorights: usize = offsetof<IpcPort>("_ip_sorights");
export const IpcPort_imq_first: usize = offsetof<IpcPort>("_imq_first");
export const IpcPort_ip_receivers: usize = offsetof<IpcPort>("_ip_receivers");
export const IpcPort_ip_senders: usize = offsetof<IpcPort>("_ip_senders");
export const IpcPort_ip_links: usize = offsetof<IpcPort>("_ip_links");
export const IpcPset_ips_links: usize = offsetof<IpcPset>("_ips_links");
export const IpcPset_ips_waiters: usize = offsetof<IpcPset>("_ips_waiters");
export const IpcLink_l_port: usize = offsetof<IpcLink>("l_port");
export const IpcLink_l_set_next: usize = offsetof<IpcLink>("_l_set_next");
export const IpcEntry_ie_bits: usize = offsetof<IpcEntry>("_ie_bits");
export const IpcEntry_ie_object: usize = offsetof<IpcEntry>("_ie_object");

export const IpcKmsg_ikm_next: usize = offsetof<IpcKmsg>("ikm_next");
export const IpcKmsg_ikm_forward: usize = offsetof<IpcKmsg>("_ikm_forward");
export const IpcKmsg_ikm_bytes: usize = offsetof<IpcKmsg>("ikm_bytes");
export const IpcKmsg_ikm_size: usize = offsetof<IpcKmsg>("ikm_size");
export const IpcKmsg_ikm_local: usize = offsetof<IpcKmsg>("_ikm_local");
export const IpcKmsg_ikm_capacity: usize = offsetof<IpcKmsg>("ikm_capacity");
export const IpcKmsg_ikm_ports_max: usize = offsetof<IpcKmsg>("ikm_ports_max");
export const IpcKmsg_ikm_charged: usize = offsetof<IpcKmsg>("ikm_charged");
export const IpcKmsg_ikm_seqno: usize = offsetof<IpcKmsg>("ikm_seqno");
export const IpcKmsg_ikm_sender_task: usize = offsetof<IpcKmsg>("ikm_sender_task");
export const IpcKmsg_ikm_sender_processor: usize = offsetof<IpcKmsg>("ikm_sender_processor");
export const IpcSpace_is_hash_old: usize = offsetof<IpcSpace>("_is_hash_old");
export const IpcKmsg_ikm_remote: usize = offsetof<IpcKmsg>("_ikm_remote");
export const IpcKmsg_ikm_ports: usize = offsetof<IpcKmsg>("ikm_ports");
export const IpcKmsg_ikm_ports_count: usize = offsetof<IpcKmsg>("ikm_ports_count");
export const IpcKmsg_ikm_types: usize = offsetof<IpcKmsg>("ikm_types");
export const IpcKmsg_ikm_context: usize = offsetof<IpcKmsg>("ikm_context");
export const IpcKmsg_ikm_local_name: usize = offsetof<IpcKmsg>("ikm_local_name");

export const Task_t_serial: usize = IS_BYTES + offsetof<TaskTail>("t_serial");
export const Task_t_state: usize = IS_BYTES + offsetof<TaskTail>("t_state");
export const Task_t_threads: usize = IS_BYTES + offsetof<TaskTail>("t_threads");

export const Waiter_w_hander: usize = offsetof<Waiter>("w_hander");
export const Waiter_w_completed: usize = offsetof<Waiter>("w_completed");
export const Waiter_w_kind: usize = offsetof<Waiter>("w_kind");
export const Waiter_w_state: usize = offsetof<Waiter>("_w_state");
export const Waiter_w_object: usize = offsetof<Waiter>("w_object");
export const Waiter_w_link: usize = offsetof<Waiter>("_w_link");
export const Waiter_w_pid: usize = offsetof<Waiter>("w_pid");
export const Waiter_w_task: usize = offsetof<Waiter>("w_task");

export const Task_map: usize = T_MAP;
export const VmMap_vm_first: usize = T_MAP + offsetof<VmMap>("_vm_first");
export const VmMap_vm_hint: usize = T_MAP + offsetof<VmMap>("vm_hint");
export const VmMap_vm_version: usize = T_MAP + offsetof<VmMap>("vm_version");
export const VmMap_vm_quota: usize = T_MAP + offsetof<VmMap>("vm_quota");
export const VmMap_vm_used: usize = T_MAP + offsetof<VmMap>("vm_used");
export const VmMap_vm_serial: usize = T_MAP + offsetof<VmMap>("vm_serial");
export const VmMap_vm_dirty: usize = T_MAP + offsetof<VmMap>("vm_dirty");
export const VmEntry_vme_next: usize = offsetof<VmEntry>("_vme_next");
export const VmEntry_vme_prev: usize = offsetof<VmEntry>("_vme_prev");
export const VmEntry_vme_start: usize = offsetof<VmEntry>("_vme_start");
export const VmEntry_vme_end: usize = offsetof<VmEntry>("_vme_end");
export const VmEntry_vme_object: usize = offsetof<VmEntry>("_vme_object");
export const VmEntry_vme_bits: usize = offsetof<VmEntry>("_vme_bits");
export const VmEntry_vme_skip: usize = offsetof<VmEntry>("vme_skip");
export const VmEntry_vme_bytes: usize = offsetof<VmEntry>("vme_bytes");
export const VmEntry_vme_flags: usize = offsetof<VmEntry>("vme_flags");
export const VmObject_vo_charged: usize = offsetof<VmObject>("vo_charged");
export const VmObject_vo_charged_serial: usize = offsetof<VmObject>("vo_charged_serial");
