// Calls in flight: as many lanes as the window, each with one call out and its next when that returns.

const itself = (reply) => reply;

/** Makes a run out of `call(payload)`, a promise of a reply, and `payloadOf(reply)`, its bytes. */
export function lanes({ call, payloadOf = itself }, { window, bytes }) {
  return async (count, probe) => {
    let next = 0;
    const lane = async () => {
      const payload = new Uint8Array(bytes);
      while (next < count) {
        const i = next++;
        probe.fill(payload, 0, bytes, i);
        probe.check(payloadOf(await call(payload)), 0, bytes, i);
      }
    };
    await Promise.all(Array.from({ length: window }, lane));
  };
}
