// The numbers of a method: one mean for each round, and the times of single messages.

const ascending = (values) => Float64Array.from(values).sort();

export const median = (values) => {
  const sorted = ascending(values);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Noise on a shared machine only ever adds: the third-fastest of many rounds is what repeats. */
const thirdFastest = (nanoseconds) => {
  const sorted = ascending(nanoseconds);
  return sorted[Math.min(2, sorted.length - 1)];
};

/** Of a method's rounds. */
export const summary = (rounds) => ({ median: median(rounds), thirdFastest: thirdFastest(rounds) });

export const percentile = (values, part) => {
  const sorted = ascending(values);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
};

/** Nanoseconds between one completion and the next. */
export function gaps(milliseconds) {
  const gaps = new Float64Array(milliseconds.length - 1);
  for (let i = 0; i < gaps.length; i++) gaps[i] = (milliseconds[i + 1] - milliseconds[i]) * 1e6;
  return gaps;
}

/** Four significant digits: more than the machine can tell apart. */
export const rounded = (value) => Number(value.toPrecision(4));
