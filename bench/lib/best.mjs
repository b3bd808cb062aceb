// A ratio to a slow baseline flatters. So the raw baselines are compared with the best that was ever
// recorded on a machine of the same kind (best.json); run with --record to keep a better one.
import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { rounded } from "./statistics.mjs";

const file = new URL("../best.json", import.meta.url);
const machine = `${os.cpus()[0]?.model}, ${os.arch()}, node ${process.versions.node.split(".")[0]}`;

/** Every raw baseline measured: its third-fastest round beside the best one recorded. */
export function compareWithBest(measured, { record }) {
  const all = JSON.parse(readFileSync(file, "utf8"));
  const best = all[machine] ?? {};
  const compared = [];
  for (const { results } of Object.values(measured)) {
    for (const [name, { thirdFastest }] of Object.entries(results)) {
      if (!name.startsWith("raw Wasm")) continue;
      const value = rounded(thirdFastest);
      const known = best[name] ?? null;
      compared.push({ name, value, best: known, ratio: known && rounded(value / known) });
      if (known === null || value < known) best[name] = value;
    }
  }
  if (record) {
    all[machine] = best;
    writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
  }
  return compared;
}
