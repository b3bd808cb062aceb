// How long a wait may take: the `{ timeout, signal }` that every waiting call accepts, checked once
// here, and the timer and listener that end a wait which is in progress.

/** Bounds a wait: milliseconds (0 polls, absent waits for ever), and a signal to give up at. */
export interface Wait {
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bounds a blocking wait: milliseconds; 0 polls, absent waits for ever. */
export interface SyncWait {
  readonly timeout?: number | undefined;
}

/** No bound; no number of milliseconds is negative. */
export const FOREVER: number = -1;

/** Longest timer that JavaScript takes, some 24 days; longer waits are for ever. */
const LONGEST_MS = 0x7fffffff;

/** The bound of `wait` in whole milliseconds, or `FOREVER`. */
export function timeoutOf(wait: SyncWait | undefined): number {
  if (wait === undefined) return FOREVER;
  if (typeof wait !== "object" || wait === null) throw new TypeError("wait: expected an object");
  const timeout = wait.timeout;
  if (timeout === undefined) return FOREVER;
  if (typeof timeout !== "number" || !(timeout >= 0)) {
    throw new TypeError("wait.timeout: expected milliseconds, 0 or more");
  }
  return timeout > LONGEST_MS ? FOREVER : Math.ceil(timeout);
}

/** The signal of `wait`, if it has one. */
export function signalOf(wait: Wait | undefined): AbortSignal | null {
  const signal = wait?.signal;
  if (signal === undefined) return null;
  if (!(signal instanceof AbortSignal)) throw new TypeError("wait.signal: expected an AbortSignal");
  return signal;
}

/**
 * Calls `expire` at the end of a bound: with the signal when it aborted, with null when time was up.
 *
 * @returns what takes timer and listener away again; null when there was no bound.
 */
export function bound(
  timeout: number,
  signal: AbortSignal | null,
  expire: (signal: AbortSignal | null) => void,
): (() => void) | null {
  if (timeout === FOREVER && signal === null) return null;
  const timer = timeout === FOREVER ? undefined : setTimeout(() => expire(null), timeout);
  if (signal === null) return () => clearTimeout(timer);
  const aborted = (): void => expire(signal);
  signal.addEventListener("abort", aborted);
  return () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", aborted);
  };
}
