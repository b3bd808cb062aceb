// What a message of the kernel's own says, for a program that receives notifications on its own ports.

import {
  MACH_NOTIFY_DEAD_NAME,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_PORT_DELETED,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_NOTIFY_SEND_ONCE,
  MACH_NOTIFY_SEND_POSSIBLE,
} from "./abi/codes.gen.js";
import type { Right } from "./right.js";

/**
 * A notification. Of `send-once` there is one for each send-once right that was destroyed unused; the others come where they were
 * asked for, by `mach_port_request_notification` of `mach-ipc/traps`. With `dead-name` comes one reference on the name.
 *
 * @mach notify.h
 */
export type PortNotification =
  | { readonly type: "send-once" }
  | { readonly type: "no-senders"; readonly makeSendCount: number }
  | { readonly type: "dead-name" | "port-deleted" | "send-possible"; readonly name: number }
  | { readonly type: "port-destroyed"; readonly right: Right | undefined };

/**
 * The notification of this id.
 *
 * @param value the word behind the header, where there is one
 * @param right takes the right out that came with it
 */
export function notificationOf(id: number, value: number, right: () => Right | undefined): PortNotification | null {
  switch (id) {
    case MACH_NOTIFY_SEND_ONCE:
      return { type: "send-once" };
    case MACH_NOTIFY_NO_SENDERS:
      return { type: "no-senders", makeSendCount: value };
    case MACH_NOTIFY_DEAD_NAME:
      return { type: "dead-name", name: value };
    case MACH_NOTIFY_PORT_DELETED:
      return { type: "port-deleted", name: value };
    case MACH_NOTIFY_SEND_POSSIBLE:
      return { type: "send-possible", name: value };
    case MACH_NOTIFY_PORT_DESTROYED:
      return { type: "port-destroyed", right: right() };
    default:
      return null;
  }
}
