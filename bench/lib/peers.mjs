// The packages that are compared with live in bench's own folder, so that nobody else installs them.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../", import.meta.url));
const peers = ["comlink", "ringbuf.js"];
const installed = () => peers.every((name) => existsSync(`${folder}node_modules/${name}`));

/** Installs them if they are not there; says so in `skipped` when that fails. */
export function installPeers(skipped) {
  if (installed()) return true;
  const command = "npm ci --no-audit --no-fund --fetch-retries=1";
  try {
    execFileSync(command, { cwd: folder, shell: true, stdio: "pipe", timeout: 120_000 });
  } catch (error) {
    const why = String(error.stderr ?? error.message)
      .trim()
      .split("\n")[0];
    skipped.push(`${peers.join(" and ")}, for \`npm ci\` in bench failed: ${why}`);
  }
  return installed();
}
