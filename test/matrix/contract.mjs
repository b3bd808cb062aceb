// The calls of Mach that this kernel has or will have, and those of them that are not built, each with the reason.

const LATER = "not built yet";
const NEVER = "never built: ";

/** Calls of Mach's interface: messages, names and rights, tasks, memory. */
export const contract = [
  ...["mach_msg", "mach_msg_overwrite", "mach_msg2", "mach_msg_send", "mach_msg_receive"],
  ...["mach_msg_destroy", "mach_msg_server", "mach_msg_server_once", "mach_msg_server_importance"],
  ...["mach_port_names", "mach_port_type", "mach_port_rename", "mach_port_allocate_name", "mach_port_allocate"],
  ...["mach_port_allocate_qos", "mach_port_allocate_full", "mach_port_destroy", "mach_port_deallocate"],
  ...["mach_port_get_refs", "mach_port_mod_refs", "mach_port_peek", "mach_port_set_qlimit"],
  ...["mach_port_get_receive_status", "mach_port_set_mscount", "mach_port_get_set_status", "mach_port_move_member"],
  ...["mach_port_request_notification", "mach_port_insert_right", "mach_port_extract_right", "mach_port_set_seqno"],
  ...["mach_port_get_attributes", "mach_port_set_attributes", "mach_port_assert_attributes", "task_set_port_space"],
  ...["mach_port_get_srights", "mach_port_space_info", "mach_port_space_basic_info", "mach_port_dnrequest_info"],
  ...["mach_port_kernel_object", "mach_port_kobject", "mach_port_kobject_description", "mach_port_insert_member"],
  ...["mach_port_extract_member", "mach_port_get_context", "mach_port_set_context", "mach_port_construct"],
  ...["mach_port_destruct", "mach_port_guard", "mach_port_guard_with_flags", "mach_port_unguard"],
  ...["mach_port_swap_guard", "mach_port_special_reply_port_reset_link", "mach_port_is_connection_for_service"],
  ...["mach_port_get_service_port_info", "mach_port_set_protected_payload", "mach_port_clear_protected_payload"],
  ...["mach_port_set_rpcinfo", "mach_port_create_act", "mach_port_set_syscall_right"],
  ...["mach_reply_port", "thread_get_special_reply_port", "mach_task_self", "mach_thread_self", "mach_host_self"],
  ...["task_get_special_port", "task_set_special_port", "thread_get_special_port", "thread_set_special_port"],
  ...["host_get_special_port", "host_set_special_port", "mach_ports_register", "mach_ports_lookup"],
  ...["task_create", "task_terminate"],
  ...["vm_allocate", "vm_deallocate", "vm_protect", "vm_inherit", "vm_read", "vm_read_list", "vm_read_overwrite"],
  ...["vm_write", "vm_copy", "vm_map", "vm_remap", "mach_make_memory_entry", "vm_region", "vm_msync"],
];

/** Calls that are not built: name -> why. */
export const notBuilt = {
  mach_msg2: `${NEVER}an entry for 64-bit registers; mach_msg_overwrite does the same`,
  mach_msg_server_importance: `${NEVER}there is no importance; mach_msg_server does the same`,
  task_set_port_space: `${NEVER}a hint on the size of a table, without effect`,
  mach_port_special_reply_port_reset_link: `${NEVER}there are no turnstiles`,
  mach_port_is_connection_for_service: `${NEVER}a query of launchd's labels`,
  mach_port_get_service_port_info: `${NEVER}a query of launchd's labels`,
  mach_port_set_protected_payload: `${NEVER}GNU's alone`,
  mach_port_clear_protected_payload: `${NEVER}GNU's alone`,
  mach_port_set_rpcinfo: `${NEVER}a stub of long ago`,
  mach_port_create_act: `${NEVER}a stub of long ago`,
  mach_port_set_syscall_right: `${NEVER}a stub of long ago`,
  ...Object.fromEntries(
    [
      ...["mach_thread_self", "thread_get_special_port"],
      ...["thread_set_special_port", "host_get_special_port", "host_set_special_port"],
    ].map((call) => [call, LATER]),
  ),
  vm_read_list: `${NEVER}several vm_read in one trap`,
  vm_msync: `${NEVER}there are no pagers to write to`,
};
