import { defineSubsystem, routine, t } from "mach-ipc/mig";

export const Echo = defineSubsystem({
  name: "echo",
  base: 1000,
  routines: { shout: routine({ text: t.string(256) }, { loud: t.string(256) }) },
});
