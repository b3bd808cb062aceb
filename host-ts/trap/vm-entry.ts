// Calls on memory that several tasks have: memory entries, mapping and remapping (mach/vm_map.h), bound to one task.

import { KERN_SUCCESS } from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { flag, u32, word } from "./arguments.js";

/**
 * Memory entries: ports that stand for a range of memory. Who has a send right for one maps the range, which is how tasks come to share
 * bytes; it goes with the last right and the last mapping.
 *
 * @param task the task whose memory is meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
 */
export interface VmEntryTraps {
  /**
   * Makes a memory entry: of a range of the task's memory, of a part of another entry, or of new memory that no task has yet.
   *
   * @param size one word, in: bytes of the range; out: as whole pages
   * @param offset where the range begins in the task's memory, or in `parent`
   * @param permission the most that who maps it may do, `VM_PROT_*` bits, and one of: `MAP_MEM_VM_SHARE` the bytes themselves,
   *   `MAP_MEM_VM_COPY` a snapshot, `MAP_MEM_NAMED_CREATE` new memory, all zero; none of them: the bytes themselves. With
   *   `MAP_MEM_NAMED_REUSE` `parent` is given again where it is the same; with `VM_PROT_IS_MASK` as much as can be had is enough
   * @param object out, one word: the caller's name for a send right of the entry
   * @param parent the caller's name of another entry; 0: none
   * @kr KERN_SUCCESS made
   * @kr KERN_INVALID_ARGUMENT another bit, or two kinds at once, or with `parent` new memory or a snapshot; no bytes; the range wraps, or is not within `parent`; `parent` names no
   *   entry, or one that is a copy
   * @kr KERN_INVALID_ADDRESS a page of the range is not there
   * @kr KERN_PROTECTION_FAILURE the range or `parent` does not allow what `permission` says; a page of the range may not be read
   * @kr KERN_RESOURCE_SHORTAGE no memory, the task's quota is used up, or the caller has no room for another name; pages of the range may have become shared
   * @source XNU osfmk/vm/vm_memory_entry.c mach_make_memory_entry; A206, A207
   * @differs Entries that purge, and those of parts of pages (`MAP_MEM_USE_DATA_ADDR`), are refused; so are new memory and snapshots with a
   *   `parent`, which XNU ignores then.
   */
  mach_make_memory_entry(
    task: number,
    size: Uint32Array,
    offset: number,
    permission: number,
    object: Uint32Array,
    parent: number,
  ): number;
  /**
   * Maps a memory entry, or new memory, into the task's memory.
   *
   * @param address one word, in: where, without `VM_FLAGS_ANYWHERE`; out: where
   * @param size bytes to map, rounded up to whole pages
   * @param mask bits that must be 0 in the address, as where something begins at a multiple of its size
   * @param flags `VM_FLAGS_ANYWHERE` the kernel chooses where, `VM_FLAGS_FIXED` (0) it must be at `address`
   * @param object the caller's name of the entry; 0: new memory, all zero
   * @param offset where in the entry it begins; without one it does not count
   * @param copy true: a snapshot of the task's own; false: the bytes of the entry, shared with all who map it so
   * @param cur_protection what may be done with the pages, `VM_PROT_*` bits; with `VM_PROT_IS_MASK` as much as the entry allows is enough
   * @param max_protection the most that may ever be allowed, as well
   * @param inheritance `VM_INHERIT_*`: what a child gets
   * @kr KERN_SUCCESS mapped
   * @kr KERN_INVALID_ARGUMENT a flag, mask, protection or inheritance of no meaning; more protection than the maximum; no bytes; the
   *   range wraps, or is not within the entry; `object` names no memory entry
   * @kr KERN_INVALID_ADDRESS `VM_FLAGS_FIXED`, and the range begins below 0x1000
   * @kr KERN_NO_SPACE `VM_FLAGS_FIXED`, and a page of the range is in use, or the address has a bit of `mask`; `VM_FLAGS_ANYWHERE`, and no
   *   gap is wide enough
   * @kr KERN_INVALID_RIGHT the entry does not allow what is asked for
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the task's quota is used up
   * @source XNU osfmk/vm/vm_user.c vm_map, vm_map.c vm_map_enter_mem_object; A206, A207
   * @differs There are no pagers: only memory entries are mapped. A mask has its ones at its end: 0, 0xfff, 0x1fff and so on.
   */
  vm_map(
    task: number,
    address: Uint32Array,
    size: number,
    mask: number,
    flags: number,
    object: number,
    offset: number,
    copy: boolean,
    cur_protection: number,
    max_protection: number,
    inheritance: number,
  ): number;
  /**
   * Maps a range of one task's memory into another's, shared or as a snapshot.
   *
   * @param address one word, in: where, without `VM_FLAGS_ANYWHERE`; out: where
   * @param size bytes to map, rounded up to whole pages
   * @param mask bits that must be 0 in the address
   * @param flags `VM_FLAGS_ANYWHERE` the kernel chooses where, `VM_FLAGS_FIXED` (0) it must be at `address`
   * @param src_task the task whose memory is mapped, by the caller's name of its port
   * @param src_address where the range begins there
   * @param copy true: a snapshot; false: the same bytes, which both tasks write from then on
   * @param cur_protection out, one word: what may be done with the pages, as in the source
   * @param max_protection out, one word: the most that may ever be allowed
   * @param inheritance `VM_INHERIT_*`: what a child gets
   * @kr KERN_SUCCESS mapped
   * @kr KERN_INVALID_ARGUMENT a flag, mask or inheritance of no meaning; no bytes; a range wraps
   * @kr KERN_INVALID_ADDRESS a page of the source is not there; `VM_FLAGS_FIXED`, and the range begins below 0x1000
   * @kr KERN_PROTECTION_FAILURE a page of the source may not be read
   * @kr KERN_NO_SPACE `VM_FLAGS_FIXED`, and a page of the range is in use, or the address has a bit of `mask`; `VM_FLAGS_ANYWHERE`, and no
   *   gap is wide enough
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the quota of one of the tasks is used up; pages of the source may have become shared
   * @kr MACH_SEND_INVALID_DEST as for every call, and of `src_task`
   * @source XNU osfmk/vm/vm_user.c vm_remap, vm_map.c vm_map_remap; A207
   * @differs What may not be read is not mapped. A mask has its ones at its end.
   */
  vm_remap(
    task: number,
    address: Uint32Array,
    size: number,
    mask: number,
    flags: number,
    src_task: number,
    src_address: number,
    copy: boolean,
    cur_protection: Uint32Array,
    max_protection: Uint32Array,
    inheritance: number,
  ): number;
}

/** Binds the calls to `self`. */
export function vmEntryTraps(self: Task): VmEntryTraps {
  const { processor, handle } = self;
  const { core } = processor;
  return {
    mach_make_memory_entry(task, size, offset, permission, object, parent) {
      u32("task", task);
      word("size", size);
      u32("offset", offset);
      u32("permission", permission);
      word("object", object);
      u32("parent", parent);
      const kr = core.mach_make_memory_entry(handle, task, size[0] as number, offset, permission, parent);
      if (kr !== KERN_SUCCESS) return kr;
      size[0] = processor.out(0);
      object[0] = processor.out(1);
      return kr;
    },
    vm_map(task, address, size, mask, flags, object, offset, copy, cur_protection, max_protection, inheritance) {
      u32("task", task);
      word("address", address);
      u32("size", size);
      u32("mask", mask);
      u32("flags", flags);
      u32("object", object);
      u32("offset", offset);
      flag("copy", copy);
      u32("cur_protection", cur_protection);
      u32("max_protection", max_protection);
      u32("inheritance", inheritance);
      const kr = core.vm_map(
        handle,
        task,
        address[0] as number,
        size,
        mask,
        flags,
        object,
        offset,
        copy ? 1 : 0,
        cur_protection,
        max_protection,
        inheritance,
      );
      if (kr === KERN_SUCCESS) address[0] = processor.out(0);
      return kr;
    },
    vm_remap(
      task,
      address,
      size,
      mask,
      flags,
      src_task,
      src_address,
      copy,
      cur_protection,
      max_protection,
      inheritance,
    ) {
      u32("task", task);
      word("address", address);
      u32("size", size);
      u32("mask", mask);
      u32("flags", flags);
      u32("src_task", src_task);
      u32("src_address", src_address);
      flag("copy", copy);
      word("cur_protection", cur_protection);
      word("max_protection", max_protection);
      u32("inheritance", inheritance);
      const at = address[0] as number;
      const how = copy ? 1 : 0;
      const kr = core.vm_remap(handle, task, at, size, mask, flags, src_task, src_address, how, inheritance);
      if (kr !== KERN_SUCCESS) return kr;
      address[0] = processor.out(0);
      cur_protection[0] = processor.out(1);
      max_protection[0] = processor.out(2);
      return kr;
    },
  };
}
