// Memory: protections, inheritance, flags and bounds, with Mach's numbers (mach/vm_prot.h, vm_inherit.h, vm_statistics.h,
// memory_object_types.h). A task's addresses are 32 bits; its first page and its last are never mapped, so that 0 is no address and
// no range ends beyond 4 GiB.

export const VM_PROT_NONE: u32 = 0;
export const VM_PROT_READ: u32 = 1;
export const VM_PROT_WRITE: u32 = 2;
export const VM_PROT_EXECUTE: u32 = 4;
export const VM_PROT_DEFAULT: u32 = 3;
export const VM_PROT_ALL: u32 = 7;
export const VM_PROT_IS_MASK: u32 = 0x40;

export const VM_INHERIT_SHARE: u32 = 0;
export const VM_INHERIT_COPY: u32 = 1;
export const VM_INHERIT_NONE: u32 = 2;

export const VM_FLAGS_FIXED: u32 = 0;
export const VM_FLAGS_ANYWHERE: u32 = 1;

export const MAP_MEM_NAMED_CREATE: u32 = 0x20000;
export const MAP_MEM_NAMED_REUSE: u32 = 0x80000;
export const MAP_MEM_VM_COPY: u32 = 0x200000;
export const MAP_MEM_VM_SHARE: u32 = 0x400000;

export const VM_PAGE_SIZE: u32 = 4096;
export const VM_PAGE_SHIFT: u32 = 12;
/** First page of a task's memory, and the page behind the last. */
export const VM_PAGE_MIN: u32 = 1;
export const VM_PAGE_MAX: u32 = 0xfffff;
