// The naming service's own interface. The first three routines have the ids of Mach's bootstrap.

import { defineSubsystem, type Routine, routine, type Subsystem } from "../mig/define.js";
import { type Scalar, t, type WireType } from "../mig/types.js";
import type { ReceiveRight } from "../receive-right.js";
import type { Moved, OutgoingRight, SendRight } from "../right.js";

/** Most bytes of a service's name, in UTF-8. */
export const NAME_BYTES: number = 127;

const name: Scalar<string> = t.string(NAME_BYTES);

type None = Readonly<Record<never, never>>;

/** The routines, typed for those who import them. */
export interface BootstrapRoutines {
  /** The receive right of the service's port; the caller is its server until the right dies. */
  readonly check_in: Routine<
    { readonly name: Scalar<string>; readonly persistent: Scalar<boolean> },
    { readonly receive: WireType<Moved, ReceiveRight> }
  >;
  readonly register: Routine<
    { readonly name: Scalar<string>; readonly right: WireType<OutgoingRight, SendRight> },
    None
  >;
  /** With `wait` the answer comes when somebody checks in. */
  readonly look_up: Routine<
    { readonly name: Scalar<string>; readonly wait: Scalar<boolean> },
    { readonly right: WireType<OutgoingRight, SendRight> }
  >;
  readonly unregister: Routine<{ readonly name: Scalar<string> }, None>;
  /** The next name after `after` in the order of code units; empty after the last. */
  readonly next: Routine<{ readonly after: Scalar<string> }, { readonly name: Scalar<string> }>;
}

export const bootstrapSubsystem: Subsystem<BootstrapRoutines> = defineSubsystem({
  name: "bootstrap",
  base: 402,
  routines: {
    check_in: routine({ name, persistent: t.bool }, { receive: t.receive }),
    register: routine({ name, right: t.send }, {}),
    look_up: routine({ name, wait: t.bool }, { right: t.send }),
    unregister: routine({ name }, {}),
    next: routine({ after: name }, { name }),
  },
});
