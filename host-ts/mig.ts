// The entry `mach-ipc/mig`: interfaces, and clients and servers of ports that were not found by name.

export { connect } from "./mig/client.js";
export type {
  AnyRoutine,
  Client,
  Handler,
  Handlers,
  Routine,
  Routines,
  SimpleRoutine,
  Subsystem,
} from "./mig/define.js";
export { defineSubsystem, routine, simpleroutine } from "./mig/define.js";
export type { ServeOptions } from "./mig/server.js";
export { serve, Server } from "./mig/server.js";
export type { Fields, Given, Got, WireType } from "./mig/types.js";
export { t } from "./mig/types.js";
