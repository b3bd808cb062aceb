// The three kinds of failure: a refusal is a return code; a corruption is a kassert, always on; an expensive check is a
// kdebug, compiled away in release. A site is (file << 8) | n.
//
//   0x01 journal   0x02 lock      0x03 zone      0x04 frame     0x05 processor   0x06 waiter
//   0x10 entry     0x11 space     0x12 right     0x13 port      0x14 pset        0x15 kmsg
//   0x16 copyin    0x17 mqueue    0x18 copyout   0x19 work      0x1a notify
//   0x20 task      0x21 recover   0x30 traps     0x40 check

import { word_cas } from "../sync/atomics";
import { h_panic_at } from "./memory_map";

/**
 * Stops the whole kernel when an invariant is seen broken: every processor leaves with KernelPanic.
 *
 * Conditions: any. Does not return when `cond` is false.
 */
export function kassert(cond: bool, site: u32): void {
  if (!cond) panic(site);
}

/** As kassert, in debug builds and the explorer's only. */
export function kdebug(cond: bool, site: u32): void {
  if (isDefined(KERN_DEBUG) || isDefined(KERN_MODEL)) {
    if (!cond) panic(site);
  }
}

function panic(site: u32): void {
  // [S1] The first site stays; later ones are consequences.
  word_cas(h_panic_at(), 0, site);
  unreachable();
}
