// What the recording's tags allow. A tag names a point in which XNU differs from GNU Mach; where this kernel follows XNU, what GNU Mach
// answered is not asked of it, and what it answers instead is said here.

import * as codes from "../../host-ts/abi/codes.gen.ts";
import type { Operation } from "./recorded.js";

const {
  KERN_SUCCESS,
  KERN_INVALID_ARGUMENT,
  KERN_INVALID_NAME,
  KERN_INVALID_RIGHT,
  KERN_INVALID_VALUE,
  KERN_INVALID_CAPABILITY,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_REPLY,
} = codes;

/**
 * What is left of the comparison:
 *   skip   the operation is not done: it was refused and changed nothing there, and would be accepted here
 *   codes  the code is one of these, whatever was recorded; both name spaces are compared
 *   parts  these parts of the output are not compared
 *   member a message of a set is taken from the member that gave it there: the order among members differs (D6)
 *   ends   if it differs here, the states are different, and the sequence ends
 */
export type Mask = "skip" | "member" | "ends" | { codes: readonly number[] } | { parts: readonly string[] };

export interface Rule {
  readonly reason: string;
  readonly mask: Mask;
}

const COPYIN = [KERN_INVALID_NAME, KERN_INVALID_RIGHT, KERN_INVALID_VALUE, KERN_INVALID_CAPABILITY];

const RULES: ReadonlyMap<string, Mask> = new Map<string, Mask>([
  ["null-or-dead-name", { codes: [KERN_SUCCESS, KERN_INVALID_ARGUMENT, ...COPYIN] }],
  ["rpc-copyin-error", { codes: COPYIN }],
  ["dest-reply-error-order", { codes: [MACH_SEND_INVALID_DEST, MACH_SEND_INVALID_REPLY] }],
  ["dn-cancel-nothing", { codes: [KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_RIGHT] }],
  ["move-member-after-dead", { codes: [KERN_INVALID_RIGHT] }],
  ["move-member-error-order", { codes: [KERN_INVALID_NAME, KERN_INVALID_RIGHT] }],
  ["mig-type-check", { codes: [KERN_INVALID_VALUE] }],
  ["deallocate-pset!", "skip"],
  ["urefs-overflow!", "skip"],
  ["qlimit-max!", "skip"],
  ["receive-from-member!", "skip"],
  ["pd-receive-drop!", "ends"],
  ["set-order", "member"],
  ["status-pset-boolean", { parts: ["pset"] }],
  ["too-large-output", { parts: ["size"] }],
]);

/** Tags of points in which this kernel does as GNU Mach does. */
const COMPARED = new Set([
  "pd-request-twice!", // D10
  "dn-request-on-dead-name!", // D9
  "reply-is-dead-name!", // D2
  "dead-send-once-dest", // D14: each look at the names converts
  "notification-order", // the same here
  "urefs-near-max!", // but for the last one, D1: known.ts
  "msgid-66-is-send-possible", // asked for by a number that nobody knows: operations.ts
  "no-rename",
  "no-rename!",
]);

export function rulesFor(operation: Operation): Rule[] {
  return (operation.xnu ?? []).flatMap((tag) => {
    if (operation.op === "mach_port_rename" && tag === "null-or-dead-name") return []; // XNU has no such call
    const mask = RULES.get(tag);
    if (mask !== undefined) return [{ reason: tag.replace("!", ""), mask }];
    if (!COMPARED.has(tag)) throw new Error(`the recording has a tag of another name: ${tag}`);
    return [];
  });
}
