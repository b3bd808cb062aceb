// The cells of the matrix that may be empty, each with the reason. A cell that a test fills must leave this list.

/** "call CODE", or "* CODE" for every call -> why. */
export const emptyCodes = {};

/** Assertion -> why. */
export const emptyAssertions = {
  A31: "never built: the classic overflow of references (A29 and A30 are built instead)",
  A136: "never built: the classic, typed form of notifications (A135 is built instead)",
  A216: "nothing interrupts a wait here, so that there is nothing to retry",
};
