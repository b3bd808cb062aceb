// `npm run chaos -- [--kills N] [--seed S] [--json FILE]`: kills workers at random while rights and calls are in flight, and
// checks that nothing is lost, doubled or left behind. Needs a build. The seed decides who is killed how; when a kill falls
// is the machine's choice, so that a run is not repeated exactly.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { Chaos } from "./chaos.mjs";

const { values } = parseArgs({
  options: {
    kills: { type: "string" },
    seed: { type: "string" },
    json: { type: "string" },
    wasm: { type: "string" },
  },
});
const kills = Number(values.kills ?? 300);
const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff));
if (!(Number.isInteger(kills) && kills > 0 && Number.isInteger(seed))) {
  process.stderr.write("usage: npm run chaos -- [--kills N] [--seed S] [--json FILE]\n");
  process.exit(2);
}
const wasm = values.wasm ?? fileURLToPath(new URL("../../build/kernel.debug.wasm", import.meta.url));
/** Of the long run at least so many must have been found inside the kernel. */
const IN_KERNEL_MIN = Math.min(300, Math.floor(kills / 20));

process.on("warning", () => {}); // victims end by errors on purpose
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (!/ended by an error/.test(warning.message)) process.stderr.write(`${warning.stack}\n`);
});
process.stdout.write(`chaos: ${kills} kills, seed ${seed}\n`);

let shown = 0;
function progress({ died, found, withLocks }) {
  if (!process.stdout.isTTY || performance.now() - shown < 250) return;
  shown = performance.now();
  process.stdout.write(`\r${died} killed, ${found.KERNEL ?? 0} in the kernel, ${withLocks} with a lock `);
}

const result = await new Chaos({ kills, seed, wasm, progress }).run();
if (process.stdout.isTTY) process.stdout.write("\r");
const { alarms } = result;
if ((result.found.KERNEL ?? 0) < IN_KERNEL_MIN)
  alarms.push(`only ${result.found.KERNEL ?? 0} were found in the kernel`);
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
const show = (counts) =>
  Object.entries(counts)
    .map(([key, count]) => `${key} ${count}`)
    .join(", ");
process.stdout.write(
  [
    `${result.kills} killed in ${result.seconds} s: ${show(result.byWay)}`,
    `found in ${show(result.found)}; of KERNEL ${result.working} at work, ${result.withLocks} with a lock, ${result.withUndo} in a transaction`,
    `roles: ${show(result.byRole)}`,
    `calls ${result.calls.asked}, answered ${result.calls.answered}, ${show(result.calls.failed)}`,
    `batons ${show(result.batons)}; sends ${show(result.sends)}`,
    `persistent ports came back ${result.portsBack} times; lost in dead hands: ${result.sinkLost} and ${result.crewLost}`,
    alarms.length === 0
      ? "nothing lost, doubled or left behind"
      : `${alarms.length} ALARMS\n${alarms.slice(0, 20).join("\n")}`,
    "",
  ].join("\n"),
);
if (alarms.length > 0) process.exitCode = 1;
