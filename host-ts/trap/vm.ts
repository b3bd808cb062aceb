// Calls on a task's memory (mach/vm_map.h), bound to one task. What a program sees of them is told in vm-pages.ts and vm-copies.ts.

import { KERN_INVALID_ADDRESS, KERN_SUCCESS } from "../abi/codes.gen.js";
import type { Task } from "../task.js";
import { buffer, flag, out, u32, word } from "./arguments.js";
import { readMemory, writeMemory } from "./vm-bytes.js";
import type { VmCopyTraps } from "./vm-copies.js";
import { type VmEntryTraps, vmEntryTraps } from "./vm-entry.js";
import type { VmPageTraps } from "./vm-pages.js";

/** The calls on memory that this kernel has. */
export interface VmTraps extends VmPageTraps, VmCopyTraps, VmEntryTraps {}

/** Binds the calls to `self`. */
export function vmTraps(self: Task): VmTraps {
  const { processor, handle } = self;
  const { core } = processor;
  return {
    vm_allocate(task, address, size, flags) {
      u32("task", task);
      word("address", address);
      u32("size", size);
      u32("flags", flags);
      const kr = core.vm_allocate(handle, task, address[0] as number, size, flags);
      if (kr === KERN_SUCCESS) address[0] = processor.out(0);
      return kr;
    },
    vm_deallocate(task, address, size) {
      u32("task", task);
      u32("address", address);
      u32("size", size);
      return core.vm_deallocate(handle, task, address, size);
    },
    vm_protect(task, address, size, set_maximum, protection) {
      u32("task", task);
      u32("address", address);
      u32("size", size);
      flag("set_maximum", set_maximum);
      u32("protection", protection);
      return core.vm_protect(handle, task, address, size, set_maximum ? 1 : 0, protection);
    },
    vm_inherit(task, address, size, inheritance) {
      u32("task", task);
      u32("address", address);
      u32("size", size);
      u32("inheritance", inheritance);
      return core.vm_inherit(handle, task, address, size, inheritance);
    },
    vm_region(task, address, size, info) {
      u32("task", task);
      word("address", address);
      word("size", size);
      out("info", info);
      const kr = core.vm_region(handle, task, address[0] as number);
      if (kr !== KERN_SUCCESS) return kr;
      address[0] = processor.out(0);
      size[0] = processor.out(1);
      info.value = {
        protection: processor.out(2),
        max_protection: processor.out(3),
        inheritance: processor.out(4),
        shared: processor.out(5) !== 0,
      };
      return kr;
    },
    vm_read(task, address, size, data, count) {
      u32("task", task);
      u32("address", address);
      u32("size", size);
      word("data", data);
      word("count", count);
      const kr = core.vm_read(handle, task, address, size);
      if (kr !== KERN_SUCCESS) return kr;
      data[0] = processor.out(0);
      count[0] = processor.out(1);
      return kr;
    },
    vm_read_overwrite(task, address, size, data, outsize) {
      u32("task", task);
      u32("address", address);
      u32("size", size);
      buffer("data", data);
      word("outsize", outsize);
      if (size > data.length) return KERN_INVALID_ADDRESS;
      const kr = readMemory(self, { target: task, address }, data.subarray(0, size));
      if (kr === KERN_SUCCESS) outsize[0] = size;
      return kr;
    },
    vm_write(task, address, data) {
      u32("task", task);
      u32("address", address);
      buffer("data", data);
      return writeMemory(self, { target: task, address }, data.subarray(0, data.length));
    },
    vm_copy(task, source, size, dest) {
      u32("task", task);
      u32("source", source);
      u32("size", size);
      u32("dest", dest);
      return core.vm_copy(handle, task, source, size, dest);
    },
    ...vmEntryTraps(self),
  };
}
