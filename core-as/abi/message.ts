// The message: header, descriptors, trailers, options and the codes of mach_msg, as a 32-bit user of untyped Mach sees
// them (mach/message.h). Little endian, packed to 4.
//
//   header  0 bits | 4 size | 8 remote | 12 local | 16 voucher | 20 id            24 bytes
//   body    24 descriptor count, when COMPLEX, then 12 bytes a descriptor
//   port descriptor  0 name | 4 pad | 8 pad16 | 10 disposition u8 | 11 type u8
//   guarded port     0 context | 4 name | 8 flags u16 | 10 disposition u8 | 11 type u8
//   array of ports   0 address | 4 count | 8 deallocate u8 | 9 copy u8 | 10 disposition u8 | 11 type u8

export const MACH_MSGH_BITS_REMOTE_MASK: u32 = 0x0000001f;
export const MACH_MSGH_BITS_LOCAL_MASK: u32 = 0x00001f00;
export const MACH_MSGH_BITS_VOUCHER_MASK: u32 = 0x001f0000;
export const MACH_MSGH_BITS_COMPLEX: u32 = 0x80000000;
export const MACH_MSGH_BITS_USER: u32 = 0x801f1f1f;

export const MSGH_BITS: usize = 0;
export const MSGH_SIZE: usize = 4;
export const MSGH_REMOTE_PORT: usize = 8;
export const MSGH_LOCAL_PORT: usize = 12;
export const MSGH_VOUCHER_PORT: usize = 16;
export const MSGH_ID: usize = 20;
export const MSGH_HEADER_BYTES: u32 = 24;
export const MSGH_BASE_BYTES: u32 = 28;
export const MSGH_DESCRIPTOR_BYTES: u32 = 12;

export const MACH_MSG_TYPE_PORT_NONE: u32 = 0;
export const MACH_MSG_TYPE_MOVE_RECEIVE: u32 = 16;
export const MACH_MSG_TYPE_MOVE_SEND: u32 = 17;
export const MACH_MSG_TYPE_MOVE_SEND_ONCE: u32 = 18;
export const MACH_MSG_TYPE_COPY_SEND: u32 = 19;
export const MACH_MSG_TYPE_MAKE_SEND: u32 = 20;
export const MACH_MSG_TYPE_MAKE_SEND_ONCE: u32 = 21;
export const MACH_MSG_TYPE_PORT_RECEIVE: u32 = 16;
export const MACH_MSG_TYPE_PORT_SEND: u32 = 17;
export const MACH_MSG_TYPE_PORT_SEND_ONCE: u32 = 18;

export const MACH_MSG_PORT_DESCRIPTOR: u32 = 0;
export const MACH_MSG_OOL_DESCRIPTOR: u32 = 1;
export const MACH_MSG_OOL_PORTS_DESCRIPTOR: u32 = 2;
export const MACH_MSG_OOL_VOLATILE_DESCRIPTOR: u32 = 3;
export const MACH_MSG_GUARDED_PORT_DESCRIPTOR: u32 = 4;
export const MACH_MSG_GUARD_FLAGS_NONE: u32 = 0;
export const MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE: u32 = 1;
export const MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND: u32 = 2;
export const MACH_MSG_GUARD_FLAGS_MASK: u32 = 3;
/** How a receiver got what a descriptor names, and what `copy` of an array says. */
export const MACH_MSG_VIRTUAL_COPY: u32 = 1;
/** Ports in one message, descriptors and arrays together. */
export const MACH_MSG_PORTS_MAX: u32 = 16383;

export const MACH_SEND_MSG: u32 = 0x1;
export const MACH_RCV_MSG: u32 = 0x2;
export const MACH_RCV_LARGE: u32 = 0x4;
export const MACH_RCV_LARGE_IDENTITY: u32 = 0x8;
export const MACH_SEND_TIMEOUT: u32 = 0x10;
export const MACH_SEND_INTERRUPT: u32 = 0x40;
export const MACH_SEND_NOTIFY: u32 = 0x80;
export const MACH_RCV_TIMEOUT: u32 = 0x100;
export const MACH_RCV_INTERRUPT: u32 = 0x400;
export const MACH_RCV_VOUCHER: u32 = 0x800;
export const MACH_RCV_GUARDED_DESC: u32 = 0x1000;

// Options of a user's without effect here: priorities and importance, checks of replies, and what only a kernel may ask.
export const MACH_SEND_OVERRIDE: u32 = 0x20;
export const MACH_MSG_STRICT_REPLY: u32 = 0x200;
export const MACH_RCV_SYNC_WAIT: u32 = 0x4000;
export const MACH_RCV_SYNC_PEEK: u32 = 0x8000;
export const MACH_SEND_ALWAYS: u32 = 0x10000;
export const MACH_SEND_TRAILER: u32 = 0x20000;
export const MACH_SEND_NOIMPORTANCE: u32 = 0x40000;
export const MACH_SEND_IMPORTANCE: u32 = 0x80000;
export const MACH_SEND_SYNC_OVERRIDE: u32 = 0x100000;
export const MACH_SEND_PROPAGATE_QOS: u32 = 0x200000;
export const MACH_SEND_SYNC_BOOTSTRAP_CHECKIN: u32 = 0x800000;

export const MACH_RCV_TRAILER_NULL: u32 = 0;
export const MACH_RCV_TRAILER_SEQNO: u32 = 1;
export const MACH_RCV_TRAILER_SENDER: u32 = 2;
export const MACH_RCV_TRAILER_AUDIT: u32 = 3;
export const MACH_RCV_TRAILER_CTX: u32 = 4;
export const MACH_RCV_TRAILER_AV: u32 = 7;
export const MACH_RCV_TRAILER_LABELS: u32 = 8;
export const MACH_RCV_TRAILER_SHIFT: u32 = 24;
export const MACH_MSG_TRAILER_MINIMUM_SIZE: u32 = 8;
export const MAX_TRAILER_SIZE: u32 = 64;

/** Bytes of the largest message: 48 MiB less the largest trailer. */
export const MACH_MSG_SIZE_MAX: u32 = 48 * 1024 * 1024 - 64;

export const MACH_MSG_SUCCESS: u32 = 0;
export const MACH_MSG_IPC_SPACE: u32 = 0x2000;
export const MACH_MSG_VM_SPACE: u32 = 0x1000;
export const MACH_MSG_IPC_KERNEL: u32 = 0x800;
export const MACH_MSG_VM_KERNEL: u32 = 0x400;
export const MACH_MSG_MASK: u32 = 0x3e00;

/** An asynchronous send waits for room; its completion comes later. */
export const MACH_SEND_IN_PROGRESS: u32 = 0x10000001;
export const MACH_SEND_INVALID_DATA: u32 = 0x10000002;
export const MACH_SEND_INVALID_DEST: u32 = 0x10000003;
export const MACH_SEND_TIMED_OUT: u32 = 0x10000004;
export const MACH_SEND_INVALID_VOUCHER: u32 = 0x10000005;
export const MACH_SEND_INTERRUPTED: u32 = 0x10000007;
export const MACH_SEND_MSG_TOO_SMALL: u32 = 0x10000008;
export const MACH_SEND_INVALID_REPLY: u32 = 0x10000009;
export const MACH_SEND_INVALID_RIGHT: u32 = 0x1000000a;
export const MACH_SEND_INVALID_NOTIFY: u32 = 0x1000000b;
export const MACH_SEND_INVALID_MEMORY: u32 = 0x1000000c;
export const MACH_SEND_NO_BUFFER: u32 = 0x1000000d;
export const MACH_SEND_TOO_LARGE: u32 = 0x1000000e;
export const MACH_SEND_INVALID_TYPE: u32 = 0x1000000f;
export const MACH_SEND_INVALID_HEADER: u32 = 0x10000010;

/** An asynchronous receive waits; its completion comes later. */
export const MACH_RCV_IN_PROGRESS: u32 = 0x10004001;
export const MACH_RCV_INVALID_NAME: u32 = 0x10004002;
export const MACH_RCV_TIMED_OUT: u32 = 0x10004003;
export const MACH_RCV_TOO_LARGE: u32 = 0x10004004;
export const MACH_RCV_INTERRUPTED: u32 = 0x10004005;
export const MACH_RCV_PORT_CHANGED: u32 = 0x10004006;
export const MACH_RCV_INVALID_NOTIFY: u32 = 0x10004007;
export const MACH_RCV_INVALID_DATA: u32 = 0x10004008;
export const MACH_RCV_PORT_DIED: u32 = 0x10004009;
export const MACH_RCV_HEADER_ERROR: u32 = 0x1000400b;
export const MACH_RCV_BODY_ERROR: u32 = 0x1000400c;

/** Not Mach's: the wait was asked of a thread that may not block. Nothing was changed. */
export const MACH_IPC_WOULD_BLOCK: u32 = 0x1000fe01;
/** Not Mach's: a member of the port set has messages; receive again. */
export const MACH_IPC_RETRY: u32 = 0x1000fe02;
