// What an index worker does, as one value: the client and the server are made from it.

import { defineSubsystem, routine, t } from "mach-ipc/mig";

/** Largest piece of text in one call, in bytes. */
export const PIECE_BYTES = 128 * 1024;

export const Index = defineSubsystem({
  name: "index",
  base: 7000,
  routines: {
    /** Counts the words of a piece of text; the answer is what `encode` in words.mjs writes. */
    count: routine({ text: t.memory(PIECE_BYTES) }, { counts: t.bytes(2 * PIECE_BYTES) }),
  },
});
