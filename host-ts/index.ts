// The public surface of `mach-ipc`: this file is its table of contents.

export type { Bootstrap, CheckInOptions } from "./bootstrap/bootstrap.js";
export { KernelPanic, KernError, MachMsgError, MemoryError, MigError } from "./errors.js";
export type { NoSendersEvent, PortDestroyedEvent } from "./events.js";
export type { KernelAttachment } from "./kernel/attachment.js";
export type { KernelDump } from "./kernel/dump.js";
export type { Exit, SpawnedTask } from "./kernel/child.js";
export type { Restart, RestartOptions } from "./kernel/restart.js";
export type { SpawnOptions } from "./kernel/spawn.js";
export { type BootOptions, Kernel } from "./kernel.js";
export type { Lease } from "./memory/lease.js";
export {
  type MovedRegion,
  type OutgoingMemory,
  Region,
  type RegionRange,
  type ShareOptions,
} from "./memory/region.js";
export type { Bytes, ByteStream, MapOptions, TaskMemory } from "./memory/task-memory.js";
export type { Message, Sender } from "./message.js";
export type { Client, Handlers, Subsystem } from "./mig/define.js";
export type { ServeOptions, Server } from "./mig/server.js";
export type { PortNotification } from "./notification-kinds.js";
export type { Outgoing } from "./outgoing.js";
export type { WorkerLike } from "./platform/types.js";
export { PortSet } from "./port-set.js";
export { type GuardOptions, type PortOptions, type PortStatus, ReceiveRight } from "./receive-right.js";
export { type Moved, move, type OutgoingRight, type Right, SendOnceRight, SendRight } from "./right.js";
export { type Quota, Task } from "./task.js";
export type { SyncWait, Wait } from "./wait.js";
