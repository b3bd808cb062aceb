// Calls in flight: as many lanes as the window, each with one call out and its next when that returns.

/** Makes a run out of `call(payload) -> Promise<Uint8Array>`. */
export function lanes(call, { window, bytes }) {
  return async (count, probe) => {
    let next = 0;
    const lane = async () => {
      const payload = new Uint8Array(bytes);
      while (next < count) {
        const i = next++;
        probe.fill(payload, 0, bytes, i);
        probe.check(await call(payload), 0, bytes, i);
      }
    };
    await Promise.all(Array.from({ length: window }, lane));
  };
}
