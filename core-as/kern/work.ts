// The work list of a processor: a stack of elements, linked by z_next, that its trap will take apart in committed steps before it ends
// (ipc/ipc_reap.ts). If the processor dies, its recoverer takes the stack over.

import { journal_set } from "./journal";
import { kassert } from "./panic";
import { me, my_pid, Processor, processor } from "./processor";
import { OWNER_WORK } from "./zone";

const P_WORK: usize = offsetof<Processor>("p_work");

/** Puts an element on this processor's work list. Conditions: in a transaction; the element is the caller's to give. */
export function reap_push(element: usize): void {
  journal_set(element, OWNER_WORK | my_pid());
  journal_set(element + 4, me().p_work);
  journal_set(processor + P_WORK, <u32>element);
}

/** Takes the first element off. Conditions: in a transaction, `element` is the first. */
export function reap_pop(element: usize, owner: u32): void {
  kassert(me().p_work == element, 0x1901);
  journal_set(processor + P_WORK, load<u32>(element, 4));
  journal_set(element, owner);
}
