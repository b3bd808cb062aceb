// Bytes between a task's memory and JavaScript: through a kmsg that the kernel lends, in pieces if they are many.

import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
  MACH_SEND_NO_BUFFER,
  MSGH_HEADER_BYTES,
  VM_PAGE_MAX,
  VM_PAGE_SIZE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from "../abi/codes.gen.js";
import type { SpaceOwner } from "../space.js";

/** More bytes than these go in pieces: what lies in a kmsg lies in one piece in the kernel's memory. */
export const PIECE_BYTES: number = 1 << 22;

/** Where all memory ends: what goes on behind it wraps, as the kernel says. */
const END = VM_PAGE_MAX * VM_PAGE_SIZE;

/** Where the bytes are: the task by the name of its port, the first address. */
export interface Place {
  readonly target: number;
  readonly address: number;
}

/** Copies memory to `data`, which it fills; a code of vm_read_overwrite. */
export function readMemory(self: SpaceOwner, { target, address }: Place, data: Uint8Array): number {
  const { core, views } = self.processor;
  return inPieces(self, { target, address }, data.length, VM_PROT_READ, (kmsg, bytes, from, size) => {
    const kr = core.vm_read_overwrite(self.handle, target, address + from, size, kmsg);
    if (kr === KERN_SUCCESS) data.set(views.bytes(bytes, size), from);
    return kr;
  });
}

/** Copies `data` to memory; a code of vm_write. */
export function writeMemory(self: SpaceOwner, { target, address }: Place, data: Uint8Array): number {
  const { core, views } = self.processor;
  return inPieces(self, { target, address }, data.length, VM_PROT_READ | VM_PROT_WRITE, (kmsg, bytes, from, size) => {
    views.bytes(bytes, size).set(data.subarray(from, from + size));
    return core.vm_write(self.handle, target, address + from, kmsg, size);
  });
}

/** The names in an array of ports in the task's own memory; none if it is not to be read. */
export function namesIn(self: SpaceOwner, address: number, count: number): Uint32Array {
  const names = new Uint32Array(count);
  const kr = readMemory(self, { target: self.self, address }, new Uint8Array(names.buffer));
  return kr === KERN_SUCCESS ? names : new Uint32Array(0);
}

/** Copies a piece: which kmsg, where its bytes are, how far in the whole the piece begins, how long it is. */
type Copy = (kmsg: number, bytes: number, from: number, size: number) => number;

function inPieces({ processor, handle }: SpaceOwner, place: Place, size: number, access: number, copy: Copy): number {
  const { core } = processor;
  if (processor.orphan !== 0) processor.releaseOrphan();
  if (size > PIECE_BYTES) {
    const kr = checkWhole({ processor, handle }, place, size, access);
    if (kr !== KERN_SUCCESS) return kr;
  }
  const kmsg = core.mach_msg_prepare(handle, Math.max(Math.min(size, PIECE_BYTES), MSGH_HEADER_BYTES), 0) >>> 0;
  if (kmsg === 0) {
    const why = processor.out(1);
    return why === MACH_SEND_NO_BUFFER ? KERN_RESOURCE_SHORTAGE : why;
  }
  try {
    const bytes = processor.out(0);
    let kr = KERN_SUCCESS;
    let from = 0;
    do {
      kr = copy(kmsg, bytes, from, Math.min(size - from, PIECE_BYTES));
      from += PIECE_BYTES;
    } while (kr === KERN_SUCCESS && from < size);
    core.mach_msg_release(kmsg);
    return kr;
  } catch (error) {
    // No call here: the stack may be exhausted. The next message gives the kmsg back.
    processor.orphan = kmsg;
    throw error;
  }
}

/** What the kernel would say of the whole range, before the first piece of it is touched. */
function checkWhole(
  { processor, handle }: Pick<SpaceOwner, "processor" | "handle">,
  { target, address }: Place,
  size: number,
  access: number,
): number {
  const { core } = processor;
  const end = address + size;
  for (let at = address; at < end; at = processor.out(0) + processor.out(1)) {
    const kr = core.vm_region(handle, target, at);
    if (kr !== KERN_SUCCESS && kr !== KERN_INVALID_ADDRESS) return kr; // there is no such task
    if (end > END) return KERN_INVALID_ARGUMENT;
    if (kr !== KERN_SUCCESS || processor.out(0) > at) return KERN_INVALID_ADDRESS;
    if ((processor.out(2) & access) !== access) return KERN_PROTECTION_FAILURE;
  }
  return KERN_SUCCESS;
}
