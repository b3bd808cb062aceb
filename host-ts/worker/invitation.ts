// What a spawner tells a worker that it starts. Posted once, before anything else; the user's own
// messages are left alone.

import type { PortLike, TaskId } from "../platform/types.js";
import type { KernelMemory } from "../kernel/kernel-memory.js";

/** A right in the new task's space: its name and how it was received. */
export interface HandedRight {
  readonly name: number;
  readonly disposition: number;
}

/** The first message to a spawned worker. */
export interface Invitation {
  /** Version of the package that wrote this. */
  readonly "mach-ipc": string;
  readonly kernel: KernelMemory;
  /** The processor record that the spawner claimed for the worker. */
  readonly pid: number;
  readonly generation: number;
  readonly task: TaskId;
  readonly name: string;
  /** Whether a quota bounds its messages. */
  readonly bounded: boolean;
  readonly rights: Record<string, HandedRight>;
  readonly data: unknown;
  /** For the reaper: the watcher tells of deaths here. */
  readonly deaths?: PortLike | undefined;
  /** Closes when the worker is gone: the watcher holds the other end. Absent in browsers. */
  readonly life: PortLike | undefined;
  /** Names this kernel among the others of this origin. */
  readonly kernelId: string;
}

/** Name of the Web Lock that a thread holds while it lives. */
export function lifeLock(kernelId: string, life: { pid: number; generation: number }): string {
  return `mach-ipc/${kernelId}/${life.pid}/${life.generation}`;
}
