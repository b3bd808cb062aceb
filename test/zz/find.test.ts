import { test } from "vitest";
import { Kernel } from "mach-ipc";
import { episode, run, runAlone, shorten } from "../sim/simulation.js";
test("find", { timeout: 500000 }, async () => {
  const length = Number(process.env.LEN ?? 150);
  const seen = new Map<string, number>();
  let tried = 0;
  let kernel = await Kernel.boot();
  const t0 = Date.now();
  for (let seed = 1; Date.now() - t0 < Number(process.env.MS ?? 60000); seed++) {
    tried++;
    let r; try { r = run(kernel, episode(seed, length)); } catch (e) { r = { error: e, operations: [] }; }
    if (!("error" in r)) continue;
    const kind = String(r.error).replaceAll(/0x[0-9a-f]+|\d+/g, "#").slice(0, 60);
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    if (seen.get(kind) === 1) {
      const first = await runAlone(episode(seed, length), null);
      if (!first) { console.log("not alone", seed, String(r.error)); kernel = await Kernel.boot(); continue; }
      const short = await shorten(first.operations, null, 3000);
      const trace: string[] = [];
      const f = await runAlone(short, null, trace);
      console.log("seed", seed, String(f?.error), "\n" + trace.join("\n"));
    }
    kernel = await Kernel.boot();
  }
  console.log(tried, [...seen]);
});
