// What a program sees of the calls on pages; bound in vm.ts. `docs/reference` is made of these comments.

import type { Out } from "./arguments.js";

/** What `vm_region` tells of a region. */
export interface VmRegionInfo {
  /** `VM_PROT_*` bits. */
  readonly protection: number;
  readonly max_protection: number;
  /** `VM_INHERIT_*`. */
  readonly inheritance: number;
  /** Another region may show the same bytes, by `VM_INHERIT_SHARE`, `vm_remap` or a memory entry that is no copy. */
  readonly shared: boolean;
}

/**
 * Pages of a task's memory. It begins empty, is a task's own, and reaches from 0x1000 to 0xfffff000, in pages of 4096 bytes. Ranges are
 * made whole pages: the address is rounded down, the end up; one that ends behind 0xfffff000 wraps. Memory is no JavaScript array: bytes go in and out by `vm_write` and
 * `vm_read_overwrite`, in messages, or where they lie by a `Region` of level 2.
 *
 * @param task the task whose memory is meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @param address where the range begins
 * @param size bytes of the range; 0: nothing is done
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
 */
export interface VmPageTraps {
  /**
   * Gives the task new pages, all zero, to read and write. They take no memory of the kernel's before they are written.
   *
   * @param address one word, in: where, without `VM_FLAGS_ANYWHERE`; out: where, 0 for no bytes
   * @param flags `VM_FLAGS_ANYWHERE` the kernel chooses where, `VM_FLAGS_FIXED` (0) it must be at `address`
   * @kr KERN_SUCCESS given
   * @kr KERN_INVALID_ARGUMENT another flag; the range wraps
   * @kr KERN_INVALID_ADDRESS `VM_FLAGS_FIXED`, and the range begins below 0x1000
   * @kr KERN_NO_SPACE a page of the range is in use; `VM_FLAGS_ANYWHERE`, and no gap is wide enough
   * @kr KERN_RESOURCE_SHORTAGE no memory to note the range in
   * @source XNU osfmk/vm/vm_user.c vm_allocate, osfmk/mach/vm_statistics.h; A203, A207
   * @differs Flags that purge, tag or align are refused. `VM_FLAGS_ANYWHERE` does not look at `address`.
   */
  vm_allocate(task: number, address: Uint32Array, size: number, flags: number): number;
  /**
   * Takes pages from the task. What other tasks, messages and memory entries have of the same bytes stays.
   *
   * @kr KERN_SUCCESS taken; pages that were not there do not matter
   * @kr KERN_INVALID_ARGUMENT the range wraps
   * @kr KERN_RESOURCE_SHORTAGE no memory to note what is left at both ends; nothing changed
   * @source XNU osfmk/vm/vm_user.c vm_deallocate; A199, A203, A204
   * @differs Nothing.
   */
  vm_deallocate(task: number, address: number, size: number): number;
  /**
   * Sets what may be done with pages, or the most that may ever be allowed.
   *
   * @param set_maximum true: `protection` is the most, and what is allowed now is cut down to it
   * @param protection `VM_PROT_READ`, `VM_PROT_WRITE` and `VM_PROT_EXECUTE` bits
   * @kr KERN_SUCCESS set
   * @kr KERN_INVALID_ARGUMENT another bit; the range wraps
   * @kr KERN_INVALID_ADDRESS a page of the range is not there; nothing changed
   * @kr KERN_PROTECTION_FAILURE more than the maximum of some page; nothing changed
   * @kr KERN_RESOURCE_SHORTAGE no memory to note the range in; nothing changed
   * @source XNU osfmk/vm/vm_user.c vm_protect, vm_map.c vm_map_protect
   * @differs Nothing can be executed: the bit is kept and means nothing. It holds for calls and messages; views that level 2 gave
   *   out before stay as they are.
   */
  vm_protect(task: number, address: number, size: number, set_maximum: boolean, protection: number): number;
  /**
   * Sets what a child that is made with its parent's memory gets of pages.
   *
   * @param inheritance `VM_INHERIT_SHARE` the same bytes, `VM_INHERIT_COPY` a copy, `VM_INHERIT_NONE` nothing
   * @kr KERN_SUCCESS set; pages that are not there do not matter
   * @kr KERN_INVALID_ARGUMENT another inheritance; the range wraps
   * @kr KERN_RESOURCE_SHORTAGE no memory to note the range in; nothing changed
   * @source XNU osfmk/vm/vm_user.c vm_inherit, vm_map.c vm_map_inherit
   * @differs Nothing.
   */
  vm_inherit(task: number, address: number, size: number, inheritance: number): number;
  /**
   * Tells of the region that an address lies in, or of the next above it. A region is as far as all is alike.
   *
   * @param address one word, in: where to look; out: where the region begins
   * @param size out, one word: its bytes
   * @param info out: its protection, the most that may be, its inheritance, whether it is shared
   * @kr KERN_SUCCESS told
   * @kr KERN_INVALID_ADDRESS there is no region at the address or above it
   * @source XNU osfmk/vm/vm_user.c vm_region, osfmk/mach/vm_region.h
   * @differs There is one flavor and no name of an object; the counts are left out, and what does not exist here: offset, wiring,
   *   behavior.
   */
  vm_region(task: number, address: Uint32Array, size: Uint32Array, info: Out<VmRegionInfo>): number;
}
