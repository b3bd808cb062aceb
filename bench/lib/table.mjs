// Rows for a reader.

const columns = ["question", "case", "unit", "value", "baseline", "baselineValue", "ratio", "spread"];

function columnWidths(rows) {
  const widest = (name) => Math.max(name.length, ...rows.map((row) => String(row[name] ?? "").length));
  return columns.map(widest);
}

export function printTable(rows, { measured, rawBaselines, skipped }) {
  const widths = columnWidths(rows);
  const line = (cells) =>
    cells
      .map((cell, i) => String(cell).padEnd(widths[i]))
      .join("  ")
      .trimEnd();
  console.log(line(columns));
  for (const row of rows) console.log(line(columns.map((name) => row[name] ?? "")));
  console.log("\nns a message of every method: third-fastest round, median round, one message p50, p99");
  for (const [stage, { results, pinning, cores }] of Object.entries(measured)) {
    console.log(`${stage} (cores ${cores}; ${[...new Set(pinning)].join(", ")})`);
    const width = Math.max(...Object.keys(results).map((name) => name.length));
    for (const [name, { thirdFastest, median, single, hash }] of Object.entries(results)) {
      const times = [thirdFastest, median, single?.p50, single?.p99];
      const shown = times.map((time) => (time === undefined ? "" : time.toFixed(0)).padStart(11));
      console.log(`  ${name.padEnd(width)}${shown.join("")}  hash ${hash.toString(16)}`);
    }
  }
  for (const { name, value, best, ratio } of rawBaselines) {
    const known = best === null ? "none recorded" : `${ratio} of the best recorded, ${best} ns`;
    console.log(`${name}: ${value} ns a message; on machines of this kind ${known}`);
  }
  for (const what of skipped) console.log(`skipped: ${what}`);
}
