// What a program sees of the calls that copy memory; bound in vm.ts. `docs/reference` is made of these comments.

/**
 * Copies of memory. Each is a snapshot: what is written afterwards on one side is not seen on the other.
 *
 * @param task the task whose memory is meant, by the caller's name of its port: `mach_task_self()`, or that of another
 * @param address where the bytes are in the task's memory, at any byte
 * @param size how many bytes; 0: nothing is done
 * @kr KERN_TERMINATED the kernel was closed
 * @kr KERN_INVALID_TASK the calling task was terminated, or `task` is ending now
 * @kr MACH_SEND_INVALID_DEST `task` does not name the port of a task, or of one that has ended
 */
export interface VmCopyTraps {
  /**
   * Copies memory of a task to new memory of the caller's, without moving bytes: a page is copied when one side writes to it.
   *
   * @param data out, one word: where the copy is, in the caller's memory, as far into its page as `address` is; 0 for no bytes
   * @param count out, one word: its bytes
   * @kr KERN_SUCCESS copied; the caller gives it back by `vm_deallocate`
   * @kr KERN_INVALID_ARGUMENT the range wraps
   * @kr KERN_INVALID_ADDRESS a page of the range is not there
   * @kr KERN_PROTECTION_FAILURE a page of the range may not be read
   * @kr KERN_NO_SPACE the caller's memory has no gap that is wide enough
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the caller's quota is used up
   * @source XNU osfmk/vm/vm_user.c vm_read; A205, A207
   * @differs Nothing.
   */
  vm_read(task: number, address: number, size: number, data: Uint32Array, count: Uint32Array): number;
  /**
   * Copies memory of a task to a JavaScript array.
   *
   * @param data where to, from its first byte
   * @param outsize out, one word: the bytes copied
   * @kr KERN_SUCCESS copied
   * @kr KERN_INVALID_ARGUMENT the range wraps
   * @kr KERN_INVALID_ADDRESS a page of the range is not there; `data` is shorter than `size`
   * @kr KERN_PROTECTION_FAILURE a page of the range may not be read
   * @kr KERN_RESOURCE_SHORTAGE no memory for the way out: up to 4 MiB, which count as bytes of messages of the caller's meanwhile
   * @source XNU osfmk/vm/vm_user.c vm_read_overwrite; A205, A207
   * @differs What is read goes to a JavaScript array instead of memory. More than 4 MiB go in pieces: all is checked before the first, but
   *   whoever changes the memory meanwhile may be seen in the later ones, and if they are taken away `data` is half filled.
   */
  vm_read_overwrite(task: number, address: number, size: number, data: Uint8Array, outsize: Uint32Array): number;
  /**
   * Copies a JavaScript array to memory of a task.
   *
   * @param data the bytes
   * @kr KERN_SUCCESS written
   * @kr KERN_INVALID_ARGUMENT the range wraps
   * @kr KERN_INVALID_ADDRESS a page of the range is not there; nothing was written
   * @kr KERN_PROTECTION_FAILURE a page of the range may not be read and written; nothing was written
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the quota of the task is used up; no memory for the way in: up to 4 MiB, which count as
   *   bytes of messages of the caller's meanwhile
   * @source XNU osfmk/vm/vm_user.c vm_write; A205, A207
   * @differs What is read goes to a JavaScript array instead of memory. More than 4 MiB go in pieces: all is checked before the first, but
   *   whoever looks meanwhile sees a part, and a shortage leaves what was written before.
   */
  vm_write(task: number, address: number, data: Uint8Array): number;
  /**
   * Copies memory within a task to memory that is there. The ranges may overlap.
   *
   * @param source where the bytes are, at any byte
   * @param dest where they go, at any byte
   * @kr KERN_SUCCESS copied
   * @kr KERN_INVALID_ARGUMENT a range wraps
   * @kr KERN_INVALID_ADDRESS a page of one of the ranges is not there; nothing changed
   * @kr KERN_PROTECTION_FAILURE a page of `source` may not be read, or one of `dest` not read and written; nothing
   *   changed
   * @kr KERN_RESOURCE_SHORTAGE no memory, or the quota of the task is used up: no byte is changed, but pages of the destination may have
   *   frames by now
   * @source XNU osfmk/vm/vm_user.c vm_copy; A205, A207
   * @differs Nothing.
   */
  vm_copy(task: number, source: number, size: number, dest: number): number;
}
