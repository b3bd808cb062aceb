// Promises without an executor of their own: on the path of a message every object counts.

/** Functions of the promise that `unsettled` made last; to be read at once. */
export let resolveLast: (value: never) => void;
export let rejectLast: (error: unknown) => void;

function capture(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  resolveLast = resolve;
  rejectLast = reject;
}

/** A promise whose functions are in `resolveLast` and `rejectLast`. */
export function unsettled<T>(): Promise<T> {
  return new Promise<T>(capture as (resolve: (value: T) => void, reject: (error: unknown) => void) => void);
}
