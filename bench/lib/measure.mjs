// The order of a measurement: check every method with whole payloads, warm it up until a round of the
// wanted length is known, then rounds in which the methods take turns, in an order that rotates; last,
// the times of single messages. All methods of a stage run in the same threads, so ratios compare like
// with like; nothing is asserted about absolute times.
import { gaps, median, percentile, summary } from "./statistics.mjs";

const CHECKED = 2048; // messages of the check: twice round a ring or queue of 1024. A method may say otherwise,
const STEP = 256; // and too what its counts are multiples of: here, of every batch
const TIMED_MAX = 20_000;

/** `stageOf` says which threads run a method. Returns, by method name: nanoseconds a message for each round, statistics, hash, extras. */
export async function measure(stageOf, methods, { rounds, roundMs, size }) {
  const results = new Map();
  for (const method of methods) {
    const stage = stageOf(method);
    await stage.openMethod(method);
    const { hash } = await stage.run(method, { count: method.checked ?? CHECKED, full: true });
    const count = method.count?.[size] ?? (await warmUp(stage, method, roundMs));
    results.set(method.name, { hash, count, rounds: [], extras: [] });
  }
  compareHashes(methods, results);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < methods.length; turn++) {
      const method = methods[(round + turn) % methods.length];
      await oneRound(stageOf(method), method, results.get(method.name));
    }
  }
  for (const method of methods) {
    const stage = stageOf(method);
    const result = results.get(method.name);
    if (method.single) await timeSingle(stage, method, result);
    Object.assign(result, summary(result.rounds));
    await stage.closeMethod(method);
  }
  return results;
}

/** Three runs of growing length: compiled code, then a count that fills a round. */
async function warmUp(stage, method, roundMs) {
  const { step = STEP } = method;
  let count = step;
  for (const part of [0.1, 0.5, 1]) {
    const { nanoseconds } = await stage.run(method, { count });
    const wanted = (part * roundMs * 1e6 * count) / nanoseconds;
    const bounded = Math.min(Math.max(wanted, step), method.countMax ?? Infinity);
    count = Math.round(bounded / step) * step;
  }
  return count;
}

async function oneRound(stage, method, result) {
  const { step = STEP } = method;
  await stage.run(method, { count: Math.max(step, Math.floor(result.count / 8 / step) * step) });
  const { nanoseconds, extra } = await stage.run(method, { count: result.count });
  const messages = result.count * Math.max(1, stage.clients.length);
  result.rounds.push(nanoseconds / messages);
  if (extra) result.extras.push(extra);
}

async function timeSingle(stage, method, result) {
  const count = Math.min(result.count, TIMED_MAX);
  const { times } = await stage.run(method, { count, timed: true });
  const single = gaps(times);
  result.single = { count, p50: median(single), p99: percentile(single, 0.99) };
}

/** Methods that carry the same payloads must have carried the same bytes. */
function compareHashes(methods, results) {
  const seen = new Map();
  for (const { name, options } of methods) {
    const { hash } = results.get(name);
    const other = seen.get(options.bytes) ?? { name, hash };
    if (other.hash !== hash) throw new Error(`${name} and ${other.name} moved different bytes`);
    seen.set(options.bytes, other);
  }
}
