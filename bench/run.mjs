// Runs the benches: node bench/run.mjs [QUESTION...] [--quick] [--json FILE] [--rounds N] [--round-ms N]
// [--stage NAME] [--baselines] [--record]
//
// Each question is a file here, each of its stages a process of its own. Prints a table, or writes rows
// {question, case, unit, value, baseline, baselineValue, ratio} to FILE and everything else (machine,
// versions, every round) to FILE.env.json. What cannot be measured here is skipped by name.
// --baselines needs no build; --record keeps the raw baselines that are the best so far in best.json.
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { compareWithBest } from "./lib/best.mjs";
import { environment } from "./lib/environment.mjs";
import { built } from "./lib/kernel.mjs";
import { installPeers } from "./lib/peers.mjs";
import { coresFor, runLaunches } from "./lib/process.mjs";
import { compileRaw } from "./lib/raw-module.mjs";
import { rowsOf } from "./lib/rows.mjs";
import { printTable } from "./lib/table.mjs";
import { compileVariants } from "./lib/variants.mjs";

const questions = ["roundtrip", "one-way", "fan-in", "discipline", "out-of-line"];
const sizes = {
  full: { size: "full", rounds: 31, roundMs: 20 },
  quick: { size: "quick", rounds: 3, roundMs: 4 },
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    "round-ms": { type: "string" },
    stage: { type: "string" },
    baselines: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});

function parameters() {
  const chosen = flags.quick ? sizes.quick : sizes.full;
  const rounds = Number(flags.rounds ?? chosen.rounds);
  const roundMs = Number(flags["round-ms"] ?? chosen.roundMs);
  if (!(rounds >= 1 && roundMs > 0)) throw new Error("--rounds and --round-ms: a positive number");
  return { ...chosen, rounds, roundMs };
}

function chosenQuestions() {
  const chosen = positionals.length ? positionals : questions;
  for (const name of chosen) {
    if (!questions.includes(name) || !existsSync(new URL(`./${name}.mjs`, import.meta.url))) {
      throw new Error(`no question ${name}; there are ${questions.join(", ")}`);
    }
  }
  return chosen;
}

async function main() {
  const chosen = chosenQuestions();
  if (!flags.baselines && !built()) throw new Error("nothing to measure: npm run build first");
  await compileRaw();
  if (chosen.includes("discipline") && !flags.baselines) await compileVariants();
  const skipped = [];
  const available = flags.baselines ? [] : ["kernel"];
  if (installPeers(skipped)) available.push("peers");
  const parametersUsed = parameters();
  const rows = [];
  const measured = {};
  for (const question of chosen) {
    const { stages } = await import(`./${question}.mjs`);
    for (const stage of stages) {
      if (flags.stage && stage.name !== flags.stage) continue;
      const cores = coresFor(stage, skipped, question);
      if (cores === null) continue;
      const job = { question, stage: stage.name, cores, available, parameters: parametersUsed };
      const launches = flags.quick ? 1 : (stage.launches ?? 1);
      const outcome = await runLaunches(job, launches);
      measured[`${question}/${stage.name}`] = { placement: stage.placement, cores, ...outcome };
      rows.push(...rowsOf(question, stage, outcome.results));
    }
  }
  const rawBaselines = compareWithBest(measured, { record: flags.record });
  const record = { ...environment(parametersUsed), skipped, rawBaselines, measured };
  if (flags.json === undefined) return printTable(rows, record);
  await writeFile(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
  await writeFile(`${flags.json}.env.json`, `${JSON.stringify(record, null, 2)}\n`);
  for (const what of skipped) console.error(`skipped: ${what}`);
}

await main();
