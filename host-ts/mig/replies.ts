// Replies on their way out of a server: sent together, and destroyed when nobody can have them.

import { report } from "#platform";
import { KERN_TERMINATED, MACH_SEND_MSG, MACH_SEND_INVALID_RIGHT, MACH_SEND_TIMEOUT } from "../abi/codes.gen.js";
import type { Draft } from "../draft.js";
import { isPort } from "../port-right.js";
import type { Space } from "../space.js";

/** Replies on their way, sent together. A reply that cannot be sent is destroyed, with the rights in it. */
export class Replies {
  readonly #space: Space;
  #drafts: Draft[] = [];
  /** A batch is being handled, or a flush is scheduled. */
  #scheduled = false;
  readonly #soon: () => void = () => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.flush();
    });
  };

  constructor(space: Space) {
    this.#space = space;
  }

  put(draft: Draft): void {
    this.#drafts.push(draft);
    if (this.#drafts.length >= 64) this.flush();
  }

  /** What a handler that was awaited puts in goes out at the end of this turn's microtasks. */
  late(settled: Promise<void>): void {
    void settled.then(this.#soon, (error) => {
      report(error);
      this.#soon();
    });
  }

  flush(): void {
    if (this.#drafts.length === 0) return;
    const drafts = this.#drafts;
    this.#drafts = [];
    const { core, handle, processor } = this.#space;
    let from = 0;
    while (from < drafts.length) {
      const count = Math.min(drafts.length - from, 512);
      for (let i = 0; i < count; i++) {
        const draft = drafts[from + i] as Draft;
        processor.batch[2 * i] = draft.kmsg;
        processor.batch[2 * i + 1] = draft.size;
      }
      const kr = core.mach_msg_send_many(handle, count, MACH_SEND_MSG | MACH_SEND_TIMEOUT, 0);
      if (kr === 0) {
        from += count;
        continue;
      }
      from += kr === KERN_TERMINATED ? 0 : processor.out(0);
      if (from < drafts.length) this.#destroy(drafts[from] as Draft, kr);
      from++;
    }
  }

  #destroy(draft: Draft, kr: number): void {
    const reply = (this.#space.views.i32[draft.at + 2] as number) >>> 0;
    draft.lost(kr);
    if (kr !== MACH_SEND_INVALID_RIGHT && isPort(reply)) this.#space.deallocate(reply);
  }
}
