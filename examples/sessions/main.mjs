// Clients of a server that keeps state for each: they end in every way, and the state of each is freed.
// `node examples/sessions/main.mjs [ROUNDS]`

import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";
import { COUNT, decode, SERVICE } from "./protocol.mjs";

const ENDS = ["dispose", "exit", "wait"];
const rounds = Number(process.argv[2] ?? 200);
const worker = (file) => () => new Worker(new URL(file, import.meta.url));
const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

const kernel = await Kernel.boot();
kernel.spawn(worker("./server.mjs"), { name: "server" });
const service = await kernel.bootstrap.lookUp(SERVICE);

async function count() {
  const reply = await service.call({ id: COUNT });
  const numbers = decode(reply.body);
  reply[Symbol.dispose]();
  return numbers;
}

const clients = ENDS.map((end, client) =>
  kernel.spawn(worker("./client.mjs"), { name: `client ${end}`, data: { client, rounds, end } }),
);
const [disposes, exits, waits] = clients;
for (const client of [disposes, exits]) {
  const { reason, error } = await client.exited;
  if (reason !== "exit") throw error ?? new Error(`${client.name}: ${reason}`);
}
// The third is killed with its session in its hand, once it is alone with it.
const early = waits.exited.then(({ error }) => Promise.reject(error ?? new Error("client wait ended by itself")));
while ((await count())[0] !== 1) await Promise.race([pause(), early]);
early.catch(() => {});
await waits.terminate();
while ((await count())[0] !== 0) await pause();
const [left, freed] = await count();
console.log(`${ENDS.length} clients, ${ENDS.length * rounds} rights handed out, ${freed} sessions freed, ${left} left`);
await kernel.close();
