import { defineSubsystem, routine, t } from "/dist/browser/mig.js";

export const Smoke = defineSubsystem({
  name: "smoke",
  base: 3000,
  routines: {
    shout: routine({ text: t.string(64) }, { loud: t.string(64) }),
    /** Sends one message with `id` to `port`. */
    poke: routine({ port: t.send, id: t.int32 }, {}),
    /** Calls the service `name`, blocking, and answers with its answer. */
    relay: routine({ name: t.string(64), text: t.string(64) }, { loud: t.string(64) }),
    /** Answers with the same memory, its first byte one more. */
    turn: routine({ data: t.memory() }, { data: t.memory() }),
    /** Is never answered. */
    wait: routine({}, {}),
    loop: routine({}, {}),
    leave: routine({}, {}),
  },
});

export const Shout = defineSubsystem({
  name: "shout",
  base: 3200,
  routines: { shout: routine({ text: t.string(64) }, { loud: t.string(64) }) },
});
