// A persistent service whose server is killed again and again.

import { defineSubsystem, routine, simpleroutine, t } from "mach-ipc/mig";

export const Phoenix = defineSubsystem({
  name: "phoenix",
  base: 4300,
  routines: {
    /** `life` counts the servers. */
    ping: routine({ n: t.int32 }, { n: t.int32, life: t.int32 }),
    /** Is answered after some turns of the event loop. */
    later: routine({ n: t.int32 }, { n: t.int32, life: t.int32 }),
    /** Says in the shared words that it was received, then loops for ever. */
    stall: routine({}, {}),
    exit: simpleroutine({ code: t.int32 }),
    fail: simpleroutine({}),
  },
});

/** The shared words: how many servers there were, how many calls were received that never end, whether clients stop. */
export const LIVES = 0;
export const STALLED = 1;
export const STOP = 2;
