// Runs checks one after the other and leaves the results where the driver looks for them.

const PATIENCE_MS = 10_000;

/** `bodies` in the order of `names`; a body that throws or takes too long fails its check alone. */
export async function runChecks(names, bodies) {
  globalThis.results = [];
  for (const [index, body] of bodies.entries()) {
    const name = names[index];
    try {
      await Promise.race([body(), tooLate()]);
      globalThis.results.push({ name, ok: true });
    } catch (error) {
      globalThis.results.push({ name, ok: false, error: String(error?.stack ?? error) });
    }
  }
  globalThis.ended = true;
}

function tooLate() {
  return new Promise((_, reject) =>
    setTimeout(() => reject(new Error(`not done after ${PATIENCE_MS} ms`)), PATIENCE_MS),
  );
}

export function equal(actual, expected) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

/** The error that `promise` rejects with. */
export async function rejection(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`resolved with ${JSON.stringify(value)} instead of rejecting`);
}
