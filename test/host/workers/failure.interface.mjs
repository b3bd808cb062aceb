// A server that can be told how to die while the call waits.

import { defineSubsystem, routine, t } from "mach-ipc/mig";

export const Failing = defineSubsystem({
  name: "failing",
  base: 4400,
  routines: {
    ping: routine({ n: t.int32 }, { n: t.int32 }),
    /** Ends its thread. */
    exit: routine({}, {}),
    /** Throws where nobody catches. */
    throw: routine({}, {}),
    /** Is never answered. */
    terminate: routine({}, {}),
  },
});
