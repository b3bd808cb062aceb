// The wasm exports: one line a trap, no code.

export {
  kernel_boot,
  kernel_terminate,
  zone_count,
  frames_used,
  processor_attach,
  processor_detach,
  processor_condemn,
  processor_gone,
  processor_spin,
  processor_drain,
  mach_msg_cancel,
} from "./trap/kernel";
export {
  mach_msg_prepare,
  mach_msg_release,
  mach_msg_trap,
  mach_msg_send_many,
  mach_msg_receive_many,
  mach_msg_receive_async,
  mach_msg_send_async,
} from "./trap/mach_msg";
export {
  mach_port_allocate,
  mach_port_allocate_name,
  mach_port_deallocate,
  mach_port_destroy,
  mach_port_mod_refs,
  mach_port_get_refs,
  mach_port_type,
  mach_port_rename,
} from "./trap/mach_port";
export {
  mach_port_assert_attributes,
  mach_port_construct,
  mach_port_destruct,
  mach_port_guard_with_flags,
  mach_port_swap_guard,
  mach_port_unguard,
} from "./trap/mach_port_guard";
export {
  mach_port_insert_right,
  mach_port_extract_right,
  mach_port_request_notification,
} from "./trap/mach_port_right";
export {
  mach_port_get_attributes,
  mach_port_set_attributes,
  mach_port_set_seqno,
  mach_port_set_mscount,
  mach_port_get_context,
  mach_port_set_context,
  mach_port_peek,
  mach_port_insert_member,
  mach_port_extract_member,
  mach_port_move_member,
  mach_port_get_set_status,
  mach_port_names,
} from "./trap/mach_port_status";
export {
  task_create,
  task_create_child,
  task_attach,
  task_terminate,
  task_terminate_target,
  task_insert_right,
  mach_task_self,
  mach_host_self,
  mach_port_kobject,
  mach_ports_register,
  mach_ports_lookup,
  mach_reply_port,
  task_get_special_port,
  task_set_special_port,
} from "./trap/mach_task";
export {
  vm_allocate,
  vm_copy,
  vm_deallocate,
  vm_inherit,
  vm_protect,
  vm_read,
  vm_read_overwrite,
  vm_region,
  vm_write,
} from "./trap/vm";
export { mach_make_memory_entry, vm_map, vm_remap } from "./trap/vm_entry";
export { vm_compact, vm_lease, vm_lease_end } from "./trap/vm_lease";
export { thread_get_special_reply_port } from "./trap/mach_thread";
