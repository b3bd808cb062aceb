// Which build this is. Two versions of the package in one program must not share a memory.

import * as layout from "./abi/layout.gen.js";

/** The package's version. */
export const VERSION = "0.1.0";

/** A hash over every offset and size that this host relies on, and the version. */
export function buildHash(): number {
  known ??= hashLayout();
  return known;
}

let known: number | undefined;

function hashLayout(): number {
  let hash = 0x811c9dc5;
  const text = VERSION + JSON.stringify(layout);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
