// A server that can be made to die while a call waits.

import { defineSubsystem, routine, simpleroutine, t } from "mach-ipc/mig";

export const Mortal = defineSubsystem({
  name: "mortal",
  base: 4000,
  routines: {
    ping: routine({ n: t.int32 }, { n: t.int32 }),
    /** Ends its thread. */
    exit: routine({}, {}),
    /** Throws where nobody catches. */
    fail: routine({}, {}),
    /** Is never answered; the thread is in its event loop. */
    hang: routine({}, {}),
    /** Is never answered; the thread computes. */
    loop: routine({}, {}),
    /** Is never answered; the thread is blocked in the kernel. */
    block: routine({}, {}),
    /** Ends after some milliseconds, long after the answer. */
    exitLater: simpleroutine({ ms: t.uint32 }),
  },
});

export const Killer = defineSubsystem({
  name: "killer",
  base: 4200,
  routines: {
    /** Terminates its worker after some milliseconds. */
    kill: simpleroutine({ ms: t.uint32 }),
  },
});
