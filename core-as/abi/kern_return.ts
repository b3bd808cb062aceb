// Return codes of the kernel's calls, with Mach's numbers (mach/kern_return.h, mig_errors.h, bootstrap.h).
// Codes of the message call are in message.ts.

export const KERN_SUCCESS: u32 = 0;
export const KERN_INVALID_ADDRESS: u32 = 1;
export const KERN_PROTECTION_FAILURE: u32 = 2;
export const KERN_NO_SPACE: u32 = 3;
export const KERN_INVALID_ARGUMENT: u32 = 4;
export const KERN_FAILURE: u32 = 5;
export const KERN_RESOURCE_SHORTAGE: u32 = 6;
export const KERN_NOT_RECEIVER: u32 = 7;
export const KERN_NO_ACCESS: u32 = 8;
export const KERN_ALREADY_IN_SET: u32 = 11;
export const KERN_NOT_IN_SET: u32 = 12;
export const KERN_NAME_EXISTS: u32 = 13;
export const KERN_ABORTED: u32 = 14;
export const KERN_INVALID_NAME: u32 = 15;
export const KERN_INVALID_TASK: u32 = 16;
export const KERN_INVALID_RIGHT: u32 = 17;
export const KERN_INVALID_VALUE: u32 = 18;
/** Exported for programs that name it; a count that would overflow is pegged instead. */
export const KERN_UREFS_OVERFLOW: u32 = 19;
export const KERN_INVALID_CAPABILITY: u32 = 20;
export const KERN_RIGHT_EXISTS: u32 = 21;
export const KERN_INVALID_HOST: u32 = 22;
/** The kernel was closed, or this processor was condemned. */
export const KERN_TERMINATED: u32 = 37;
export const KERN_NOT_SUPPORTED: u32 = 46;
export const KERN_OPERATION_TIMED_OUT: u32 = 49;
export const KERN_INSUFFICIENT_BUFFER_SIZE: u32 = 52;
export const KERN_DENIED: u32 = 53;
export const KERN_NOT_FOUND: u32 = 56;

export const MIG_TYPE_ERROR: i32 = -300;
export const MIG_REPLY_MISMATCH: i32 = -301;
export const MIG_REMOTE_ERROR: i32 = -302;
export const MIG_BAD_ID: i32 = -303;
export const MIG_BAD_ARGUMENTS: i32 = -304;
export const MIG_NO_REPLY: i32 = -305;
export const MIG_EXCEPTION: i32 = -306;
export const MIG_ARRAY_TOO_LARGE: i32 = -307;
export const MIG_SERVER_DIED: i32 = -308;
export const MIG_TRAILER_ERROR: i32 = -309;

export const BOOTSTRAP_SUCCESS: u32 = 0;
export const BOOTSTRAP_NOT_PRIVILEGED: u32 = 1100;
export const BOOTSTRAP_NAME_IN_USE: u32 = 1101;
export const BOOTSTRAP_UNKNOWN_SERVICE: u32 = 1102;
export const BOOTSTRAP_SERVICE_ACTIVE: u32 = 1103;
export const BOOTSTRAP_BAD_COUNT: u32 = 1104;
export const BOOTSTRAP_NO_MEMORY: u32 = 1105;
