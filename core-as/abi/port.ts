// Names, rights, types, attributes and notifications (mach/port.h, mach/notify.h).
//
//   name    index 24 | generation 8, whose two low bits are always 1

export const MACH_PORT_NULL: u32 = 0;
export const MACH_PORT_DEAD: u32 = 0xffffffff;

export const MACH_PORT_RIGHT_SEND: u32 = 0;
export const MACH_PORT_RIGHT_RECEIVE: u32 = 1;
export const MACH_PORT_RIGHT_SEND_ONCE: u32 = 2;
export const MACH_PORT_RIGHT_PORT_SET: u32 = 3;
export const MACH_PORT_RIGHT_DEAD_NAME: u32 = 4;
export const MACH_PORT_RIGHT_LABELH: u32 = 5;
export const MACH_PORT_RIGHT_NUMBER: u32 = 6;

export const MACH_PORT_TYPE_NONE: u32 = 0;
export const MACH_PORT_TYPE_SEND: u32 = 0x10000;
export const MACH_PORT_TYPE_RECEIVE: u32 = 0x20000;
export const MACH_PORT_TYPE_SEND_ONCE: u32 = 0x40000;
export const MACH_PORT_TYPE_PORT_SET: u32 = 0x80000;
export const MACH_PORT_TYPE_DEAD_NAME: u32 = 0x100000;
export const MACH_PORT_TYPE_DNREQUEST: u32 = 0x80000000;
export const MACH_PORT_TYPE_SEND_RECEIVE: u32 = 0x30000;
/** Rights that denote a port. */
export const MACH_PORT_TYPE_PORT_RIGHTS: u32 = 0x70000;

export const MACH_PORT_UREFS_MAX: u32 = 65535;

export const MACH_PORT_QLIMIT_BASIC: u32 = 5;
export const MACH_PORT_QLIMIT_SMALL: u32 = 16;
export const MACH_PORT_QLIMIT_LARGE: u32 = 1024;
export const MACH_PORT_QLIMIT_MAX: u32 = 1024;
/** Messages that any queue holds at the most, whatever its limit. */
export const MACH_PORT_QLIMIT_KERNEL: u32 = 65534;

export const MACH_PORT_LIMITS_INFO: u32 = 1;
export const MACH_PORT_RECEIVE_STATUS: u32 = 2;
export const MACH_PORT_DNREQUESTS_SIZE: u32 = 3;
export const MACH_PORT_TEMPOWNER: u32 = 4;
export const MACH_PORT_IMPORTANCE_RECEIVER: u32 = 5;
export const MACH_PORT_DENAP_RECEIVER: u32 = 6;
export const MACH_PORT_INFO_EXT: u32 = 7;
export const MACH_PORT_GUARD_INFO: u32 = 8;
export const MACH_PORT_SERVICE_THROTTLED: u32 = 9;
export const MACH_PORT_LIMITS_INFO_COUNT: u32 = 1;
export const MACH_PORT_RECEIVE_STATUS_COUNT: u32 = 10;
export const MACH_PORT_DNREQUESTS_SIZE_COUNT: u32 = 1;
export const MACH_PORT_INFO_EXT_COUNT: u32 = 17;
export const MACH_PORT_GUARD_INFO_COUNT: u32 = 2;
export const MACH_PORT_SERVICE_THROTTLED_COUNT: u32 = 1;

export const MACH_PORT_STATUS_FLAG_TEMPOWNER: u32 = 0x1;
export const MACH_PORT_STATUS_FLAG_GUARDED: u32 = 0x2;
export const MACH_PORT_STATUS_FLAG_STRICT_GUARD: u32 = 0x4;
export const MACH_PORT_STATUS_FLAG_IMP_DONATION: u32 = 0x8;
export const MACH_PORT_STATUS_FLAG_REVIVE: u32 = 0x10;
export const MACH_PORT_STATUS_FLAG_TASKPTR: u32 = 0x20;
export const MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE: u32 = 0x40;
export const MACH_PORT_STATUS_FLAG_NO_GRANT: u32 = 0x80;

/** Flags of mach_port_guard_with_flags. */
export const MPG_STRICT: u32 = 1;
export const MPG_IMMOVABLE_RECEIVE: u32 = 2;

/** Flags of mach_port_construct. */
export const MPO_CONTEXT_AS_GUARD: u32 = 0x1;
export const MPO_QLIMIT: u32 = 0x2;
export const MPO_TEMPOWNER: u32 = 0x4;
export const MPO_IMPORTANCE_RECEIVER: u32 = 0x8;
export const MPO_INSERT_SEND_RIGHT: u32 = 0x10;
export const MPO_STRICT: u32 = 0x20;
export const MPO_DENAP_RECEIVER: u32 = 0x40;
export const MPO_IMMOVABLE_RECEIVE: u32 = 0x80;
export const MPO_FILTER_MSG: u32 = 0x100;
export const MPO_TG_BLOCK_TRACKING: u32 = 0x200;
export const MPO_SERVICE_PORT: u32 = 0x400;
export const MPO_CONNECTION_PORT: u32 = 0x800;
export const MPO_REPLY_PORT: u32 = 0x1000;
export const MPO_ENFORCE_REPLY_PORT_SEMANTICS: u32 = 0x2000;
export const MPO_PROVISIONAL_REPLY_PORT: u32 = 0x4000;
export const MPO_EXCEPTION_PORT: u32 = 0x8000;

export const MACH_NOTIFY_PORT_DELETED: u32 = 65;
export const MACH_NOTIFY_SEND_POSSIBLE: u32 = 66;
export const MACH_NOTIFY_PORT_DESTROYED: u32 = 69;
export const MACH_NOTIFY_NO_SENDERS: u32 = 70;
export const MACH_NOTIFY_SEND_ONCE: u32 = 71;
export const MACH_NOTIFY_DEAD_NAME: u32 = 72;

/** Kinds of kernel objects behind a port. */
export const IKOT_NONE: u32 = 0;
export const IKOT_TASK: u32 = 2;
export const IKOT_HOST: u32 = 3;
export const IKOT_NAMED_ENTRY: u32 = 28;

export const TASK_KERNEL_PORT: u32 = 1;
export const TASK_HOST_PORT: u32 = 2;
export const TASK_BOOTSTRAP_PORT: u32 = 4;
/** Ports that mach_ports_register keeps. */
export const TASK_PORT_REGISTER_MAX: u32 = 3;

export function MACH_PORT_VALID(name: u32): bool {
  return name != MACH_PORT_NULL && name != MACH_PORT_DEAD;
}

export function name_index(name: u32): u32 {
  return name >>> 8;
}

export function name_gen(name: u32): u32 {
  return name & 0xff;
}

export function name_make(index: u32, gen: u32): u32 {
  return (index << 8) | gen;
}
