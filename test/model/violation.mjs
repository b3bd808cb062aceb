/** What whoever finds the kernel wrong throws. */
export class Violation extends Error {}

export function refuse(condition, text) {
  if (condition) throw new Violation(text);
}
