// The typed interface that some servers of a chaos run serve.

import { defineSubsystem, routine, t } from "mach-ipc/mig";

export const Oracle = defineSubsystem({
  name: "oracle",
  base: 7000,
  routines: {
    ask: routine({ client: t.int32, n: t.int32, nonce: t.int32 }, { client: t.int32, n: t.int32, answer: t.int32 }),
    /** Gives a right to the caller's own port back, so that rights travel both ways. */
    echo: routine({ right: t.send }, { right: t.send }),
  },
});
