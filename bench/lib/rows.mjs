// From nanoseconds a message to rows: one for each pair of a case and a baseline of it.
import { median, percentile, rounded } from "./statistics.mjs";

const units = {
  us: (nanoseconds) => nanoseconds / 1e3,
  "ns/message": (nanoseconds) => nanoseconds,
  "ns/call": (nanoseconds) => nanoseconds,
  "messages/s": (nanoseconds) => 1e9 / nanoseconds,
  "calls/s": (nanoseconds) => 1e9 / nanoseconds,
};

/** What a case reports of a method: its third-fastest round, or the median of what the server adds. */
function reported({ unit, extra }, result) {
  if (extra) return median(result.extras.map((each) => each[extra]));
  return units[unit](result.thirdFastest);
}

/** Of methods whose rounds follow each other: the ratio of each pair, its median and quartiles. */
function paired(own, other) {
  const ratios = own.rounds.map((nanoseconds, round) => nanoseconds / other.rounds[round]);
  const spread = [0.25, 0.75].map((part) => rounded(percentile(ratios, part)));
  return { ratio: rounded(median(ratios)), spread };
}

/** Rows whose case or baseline was not measured are left out. */
export function rowsOf(question, { cases }, results) {
  const rows = [];
  for (const each of cases) {
    const own = results[each.method.name];
    if (!own) continue;
    for (const baseline of each.baselines) {
      const other = results[baseline.name];
      if (!other) continue;
      const value = rounded(reported(each, own));
      const baselineValue = rounded(reported(each, other));
      const compared = each.paired ? paired(own, other) : { ratio: rounded(value / baselineValue) };
      const { unit } = each;
      const name = baseline.as ?? baseline.name;
      rows.push({ question, case: each.case, unit, value, baseline: name, baselineValue, ...compared });
    }
  }
  return rows;
}
